// From the rows of an evaluation to its aggregates: one number per value and variant, with interval, counts
// of every state, and bounds when much is missing. Everything is computed from the database, so a re-scored,
// resumed or imported run gives the same numbers as the run that wrote it.
#pragma once

#include <map>
#include <string>

#include "db/queries.hpp"
#include "db/store.hpp"
#include "harness/run/instances.hpp"

namespace assay::host {

struct AggregateOptions {
  std::uint64_t seed = 1;     ///< the run's seed
  std::string task;           ///< name of the task: enters the bootstrap seed
  std::int64_t planned = -1;  ///< items planned; more than there are rows: missing items
};

/// Aggregates of one metric of one evaluation. `instance` is needed for custom values only.
Result<std::vector<AggregateRow>> aggregate_metric(Reader& reader, RowId evaluation, const MetricRow& metric,
                                                   const MetricInstance* instance,
                                                   const AggregateOptions& options);

/// The same values for a metric that could not be computed: no numbers, and the reason.
Result<std::vector<AggregateRow>> unsupported_metric(Reader& reader, RowId evaluation,
                                                     const MetricRow& metric, const std::string& reason);

}  // namespace assay::host
