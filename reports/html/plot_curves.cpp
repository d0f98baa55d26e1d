// Plots in the unit square: ROC, reliability, risk-coverage.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/base/strings.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/plot_parts.hpp"
#include "reports/html/plots.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

constexpr double kSize = 360, kLeft = 56, kTop = 12, kRight = 348, kBottom = 304;
constexpr double kNear = 0.33;  // pixels

using Points = std::vector<std::pair<double, double>>;

// Without points that nobody could tell from their predecessor; the last one stays.
Points thinned(const Points& points) {
  Points out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const bool near = !out.empty() && std::abs(points[i].first - out.back().first) < kNear &&
                      std::abs(points[i].second - out.back().second) < kNear;
    if (!near)
      out.push_back(points[i]);
    else if (i + 1 == points.size())
      out.back() = points[i];
  }
  // Inner points of straight pieces along an axis say nothing either.
  Points corners;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool inner = i > 0 && i + 1 < out.size() && !corners.empty() &&
                       ((corners.back().first == out[i].first && out[i].first == out[i + 1].first) ||
                        (corners.back().second == out[i].second && out[i].second == out[i + 1].second));
    if (!inner) corners.push_back(out[i]);
  }
  return corners;
}

Axis across(double lo = 0, Scale scale = Scale::kLinear) {
  return {lo, 1, kLeft, kRight, scale};
}

Axis upwards(double hi = 1) {
  return {0, hi, kBottom, kTop, Scale::kLinear};
}

std::string roc_picture(const std::string& title, const std::vector<RocSeries>& series, const Axis& x) {
  Svg svg(kSize, kBottom + 44, title);
  const Axis y = upwards();
  bottom_axis(svg, x, kTop, kBottom,
              x.scale == Scale::kLog ? "false positive rate (log)" : "false positive rate");
  left_axis(svg, y, kLeft, kRight, "true positive rate");
  Points chance;
  for (int i = 0; i <= 60; ++i) {
    const double rate = x.scale == Scale::kLog ? x.lo * std::pow(1 / x.lo, i / 60.0) : i / 60.0;
    chance.emplace_back(x.at(rate), y.at(rate));
  }
  if (x.scale == Scale::kLinear) chance = {chance.front(), chance.back()};
  svg.polyline(chance, "guide curve");
  for (std::size_t s = 0; s < series.size(); ++s) {
    Points points;
    for (std::size_t i = 0; i < series[s].vertices.size(); ++i) {
      const RocVertex& vertex = series[s].vertices[i];
      // A straight piece between vertices is bent on a log axis.
      if (x.scale == Scale::kLog && i > 0) {
        const RocVertex& before = series[s].vertices[i - 1];
        const double from = std::max(before.fpr, x.lo);
        if (vertex.tpr > before.tpr && vertex.fpr > from) {
          for (int k = 1; k < 12; ++k) {
            const double rate = from * std::pow(vertex.fpr / from, k / 12.0);
            const double part = (rate - before.fpr) / (vertex.fpr - before.fpr);
            points.emplace_back(x.at(rate), y.at(before.tpr + part * (vertex.tpr - before.tpr)));
          }
        }
      }
      points.emplace_back(x.at(vertex.fpr), y.at(vertex.tpr));
    }
    svg.polyline(thinned(points), "curve " + stroke_class(s), dashes(s));
  }
  return svg.html();
}

Cell threshold_cell(double threshold) {
  if (std::isfinite(threshold)) return {short_number(threshold), number_text(threshold)};
  return threshold > 0 ? Cell("none flagged", "Infinity") : Cell("n/a", "n/a");
}

}  // namespace

std::vector<std::size_t> evenly(std::size_t count, std::size_t most) {
  std::vector<std::size_t> out;
  if (count == 0 || most == 0) return out;
  if (count <= most || most == 1) {
    for (std::size_t i = 0; i < std::min(count, most); ++i) out.push_back(i);
    return out;
  }
  for (std::size_t k = 0; k < most; ++k) out.push_back(k * (count - 1) / (most - 1));
  return out;
}

std::string roc(const std::string& title, const std::vector<RocSeries>& series, std::size_t rows_max) {
  double lowest = 0.1;
  std::size_t total = 0, shown = 0;
  for (const RocSeries& one : series) {
    if (one.negatives > 0) lowest = std::min(lowest, 0.5 / static_cast<double>(one.negatives));
    total += one.vertices.size();
    shown += std::min(one.vertices.size(), rows_max);
  }
  Table table(shown == total ? "Vertices of: " + title
                             : fmt::format("{} of {} vertices, evenly chosen, of: {}", shown, total, title));
  table.column("curve");
  for (const char* column : {"threshold", "false positive rate", "true positive rate"})
    table.column(column, Table::Kind::kNumber);
  std::vector<std::string> names;
  for (const RocSeries& one : series) {
    names.push_back(one.label + ": AUROC " + score_text(one.auroc) +
                    (std::isfinite(one.lo) && std::isfinite(one.hi)
                         ? ", " + score_text(one.lo) + " to " + score_text(one.hi)
                         : std::string()) +
                    fmt::format(" ({}+{})", one.positives, one.negatives));
    for (const std::size_t i : evenly(one.vertices.size(), rows_max)) {
      const RocVertex& vertex = one.vertices[i];
      table.row({Cell::of(one.label), threshold_cell(vertex.threshold), Cell::of(vertex.fpr),
                 Cell::of(vertex.tpr)});
    }
  }
  const std::string pictures =
      "<div class=\"plots\"><div>" + roc_picture(title + ", linear axes", series, across()) + "</div><div>" +
      roc_picture(title + ", logarithmic false positive rate", series, across(lowest, Scale::kLog)) +
      "</div></div>";
  return figure(title, pictures, legend(names, Legend::kLines), table);
}

