// The rows around the results: what the plan says of recipes, metrics and models, as the database keeps it.
#pragma once

#include <vector>

#include "db/store.hpp"
#include "harness/run/instances.hpp"
#include "harness/suite/plan.hpp"

namespace assay::host {

/// The recipe's row, inserted once per run.
Result<RowId> add_recipe_row(Store& store, RowId run, const Plan& plan, const PlannedTask& task);
/// The metric's row and those of its values; `name` as shown, `score_set` 0 for the run's own metrics. Gives
/// the ids of the per-item values, in the order of the metric's answers.
Result<std::vector<RowId>> add_metric_row(Store& store, RowId recipe, const Binding& metric,
                                          const std::string& name, bool baseline, RowId score_set = 0);
/// The model's row; `*fresh`: the database did not have it, so no answer of it is stored.
Result<RowId> add_model_row(Store& store, const PlannedModel& planned, const ModelInstance& model,
                            bool* fresh);

}  // namespace assay::host
