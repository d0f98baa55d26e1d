// When a failed request is asked again: declared once per run, recorded with it, the same for every model.
#pragma once

#include <cstdint>
#include <functional>

#include "assay/plugin.h"
#include "harness/base/hash.hpp"
#include "harness/base/json.hpp"

namespace assay::host {

/// Waits are max(what the model asks for, a draw from [0, min(backoff_max, backoff * 2^n))), n = 0, 1, ...
/// (full jitter; comparison-and-operation.md 9). The draw is a function of the request's key and n, so two
/// equal runs wait equally long.
struct RetryPolicy {
  std::uint32_t attempts = 3;  ///< calls of the model for one request, at least 1
  std::uint64_t backoff_ns = 1'000'000'000, backoff_max_ns = 60'000'000'000;
  std::uint64_t attempt_ns = 0;  ///< time limit of one call; 0: none
  std::uint64_t total_ns = 0;    ///< time limit of a request with all its tries; 0: none

  [[nodiscard]] std::uint64_t wait_ns(const Digest& key, std::uint32_t n, std::uint32_t retry_after_ms) const;
  [[nodiscard]] Json to_json() const;
};

/// What the model says of it, or else: rate limited, unavailable and timed out requests may succeed later.
bool retryable(const assay_status& status);

/// CLOCK_MONOTONIC, the clock of assay_call::deadline_ns.
std::uint64_t monotonic_ns();
/// Sleeps in short pieces. False: `stop` said so before the time was over.
bool pause(std::uint64_t ns, const std::function<bool()>& stop);

}  // namespace assay::host
