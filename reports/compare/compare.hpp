// The comparison of two stored runs: first whether they can be compared at all, then, item by item, what
// changed, with interval, test and verdict.
//
// Data path: find both runs -> pair tasks and models -> match items by id and variant -> check the parts that
// must be equal -> per metric value and variant: the units of both runs (repeats reduced to their mean) ->
// stats::compare -> adjusted p over the family -> verdict and sentence. Everything comes from the database,
// but custom statistics, which are asked of their plugin through CustomSource. The same rows give the same
// bits, in whatever order they were stored.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "db/queries.hpp"
#include "harness/stats/choose_paired.hpp"

namespace assay::host {

/// Asks the plugin behind a metric: gives the statistic that evaluates all custom values of `metric`, in the
/// order of the table's values, on units[u] = rows of `table` that are the repeats of one item. `note` gets
/// what a reader should know of the plugin. An error says why it cannot be asked. This folder loads no
/// plugin, so whoever can hands it in.
using CustomSource = std::function<Result<stats::CustomStatistic>(
    const MetricRow& metric, const MetricTable& table, std::span<const std::vector<std::uint32_t>> units,
    std::string& note)>;

/// What to compare, and how.
struct CompareOptions {
  std::string task;    ///< only tasks with such a name (* and ?); empty: all
  std::string metric;  ///< only metrics with such a name (* and ?); empty: all
  /// Baseline's model name, candidate's model name. Empty: equal names, or the only model of each run.
  std::vector<std::pair<std::string, std::string>> models;
  std::optional<double> margin;       ///< M > 0 in units of the metric; absent: no equivalence
  double alpha = 0.05;                ///< inside (0, 1); intervals are at 1 - alpha
  std::size_t top_items = 3;          ///< changed items shown per value
  bool force = false;                 ///< numbers even where nothing can be compared, and no verdicts
  bool all_values = false;            ///< also values that are not headlines, and model-free rules
  std::uint32_t replicates = 10'000;  ///< B of bootstraps, at least 200
  CustomSource custom;                ///< absent: custom values have no intervals, and say why
};

/// How one part of two evaluations relates.
enum class PartState {
  kSame,
  kNote,     ///< differs, and may
  kWarning,  ///< differs so little that a verdict stands, with a warning
  kUnknown,  ///< one of the runs did not record it; equality is assumed and said
  kDiffers,  ///< not comparable
};
const char* part_state_name(PartState state);  ///< "same", "note", "warning", "unknown", "differs"

/// One line of the check that precedes every number.
struct ComparedPart {
  std::string name;  ///< items, prompt, generation, request kind, repeats, roles, metric, ...
  PartState state = PartState::kSame;
  std::string text;  ///< what is the same or differs, as a sentence without full stop
};

enum class Verdict { kImproved, kRegressed, kEquivalent, kInconclusive, kNotComparable, kForced };
const char* verdict_name(Verdict verdict);  ///< "improved", ..., "NOT COMPARABLE", "FORCED"

/// An answer in both runs, for a reader.
struct ChangedItem {
  std::string id, variant;
  std::uint32_t repeat = 0;
  double baseline = 0, candidate = 0;  ///< the unit's values
  std::string prompt;                  ///< of the baseline's first request; empty when not kept
  std::string baseline_answer, candidate_answer;
  std::string baseline_state, candidate_state;  ///< enum assay_state by name
};

/// Counts of one run behind one compared value. With repeats: answers, but for `scored`, which counts units.
struct SideCounts {
  std::array<std::int64_t, 8> states{};  ///< by enum assay_state
  std::int64_t answers = 0;
  std::int64_t scored = 0;      ///< units of the matched items that have a value
  std::int64_t as_worst = 0;    ///< answers without a value that count as the worst one
  std::int64_t non_finite = 0;  ///< answers the metric called ok and gave no finite number
};

/// One value of one metric in one variant.
struct ComparedValue {
  std::string metric, value, variant, unit;
  stats::Rule rule = stats::Rule::kMean;
  int direction = 0;  ///< enum assay_direction
  bool headline = false, model_free = false;
  std::int64_t matched = 0;   ///< matched units
  std::int64_t unscored = 0;  ///< of them, units without a value in at least one run
  stats::Difference difference;
  std::optional<double> relative;  ///< delta / |baseline|; exp_mean: ratio - 1
  std::optional<double> holm, bh;  ///< adjusted p
  std::optional<double> needed;    ///< items needed to detect the margin at power 0.8
  Verdict verdict = Verdict::kInconclusive;
  std::string sentence;                 ///< the verdict as a reviewer reads it
  std::vector<ComparedPart> differing;  ///< what makes this metric not comparable
  std::vector<std::string> notes;
  SideCounts baseline, candidate;
  std::vector<ChangedItem> changed;
  std::int64_t changed_units = 0;  ///< units whose values differ
  /// Per scored unit: candidate - baseline, and the unit's group or item; for totals. Not printed.
  std::vector<double> deltas, baseline_values, candidate_values;
  std::vector<std::string> units;
};

/// What one run spent on a task.
struct SideCost {
  std::int64_t tokens_in = 0, tokens_out = 0;  ///< as recorded; 0: unknown
  double seconds = 0;                          ///< summed over answers that were asked for
  std::int64_t responses = 0, cached = 0;
};

/// One task with one pair of models.
struct ComparedTask {
  std::string task, baseline_model, candidate_model;
  std::string baseline_version, candidate_version;          ///< first 8 hex digits of the recipe hashes
  std::string baseline_fingerprint, candidate_fingerprint;  ///< of the models, 64 hex digits
  std::vector<ComparedPart> parts;
  std::int64_t matched = 0;                                  ///< items (id and variant) in both
  std::vector<std::string> only_baseline, only_candidate;    ///< unmatched items, "id" or "id (variant)"
  std::int64_t baseline_missing = 0, candidate_missing = 0;  ///< planned answers that are not stored
  std::array<std::int64_t, 8> baseline_states{}, candidate_states{};
  std::optional<double> identical;  ///< share of matched answers with exactly the same text
  std::int64_t answers = 0;         ///< matched answers behind it
  SideCost baseline_cost, candidate_cost;
  std::vector<ComparedValue> values;
  /// No part differs; a single metric may still be not comparable.
  [[nodiscard]] bool comparable() const;
};

/// An average over tasks and variants of one value, with the error that belongs to it. Members that share
/// items or groups depend on each other: they are resampled together. Members that share nothing are
/// independent, and their errors add up by the formula.
struct ComparedTotal {
  std::string metric, value, baseline_model, candidate_model;
  std::size_t members = 0;  ///< tasks and variants
  std::int64_t items = 0, units = 0;
  bool macro = true;  ///< mean of the members; otherwise weighted by items
  double baseline = 0, candidate = 0, delta = 0;
  std::string method;                 ///< "bootstrap.percentile" or "aggregate.normal"
  std::optional<double> se, lo, hi;   ///< of the delta, by `method`
  std::optional<double> formula_se;   ///< members taken as independent
  std::optional<double> p, holm, bh;  ///< a family of their own
  std::string undefined;
  std::string note;  ///< "few units", or empty
  std::uint64_t seed = 0;
  std::uint32_t replicates = 0;
};

/// Forget and retain of an unlearning task beside each other.
struct TwoAxisLine {
  std::string task, model, metric, value, probe;  ///< probe: the variant without its role, or empty
  struct Axis {
    std::string variant;
    std::optional<double> baseline, candidate, delta, lo, hi, relative;
    std::string verdict;
  };
  Axis forget, retain;
};

struct Comparison {
  RunSummary baseline, candidate;
  CompareOptions options;
  std::vector<ComparedTask> tasks;
  std::vector<ComparedTotal> totals;
  std::vector<TwoAxisLine> two_axis;
  std::size_t family = 0, totals_family = 0;  ///< tests in each family
  std::vector<ComparedPart> notes;            ///< run-wide: program, libraries, machine, what has no partner
  /// At least one value was compared with a verdict (or, with force, as FORCED).
  [[nodiscard]] bool anything() const;
};

/// Compares two runs by the names that Reader::find_run takes. kInvalidArgument: an option out of range, no
/// such task, metric or model; kNotFound: no such run. What cannot be compared is no error.
Result<Comparison> compare_runs(Reader& reader, const std::string& baseline, const std::string& candidate,
                                const CompareOptions& options);

}  // namespace assay::host
