#include "harness/plugins/spec.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>

#include "assay/sdk/abi.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/plugins/units.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kLineMax = limits::kMessageBytesMax;      // names, titles, defaults of one line
constexpr std::size_t kDocMax = 16 * limits::kMessageBytesMax;  // documentation and JSON defaults
constexpr std::size_t kChoicesMax = limits::kParamsMax;

// What version 1.0 knows of each growing struct. Later versions only append.
constexpr std::size_t kDescriptorKnown = offsetof(assay_descriptor, value_size) + sizeof(std::size_t);
constexpr std::size_t kParamKnown = offsetof(assay_param, replacement) + sizeof(assay_str);
constexpr std::size_t kSlotKnown = offsetof(assay_slot, doc) + sizeof(assay_str);
constexpr std::size_t kValueKnown = offsetof(assay_value_info, max) + sizeof(double);

bool lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_word(std::string_view text) {  // [a-z0-9_]+
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return lower(c) || digit(c) || c == '_'; });
}
bool is_key(std::string_view text) {
  return is_word(text) && lower(text.front());
}

bool is_id(const std::string& text) {
  const std::vector<std::string> parts = split(text, '.');
  return parts.size() >= 2 && std::all_of(parts.begin(), parts.end(), is_word);
}

bool is_value_name(std::string_view text) {
  if (text.empty()) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return lower(c) || digit(c) || (c >= 'A' && c <= 'Z') ||
           std::string_view("_.@/%+-").find(c) != std::string_view::npos;
  });
}

bool is_number_without_leading_zero(std::string_view text) {
  return !text.empty() && text.size() <= 18 && std::all_of(text.begin(), text.end(), digit) &&
         (text.size() == 1 || text.front() != '0');
}

// Semantic versioning 2.0.0, sections 2, 9 and 10.
bool is_semver(std::string_view text) {
  const auto parts_ok = [](std::string_view list, bool leading_zero_ok) {
    for (const std::string& part : split(list, '.')) {
      const bool chars = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
        return lower(c) || digit(c) || (c >= 'A' && c <= 'Z') || c == '-';
      });
      const bool number = chars && std::all_of(part.begin(), part.end(), digit);
      if (!chars || (number && !leading_zero_ok && part.size() > 1 && part.front() == '0')) return false;
    }
    return true;
  };
  if (const std::size_t plus = text.find('+'); plus != std::string_view::npos) {
    if (!parts_ok(text.substr(plus + 1), true)) return false;
    text = text.substr(0, plus);
  }
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!parts_ok(text.substr(dash + 1), false)) return false;
    text = text.substr(0, dash);
  }
  const std::vector<std::string> numbers = split(text, '.');
  return numbers.size() == 3 && std::all_of(numbers.begin(), numbers.end(), is_number_without_leading_zero);
}

// Copies a descriptor piece by piece; the first problem is kept and ends the reading.
class DescriptorReader {
 public:
  Result<PluginSpec> read(const assay_descriptor* raw) {
    if (head(raw) && params(*raw) && slots(*raw)) values(*raw);
    if (problem_.empty()) return std::move(spec_);
    const std::string who =
        spec_.id.empty() ? "a plugin of this library" : "plugin '" + printable(spec_.id) + "'";
    return Error{Code::kPluginMisbehaving, who + ": " + problem_, {}};
  }

 private:
  bool fail(std::string sentence) {
    if (problem_.empty()) problem_ = std::move(sentence);
    return false;
  }
  [[nodiscard]] bool good() const { return problem_.empty(); }

  std::string text(assay_str raw, std::size_t bytes_max, const std::string& what) {
    if (raw.len == 0) return {};
    if (raw.ptr == nullptr) {
      fail(what + " has a length of " + std::to_string(raw.len) + " but no text (a NULL pointer)");
      return {};
    }
    if (raw.len > bytes_max) {
      fail(what + " has " + std::to_string(raw.len) + " bytes; at most " + std::to_string(bytes_max) +
           " are allowed");
      return {};
    }
    std::string copy(raw.ptr, raw.len);
    if (!valid_utf8(copy)) fail(what + " is not valid UTF-8: '" + printable(copy) + "'");
    if (copy.find('\0') != std::string::npos) fail(what + " contains a NUL byte");
    return copy;
  }

