// Two measures of one thing against each other: what was to change, and what must not.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reports/html/page.hpp"
#include "reports/html/plot_parts.hpp"
#include "reports/html/plots.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

constexpr double kCrossWidth = 400, kCrossLeft = 62, kCrossTop = 12, kCrossRight = 388, kCrossBottom = 304;

}  // namespace

std::string cross_plot(const std::string& title, const std::string& x_axis, const std::string& y_axis,
                       const std::vector<CrossPoint>& points, const std::string& level) {
  // Where nothing changed is always in sight, and both axes have one range: a change of a hair must not look
  // like the change that was wanted.
  std::vector<double> values = {0};
  const std::size_t drawn = std::min(points.size(), kSeriesStyles);
  for (std::size_t i = 0; i < drawn; ++i) {
    const CrossPoint& p = points[i];
    values.insert(values.end(), {p.x, p.x_lo, p.x_hi, p.y, p.y_lo, p.y_hi});
  }
  Axis x = axis_around(values, kAbsent, kAbsent), y = x;
  x.from = kCrossLeft, x.to = kCrossRight;
  y.from = kCrossBottom, y.to = kCrossTop;
  Svg svg(kCrossWidth, kCrossBottom + 44, title);
  bottom_axis(svg, x, kCrossTop, kCrossBottom, x_axis);
  left_axis(svg, y, kCrossLeft, kCrossRight, y_axis);
  svg.line(x.at(0), kCrossTop, x.at(0), kCrossBottom, "guide");
  svg.line(kCrossLeft, y.at(0), kCrossRight, y.at(0), "guide");
  Table table(drawn == points.size() ? "Numbers of: " + title
                                     : fmt::format("Numbers of: {} (the first {} are drawn)", title, drawn));
  table.column("of");
  for (const std::string& axis : {x_axis, y_axis}) {
    table.column(axis, Table::Kind::kNumber);
    table.column(level + " from", Table::Kind::kNumber);
    table.column(level + " to", Table::Kind::kNumber);
  }
  table.column("note");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const CrossPoint& p = points[i];
    table.row({Cell::of(p.label), Cell::of(p.x), Cell::of(p.x_lo), Cell::of(p.x_hi), Cell::of(p.y),
               Cell::of(p.y_lo), Cell::of(p.y_hi), Cell::of(p.note)});
    if (i >= drawn) continue;
    names.push_back(p.label);
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) continue;
    const double px = x.at(p.x), py = y.at(p.y);
    const std::string css = "whisker " + stroke_class(i);
    if (std::isfinite(p.x_lo) && std::isfinite(p.x_hi)) svg.line(x.at(p.x_lo), py, x.at(p.x_hi), py, css);
    if (std::isfinite(p.y_lo) && std::isfinite(p.y_hi)) svg.line(px, y.at(p.y_lo), px, y.at(p.y_hi), css);
    svg.mark(px, py, i, false, p.label + ": " + score_text(p.x) + ", " + score_text(p.y));
  }
  return figure(title, svg.html(), legend(names, Legend::kMarks), table);
}

}  // namespace assay::host::html
