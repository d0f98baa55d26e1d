// What models, tasks and metrics have in common: parameters, slots, and the entry every library exports.
//
// An author derives from Model, Task or Metric, declares Param<T> members, and ends the file with
// ASSAY_PLUGIN(MyClass) or ASSAY_PLUGINS(A, B, C). Include exactly one of these macros in one library.
#pragma once

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "assay/sdk/abi.hpp"

namespace assay {
inline namespace sdk_v1 {

/// Flags of parameters (plugin.h).
inline constexpr std::uint32_t REQUIRED = ASSAY_PARAM_REQUIRED;
inline constexpr std::uint32_t SECRET = ASSAY_PARAM_SECRET;
inline constexpr std::uint32_t AFFECTS_RESULT = ASSAY_PARAM_AFFECTS_RESULT;

/// A file or folder. The host hands over an absolute, existing path.
struct Path {
  std::string text;
  [[nodiscard]] bool empty() const { return text.empty(); }
};
/// One of a fixed list of words.
struct Choice {
  std::string text;
  bool operator==(std::string_view other) const { return text == other; }
};
/// A duration in nanoseconds.
struct Duration {
  std::int64_t ns = 0;
};

struct ParamOptions {
  std::uint32_t flags = 0;
  double min = kMissing;
  double max = kMissing;
  std::vector<std::string> choices = {};
  std::string unit = {};
};

class Plugin;

/// The part of a parameter that does not depend on its type.
class ParamBase {
 public:
  ParamBase(Plugin& owner, std::string_view key, int type, std::string default_json, std::string_view doc,
            ParamOptions options);
  virtual ~ParamBase() = default;
  ParamBase(const ParamBase&) = delete;
  ParamBase& operator=(const ParamBase&) = delete;

  [[nodiscard]] bool is_set() const { return set_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  /// Takes the value the host gives; called before configure().
  void accept(const assay_value& value) {
    set_ = value.is_set != 0;
    if (set_) read(value);
  }
  /// Fills the descriptor's record; it refers to this object's strings.
  void describe(assay_param& out, std::vector<assay_str>& choices) const;

 protected:
  virtual void read(const assay_value& value) = 0;

 private:
  std::string key_, doc_, default_json_;
  ParamOptions options_;
  int type_;
  bool set_ = false;
};

/// Base of every plugin class. Not copyable: parameters point back to it.
class Plugin {
 public:
  Plugin() = default;
  virtual ~Plugin() = default;
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  /// Called once after the parameters are set: check them against each other, read files. An error refuses
  /// the instance; `Error::key` names the parameter.
  virtual Result<void> configure() { return {}; }

  [[nodiscard]] const assay_env* env() const { return env_; }
  [[nodiscard]] const std::vector<ParamBase*>& params() const { return params_; }
  [[nodiscard]] const std::vector<const assay_slot*>& slots() const { return slots_; }
  void attach(const assay_env* env) { env_ = env; }
  void add(ParamBase* param) { params_.push_back(param); }
  void add(const assay_slot* slot) { slots_.push_back(slot); }

 private:
  const assay_env* env_ = nullptr;
  std::vector<ParamBase*> params_;
  std::vector<const assay_slot*> slots_;
};

inline ParamBase::ParamBase(Plugin& owner, std::string_view key, int type, std::string default_json,
                            std::string_view doc, ParamOptions options)
    : key_(key),
      doc_(doc),
      default_json_(std::move(default_json)),
      options_(std::move(options)),
      type_(type) {
  owner.add(this);
}

inline void ParamBase::describe(assay_param& out, std::vector<assay_str>& choices) const {
  out = {};
  out.struct_size = sizeof(assay_param);
  out.type = type_;
  out.flags = options_.flags;
  out.key = str(key_);
  out.doc = str(doc_);
  out.default_json = str(default_json_);
  out.min = options_.min;
  out.max = options_.max;
  out.unit = str(options_.unit);
  for (const std::string& choice : options_.choices) choices.push_back(str(choice));
}

namespace detail {

inline std::string json_quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + '"';
}

template <class T>
struct ParamType;
template <>
struct ParamType<bool> {
  static constexpr int kType = ASSAY_PARAM_BOOL;
  static std::string json(bool value) { return value ? "true" : "false"; }
  static bool read(const assay_value& value) { return value.integer != 0; }
};
template <>
struct ParamType<std::int64_t> {
  static constexpr int kType = ASSAY_PARAM_INT;
  static std::string json(std::int64_t value) { return std::to_string(value); }
  static std::int64_t read(const assay_value& value) { return value.integer; }
};
template <>
struct ParamType<double> {
  static constexpr int kType = ASSAY_PARAM_FLOAT;
  static std::string json(double value) {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
  }
  static double read(const assay_value& value) { return value.number; }
};
template <>
struct ParamType<std::string> {
  static constexpr int kType = ASSAY_PARAM_STRING;
  static std::string json(const std::string& value) { return json_quote(value); }
  static std::string read(const assay_value& value) { return std::string(view(value.text)); }
};
template <>
struct ParamType<Choice> {
  static constexpr int kType = ASSAY_PARAM_ENUM;
  static std::string json(const Choice& value) { return json_quote(value.text); }
  static Choice read(const assay_value& value) { return {std::string(view(value.text))}; }
};
template <>
struct ParamType<Path> {
  static constexpr int kType = ASSAY_PARAM_PATH;
  static std::string json(const Path& value) {
    return value.empty() ? std::string() : json_quote(value.text);
  }
  static Path read(const assay_value& value) { return {std::string(view(value.text))}; }
};
template <>
struct ParamType<Duration> {
  static constexpr int kType = ASSAY_PARAM_DURATION;
  static std::string json(Duration value) { return json_quote(std::to_string(value.ns) + "ns"); }
  static Duration read(const assay_value& value) { return {value.integer}; }
};
template <>
struct ParamType<std::vector<std::string>> {
  static constexpr int kType = ASSAY_PARAM_STRING_LIST;
  static std::string json(const std::vector<std::string>& value) {
    std::string text = "[";
    for (const std::string& part : value) {
      if (text.size() > 1) text += ',';
      text += json_quote(part);
    }
    text += ']';
    return text;
  }
  static std::vector<std::string> read(const assay_value& value) {
    std::vector<std::string> list;
    for (std::size_t i = 0; i < value.list.count; ++i) list.emplace_back(view(value.list.items[i]));
    return list;
  }
};

}  // namespace detail

/// A typed parameter, declared as a member of the plugin class. T: bool, std::int64_t, double, std::string,
/// Choice, Path, Duration, std::vector<std::string>.
template <class T>
class Param final : public ParamBase {
 public:
  /// With a default value.
  Param(Plugin& owner, std::string_view key, T value, std::string_view doc, ParamOptions options = {})
      : ParamBase(owner, key, detail::ParamType<T>::kType, detail::ParamType<T>::json(value), doc,
                  std::move(options)),
        value_(std::move(value)) {}
  Param(Plugin& owner, std::string_view key, T value, std::string_view doc, std::uint32_t flags)
      : Param(owner, key, std::move(value), doc, ParamOptions{.flags = flags}) {}
  /// Without a default: absent unless given, or REQUIRED.
  Param(Plugin& owner, std::string_view key, std::nullopt_t, std::string_view doc, ParamOptions options = {})
      : ParamBase(owner, key, detail::ParamType<T>::kType, {}, doc, std::move(options)), value_{} {}
  Param(Plugin& owner, std::string_view key, std::nullopt_t, std::string_view doc, std::uint32_t flags)
      : Param(owner, key, std::nullopt, doc, ParamOptions{.flags = flags}) {}

  [[nodiscard]] const T& get() const { return value_; }
  operator const T&() const { return value_; }  // NOLINT: a parameter reads like its value

 private:
  void read(const assay_value& value) override { value_ = detail::ParamType<T>::read(value); }
  T value_;
};

/// One class of a library, as the entry sees it.
struct PluginClass {
  const assay_descriptor* (*descriptor)();
  Plugin* (*create)();
  int (*capabilities)(Plugin&, std::uint64_t*);
  const void* (*extension)(std::string_view id);
};

/// An instance: the object and its class.
struct Instance {
  const PluginClass* type = nullptr;
  std::unique_ptr<Plugin> object;
};

/// The object behind the `instance` pointer of a C call.
template <class T>
T& object_of(void* instance) {
  return static_cast<T&>(*static_cast<Instance*>(instance)->object);
}

namespace detail {

/// Descriptor storage of one plugin class; built once from a prototype instance.
struct DescriptorStore {
  std::unique_ptr<Plugin> prototype;
  std::vector<assay_param> params;
  std::vector<std::vector<assay_str>> choices;
  std::vector<assay_slot> slots;
  std::vector<assay_value_info> values;
  assay_descriptor descriptor{};

  void build(std::unique_ptr<Plugin> made) {
    prototype = std::move(made);
    choices.resize(prototype->params().size());
    for (std::size_t i = 0; i < prototype->params().size(); ++i) {
      params.emplace_back();
      prototype->params()[i]->describe(params.back(), choices[i]);
      params.back().choices = {choices[i].data(), choices[i].size()};
    }
    for (const assay_slot* slot : prototype->slots()) slots.push_back(*slot);
    descriptor.struct_size = sizeof(assay_descriptor);
    descriptor.params = params.data();
    descriptor.param_count = params.size();
    descriptor.param_size = sizeof(assay_param);
    descriptor.slots = slots.data();
    descriptor.slot_count = slots.size();
    descriptor.slot_size = sizeof(assay_slot);
    descriptor.values = values.data();
    descriptor.value_count = values.size();
    descriptor.value_size = sizeof(assay_value_info);
  }
};

inline void write_text(std::string_view text, char* buffer, std::size_t capacity, std::size_t& length) {
  length = clipped(text, capacity).size();
  if (length != 0) std::memcpy(buffer, text.data(), length);
}

inline std::int32_t fail(assay_error* error, Code code, std::string_view text, std::string_view key = {}) {
  if (error != nullptr) {
    error->code = static_cast<std::int32_t>(code);
    write_text(text, error->message, error->message_capacity, error->message_len);
    write_text(key, error->key, error->key_capacity, error->key_len);
  }
  return static_cast<std::int32_t>(code);
}

std::span<const PluginClass> library_classes();  // defined by ASSAY_PLUGINS

inline std::int32_t create(assay_str id, const assay_params* params, const assay_env* env, assay_error* error,
                           void** instance) noexcept {
  *instance = nullptr;
  try {
    for (const PluginClass& type : library_classes()) {
      if (view(type.descriptor()->id) != view(id)) continue;
      auto made = std::make_unique<Instance>();
      made->type = &type;
      made->object.reset(type.create());
      made->object->attach(env);
      for (ParamBase* param : made->object->params()) {
        for (std::size_t i = 0; params != nullptr && i < params->count; ++i) {
          const assay_value* value = element(params->values, params->stride, i);
          if (view(value->key) == param->key()) param->accept(*value);
        }
      }
      if (Result<void> ready = made->object->configure(); !ready) {
        return fail(error, ready.error().code, ready.error().text, ready.error().key);
      }
      *instance = made.release();
      return ASSAY_OK;
    }
    return fail(error, Code::kNotFound, "this library has no plugin '" + std::string(view(id)) + "'");
  } catch (const std::exception& failure) {
    return fail(error, Code::kInternal, failure.what());
  } catch (...) {
    return fail(error, Code::kInternal, "an unknown exception was thrown");
  }
}

inline std::int32_t capabilities(void* instance, std::uint64_t* caps) noexcept {
  try {
    auto* made = static_cast<Instance*>(instance);
    return made->type->capabilities(*made->object, caps);
  } catch (...) {
    return ASSAY_INTERNAL;
  }
}

inline void destroy(void* instance) noexcept {
  delete static_cast<Instance*>(instance);
}

inline const void* get_extension(void* instance, assay_str id) noexcept {
  if (instance == nullptr) return nullptr;
  return static_cast<Instance*>(instance)->type->extension(view(id));
}

inline std::int32_t init(const assay_host* host) noexcept {
  return host != nullptr && host->abi_major == ASSAY_ABI_MAJOR ? ASSAY_OK : ASSAY_UNSUPPORTED;
}
inline void deinit() noexcept {}
inline std::uint32_t count() noexcept {
  return static_cast<std::uint32_t>(library_classes().size());
}
inline const assay_descriptor* descriptor(std::uint32_t i) noexcept {
  try {
    return i < library_classes().size() ? library_classes()[i].descriptor() : nullptr;
  } catch (...) {
    return nullptr;
  }
}

template <class Base, class... Classes>
constexpr std::uint32_t holds() {
  return (std::is_base_of_v<Base, Classes> || ...) ? 1U : 0U;
}

}  // namespace detail

class Model;
class Task;
class Metric;

}  // namespace sdk_v1
}  // namespace assay