  // Count, pointer and stride of an array of growing structs.
  template <class T>
  bool array(const T* first, std::size_t count, std::size_t stride, std::size_t known, std::size_t count_max,
             const std::string& what) {
    if (count == 0) return good();
    if (count > count_max) {
      return fail("has " + std::to_string(count) + " " + what + "; at most " + std::to_string(count_max) +
                  " are allowed");
    }
    if (first == nullptr)
      return fail("announces " + std::to_string(count) + " " + what + " at a NULL pointer");
    if (stride < known || stride % alignof(T) != 0 || stride > 65'536) {
      return fail("gives the stride " + std::to_string(stride) + " for its " + what + "; at least " +
                  std::to_string(known) + " and a multiple of " + std::to_string(alignof(T)) +
                  " was expected");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t size = element(first, stride, i)->struct_size;
      if (size < known || size > stride) {
        return fail("gives the struct_size " + std::to_string(size) + " for number " + std::to_string(i) +
                    " of its " + what + "; " + std::to_string(known) + " to " + std::to_string(stride) +
                    " was expected");
      }
    }
    return good();
  }

  // NaN and an infinity on the open side both mean "no bound".
  bool bounds(double& min, double& max, const std::string& what) {
    if (min == -HUGE_VAL) min = kMissing;
    if (max == HUGE_VAL) max = kMissing;
    if (std::isinf(min) || std::isinf(max) || min > max) {
      return fail(what + " has impossible bounds: " + number_text(min) + " to " + number_text(max));
    }
    return true;
  }

  bool head(const assay_descriptor* raw);
  bool params(const assay_descriptor& raw);
  bool param(const assay_param& raw);
  bool default_value(const ParamSpec& param);
  bool default_number(const ParamSpec& param, const Json& value);
  bool slots(const assay_descriptor& raw);
  bool values(const assay_descriptor& raw);
  bool value(const assay_value_info& raw);
  bool denominators();

  std::string problem_;
  PluginSpec spec_;
  std::set<std::string> arguments_;  // keys of parameters and slots share one name space in model expressions
};

bool DescriptorReader::head(const assay_descriptor* raw) {
  if (raw == nullptr) return fail("descriptor() returned NULL");
  if (raw->struct_size < kDescriptorKnown) {
    return fail("the descriptor has the struct_size " + std::to_string(raw->struct_size) + "; at least " +
                std::to_string(kDescriptorKnown) + " was expected");
  }
  spec_.id = text(raw->id, kLineMax, "the id");
  if (good() && !is_id(spec_.id)) {
    fail("the id '" + printable(spec_.id) +
         "' is not of the form vendor.name ([a-z0-9_]+, at least two parts)");
  }
  spec_.kind = raw->kind;
  if (raw->kind < ASSAY_MODEL || raw->kind > ASSAY_METRIC) {
    fail("the kind " + std::to_string(raw->kind) + " is none of 1 (model), 2 (task), 3 (metric)");
  }
  spec_.concurrency = raw->concurrency;
  if (raw->concurrency < ASSAY_CONCURRENCY_SERIAL || raw->concurrency > ASSAY_CONCURRENCY_PARALLEL) {
    fail("the concurrency mode " + std::to_string(raw->concurrency) +
         " is none of 0 (serial), 1 (per instance), 2 (parallel)");
  }
  spec_.version = text(raw->version, kLineMax, "the version");
  if (good() && !is_semver(spec_.version)) {
    fail("the version '" + printable(spec_.version) + "' is not a semantic version such as 1.0.0");
  }
  spec_.title = text(raw->title, kLineMax, "the title");
  spec_.doc = text(raw->doc, kDocMax, "the documentation");
  spec_.licence = text(raw->licence, kLineMax, "the licence");
  spec_.flags = raw->flags;
  spec_.provides = raw->provides;
  spec_.requires_caps = raw->requires_caps;
  spec_.max_batch = raw->max_batch;
  spec_.preferred_batch = raw->preferred_batch;
  if (raw->max_batch != 0 && raw->preferred_batch > raw->max_batch) {
    fail("prefers batches of " + std::to_string(raw->preferred_batch) + " but allows only " +
         std::to_string(raw->max_batch));
  }
  return good();
}

