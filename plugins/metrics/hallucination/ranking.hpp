// What an uncertainty is worth: ranking of wrong answers, and answering only where it is low
// (hallucination.md 13.2 to 13.4). NaN: undefined. Thread rule: pure functions; they allocate.
#pragma once

#include <span>
#include <utility>
#include <vector>

namespace assay::hallucination {

/// Mann-Whitney probability that a positive has the higher score, ties one half. NaN without both classes.
double auroc(std::span<const double> score, std::span<const char> positive);
/// Area under the precision-recall curve by trapezoids from (recall 0, precision 1). NaN without a positive.
double aupr_trapezoid(std::span<const double> score, std::span<const char> positive);
/// Average precision: sum of recall steps times precision. NaN without a positive.
double average_precision(std::span<const double> score, std::span<const char> positive);

/// Items sorted by uncertainty ascending (stable), with the running means of their quality.
class Selection {
 public:
  /// `quality` in [0, 1], 1 = right.
  Selection(std::span<const double> uncertainty, std::span<const double> quality);

  /// Mean quality of the items whose uncertainty is at most its q-quantile (linear interpolation, ties kept).
  [[nodiscard]] double accuracy_at(double q) const;
  /// Area under accuracy_at over q = 0.1 + 0.9 i/19 (jlko/semantic_uncertainty); a perfect model has 0.947...
  [[nodiscard]] double aurac20() const;
  /// Mean over k of the mean quality of the first k items: the default accuracy-rejection area.
  [[nodiscard]] double auarc() const;
  /// Mean over k of the risk of the first k items.
  [[nodiscard]] double aurc() const;
  /// aurc minus that of the best possible order.
  [[nodiscard]] double eaurc() const;
  /// (coverage, risk) for k = 1..n.
  [[nodiscard]] std::vector<std::pair<double, double>> risk_coverage() const;

  struct Rejection {
    double raw, oracle, random, normalised;
  };
  /// Prediction rejection ratio up to a rejected share r (IINemo/lm-polygraph), with the exact expectation of
  /// a random order.
  [[nodiscard]] Rejection rejection_ratio(double max_rejection) const;

 private:
  std::vector<double> uncertainty_, quality_;  // in order
  std::vector<double> prefix_mean_;
};

}  // namespace assay::hallucination
