// The surroundings of a call into a plugin: an arena for what comes back, cancellation, deadline, row visits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "assay/plugin.h"

namespace assay::host {

/// Bump allocator for the answers of a batch. allocate() may be called from any thread; memory lives until
/// the arena dies. owns() tells whether a range was handed out, which is how answers of plugins are checked.
class Arena {
 public:
  explicit Arena(std::size_t bytes_max = std::size_t{4} << 30U) : bytes_max_(bytes_max) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// NULL when the limit is reached or memory is exhausted.
  void* allocate(std::size_t size, std::size_t align) noexcept;
  [[nodiscard]] bool owns(const void* start, std::size_t size) const noexcept;
  [[nodiscard]] std::size_t bytes() const noexcept { return reserved_; }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0, used = 0;
  };
  mutable std::mutex mutex_;
  std::vector<Block> blocks_;
  std::size_t reserved_ = 0, bytes_max_;
};

/// Visits a row; false: no more of this request.
using RowVisitor = std::function<bool(std::size_t request, const assay_row& row)>;

/// An assay_call with its arena. One per batch; not copyable because the C struct points back to it.
class CallScope {
 public:
  CallScope(std::shared_ptr<Arena> arena, const std::uint32_t* cancel, std::uint64_t deadline_ns,
            std::size_t req_size, std::size_t res_size, RowVisitor visit = {});
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

  [[nodiscard]] const assay_call* raw() const { return &call_; }
  [[nodiscard]] Arena& arena() { return *arena_; }
  [[nodiscard]] const std::shared_ptr<Arena>& shared_arena() const { return arena_; }
  /// The scope behind a call a plugin passes back to the host.
  static CallScope& of(const assay_call* call) { return *static_cast<CallScope*>(call->ctx); }

 private:
  assay_call call_{};
  std::shared_ptr<Arena> arena_;
  RowVisitor visit_;
};

}  // namespace assay::host
