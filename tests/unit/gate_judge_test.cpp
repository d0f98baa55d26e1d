// A policy as a whole: matching, family, missing answers, waivers, confirmation, noise, exit codes.
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "tests/unit/gate_support.hpp"

using namespace assay;        // NOLINT: a test
using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

ComparedValue renamed(ComparedValue value, const std::string& metric, const std::string& name) {
  value.metric = metric;
  value.value = name;
  return value;
}

std::vector<std::string> matched(const std::string& rule, const Comparison& comparison) {
  std::vector<std::string> names;
  for (const Check& check : judge(policy_of(policy_text(rule)), comparison).checks)
    names.push_back(check.task + ":" + check.metric + "/" + check.value +
                    (check.statistic.empty() ? "" : "/" + check.statistic));
  return names;
}

GateResultRow earlier(RowId candidate, bool signal) {
  GateResultRow row;
  row.candidate = candidate;
  row.policy = "t";
  row.rule = "no_regression";
  row.recipe = "0a1b2c3d";
  row.task = "qa";
  row.model = "m";
  row.metric = "acc";
  row.value = "accuracy";
  row.signal = signal;
  return row;
}

}  // namespace

TEST_CASE("gate: which numbers a rule names") {
  ComparedValue hidden = renamed(binary_value(9, 0, 0, 1), "acc", "chance");
  hidden.headline = false;
  ComparedValue blind = renamed(binary_value(9, 0, 0, 1), "blind", "accuracy");
  blind.model_free = true;
  ComparedValue with_companion = renamed(binary_value(9, 0, 0, 1), "mia", "auroc");
  with_companion.difference.companions.push_back(with_companion.difference);
  with_companion.difference.companions[0].name = "tpr@fpr=0.05";
  const Comparison comparison = comparison_of(
      {task_of("qa", {binary_value(9, 0, 0, 1), hidden, blind}), task_of("mia1", {with_companion})});
  using Names = std::vector<std::string>;
  const auto rule = [](const std::string& task, const std::string& metric) {
    return "task = \"" + task + "\"\nmetric = \"" + metric + "\"\nkind = \"no_regression\"";
  };
  CHECK(matched(rule("*", "*"), comparison) == Names{"qa:acc/accuracy", "mia1:mia/auroc"});
  CHECK(matched(rule("mia?", "*"), comparison) == Names{"mia1:mia/auroc"});
  CHECK(matched(rule("*", "acc"), comparison) == Names{"qa:acc/accuracy"});
  CHECK(matched(rule("*", "acc*"), comparison) == Names{"qa:acc/accuracy"});
  CHECK(matched(rule("*", "accuracy"), comparison) == Names{"qa:acc/accuracy", "qa:blind/accuracy"});
  CHECK(matched(rule("*", "acc/chance"), comparison) == Names{"qa:acc/chance"});
  CHECK(matched(rule("*", "mia/tpr@fpr=0.05"), comparison) == Names{"mia1:mia/auroc/tpr@fpr=0.05"});
}

TEST_CASE("gate: a rule that matches nothing is an error that names what there is") {
  const Comparison comparison = comparison_of({task_of("halueval", {binary_value(9, 0, 0, 1)})});
  const auto error = [&](const std::string& rule) {
    const Result<GateOutcome> outcome = judge_gate(policy_of(policy_text(rule)), comparison, {});
    REQUIRE_FALSE(outcome.ok());
    CHECK(outcome.error().code == Code::kInvalidArgument);
    return outcome.error().text;
  };
  const std::string task = error("task = \"haluevl\"\nkind = \"no_regression\"");
  CHECK_THAT(task, ContainsSubstring("p.toml:4:"));
  CHECK_THAT(task, ContainsSubstring("did you mean 'halueval'"));
  const std::string metric = error("task = \"*\"\nmetric = \"axc\"\nkind = \"no_regression\"");
  CHECK_THAT(metric, ContainsSubstring("did you mean 'acc'"));
  CHECK_THAT(error("task = \"*\"\nmodel = \"big\"\nkind = \"no_regression\""), ContainsSubstring("'big'"));
  CHECK_THAT(error("task = \"*\"\nvariant = \"v\"\nkind = \"no_regression\""), ContainsSubstring("'v'"));
  CHECK_FALSE(judge_gate(policy_of(policy_text(kNoRegression)), comparison_of({}), {}).ok());
}

