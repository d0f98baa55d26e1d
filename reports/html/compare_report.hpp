// The comparison of two runs as a page: one sentence that says what happened, whether the runs can be
// compared at all, every difference with interval and verdict, and the items that changed most side by side.
#pragma once

#include <cstddef>
#include <string>

#include "reports/compare/compare.hpp"

namespace assay::host::html {

struct CompareReportOptions {
  std::size_t text_points_max = 2000;  ///< code points of a prompt or an answer
  std::size_t bytes_max = 1'900'000;   ///< aim for the file: plots and items beyond it are left out, and the
                                       ///< page says how many; tables are never left out
};

/// The whole file. The same comparison gives the same bytes. Pure function.
std::string compare_report(const Comparison& comparison, const CompareReportOptions& options = {});

/// What a person reads first: whether the candidate is worse, better, or neither can be said.
std::string compare_summary(const Comparison& comparison);

}  // namespace assay::host::html
