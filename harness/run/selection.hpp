// Which items of a task are run: positions in the task's order, chosen by the selection of the plan.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/run/instances.hpp"
#include "harness/suite/plan.hpp"

namespace assay::host {

/// The positions to run, in run order; empty with `all` set when every item is run in order (so that a
/// million items need no list).
struct Positions {
  bool all = false;
  std::uint64_t first = 0, last = UINT64_MAX;  ///< with `all`: [first, min(last, count))
  std::vector<std::uint64_t> list;
  std::vector<std::string> found_ids;  ///< those of --items that the task has
};

/// kNotFound naming the ids of --items that the task does not have (only when none of them exists in it).
Result<Positions> select_positions(const Selection& selection, const TaskInstance& task, std::uint64_t seed,
                                   const std::string& task_name);

}  // namespace assay::host
