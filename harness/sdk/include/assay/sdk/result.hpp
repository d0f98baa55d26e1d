// Result<T>: a value or an Error. The project's only way to report an expected failure.
//
// Errors are values with text: what failed, with which value, and what to do. They are cheap to move and
// never thrown across a library border. Thread rule: plain values, share nothing.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace assay {
inline namespace sdk_v1 {

/// Codes of the plugin ABI (plugin.h), shared by host and plugins.
enum class Code : std::int32_t {
  kOk = 0,
  kCancelled = 1,           ///< the run was stopped; the item stays missing
  kTimeout = 2,             ///< the deadline passed
  kInvalidArgument = 3,     ///< the caller's option, suite or parameter is wrong
  kUnsupported = 4,         ///< a capability is missing
  kNotFound = 5,            ///< a name, file or record does not exist
  kData = 6,                ///< a data file or row is malformed
  kAuth = 7,                ///< credentials were refused
  kRateLimited = 8,         ///< try again later
  kUnavailable = 9,         ///< try again later
  kResourceExhausted = 10,  ///< memory, disk or another limit
  kInternal = 11,           ///< a defect
  kPluginMisbehaving = 12,  ///< set by the host only: a plugin broke its contract
  kWorkerCrashed = 13,      ///< set by the host only: the worker process died
};

/// What went wrong, in one sentence a user can act on.
struct Error {
  Code code = Code::kInternal;
  std::string text;  ///< what failed, with which value, what was expected, the remedy
  std::string key;   ///< the offending parameter or file position, or empty

  /// Prefixes the sentence with where it happened ("suite.toml:12:3").
  Error within(const std::string& where) && {
    text = where + ": " + text;
    return std::move(*this);
  }
};

/// A value of type T or an Error. `[[nodiscard]]` so that no failure is dropped silently.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  /// The value. Precondition: ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  /// The error. Precondition: !ok().
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Result of an operation without a value.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  Error& error() & { return error_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace sdk_v1
}  // namespace assay
