// The report of one run as a page: how it was made, its warnings, and for every task the scores with
// intervals, states and the best model-free rule, plots with their numbers, and samples of items in every
// state.
#pragma once

#include <cstddef>
#include <string>

#include "assay/sdk/result.hpp"
#include "db/queries.hpp"

namespace assay::host::html {

struct RunReportOptions {
  std::size_t items_per_state = 3;     ///< of each model and task
  std::size_t text_points_max = 2000;  ///< code points of a prompt or an answer
  std::size_t bytes_max = 1'900'000;   ///< aim for the file: plots and items beyond it are left out, and the
                                       ///< page says how many; score tables are never left out
};

/// The whole file. Errors are the reader's; a damaged item is shown as such and loses nothing else. `reader`
/// is asked from this thread only. The same database gives the same bytes.
Result<std::string> run_report(Reader& reader, const RunSummary& run, const RunReportOptions& options = {});

}  // namespace assay::host::html
