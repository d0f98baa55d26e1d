// Bridges between the C structs of plugin.h and C++: views, codes, the Call wrapper.
#pragma once

#include <time.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "assay/plugin.h"
#include "assay/sdk/result.hpp"

namespace assay {
inline namespace sdk_v1 {

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

[[nodiscard]] constexpr std::string_view view(assay_str text) {
  return text.ptr == nullptr ? std::string_view{} : std::string_view{text.ptr, text.len};
}
[[nodiscard]] constexpr assay_str str(std::string_view text) {
  return {text.data(), text.size()};
}

/// Element i of an array whose elements may be larger or smaller than the T this code was compiled with.
template <class T>
[[nodiscard]] const T* element(const T* first, std::size_t stride, std::size_t i) {
  const std::size_t step = stride == 0 ? sizeof(T) : stride;
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(first) + i * step);
}
template <class T>
[[nodiscard]] T* element(T* first, std::size_t stride, std::size_t i) {
  const std::size_t step = stride == 0 ? sizeof(T) : stride;
  return reinterpret_cast<T*>(reinterpret_cast<char*>(first) + i * step);
}

enum class State : std::int32_t {
  kOk = ASSAY_STATE_OK,
  kEmpty = ASSAY_STATE_EMPTY,
  kRefused = ASSAY_STATE_REFUSED,
  kTruncated = ASSAY_STATE_TRUNCATED,
  kUnparsed = ASSAY_STATE_UNPARSED,
  kUnsupported = ASSAY_STATE_UNSUPPORTED,
  kError = ASSAY_STATE_ERROR,
  kTimeout = ASSAY_STATE_TIMEOUT,
};

enum class Finish : std::int32_t {
  kNone = ASSAY_FINISH_NONE,
  kStop = ASSAY_FINISH_STOP,
  kLength = ASSAY_FINISH_LENGTH,
  kFilter = ASSAY_FINISH_FILTER,
};

/// The surroundings of a batch call: arena, cancellation, deadline. Valid until the batch function returns.
class Call {
 public:
  explicit Call(const assay_call* raw) : raw_(raw) {}

  [[nodiscard]] const assay_call* raw() const { return raw_; }
  /// True when the host wants the batch to end; poll at least every 100 ms.
  [[nodiscard]] bool cancelled() const {
    return raw_->cancel != nullptr && __atomic_load_n(raw_->cancel, __ATOMIC_ACQUIRE) != 0;
  }
  /// True when the deadline has passed.
  [[nodiscard]] bool late() const {
    if (raw_->deadline_ns == 0) return false;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
               static_cast<std::uint64_t>(now.tv_nsec) >=
           raw_->deadline_ns;
  }
  /// Uninitialised arena memory for `count` objects; throws std::bad_alloc, which the SDK reports as
  /// RESOURCE_EXHAUSTED.
  template <class T>
  [[nodiscard]] T* allocate(std::size_t count) const {
    if (count == 0) return nullptr;
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
    void* memory = raw_->alloc == nullptr ? nullptr : raw_->alloc(raw_->ctx, count * sizeof(T), alignof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  template <class T>
  [[nodiscard]] const T* copy(std::span<const T> values) const {
    T* memory = allocate<T>(values.size());
    if (!values.empty()) std::memcpy(static_cast<void*>(memory), values.data(), values.size_bytes());
    return memory;
  }
  [[nodiscard]] assay_str copy(std::string_view text) const {
    return {copy(std::span<const char>(text.data(), text.size())), text.size()};
  }
  void complete(std::size_t i) const {
    if (raw_->complete != nullptr) raw_->complete(raw_->ctx, i);
  }

 private:
  const assay_call* raw_;
};

/// The first `bytes` of UTF-8 text, or up to three less so that no character is cut.
[[nodiscard]] constexpr std::string_view clipped(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

/// Writes a status; the sentence is copied into the arena (and dropped only if even that is exhausted).
inline void set_status(assay_status& status, Code code, std::string_view text, const Call& call) noexcept {
  status = {};
  status.code = static_cast<std::int32_t>(code);
  if (code == Code::kOk) return;
  try {
    status.message = call.copy(clipped(text, 4096));
  } catch (...) {
    status.message = str("out of memory");
  }
}

/// Runs `body` (returning Result<void>) and turns errors and exceptions into a status. Never throws.
template <class Body>
void guarded(assay_status& status, const Call& call, Body&& body) noexcept {
  try {
    Result<void> result = body();
    if (result) {
      set_status(status, Code::kOk, {}, call);
    } else {
      set_status(status, result.error().code, result.error().text, call);
    }
  } catch (const std::bad_alloc&) {
    set_status(status, Code::kResourceExhausted, "out of memory", call);
  } catch (const std::exception& failure) {
    set_status(status, Code::kInternal, failure.what(), call);
  } catch (...) {
    set_status(status, Code::kInternal, "an unknown exception was thrown", call);
  }
}

}  // namespace sdk_v1
}  // namespace assay
