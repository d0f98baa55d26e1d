// Every kind of rule on planted comparisons. p-values of McNemar's test are binomial sums by hand, those
// against a margin come from Tango's statistic written out independently.
#include <catch2/catch_approx.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "tests/unit/gate_support.hpp"

using namespace assay;        // NOLINT: a test
using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

double tango_z(double b, double c, double n, double delta) {
  const double A = 2 * n, B = -b - c + (2 * n - c + b) * delta, C = -b * delta * (1 - delta);
  const double q = (std::sqrt(B * B - 4 * A * C) - B) / (2 * A);
  return (c - b - n * delta) / std::sqrt(n * (2 * q + delta * (1 - delta)));
}
double upper_tail(double z) {
  return std::erfc(z / std::sqrt(2.0)) / 2;
}

}  // namespace

TEST_CASE("gate: no_regression fails on significant losses only") {
  // 14 losses, 3 gains: p = 2 (C(17,0) + ... + C(17,3)) / 2^17 = 0.012725830078125.
  const Check worse = check_one(kNoRegression, binary_value(60, 14, 3, 23));
  CHECK(worse.verdict == GateVerdict::kFail);
  CHECK(worse.signal);
  CHECK(worse.p == Approx(0.012725830078125).epsilon(1e-12));
  CHECK(worse.adjusted == worse.p);  // a family of one
  CHECK(worse.delta == Approx(-0.11));
  CHECK(worse.n == 100);
  CHECK_THAT(worse.sentence, ContainsSubstring("qa acc"));
  CHECK_THAT(worse.sentence, ContainsSubstring("Holm p 0.0127"));
  CHECK_THAT(worse.sentence, ContainsSubstring("3 wrong-to-right, 14 right-to-wrong"));
  CHECK_THAT(worse.sentence, ContainsSubstring("100 pairs"));

  const Check better = check_one(kNoRegression, binary_value(60, 3, 14, 23));
  CHECK(better.verdict == GateVerdict::kPass);
  CHECK_FALSE(better.signal);
  CHECK_THAT(better.sentence, ContainsSubstring("improved"));

  const Check equal = check_one(kNoRegression, binary_value(60, 0, 0, 40));
  CHECK(equal.verdict == GateVerdict::kPass);
  CHECK(equal.p == 1.0);

  // 10 against 2: p = 0.0386 fails at 0.05 and passes at 0.01.
  CHECK(check_one(kNoRegression, binary_value(60, 10, 2, 28)).verdict == GateVerdict::kFail);
  CHECK(check_one(kNoRegression, binary_value(60, 10, 2, 28, 0.01), "alpha = 0.01").verdict ==
        GateVerdict::kPass);
}

TEST_CASE("gate: the direction of the metric decides what a regression is") {
  ComparedValue value = binary_value(60, 14, 3, 23);
  value.direction = ASSAY_LOWER_IS_BETTER;
  CHECK(check_one(kNoRegression, value).verdict == GateVerdict::kPass);
  ComparedValue gain = binary_value(60, 3, 14, 23);
  gain.direction = ASSAY_LOWER_IS_BETTER;
  CHECK(check_one(kNoRegression, gain).verdict == GateVerdict::kFail);
  value.direction = ASSAY_NO_DIRECTION;
  const Check none = check_one(kNoRegression, value);
  CHECK(none.verdict == GateVerdict::kInconclusive);
  CHECK_THAT(none.sentence, ContainsSubstring("no direction"));
}

