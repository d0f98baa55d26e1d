// What gates leave in the database, what they find in it, and a database from before there were gates.
#include <cmath>
#include <limits>

#include "db/migrate.hpp"
#include "db/testing/fixture.hpp"
#include "tests/unit/gate_support.hpp"

using namespace assay;        // NOLINT: a test
using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

GateResultRow row_of(RowId baseline, RowId candidate, const std::string& recipe) {
  GateResultRow row;
  row.baseline = baseline;
  row.candidate = candidate;
  row.policy = "nightly";
  row.policy_sha256 = std::string(64, '7');
  row.recipe = recipe;
  row.task = "task one";
  row.model = "toy";
  row.metric = "demo.metric";
  row.value = "score";
  row.variant = "v";
  row.statistic = "tpr@fpr=0.05";
  row.rule = "no_regression";
  row.verdict = "not comparable";
  row.waived = true;
  row.signal = true;
  row.delta = -0.25;
  row.lo = -0.5;
  row.hi = 0.125;
  row.p = kNone;
  return row;
}

}  // namespace

TEST_CASE("gate results are read as they were written, newest first, by recipe") {
  TempFolder folder;
  auto store = Store::open(folder.file("a.db"));
  REQUIRE(text_of(store) == "");
  const SmallRun one(**store), two(**store);
  REQUIRE(one.error + two.error == "");
  GateResultRow first = row_of(one.run, two.run, "r1"), second = row_of(two.run, one.run, "r1");
  second.created = "2026-11-20T02:00:00.000Z";
  const GateResultRow other = row_of(one.run, two.run, "r2");
  REQUIRE(text_of((*store)->add_gate_results(std::vector<GateResultRow>{first, second, other})) == "");
  auto reader = Reader::open(folder.file("a.db"));
  REQUIRE(text_of(reader) == "");
  const auto rows = (*reader)->gate_results("r1");
  REQUIRE(text_of(rows) == "");
  REQUIRE(rows->size() == 2);
  const GateResultRow& newest = rows->front();
  CHECK(newest.created == second.created);
  CHECK(newest.baseline == two.run);
  CHECK(newest.candidate == one.run);
  CHECK(newest.policy == "nightly");
  CHECK(newest.policy_sha256 == second.policy_sha256);
  CHECK(newest.task == "task one");
  CHECK(newest.model == "toy");
  CHECK(newest.metric == "demo.metric");
  CHECK(newest.value == "score");
  CHECK(newest.variant == "v");
  CHECK(newest.statistic == "tpr@fpr=0.05");
  CHECK(newest.rule == "no_regression");
  CHECK(newest.verdict == "not comparable");
  CHECK(newest.waived);
  CHECK(newest.signal);
  CHECK(newest.delta == -0.25);
  CHECK(newest.lo == -0.5);
  CHECK(newest.hi == 0.125);
  CHECK(std::isnan(newest.p));
  CHECK(rows->back().created.size() >= 20);  // an empty time becomes now
  CHECK((*reader)->gate_results("r3")->empty());
}

TEST_CASE("gate results of an unknown run or verdict are refused, and nothing of the batch is kept") {
  TempFolder folder;
  auto store = Store::open(folder.file("a.db"));
  REQUIRE(text_of(store) == "");
  const SmallRun one(**store);
  GateResultRow unknown = row_of(one.run, one.run + 50, "r1"), verdict = row_of(one.run, one.run, "r1");
  verdict.verdict = "maybe";
  for (const GateResultRow& bad : {unknown, verdict}) {
    CHECK_FALSE(
        (*store)->add_gate_results(std::vector<GateResultRow>{row_of(one.run, one.run, "r1"), bad}).ok());
  }
  auto reader = Reader::open(folder.file("a.db"));
  REQUIRE(text_of(reader) == "");
  CHECK((*reader)->gate_results("r1")->empty());
}

