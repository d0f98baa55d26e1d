#include "harness/run/custom_statistic.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "assay/sdk/abi.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

constexpr double kNoEstimate = std::numeric_limits<double>::quiet_NaN();

std::string major_of(const std::string& version) {
  return version.substr(0, version.find('.'));
}

// The argument whose identity is `text`. Paths are kept as hashes of their content, so they cannot come back.
Result<Argument> argument_of(const ParamSpec& spec, const std::string& text) {
  Argument out;
  switch (spec.type) {
    case ASSAY_PARAM_BOOL:
      out.value = text == "true";
      return out;
    case ASSAY_PARAM_STRING_LIST: {
      Result<Json> tree = parse_json(text, "parameter '" + spec.key + "'");
      if (!tree || !tree->is_array()) break;
      Argument::List list;
      for (const Json& one : *tree) {
        if (!one.is_string()) return Error{Code::kUnsupported, "parameter '" + spec.key + "'", spec.key};
        list.emplace_back().value = one.get<std::string>();
      }
      out.value = std::move(list);
      return out;
    }
    case ASSAY_PARAM_INT:
    case ASSAY_PARAM_FLOAT:
    case ASSAY_PARAM_SIZE: {
      Result<Expression> parsed = parse_expression("x(y=" + text + ")");
      if (!parsed || parsed->arguments.size() != 1) break;
      return std::move(parsed->arguments.front().second);
    }
    case ASSAY_PARAM_PATH:
    case ASSAY_PARAM_DURATION:
      break;
    default:
      out.value = text;
      return out;
  }
  return Error{Code::kUnsupported, "parameter '" + spec.key + "'", spec.key};
}

}  // namespace

CustomSample::CustomSample(const MetricTable& table, std::span<const std::vector<std::uint32_t>> units)
    : variant_names_(table.variant_names) {
  const std::size_t width = table.columns.size();
  values_.reserve(units.size() * width);
  for (const std::vector<std::uint32_t>& rows : units) {
    bool any = false;
    for (std::size_t c = 0; c < width; ++c) {
      double sum = 0;
      std::size_t n = 0;
      for (const std::uint32_t row : rows) {
        const double x = table.numbers[row * width + c];
        if (std::isfinite(x)) sum += x, ++n;
      }
      values_.push_back(n == 0 ? kNoEstimate : n == 1 ? sum : sum / static_cast<double>(n));
      any = any || n != 0;
    }
    scored_ += any ? 1 : 0;
    const std::size_t first = rows.front();
    labels_.push_back(table.labels[first]);
    groups_.push_back(table.groups[first]);
    variants_.push_back(table.variants[first]);
    index_.push_back(table.positions[first]);
  }
  for (const std::string& name : variant_names_) names_.push_back(str(name));
  sample_.struct_size = sizeof sample_;
  sample_.item_count = units.size();
  sample_.value_count = width;
  sample_.values = values_.data();
  sample_.labels = labels_.data();
  sample_.groups = groups_.data();
  sample_.variants = variants_.data();
  sample_.variant_names = {names_.data(), names_.size()};
  sample_.index = index_.data();
}

Result<Binding> bind_stored_metric(const BindContext& context, const MetricRow& metric) {
  const std::string which = "the metric plugin '" + metric.plugin_id + "'";
  Result<const PluginEntry*> found = context.registry->find(ASSAY_METRIC, metric.plugin_id);
  if (!found) return Error{Code::kNotFound, which + " is not at hand", {}};
  const PluginSpec& spec = *(*found)->spec;
  if (major_of(spec.version) != major_of(metric.plugin_version)) {
    return Error{
        Code::kUnsupported,
        which + " is at hand in version " + spec.version + ", and the run used " + metric.plugin_version,
        {}};
  }
  Result<Json> stored = parse_json(metric.params_json, "the stored parameters of " + metric.name);
  if (!stored) return std::move(stored).error();
  Arguments arguments;
  std::string lost;
  for (const ParamSpec& param : spec.params) {
    const auto at = stored->find(param.key);
    if (at == stored->end() || !at->is_string()) continue;
    Result<Argument> argument = argument_of(param, at->get<std::string>());
    if (argument)
      arguments.emplace_back(param.key, *std::move(argument));
    else
      lost = param.key;
  }
  if (!lost.empty()) {
    return Error{Code::kUnsupported, which + " has a parameter '" + lost + "' that cannot be restored", lost};
  }
  Result<Binding> binding = bind_plugin(context, ASSAY_METRIC, metric.plugin_id, arguments, which);
  if (!binding) return Error{Code::kUnsupported, binding.error().text, {}};
  if (canonical(binding->identity()["params"]) != metric.params_json)
    return Error{Code::kUnsupported, which + " has other parameters than the run used", {}};
  return binding;
}

CustomStatistics::CustomStatistics(BindContext context)
    : context_(std::move(context)), factory_(*context_.registry) {}

Result<const MetricInstance*> CustomStatistics::instance(const MetricRow& metric) {
  const std::string key = metric.plugin_id + '\n' + metric.plugin_version + '\n' + metric.params_json;
  if (const auto known = instances_.find(key); known != instances_.end()) return known->second.get();
  Result<Binding> binding = bind_stored_metric(context_, metric);
  if (!binding) return std::move(binding).error();
  Result<std::unique_ptr<MetricInstance>> made = factory_.metric(*binding);
  if (!made) return std::move(made).error();
  return (instances_[key] = *std::move(made)).get();
}

Result<stats::CustomStatistic> CustomStatistics::open(const MetricRow& metric, const MetricTable& table,
                                                      std::span<const std::vector<std::uint32_t>> units) {
  Result<const MetricInstance*> found = instance(metric);
  if (!found) return std::move(found).error();
  std::size_t custom = 0;
  for (const ValueRow& value : table.values) custom += value.rule == ASSAY_RULE_CUSTOM ? 1 : 0;
  if ((*found)->custom_values() != custom || (*found)->item_values() != table.columns.size()) {
    return Error{Code::kUnsupported,
                 "the metric plugin '" + metric.plugin_id + "' has other values than the run stored",
                 {}};
  }
  auto sample = std::make_shared<const CustomSample>(table, units);
  return stats::CustomStatistic(
      [sample, live = *found](std::span<const stats::Resample> resamples, std::span<double> out) {
        return live->aggregate(sample->view(), resamples, out);
      });
}

}  // namespace assay::host