#define ASSAY_BUILD_INFO "assay-sdk 1.0, " __VERSION__

/// Ends a plugin library: exports the entry and the markers for the listed classes.
#define ASSAY_PLUGINS(...)                                                                                   \
  namespace assay::sdk_v1::detail {                                                                          \
  template <class... Classes>                                                                                \
  std::span<const PluginClass> classes_of() {                                                                \
    static const PluginClass kClasses[] = {plugin_class_of<Classes>()...};                                   \
    return kClasses;                                                                                         \
  }                                                                                                          \
  std::span<const PluginClass> library_classes() {                                                           \
    return classes_of<__VA_ARGS__>();                                                                        \
  }                                                                                                          \
  }                                                                                                          \
  extern "C" {                                                                                               \
  ASSAY_MARKER const std::uint32_t assay_abi_1_0 = 1;                                                        \
  ASSAY_MARKER const std::uint32_t assay_kind_model = ::assay::detail::holds<::assay::Model, __VA_ARGS__>(); \
  ASSAY_MARKER const std::uint32_t assay_kind_task = ::assay::detail::holds<::assay::Task, __VA_ARGS__>();   \
  ASSAY_MARKER const std::uint32_t assay_kind_metric =                                                       \
      ::assay::detail::holds<::assay::Metric, __VA_ARGS__>();                                                \
  const assay_entry assay_plugin_entry = {sizeof(assay_entry),                                               \
                                          ASSAY_ABI_MAJOR,                                                   \
                                          ASSAY_ABI_MINOR,                                                   \
                                          1,                                                                 \
                                          ASSAY_BUILD_INFO,                                                  \
                                          ::assay::detail::init,                                             \
                                          ::assay::detail::deinit,                                           \
                                          ::assay::detail::count,                                            \
                                          ::assay::detail::descriptor,                                       \
                                          ::assay::detail::create,                                           \
                                          ::assay::detail::capabilities,                                     \
                                          ::assay::detail::destroy,                                          \
                                          ::assay::detail::get_extension};                                   \
  }                                                                                                          \
  static_assert(true, "the macro wants a semicolon")

#define ASSAY_PLUGIN(Class) ASSAY_PLUGINS(Class)
