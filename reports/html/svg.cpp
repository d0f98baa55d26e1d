#include "reports/html/svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reports/html/escape.hpp"

namespace assay::host::html {
namespace {

std::string px(double value) {
  std::string out = fmt::format("{:.2f}", std::isfinite(value) ? value : 0.0);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

std::string points_text(const std::vector<std::pair<double, double>>& points) {
  std::string out;
  for (const auto& [x, y] : points) out += (out.empty() ? "" : " ") + px(x) + "," + px(y);
  return out;
}

std::string class_of(std::string_view css) {
  return css.empty() ? std::string() : " class=\"" + attribute(css) + "\"";
}

std::string end_of(const char* name, std::string_view title) {
  return title.empty() ? std::string("/>") : "><title>" + text(title) + "</title></" + name + ">";
}

const char* anchor_of(Anchor anchor) {
  return anchor == Anchor::kMiddle ? " text-anchor=\"middle\""
         : anchor == Anchor::kEnd  ? " text-anchor=\"end\""
                                   : "";
}

double nice_step(double raw) {
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double rest = raw / power;
  return (rest <= 1.0 ? 1.0 : rest <= 2.0 ? 2.0 : rest <= 5.0 ? 5.0 : 10.0) * power;
}

std::vector<Tick> linear_ticks(double lo, double hi, int wanted) {
  std::vector<Tick> out;
  const double step = nice_step((hi - lo) / std::max(1, wanted));
  if (!std::isfinite(step) || step <= 0) return out;
  const double slack = step * 1e-9;
  for (double k = std::ceil((lo - slack) / step); k * step <= hi + slack && out.size() < 50; k += 1) {
    const double value = k == 0 ? 0.0 : k * step;
    out.push_back({value, short_number(value)});
  }
  return out;
}

std::vector<Tick> log_ticks(double lo, double hi) {
  std::vector<Tick> out;
  const auto add = [&](std::initializer_list<double> factors) {
    out.clear();
    for (double e = std::floor(std::log10(lo)); e <= std::ceil(std::log10(hi)) && out.size() < 50; e += 1) {
      for (const double factor : factors) {
        const double value = factor * std::pow(10.0, e);
        if (value >= lo * (1 - 1e-9) && value <= hi * (1 + 1e-9)) out.push_back({value, short_number(value)});
      }
    }
  };
  add({1.0});
  if (out.size() < 3) add({1.0, 2.0, 5.0});
  return out;
}

}  // namespace

std::string short_number(double value) {
  if (!std::isfinite(value)) return "n/a";
  const double size = std::abs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e7)) return fmt::format("{:.3g}", value);
  std::string out = fmt::format("{:.6g}", value);
  if (out.find('e') != std::string::npos) out = fmt::format("{:.0f}", value);
  const std::size_t dot = out.find('.');
  const std::size_t sign = out[0] == '-' ? 1 : 0;
  for (std::size_t i = std::min(dot, out.size()); i > sign + 3; i -= 3) out.insert(i - 3, ",");
  return out;
}

double Axis::at(double value) const {
  const double x = std::clamp(value, lo, hi);
  const double share = scale == Scale::kLog ? std::log(x / lo) / std::log(hi / lo) : (x - lo) / (hi - lo);
  return from + share * (to - from);
}

std::vector<Tick> Axis::ticks(int wanted) const {
  return scale == Scale::kLog ? log_ticks(lo, hi) : linear_ticks(lo, hi, wanted);
}

