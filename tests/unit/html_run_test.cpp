// The report of runs that are made here row by row: large ones, strange ones, repeats, confidences.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <string>

#include "assay/plugin.h"
#include "db/testing/fixture.hpp"
#include "reports/html/run_report.hpp"
#include "tests/unit/html_support.hpp"

using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test
using assay::Code;
using Catch::Matchers::ContainsSubstring;

namespace {

template <class T>
T must(assay::Result<T> result) {
  INFO(text_of(result));
  REQUIRE(result.ok());
  return *std::move(result);
}
void must(const assay::Result<void>& result) {
  INFO(text_of(result));
  REQUIRE(result.ok());
}

/// A database with one run that is filled piece by piece.
struct MadeRun {
  TempFolder folder;
  std::unique_ptr<Store> store = must(Store::open(folder.file("x.db")));
  RowId run = 0;

  MadeRun() {
    RunRow row;
    row.suite_name = "made";
    run = must(store->begin_run(row));
  }
  RowId model(const std::string& name) const {
    ModelRow row;
    row.fingerprint = sha256_hex(name);
    row.name = name;
    return must(store->add_model(row));
  }
  RowId recipe(const std::string& name) const {
    RecipeRow row;
    row.hash = sha256_hex("recipe " + name);
    row.name = name;
    row.task_id = "some.task";
    return must(store->add_recipe(run, row));
  }
  RowId metric(RowId recipe, const std::string& name, std::vector<ValueRow>& values) const {
    MetricRow row;
    row.recipe = recipe;
    row.name = name;
    const RowId id = must(store->add_metric(row, values));
    return id;
  }
  RowId evaluation(RowId recipe, RowId model) const {
    EvaluationRow row;
    row.run = run, row.recipe = recipe, row.model = model;
    return must(store->begin_evaluation(row));
  }
  void aggregate(RowId evaluation, RowId value, const std::string& statistic, double estimate, double lo,
                 double hi) const {
    AggregateRow row;
    row.evaluation = evaluation, row.value = value;
    row.statistic = statistic;
    row.estimate = estimate, row.lo = lo, row.hi = hi;
    row.se = row.worst = row.best = std::nan("");
    row.n_total = row.n_scored = 4;
    must(store->put_aggregates(evaluation, std::span(&row, 1)));
  }
  std::string report(const html::RunReportOptions& options = {}) {
    must(store->flush());
    const auto reader = must(Reader::open(folder.file("x.db")));
    return must(html::run_report(*reader, must(reader->find_run("latest")), options));
  }
};

ValueRow value(const std::string& name, int rule, bool headline = true) {
  ValueRow row;
  row.name = name;
  row.rule = rule;
  row.headline = headline;
  row.min = row.max = std::nan("");
  return row;
}

}  // namespace

TEST_CASE("html: twenty tasks with fifty models and long answers stay below two megabytes with every score") {
  MadeRun made;
  BatchBuilder builder;
  std::vector<RowId> models;
  for (int m = 0; m < 50; ++m) models.push_back(made.model("model-" + std::to_string(m)));
  for (int t = 0; t < 20; ++t) {
    const RowId recipe = made.recipe("task " + std::to_string(t));
    std::vector<ValueRow> values = {value("score", ASSAY_RULE_MEAN)};
    made.metric(recipe, "some.metric", values);
    for (std::size_t m = 0; m < models.size(); ++m) {
      const RowId evaluation = made.evaluation(recipe, models[m]);
      for (int i = 0; i < 4; ++i) {
        const std::string name = std::to_string(t) + "/" + std::to_string(m) + "/" + std::to_string(i);
        const std::string answer = R"({"choices":[{"text":")" + std::string(6000, '<') + "\"}]}";
        const std::int64_t response = builder.response(models[m], name, answer);
        builder.result(evaluation, i, "item " + std::to_string(i), i % 2 == 0 ? 0 : 3);
        builder.link("main", "", response);
        builder.score(values[0].id, 0.5);
      }
      made.aggregate(evaluation, values[0].id, "mean", 0.25 + 0.01 * static_cast<double>(m), 0.2, 0.8);
    }
  }
  must(made.store->submit(builder.done()));
  const std::string page = made.report();
  CHECK(page.size() < 2'000'000);
  CHECK_THAT(page, ContainsSubstring("left out to keep this file small"));
  // 1,000 scores in the tables of the tasks: 20 tasks with each of 50 estimates.
  CHECK(count(page, " data-v=\"0.74\">0.7400</td><td class=\"n\" data-v=\"0.2\">0.2000 to 0.8000</td>") ==
        20);
  CHECK(count(page, "0.2000 to 0.8000</td>") == 1000);
}