bool DescriptorReader::params(const assay_descriptor& raw) {
  if (!array(raw.params, raw.param_count, raw.param_size, kParamKnown, limits::kParamsMax, "parameters"))
    return false;
  for (std::size_t i = 0; i < raw.param_count && good(); ++i) param(*element(raw.params, raw.param_size, i));
  return good();
}

bool DescriptorReader::param(const assay_param& raw) {
  ParamSpec out;
  out.key = text(raw.key, kLineMax, "the key of a parameter");
  if (good() && !is_key(out.key)) {
    return fail("the parameter key '" + printable(out.key) + "' is not of the form [a-z][a-z0-9_]*");
  }
  const std::string who = "parameter '" + out.key + "'";
  if (good() && !arguments_.insert(out.key).second) return fail(who + " is declared twice");
  out.type = raw.type;
  if (raw.type < ASSAY_PARAM_BOOL || raw.type > ASSAY_PARAM_JSON) {
    return fail(who + " has the unknown type " + std::to_string(raw.type));
  }
  out.flags = raw.flags;
  out.doc = text(raw.doc, kDocMax, "the documentation of " + who);
  if (good() && trimmed(out.doc).empty()) return fail(who + " is not documented");
  out.unit = text(raw.unit, kLineMax, "the unit of " + who);
  out.replacement = text(raw.replacement, kLineMax, "the replacement of " + who);
  out.min = raw.min;
  out.max = raw.max;
  if (!bounds(out.min, out.max, who)) return false;
  if (raw.choices.count > kChoicesMax || (raw.choices.count != 0 && raw.choices.items == nullptr)) {
    return fail(who + " has an impossible list of " + std::to_string(raw.choices.count) + " choices");
  }
  for (std::size_t i = 0; i < raw.choices.count && good(); ++i) {
    out.choices.push_back(text(raw.choices.items[i], kLineMax, "a choice of " + who));
    if (std::count(out.choices.begin(), out.choices.end(), out.choices.back()) > 1) {
      fail(who + " lists the choice '" + printable(out.choices.back()) + "' twice");
    }
  }
  if (good() && (out.type == ASSAY_PARAM_ENUM) == out.choices.empty()) {
    return fail(who +
                (out.choices.empty() ? " is an enum without choices" : " has choices but is not an enum"));
  }
  if (out.has(ASSAY_PARAM_SECRET) && out.type != ASSAY_PARAM_STRING) {
    return fail(who + " is a secret and must therefore be a string");
  }
  out.default_json = text(raw.default_json, kDocMax, "the default of " + who);
  if (good()) default_value(out);
  spec_.params.push_back(std::move(out));
  return good();
}

bool DescriptorReader::default_value(const ParamSpec& param) {
  if (param.default_json.empty()) return true;
  const std::string who =
      "the default " + printable(param.default_json) + " of parameter '" + param.key + "'";
  const Result<Json> parsed = parse_json(param.default_json, who);
  if (!parsed) return fail(parsed.error().text);
  const Json& value = *parsed;
  switch (param.type) {
    case ASSAY_PARAM_BOOL:
      return value.is_boolean() || fail(who + " is not true or false");
    case ASSAY_PARAM_STRING:
      return value.is_string() || fail(who + " is not a string");
    case ASSAY_PARAM_PATH:
      return value.is_string() || fail(who + " is not a string with a path");
    case ASSAY_PARAM_ENUM:
      if (!value.is_string()) return fail(who + " is not a string");
      return std::count(param.choices.begin(), param.choices.end(), value.get<std::string>()) == 1 ||
             fail(who + " is not one of its choices: " + join(param.choices, ", "));
    case ASSAY_PARAM_STRING_LIST:
      return (value.is_array() &&
              std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); })) ||
             fail(who + " is not a list of strings");
    case ASSAY_PARAM_JSON:
      return true;
    default:
      return default_number(param, value);
  }
}

