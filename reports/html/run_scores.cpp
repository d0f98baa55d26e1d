// The scores of one task: tables and dot-and-whisker plots.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"
#include "reports/html/plots.hpp"
#include "reports/html/run_parts.hpp"
#include "reports/lines.hpp"
#include "reports/states.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kRunDotsMax = 60, kDotsTogether = 40;

bool headline(const AggregateLine& line) {
  return line.headline && !companion(line);
}

void add_row(Table& table, const std::vector<AggregateLine>& of_task, const AggregateLine& line) {
  const AggregateRow& row = line.row;
  Cell blind;
  if (!line.baseline) {
    if (const Baseline best = best_baseline(of_task, line); best.line != nullptr)
      blind = {Cell::of(blind_text(best)).html, number_text(best.estimate)};
  }
  std::string bounds;
  if (std::isfinite(row.worst)) bounds = score_text(row.worst) + " to " + score_text(row.best);
  std::vector<std::string> notes;
  for (const std::string& note : {row.undefined_reason, row.notes}) {
    if (!note.empty()) notes.push_back(note);
  }
  table.row({Cell::of(line.baseline ? blind_name(line_name(line)) : line_name(line)),
             {Cell::of(row.variant).html, natural_key(row.variant)},
             Cell::of(line.baseline ? std::string() : line.model),
             Cell::of(row.estimate),
             {interval_text(line), std::isfinite(row.lo) ? number_text(row.lo) : "n/a"},
             {n_text(row), std::to_string(row.n_scored)},
             blind,
             Cell::of(states_text(row)),
             row.n_missing == 0 ? Cell({}, "0") : Cell::of(row.n_missing),
             row.n_non_finite == 0 ? Cell({}, "0") : Cell::of(row.n_non_finite),
             Cell::of(bounds),
             Cell::of(row.method),
             Cell::of(join(notes, "; "))},
            line.baseline ? "blind" : "");
}

Table score_table(const std::string& caption) {
  Table table(caption);
  table.column("metric");
  table.column("variant");
  table.column("model");
  table.column("score", Table::Kind::kNumber);
  table.column("95 % interval", Table::Kind::kNumber);
  table.column("n", Table::Kind::kNumber);
  table.column("best blind rule");
  table.column("not ok");
  table.column("missing", Table::Kind::kNumber);
  table.column("without value", Table::Kind::kNumber);
  table.column("bounds with the missing");
  table.column("method");
  table.column("notes");
  table.make_sortable();
  return table;
}

// Scores that share an axis.
struct ScoreGroup {
  std::string title, axis;
  bool auroc = false;
  std::vector<const AggregateLine*> lines;
};

std::vector<ScoreGroup> groups_of(const std::vector<const AggregateLine*>& lines) {
  const auto aurocs = std::count_if(lines.begin(), lines.end(),
                                    [](const AggregateLine* line) { return line->rule == ASSAY_RULE_AUROC; });
  std::vector<ScoreGroup> groups;
  for (const AggregateLine* line : lines) {
    const bool auroc = line->rule == ASSAY_RULE_AUROC;
    const bool together = auroc && static_cast<std::size_t>(aurocs) <= kDotsTogether;
    const std::string title = together ? "AUROC" : line_name(*line);
    auto at =
        std::find_if(groups.begin(), groups.end(), [&](const ScoreGroup& g) { return g.title == title; });
    if (at == groups.end())
      at = groups.insert(
          groups.end(),
          {title, auroc ? "AUROC" : line->value + (line->unit.empty() ? "" : ", " + line->unit), auroc, {}});
    at->lines.push_back(line);
  }
  return groups;
}

bool bounded(const std::vector<const AggregateLine*>& lines) {
  return std::all_of(lines.begin(), lines.end(), [](const AggregateLine* line) {
    return line->rule == ASSAY_RULE_AUROC || line->rule == ASSAY_RULE_PROPORTION;
  });
}

