// The parts of the page of a leaderboard. Inside this folder only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "reports/html/bounded.hpp"
#include "reports/html/leaderboard_report.hpp"

namespace assay::host::html {

/// Places of runs in the table of runs, where every number of the page points to.
using RunPlaces = std::map<std::string, std::size_t>;
/// "<a href="#r3">...</a>" around markup; the markup alone for a run that is not in the table.
std::string run_link(const RunPlaces& places, const std::string& run, const std::string& markup);

/// The model of a row, with the beginning of its fingerprint where the board has a namesake.
std::string row_name(const Board& board, const BoardRow& row);

// leaderboard_tables.cpp
/// Boards of one value under one recipe: the ranked table, its notes, and methods and states in a block.
std::string board_table(const std::vector<const Board*>& boards, const RunPlaces& places);
std::string total_table(const BoardTotal& total);
std::string runs_table(const Leaderboard& leaderboard, const std::vector<History>& histories,
                       const LeaderboardReportOptions& options, const RunPlaces& places);

// leaderboard_plots.cpp
void board_plot(const std::vector<const Board*>& boards, Bounded& out);
void total_plot(const BoardTotal& total, Bounded& out);
/// Models against tasks and variants, for every value that several models have on several of them.
void heat_maps(const Leaderboard& leaderboard, Bounded& out);
void history_plots(const std::vector<History>& histories, Bounded& out);

}  // namespace assay::host::html