TEST_CASE("gate: the family is over all rules") {
  // p = 0.0127, 0.0386 and 1: Holm gives 0.0382, 0.0771 and 1; BH gives 0.0382, 0.0579 and 1.
  const Comparison comparison =
      comparison_of({task_of("a", {binary_value(60, 14, 3, 23)}), task_of("b", {binary_value(60, 10, 2, 28)}),
                     task_of("c", {binary_value(60, 2, 2, 36)})});
  const double p1 = 0.012725830078125, p2 = 0.03857421875;
  const std::string all =
      "task = \"a\"\nkind = \"no_regression\"\n[[rule]]\ntask = \"b\"\nkind = "
      "\"no_regression\"\n[[rule]]\ntask = \"c\"\nkind = \"no_regression\"";
  const GateOutcome holm = judge(policy_of(policy_text(all)), comparison);
  REQUIRE(holm.checks.size() == 3);
  CHECK(holm.family == 3);
  CHECK(holm.checks[0].adjusted == Approx(3 * p1));
  CHECK(holm.checks[1].adjusted == Approx(2 * p2));
  CHECK(holm.checks[0].verdict == GateVerdict::kFail);
  CHECK(holm.checks[1].verdict == GateVerdict::kPass);
  const GateOutcome bh = judge(policy_of(policy_text(all, "family = \"bh\"")), comparison);
  CHECK(bh.checks[0].adjusted == Approx(3 * p1));
  CHECK(bh.checks[1].adjusted == Approx(1.5 * p2));
  const GateOutcome none = judge(policy_of(policy_text(all, "family = \"none\"")), comparison);
  CHECK(none.checks[1].adjusted == Approx(p2));
  CHECK(none.checks[1].verdict == GateVerdict::kFail);
  CHECK(none.count(GateVerdict::kFail) == 2);
  CHECK_THAT(none.sentence, ContainsSubstring("FAILED"));
  CHECK_THAT(none.sentence, ContainsSubstring("2 fail"));
}

TEST_CASE("gate: an inconclusive check fails the gate only where the policy says so") {
  const Comparison comparison = comparison_of({task_of("qa", {binary_value(6, 1, 1, 2)})});
  const auto code = [&](const std::string& head) {
    return judge(policy_of(policy_text(kNoRegression, head)), comparison).exit_code();
  };
  CHECK(code("min_n = 50") == 0);
  CHECK(code("min_n = 50\non_inconclusive = \"fail\"") == 11);
  CHECK(code("on_inconclusive = \"fail\"") == 0);
}

TEST_CASE("gate: missing answers beyond the policy make the gate incomplete") {
  ComparedTask task = task_of("qa", {binary_value(60, 0, 0, 30)});
  task.candidate_states[6] = 6;  // errors
  task.candidate_states[7] = 3;  // timeouts
  task.candidate_missing = 1;    // 10 of 100 planned
  const Comparison comparison = comparison_of({task});
  const GateOutcome strict = judge(policy_of(policy_text(kNoRegression)), comparison);
  CHECK(strict.codes == std::vector<int>{5});
  CHECK_THAT(strict.checks[0].incomplete,
             ContainsSubstring(
                 "candidate: 10 of 100 planned answers are missing (not stored 1, error 6, timeout 3)"));
  CHECK(judge(policy_of(policy_text(kNoRegression, "max_missing = 0.09")), comparison).exit_code() == 5);
  CHECK(judge(policy_of(policy_text(kNoRegression, "max_missing = 0.10")), comparison).exit_code() == 0);
  // Model-caused states are answers.
  ComparedTask refused = task_of("qa", {binary_value(60, 0, 0, 30)});
  refused.candidate_states[2] = 10;
  CHECK(judge(policy_of(policy_text(kNoRegression)), comparison_of({refused})).exit_code() == 0);
  ComparedTask baseline = task_of("qa", {binary_value(60, 0, 0, 30)});
  baseline.baseline_missing = 1;
  CHECK(judge(policy_of(policy_text(kNoRegression)), comparison_of({baseline})).exit_code() == 5);
}

TEST_CASE("gate: all codes are listed, and the first of 12, 5, 10, 11 wins") {
  ComparedTask incomparable = task_of("a", {binary_value(60, 0, 0, 40)});
  incomparable.parts.push_back({"prompt", PartState::kDiffers, "differs"});
  ComparedTask incomplete = task_of("b", {binary_value(60, 0, 0, 40)});
  incomplete.candidate_missing = 5;
  const ComparedTask regressed = task_of("c", {binary_value(60, 30, 0, 10)});
  const ComparedTask open = task_of("d", {binary_value(2, 0, 0, 2)});
  const Policy policy = policy_of(policy_text(kNoRegression, "min_n = 50\non_inconclusive = \"fail\""));
  using Codes = std::vector<int>;
  CHECK(judge(policy, comparison_of({open, regressed, incomplete, incomparable})).codes ==
        Codes{12, 5, 10, 11});
  CHECK(judge(policy, comparison_of({open, regressed, incomplete})).codes == Codes{5, 10, 11});
  CHECK(judge(policy, comparison_of({open, regressed})).codes == Codes{10, 11});
  CHECK(judge(policy, comparison_of({open})).codes == Codes{11});
}

