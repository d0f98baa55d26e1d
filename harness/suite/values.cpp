#include "harness/suite/values.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/plugins/units.hpp"

namespace assay::host {
namespace {

const char* type_name(int type) {
  switch (type) {
    case ASSAY_PARAM_BOOL:
      return "true or false";
    case ASSAY_PARAM_INT:
      return "a whole number";
    case ASSAY_PARAM_FLOAT:
      return "a number";
    case ASSAY_PARAM_STRING:
      return "a text";
    case ASSAY_PARAM_ENUM:
      return "one of the listed words";
    case ASSAY_PARAM_PATH:
      return "a path or data:NAME";
    case ASSAY_PARAM_DURATION:
      return "a duration such as \"250ms\" or \"10s\"";
    case ASSAY_PARAM_SIZE:
      return "a size such as 4096 or \"64MiB\"";
    case ASSAY_PARAM_STRING_LIST:
      return "a list of texts";
    default:
      return "JSON text";
  }
}

Error mismatch(const ParamSpec& spec, const Argument& argument, const std::string& detail) {
  std::string text = (argument.where.empty() ? std::string() : argument.where + ": ") + "parameter '" +
                     spec.key + "' is " + printable(to_text(argument), 80) + "; expected " + detail;
  return {Code::kInvalidArgument, std::move(text), spec.key};
}

Argument from_json(const Json& tree) {
  Argument out;
  if (tree.is_boolean())
    out.value = tree.get<bool>();
  else if (tree.is_number_integer())
    out.value = tree.get<std::int64_t>();
  else if (tree.is_number())
    out.value = tree.get<double>();
  else if (tree.is_string())
    out.value = tree.get<std::string>();
  else if (tree.is_array()) {
    Argument::List list;
    for (const Json& item : tree) list.push_back(from_json(item));
    out.value = std::move(list);
  } else {
    out.value = tree.dump();
  }
  return out;
}

Result<void> check_bounds(const ParamSpec& spec, const Argument& argument, double number) {
  if ((!std::isnan(spec.min) && number < spec.min) || (!std::isnan(spec.max) && number > spec.max)) {
    return mismatch(spec, argument,
                    "a value from " + (std::isnan(spec.min) ? "-inf" : number_text(spec.min)) + " to " +
                        (std::isnan(spec.max) ? "inf" : number_text(spec.max)));
  }
  return {};
}

Result<void> read(const ParamSpec& spec, const Argument& a, const PathResolver& resolve, ParamValue& out) {
  const bool* truth = std::get_if<bool>(&a.value);
  const auto* integer = std::get_if<std::int64_t>(&a.value);
  const auto* real = std::get_if<double>(&a.value);
  const auto* text = std::get_if<std::string>(&a.value);
  const auto* list = std::get_if<Argument::List>(&a.value);
  const Error wrong = mismatch(spec, a, type_name(spec.type));
  switch (spec.type) {
    case ASSAY_PARAM_BOOL:
      if (truth == nullptr) return wrong;
      out.integer = *truth ? 1 : 0;
      out.identity = *truth ? "true" : "false";
      return {};
    case ASSAY_PARAM_INT:
      if (integer == nullptr) return wrong;
      out.integer = *integer;
      out.number = static_cast<double>(*integer);
      out.identity = std::to_string(*integer);
      return check_bounds(spec, a, out.number);
    case ASSAY_PARAM_FLOAT:
      if (integer == nullptr && real == nullptr) return wrong;
      out.number = real != nullptr ? *real : static_cast<double>(*integer);
      if (!std::isfinite(out.number)) return wrong;
      out.identity = number_text(out.number);
      return check_bounds(spec, a, out.number);
    case ASSAY_PARAM_DURATION:
    case ASSAY_PARAM_SIZE: {
      const bool is_size = spec.type == ASSAY_PARAM_SIZE;
      if (is_size && integer != nullptr && *integer >= 0) {
        out.integer = *integer;
      } else {
        if (text == nullptr) return wrong;
        Result<std::int64_t> parsed = is_size ? parse_size(*text) : parse_duration(*text);
        if (!parsed) return wrong;
        out.integer = *parsed;
      }
      out.identity = std::to_string(out.integer);
      return check_bounds(spec, a, static_cast<double>(out.integer));
    }
    case ASSAY_PARAM_ENUM:
      if (text == nullptr) return wrong;
      if (std::find(spec.choices.begin(), spec.choices.end(), *text) == spec.choices.end()) {
        return mismatch(spec, a, "one of " + join(spec.choices, ", ") + did_you_mean(*text, spec.choices));
      }
      out.text = out.identity = *text;
      return {};
    case ASSAY_PARAM_STRING_LIST: {
      if (list == nullptr && text == nullptr) return wrong;
      if (text != nullptr) out.list = {*text};
      for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
        const auto* part = std::get_if<std::string>(&(*list)[i].value);
        if (part == nullptr) return wrong;
        out.list.push_back(*part);
      }
      out.identity = canonical(Json(out.list));
      return {};
    }
    case ASSAY_PARAM_PATH: {
      if (text == nullptr) return wrong;
      if (text->empty()) {
        out.is_set = false;
        return {};
      }
      Result<ResolvedPath> found = resolve(*text);
      if (!found) {
        Error error = std::move(found).error();
        error.text = (a.where.empty() ? std::string() : a.where + ": ") + "parameter '" + spec.key +
                     "': " + error.text;
        error.key = spec.key;
        return error;
      }
      out.text = found->path;
      out.identity = found->sha256;
      return {};
    }
    case ASSAY_PARAM_JSON: {
      if (text == nullptr) return wrong;
      Result<Json> tree = parse_json(*text, "parameter '" + spec.key + "'");
      if (!tree) return std::move(tree).error();
      out.text = out.identity = canonical(*tree);
      return {};
    }
    default:  // STRING; a bare word that reads as a number is still a text
      if (text == nullptr) return wrong;
      out.text = out.identity = *text;
      return {};
  }
}

}  // namespace

Result<ParamValue> make_value(const ParamSpec& spec, const Argument* argument, const PathResolver& resolve) {
  ParamValue out;
  out.key = spec.key;
  out.type = spec.type;
  out.flags = spec.flags;
  out.given = argument != nullptr;
  Argument standard;
  if (argument == nullptr) {
    if (spec.has(ASSAY_PARAM_REQUIRED)) {
      return Error{
          Code::kInvalidArgument,
          "parameter '" + spec.key + "' is required: " + spec.doc + " (" + type_name(spec.type) + ")",
          spec.key};
    }
    if (spec.default_json.empty()) return out;
    Result<Json> tree = parse_json(spec.default_json, "the default of '" + spec.key + "'");
    if (!tree) return std::move(tree).error();
    standard = from_json(*tree);
    argument = &standard;
  }
  out.is_set = true;
  out.shown = to_text(*argument);
  if (Result<void> done = read(spec, *argument, resolve, out); !done) return std::move(done).error();
  return out;
}

}  // namespace assay::host
