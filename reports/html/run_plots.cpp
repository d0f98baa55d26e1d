// Curves from the per-item values: ROC for scores that rank, reliability and risk-coverage for metrics that
// keep a confidence and whether it was right.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>

#include "assay/plugin.h"
#include "harness/stats/proportion.hpp"
#include "harness/stats/roc.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/plots.hpp"
#include "reports/html/run_parts.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kBins = 10;
constexpr double kConfidence = 0.95, kSameArea = 1e-9;

struct Ranked {
  std::vector<double> positives, negatives;
};

// The values of one column by label: an item is the mean of its repeats, as in the aggregate.
Ranked ranked(const MetricTable& table, std::size_t column, bool pooled, const std::string& variant) {
  Ranked out;
  const std::size_t width = table.columns.size();
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::array<double, 3>> units;  // sum, count, label
  for (std::size_t i = 0; i < table.labels.size(); ++i) {
    const double value = table.numbers[i * width + column];
    if (!pooled && table.variant_names[table.variants[i]] != variant) continue;
    if (!std::isfinite(value) || table.labels[i] < 0) continue;
    auto& unit = units[{table.items[i], table.variants[i]}];
    unit[0] += value;
    unit[1] += 1;
    unit[2] = table.labels[i] > 0 ? 1 : 0;
  }
  for (const auto& [key, unit] : units)
    (unit[2] > 0 ? out.positives : out.negatives).push_back(unit[0] / unit[1]);
  return out;
}

// The curve of one score, or nothing when it does not have the area that was recorded.
std::optional<RocSeries> series_of(const MetricTable& table, std::size_t column, bool pooled,
                                   const AggregateLine& line, const std::string& label) {
  const Ranked values = ranked(table, column, pooled, line.row.variant);
  const stats::RocCurve curve = stats::roc_curve(values.positives, values.negatives);
  if (!curve.defined() || !(std::abs(stats::auroc(curve) - line.row.estimate) <= kSameArea))
    return std::nullopt;
  RocSeries series;
  series.label = label;
  series.auroc = line.row.estimate, series.lo = line.row.lo, series.hi = line.row.hi;
  series.positives = static_cast<std::int64_t>(curve.positives);
  series.negatives = static_cast<std::int64_t>(curve.negatives);
  for (const stats::RocPoint& point : stats::drop_intermediate(curve).points)
    series.vertices.push_back({point.threshold, point.fpr, point.tpr});
  return series;
}

std::size_t column_named(const MetricTable& table, const std::string& name) {
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (table.values[table.columns[c]].name == name) return c;
  }
  return table.columns.size();
}

struct Answered {
  std::vector<double> confidence, correct;  ///< in [0, 1]
};

std::optional<Answered> answered(const MetricTable& table) {
  const std::size_t width = table.columns.size();
  const std::size_t sure = column_named(table, "confidence"), right = column_named(table, "correct");
  if (sure == width || right == width) return std::nullopt;
  Answered out;
  for (std::size_t i = 0; i < table.labels.size(); ++i) {
    const double c = table.numbers[i * width + sure], y = table.numbers[i * width + right];
    if (!(c >= 0 && c <= 1) || !(y == 0 || y == 1)) continue;
    out.confidence.push_back(c);
    out.correct.push_back(y);
  }
  if (out.confidence.empty()) return std::nullopt;
  return out;
}

std::vector<ReliabilityBin> bins_of(const Answered& answers) {
  std::vector<ReliabilityBin> bins(kBins);
  std::vector<double> sure(kBins), right(kBins);
  for (std::size_t b = 0; b < kBins; ++b) {
    bins[b].lo = static_cast<double>(b) / kBins;
    bins[b].hi = static_cast<double>(b + 1) / kBins;
  }
  for (std::size_t i = 0; i < answers.confidence.size(); ++i) {
    std::size_t b = 0;
    while (b + 1 < kBins && answers.confidence[i] > bins[b].hi) ++b;
    bins[b].n += 1;
    sure[b] += answers.confidence[i];
    right[b] += answers.correct[i];
  }
  for (std::size_t b = 0; b < kBins; ++b) {
    if (bins[b].n == 0) continue;
    const auto n = static_cast<double>(bins[b].n);
    bins[b].confidence = sure[b] / n;
    bins[b].correct = right[b] / n;
    const stats::Interval interval = stats::wilson(right[b], n, kConfidence);
    bins[b].correct_lo = interval.lo, bins[b].correct_hi = interval.hi;
  }
  return bins;
}

// One point a distinct confidence: answers of equal confidence are given together or not at all.
std::vector<CoveragePoint> coverage_of(const Answered& answers) {
  std::vector<std::size_t> order(answers.confidence.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return answers.confidence[a] > answers.confidence[b];
  });
  std::vector<CoveragePoint> points;
  double wrong = 0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    wrong += 1 - answers.correct[order[k]];
    if (k + 1 < order.size() && answers.confidence[order[k + 1]] == answers.confidence[order[k]]) continue;
    const auto given = static_cast<double>(k + 1);
    const stats::Interval interval = stats::wilson(wrong, given, kConfidence);
    points.push_back({given / static_cast<double>(order.size()), wrong / given, interval.lo, interval.hi,
                      answers.confidence[order[k]]});
  }
  return points;
}