TEST_CASE("gate: a margin makes no_regression demand enough items") {
  const std::string rule = kNoRegression + "\nmargin = 0.05";
  // 40 items cannot exclude a loss of 5 points; 1,000 items with few flips can.
  const Check few = check_one(rule, binary_value(30, 2, 2, 6));
  CHECK(few.verdict == GateVerdict::kInconclusive);
  CHECK_THAT(few.sentence, ContainsSubstring("minimum detectable effect"));
  CHECK_THAT(few.sentence, ContainsSubstring("exceeds margin 0.05"));
  CHECK(check_one(rule, binary_value(700, 8, 8, 284)).verdict == GateVerdict::kPass);
  // Without any flip the estimated error is 0; that is no evidence from 10 items.
  CHECK(check_one(rule, binary_value(10, 0, 0, 0)).verdict == GateVerdict::kInconclusive);
  // A significant loss whose whole interval is inside the margin: 20 of 10,000.
  const Check small = check_one(rule, binary_value(9000, 20, 2, 978));
  CHECK(small.verdict == GateVerdict::kPass);
  CHECK_FALSE(small.signal);
  CHECK_THAT(small.sentence, ContainsSubstring("worse by less than the margin"));
}

TEST_CASE("gate: the p against a margin is Tango's, on both sides") {
  struct Case {
    std::size_t b, c, n;
    double margin;
  };
  const Case t = GENERATE(Case{5, 5, 200, 0.05}, Case{6, 3, 200, 0.05}, Case{0, 0, 50, 0.05},
                          Case{20, 2, 200, 0.05}, Case{10, 12, 1000, 0.02}, Case{1, 40, 90, 0.3});
  const MarginTest test = margin_test(binary_value(t.n - t.b - t.c, t.b, t.c, 0).difference, t.margin);
  const auto b = static_cast<double>(t.b), c = static_cast<double>(t.c), n = static_cast<double>(t.n);
  CHECK(test.method == "tost.tango");
  CHECK(test.not_below == Approx(upper_tail(tango_z(b, c, n, -t.margin))).epsilon(1e-6).margin(2e-12));
  CHECK(test.not_above == Approx(upper_tail(-tango_z(b, c, n, t.margin))).epsilon(1e-6).margin(2e-12));
}

TEST_CASE("gate: the p against a margin agrees with the statistics library's own decision") {
  const std::size_t b = GENERATE(0U, 2U, 4U, 6U, 8U, 10U), c = GENERATE(0U, 2U, 5U, 9U);
  const double margin = GENERATE(0.03, 0.05, 0.08);
  const stats::TostBinary tost = stats::tost_tango(b, c, 200, margin, 0.05);
  const MarginTest test = margin_test(binary_value(200 - b - c, b, c, 0).difference, margin);
  CHECK((test.not_below < 0.05) == tost.non_inferior);
  CHECK((std::max(test.not_below, test.not_above) < 0.05) == tost.equivalent);
}

TEST_CASE("gate: non_inferior passes on proof, fails beyond the margin, and is open between") {
  const std::string rule = "task = \"*\"\nkind = \"non_inferior\"\nmargin = 0.05";
  const Check proven = check_one(rule, binary_value(150, 6, 3, 41));
  CHECK(proven.verdict == GateVerdict::kPass);
  CHECK(proven.p == Approx(0.027792891070906767).epsilon(1e-6));
  CHECK(check_one(rule, binary_value(30, 1, 1, 8)).verdict == GateVerdict::kInconclusive);
  const Check beyond = check_one(rule, binary_value(100, 60, 2, 38));
  CHECK(beyond.verdict == GateVerdict::kFail);
  CHECK(beyond.signal);
  // A significant loss that may still be smaller than the margin decides nothing.
  const Check between = check_one(rule, binary_value(150, 10, 1, 39));
  REQUIRE(between.lo);
  CHECK(*between.lo < -0.05);
  CHECK(*between.hi > -0.05);
  CHECK(between.verdict == GateVerdict::kInconclusive);
  ComparedValue lower = binary_value(100, 2, 60, 38);
  lower.direction = ASSAY_LOWER_IS_BETTER;
  CHECK(check_one(rule, lower).verdict == GateVerdict::kFail);
}

