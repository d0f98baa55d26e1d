// Differences as dots with whiskers, coloured by verdict, and the two axes of a mitigation.
#include <fmt/format.h>

#include <algorithm>

#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/html/compare_parts.hpp"
#include "reports/html/plots.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kComparedDotsMax = 40;

// The series of a verdict: its colour and its shape.
std::size_t series_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRegressed:
      return 1;
    case Verdict::kImproved:
      return 2;
    case Verdict::kEquivalent:
      return 0;
    default:
      return 7;
  }
}

// Shares and areas have one unit and one axis; other values have an axis of their own.
std::string axis_group(const ComparedValue& value) {
  const bool share = value.rule == stats::Rule::kProportion || value.rule == stats::Rule::kAuroc;
  return share ? std::string() : value_label(value);
}

struct ComparedGroup {
  std::string name;
  std::vector<std::pair<const ComparedTask*, const ComparedValue*>> values;
};

std::vector<ComparedGroup> groups_of(const Comparison& comparison) {
  std::vector<ComparedGroup> groups;
  for (const ComparedTask& task : comparison.tasks) {
    for (const ComparedValue& value : task.values) {
      if (value.model_free || value.verdict == Verdict::kNotComparable || !value.difference.delta) continue;
      const std::string name = axis_group(value);
      auto at =
          std::find_if(groups.begin(), groups.end(), [&](const ComparedGroup& g) { return g.name == name; });
      if (at == groups.end()) at = groups.insert(groups.end(), {name, {}});
      at->values.emplace_back(&task, &value);
    }
  }
  return groups;
}

std::string group_figure(const Comparison& comparison, const ComparedGroup& group) {
  DotPlot plot;
  plot.title = (comparison.options.force ? "FORCED: " : "") +
               (group.name.empty() ? std::string("Differences of shares and areas under ROC curves")
                                   : "Differences of " + group.name);
  plot.axis = "candidate minus baseline";
  if (group.values.front().second->rule == stats::Rule::kExpMean) plot.axis += ", log";
  if (!group.name.empty() && !group.values.front().second->unit.empty())
    plot.axis += ", " + group.values.front().second->unit;
  plot.reference = 0;
  plot.band = or_absent(comparison.options.margin);
  plot.subject = "difference";
  plot.level = level_text(comparison);
  plot.legend_always = true;
  plot.series.resize(kSeriesStyles);
  const ComparedTask* first = group.values.front().first;
  const bool one_task = std::all_of(group.values.begin(), group.values.end(),
                                    [&](const auto& pair) { return pair.first == first; });
  if (one_task) plot.title += ", " + task_name(comparison, *first);
  std::vector<Dot> dots;
  for (const auto& [task, value] : group.values) {
    if (dots.size() == kComparedDotsMax) break;
    Dot dot;
    std::vector<std::string> parts;
    if (!one_task) parts.push_back(task_name(comparison, *task));
    if (group.name.empty()) parts.push_back(value_label(*value));
    if (!value->variant.empty()) parts.push_back(value->variant);
    dot.label = parts.empty() ? task_name(comparison, *task) : join(parts, ", ");
    dot.estimate = or_absent(value->difference.delta);
    dot.lo = or_absent(value->difference.lo), dot.hi = or_absent(value->difference.hi);
    dot.series = series_of(value->verdict);
    dot.note = verdict_name(value->verdict);
    plot.series[dot.series] = verdict_name(value->verdict);
    dots.push_back(std::move(dot));
  }
  if (dots.size() < group.values.size())
    plot.title += fmt::format(" (the first {} of {}; the table has all)", dots.size(), group.values.size());
  if (comparison.options.margin)
    plot.title += fmt::format(", margin {:g} shaded", *comparison.options.margin);
  return dot_and_whisker(plot, dots);
}

}  // namespace

void difference_plots(const Comparison& comparison, Bounded& out) {
  for (const ComparedGroup& group : groups_of(comparison)) out.add(group_figure(comparison, group));
}

void two_axis_plots(const Comparison& comparison, Bounded& out) {
  // One picture for every value, since values have units of their own.
  std::vector<std::pair<std::string, std::vector<CrossPoint>>> pictures;
  for (const TwoAxisLine& line : comparison.two_axis) {
    const std::string name = line.task + ": " + line.metric + " " + line.value;
    auto at = std::find_if(pictures.begin(), pictures.end(), [&](const auto& p) { return p.first == name; });
    if (at == pictures.end()) at = pictures.insert(pictures.end(), {name, {}});
    CrossPoint point;
    point.label = line.model + (line.probe.empty() ? "" : ", " + line.probe);
    point.x = or_absent(line.forget.delta);
    point.x_lo = or_absent(line.forget.lo), point.x_hi = or_absent(line.forget.hi);
    point.y = or_absent(line.retain.delta);
    point.y_lo = or_absent(line.retain.lo), point.y_hi = or_absent(line.retain.hi);
    point.note = "forget " + line.forget.verdict + ", retain " + line.retain.verdict;
    at->second.push_back(std::move(point));
  }
  for (const auto& [name, points] : pictures) {
    out.add(cross_plot((comparison.options.force ? "FORCED: " : "") + name, "change on forget",
                       "change on retain", points, level_text(comparison)));
  }
}

}  // namespace assay::host::html
