// ROC and precision-recall curves and what is read from them.
//
// Rules: specs/statistics.md section 7, specs/mia.md section 7, specs/detection.md section 7. Higher score =
// more positive. Scores must be finite; callers count missing ones. Everything is decided on integer counts
// or on the ratios tp/P and fp/N in double precision. One class missing: the results are NaN or "undefined".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/stats/interval.hpp"

namespace assay::stats {

/// A vertex: the rule "score >= threshold" flags tp positives and fp negatives. The first vertex flags
/// nothing and has an infinite threshold (shown as null).
struct RocPoint {
  double threshold = kUndefined;
  std::uint64_t tp = 0;
  std::uint64_t fp = 0;
  double tpr = 0.0;
  double fpr = 0.0;
};

/// Vertices by descending threshold, (0,0) first; one per distinct score.
struct RocCurve {
  std::vector<RocPoint> points;
  std::uint64_t positives = 0;
  std::uint64_t negatives = 0;

  /// Both classes are present, so that rates exist.
  [[nodiscard]] bool defined() const { return positives > 0 && negatives > 0; }
};

/// The full curve. O(n log n). Rates of an absent class are NaN.
RocCurve roc_curve(std::span<const double> positives, std::span<const double> negatives);

/// The curve without inner points where the second differences of both counts vanish (scikit-learn's
/// drop_intermediate, on the list without (0,0)). Variant suffix `.dropped`.
RocCurve drop_intermediate(const RocCurve& full);

/// P(X > Y) + P(X = Y)/2 by counting, exact up to one rounding; NaN when a class is missing.
double auroc(std::span<const double> positives, std::span<const double> negatives);
/// The same number from a curve (trapezoid on integer counts).
double auroc(const RocCurve& curve);

/// Conventions for "TPR at FPR x"; the printed name belongs to the number.
enum class TprRule {
  kStrict,   ///< "strict": largest TPR among points with FPR <= x (default)
  kLt,       ///< "lt": the same with FPR < x
  kInterp,   ///< "interp": linear along the curve
  kNearest,  ///< "nearest": the first point minimising |FPR - x|
};

/// A TPR at a requested FPR.
struct TprAtFpr {
  double tpr = kUndefined;        ///< NaN: undefined (a class is missing, or `lt` at x = 0)
  double fpr = kUndefined;        ///< smallest FPR with that TPR; NaN for `interp`
  double fpr_last = kUndefined;   ///< FPR of the last point the rule accepts (the golden files' convention)
  double threshold = kUndefined;  ///< threshold at `fpr`; infinite when nothing is flagged
  std::uint64_t tp = 0;           ///< positives above the threshold
  bool below_resolution = false;  ///< x < 1/N: only FPR 0 is reachable
};
TprAtFpr tpr_at_fpr(const RocCurve& curve, double x, TprRule rule = TprRule::kStrict);

/// Clopper-Pearson limits of a TPR with the threshold taken as fixed ("tpr_at_fpr.conditional").
Interval tpr_conditional_interval(const TprAtFpr& at, std::uint64_t positives, double conf);

/// FPR of the first point with TPR >= t (FPR at 95 % TPR with t = 0.95).
double fpr_at_tpr(const RocCurve& curve, double t);

/// A point of the precision-recall curve.
struct PrPoint {
  double recall = 0.0;
  double precision = 1.0;
};
/// Points by descending threshold, starting with (recall 0, precision 1). `cut` drops the points after the
/// first one with recall 1, as older scikit-learn did; this changes the length and not the area.
std::vector<PrPoint> pr_curve(const RocCurve& curve, bool cut = false);
/// Area under the precision-recall curve by trapezoids (variant `trapezoid`).
double pr_auc(const RocCurve& curve);
/// Average precision: sum of (recall step) * precision, without interpolation.
double average_precision(const RocCurve& curve);

/// Equal error rate: FPR where FPR - (1 - TPR) goes through 0 on the first segment that does, interpolated.
double equal_error_rate(const RocCurve& curve);

/// A maximum with its threshold (the highest one that attains it).
struct BestThreshold {
  double value = kUndefined;
  double threshold = kUndefined;
};
/// Largest F1 = 2tp/(tp+fp+P) over thresholds that are scores.
BestThreshold best_f1(const RocCurve& curve);
/// Largest TPR - FPR, "nothing flagged" (infinite threshold) included.
BestThreshold youden(const RocCurve& curve);
/// Largest (1 + TPR - FPR)/2: optimistic, because the threshold is chosen on the same data.
double best_balanced_accuracy(const RocCurve& curve);

/// P + N minus the number of distinct scores.
std::uint64_t tied_scores(const RocCurve& full);

}  // namespace assay::stats