TEST_CASE("gate: equivalent needs both sides") {
  const std::string rule = "task = \"*\"\nkind = \"equivalent\"\nmargin = 0.05";
  const Check same = check_one(rule, binary_value(150, 5, 5, 40));
  CHECK(same.verdict == GateVerdict::kPass);
  CHECK(same.p == Approx(0.005483589427471736).epsilon(1e-6));
  CHECK(check_one(rule, binary_value(20, 1, 1, 8)).verdict == GateVerdict::kInconclusive);
  CHECK(check_one(rule, binary_value(100, 2, 60, 38)).verdict == GateVerdict::kFail);
  ComparedValue undirected = binary_value(150, 5, 5, 40);
  undirected.direction = ASSAY_NO_DIRECTION;
  CHECK(check_one(rule, undirected).verdict == GateVerdict::kPass);
}

TEST_CASE("gate: improved demands a significant gain") {
  const std::string rule = "task = \"*\"\nkind = \"improved\"";
  CHECK(check_one(rule, binary_value(60, 3, 14, 23)).verdict == GateVerdict::kPass);
  CHECK(check_one(rule, binary_value(60, 14, 3, 23)).verdict == GateVerdict::kFail);
  CHECK(check_one(rule, binary_value(60, 5, 6, 29)).verdict == GateVerdict::kInconclusive);
  // Significant, but the whole interval is inside the margin.
  const Check small = check_one(rule + "\nmargin = 0.05", binary_value(9000, 2, 20, 978));
  CHECK(small.verdict == GateVerdict::kFail);
  CHECK_FALSE(small.signal);
}

TEST_CASE("gate: means go by Student's t, also against a margin") {
  CHECK(check_one(kNoRegression, mean_value(200, 0.5, -0.02, 0.05)).verdict == GateVerdict::kFail);
  CHECK(check_one(kNoRegression, mean_value(200, 0.5, 0.0, 0.05)).verdict == GateVerdict::kPass);
  const ComparedValue value = mean_value(201, 0.5, -0.01, 0.05);
  const MarginTest test = margin_test(value.difference, 0.02);
  CHECK(test.method == "tost.t");
  // With 200 degrees of freedom Student is close to normal: z = (delta + M) / se.
  const double z = (*value.difference.delta + 0.02) / *value.difference.se;
  CHECK(test.not_below == Approx(upper_tail(z)).epsilon(0.15));
  CHECK(check_one("task = \"*\"\nkind = \"non_inferior\"\nmargin = 0.02", value).verdict ==
        GateVerdict::kPass);
  // A relative margin is a share of the baseline's number: 0.02 of about 0.8 is 0.016.
  const Check relative = check_one("task = \"*\"\nkind = \"non_inferior\"\nrelative_margin = 0.02", value);
  REQUIRE(relative.margin);
  CHECK(*relative.margin == Approx(0.02 * *value.difference.baseline));
}

TEST_CASE("gate: a relative margin of a perplexity is on the logarithm") {
  ComparedValue value = mean_value(100, 2, 0.001, 0.01, ASSAY_LOWER_IS_BETTER);
  value.rule = stats::Rule::kExpMean;
  const Check check = check_one("task = \"*\"\nkind = \"equivalent\"\nrelative_margin = 0.05", value);
  REQUIRE(check.margin);
  CHECK(*check.margin == Approx(std::log(1.05)));
  CHECK(check.verdict == GateVerdict::kPass);
}

