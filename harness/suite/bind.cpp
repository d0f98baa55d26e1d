#include "harness/suite/bind.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

std::string prefix(const std::string& where) {
  return where.empty() ? std::string() : where + ": ";
}

// A slot's argument as a list of expressions: one expression, a bare word, or a list of them.
Result<std::vector<Expression>> expressions_of(const Argument& argument, const std::string& key) {
  std::vector<Expression> list;
  const auto add = [&](const Argument& one) -> Result<void> {
    if (const auto* inner = std::get_if<std::shared_ptr<Expression>>(&one.value)) {
      list.push_back(**inner);
      return {};
    }
    if (const auto* text = std::get_if<std::string>(&one.value)) {
      Result<Expression> parsed = parse_expression(*text);
      if (!parsed) return std::move(parsed).error();
      list.push_back(*std::move(parsed));
      if (!one.where.empty()) list.back().where = one.where;
      return {};
    }
    return Error{
        Code::kInvalidArgument,
        prefix(one.where) + "slot '" + key + "' is " + to_text(one) + "; expected a model expression", key};
  };
  if (const auto* items = std::get_if<Argument::List>(&argument.value)) {
    for (const Argument& item : *items) {
      if (Result<void> done = add(item); !done) return std::move(done).error();
    }
  } else if (Result<void> done = add(argument); !done) {
    return std::move(done).error();
  }
  return list;
}

Result<void> bind_slot(const BindContext& context, const SlotSpec& slot, const Argument* argument,
                       const std::string& where, int depth, Binding& out) {
  std::vector<Binding> models;
  if (argument != nullptr) {
    Result<std::vector<Expression>> list = expressions_of(*argument, slot.key);
    if (!list) return std::move(list).error();
    for (const Expression& expression : *list) {
      Result<Binding> inner = bind_model(context, expression, depth + 1);
      if (!inner) return std::move(inner).error();
      const std::uint64_t missing = slot.requires_caps & ~inner->spec().provides;
      if (missing != 0) {
        return Error{Code::kInvalidArgument,
                     prefix(where) + "slot '" + slot.key + "' of '" + out.spec().id + "' needs " +
                         capability_names(missing) + ", which '" + inner->expression + "' does not offer",
                     slot.key};
      }
      models.push_back(*std::move(inner));
    }
  }
  if (models.size() < slot.min_count || (slot.max_count != 0 && models.size() > slot.max_count)) {
    const std::string wanted = slot.min_count == slot.max_count ? std::to_string(slot.min_count)
                               : slot.max_count == 0
                                   ? "at least " + std::to_string(slot.min_count)
                                   : std::to_string(slot.min_count) + " to " + std::to_string(slot.max_count);
    return Error{Code::kInvalidArgument,
                 prefix(where) + "slot '" + slot.key + "' of '" + out.spec().id + "' wants " + wanted +
                     " model(s), " + std::to_string(models.size()) + " given: " + slot.doc,
                 slot.key};
  }
  out.slots.emplace_back(slot.key, std::move(models));
  return {};
}

const Argument* find(const Arguments& arguments, const std::string& key) {
  for (const auto& [name, value] : arguments) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string major(const std::string& version) {
  return version.substr(0, version.find('.'));
}

}  // namespace

Json Binding::identity() const {
  Json values = Json::object();
  for (const ParamValue& value : params) {
    if ((value.flags & ASSAY_PARAM_AFFECTS_RESULT) != 0 && value.is_set) values[value.key] = value.identity;
  }
  Json tree = {{"id", spec().id}, {"version", major(spec().version)}, {"params", values}};
  for (const auto& [key, models] : slots) {
    Json list = Json::array();
    for (const Binding& model : models) list.push_back(model.identity());
    tree["slots"][key] = list;
  }
  return tree;
}

std::string Binding::display() const {
  std::string name = spec().id;
  std::vector<std::string> shown;
  for (const ParamValue& value : params) {
    if (!value.is_set) continue;
    if (value.key == "variant")
      name += "@" + (value.text.empty() ? value.shown : value.text);
    else if (value.given && (value.flags & ASSAY_PARAM_SECRET) == 0)
      shown.push_back(value.key + "=" + value.shown);
  }
  return shown.empty() ? name : name + "(" + join(shown, ",") + ")";
}

Result<Binding> bind_plugin(const BindContext& context, int kind, const std::string& name,
                            const Arguments& arguments, const std::string& where, int depth) {
  if (depth > limits::kModelDepthMax) {
    return Error{
        Code::kInvalidArgument,
        prefix(where) + "models are nested deeper than " + std::to_string(limits::kModelDepthMax) + " levels",
        {}};
  }
  Result<const PluginEntry*> found = context.registry->find(kind, name);
  if (!found) return std::move(found).error().within(where.empty() ? kind_name(kind) : where);
  Binding out;
  out.plugin = *found;
  const PluginSpec& spec = out.spec();

  std::vector<std::string> known;
  for (const ParamSpec& param : spec.params) known.push_back(param.key);
  for (const SlotSpec& slot : spec.slots) known.push_back(slot.key);
  for (const auto& [key, value] : arguments) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const std::string place = value.where.empty() ? where : value.where;
      return Error{Code::kInvalidArgument,
                   prefix(place) + "'" + spec.id + "' has no parameter '" + key + "'" +
                       did_you_mean(key, known) + " (`assay plugin help " + spec.id + "` lists them)",
                   key};
    }
  }
  Expression shown;
  shown.name = spec.short_name();
  shown.arguments = arguments;
  out.expression = kind == ASSAY_MODEL ? to_text(shown) : spec.id;
  for (const ParamSpec& param : spec.params) {
    Result<ParamValue> value = make_value(param, find(arguments, param.key), context.resolve);
    if (!value) {
      Error error = std::move(value).error();
      error.text = "'" + spec.id + "': " + error.text;
      return std::move(error).within(where.empty() ? kind_name(kind) : where);
    }
    out.params.push_back(*std::move(value));
  }
  for (const SlotSpec& slot : spec.slots) {
    if (Result<void> done = bind_slot(context, slot, find(arguments, slot.key), where, depth, out); !done) {
      return std::move(done).error();
    }
  }
  return out;
}

Result<Binding> bind_model(const BindContext& context, const Expression& expression, int depth) {
  return bind_plugin(context, ASSAY_MODEL, expression.name, expression.arguments, expression.where, depth);
}

}  // namespace assay::host
