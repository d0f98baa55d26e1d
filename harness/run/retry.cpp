#include "harness/run/retry.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

namespace assay::host {

std::uint64_t RetryPolicy::wait_ns(const Digest& key, std::uint32_t n, std::uint32_t retry_after_ms) const {
  const std::uint64_t asked = std::uint64_t{retry_after_ms} * 1'000'000;
  std::uint64_t most = backoff_ns;
  for (std::uint32_t i = 0; i < n && most < backoff_max_ns; ++i) most *= 2;
  most = std::min(most, backoff_max_ns);
  if (most == 0) return asked;
  const Digest digest =
      Sha256().bytes({reinterpret_cast<const char*>(key.data()), key.size()}).number(n).finish();
  std::uint64_t draw = 0;
  for (std::size_t i = 0; i < 8; ++i) draw = draw << 8U | digest[i];
  return std::max(asked, draw % most);
}

Json RetryPolicy::to_json() const {
  return {{"attempts", attempts},
          {"backoff_ns", backoff_ns},
          {"backoff_max_ns", backoff_max_ns},
          {"attempt_ns", attempt_ns},
          {"total_ns", total_ns}};
}

bool retryable(const assay_status& status) {
  if (status.code == ASSAY_OK || status.code == ASSAY_CANCELLED || status.retryable < 0) return false;
  return status.retryable > 0 || status.code == ASSAY_RATE_LIMITED || status.code == ASSAY_UNAVAILABLE ||
         status.code == ASSAY_TIMEOUT;
}

std::uint64_t monotonic_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

bool pause(std::uint64_t ns, const std::function<bool()>& stop) {
  constexpr std::uint64_t kSlice = 20'000'000;
  const std::uint64_t end = monotonic_ns() + ns;
  for (std::uint64_t now = monotonic_ns(); now < end; now = monotonic_ns()) {
    if (stop()) return false;
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(kSlice, end - now)));
  }
  return !stop();
}

}  // namespace assay::host