TEST_CASE("gate: absolute looks at the candidate alone, by estimate or by an end of the interval") {
  GateEvidence evidence;
  AggregateLine line;
  line.recipe = "qa";
  line.model = "m";
  line.metric = "acc";
  line.value = "accuracy";
  line.row.statistic = "mean";
  line.row.estimate = 0.65;
  line.row.lo = 0.58;
  line.row.hi = 0.71;
  line.row.n_scored = 200;
  line.row.method = "wilson";
  evidence.candidate = {line};
  // A comparison that says the opposite plays no part.
  const ComparedValue value = binary_value(20, 70, 2, 8);
  const auto verdict = [&](const std::string& keys, const std::string& head = {}) {
    return check_one("task = \"*\"\nkind = \"absolute\"\n" + keys, value, head, evidence).verdict;
  };
  CHECK(verdict("min = 0.60") == GateVerdict::kPass);
  CHECK(verdict("min = 0.60\nbound = \"lower\"") == GateVerdict::kFail);
  CHECK(verdict("min = 0.58\nbound = \"lower\"") == GateVerdict::kPass);
  CHECK(verdict("min = 0.70\nbound = \"upper\"") == GateVerdict::kPass);
  CHECK(verdict("max = 0.60") == GateVerdict::kFail);
  CHECK(verdict("max = 0.70") == GateVerdict::kPass);
  CHECK(verdict("max = 0.70\nbound = \"upper\"") == GateVerdict::kFail);
  CHECK(verdict("min = 0.6\nmax = 0.7") == GateVerdict::kPass);
  CHECK(verdict("min = 0.1", "min_n = 201") == GateVerdict::kInconclusive);
  evidence.candidate[0].row.lo = std::nan("");
  CHECK(verdict("min = 0.1\nbound = \"lower\"") == GateVerdict::kInconclusive);
  evidence.candidate[0].row.estimate = std::nan("");
  CHECK(verdict("min = 0.1") == GateVerdict::kInconclusive);
  evidence.candidate.clear();
  CHECK(verdict("min = 0.1") == GateVerdict::kInconclusive);
}

TEST_CASE("gate: too few pairs decide nothing") {
  const ComparedValue value = binary_value(60, 14, 3, 23);
  CHECK(check_one(kNoRegression, value, "min_n = 100").verdict == GateVerdict::kFail);
  const Check few = check_one(kNoRegression, value, "min_n = 101");
  CHECK(few.verdict == GateVerdict::kInconclusive);
  CHECK_THAT(few.sentence, ContainsSubstring("at least 101"));
}

TEST_CASE("gate: what cannot be compared is said with its reason") {
  ComparedTask task = task_of("qa", {binary_value(60, 14, 3, 23)});
  task.parts.push_back({"prompt", PartState::kDiffers, "3 of 100 prompts differ"});
  const GateOutcome outcome = judge(policy_of(policy_text(kNoRegression)), comparison_of({task}));
  CHECK(outcome.checks[0].verdict == GateVerdict::kNotComparable);
  CHECK_FALSE(outcome.checks[0].p);
  CHECK_THAT(outcome.checks[0].sentence, ContainsSubstring("3 of 100 prompts differ"));
  CHECK(outcome.codes == std::vector<int>{12});
  CHECK(outcome.family == 0);

  // A single metric may differ.
  ComparedTask other = task_of("qa", {binary_value(60, 0, 0, 40)});
  other.values[0].differing.push_back({"metric parameters", PartState::kDiffers, "k=1 and k=2"});
  CHECK(judge(policy_of(policy_text(kNoRegression)), comparison_of({other})).exit_code() == 12);
}

TEST_CASE("gate: a task that the candidate lost is not comparable, not passed over") {
  GateEvidence evidence;
  evidence.lost = {"gone"};
  const Comparison comparison = comparison_of({task_of("qa", {binary_value(60, 0, 0, 40)})});
  const GateOutcome outcome = judge(policy_of(policy_text(kNoRegression)), comparison, evidence);
  REQUIRE(outcome.checks.size() == 2);
  CHECK(outcome.checks[1].task == "gone");
  CHECK(outcome.checks[1].verdict == GateVerdict::kNotComparable);
  CHECK(outcome.exit_code() == 12);
  CHECK(judge(policy_of(policy_text("task = \"qa\"\nkind = \"no_regression\"")), comparison, evidence)
            .exit_code() == 0);
}
