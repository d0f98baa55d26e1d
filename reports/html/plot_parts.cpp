#include "reports/html/plot_parts.hpp"

#include <fmt/format.h>

#include <cmath>

#include "assay/text/utf8.hpp"
#include "reports/html/escape.hpp"

namespace assay::host::html {

std::string clipped(const std::string& raw, std::size_t points_max) {
  const std::u32string points = assay::text::to_code_points(cleaned(raw));
  if (points.size() <= points_max) return assay::text::to_utf8(points);
  const std::size_t back = (points_max - 1) / 2, front = points_max - 1 - back;
  return assay::text::to_utf8(points.substr(0, front)) + "\xE2\x80\xA6" +
         assay::text::to_utf8(points.substr(points.size() - back));
}

void bottom_axis(Svg& svg, const Axis& axis, double top, double bottom, const std::string& title) {
  for (const Tick& tick : axis.ticks()) {
    const double x = axis.at(tick.value);
    svg.line(x, top, x, bottom, "grid");
    svg.text(x, bottom + 16, tick.label, Anchor::kMiddle, "soft");
  }
  svg.line(axis.from, bottom, axis.to, bottom, "axis");
  svg.text((axis.from + axis.to) / 2, bottom + 34, clipped(title, 60), Anchor::kMiddle);
}

void left_axis(Svg& svg, const Axis& axis, double left, double right, const std::string& title) {
  for (const Tick& tick : axis.ticks()) {
    const double y = axis.at(tick.value);
    svg.line(left, y, right, y, "grid");
    svg.text(left - 6, y + 4, tick.label, Anchor::kEnd, "soft");
  }
  svg.line(left, axis.from, left, axis.to, "axis");
  svg.turned(14, (axis.from + axis.to) / 2, clipped(title, 40), -90, Anchor::kMiddle);
}

std::string stroke_class(std::size_t series) {
  return "t" + std::to_string(series % kSeriesStyles);
}

std::string heat_color(double share) {
  // Two straight pieces through a middle colour keep the steps even to the eye.
  const bool upper = share >= 0.5;
  const double part = upper ? (share - 0.5) * 2 : share * 2;
  return fmt::format("color-mix(in srgb,var(--heat-{}) {:.0f}%,var(--heat-{}))", upper ? "hi" : "mid",
                     part * 100, upper ? "mid" : "lo");
}

std::string legend(const std::vector<std::string>& names, Legend kind) {
  if (names.empty()) return {};
  std::string out = "<ul class=\"legend\">\n";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    // Said by the text beside it, so the sign is hidden from screen readers.
    Svg svg(34, 14, {});
    if (kind == Legend::kLines)
      svg.polyline({{1, 7}, {33, 7}}, "curve " + stroke_class(i), dashes(i));
    else
      svg.mark(17, 7, i, false, {});
    out += "<li><span aria-hidden=\"true\">" + svg.html() + "</span><bdi>" + text(names[i]) + "</bdi></li>\n";
  }
  return out + "</ul>\n";
}

std::string figure(const std::string& title, const std::string& pictures, const std::string& legend_html,
                   const Table& table) {
  return "<figure><figcaption><bdi>" + text(title) +
         "</bdi></figcaption>\n<div class=\"plot\" tabindex=\"0\" role=\"region\" aria-label=\"" +
         attribute("Plot: " + title) + "\">" + pictures + "</div>\n" + legend_html +
         details("Numbers of this plot", table.html()) + "</figure>\n";
}

}  // namespace assay::host::html
