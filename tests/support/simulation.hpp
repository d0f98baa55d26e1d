// One simulated run by seed: a small suite on the model `assay.faulty`, worked on in segments that are
// interrupted, lose their disk or crash, continued until it is done, and compared with what must be there.
//
// The whole program below the command line is real (harness/run/session.hpp); only the storage under SQLite
// (fault_vfs.hpp) and the model are made to fail. What must be there is known from faulty_truth.hpp and the
// suite alone.
//
// Thread rule: one simulation at a time in a process, because the fault layer is the process's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "faulty_truth.hpp"
#include "harness/run/runner.hpp"
#include "tests/support/fault_vfs.hpp"

namespace assay::test {

/// How a segment of the run is disturbed.
enum class Disturbance {
  kNone,
  kInterrupt,  ///< asked to stop after some items
  kCancel,     ///< ... and the model is told to give up
  kShortWrite,
  kDiskFull,
  kSync,
  kBusy,
  kRead,
  kCrash,      ///< the process ends at a write, perhaps a torn one
  kPowerLoss,  ///< ... and unsynced writes are lost
};
inline constexpr int kDisturbances = 10;

struct Segment {
  Disturbance what = Disturbance::kNone;
  std::int64_t after = 0;  ///< items (interruptions)
  FaultPlan faults;
  unsigned threads = 1;
  bool retry_errors = false;  ///< failed items are run again
};

/// An item of the suite: GENERATE for the task "qa", SCORE for "texts".
struct SimulatedItem {
  std::string task, id, prompt, text, target;
  int label = -1;
};

/// What a seed stands for.
struct SimulationPlan {
  std::uint64_t seed = 0;
  faulty::Truth truth;
  std::vector<SimulatedItem> items;
  std::uint32_t repeats = 1;
  host::RetryPolicy retry;
  std::int64_t slow_ms = 0, late_ms = 0;
  bool shuffle = false, rude = false;
  bool bad_row = false;  ///< the data of "qa" has a row that is no item
  bool durable = false;
  std::vector<Segment> segments;  ///< the last one is undisturbed
};
SimulationPlan plan_of(std::uint64_t seed);

/// What has happened, and what is wrong (nothing, if all is well).
struct SimulationReport {
  std::vector<std::string> problems;
  std::int64_t segments = 0, failed_segments = 0, interrupted = 0, crashes = 0, resumed = 0;
  std::int64_t faults[kDisturbances] = {};  ///< segments in which the disturbance struck
  std::int64_t partial = 0;                 ///< disturbed segments that left some but not all items
  std::int64_t items = 0, errors = 0;
};

/// Runs the simulation in `folder` (emptied first). Faults are armed and reset inside.
SimulationReport simulate(const SimulationPlan& plan, const std::filesystem::path& folder);

/// A stored result as the checks see it.
struct StoredRow {
  std::string task, item;
  std::int64_t repeat = 0, state = 0, result = 0;
  std::string answer;
  bool operator==(const StoredRow&) const = default;
};
/// All results of a database, by (task, item, repeat); empty if there is no table yet.
std::vector<StoredRow> stored_rows(const std::filesystem::path& database, std::vector<std::string>& problems);

/// True when a run of the database is marked as ended.
bool is_finished(const std::filesystem::path& database);

/// Compares the finished database with the plan; appends sentences to `problems`.
void check_database(const SimulationPlan& plan, const std::filesystem::path& database,
                    std::vector<std::string>& problems);

/// The numbers of different requests with an answer that is kept, and of those that fail.
std::pair<std::int64_t, std::int64_t> distinct_requests(const SimulationPlan& plan);

/// Two runs of a database have the same aggregates, scores and states.
void check_equal_runs(const std::filesystem::path& database, std::vector<std::string>& problems);

/// The request of an item as its task makes it, for the oracle. Views refer to `item`.
assay_request request_of(const SimulatedItem& item, std::uint32_t repeat);
/// How it must end.
faulty::Outcome truth_of(const SimulationPlan& plan, const SimulatedItem& item, std::uint32_t repeat);

}  // namespace assay::test
