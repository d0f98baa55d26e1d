// Executes a plan: items -> pooled, deduplicated requests -> responses -> scores -> rows in the store.
//
// Pooling: for each model, items of consecutive tasks fill a window of kPoolItems; equal requests in the
// window are asked once; requests are grouped by kind and ordered by prompt so that equal prefixes meet. What
// is asked together is decided by the plan, never by timing. An item whose responses are complete is scored
// and handed to the store at once. Memory is bounded by one window, whatever the number of items.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "db/store.hpp"
#include "harness/run/instances.hpp"
#include "harness/run/retry.hpp"
#include "harness/run/selection.hpp"

namespace assay::host {

/// What the run says while it works. Calls come from the thread that called run_plan.
struct RunProgress {
  std::string model, task;    ///< what is being worked on
  std::int64_t done = 0;      ///< items finished, also in earlier segments
  std::int64_t before = 0;    ///< of them finished before this segment
  std::int64_t planned = -1;  ///< items in all, -1: unknown
  std::int64_t failed = 0;    ///< items in state error, timeout or unsupported
};

/// Whether stored answers are used.
enum class CacheUse {
  kUse,      ///< a stored answer to the same request of the same model is the answer
  kIgnore,   ///< everything is asked; what is stored stays as it is and new answers are recorded beside it
  kRefresh,  ///< everything is asked; new answers take the place of the stored ones
};

struct RunControl {
  std::atomic<int>* stop = nullptr;       ///< non-zero: issue nothing new, keep what is finished
  const std::uint32_t* cancel = nullptr;  ///< handed to plugins; non-zero: give up at once
  std::function<void(const RunProgress&)> progress;
  bool fail_fast = false;
  RetryPolicy retry;
  /// All token statistics that the model gives in one pass are asked for and kept, not only those the metrics
  /// need.
  bool keep_all_statistics = true;
  CacheUse cache = CacheUse::kUse;
  unsigned threads = 0;  ///< 0: as the machine has
};

struct RunOutcome {
  RowId run = 0;
  std::int64_t planned = 0, finished = 0;  ///< `finished` counts earlier segments too
  std::int64_t before = 0;                 ///< items finished in earlier segments
  std::int64_t requests = 0, served = 0;   ///< requests of this segment; answered from the database
  std::int64_t states[8] = {};             ///< finished items by enum assay_state
  bool interrupted = false;
  std::string infrastructure;  ///< why the run was given up, or empty
  std::vector<WarningRow> warnings;
  std::vector<RowId> evaluations;
};

/// Everything the run needs, opened and checked, before the first item is asked.
struct LiveTask {
  std::unique_ptr<TaskInstance> task;
  std::vector<std::unique_ptr<MetricInstance>> metrics;  ///< parallel to PlannedTask::metrics
  Positions positions;
  std::int64_t items = -1;  ///< selected, times repeats; -1: unknown
  bool fitted = false;
};

/// Opens tasks and metrics (not models): what --dry-run needs to count.
Result<std::vector<LiveTask>> open_tasks(const Plan& plan, InstanceFactory& factory);

/// Runs the plan into the store under the run row `run` (already begun, or resumed: items that have a row are
/// not run again). kData when an item that has a row says something else now. Errors are those that end the
/// run before or outside the items; failures of items are rows.
Result<RunOutcome> run_plan(Plan& plan, std::vector<LiveTask>& tasks, InstanceFactory& factory, Store& store,
                            Reader& reader, RowId run, const RunControl& control);

/// ok, empty, refused ... of a list of responses, by the order of comparison-and-operation.md 3.
int state_of(const assay_response& response, int kind);

}  // namespace assay::host