Dot blind_dot(const Baseline& best) {
  const AggregateRow& row = best.line->row;
  Dot dot;
  dot.label = blind_name(best.line->metric) + (best.negated ? " negated" : "") +
              (row.variant.empty() ? "" : " " + row.variant);
  dot.estimate = best.estimate;
  dot.lo = best.negated ? 1 - row.hi : row.lo;
  dot.hi = best.negated ? 1 - row.lo : row.hi;
  dot.series = kSeriesStyles - 1;
  dot.hollow = true;
  dot.note = "best model-free rule";
  return dot;
}

std::string group_figure(const RunData& data, const RecipeRow& recipe, const ScoreGroup& group,
                         const std::vector<std::string>& models) {
  DotPlot plot;
  plot.title = recipe.name + ": " + group.title;
  plot.axis = group.axis;
  if (group.auroc) plot.reference = 0.5;
  if (bounded(group.lines)) plot.min = 0, plot.max = 1;
  plot.series = models;
  std::vector<Dot> dots, blind;
  for (const AggregateLine* line : group.lines) {
    if (dots.size() == kRunDotsMax) break;
    Dot dot;
    std::vector<std::string> parts;
    if (group.title == "AUROC") parts.push_back(line->metric);
    if (!line->row.variant.empty()) parts.push_back(line->row.variant);
    if (models.size() > 1 || parts.empty()) parts.push_back(line->model);
    dot.label = join(parts, " ");
    dot.estimate = line->row.estimate, dot.lo = line->row.lo, dot.hi = line->row.hi;
    dot.series =
        static_cast<std::size_t>(std::find(models.begin(), models.end(), line->model) - models.begin());
    dot.note = line->row.undefined_reason;
    dots.push_back(dot);
    if (const Baseline best = best_baseline(data.lines_of(recipe), *line); best.line != nullptr) {
      const Dot rule = blind_dot(best);
      if (std::none_of(blind.begin(), blind.end(),
                       [&](const Dot& d) { return d.label == rule.label && d.estimate == rule.estimate; }))
        blind.push_back(rule);
    }
  }
  if (dots.size() < group.lines.size())
    plot.title += fmt::format(" (the first {} of {}; the table has all)", dots.size(), group.lines.size());
  dots.insert(dots.end(), blind.begin(), blind.end());
  return dot_and_whisker(plot, dots);
}

}  // namespace

std::vector<const AggregateLine*> arranged(const RunData& data, const RecipeRow& recipe) {
  std::vector<const AggregateLine*> lines;
  for (const AggregateLine& line : data.lines_of(recipe)) lines.push_back(&line);
  return host::arranged(std::move(lines));
}

std::string score_tables(const RunData& data, const RecipeRow& recipe) {
  const std::vector<const AggregateLine*> lines = arranged(data, recipe);
  Table main = score_table("Scores of " + recipe.name), rest = score_table("All values of " + recipe.name);
  std::vector<const AggregateLine*> all;
  for (const AggregateLine& line : data.lines_of(recipe)) all.push_back(&line);
  for (const AggregateLine* line : lines)
    add_row(headline(*line) ? main : rest, data.lines_of(recipe), *line);
  std::string out = main.empty() ? std::string("<p>No score was computed.</p>\n") : main.html();
  if (const std::string states = states_lines(all); !states.empty())
    out += "<pre>\n" + text(states) + "</pre>\n";
  if (!rest.empty()) out += details(fmt::format("{} more values", rest.rows()), rest.html());
  return out;
}

void score_plots(const RunData& data, const RecipeRow& recipe, Bounded& out) {
  std::vector<const AggregateLine*> shown;
  std::vector<std::string> models;
  for (const AggregateLine* line : arranged(data, recipe)) {
    if (!headline(*line) || line->baseline) continue;
    shown.push_back(line);
    if (std::find(models.begin(), models.end(), line->model) == models.end()) models.push_back(line->model);
  }
  for (const ScoreGroup& group : groups_of(shown)) out.add(group_figure(data, recipe, group, models));
}

}  // namespace assay::host::html