TEST_CASE("gate: a waiver covers its failure, is printed, and is pointed out when it is not needed") {
  const Comparison comparison = comparison_of(
      {task_of("a", {binary_value(60, 30, 0, 10)}), task_of("b", {binary_value(60, 0, 0, 40)})});
  const std::string waiver = "\n[[waive]]\ntask = \"a\"\nuntil = 2026-11-30\nreason = \"issue 12 is known\"";
  const GateOutcome waived = judge(policy_of(policy_text(kNoRegression + waiver)), comparison);
  CHECK(waived.exit_code() == 0);
  CHECK(waived.checks[0].verdict == GateVerdict::kFail);  // the verdict itself is not changed
  CHECK(waived.checks[0].waived == "issue 12 is known");
  CHECK(waived.waived() == 1);
  CHECK_THAT(waived.sentence, ContainsSubstring("1 waived"));
  CHECK(std::any_of(waived.notes.begin(), waived.notes.end(), [](const std::string& note) {
    return note.find("issue 12 is known") != std::string::npos;
  }));
  const std::string other = "\n[[waive]]\ntask = \"b\"\nuntil = 2026-11-30\nreason = \"r\"";
  const GateOutcome unneeded = judge(policy_of(policy_text(kNoRegression + other)), comparison);
  CHECK(unneeded.exit_code() == 10);
  CHECK(std::any_of(unneeded.notes.begin(), unneeded.notes.end(), [](const std::string& note) {
    return note.find("was not needed") != std::string::npos;
  }));
  const std::string metric =
      "\n[[waive]]\ntask = \"a\"\nmetric = \"other\"\nuntil = 2026-11-30\nreason = \"r\"";
  CHECK(judge(policy_of(policy_text(kNoRegression + metric)), comparison).exit_code() == 10);
}

TEST_CASE("gate: a regression counts when k of the last m candidates show it") {
  const Comparison comparison = comparison_of({task_of("qa", {binary_value(60, 30, 0, 10)})});
  const Policy policy = policy_of(policy_text(kNoRegression + "\nconfirm = \"2 of 3\""));
  const auto check = [&](std::vector<GateResultRow> rows) {
    GateEvidence evidence;
    evidence.earlier = std::move(rows);
    return judge(policy, comparison, evidence).checks.front();
  };
  const Check alone = check({});
  CHECK(alone.verdict == GateVerdict::kInconclusive);
  CHECK(alone.signal);  // what a later gate will count
  CHECK_THAT(alone.sentence, ContainsSubstring("seen by 1 of the last 1 gates"));
  CHECK(check({earlier(9, true)}).verdict == GateVerdict::kFail);
  CHECK(check({earlier(9, false), earlier(8, true)}).verdict == GateVerdict::kFail);
  // The window is the last three candidates, this one included.
  CHECK(check({earlier(9, false), earlier(8, false), earlier(7, true)}).verdict ==
        GateVerdict::kInconclusive);
  // The same candidate judged again is not another night, and neither is this one.
  CHECK(check({earlier(2, true), earlier(2, true)}).verdict == GateVerdict::kInconclusive);
  CHECK(check({earlier(9, false), earlier(9, true), earlier(8, false)}).verdict ==
        GateVerdict::kInconclusive);
  // Another recipe, task, model or number is another series.
  for (const auto change : {0, 1, 2, 3, 4, 5, 6}) {
    GateResultRow row = earlier(9, true);
    (change == 0   ? row.recipe
     : change == 1 ? row.task
     : change == 2 ? row.model
     : change == 3 ? row.metric
     : change == 4 ? row.policy
     : change == 5 ? row.rule
                   : row.variant) = "x";
    CHECK(check({row}).verdict == GateVerdict::kInconclusive);
  }
  // A row of another rule for the same candidate does not hide its regression.
  GateResultRow absolute = earlier(9, false);
  absolute.rule = "absolute";
  CHECK(check({absolute, earlier(9, true)}).verdict == GateVerdict::kFail);
  // Without a regression there is nothing to confirm.
  GateEvidence evidence;
  evidence.earlier = {earlier(9, true)};
  CHECK(judge(policy, comparison_of({task_of("qa", {binary_value(60, 0, 0, 40)})}), evidence)
            .checks.front()
            .verdict == GateVerdict::kPass);
}