std::string reliability(const std::string& title, const std::vector<ReliabilityBin>& bins) {
  Svg svg(kSize, kBottom + 44, title);
  const Axis x = across(), y = upwards();
  bottom_axis(svg, x, kTop, kBottom, "mean confidence");
  left_axis(svg, y, kLeft, kRight, "share correct");
  std::int64_t most = 0;
  for (const ReliabilityBin& bin : bins) most = std::max(most, bin.n);
  Table table("Numbers of: " + title + " (grey bars: share of answers in each bin)");
  table.column("confidence");
  for (const char* column : {"n", "mean confidence", "share correct", "95 % from", "95 % to"})
    table.column(column, Table::Kind::kNumber);
  for (const ReliabilityBin& bin : bins) {
    const double height = most == 0 ? 0 : 60 * static_cast<double>(bin.n) / static_cast<double>(most);
    svg.rect(x.at(bin.lo) + 1, kBottom - height, x.at(bin.hi) - x.at(bin.lo) - 2, height, "bar");
    table.row({{short_number(bin.lo) + " to " + short_number(bin.hi), number_text(bin.lo)},
               Cell::of(bin.n),
               Cell::of(bin.confidence),
               Cell::of(bin.correct),
               Cell::of(bin.correct_lo),
               Cell::of(bin.correct_hi)});
  }
  svg.line(x.at(0), y.at(0), x.at(1), y.at(1), "guide");
  Points line;
  for (const ReliabilityBin& bin : bins) {
    if (!std::isfinite(bin.confidence) || !std::isfinite(bin.correct)) continue;
    line.emplace_back(x.at(bin.confidence), y.at(bin.correct));
  }
  svg.polyline(line, "curve t0");
  for (const ReliabilityBin& bin : bins) {
    if (!std::isfinite(bin.confidence) || !std::isfinite(bin.correct)) continue;
    const double at = x.at(bin.confidence);
    if (std::isfinite(bin.correct_lo) && std::isfinite(bin.correct_hi))
      svg.line(at, y.at(bin.correct_lo), at, y.at(bin.correct_hi), "whisker t0");
    svg.mark(at, y.at(bin.correct), 0, false,
             fmt::format("confidence {}, correct {}, n {}", score_text(bin.confidence),
                         score_text(bin.correct), bin.n));
  }
  return figure(title, svg.html(), {}, table);
}

std::string risk_coverage(const std::string& title, const std::vector<CoverageSeries>& series,
                          std::size_t rows_max) {
  double highest = 0;
  std::size_t total = 0, shown = 0;
  for (const CoverageSeries& one : series) {
    for (const CoveragePoint& point : one.points) {
      if (std::isfinite(point.risk)) highest = std::max(highest, point.risk);
    }
    total += one.points.size();
    shown += std::min(one.points.size(), rows_max);
  }
  Svg svg(kSize, kBottom + 44, title);
  // The first answers' intervals are wide; they are cut off rather than flatten the rest.
  const Axis x = across(), y = upwards(highest > 0.5 || highest == 0 ? 1 : highest * 1.4);
  bottom_axis(svg, x, kTop, kBottom, "coverage (share answered)");
  left_axis(svg, y, kLeft, kRight, "risk (share wrong)");
  Table table(shown == total ? "Numbers of: " + title
                             : fmt::format("{} of {} points, evenly chosen, of: {}", shown, total, title));
  table.column("curve");
  for (const char* column : {"confidence at least", "coverage", "risk", "95 % from", "95 % to"})
    table.column(column, Table::Kind::kNumber);
  std::vector<std::string> names;
  for (std::size_t s = 0; s < series.size(); ++s) {
    names.push_back(series[s].label);
    Points line, upper, lower;
    for (const CoveragePoint& point : series[s].points) {
      if (!std::isfinite(point.risk)) continue;
      line.emplace_back(x.at(point.coverage), y.at(point.risk));
      if (!std::isfinite(point.lo) || !std::isfinite(point.hi)) continue;
      upper.emplace_back(x.at(point.coverage), y.at(point.hi));
      lower.emplace_back(x.at(point.coverage), y.at(point.lo));
    }
    upper = thinned(upper), lower = thinned(lower);
    upper.insert(upper.end(), lower.rbegin(), lower.rend());
    if (series.size() == 1 && upper.size() > 2) svg.polygon(upper, "band");
    svg.polyline(thinned(line), "curve " + stroke_class(s), dashes(s));
    for (const std::size_t i : evenly(series[s].points.size(), rows_max)) {
      const CoveragePoint& point = series[s].points[i];
      table.row({Cell::of(series[s].label), threshold_cell(point.threshold), Cell::of(point.coverage),
                 Cell::of(point.risk), Cell::of(point.lo), Cell::of(point.hi)});
    }
  }
  if (names.size() < 2) names.clear();
  return figure(title, svg.html(), legend(names, Legend::kLines), table);
}

}  // namespace assay::host::html
