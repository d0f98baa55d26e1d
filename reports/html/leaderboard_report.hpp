// A leaderboard as a page: who leads as far as the items can tell, one table for every task, recipe and
// value, averages over tasks, scores over time, and the runs behind every number.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "reports/leaderboard/leaderboard.hpp"

namespace assay::host::html {

struct LeaderboardReportOptions {
  std::size_t bytes_max = 1'900'000;  ///< aim for the file: plots beyond it are left out, and the page says
                                      ///< how many; tables are never left out
  bool link_runs = false;             ///< the page stands beside run_file() of every run
};

/// The whole file. The same input gives the same bytes. Pure function.
std::string leaderboard_report(const Leaderboard& leaderboard, const std::vector<History>& histories,
                               const LeaderboardReportOptions& options = {});

/// Name of the page of a run beside the leaderboard: "run-ID.html"; empty when the id is no plain word.
std::string run_file(const std::string& run);

/// The runs behind a leaderboard, each once, in the order of the page.
std::vector<std::string> runs_of(const Leaderboard& leaderboard, const std::vector<History>& histories);

}  // namespace assay::host::html
