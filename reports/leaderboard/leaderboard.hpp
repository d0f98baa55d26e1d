// Leaderboards from stored runs: who is better than whom as far as the items can tell.
//
// Data path: runs that pass the filters -> of every (recipe hash, model) the newest complete evaluation ->
// one board per recipe, metric value and variant -> rows with the stored aggregate -> values by item ->
// paired comparison of every two models over their common items (stats::compare, one seed) -> Holm over the
// pairs -> rank intervals and tie letters. Rows of different recipe hashes never meet. Everything comes from
// the database; no plugin is loaded; the order in which runs were stored changes nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/base/json.hpp"

namespace assay::host {

/// Which runs and values are shown. Patterns know * and ?; empty: all.
struct LeaderboardOptions {
  std::string suite, task, metric, model;
  std::string since;  ///< RFC 3339 or its beginning ("2026-11"); runs that started earlier are left out
  std::vector<std::string> runs;    ///< names as Reader::find_run takes; only these, complete or not
  bool all_values = false;          ///< also values that are not headlines
  bool usage = true;                ///< sum tokens and seconds, which reads every stored answer
  double alpha = 0.05;              ///< inside (0, 1), over all pairs of a board; intervals are at 1 - alpha
  std::uint32_t replicates = 2000;  ///< B where a rule needs resampling, at least 200
};

/// One model (or model-free rule) on one board. Absent numbers are undefined or unknown, never zero.
struct BoardRow {
  std::string model;                        ///< as its run calls it; of a model-free rule the metric's name
  std::string fingerprint;                  ///< 64 hex digits; empty for a model-free rule
  std::string run, label, started, status;  ///< run id, and when and how it went
  bool model_free = false;                  ///< a rule that looks at the items alone; never ranked
  bool negated = false;        ///< a model-free rule without direction, turned to its better side
  bool imported = false;       ///< the run comes from another harness's log
  bool self_reported = false;  ///< the log states the number and has no items behind it; never ranked
  /// Ranks that the data allow, 1 is best; 0: not ranked, and `remark` says why.
  std::size_t rank_best = 0, rank_worst = 0;
  std::string letter;  ///< models that share a letter are not resolved from each other
  std::optional<double> estimate, se, lo, hi;  ///< as the run stored them, over all its items
  std::string method;
  std::string remark;
  std::int64_t n = 0;                    ///< scored items (with repeats: items, not answers)
  std::int64_t missing = 0;              ///< planned answers that are not stored
  std::array<std::int64_t, 8> states{};  ///< answers by enum assay_state
  std::optional<double> delta;           ///< against the leader, over common items, row - leader
  std::optional<double> delta_p;         ///< of delta, two-sided, not adjusted
  std::optional<double> mde;             ///< smallest difference to the leader found with probability 0.8
  std::optional<std::int64_t> tokens_in, tokens_out;  ///< absent: not asked for, or never recorded
  std::optional<double> cost;                         ///< absent: no prices are known
  std::optional<double> seconds;  ///< summed over the answers that were asked for in the run
};

/// One table: rows of one recipe, one value, one variant, best first.
struct Board {
  std::string suite, task, recipe, metric, value, variant, unit, statistic;  ///< recipe: 64 hex digits
  int rule = 0, direction = 0;  ///< enum assay_rule, assay_direction
  std::vector<BoardRow> rows;
  std::size_t ranked = 0;         ///< rows with a rank
  std::size_t pairs = 0;          ///< tests in the family of Holm
  std::int64_t common_items = 0;  ///< items that every ranked row has scored
  std::vector<std::string> notes;
  [[nodiscard]] std::string version() const { return recipe.substr(0, 8); }
};

/// An average with its error.
struct Averaged {
  std::optional<double> value, se, lo, hi;
};

/// One model over all members of a total.
struct TotalRow {
  std::string model, fingerprint;
  Averaged mean;      ///< macro average of the scores
  Averaged centred;   ///< the same after taking the mean of the models from every item
  Averaged win_rate;  ///< share of (item, other model) won, ties half; tasks weigh the same
  Averaged borda;     ///< models below it on a task, ties half; tasks are the sample
  /// Bradley-Terry strength on the logit scale, mean of all models 0, from the wins that win_rate counts.
  Averaged strength;
};

/// One metric value over several tasks or variants of one suite, for the models that have all of them.
struct BoardTotal {
  std::string suite, metric, value;
  int direction = 0;
  std::vector<std::string> members;   ///< "task", or "task (variant)"
  std::vector<TotalRow> rows;         ///< best mean first
  std::vector<std::string> left_out;  ///< "model: has no task"
  std::string method;                 ///< "bootstrap.percentile" or "aggregate.normal"
  std::uint32_t replicates = 0;
  std::uint64_t seed = 0;
  std::string strength_method;     ///< of the strengths' errors: "bradley_terry.sandwich", or empty
  std::string strength_undefined;  ///< why there are no strengths
};

struct Leaderboard {
  LeaderboardOptions options;
  std::vector<Board> boards;  ///< by task, metric, value, variant, newest recipe first
  std::vector<BoardTotal> totals;
  std::vector<std::string> notes;
};

/// Builds all boards. kInvalidArgument: an option out of range; kNotFound: nothing fits the filters.
Result<Leaderboard> build_leaderboard(Reader& reader, const LeaderboardOptions& options);

/// One run in the course of a score.
struct HistoryPoint {
  std::string run, started, recipe, label;
  std::string fingerprint;  ///< of the model, 64 hex digits; another one is another state of the model
  std::optional<double> estimate, lo, hi;
  std::int64_t n = 0;
  /// Against the run before it, if that has the same recipe: this one minus that one, over common items.
  std::optional<double> delta;
  std::optional<double> p;  ///< of delta, adjusted by Holm over the tests of this history
  int change = 0;           ///< -1: regressed, 1: improved; 0: p is not below alpha, or nothing to test
};
/// The course of one value of one model, by its name, oldest first.
struct History {
  std::string task, metric, value, variant, model;
  int direction = 0;
  std::vector<HistoryPoint> points;
};
/// Scores over time of the metrics whose name fits options.metric, each run tested against the one before it.
/// Errors as above.
Result<std::vector<History>> leaderboard_history(Reader& reader, const LeaderboardOptions& options);

// Outputs. The same leaderboard gives the same bytes.
std::string leaderboard_text(const Leaderboard& leaderboard, bool color, bool verbose);
std::string leaderboard_markdown(const Leaderboard& leaderboard);
/// One line a row, with a header; RFC 4180.
std::string leaderboard_csv(const Leaderboard& leaderboard);
/// Schema assay-leaderboard/1: numbers unrounded, undefined ones null.
Json leaderboard_json(const Leaderboard& leaderboard);
std::string history_text(const std::vector<History>& histories, bool color);
Json history_json(const std::vector<History>& histories);

}  // namespace assay::host
