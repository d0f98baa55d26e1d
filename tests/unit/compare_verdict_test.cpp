// Differences, tests and verdicts of two planted runs.
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
CompareOptions with_margin(double margin) {
  CompareOptions options;
  options.margin = margin;
  return options;
}

}  // namespace

TEST_CASE("compare: 3 flips to the worse and 14 to the better are McNemar's exact 0.0127 (T18)") {
  Runs runs;
  const Comparison c = runs.compare(numbered(100, before), numbered(100, after));
  const ComparedValue& value = only_value(c);
  REQUIRE(value.difference.flips);
  CHECK(value.difference.flips->a == 60);
  CHECK(value.difference.flips->b == 3);
  CHECK(value.difference.flips->c == 14);
  CHECK(value.difference.flips->d == 23);
  CHECK(value.difference.test == "mcnemar.exact");
  CHECK(value.difference.method == "tango");
  // 2 (1 + 17 + 136 + 680) / 2^17
  CHECK(*value.difference.p == Approx(1668.0 / 131072.0).margin(1e-15));
  CHECK(*value.difference.delta == Approx(0.11).margin(1e-15));
  CHECK(*value.relative == Approx(0.11 / 0.63).margin(1e-15));
  CHECK(*value.holm == *value.difference.p);
  CHECK(*value.bh == *value.difference.p);
  CHECK(value.verdict == Verdict::kImproved);
  CHECK(value.changed_units == 17);
  const std::string text = assay::host::compare_text(c, false, true);
  CHECK_THAT(text, ContainsSubstring("0.0127"));
  CHECK_THAT(text, ContainsSubstring("3, 14"));
  CHECK_THAT(text, ContainsSubstring("improved"));
  CHECK_THAT(assay::host::compare_markdown(c), ContainsSubstring("3, 14 | 0.0127"));
  const Json json = assay::host::compare_json(c);
  CHECK(json["schema"] == "assay-compare/1");
  CHECK(json["tasks"][0]["values"][0]["flips"]["b"] == 3);
  CHECK(json["tasks"][0]["values"][0]["verdict"] == "improved");
  // An unpaired z test of 63 and 74 of 100 would have said p = 0.09.
  CHECK(*value.difference.unpaired_se > 1.5 * *value.difference.se);
}

TEST_CASE("compare: the changed items are shown with both answers, losses first") {
  Runs runs;
  PlantedTask b = numbered(100, after);
  b.items[60].answer = "another | answer";
  const Comparison c = runs.compare(numbered(100, before), b);
  const ComparedValue& value = only_value(c);
  REQUIRE(value.changed.size() == 3);
  CHECK(value.changed[0].id == "i060");
  CHECK(value.changed[1].id == "i061");
  CHECK(value.changed[0].baseline == 1);
  CHECK(value.changed[0].candidate == 0);
  CHECK(value.changed[0].prompt == "ask i060");
  CHECK(value.changed[0].baseline_answer == "says i060");
  CHECK(value.changed[0].candidate_answer == "another | answer");
  CHECK(*c.tasks[0].identical == Approx(0.99));
  CHECK_THAT(assay::host::compare_markdown(c), ContainsSubstring("another &#124; answer"));
}

TEST_CASE("compare: a run against its equal differs in nothing") {
  Runs runs;
  const Comparison plain = runs.compare(numbered(100, before), numbered(100, before));
  const ComparedValue& value = only_value(plain);
  CHECK(*value.difference.delta == 0);
  CHECK(*value.difference.p == 1);
  CHECK(value.verdict == Verdict::kInconclusive);
  CHECK(*plain.tasks[0].identical == 1);
  CHECK(value.changed.empty());
  CHECK_FALSE(value.needed);
  // Tango's 90 % limits of 0 flips in 100 are 1.645^2 / (100 + 1.645^2) = 0.0263.
  const Comparison margin = runs.compare(numbered(100, before), numbered(100, before), with_margin(0.03));
  CHECK(only_value(margin).verdict == Verdict::kEquivalent);
  const Comparison narrow = runs.compare(numbered(100, before), numbered(100, before), with_margin(0.025));
  CHECK(only_value(narrow).verdict == Verdict::kInconclusive);
}