bool DescriptorReader::default_number(const ParamSpec& param, const Json& value) {
  const std::string who =
      "the default " + printable(param.default_json) + " of parameter '" + param.key + "'";
  double number = 0;
  if (value.is_string() && (param.type == ASSAY_PARAM_DURATION || param.type == ASSAY_PARAM_SIZE)) {
    const std::string words = value.get<std::string>();
    const Result<std::int64_t> parsed =
        param.type == ASSAY_PARAM_DURATION ? parse_duration(words) : parse_size(words);
    if (!parsed) return fail(who + ": " + parsed.error().text);
    number = static_cast<double>(*parsed);
  } else if (param.type == ASSAY_PARAM_FLOAT ? value.is_number() : value.is_number_integer()) {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{INT64_MAX}) {
      return fail(who + " does not fit into 64 bits with a sign");
    }
    number = value.get<double>();
  } else {
    return fail(who + " is not " + (param.type == ASSAY_PARAM_FLOAT ? "a number" : "a whole number"));
  }
  if (!std::isfinite(number) || number < param.min || number > param.max) {
    return fail(who + " lies outside its bounds " + number_text(param.min) + " to " + number_text(param.max));
  }
  return true;
}

bool DescriptorReader::slots(const assay_descriptor& raw) {
  if (!array(raw.slots, raw.slot_count, raw.slot_size, kSlotKnown, limits::kSlotsMax, "slots")) return false;
  for (std::size_t i = 0; i < raw.slot_count && good(); ++i) {
    const assay_slot& from = *element(raw.slots, raw.slot_size, i);
    SlotSpec out;
    out.key = text(from.key, kLineMax, "the key of a slot");
    const std::string who = "slot '" + printable(out.key) + "'";
    if (good() && !is_key(out.key)) return fail(who + ": its key is not of the form [a-z][a-z0-9_]*");
    if (good() && !arguments_.insert(out.key).second)
      return fail(who + " has the key of another slot or parameter");
    out.role = text(from.role, kLineMax, "the role of " + who);
    if (good() && !is_key(out.role)) {
      return fail(who + " has the role '" + printable(out.role) +
                  "'; a word such as target or judge was expected");
    }
    out.same_tokenizer_as = text(from.same_tokenizer_as, kLineMax, "same_tokenizer_as of " + who);
    out.doc = text(from.doc, kDocMax, "the documentation of " + who);
    out.requires_caps = from.requires_caps;
    out.min_count = from.min_count;
    out.max_count = from.max_count;
    if (out.max_count != 0 && out.max_count < out.min_count) {
      return fail(who + " wants at least " + std::to_string(out.min_count) + " and at most " +
                  std::to_string(out.max_count) + " models");
    }
    spec_.slots.push_back(std::move(out));
  }
  for (const SlotSpec& slot : spec_.slots) {
    if (slot.same_tokenizer_as.empty()) continue;
    const bool known = std::any_of(spec_.slots.begin(), spec_.slots.end(), [&](const SlotSpec& other) {
      return &other != &slot && other.key == slot.same_tokenizer_as;
    });
    if (!known) {
      return fail("slot '" + slot.key + "' wants the tokenizer of '" + printable(slot.same_tokenizer_as) +
                  "', which is not another slot");
    }
  }
  return good();
}

