// What the misbehaving plugins share: the parameter `mode` that says how to misbehave, and arena helpers.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "assay/plugin.h"

namespace garbage {

/// A length that nothing has.
inline constexpr std::size_t kHuge = std::numeric_limits<std::size_t>::max() / 2;

/// Instance of any of the three plugins.
struct Instance {
  int kind = 0;
  std::string mode;
};

inline const std::string& mode_of(void* instance) {
  return static_cast<Instance*>(instance)->mode;
}

constexpr assay_str text(std::string_view from) {
  return {from.data(), from.size()};
}
constexpr std::string_view view(assay_str from) {
  return {from.ptr, from.len};
}

/// An address that no program owns: reading it ends the process.
inline const char* wild() {
  return reinterpret_cast<const char*>(std::uintptr_t{64});
}
inline constexpr assay_str kStatic = {"static text", 11};  ///< valid text, but not from the arena
inline constexpr std::string_view kBadUtf8 = "caf\xE9";
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
T* reserve(const assay_call* call, std::size_t count = 1) {
  void* memory = call->alloc(call->ctx, count * sizeof(T), alignof(T));
  std::memset(memory, 0, count * sizeof(T));
  return static_cast<T*>(memory);
}
inline assay_str copy(std::string_view from, const assay_call* call) {
  char* memory = reserve<char>(call, from.size() + 1);
  std::memcpy(memory, from.data(), from.size());
  return {memory, from.size()};
}

/// The ways to misbehave that every status has; false: `mode` is none of them.
inline bool bad_status(const std::string& mode, assay_status& status, const assay_call* call) {
  const auto set = [&](std::int32_t code, assay_str message) {
    status = {};
    status.code = code;
    status.message = message;
    return true;
  };
  if (mode == "status_unset") return true;
  if (mode == "status_unknown") return set(77, copy("what is 77", call));
  if (mode == "status_of_host") return set(ASSAY_WORKER_CRASHED, copy("not mine to say", call));
  if (mode == "failure_silent") return set(ASSAY_DATA, {});
  if (mode == "failure_static") return set(ASSAY_DATA, kStatic);
  if (mode == "failure_wild") return set(ASSAY_DATA, {wild(), 20});
  if (mode == "failure_null") return set(ASSAY_DATA, {nullptr, 20});
  if (mode == "failure_bad_utf8") return set(ASSAY_DATA, copy(kBadUtf8, call));
  if (mode == "failure_long") return set(ASSAY_DATA, copy(std::string(5000, 'x'), call));
  if (mode == "exhausted_wild") return set(ASSAY_RESOURCE_EXHAUSTED, {wild(), 20});
  if (mode == "failure_honest") return set(ASSAY_DATA, copy("row 7 is torn", call));
  return false;
}

extern const assay_descriptor kModel, kTask, kMetric;
const void* model_extension(const std::string& mode, std::string_view id);
const void* task_extension(const std::string& mode, std::string_view id);
const void* metric_extension(const std::string& mode, std::string_view id);

}  // namespace garbage