class Curves {
 public:
  Curves(Reader& reader, const RunData& data, const RecipeRow& recipe, Bounded& out)
      : reader_(reader), data_(data), recipe_(recipe), out_(out), lines_(arranged(data, recipe)) {}

  Result<void> add(const MetricRow& metric) {
    const bool ranks = std::any_of(lines_.begin(), lines_.end(), [&](const AggregateLine* line) {
      return line->metric == metric.name && wanted(*line);
    });
    Result<bool> kept = keeps_confidence(metric);
    if (!kept) return std::move(kept).error();
    if (!ranks && !*kept) return {};
    std::vector<RocSeries> series;
    std::size_t other_area = 0, further = 0;
    for (const EvaluationRow& evaluation : data_.evaluations) {
      if (evaluation.recipe != recipe_.id || evaluation.results() == 0) continue;
      Result<MetricTable> table = reader_.metric_table(evaluation.id, metric.id);
      if (!table) return std::move(table).error();
      for (const AggregateLine* line : lines_) {
        if (line->metric != metric.name || line->row.evaluation != evaluation.id || !wanted(*line)) continue;
        if (series.size() == kSeriesStyles) {
          ++further;
          continue;
        }
        const std::size_t column = column_named(*table, line->value);
        if (column == table->columns.size()) continue;
        std::optional<RocSeries> one =
            series_of(*table, column, metric.pool_variants, *line, label_of(*line, evaluation));
        if (one)
          series.push_back(*std::move(one));
        else
          ++other_area;
      }
      if (*kept) confidence(metric, evaluation, *table);
    }
    out_.add(series.empty() ? note(other_area) : titled_roc(metric, series, further, other_area));
    return {};
  }

 private:
  static bool wanted(const AggregateLine& line) {
    return line.rule == ASSAY_RULE_AUROC && line.headline && !line.baseline && !companion(line) &&
           std::isfinite(line.row.estimate);
  }

  Result<bool> keeps_confidence(const MetricRow& metric) {
    Result<std::vector<ValueRow>> values = reader_.values(metric.id);
    if (!values) return std::move(values).error();
    bool sure = false, right = false;
    for (const ValueRow& value : *values) {
      sure = sure || (value.name == "confidence" && value.rule != ASSAY_RULE_CUSTOM);
      right = right || (value.name == "correct" && value.rule != ASSAY_RULE_CUSTOM);
    }
    return sure && right;
  }

  [[nodiscard]] std::string label_of(const AggregateLine& line, const EvaluationRow& evaluation) const {
    const std::string model = data_.model_name(evaluation);
    return line.row.variant.empty() ? model : model + ", " + line.row.variant;
  }

  [[nodiscard]] std::string titled_roc(const MetricRow& metric, const std::vector<RocSeries>& series,
                                       std::size_t further, std::size_t other_area) const {
    std::string title = recipe_.name + ": ROC of " + metric.name;
    if (further != 0)
      title += fmt::format(" (the first {} of {} curves)", series.size(), series.size() + further);
    return roc(title, series) + note(other_area);
  }

  static std::string note(std::size_t other_area) {
    if (other_area == 0) return {};
    return fmt::format(
        "<p class=\"soft\">{} not drawn: the values in the database do not give the recorded area.</p>\n",
        other_area == 1 ? std::string("1 curve is") : fmt::format("{} curves are", other_area));
  }

  void confidence(const MetricRow& metric, const EvaluationRow& evaluation, const MetricTable& table) {
    const std::optional<Answered> answers = answered(table);
    if (!answers) return;
    const std::string of = recipe_.name + ", " + data_.model_name(evaluation) + ": " + metric.name;
    const std::string first = reliability("Reliability of " + of, bins_of(*answers));
    const std::string second =
        risk_coverage("Risk and coverage of " + of, {{data_.model_name(evaluation), coverage_of(*answers)}});
    out_.add(
        "<div class=\"plots\">" + first + second +
        "</div>\n<p class=\"soft\">Ten bins of equal width; the bins of a calibration error may be others. "
        "Intervals are Wilson's at 95 %, answers taken as independent.</p>\n");
  }

  Reader& reader_;
  const RunData& data_;
  const RecipeRow& recipe_;
  Bounded& out_;
  std::vector<const AggregateLine*> lines_;
};

}  // namespace

Result<void> curve_plots(Reader& reader, const RunData& data, const RecipeRow& recipe, Bounded& out) {
  Result<std::vector<MetricRow>> metrics = reader.metrics(recipe.id);
  if (!metrics) return std::move(metrics).error();
  Curves curves(reader, data, recipe, out);
  for (const MetricRow& metric : *metrics) {
    if (Result<void> done = curves.add(metric); !done) return done;
  }
  return {};
}

}  // namespace assay::host::html
