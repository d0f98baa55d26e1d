// Which evaluations of a run are exported, with their metrics as named columns.
#pragma once

#include <string>
#include <vector>

#include "harness/interop/export/export.hpp"

namespace assay::host::exporting {

/// One value of a metric that every item has.
struct Column {
  std::string
      name;  ///< "METRIC" for a value called score or as the metric, else "METRIC.VALUE"; unique in its task
  MetricRow metric;
  ValueRow value;
};

struct Selected {
  EvaluationRow row;
  RecipeRow recipe;
  std::string model;  ///< what the run calls it
  ModelRow configured;
  std::vector<Column> columns;  ///< in the order of the metrics
};

/// By the options' task and model. kInvalidArgument with the names there are when nothing fits, and when
/// there is nothing to choose from.
Result<std::vector<Selected>> select(Reader& reader, const RunSummary& run, const ExportOptions& options);

/// The row ids of the columns' values.
std::vector<RowId> value_ids(const std::vector<Column>& columns);

}  // namespace assay::host::exporting
