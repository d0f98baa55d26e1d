// What the numbers of a table are numbers of: how the answers of a task ended, and which of them entered the
// scores.
#pragma once

#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/base/json.hpp"

namespace assay::host {

/// {"in": {...}, "as_worst": {...}, "out": {...}} as in run/denominator.hpp; null when it was not recorded.
Json denominator_json(const AggregateRow& row);

/// One line a model, equal ones together: "model: 90 ok, 7 error - in the scores: 90 ok; out: 7 error".
/// Scores with different denominators get a line each below it. `lines`: those of one task.
std::string states_lines(const std::vector<const AggregateLine*>& lines);

}  // namespace assay::host
