#include "reports/html/plots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "assay/text/utf8.hpp"
#include "harness/base/strings.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"
#include "reports/html/plot_parts.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

// Labels stand above their whiskers, so that the picture fits a phone.
constexpr double kRowHeight = 38, kDotWidth = 400, kSide = 16;
constexpr std::size_t kLabelPoints = 56;

}  // namespace

std::string dot_and_whisker(const DotPlot& plot, const std::vector<Dot>& dots) {
  std::vector<double> values = {plot.reference};
  if (std::isfinite(plot.band)) values.insert(values.end(), {-plot.band, plot.band});
  for (const Dot& dot : dots) values.insert(values.end(), {dot.estimate, dot.lo, dot.hi});
  Axis x = axis_around(values, plot.min, plot.max);
  x.from = kSide;
  x.to = kDotWidth - kSide;
  const double bottom = 14 + kRowHeight * static_cast<double>(dots.size());
  Svg svg(kDotWidth, bottom + 42, plot.title);
  if (std::isfinite(plot.band))
    svg.rect(x.at(-plot.band), 8, x.at(plot.band) - x.at(-plot.band), bottom - 8, "band");
  bottom_axis(svg, x, 8, bottom, plot.axis);
  if (std::isfinite(plot.reference)) svg.line(x.at(plot.reference), 8, x.at(plot.reference), bottom, "guide");
  Table table("Numbers of: " + plot.title);
  table.column(plot.subject);
  for (const std::string& column : {std::string("estimate"), plot.level + " from", plot.level + " to"})
    table.column(column, Table::Kind::kNumber);
  table.column("note");
  double y = 14 + kRowHeight - 9;
  for (const Dot& dot : dots) {
    const std::string said = dot.label + ": " + score_text(dot.estimate) +
                             (std::isfinite(dot.lo) && std::isfinite(dot.hi)
                                  ? ", " + score_text(dot.lo) + " to " + score_text(dot.hi)
                                  : std::string());
    svg.text(kSide, y - 8, clipped(dot.label, kLabelPoints) + (std::isfinite(dot.estimate) ? "" : ": n/a"),
             Anchor::kStart, dot.hollow ? "name soft" : "name");
    if (std::isfinite(dot.lo) && std::isfinite(dot.hi)) {
      const std::string css = "whisker " + stroke_class(dot.series);
      svg.line(x.at(dot.lo), y, x.at(dot.hi), y, css);
      for (const double end : {dot.lo, dot.hi}) svg.line(x.at(end), y - 4, x.at(end), y + 4, css);
    }
    if (std::isfinite(dot.estimate)) svg.mark(x.at(dot.estimate), y, dot.series, dot.hollow, said);
    table.row({Cell::of(dot.label), Cell::of(dot.estimate), Cell::of(dot.lo), Cell::of(dot.hi),
               Cell::of(dot.note)});
    y += kRowHeight;
  }
  std::vector<std::string> names = plot.series;
  const auto named = std::count_if(names.begin(), names.end(), [](const auto& n) { return !n.empty(); });
  if (named < (plot.legend_always ? 1 : 2)) names.clear();
  return figure(plot.title, svg.html(), legend(names, Legend::kMarks), table);
}

std::string history(const std::string& title, const std::string& axis,
                    const std::vector<HistoryPoint>& points) {
  constexpr double kLeft = 62, kTop = 14, kHeight = 220, kStep = 44;
  const auto count = static_cast<double>(points.size());
  const double width = std::max(360.0, kLeft + 84 + kStep * count);
  const double bottom = kTop + kHeight;
  std::vector<double> values;
  for (const HistoryPoint& point : points) values.insert(values.end(), {point.estimate, point.lo, point.hi});
  Axis y = axis_around(values, kAbsent, kAbsent);
  y.from = bottom;
  y.to = kTop;
  Svg svg(width, bottom + 84, title, true);
  left_axis(svg, y, kLeft, width - 12, axis);
  const auto at = [&](std::size_t i) { return kLeft + kStep * (static_cast<double>(i) + 0.6); };
  // The band and the line are broken where a number is missing: nothing is known there.
  for (std::size_t i = 0; i < points.size();) {
    std::size_t end = i;
    while (end < points.size() && std::isfinite(points[end].lo) && std::isfinite(points[end].hi) &&
           (end == i || !points[end].apart))
      ++end;
    std::vector<std::pair<double, double>> outline;
    for (std::size_t k = i; k < end; ++k) outline.emplace_back(at(k), y.at(points[k].hi));
    for (std::size_t k = end; k > i; --k) outline.emplace_back(at(k - 1), y.at(points[k - 1].lo));
    if (end - i > 1) svg.polygon(outline, "band");
    i = std::max(end, i + 1);
  }
  for (std::size_t i = 0; i < points.size();) {
    std::vector<std::pair<double, double>> line;
    std::size_t end = i;
    for (; end < points.size() && std::isfinite(points[end].estimate) && (end == i || !points[end].apart);
         ++end)
      line.emplace_back(at(end), y.at(points[end].estimate));
    if (line.size() > 1) svg.polyline(line, "curve t0");
    i = std::max(end, i + 1);
  }
  Table table("Numbers of: " + title);
  table.column("run");
  for (const char* column : {"estimate", "95 % from", "95 % to"}) table.column(column, Table::Kind::kNumber);
  table.column("change");
  table.column("note");
  for (std::size_t i = 0; i < points.size(); ++i) {
    const HistoryPoint& point = points[i];
    const bool worse = point.mark == HistoryPoint::Mark::kRegression;
    const bool better = point.mark == HistoryPoint::Mark::kImprovement;
    const char* word = worse ? "regressed" : better ? "improved" : point.apart ? "another recipe" : "";
    if (point.apart) svg.line(at(i) - kStep / 2, kTop, at(i) - kStep / 2, bottom, "guide");
    if (std::isfinite(point.estimate)) {
      const double px = at(i), py = y.at(point.estimate);
      if (std::isfinite(point.lo) && std::isfinite(point.hi))
        svg.line(px, y.at(point.lo), px, y.at(point.hi), "whisker t0");
      svg.mark(px, py, 0, false, point.label + ": " + score_text(point.estimate) + " " + word);
      if (worse || better) {
        svg.circle(px, py, 10, worse ? "bad" : "good");
        svg.text(px, y.at(std::isfinite(point.hi) ? point.hi : point.estimate) - 12,
                 worse ? "\xE2\x96\xBC" : "\xE2\x96\xB2", Anchor::kMiddle);
      }
    }
    svg.turned(at(i), bottom + 16, clipped(point.label, 14), 35, Anchor::kStart);
    table.row({Cell::of(point.label), Cell::of(point.estimate), Cell::of(point.lo), Cell::of(point.hi),
               Cell::of(word), Cell::of(point.note)});
  }
  return figure(title, svg.html(), {}, table);
}

