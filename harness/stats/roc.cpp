#include "harness/stats/roc.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "harness/stats/proportion.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? kUndefined : static_cast<double>(part) / static_cast<double>(whole);
}

bool between(const RocPoint& a, const RocPoint& b, const RocPoint& c) {
  // Second differences of cumulative counts, written without subtraction of unsigned numbers.
  return a.tp + c.tp == 2 * b.tp && a.fp + c.fp == 2 * b.fp;
}

// Last vertex accepted by FPR <= x or FPR < x; (0,0) always counts for x > 0 or with <=.
std::optional<std::size_t> last_within(const RocCurve& curve, double x, bool inclusive) {
  std::optional<std::size_t> last;
  for (std::size_t i = 0; i < curve.points.size(); ++i) {
    const double fpr = curve.points[i].fpr;
    if (inclusive ? fpr <= x : fpr < x) last = i;
  }
  return last;
}

double interpolated_tpr(const RocCurve& curve, double x) {
  const auto left = last_within(curve, x, true);
  if (!left) return kUndefined;
  const RocPoint& a = curve.points[*left];
  if (a.fpr == x || *left + 1 == curve.points.size()) return a.tpr;
  const RocPoint& b = curve.points[*left + 1];
  return a.tpr + (b.tpr - a.tpr) * (x - a.fpr) / (b.fpr - a.fpr);
}

}  // namespace

RocCurve roc_curve(std::span<const double> positives, std::span<const double> negatives) {
  RocCurve curve;
  curve.positives = positives.size();
  curve.negatives = negatives.size();
  std::vector<std::pair<double, bool>> all;
  all.reserve(positives.size() + negatives.size());
  for (const double score : positives) all.emplace_back(score, true);
  for (const double score : negatives) all.emplace_back(score, false);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  RocPoint point;
  point.threshold = std::numeric_limits<double>::infinity();
  const auto push = [&] {
    point.tpr = ratio(point.tp, curve.positives);
    point.fpr = ratio(point.fp, curve.negatives);
    curve.points.push_back(point);
  };
  push();
  for (std::size_t i = 0; i < all.size(); ++i) {
    (all[i].second ? point.tp : point.fp) += 1;
    if (i + 1 < all.size() && all[i + 1].first == all[i].first) continue;
    point.threshold = all[i].first;
    push();
  }
  return curve;
}

RocCurve drop_intermediate(const RocCurve& full) {
  RocCurve curve;
  curve.positives = full.positives;
  curve.negatives = full.negatives;
  const auto& p = full.points;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const bool inner = i >= 2 && i + 1 < p.size();
    if (inner && between(p[i - 1], p[i], p[i + 1])) continue;
    curve.points.push_back(p[i]);
  }
  return curve;
}

double auroc(const RocCurve& curve) {
  if (!curve.defined()) return kUndefined;
  std::uint64_t twice = 0;  // 2 * #(X > Y) + #(X = Y)
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    const RocPoint& a = curve.points[i - 1];
    const RocPoint& b = curve.points[i];
    twice += (b.fp - a.fp) * (a.tp + b.tp);
  }
  return static_cast<double>(twice) /
         (2.0 * static_cast<double>(curve.positives) * static_cast<double>(curve.negatives));
}

double auroc(std::span<const double> positives, std::span<const double> negatives) {
  return auroc(roc_curve(positives, negatives));
}

TprAtFpr tpr_at_fpr(const RocCurve& curve, double x, TprRule rule) {
  TprAtFpr at;
  if (!curve.defined() || std::isnan(x)) return at;
  at.below_resolution = x * static_cast<double>(curve.negatives) < 1.0;
  if (rule == TprRule::kInterp) {
    at.tpr = interpolated_tpr(curve, x);
    return at;
  }
  std::size_t chosen = 0;
  if (rule == TprRule::kNearest) {
    for (std::size_t i = 1; i < curve.points.size(); ++i) {
      if (std::fabs(curve.points[i].fpr - x) < std::fabs(curve.points[chosen].fpr - x)) chosen = i;
    }
    at.fpr_last = curve.points[chosen].fpr;
  } else {
    const auto last = last_within(curve, x, rule == TprRule::kStrict);
    if (!last) return at;
    chosen = *last;
    at.fpr_last = curve.points[chosen].fpr;
    while (chosen > 0 && curve.points[chosen - 1].tp == curve.points[chosen].tp) --chosen;
  }
  const RocPoint& point = curve.points[chosen];
  at.tpr = point.tpr;
  at.fpr = point.fpr;
  at.threshold = point.threshold;
  at.tp = point.tp;
  return at;
}

