#include "harness/interop/export/selection.hpp"

#include <algorithm>
#include <set>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"

namespace assay::host::exporting {
namespace {

Result<std::vector<Column>> columns_of(Reader& reader, RowId recipe) {
  std::vector<Column> columns;
  Result<std::vector<MetricRow>> metrics = reader.metrics(recipe);
  if (!metrics) return std::move(metrics).error();
  std::set<std::string> used;
  for (const MetricRow& metric : *metrics) {
    Result<std::vector<ValueRow>> values = reader.values(metric.id);
    if (!values) return std::move(values).error();
    for (ValueRow& value : *values) {
      if (value.rule == ASSAY_RULE_CUSTOM) continue;  // a number of the whole task, not of its items
      const bool main = value.name == "score" || metric.name.ends_with("." + value.name);
      std::string name = main ? metric.name : metric.name + "." + value.name;
      while (!used.insert(name).second) name += "'";
      columns.push_back({std::move(name), metric, std::move(value)});
    }
  }
  return columns;
}

Error none_fits(const char* option, const std::string& wanted, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (std::string& name : names) name = printable(name);
  return {Code::kInvalidArgument,
          std::string(option) + " " + printable(wanted) + ": the run has " + join(names, ", ") +
              did_you_mean(wanted, names),
          option};
}

}  // namespace

Result<std::vector<Selected>> select(Reader& reader, const RunSummary& run, const ExportOptions& options) {
  Result<std::vector<EvaluationRow>> evaluations = reader.evaluations(run.run.id);
  if (!evaluations) return std::move(evaluations).error();
  Result<std::vector<RecipeRow>> recipes = reader.recipes(run.run.id);
  if (!recipes) return std::move(recipes).error();
  Result<std::vector<ModelRow>> models = reader.models(run.run.id);
  if (!models) return std::move(models).error();
  std::vector<Selected> selected;
  std::vector<std::string> task_names, model_names;
  bool task_fits = false;
  for (const RecipeRow& recipe : *recipes) {
    task_names.push_back(recipe.name);
    const bool wanted = options.task.empty() || glob_match(options.task, recipe.name);
    task_fits = task_fits || wanted;
    std::optional<std::vector<Column>> columns;
    for (const EvaluationRow& evaluation : *evaluations) {
      if (evaluation.recipe != recipe.id) continue;
      const auto model = std::find_if(models->begin(), models->end(),
                                      [&](const ModelRow& row) { return row.id == evaluation.model; });
      if (model == models->end()) {
        return Error{
            Code::kData, "the database is damaged: an evaluation of '" + recipe.name + "' has no model", {}};
      }
      const std::string name = evaluation.model_name.empty() ? model->name : evaluation.model_name;
      model_names.push_back(name);
      if (!wanted || (!options.model.empty() && options.model != name)) continue;
      if (!columns) {
        Result<std::vector<Column>> made = columns_of(reader, recipe.id);
        if (!made) return std::move(made).error();
        columns = std::move(*made);
      }
      selected.push_back({evaluation, recipe, name, *model, *columns});
    }
  }
  if (!selected.empty()) return selected;
  const std::string short_name = run.run.uuid.substr(0, 8);
  if (task_names.empty() || model_names.empty()) {
    return Error{
        Code::kInvalidArgument, "run " + short_name + " has no evaluations: there is nothing to export", {}};
  }
  if (!task_fits) return none_fits("--task", options.task, task_names);
  if (std::find(model_names.begin(), model_names.end(), options.model) == model_names.end())
    return none_fits("--model", options.model, model_names);
  return Error{
      Code::kInvalidArgument,
      "run " + short_name + ": model '" + options.model + "' did not do the task '" + options.task + "'",
      {}};
}

std::vector<RowId> value_ids(const std::vector<Column>& columns) {
  std::vector<RowId> ids;
  for (const Column& column : columns) ids.push_back(column.value.id);
  return ids;
}

}  // namespace assay::host::exporting
