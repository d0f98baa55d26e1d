#include "harness/run/plan_rows.hpp"

#include <nlohmann/json.hpp>

namespace assay::host {

Result<RowId> add_recipe_row(Store& store, RowId run, const Plan& plan, const PlannedTask& task) {
  RecipeRow row;
  row.hash = task.recipe_hash;
  row.name = task.name;
  row.task_id = task.binding.spec().id;
  row.parts_json = task.parts;
  row.data_hash = task.data_hash;
  row.selection_json = canonical(plan.selection.to_json());
  return store.add_recipe(run, row);
}

Result<std::vector<RowId>> add_metric_row(Store& store, RowId recipe, const Binding& metric,
                                          const std::string& name, bool baseline, RowId score_set) {
  const PluginSpec& spec = metric.spec();
  MetricRow row;
  row.recipe = recipe;
  row.name = name;
  row.plugin_id = spec.id;
  row.plugin_version = spec.version;
  row.library_sha256 = metric.plugin->library->sha256;
  row.params_json = canonical(metric.identity()["params"]);
  row.baseline = baseline;
  row.pool_variants = spec.has(ASSAY_FLAG_POOL_VARIANTS);
  row.score_set = score_set;
  std::vector<ValueRow> values;
  for (const ValueSpec& value : spec.values) {
    ValueRow v;
    v.name = value.name;
    v.doc = value.doc;
    v.unit = value.unit;
    v.denominator = value.denominator;
    v.note = value.note;
    v.rule = value.rule;
    v.direction = value.direction;
    v.headline = value.headline();
    v.no_interval = (value.flags & ASSAY_VALUE_NO_INTERVAL) != 0;
    v.min = value.min;
    v.max = value.max;
    values.push_back(std::move(v));
  }
  if (Result<RowId> id = store.add_metric(row, values); !id) return std::move(id).error();
  std::vector<RowId> per_item;
  for (const ValueRow& value : values) {
    if (value.rule != ASSAY_RULE_CUSTOM) per_item.push_back(value.id);
  }
  return per_item;
}

Result<RowId> add_model_row(Store& store, const PlannedModel& planned, const ModelInstance& model,
                            bool* fresh) {
  ModelRow row;
  row.fingerprint = model.fingerprint();
  row.name = planned.name;
  row.expression = planned.binding.expression;
  row.plugin_id = planned.binding.spec().id;
  row.capabilities = model.capabilities();
  row.identity_json = model.identity_json();
  return store.add_model(row, fresh);
}

}  // namespace assay::host