TEST_CASE("repeated scores: complete evaluations of runs with an identity, and which were served") {
  TempFolder folder;
  auto store = Store::open(folder.file("a.db"));
  REQUIRE(text_of(store) == "");
  const auto add = [&](const std::string& identity, bool cached, double estimate, const std::string& status) {
    RunRow run;
    run.suite_name = "s";
    run.identity = identity;
    const auto id = (*store)->begin_run(run);
    REQUIRE(text_of(id) == "");
    ModelRow model;
    model.fingerprint = std::string(64, 'a');
    model.name = "toy";
    const auto model_id = (*store)->add_model(model);
    RecipeRow recipe;
    recipe.hash = std::string(64, 'b');
    recipe.name = "t";
    const auto recipe_id = (*store)->add_recipe(*id, recipe);
    MetricRow metric;
    metric.recipe = *recipe_id;
    metric.name = "m";
    std::vector<ValueRow> values(1);
    values[0].name = "score";
    values[0].rule = 2;
    REQUIRE(text_of((*store)->add_metric(metric, values)) == "");
    EvaluationRow evaluation;
    evaluation.run = *id;
    evaluation.recipe = *recipe_id;
    evaluation.model = *model_id;
    const auto evaluation_id = (*store)->begin_evaluation(evaluation);
    REQUIRE(text_of(evaluation_id) == "");
    BatchBuilder batch;
    const auto response = batch.response(*model_id, "q" + std::to_string(*id), "{}");
    batch.result(*evaluation_id, 0, "q");
    batch.link("answer", "target", response);
    batch.batch().links.back().cached = cached;
    REQUIRE(text_of((*store)->submit(batch.done())) == "");
    evaluation.id = *evaluation_id;
    evaluation.status = status;
    REQUIRE(text_of((*store)->end_evaluation(evaluation)) == "");
    AggregateRow row;
    row.evaluation = *evaluation_id;
    row.value = values[0].id;
    row.statistic = "mean";
    row.estimate = estimate;
    row.se = row.lo = row.hi = row.worst = row.best = kNone;
    REQUIRE(text_of((*store)->put_aggregates(*evaluation_id, std::vector<AggregateRow>{row})) == "");
    return *id;
  };
  const RowId first = add("i", false, 0.5, "complete"), second = add("i", true, 0.75, "complete");
  add("", false, 0.9, "complete");
  add("i", false, 0.9, "incomplete");
  auto reader = Reader::open(folder.file("a.db"));
  REQUIRE(text_of(reader) == "");
  const auto rows = (*reader)->repeated_scores(std::string(64, 'b'), std::string(64, 'a'));
  REQUIRE(text_of(rows) == "");
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[0].run == first);
  CHECK_FALSE((*rows)[0].cached);
  CHECK((*rows)[0].estimate == 0.5);
  CHECK((*rows)[0].metric == "m");
  CHECK((*rows)[0].value == "score");
  CHECK((*rows)[0].statistic == "mean");
  CHECK((*rows)[0].identity == "i");
  CHECK((*rows)[1].run == second);
  CHECK((*rows)[1].cached);
  CHECK((*reader)->repeated_scores(std::string(64, 'b'), std::string(64, 'c'))->empty());
}

TEST_CASE("a database of the second schema takes gate results after it was opened") {
  TempFolder folder;
  const auto file = folder.file("old.db");
  {
    auto made = sqlite::Connection::open(file, sqlite::Mode::kReadWrite, 1000);
    REQUIRE(text_of(made) == "");
    REQUIRE(text_of(migrate(**made, migrations().first(2))) == "");
    REQUIRE(text_of((*made)->execute(
                "INSERT INTO run (id, uuid, label, suite_name, suite_path, suite_sha256, suite_text, "
                "command_line, plan, versions, machine, seed, repeats, started, status) VALUES (1, "
                "'0123456789abcdef0123456789abcdef', 'old', 's', 'p', 'h', 't', 'assay run', '{}', '{}', "
                "'{}', 7, 1, '2026-01-01T00:00:00Z', 'complete')")) == "");
  }
  {
    auto store = Store::open(file);
    REQUIRE(text_of(store) == "");
    CHECK(std::filesystem::exists(folder.file("old.db.schema2.backup")));
    REQUIRE(text_of((*store)->add_gate_results(std::vector<GateResultRow>{row_of(1, 1, "r")})) == "");
  }
  auto reader = Reader::open(file);
  REQUIRE(text_of(reader) == "");
  CHECK((*reader)->gate_results("r")->size() == 1);
  CHECK((*reader)->find_run("old")->run.started == "2026-01-01T00:00:00Z");
  CHECK((*reader)->integrity()->empty());
}