std::string heat_map(const HeatMap& map) {
  constexpr double kCell = 62, kCellHeight = 28, kPoint = 6.6;
  constexpr std::size_t kRowPoints = 28, kColumnPoints = 18;
  constexpr std::size_t kCellsNamed = 400;
  double lo = map.min, hi = map.max;
  for (const double value : map.values) {
    if (!std::isfinite(value)) continue;
    if (!std::isfinite(map.min)) lo = std::isfinite(lo) ? std::min(lo, value) : value;
    if (!std::isfinite(map.max)) hi = std::isfinite(hi) ? std::max(hi, value) : value;
  }
  // Room for the labels: columns are turned by 35 degrees.
  const auto longest = [](const std::vector<std::string>& names, std::size_t most) {
    std::size_t points = 4;
    for (const std::string& name : names)
      points = std::max(points, assay::text::count_code_points(clipped(name, most)));
    return static_cast<double>(points);
  };
  const double left = 24 + kPoint * longest(map.rows, kRowPoints);
  const double top = 22 + 0.574 * kPoint * longest(map.columns, kColumnPoints);
  // The scale below needs its room even under a single column.
  const double width = std::max(left + kCell * static_cast<double>(map.columns.size()) + 70, left + 290);
  const double height = top + kCellHeight * static_cast<double>(map.rows.size()) + 34;
  Svg svg(width, height, map.title, true);
  Table table("Numbers of: " + map.title);
  table.column(map.row_title);
  for (std::size_t c = 0; c < map.columns.size(); ++c) {
    table.column(map.columns[c], Table::Kind::kNumber);
    svg.turned(left + kCell * (static_cast<double>(c) + 0.5), top - 8, clipped(map.columns[c], kColumnPoints),
               -35, Anchor::kStart);
  }
  // Said when the pointer rests on a cell; of large maps the table alone has the names.
  const bool said = map.rows.size() * map.columns.size() <= kCellsNamed;
  const auto named = [&](std::size_t r, std::size_t c, const std::string& value) {
    return said ? map.rows[r] + ", " + map.columns[c] + ": " + value : std::string();
  };
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    const double y = top + kCellHeight * static_cast<double>(r);
    svg.text(left - 8, y + 18, clipped(map.rows[r], kRowPoints), Anchor::kEnd);
    std::vector<Cell> cells = {Cell::of(map.rows[r])};
    for (std::size_t c = 0; c < map.columns.size(); ++c) {
      const std::size_t at = r * map.columns.size() + c;
      const double value = at < map.values.size() ? map.values[at] : kAbsent;
      const double x = left + kCell * static_cast<double>(c);
      cells.push_back(Cell::of(value));
      if (!std::isfinite(value)) {
        svg.rect(x + 1, y + 1, kCell - 2, kCellHeight - 2, "none", named(r, c, "n/a"));
        continue;
      }
      const double share = hi > lo ? std::clamp((value - lo) / (hi - lo), 0.0, 1.0) : 0.5;
      svg.rect(x + 1, y + 1, kCell - 2, kCellHeight - 2, "", named(r, c, score_text(value)),
               heat_color(share));
      // The middle colour is where black and white can be read equally well.
      svg.text(x + kCell / 2, y + 18, fmt::format("{:.3g}", value), Anchor::kMiddle, "",
               share < 0.5 ? "var(--on-lo)" : "var(--on-hi)");
    }
    table.row(std::move(cells));
  }
  const double scale = top + kCellHeight * static_cast<double>(map.rows.size()) + 10;
  for (int i = 0; i < 10; ++i)
    svg.rect(left + 60 + 14 * i, scale, 14, 12, "", {}, heat_color((i + 0.5) / 10));
  if (std::isfinite(lo) && std::isfinite(hi)) {
    svg.text(left + 54, scale + 11, short_number(lo), Anchor::kEnd, "soft");
    svg.text(left + 206, scale + 11, short_number(hi) + (map.unit.empty() ? "" : " " + map.unit),
             Anchor::kStart, "soft");
  }
  return figure(map.title, svg.html(), {}, table);
}

}  // namespace assay::host::html