TEST_CASE("html: a run without anything is a page that says so") {
  MadeRun made;
  const std::string page = made.report();
  CHECK_THAT(page, ContainsSubstring("No task was begun"));
  CHECK_THAT(page, ContainsSubstring("<strong>running</strong>"));
}

TEST_CASE("html: a ROC curve is drawn from means over repeats, without items that have no label or value") {
  MadeRun made;
  const RowId model = made.model("m"), recipe = made.recipe("ranks");
  std::vector<ValueRow> values = {value("score", ASSAY_RULE_AUROC)};
  made.metric(recipe, "some.rank", values);
  const RowId evaluation = made.evaluation(recipe, model);
  BatchBuilder builder;
  const auto add = [&](int position, int repeat, int label, double number) {
    ResultRow& row = builder.result(evaluation, position, "i" + std::to_string(position));
    row.repeat = static_cast<std::uint32_t>(repeat);
    row.label = label;
    builder.score(values[0].id, number);
  };
  // Positives 3 (mean of 2 and 4) and 1, negatives 2 and 0: three of four pairs in order, area 0.75.
  add(0, 0, 1, 2), add(0, 1, 1, 4), add(1, 0, 1, 1), add(1, 1, 1, 1), add(2, 0, 0, 2), add(2, 1, 0, 2);
  add(3, 0, 0, 0), add(3, 1, 0, 0), add(4, 0, -1, 9), add(5, 0, 1, std::nan(""));
  must(made.store->submit(builder.done()));
  SECTION("with the recorded area") {
    made.aggregate(evaluation, values[0].id, "auroc", 0.75, 0.3, 0.95);
    const std::string page = made.report();
    CHECK_THAT(page, ContainsSubstring("m: AUROC 0.7500, 0.3000 to 0.9500 (2+2)"));
    // (0,0) (0,.5) (.5,.5) (.5,1) (1,1) in pixels.
    CHECK_THAT(page, ContainsSubstring("points=\"56,304 56,158 202,158 202,12 348,12\""));
  }
  SECTION("with another area it is not drawn, and that is said") {
    made.aggregate(evaluation, values[0].id, "auroc", 0.5, 0.3, 0.95);
    const std::string page = made.report();
    CHECK(count(page, "ROC of") == 0);
    CHECK_THAT(page, ContainsSubstring("1 curve is not drawn"));
  }
}

TEST_CASE("html: confidence and correctness of each item become a reliability diagram and a risk curve") {
  MadeRun made;
  const RowId model = made.model("m"), recipe = made.recipe("sure");
  std::vector<ValueRow> values = {value("confidence", ASSAY_RULE_MEAN, false),
                                  value("correct", ASSAY_RULE_PROPORTION)};
  made.metric(recipe, "some.calibration", values);
  const RowId evaluation = made.evaluation(recipe, model);
  BatchBuilder builder;
  const double sure[] = {0.95, 0.95, 0.85, 0.1, 0.05}, right[] = {1, 0, 1, 0, 0};
  for (int i = 0; i < 5; ++i) {
    builder.result(evaluation, i, "i" + std::to_string(i));
    builder.score(values[0].id, sure[i]);
    builder.score(values[1].id, right[i]);
  }
  must(made.store->submit(builder.done()));
  made.aggregate(evaluation, values[1].id, "proportion", 0.4, 0.1, 0.8);
  const std::string page = made.report();
  CHECK_THAT(page, ContainsSubstring("Reliability of sure, m: some.calibration"));
  // The lowest bin holds 0.05 and 0.1 (closed above); the highest both answers of 0.95, one of them right.
  CHECK(count(page, "0 to 0.1</th><td class=\"n\">2</td>") == 1);
  CHECK(count(page, ">0.0750</td><td class=\"n\" data-v=\"0\">0.0000</td>") == 1);
  CHECK_THAT(
      page, ContainsSubstring("0.9 to 1</th><td class=\"n\">2</td><td class=\"n\" data-v=\"0.95\">0.9500</td>"
                              "<td class=\"n\" data-v=\"0.5\">0.5000</td>"));
  // Equal confidences are answered together: coverage 0.4 with one of two wrong, then 1/3, 2/4, 3/5 wrong.
  CHECK_THAT(page, ContainsSubstring("data-v=\"0.4\">0.4000</td><td class=\"n\" data-v=\"0.5\">0.5000</td>"));
  CHECK_THAT(page,
             ContainsSubstring("data-v=\"0.6\">0.6000</td><td class=\"n\" data-v=\"0.3333333333333333\">"));
  CHECK_THAT(page, ContainsSubstring("data-v=\"1\">1.0000</td><td class=\"n\" data-v=\"0.6\">0.6000</td>"));
  CHECK(count(page, "<td class=\"n\" data-v=\"0.2\">0.2000</td>") == 0);
}
