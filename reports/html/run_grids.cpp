// Heat maps of a run: models against variants, and variants whose names span a grid of their own.
#include <fmt/format.h>

#include <algorithm>

#include "assay/plugin.h"
#include "reports/html/grids.hpp"
#include "reports/html/plots.hpp"
#include "reports/html/run_parts.hpp"
#include "reports/lines.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kSideMax = 60;

using Lines = std::vector<const AggregateLine*>;

HeatMap map_titled(const RecipeRow& recipe, const AggregateLine& line) {
  HeatMap map;
  map.title = recipe.name + ": " + line_name(line);
  map.unit = line.unit;
  if (line.rule == ASSAY_RULE_AUROC || line.rule == ASSAY_RULE_PROPORTION) map.min = 0, map.max = 1;
  return map;
}

void put(HeatMap& map, std::size_t row, std::size_t column, double value) {
  map.values.resize(map.rows.size() * map.columns.size(), kAbsent);
  map.values[row * map.columns.size() + column] = value;
}

std::size_t place_of(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

// Models against variants.
std::string models_map(const RecipeRow& recipe, const Lines& lines, const std::vector<std::string>& models,
                       const std::vector<std::string>& variants) {
  HeatMap map = map_titled(recipe, *lines.front());
  map.title += ", models against variants";
  map.row_title = "model";
  map.rows = models, map.columns = variants;
  for (const AggregateLine* line : lines)
    put(map, place_of(models, line->model), place_of(variants, line->row.variant), line->row.estimate);
  return heat_map(map);
}

// The variants of one model, whose names are two names.
std::string variants_map(const RecipeRow& recipe, const Lines& lines, const Grid& grid,
                         const std::vector<std::string>& variants, const std::string& model, bool several) {
  HeatMap map = map_titled(recipe, *lines.front());
  map.title += ", grid of the variants";
  if (several) map.title += ", " + model;
  map.row_title = "variant";
  map.rows = grid.rows, map.columns = grid.columns;
  for (const AggregateLine* line : lines) {
    if (line->model != model) continue;
    const auto& [row, column] = grid.places[place_of(variants, line->row.variant)];
    put(map, row, column, line->row.estimate);
  }
  return heat_map(map);
}

}  // namespace

void grid_plots(const RunData& data, const RecipeRow& recipe, Bounded& out) {
  std::vector<Lines> values;  // by metric and value
  for (const AggregateLine* line : arranged(data, recipe)) {
    if (!line->headline || line->baseline || companion(*line)) continue;
    const std::string name = line_name(*line);
    auto at = std::find_if(values.begin(), values.end(),
                           [&](const Lines& lines) { return line_name(*lines.front()) == name; });
    if (at == values.end()) at = values.insert(values.end(), Lines());
    at->push_back(line);
  }
  for (const Lines& lines : values) {
    std::vector<std::string> models, variants;
    for (const AggregateLine* line : lines) {
      if (place_of(models, line->model) == models.size()) models.push_back(line->model);
      if (place_of(variants, line->row.variant) == variants.size()) variants.push_back(line->row.variant);
    }
    if (variants.size() < 2) continue;
    const std::optional<Grid> grid = grid_of(variants);
    if (grid && grid->rows.size() <= kSideMax && grid->columns.size() <= kSideMax) {
      for (const std::string& model : models)
        out.add(variants_map(recipe, lines, *grid, variants, model, models.size() > 1));
    } else if (models.size() > 1 && models.size() <= kSideMax && variants.size() <= kSideMax) {
      out.add(models_map(recipe, lines, models, variants));
    }
  }
}

}  // namespace assay::host::html