TEST_CASE("gate: rows for the next gate hold what it will look for") {
  const Comparison comparison = comparison_of({task_of("qa", {binary_value(60, 30, 0, 10)})});
  const Policy policy = policy_of(policy_text(kNoRegression + "\nconfirm = \"2 of 2\""));
  std::vector<GateResultRow> rows = rows_of(policy, comparison, judge(policy, comparison));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].verdict == "inconclusive");
  CHECK(rows[0].signal);
  CHECK(rows[0].rule == "no_regression");
  CHECK(rows[0].delta == Approx(-0.3));
  CHECK(rows[0].policy_sha256 == policy.sha256);
  GateEvidence evidence;
  rows[0].candidate = 77;
  evidence.earlier = rows;
  CHECK(judge(policy, comparison, evidence).exit_code() == 10);
}

TEST_CASE("gate: an e-value confirms only strong evidence") {
  const std::string rule = kNoRegression + "\nconfirm = \"e-value\"";
  // ln e of 14 and 3 flips is 2.197, of 20 and 3 it is 5.223; the bar is ln 20 = 2.996.
  CHECK(check_one(rule, binary_value(60, 14, 3, 23)).verdict == GateVerdict::kPass);
  CHECK(check_one(rule, binary_value(60, 20, 3, 17)).verdict == GateVerdict::kFail);
  CHECK(check_one(rule, binary_value(60, 3, 20, 17)).verdict == GateVerdict::kPass);
  const Check mean = check_one(rule, mean_value(200, 0.5, -0.02, 0.05));
  CHECK(mean.verdict == GateVerdict::kInconclusive);
  CHECK_THAT(mean.sentence, ContainsSubstring("right-or-wrong"));
}

TEST_CASE("gate: a difference within the noise of repeated runs is no regression") {
  const ComparedValue value = binary_value(60, 14, 3, 23);  // delta -0.11
  const std::string rule = kNoRegression + "\nnoise_floor = true";
  const auto repeated = [](RowId run, double estimate, const std::string& identity = "i",
                           bool cached = false) {
    GateEvidence::Repeated row;
    row.recipe = "0a1b2c3d";
    row.fingerprint = std::string(64, 'e');
    row.score.run = run;
    row.score.identity = identity;
    row.score.cached = cached;
    row.score.metric = "acc";
    row.score.value = "accuracy";
    row.score.statistic = "mean";
    row.score.estimate = estimate;
    return row;
  };
  const auto check = [&](std::vector<GateEvidence::Repeated> rows) {
    GateEvidence evidence;
    evidence.repeated = std::move(rows);
    return check_one(rule, value, {}, evidence);
  };
  const Check unknown = check({});
  CHECK(unknown.verdict == GateVerdict::kFail);
  REQUIRE(unknown.notes.size() >= 1);
  CHECK(std::any_of(unknown.notes.begin(), unknown.notes.end(), [](const std::string& note) {
    return note.find("noise floor is unknown") != std::string::npos;
  }));
  const Check wide = check({repeated(10, 0.5), repeated(11, 0.62)});
  CHECK(wide.verdict == GateVerdict::kPass);
  REQUIRE(wide.noise);
  CHECK(wide.noise->pairs == 1);
  CHECK(*wide.noise->band == Approx(0.12));
  CHECK_THAT(wide.sentence, ContainsSubstring("within the noise"));
  CHECK(check({repeated(10, 0.5), repeated(11, 0.6)}).verdict == GateVerdict::kFail);
  // Type-7 quantile at 0.95 of |differences| 0.1, 0.1, 0.2: h = 1.9, 0.1 + 0.9 * 0.1.
  const Check three = check({repeated(10, 0.5), repeated(11, 0.6), repeated(12, 0.7)});
  CHECK(three.noise->pairs == 3);
  CHECK(*three.noise->band == Approx(0.19));
  // No measurement: served from the store, other identities, the pair in question, the same run.
  CHECK(check({repeated(10, 0.5), repeated(11, 0.9, "i", true)}).noise->pairs == 0);
  CHECK(check({repeated(10, 0.5), repeated(11, 0.9, "j")}).noise->pairs == 0);
  CHECK(check({repeated(1, 0.5), repeated(2, 0.9)}).noise->pairs == 0);
  CHECK(check({repeated(10, 0.5), repeated(10, 0.9)}).noise->pairs == 0);
}
