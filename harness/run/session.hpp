// One `assay run` from options to aggregates: registry, data, plan, live tasks, store, run, aggregates,
// expectations. The command line and the tests drive the same functions.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/data/data.hpp"
#include "harness/run/runner.hpp"

namespace assay::host {

struct SessionOptions {
  std::filesystem::path suite;
  std::optional<std::string> suite_text;  ///< the suite as it was, instead of reading the file
  std::filesystem::path folder;  ///< what relative paths refer to besides the suite's; empty: the current
  std::vector<std::string> overrides;  ///< --set
  PlanOptions plan;
  RegistryOptions registry;
  DataOptions data;
};

/// A plan with everything needed to run it. Movable; members refer to each other through stable pointers.
struct Session {
  std::unique_ptr<Registry> registry;
  std::unique_ptr<DataRegistry> data;
  std::unique_ptr<InstanceFactory> factory;
  Plan plan;
  std::vector<LiveTask> tasks;
  std::vector<std::string> notes;  ///< what the user should know of the selection
  SessionOptions options;          ///< what it was prepared from
};

/// kInvalidArgument with the reason when a library named on the command line cannot be used.
Result<void> check_named_files(const Registry& registry, const std::vector<std::filesystem::path>& files);

/// Reads, validates, opens tasks. No model is loaded.
Result<Session> prepare(const SessionOptions& options);

/// Binds and resolves as prepare() does, for a single expression (help, doctor).
BindContext bind_context(const Registry& registry, const DataRegistry& data, const DataOptions& options,
                         const std::filesystem::path& base, const std::filesystem::path& folder = {});

struct ExecuteOptions {
  std::filesystem::path database;
  StoreOptions store;
  std::string label;
  std::string command_line;
  bool strict = false;  ///< anything unsupported is an error
  RunControl control;
  /// The run to continue. 0: the newest unfinished run that asks and scores exactly the same is continued if
  /// there is one, unless the cache is not to be used; otherwise a new run begins.
  RowId resume = 0;
  bool retry_errors = false;  ///< items in state error or timeout are run again
};

/// What an expectation of the suite came to.
struct ExpectationResult {
  SuiteExpectation expectation;
  bool held = false;
  std::string found;  ///< what was measured, or why there is nothing to compare
};

struct ExecuteResult {
  RunOutcome outcome;
  std::string uuid;
  bool resumed = false;    ///< an earlier run was continued
  double seconds = 0;      ///< of this segment
  double all_seconds = 0;  ///< of all segments of the run
  std::vector<AggregateLine> table;
  std::vector<ExpectationResult> expectations;
};

/// Runs and aggregates. kUnavailable when the run to continue is being worked on; `differs` (if given) gets
/// the parts that are not as they were when the run to continue began (then the error is kData). Rows
/// committed before an error are safe in the database.
Result<ExecuteResult> execute(Session& session, const ExecuteOptions& options,
                              std::vector<std::string>* differs = nullptr);

/// Compares aggregates with the suite's expectations; every expectation gets a result.
std::vector<ExpectationResult> check_expectations(const Suite& suite,
                                                  const std::vector<AggregateLine>& table);

/// Requests of the selected items, counted by kind, for --dry-run.
struct RequestCounts {
  std::int64_t items = 0, requests = 0, unique = 0;
  std::int64_t by_kind[6] = {};
};
Result<RequestCounts> count_requests(const LiveTask& task);

}  // namespace assay::host
