// A policy against a comparison: one check for every number that a rule names, with verdict and sentence.
//
// Data path: rules x compared values -> checks -> p of each check -> adjusted over the whole policy ->
// verdict by kind -> noise floor, confirmation, waiver -> exit code. judge_gate is a pure function of its
// arguments; gather_evidence asks the database for what a comparison does not hold.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reports/compare/compare.hpp"
#include "reports/gate/policy.hpp"

namespace assay::host {

enum class GateVerdict { kPass, kFail, kInconclusive, kNotComparable };
const char* gate_verdict_name(GateVerdict verdict);  ///< "pass", "fail", "inconclusive", "not comparable"

/// Stable exit codes of a gate (`assay help`).
enum GateExit : int {
  kGatePassed = 0,
  kGateIncomplete = 5,
  kGateRegression = 10,
  kGateInconclusive = 11,
  kGateNotComparable = 12,
};

/// The band of |delta| between runs that measured the same thing twice.
struct NoiseBand {
  std::size_t pairs = 0;       ///< 0: nothing is known
  std::optional<double> band;  ///< 95 % quantile
};

/// One rule on one number.
struct Check {
  std::size_t rule = 0;  ///< index into Policy::rules
  std::string task, metric, value, variant, statistic;
  std::string baseline_model, candidate_model, recipe;  ///< recipe: the candidate's hash or its first digits
  std::string baseline_version, candidate_version;
  GateVerdict verdict = GateVerdict::kInconclusive;
  std::string sentence;              ///< what a reviewer reads first
  std::string incomplete;            ///< too many answers are missing: how many; empty otherwise
  std::string waived, waived_where;  ///< reason of the waiver that covers a failure; empty: none
  bool signal = false;               ///< the numbers alone showed a regression
  std::optional<double> baseline, candidate, delta, lo, hi, mde;
  std::optional<double> p, adjusted;  ///< of the rule's own hypothesis
  std::string test;                   ///< what p belongs to
  std::string method;                 ///< of the interval
  std::optional<double> margin;       ///< in units of delta
  std::size_t n = 0, clusters = 0;
  std::optional<stats::FlipTable> flips;
  std::optional<NoiseBand> noise;    ///< only with noise_floor
  double seconds = 0;                ///< what the candidate's task took, at the first check of the task
  std::vector<std::string> formula;  ///< inputs and formula, for --explain
  std::vector<std::string> notes;
};

/// What a comparison does not hold.
struct GateEvidence {
  std::vector<AggregateLine> candidate;        ///< the candidate's aggregates, for absolute rules
  std::map<std::string, std::string> recipes;  ///< task -> the candidate's recipe hash
  std::vector<GateResultRow> earlier;          ///< of these recipes, newest first
  struct Repeated {
    std::string recipe, fingerprint;
    RepeatedScore score;
  };
  std::vector<Repeated> repeated;  ///< for rules with a noise floor
  std::vector<std::string> lost;   ///< tasks that were computed in the baseline and are not in the candidate
};

struct GateOutcome {
  std::string sentence;  ///< the whole gate in one sentence
  std::vector<Check> checks;
  std::size_t family = 0;  ///< m: checks with a p
  std::vector<int> codes;  ///< all exit codes that apply, the one that wins first; {0} when it passed
  std::vector<std::string> notes;
  [[nodiscard]] int exit_code() const { return codes.front(); }
  [[nodiscard]] std::size_t count(GateVerdict verdict) const;  ///< without waived ones
  [[nodiscard]] std::size_t waived() const;
};

/// How the runs must be compared for this policy.
CompareOptions gate_compare_options(const Policy& policy);

Result<GateEvidence> gather_evidence(Reader& reader, const Comparison& comparison, const Policy& policy);

/// kInvalidArgument when a rule fits no compared number.
Result<GateOutcome> judge_gate(const Policy& policy, const Comparison& comparison,
                               const GateEvidence& evidence);

/// The rows that a later gate will look at.
std::vector<GateResultRow> rows_of(const Policy& policy, const Comparison& comparison,
                                   const GateOutcome& outcome);

/// One-sided p-values against a margin M > 0: of delta <= -M and of delta >= M.
struct MarginTest {
  double not_below = std::numeric_limits<double>::quiet_NaN();  ///< small: delta is above -M
  double not_above = std::numeric_limits<double>::quiet_NaN();  ///< small: delta is below M
  std::string method;  ///< "tost.tango", "tost.t", "tost.normal"; empty: the difference has no error
};
MarginTest margin_test(const stats::Difference& difference, double margin);

}  // namespace assay::host
