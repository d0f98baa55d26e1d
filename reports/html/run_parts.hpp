// The parts of the report of a run. Inside this folder only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "reports/html/bounded.hpp"
#include "reports/html/run_report.hpp"

namespace assay::host::html {

/// What is read of a run before anything is laid out.
struct RunData {
  RunSummary run;
  std::vector<ModelRow> models;
  std::vector<RecipeRow> recipes;
  std::vector<EvaluationRow> evaluations;
  std::vector<PluginRow> plugins;
  std::vector<WarningRow> warnings;
  std::vector<SegmentRow> segments;
  std::vector<ScoreSetRow> score_sets;
  std::vector<ReportedRow> reported;
  std::map<RowId, std::vector<AggregateLine>> lines;  ///< by recipe

  [[nodiscard]] const EvaluationRow* evaluation(RowId id) const;
  [[nodiscard]] const RecipeRow* recipe(RowId id) const;
  [[nodiscard]] const ModelRow* model(RowId id) const;
  /// Empty for a recipe without aggregates.
  [[nodiscard]] const std::vector<AggregateLine>& lines_of(const RecipeRow& recipe) const;
  /// What the run calls the model.
  [[nodiscard]] std::string model_name(const EvaluationRow& evaluation) const;
};

// run_facts.cpp
std::string facts_of(const RunData& data);
std::string details_of(const RunData& data);
std::string warnings_of(const RunData& data);
std::string states_of(const RunData& data);
std::string reported_of(const RunData& data);

// run_scores.cpp
/// Lines of one recipe in the order of its tables.
std::vector<const AggregateLine*> arranged(const RunData& data, const RecipeRow& recipe);
std::string score_tables(const RunData& data, const RecipeRow& recipe);
void score_plots(const RunData& data, const RecipeRow& recipe, Bounded& out);

// run_grids.cpp
/// Heat maps where a value has models and variants, or variants that span a grid.
void grid_plots(const RunData& data, const RecipeRow& recipe, Bounded& out);

// run_plots.cpp
/// ROC curves, reliability diagrams and risk-coverage curves.
Result<void> curve_plots(Reader& reader, const RunData& data, const RecipeRow& recipe, Bounded& out);

// run_items.cpp
Result<void> item_samples(Reader& reader, const RunData& data, const RecipeRow& recipe,
                          const RunReportOptions& options, Bounded& out);

}  // namespace assay::host::html
