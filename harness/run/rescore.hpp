// Metrics computed after a run, from what is stored: no model, task or data file is needed. Old rows stay as
// they are; new scores and aggregates lie beside them, under a score set that says where they come from.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/run/instances.hpp"

namespace assay::host {

struct RescoreOptions {
  std::filesystem::path database;
  StoreOptions store;
  std::string run = "latest";  ///< as Reader::find_run takes it
  std::string task;            ///< pattern with * and ?; empty: every task
  std::string label;           ///< of the score set; empty: "score-2", "score-3" ...
  std::string command_line;
};

enum class RescoreOutcome {
  kComputed,
  kKnown,        ///< the same plugin, library and parameters were computed before: nothing was done
  kUnsupported,  ///< what is stored does not suffice: `reason`
};

/// What came of one metric for one model and task.
struct RescoredMetric {
  std::string task, model;
  std::string metric;  ///< the name it is stored under
  RescoreOutcome outcome = RescoreOutcome::kComputed;
  std::string reason;
  std::int64_t items = 0;  ///< results
  std::int64_t asked = 0;  ///< of them judged by the metric; the others failed or are not stored completely
};

struct RescoreResult {
  RunSummary run;
  std::string label;  ///< of the score set; empty when nothing was computed
  std::vector<RescoredMetric> metrics;
  std::vector<std::string> notes;
  std::vector<AggregateLine> table;  ///< the run's lines of the metrics that were named
};

/// `--metric EXPR` as a binding: "mia.mink", "mia.mink(k=0.3)", "mia.mink@guard(k=0.3)" - @NAME is the
/// parameter `variant`, as tables show it. kInvalidArgument, kNotFound with the place.
Result<Binding> bind_metric(const BindContext& context, const std::string& text);

/// Computes `metrics` for every evaluation of the run that can serve them. A metric whose name is taken by
/// another library or other parameters gets the name "NAME [LABEL]". A call that was cut off is completed by
/// the next one. kUnsupported when nothing can be computed and nothing was known; kUnavailable while the run
/// is being worked on; kInvalidArgument for a pattern without tasks or a label that is taken; kData when
/// stored rows are damaged.
Result<RescoreResult> rescore(const RescoreOptions& options, const std::vector<Binding>& metrics,
                              InstanceFactory& factory);

}  // namespace assay::host