Interval tpr_conditional_interval(const TprAtFpr& at, std::uint64_t positives, double conf) {
  constexpr std::string_view kMethod = "tpr_at_fpr.conditional";
  if (std::isnan(at.tpr) || positives == 0) return undefined_interval(kMethod, "a class is missing");
  Interval interval = clopper_pearson(static_cast<double>(at.tp), static_cast<double>(positives), conf);
  interval.method = kMethod;
  return interval;
}

double fpr_at_tpr(const RocCurve& curve, double t) {
  if (!curve.defined()) return kUndefined;
  for (const RocPoint& point : curve.points) {
    if (point.tpr >= t) return point.fpr;
  }
  return kUndefined;
}

std::vector<PrPoint> pr_curve(const RocCurve& curve, bool cut) {
  std::vector<PrPoint> points(1);
  if (curve.positives == 0) return points;
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    const RocPoint& p = curve.points[i];
    points.push_back({p.tpr, ratio(p.tp, p.tp + p.fp)});
    if (cut && p.tp == curve.positives) break;
  }
  return points;
}

double pr_auc(const RocCurve& curve) {
  if (!curve.defined()) return kUndefined;
  const std::vector<PrPoint> points = pr_curve(curve);
  CompensatedSum area;
  for (std::size_t i = 1; i < points.size(); ++i) {
    area.add((points[i].recall - points[i - 1].recall) * (points[i].precision + points[i - 1].precision) *
             0.5);
  }
  return area.value();
}

double average_precision(const RocCurve& curve) {
  if (!curve.defined()) return kUndefined;
  CompensatedSum area;
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    const RocPoint& p = curve.points[i];
    area.add((p.tpr - curve.points[i - 1].tpr) * ratio(p.tp, p.tp + p.fp));
  }
  return area.value();
}

double equal_error_rate(const RocCurve& curve) {
  if (!curve.defined()) return kUndefined;
  const auto gap = [](const RocPoint& p) { return p.fpr - (1.0 - p.tpr); };
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    const RocPoint& a = curve.points[i - 1];
    const RocPoint& b = curve.points[i];
    const double before = gap(a);
    const double after = gap(b);
    if (!(before <= 0.0 && after >= 0.0)) continue;
    if (after == before) return a.fpr;
    return a.fpr + (b.fpr - a.fpr) * (-before / (after - before));
  }
  return kUndefined;
}

BestThreshold best_f1(const RocCurve& curve) {
  BestThreshold best;
  if (!curve.defined()) return best;
  std::uint64_t top = 0;
  std::uint64_t bottom = 1;
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    const RocPoint& p = curve.points[i];
    const std::uint64_t flagged = p.tp + p.fp + curve.positives;
    if (i > 1 && p.tp * bottom <= top * flagged) continue;
    top = p.tp;
    bottom = flagged;
    best.threshold = p.threshold;
  }
  best.value = 2.0 * static_cast<double>(top) / static_cast<double>(bottom);
  return best;
}

BestThreshold youden(const RocCurve& curve) {
  BestThreshold best;
  if (!curve.defined()) return best;
  const auto weight = [&](const RocPoint& p) {
    return static_cast<std::int64_t>(p.tp * curve.negatives) -
           static_cast<std::int64_t>(p.fp * curve.positives);
  };
  const RocPoint* at = &curve.points.front();
  for (const RocPoint& p : curve.points) {
    if (weight(p) > weight(*at)) at = &p;
  }
  best.value = at->tpr - at->fpr;
  best.threshold = at->threshold;
  return best;
}

double best_balanced_accuracy(const RocCurve& curve) {
  return curve.defined() ? 0.5 * (1.0 + youden(curve).value) : kUndefined;
}

std::uint64_t tied_scores(const RocCurve& full) {
  return full.positives + full.negatives - (full.points.size() - 1);
}

}  // namespace assay::stats