Axis axis_around(const std::vector<double>& values, double floor, double ceiling) {
  double lo = 0, hi = 0;
  bool any = false;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    lo = any ? std::min(lo, value) : value;
    hi = any ? std::max(hi, value) : value;
    any = true;
  }
  Axis axis;
  if (!any) return axis;
  // Halves first, so that the room of values near the largest double does not overflow.
  const double half = hi / 2 - lo / 2;
  // Equal values give no scale; zeros get the one of shares.
  const double room = half > 0 ? half * 0.16 : lo != 0 ? std::abs(lo) * 0.1 : 1.0;
  axis.lo = lo - room;
  axis.hi = hi + room;
  if (std::isfinite(floor) && axis.lo < floor) axis.lo = std::min(floor, lo);
  if (std::isfinite(ceiling) && axis.hi > ceiling) axis.hi = std::max(ceiling, hi);
  if (!(axis.lo < axis.hi) || !std::isfinite(axis.hi - axis.lo)) axis.lo = 0, axis.hi = 1;
  return axis;
}

std::string_view dashes(std::size_t series) {
  static constexpr std::string_view kDashes[] = {"", "7 3", "2 3", "9 3 2 3"};
  return kDashes[series % std::size(kDashes)];
}

Svg::Svg(double width, double height, std::string_view title, bool wide) {
  out_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\"{2}>"
      "<title>{3}</title>{4}\n",
      px(width), px(height), wide ? " class=\"wide\"" : "", html::text(title),
      title.empty() ? "" : "<desc>The numbers are in a table below the picture.</desc>");
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view css) {
  out_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}/>\n", px(x1), px(y1), px(x2), px(y2),
                      class_of(css));
}

void Svg::circle(double x, double y, double r, std::string_view css, std::string_view title) {
  out_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}{}\n", px(x), px(y), px(r), class_of(css),
                      end_of("circle", title));
}

void Svg::rect(double x, double y, double width, double height, std::string_view css, std::string_view title,
               std::string_view fill) {
  const std::string style = fill.empty() ? std::string() : " style=\"fill:" + attribute(fill) + "\"";
  out_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}{}{}\n", px(x), px(y), px(width),
                      px(height), class_of(css), style, end_of("rect", title));
}

void Svg::polygon(const std::vector<std::pair<double, double>>& points, std::string_view css,
                  std::string_view title) {
  out_ += "<polygon points=\"" + points_text(points) + "\"" + class_of(css) + end_of("polygon", title) + "\n";
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, std::string_view css,
                   std::string_view dash) {
  const std::string style = dash.empty() ? std::string() : " stroke-dasharray=\"" + attribute(dash) + "\"";
  out_ += "<polyline points=\"" + points_text(points) + "\"" + class_of(css) + style + "/>\n";
}

void Svg::text(double x, double y, std::string_view raw, Anchor anchor, std::string_view css,
               std::string_view fill) {
  const char* where = anchor_of(anchor);
  const std::string style = fill.empty() ? std::string() : " style=\"fill:" + attribute(fill) + "\"";
  out_ += fmt::format("<text x=\"{}\" y=\"{}\"{}{}{}>{}</text>\n", px(x), px(y), where, class_of(css), style,
                      html::text(raw));
}

void Svg::turned(double x, double y, std::string_view raw, int degrees, Anchor anchor) {
  out_ += fmt::format("<text x=\"{0}\" y=\"{1}\" transform=\"rotate({2} {0} {1})\"{3}>{4}</text>\n", px(x),
                      px(y), degrees, anchor_of(anchor), html::text(raw));
}

void Svg::mark(double x, double y, std::size_t series, bool hollow, std::string_view title) {
  const std::string number = std::to_string(series % kSeriesStyles);
  const std::string css = hollow ? "hollow t" + number : "f" + number;
  switch (series % 4) {
    case 1:
      rect(x - 4, y - 4, 8, 8, css, title);
      break;
    case 2:
      polygon({{x, y - 5.5}, {x + 5.5, y}, {x, y + 5.5}, {x - 5.5, y}}, css, title);
      break;
    case 3:
      polygon({{x, y - 5.5}, {x + 5, y + 4}, {x - 5, y + 4}}, css, title);
      break;
    default:
      circle(x, y, 4.5, css, title);
  }
}

}  // namespace assay::host::html