TEST_CASE("compare: a planted shift is found with the t interval of its differences") {
  Runs runs;
  const Comparison c = runs.compare(mean_task(100, [](int i) { return 5 + (i % 7); }),
                                    mean_task(100, [](int i) { return 5 + (i % 7) - 0.5 + 0.1 * wave(i); }));
  double sum = 0, square = 0;
  for (int i = 0; i < 100; ++i) sum += -0.5 + 0.1 * wave(i);
  const double mean = sum / 100;
  for (int i = 0; i < 100; ++i) square += std::pow(-0.5 + 0.1 * wave(i) - mean, 2);
  const double se = std::sqrt(square / 99 / 100);
  constexpr double kT99 = 1.9842169515;
  const ComparedValue& value = only_value(c);
  CHECK(value.difference.method == "paired.t");
  CHECK(*value.difference.delta == Approx(mean).margin(1e-12));
  CHECK(*value.difference.se == Approx(se).epsilon(1e-12));
  CHECK(*value.difference.lo == Approx(mean - kT99 * se).epsilon(1e-9));
  CHECK(*value.difference.hi == Approx(mean + kT99 * se).epsilon(1e-9));
  CHECK(value.verdict == Verdict::kRegressed);
  CHECK_THAT(value.sentence, ContainsSubstring("regressed"));
}

TEST_CASE("compare: the direction of the metric decides what is better") {
  Runs runs;
  const auto a = [](int i) { return 1.0 + i % 3; };
  const auto b = [](int i) { return 2.0 + i % 3 + 0.1 * wave(i); };
  const int direction = GENERATE(ASSAY_HIGHER_IS_BETTER, ASSAY_LOWER_IS_BETTER, ASSAY_NO_DIRECTION);
  const Comparison c = runs.compare(mean_task(100, a, direction), mean_task(100, b, direction));
  const ComparedValue& value = only_value(c);
  CHECK(*value.difference.delta > 0.9);  // the sign is never turned
  CHECK(*value.bh < 1e-6);
  CHECK(value.verdict == (direction == ASSAY_HIGHER_IS_BETTER  ? Verdict::kImproved
                          : direction == ASSAY_LOWER_IS_BETTER ? Verdict::kRegressed
                                                               : Verdict::kInconclusive));
  if (direction == ASSAY_NO_DIRECTION) CHECK_THAT(value.sentence, ContainsSubstring("no better direction"));
}

TEST_CASE("compare: a difference inside the margin is equivalent before it is an improvement") {
  Runs runs;
  const auto a = [](int i) { return 1.0 + i % 3; };
  const auto b = [](int i) { return 1.01 + i % 3 + 0.001 * wave(i); };
  const Comparison inside = runs.compare(mean_task(100, a), mean_task(100, b), with_margin(0.05));
  CHECK(*only_value(inside).bh < 1e-6);
  CHECK(only_value(inside).verdict == Verdict::kEquivalent);
  CHECK_THAT(only_value(inside).sentence, ContainsSubstring("difference detected, smaller than margin"));
  const Comparison outside = runs.compare(mean_task(100, a), mean_task(100, b), with_margin(0.005));
  CHECK(only_value(outside).verdict == Verdict::kImproved);
  const Comparison without = runs.compare(mean_task(100, a), mean_task(100, b));
  CHECK(only_value(without).verdict == Verdict::kImproved);
}

TEST_CASE("compare: inconclusive says what could have been found and what the margin needs") {
  Runs runs;
  const auto a = [](int i) { return 1.0 * (i % 3); };
  const auto b = [](int i) { return 1.0 * (i % 3) + wave(i); };
  const Comparison c = runs.compare(mean_task(60, a), mean_task(60, b), with_margin(0.1));
  const ComparedValue& value = only_value(c);
  CHECK(value.verdict == Verdict::kInconclusive);
  constexpr double kZ = 1.959963984540054 + 0.8416212335729143;
  REQUIRE(value.difference.mde);
  CHECK(*value.difference.mde == Approx(kZ * *value.difference.se).epsilon(1e-9));
  REQUIRE(value.needed);
  CHECK(*value.needed == std::ceil(std::pow(kZ * *value.difference.se / 0.1, 2) * 60));
  CHECK_THAT(value.sentence, ContainsSubstring("would be found with probability 0.8"));
}

