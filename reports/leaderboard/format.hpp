// How the outputs of a leaderboard name and group what they show.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reports/leaderboard/leaderboard.hpp"

namespace assay::host {

/// Boards that stand in one table: variants of one value under one recipe, variants in natural order.
std::vector<std::vector<const Board*>> board_tables(const Leaderboard& leaderboard);
/// "metric", with value, rule and direction where the name alone would not tell.
std::string board_label(const Board& board);
/// "2-4", "1", "-" for what is not ranked.
std::string rank_text(const BoardRow& row);
/// "+0.0123"; empty for a number that does not exist.
std::string signed_text(const std::optional<double>& value);
/// Where the row comes from, answers in other states than ok (if asked for), and why it is not ranked.
std::string row_remarks(const BoardRow& row, bool states = true);
/// The tests behind the ranks of a table, and what else must be known; each sentence once.
std::vector<std::string> board_notes(const std::vector<const Board*>& boards);

/// "regressed", "improved" or nothing.
std::string change_text(const HistoryPoint& point);

/// "suite  metric, across 4 tasks and variants".
std::string total_title(const BoardTotal& total);
std::vector<std::string> total_notes(const BoardTotal& total);
/// One a cell of total_cells(); "model" and "interval" are texts, all others numbers with their error.
const std::vector<std::string>& total_columns();
std::vector<std::string> total_cells(const TotalRow& row);

}  // namespace assay::host
