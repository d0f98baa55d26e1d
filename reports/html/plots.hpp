// The plots of the reports. Each takes plain arrays with labels and gives a figure: a picture, and the
// numbers behind it in a folded table below. Values that are not finite are left out of the picture and are
// "n/a" in the table. All labels are escaped here. Pure functions.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "reports/html/svg.hpp"

namespace assay::host::html {

inline constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
inline double or_absent(const std::optional<double>& value) {
  return value.value_or(kAbsent);
}

/// One score or difference with its interval.
struct Dot {
  std::string label;
  double estimate = kAbsent, lo = kAbsent, hi = kAbsent;
  std::size_t series = 0;  ///< colour and shape
  bool hollow = false;     ///< for model-free rules, and for what is not the subject
  std::string note = {};   ///< in the table
};
struct DotPlot {
  std::string title, axis;
  double min = kAbsent, max = kAbsent;  ///< bounds of the value; NaN: none
  double reference = kAbsent;           ///< a dashed line, for example chance or no difference
  double band = kAbsent;                ///< shaded from -band to band, the margin of differences; NaN: none
  std::vector<std::string> series;      ///< names, for the legend; empty ones are left out
  std::string subject = "score";        ///< what a row is, in the table
  std::string level = "95 %";           ///< of the intervals
  bool legend_always = false;           ///< otherwise there is none with less than two names
};
std::string dot_and_whisker(const DotPlot& plot, const std::vector<Dot>& dots);

/// A vertex of a ROC curve, by descending threshold from (0, 0).
struct RocVertex {
  double threshold = kAbsent, fpr = 0, tpr = 0;  ///< an infinite threshold flags nothing
};
struct RocSeries {
  std::string label;
  double auroc = kAbsent, lo = kAbsent, hi = kAbsent;
  std::int64_t positives = 0, negatives = 0;
  std::vector<RocVertex> vertices;
};
/// Two pictures, one with a linear and one with a logarithmic axis of false positives, from half the smallest
/// rate that any series can have; one table. Vertices nearer than a third of a pixel to the last one are not
/// drawn; at most `rows_max` vertices of a series, evenly chosen, are in the table, and the caption says so.
std::string roc(const std::string& title, const std::vector<RocSeries>& series, std::size_t rows_max = 25);

/// One bin of confidences.
struct ReliabilityBin {
  double lo = 0, hi = 1;  ///< edges of the confidence
  std::int64_t n = 0;
  double confidence = kAbsent;                                           ///< mean in the bin
  double correct = kAbsent, correct_lo = kAbsent, correct_hi = kAbsent;  ///< share with its interval
};
std::string reliability(const std::string& title, const std::vector<ReliabilityBin>& bins);

/// One run of a history, oldest first.
struct HistoryPoint {
  enum class Mark { kNone, kRegression, kImprovement };
  std::string label;  ///< date or name of the run
  double estimate = kAbsent, lo = kAbsent, hi = kAbsent;
  Mark mark = Mark::kNone;
  std::string note = {};
  bool apart = false;  ///< not comparable with the point before it: line and band are cut there
};
std::string history(const std::string& title, const std::string& axis,
                    const std::vector<HistoryPoint>& points);

/// Rows times columns of values; NaN is an empty cell.
struct HeatMap {
  std::string title, row_title, unit;
  std::vector<std::string> rows, columns;
  std::vector<double> values;           ///< row-major
  double min = kAbsent, max = kAbsent;  ///< of the colours; NaN: of the values
};
std::string heat_map(const HeatMap& map);

/// Risk when only the most confident answers are given, by growing coverage.
struct CoveragePoint {
  double coverage = 0, risk = kAbsent, lo = kAbsent, hi = kAbsent;
  double threshold = kAbsent;  ///< of the confidence
};
struct CoverageSeries {
  std::string label;
  std::vector<CoveragePoint> points;
};
std::string risk_coverage(const std::string& title, const std::vector<CoverageSeries>& series,
                          std::size_t rows_max = 25);

/// One thing measured on two axes, each with its interval.
struct CrossPoint {
  std::string label;
  double x = kAbsent, x_lo = kAbsent, x_hi = kAbsent;
  double y = kAbsent, y_lo = kAbsent, y_hi = kAbsent;
  std::string note = {};  ///< in the table
};
/// What was to change against what must not: a mark with whiskers both ways for every point, guides where
/// nothing changed, one range for both axes. At most kSeriesStyles points are drawn, the table has all.
std::string cross_plot(const std::string& title, const std::string& x_axis, const std::string& y_axis,
                       const std::vector<CrossPoint>& points, const std::string& level = "95 %");

/// Up to `most` indices of 0 .. count-1, evenly spaced, with both ends.
std::vector<std::size_t> evenly(std::size_t count, std::size_t most);

}  // namespace assay::host::html