TEST_CASE("compare: values that are no numbers are left out on both sides and counted") {
  Runs runs;
  PlantedTask a = mean_task(60, [](int i) { return i == 7 ? kNaN : 1.0 * (i % 3); });
  PlantedTask b = mean_task(60, [](int i) { return i == 9 ? kNaN : 1.0 * (i % 3) + 0.25 * wave(i); });
  const Comparison c = runs.compare(a, b);
  double sum = 0;
  for (int i = 0; i < 60; ++i) sum += i == 7 || i == 9 ? 0 : 0.25 * wave(i);
  const ComparedValue& value = only_value(c);
  CHECK(value.matched == 60);
  CHECK(value.unscored == 2);
  CHECK(value.difference.n == 58);
  CHECK(value.baseline.non_finite == 1);
  CHECK(value.candidate.non_finite == 1);
  CHECK(*value.difference.delta == Approx(sum / 58).margin(1e-12));
}

TEST_CASE("compare: an answer without a value counts as the worst where the run counts it so") {
  Runs runs;
  PlantedTask a = numbered(100, before), b = numbered(100, before);
  for (int i = 0; i < 10; ++i) {
    b.items[static_cast<std::size_t>(i)].state = ASSAY_STATE_EMPTY;
    b.items[static_cast<std::size_t>(i)].score_state = ASSAY_STATE_EMPTY;
    b.items[static_cast<std::size_t>(i)].scores = {kNaN};
  }
  b.items[99].state = ASSAY_STATE_ERROR;
  b.items[99].score_state = ASSAY_STATE_ERROR;
  b.items[99].scores = {kNaN};
  const Comparison c = runs.compare(a, b);
  const ComparedValue& value = only_value(c);
  CHECK(value.candidate.as_worst == 10);
  CHECK(value.unscored == 1);
  CHECK(value.difference.n == 99);
  CHECK(value.difference.flips->b == 10);
  CHECK(c.tasks[0].candidate_states[ASSAY_STATE_EMPTY] == 10);
  CHECK(c.tasks[0].candidate_states[ASSAY_STATE_ERROR] == 1);
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("ok 89, empty 10, error 1"));
}

