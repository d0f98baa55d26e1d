// What a re-scoring has to do: which metrics of which tasks, and whether what is stored suffices. Internal to
// rescore.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/run/instances.hpp"
#include "harness/run/stored_record.hpp"

namespace assay::host {

/// One metric of one task that there is something to do for.
struct RescoreWork {
  const Binding* binding = nullptr;
  MetricRow row;               ///< id 0: not in the database yet
  std::vector<RowId> columns;  ///< of its per-item values
  std::unique_ptr<MetricInstance> instance;
  std::vector<bool> wanted;          ///< per evaluation of the task: it is not there yet
  std::vector<std::string> reasons;  ///< per evaluation: why it cannot be computed
  /// True when there is an evaluation that lacks the metric and can serve it.
  [[nodiscard]] bool anywhere() const;
};

struct RescoreTask {
  RecipeRow recipe;
  std::vector<EvaluationRow> evaluations;
  std::vector<RescoreWork> metrics;
};

/// Reads the records of an evaluation in task order.
class RecordReader {
 public:
  /// Token statistics are asked of `tokens` while `reader` is in the middle of its results.
  RecordReader(Reader& reader, Reader& tokens) : reader_(reader), tokens_(tokens) {}
  /// Takes a portion whose memory lies in `arena`; false: no more.
  using See =
      std::function<Result<bool>(std::vector<StoredRecord>& records, const std::shared_ptr<Arena>& arena)>;
  /// Portions of `size` records, the last one shorter; without `answers` the records have items and requests
  /// only.
  Result<void> each(RowId evaluation, bool answers, std::size_t size, const See& see);

 private:
  Reader& reader_;
  Reader& tokens_;
};

/// Fills `task.metrics` from `bindings`. `label` becomes part of a name that is taken by another metric;
/// `lines` are the aggregates of the run.
Result<void> plan_rescoring(Reader& reader, RecordReader& records, const std::vector<Binding>& bindings,
                            const std::string& label, const std::vector<AggregateLine>& lines,
                            RescoreTask& task);

}  // namespace assay::host
