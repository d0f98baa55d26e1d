// A batch that waits for its commit, and whether it answers a key.
#pragma once

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "db/store.hpp"

namespace assay::host {

using Clock = std::chrono::steady_clock;

struct Pending {
  std::shared_ptr<const Batch> batch;
  Clock::time_point arrived;
  std::size_t rows = 0;   ///< results or responses, whichever are more
  std::size_t bytes = 0;  ///< rows and texts, roughly

  /// True if the batch holds a servable response with this key. The first question sorts the batch's keys.
  bool answers(const Digest& key);

 private:
  std::vector<std::pair<std::uint64_t, std::uint32_t>> keys_;  ///< head, index into batch->responses
  bool sorted_ = false;
};

Pending make_pending(std::shared_ptr<const Batch> batch);

/// kInvalidArgument with the index of the first row whose ranges, references or state are impossible.
Result<void> check_batch(const Batch& batch);

}  // namespace assay::host