TEST_CASE("compare: each variant is a value of its own unless the metric pools them") {
  Runs runs;
  const auto build = [](bool pool, bool candidate) {
    PlantedTask task;
    task.metrics[0].pool = pool;
    for (int i = 0; i < 120; ++i) {
      PlantedItem item;
      item.id = "q" + std::to_string(i % 60);
      item.variant = i < 60 ? "plain" : "alias";
      item.scores = {candidate && i >= 60 && i < 80 ? 0.0 : 1.0};
      task.items.push_back(item);
    }
    return task;
  };
  const Comparison apart = runs.compare(build(false, false), build(false, true));
  REQUIRE(apart.tasks[0].values.size() == 2);
  CHECK(apart.family == 2);
  for (const ComparedValue& value : apart.tasks[0].values) {
    CHECK(value.difference.n == 60);
    CHECK(value.difference.flips->b == (value.variant == "alias" ? 20 : 0));
    CHECK(value.verdict == (value.variant == "alias" ? Verdict::kRegressed : Verdict::kInconclusive));
  }
  // Two variants of the same items: the macro average resamples the item with both.
  REQUIRE(apart.totals.size() == 2);
  CHECK(apart.totals[0].units == 60);
  CHECK(apart.totals[0].method == "bootstrap.percentile");
  CHECK(apart.totals[0].replicates == 10'000);
  CHECK(apart.totals[0].delta == Approx(-20.0 / 120));
  // Equal losses everywhere: resampling has nothing to vary, which is no proof.
  const auto all = [&](bool candidate) {
    PlantedTask task = build(false, false);
    if (candidate)
      for (PlantedItem& item : task.items) item.scores = {0.0};
    return task;
  };
  const Comparison degenerate = runs.compare(all(false), all(true));
  CHECK(degenerate.totals[0].delta == -1);
  CHECK_FALSE(degenerate.totals[0].p);
  CHECK_FALSE(degenerate.totals[0].undefined.empty());
  const Comparison pooled = runs.compare(build(true, false), build(true, true));
  CHECK(only_value(pooled).difference.n == 120);
  CHECK(only_value(pooled).variant.empty());
  CHECK(pooled.totals.empty());
}

TEST_CASE("compare: repeats are reduced to their mean before anything is tested") {
  Runs runs;
  const auto build = [](bool candidate) {
    PlantedTask task;
    task.parts["repeats"] = 4;
    for (int i = 0; i < 40; ++i) {
      for (std::uint32_t r = 0; r < 4; ++r) {
        PlantedItem item;
        item.id = "q" + std::to_string(100 + i);
        item.repeat = r;
        item.scores = {candidate ? (r == 0 ? 1.0 : 0.0) : (r < 2 ? 1.0 : 0.0)};
        task.items.push_back(item);
      }
    }
    return task;
  };
  // The second run stored its repeats last one first, and answered differently in every repeat.
  PlantedTask x = build(false), y = build(true);
  for (PlantedTask* task : {&x, &y}) {
    for (PlantedItem& item : task->items) {
      item.answer = item.id + " in repeat " + std::to_string(item.repeat);
      item.prompt = "ask " + item.id + " again " + std::to_string(item.repeat);
    }
  }
  y.backwards = true;
  const Comparison c = runs.compare(x, y);
  CHECK(parts_in(c, PartState::kDiffers).empty());
  CHECK(*c.tasks[0].identical == 1);
  const ComparedValue& value = only_value(c);
  CHECK(value.difference.n == 40);  // questions, not answers
  CHECK(value.baseline.answers == 160);
  CHECK(*value.difference.baseline == Approx(0.5));
  CHECK(*value.difference.candidate == Approx(0.25));
  CHECK_FALSE(value.difference.flips);
}

TEST_CASE("compare: items of one group are one cluster") {
  Runs runs;
  const auto build = [](bool candidate) {
    PlantedTask task = mean_task(90, [&](int i) { return 1.0 * (i % 5) + (candidate ? wave(i / 3) : 0.0); });
    for (int i = 0; i < 90; ++i)
      task.items[static_cast<std::size_t>(i)].group = "doc" + std::to_string(i / 3);
    return task;
  };
  const Comparison c = runs.compare(build(false), build(true));
  const ComparedValue& value = only_value(c);
  CHECK(value.difference.clusters == 30);
  CHECK(value.difference.method == "paired.cluster_t");
  // Three equal differences a document: the clustered error is that of the 30 document means.
  double sum = 0, square = 0;
  for (int g = 0; g < 30; ++g) sum += wave(g);
  for (int g = 0; g < 30; ++g) square += std::pow(wave(g) - sum / 30, 2);
  CHECK(*value.difference.se == Approx(std::sqrt(square / 29 / 30)).epsilon(1e-9));
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("90 in 30"));
}

TEST_CASE("compare: an AUROC is compared on the same labels with DeLong's covariance") {
  Runs runs;
  const auto build = [](double noise) {
    PlantedTask task = mean_task(200, [&](int i) { return (i % 2) + noise * wave(i / 2); });
    task.metrics[0].rule = ASSAY_RULE_AUROC;
    for (int i = 0; i < 200; ++i) task.items[static_cast<std::size_t>(i)].label = i % 2;
    return task;
  };
  const Comparison c = runs.compare(build(0.6), build(2.0));
  const ComparedValue& value = only_value(c);
  CHECK(value.difference.test == "delong_paired");
  // Counted by hand: all pairs of 100 positives and 100 negatives.
  const auto auroc = [](double noise) {
    double wins = 0;
    for (int i = 0; i < 100; ++i) {
      for (int j = 0; j < 100; ++j) {
        const double x = 1 + noise * wave(i), y = noise * wave(j);
        wins += x > y ? 1 : x == y ? 0.5 : 0;
      }
    }
    return wins / 10000;
  };
  CHECK(*value.difference.baseline == Approx(auroc(0.6)).margin(1e-12));
  CHECK(*value.difference.candidate == Approx(auroc(2.0)).margin(1e-12));
  CHECK(value.verdict == Verdict::kRegressed);
}

