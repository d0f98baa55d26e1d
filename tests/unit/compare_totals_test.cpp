// Averages over tasks, the two axes of unlearning, and independence of the order of rows.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "tests/unit/compare_support.hpp"

using namespace assay::test;  // NOLINT: a test
using assay::host::ComparedValue;
using assay::host::CompareOptions;
using assay::host::Comparison;
using assay::host::PartState;
using assay::host::Verdict;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

// 60 both right, 3 right then wrong, 14 wrong then right, 23 both wrong.
}  // namespace

TEST_CASE("compare: macro and micro averages of unequal tasks have values and errors of their own") {
  Runs runs;
  const auto build = [](bool candidate) {
    PlantedTask small = mean_task(10, [&](int i) { return 1.0 * (i % 3) + (candidate ? 1 + wave(i) : 0); });
    small.name = "small";
    PlantedTask large =
        mean_task(400, [&](int i) { return 1.0 * (i % 3) + (candidate ? 0.2 * wave(i) : 0); });
    large.name = "large";
    for (PlantedItem& item : small.items) item.id = "s" + item.id;
    return std::vector<PlantedTask>{small, large};
  };
  const std::string a = runs.plant(build(false)), b = runs.plant(build(true));
  const Comparison c = runs.compare(a, b);
  REQUIRE(c.totals.size() == 2);
  double small = 0, large = 0;
  for (int i = 0; i < 10; ++i) small += 1 + wave(i);
  for (int i = 0; i < 400; ++i) large += 0.2 * wave(i);
  const auto &macro = c.totals[0], &micro = c.totals[1];
  CHECK(macro.macro);
  CHECK_FALSE(micro.macro);
  CHECK(macro.delta == Approx((small / 10 + large / 400) / 2).margin(1e-12));
  CHECK(micro.delta == Approx((small + large) / 410).margin(1e-12));
  const double se_small = *c.tasks[0].values[0].difference.se, se_large = *c.tasks[1].values[0].difference.se;
  CHECK(*macro.formula_se == Approx(std::hypot(se_small, se_large) / 2).epsilon(1e-9));
  CHECK(*micro.formula_se == Approx(std::hypot(10 * se_small, 400 * se_large) / 410).epsilon(1e-9));
  REQUIRE(macro.se);
  REQUIRE(micro.se);
  // The two tasks share no item, so that the formula is the error.
  CHECK(macro.method == "aggregate.normal");
  CHECK(*macro.se == *macro.formula_se);
  CHECK(*micro.lo == Approx(micro.delta - 1.959963984540054 * *micro.se).epsilon(1e-9));
  CHECK(*micro.p == Approx(std::erfc(std::abs(micro.delta / *micro.se) / std::sqrt(2.0))).margin(1e-12));
  CHECK(*macro.se > 2 * *micro.se);
  CHECK(c.totals_family == 2);
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("macro m.hit"));
}

TEST_CASE("compare: forget and retain stand beside each other") {
  Runs runs;
  const auto build = [](bool candidate) {
    PlantedTask task;
    for (int i = 0; i < 200; ++i) {
      PlantedItem item;
      item.id = "q" + std::to_string(1000 + i);
      item.variant = i < 100 ? "base/forget" : "base/retain";
      item.scores = {candidate && i < 60 ? 0.0 : 1.0};
      task.items.push_back(item);
    }
    return task;
  };
  const Comparison c = runs.compare(build(false), build(true));
  REQUIRE(c.two_axis.size() == 1);
  const auto& line = c.two_axis[0];
  CHECK(line.probe == "base");
  CHECK(*line.forget.relative == Approx(-0.6));
  CHECK(*line.retain.relative == Approx(0.0).margin(1e-12));
  CHECK(line.forget.verdict == "regressed");
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("forget and retain"));
}

TEST_CASE("compare: tasks named after forget and retain are the two axes, too") {
  Runs runs;
  const auto build = [](bool candidate) {
    std::vector<PlantedTask> tasks(3, numbered(100, [](int) { return 1; }));
    tasks[0].name = "tofu-retain";
    tasks[1].name = "tofu-forget";
    tasks[2].name = "unforgettable";
    if (candidate)
      for (std::size_t i = 0; i < 50; ++i) tasks[1].items[i].scores = {0.0};
    return tasks;
  };
  const std::string a = runs.plant(build(false)), b = runs.plant(build(true));
  const Comparison c = runs.compare(a, b);
  REQUIRE(c.two_axis.size() == 1);
  CHECK(c.two_axis[0].task == "tofu");
  CHECK(*c.two_axis[0].forget.relative == Approx(-0.5));
  CHECK(*c.two_axis[0].retain.delta == 0);
}

TEST_CASE("compare: the order in which rows were stored changes nothing") {
  Runs runs;
  const int rule = GENERATE(ASSAY_RULE_PROPORTION, ASSAY_RULE_MEAN, ASSAY_RULE_AUROC);
  const auto build = [&](bool candidate, bool backwards) {
    PlantedTask task =
        rule == ASSAY_RULE_PROPORTION
            ? numbered(90, candidate ? after : before)
            : mean_task(90, [&](int i) { return 0.3 * (i % 7) + (candidate ? wave(i * i) : 0); });
    task.metrics[0].rule = rule;
    for (std::size_t i = 0; i < 90; ++i) task.items[i].label = static_cast<int>(i % 2);
    for (std::size_t i = 0; i < 90; ++i) task.items[i].group = "g" + std::to_string(i / 2);
    if (backwards) {  // also other positions: a shuffled selection of the same items
      std::reverse(task.items.begin(), task.items.end());
      std::swap(task.items[3], task.items[40]);
    }
    task.backwards = backwards;
    return task;
  };
  const std::string a = runs.plant(build(false, false)), b = runs.plant(build(true, false));
  const std::string x = runs.plant(build(false, true)), y = runs.plant(build(true, true));
  CompareOptions options;
  options.all_values = true;
  options.margin = 0.1;
  const auto values = [&](const std::string& p, const std::string& q) {
    return assay::host::compare_json(runs.compare(p, q, options))["tasks"][0]["values"].dump();
  };
  const std::string straight = values(a, b);
  CHECK(straight == values(x, y));
  CHECK(straight == values(a, y));
  CHECK(straight == values(x, b));
}

TEST_CASE("compare: an average over tasks with the same items has the error of what they share") {
  Runs runs;
  // The same differences on the same items in both tasks: the average is as uncertain as one task alone,
  // which the formula for independent tasks would deny.
  const auto build = [](bool candidate) {
    std::vector<PlantedTask> tasks(
        2, mean_task(100, [&](int i) { return candidate ? wave(i * i + i / 7) : 0.0; }));
    tasks[1].name = "again";
    return tasks;
  };
  const std::string a = runs.plant(build(false)), b = runs.plant(build(true));
  const Comparison c = runs.compare(a, b);
  REQUIRE(c.totals.size() == 2);
  const double alone = *c.tasks[0].values[0].difference.se;
  CHECK(c.totals[0].method == "bootstrap.percentile");
  CHECK(*c.totals[0].se == Approx(alone).epsilon(0.04));
  CHECK(*c.totals[0].formula_se == Approx(alone / std::sqrt(2.0)).epsilon(1e-9));
}
