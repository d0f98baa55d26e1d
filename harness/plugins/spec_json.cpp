// The JSON form of a PluginSpec: what the scan prints, the cache keeps, and load() compares.
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/plugins/spec.hpp"

namespace assay::host {
namespace {

void put_bounds(Json& tree, double min, double max) {
  if (!std::isnan(min)) tree["min"] = min;
  if (!std::isnan(max)) tree["max"] = max;
}

Json param_json(const ParamSpec& param) {
  Json tree = {{"key", param.key},
               {"doc", param.doc},
               {"unit", param.unit},
               {"replacement", param.replacement},
               {"type", param.type},
               {"flags", param.flags},
               {"default", param.default_json}};
  if (!param.choices.empty()) tree["choices"] = param.choices;
  put_bounds(tree, param.min, param.max);
  return tree;
}

Json slot_json(const SlotSpec& slot) {
  return {{"key", slot.key},
          {"role", slot.role},
          {"same_tokenizer_as", slot.same_tokenizer_as},
          {"doc", slot.doc},
          {"requires", slot.requires_caps},
          {"min_count", slot.min_count},
          {"max_count", slot.max_count}};
}

Json value_json(const ValueSpec& value) {
  Json tree = {{"name", value.name},           {"doc", value.doc},
               {"unit", value.unit},           {"denominator", value.denominator},
               {"note", value.note},           {"rule", value.rule},
               {"direction", value.direction}, {"flags", value.flags}};
  put_bounds(tree, value.min, value.max);
  return tree;
}

// Members that must be there; a missing one or one of a wrong type throws, and spec_from_json catches.
void get(const Json& tree, const char* key, std::string& out) {
  out = tree.at(key).get_ref<const std::string&>();
}
template <class T>
void get(const Json& tree, const char* key, T& out) {
  const Json& value = tree.at(key);
  if (!value.is_number_integer())
    throw Json::type_error::create(302, std::string(key) + " is no whole number", &value);
  out = value.get<T>();
}
const Json& get_array(const Json& tree, const char* key) {
  const Json& value = tree.at(key);
  if (!value.is_array()) throw Json::type_error::create(302, std::string(key) + " is no array", &value);
  return value;
}
void get_bounds(const Json& tree, double& min, double& max) {
  if (const auto found = tree.find("min"); found != tree.end()) min = found->get<double>();
  if (const auto found = tree.find("max"); found != tree.end()) max = found->get<double>();
}

ParamSpec param_of(const Json& tree) {
  ParamSpec param;
  get(tree, "key", param.key);
  get(tree, "doc", param.doc);
  get(tree, "unit", param.unit);
  get(tree, "replacement", param.replacement);
  get(tree, "type", param.type);
  get(tree, "flags", param.flags);
  get(tree, "default", param.default_json);
  if (const auto found = tree.find("choices"); found != tree.end()) {
    param.choices = found->get<std::vector<std::string>>();
  }
  get_bounds(tree, param.min, param.max);
  return param;
}

SlotSpec slot_of(const Json& tree) {
  SlotSpec slot;
  get(tree, "key", slot.key);
  get(tree, "role", slot.role);
  get(tree, "same_tokenizer_as", slot.same_tokenizer_as);
  get(tree, "doc", slot.doc);
  get(tree, "requires", slot.requires_caps);
  get(tree, "min_count", slot.min_count);
  get(tree, "max_count", slot.max_count);
  return slot;
}

ValueSpec value_of(const Json& tree) {
  ValueSpec value;
  get(tree, "name", value.name);
  get(tree, "doc", value.doc);
  get(tree, "unit", value.unit);
  get(tree, "denominator", value.denominator);
  get(tree, "note", value.note);
  get(tree, "rule", value.rule);
  get(tree, "direction", value.direction);
  get(tree, "flags", value.flags);
  get_bounds(tree, value.min, value.max);
  return value;
}

}  // namespace

Json to_json(const PluginSpec& spec) {
  Json tree = {{"kind", spec.kind},
               {"id", spec.id},
               {"version", spec.version},
               {"title", spec.title},
               {"doc", spec.doc},
               {"licence", spec.licence},
               {"concurrency", spec.concurrency},
               {"flags", spec.flags},
               {"provides", spec.provides},
               {"requires", spec.requires_caps},
               {"max_batch", spec.max_batch},
               {"preferred_batch", spec.preferred_batch},
               {"params", Json::array()},
               {"slots", Json::array()},
               {"values", Json::array()}};
  for (const ParamSpec& param : spec.params) tree["params"].push_back(param_json(param));
  for (const SlotSpec& slot : spec.slots) tree["slots"].push_back(slot_json(slot));
  for (const ValueSpec& value : spec.values) tree["values"].push_back(value_json(value));
  return tree;
}

Result<PluginSpec> spec_from_json(const Json& tree) {
  try {
    PluginSpec spec;
    get(tree, "kind", spec.kind);
    get(tree, "id", spec.id);
    get(tree, "version", spec.version);
    get(tree, "title", spec.title);
    get(tree, "doc", spec.doc);
    get(tree, "licence", spec.licence);
    get(tree, "concurrency", spec.concurrency);
    get(tree, "flags", spec.flags);
    get(tree, "provides", spec.provides);
    get(tree, "requires", spec.requires_caps);
    get(tree, "max_batch", spec.max_batch);
    get(tree, "preferred_batch", spec.preferred_batch);
    for (const Json& param : get_array(tree, "params")) spec.params.push_back(param_of(param));
    for (const Json& slot : get_array(tree, "slots")) spec.slots.push_back(slot_of(slot));
    for (const Json& value : get_array(tree, "values")) spec.values.push_back(value_of(value));
    return spec;
  } catch (const Json::exception& failure) {
    return Error{Code::kData, std::string("the JSON form of a plugin is incomplete: ") + failure.what(), {}};
  }
}

}  // namespace assay::host