TEST_CASE("compare: p-values are adjusted over all values of the comparison") {
  Runs runs;
  const auto build = [](bool candidate) {
    PlantedTask task;
    task.metrics.clear();
    const int shift[] = {14, 9, 4};
    for (int m = 0; m < 3; ++m) {
      PlantedMetric metric;
      metric.name = metric.plugin = "m.hit" + std::to_string(m);
      task.metrics.push_back(metric);
    }
    for (int i = 0; i < 100; ++i) {
      PlantedItem item;
      item.id = "q" + std::to_string(1000 + i);
      for (const int s : shift)
        item.scores.push_back(candidate ? (i >= 3 && i < 50 + s ? 1 : 0) : (i < 50 ? 1 : 0));
      task.items.push_back(item);
    }
    return task;
  };
  const Comparison c = runs.compare(build(false), build(true));
  REQUIRE(c.tasks[0].values.size() == 3);
  CHECK(c.family == 3);
  // b = 3 and c = 14, 9, 4.
  const double p[] = {2.0 * (1 + 17 + 136 + 680) / 131072, 2.0 * (1 + 12 + 66 + 220) / 4096,
                      2.0 * (1 + 7 + 21 + 35) / 128};
  const double bh[] = {3 * p[0], 3 * p[1] / 2, p[2]};
  const double holm[] = {3 * p[0], 2 * p[1], p[2]};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(*c.tasks[0].values[i].difference.p == Approx(p[i]).margin(1e-14));
    CHECK(*c.tasks[0].values[i].bh == Approx(std::min(1.0, bh[i])).margin(1e-14));
    CHECK(*c.tasks[0].values[i].holm == Approx(std::min(1.0, holm[i])).margin(1e-14));
  }
  // 0.0127 alone would be significant at 0.03; three tests make it 0.038.
  CompareOptions options;
  options.alpha = 0.03;
  const Comparison strict = runs.compare(build(false), build(true), options);
  CHECK(strict.tasks[0].values[0].verdict == Verdict::kInconclusive);
  options.metric = "m.hit0";
  const Comparison alone = runs.compare(build(false), build(true), options);
  CHECK(only_value(alone).verdict == Verdict::kImproved);
}

TEST_CASE("compare: all answers equal and scores not points at the scorer") {
  Runs runs;
  const Comparison c = runs.compare(numbered(100, before), numbered(100, after));
  CHECK(*c.tasks[0].identical == 1);
  CHECK_THAT(assay::host::compare_text(c, false, false), ContainsSubstring("look at the scorer"));
}

TEST_CASE("compare: a statistic of the plugin shows the stored numbers and claims nothing") {
  Runs runs;
  PlantedTask task = numbered(20, before);
  task.metrics[0].rule = ASSAY_RULE_CUSTOM;
  const Comparison c = runs.compare(task, task);
  const ComparedValue& value = only_value(c);
  CHECK(value.verdict == Verdict::kInconclusive);
  CHECK_FALSE(value.difference.p);
  CHECK(c.family == 0);
  CHECK_THAT(value.sentence, ContainsSubstring("computed by its plugin"));
}

TEST_CASE("compare: a perplexity is compared on the scale of its logarithm") {
  Runs runs;
  const auto a = [](int i) { return 2.0 + 0.1 * (i % 5); };
  const auto b = [](int i) { return 1.9 + 0.1 * (i % 5) + 0.01 * wave(i); };
  PlantedTask x = mean_task(100, a, ASSAY_LOWER_IS_BETTER), y = mean_task(100, b, ASSAY_LOWER_IS_BETTER);
  x.metrics[0].rule = y.metrics[0].rule = ASSAY_RULE_EXP_MEAN;
  const Comparison c = runs.compare(x, y);
  const ComparedValue& value = only_value(c);
  double sum = 0;
  for (int i = 0; i < 100; ++i) sum += b(i) - a(i);
  CHECK(*value.difference.baseline == Approx(std::exp(2.2)).epsilon(1e-12));
  CHECK(*value.difference.delta == Approx(sum / 100).epsilon(1e-9));
  CHECK(*value.relative == Approx(std::exp(sum / 100) - 1).epsilon(1e-9));
  CHECK(value.verdict == Verdict::kImproved);
  CHECK(c.totals.empty());
}
