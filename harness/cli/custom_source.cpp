#include "harness/cli/custom_source.hpp"

#include <memory>
#include <optional>

#include "harness/run/custom_statistic.hpp"

namespace assay::host::cli {
namespace {

struct Plugins {
  std::unique_ptr<Registry> registry;
  std::optional<DataRegistry> data;
  std::unique_ptr<CustomStatistics> statistics;
};

Result<void> find_plugins(const Globals& globals, Plugins& out) {
  Result<std::unique_ptr<Registry>> registry = Registry::discover(globals.registry());
  if (!registry) return std::move(registry).error();
  out.registry = *std::move(registry);
  Result<DataRegistry> data = DataRegistry::open();
  if (!data) return std::move(data).error();
  out.data = *std::move(data);
  out.statistics =
      std::make_unique<CustomStatistics>(bind_context(*out.registry, *out.data, globals.data(), "."));
  return {};
}

}  // namespace

CustomSource custom_source(const Globals& globals) {
  return
      [globals, plugins = std::make_shared<Plugins>()](const MetricRow& metric, const MetricTable& table,
                                                       std::span<const std::vector<std::uint32_t>> units,
                                                       std::string& note) -> Result<stats::CustomStatistic> {
        if (plugins->statistics == nullptr) {
          if (Result<void> found = find_plugins(globals, *plugins); !found) return std::move(found).error();
        }
        const Result<const PluginEntry*> at_hand = plugins->registry->find(ASSAY_METRIC, metric.plugin_id);
        if (at_hand && (*at_hand)->library->sha256 != metric.library_sha256)
          note = "computed by a build of '" + metric.plugin_id + "' other than the one that scored the run";
        return plugins->statistics->open(metric, table, units);
      };
}

}  // namespace assay::host::cli
