#include "faulty.hpp"

// The batch functions are the plugin's own: finishing items out of order and leaving a status unset is what
// the SDK keeps its authors from.
template <>
assay::PluginClass assay::plugin_class_of<assay::faulty::Faulty>() {
  return {assay::detail::model_descriptor<assay::faulty::Faulty>,
          []() -> assay::Plugin* { return new assay::faulty::Faulty(); },
          [](assay::Plugin&, std::uint64_t* caps) -> int {
            *caps = assay::faulty::Faulty::info.provides;
            return ASSAY_OK;
          },
          assay::faulty::faulty_extension};
}

ASSAY_PLUGIN(assay::faulty::Faulty);
