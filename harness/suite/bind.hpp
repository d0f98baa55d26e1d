// From a name and arguments to a plugin with complete parameters and bound slots - all of it before anything
// is loaded.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/plugins/registry.hpp"
#include "harness/suite/values.hpp"

namespace assay::host {

/// A plugin instance to be: which plugin, with which parameters and which inner models. Plain data.
struct Binding {
  const PluginEntry* plugin = nullptr;
  std::string expression;          ///< canonical, shown to people
  std::vector<ParamValue> params;  ///< one per declared parameter, in schema order
  std::vector<std::pair<std::string, std::vector<Binding>>> slots;  ///< by slot key, in schema order

  [[nodiscard]] const PluginSpec& spec() const { return *plugin->spec; }
  /// What decides the results of this instance as far as parameters tell: ids, versions, AFFECTS_RESULT
  /// values, the same of inner models. Library digests and trained contents are added when the model is
  /// loaded.
  [[nodiscard]] Json identity() const;
  /// "mia.mink@guard(k=0.3)": the id, the variant, the parameters that differ from their defaults.
  [[nodiscard]] std::string display() const;
};

struct BindContext {
  const Registry* registry = nullptr;
  PathResolver resolve;
};

using Arguments = std::vector<std::pair<std::string, Argument>>;

/// Validates every argument against the schema (unknown names with did-you-mean), binds slots recursively.
/// `where` (file:line:col) is prefixed to messages that have no place of their own.
Result<Binding> bind_plugin(const BindContext& context, int kind, const std::string& name,
                            const Arguments& arguments, const std::string& where, int depth = 0);
/// bind_plugin() of a parsed model expression.
Result<Binding> bind_model(const BindContext& context, const Expression& expression, int depth = 0);

}  // namespace assay::host
