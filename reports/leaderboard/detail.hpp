// What the files of this folder share: chosen evaluations, and their values by item.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/stats/choose_paired.hpp"
#include "reports/leaderboard/leaderboard.hpp"

namespace assay::host::leaderboard_detail {

/// One evaluation that passed the filters.
struct Chosen {
  RunRow run;
  EvaluationRow evaluation;
  RecipeRow recipe;
  ModelRow model;  ///< `name` is what the run calls it
  std::vector<MetricRow> metrics;
  std::vector<AggregateLine> lines;   ///< of this evaluation
  std::vector<ReportedRow> reported;  ///< of this evaluation
};

struct Selection {
  std::vector<Chosen> chosen;  ///< newest first; ties by run id, so storage order does not matter
  std::vector<std::string> notes;
};
/// `newest_only`: one of each (recipe hash, model); otherwise all complete ones.
Result<Selection> select(Reader& reader, const LeaderboardOptions& options, bool newest_only);

/// True if a line's metric and value are to be shown.
bool wanted(const AggregateLine& line, const LeaderboardOptions& options);

/// The items of one recipe, in the order of id and variant, as all its evaluations know them.
struct Items {
  std::vector<std::string> ids, variants, groups;
  std::vector<int> labels;
  std::vector<std::uint64_t> contents;  ///< 0: not recorded
};

/// What one evaluation says about the items of its recipe. Item numbers index Items.
struct Sheet {
  std::vector<std::uint32_t> item_of_row;  ///< of every row of its metric tables
  std::vector<bool> present;               ///< by item
  std::int64_t changed = 0;                ///< items that say something else than in the newest evaluation
  std::optional<std::int64_t> tokens_in, tokens_out;
  std::optional<double> seconds;
};

/// The items of evaluations of one recipe; sheets are parallel to `evaluations`, newest first.
struct Roster {
  Items items;
  std::vector<Sheet> sheets;
};
Result<Roster> load_roster(Reader& reader, const std::vector<const Chosen*>& evaluations, bool usage);
/// What the tasks of a total may share, by item: its group, or else what the item is. The variants of an item
/// are one unit; items that did not record what they say are shared by nobody.
std::vector<std::string> unit_names(const Items& items, const std::string& recipe);

/// One value of one evaluation, by item; NaN where there is none.
struct Column {
  std::vector<double> numbers, denominators;  ///< denominators: rule ratio only
};
/// The units of a board: `variant` empty means all items.
Result<Column> load_column(const MetricTable& table, const MetricRow& metric, const std::string& value,
                           const std::string& variant, const Roster& roster, std::size_t sheet);

/// Whether the value of that name is an amount per token.
bool is_per_token(const MetricTable& table, const std::string& value);

/// A row of a board with what the comparison needs.
struct Candidate {
  BoardRow row;
  Column column;
  std::size_t sheet = 0;
  bool comparable = false;  ///< has values by item
};
/// Ranks, letters, differences to the leader. Candidates come out best first.
void rank_board(Board& board, std::vector<Candidate>& candidates, const Roster& roster, std::uint64_t seed,
                std::uint64_t permutation_seed, bool testable, const LeaderboardOptions& options);

/// What makes two values the same column: name and parameters of the metric, and its major version.
using MetricKey = std::tuple<std::string, std::string, std::string, std::string>;
MetricKey key_of(const MetricRow& metric);

/// A board with its values, kept for totals. `units` name the lowest unit that tasks may share.
struct Member {
  std::size_t board = 0;                               ///< index into Leaderboard::boards
  std::string newest;                                  ///< start of its newest run
  std::vector<std::string> units;                      ///< by item; empty: a unit of its own
  std::map<std::string, std::vector<double>> numbers;  ///< fingerprint -> by item; only rules that are means
};
/// Candidate minus baseline over common items, by the method of `board`'s rule; nothing when too many items
/// are only in one of them.
std::optional<stats::Difference> paired_difference(const Board& board, const Roster& roster,
                                                   std::uint64_t seed, std::uint64_t permutation_seed,
                                                   const Candidate& baseline, const Candidate& candidate,
                                                   const LeaderboardOptions& options);

/// Averages over the members of each (suite, metric, value); of one task only the newest recipe takes part.
void add_totals(Leaderboard& leaderboard, const std::vector<Member>& members, std::uint64_t seed);

/// The value, or null.
Json json_of(const std::optional<double>& value);
Json json_of(const std::optional<std::int64_t>& value);

}  // namespace assay::host::leaderboard_detail
