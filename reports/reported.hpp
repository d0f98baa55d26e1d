// Aggregates that another harness stated about an imported run, beside what was computed from its rows.
#pragma once

#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/base/json.hpp"

namespace assay::host {

/// One row per number the log states; a number that is the mean of a column we have stands beside ours. At
/// most `rows_max` rows, 0: all.
std::string reported_table(const std::vector<ReportedRow>& rows, const std::vector<AggregateLine>& lines,
                           bool color, std::size_t rows_max);
/// One object per number; what is not finite is null with its text.
Json reported_json(const std::vector<ReportedRow>& rows, const std::vector<AggregateLine>& lines);

}  // namespace assay::host