bool DescriptorReader::value(const assay_value_info& raw) {
  ValueSpec out;
  out.name = text(raw.name, kLineMax, "the name of a value");
  const std::string who = "value '" + printable(out.name) + "'";
  if (good() && !is_value_name(out.name)) return fail(who + " has a name outside [A-Za-z0-9_.@/%+-]+");
  for (const ValueSpec& other : spec_.values) {
    if (other.name == out.name) return fail(who + " is declared twice");
  }
  out.rule = raw.rule;
  if (raw.rule < ASSAY_RULE_NONE || raw.rule > ASSAY_RULE_CUSTOM) {
    return fail(who + " has the unknown rule " + std::to_string(raw.rule));
  }
  out.direction = raw.direction;
  if (raw.direction < ASSAY_NO_DIRECTION || raw.direction > ASSAY_LOWER_IS_BETTER) {
    return fail(who + " has the unknown direction " + std::to_string(raw.direction));
  }
  out.flags = raw.flags;
  out.doc = text(raw.doc, kDocMax, "the documentation of " + who);
  out.unit = text(raw.unit, kLineMax, "the unit of " + who);
  out.denominator = text(raw.denominator, kLineMax, "the denominator of " + who);
  out.note = text(raw.note, kDocMax, "the note of " + who);
  out.min = raw.min;
  out.max = raw.max;
  if (!bounds(out.min, out.max, who)) return false;
  if (out.headline() && out.rule == ASSAY_RULE_NONE) {
    return fail(who + " is the headline but has no aggregate rule");
  }
  if ((out.flags & ASSAY_VALUE_NO_INTERVAL) != 0 && out.note.empty()) {
    return fail(who + " has no interval by nature; its note must say why");
  }
  spec_.values.push_back(std::move(out));
  return good();
}

bool DescriptorReader::values(const assay_descriptor& raw) {
  if (!array(raw.values, raw.value_count, raw.value_size, kValueKnown, limits::kValuesPerMetricMax,
             "values")) {
    return false;
  }
  if (spec_.kind != ASSAY_METRIC) return raw.value_count == 0 || fail("has values but is not a metric");
  if (raw.value_count == 0) return fail("is a metric without values");
  for (std::size_t i = 0; i < raw.value_count && good(); ++i) value(*element(raw.values, raw.value_size, i));
  if (!good()) return false;
  const auto headlines = std::count_if(spec_.values.begin(), spec_.values.end(),
                                       [](const ValueSpec& v) { return v.headline(); });
  if (headlines != 1) {
    return fail("has " + std::to_string(headlines) + " headline values; exactly one was expected");
  }
  return denominators();
}

bool DescriptorReader::denominators() {
  for (const ValueSpec& ratio : spec_.values) {
    if (ratio.rule != ASSAY_RULE_RATIO) {
      if (!ratio.denominator.empty())
        return fail("value '" + ratio.name + "' has a denominator but is not a ratio");
      continue;
    }
    const bool known = std::any_of(spec_.values.begin(), spec_.values.end(), [&](const ValueSpec& other) {
      return other.name == ratio.denominator && other.name != ratio.name && !other.custom();
    });
    if (!known) {
      return fail("value '" + ratio.name + "' is a ratio whose denominator '" + printable(ratio.denominator) +
                  "' is not another per-item value");
    }
  }
  return true;
}

}  // namespace

const char* kind_name(int kind) {
  switch (kind) {
    case ASSAY_MODEL:
      return "model";
    case ASSAY_TASK:
      return "task";
    case ASSAY_METRIC:
      return "metric";
    default:
      return "plugin";
  }
}

std::string capability_names(std::uint64_t caps) {
  static constexpr const char* kNames[] = {
      "generate", "chat",  "score_mean",    "logprob",        "rank",     "entropy",
      "moments",  "top1",  "topk",          "rows",           "tokenize", "classify",
      "embed",    "train", "exact_unlearn", "generate_stats", "members",  "image"};
  std::string text;
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((caps >> bit & 1U) == 0) continue;
    if (!text.empty()) text += ", ";
    text += bit < std::size(kNames) ? kNames[bit] : "bit " + std::to_string(bit);
  }
  return text;
}

Result<PluginSpec> read_descriptor(const assay_descriptor* raw) {
  return DescriptorReader().read(raw);
}

}  // namespace assay::host
