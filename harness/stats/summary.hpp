// Sums, moments and quantiles of a list of finite numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace assay::stats {

/// Sum with Neumaier's compensation (Neumaier 1974): the error does not grow with the number of terms.
double sum(std::span<const double> x);

/// Running form of sum().
class CompensatedSum {
 public:
  void add(double x) {
    const double next = sum_ + x;
    correction_ += std::fabs(sum_) >= std::fabs(x) ? (sum_ - next) + x : (x - next) + sum_;
    sum_ = next;
  }
  [[nodiscard]] double value() const { return sum_ + correction_; }

 private:
  double sum_ = 0.0;
  double correction_ = 0.0;
};

/// Arithmetic mean; NaN for no values.
double mean(std::span<const double> x);

/// Sample variance with divisor n-1, in two passes; NaN for fewer than two values. Exactly 0 for constant
/// data.
double variance(std::span<const double> x);
/// The same with mean(x) at hand.
double variance(std::span<const double> x, double mean);

/// g1 = m3 / m2^{3/2} with divisor n (specs/statistics.md section 16); 0 for constant data, NaN for no
/// values.
double skewness(std::span<const double> x);

/// True when all values are equal (and there is at least one).
bool constant(std::span<const double> x);

/// Quantile of sorted data, type 7 of Hyndman and Fan 1996: h = (n-1) q, linear interpolation. NaN for no
/// values.
double quantile_sorted(std::span<const double> sorted, double q);

/// The same for unsorted data (copies and sorts).
double quantile(std::span<const double> x, double q);

/// The mean of the two middle values; NaN for no values.
double median(std::span<const double> x);
/// The upper middle value (the rule of lm-evaluation-harness); NaN for no values.
double median_high(std::span<const double> x);
/// Median of a scratch buffer, which is reordered. O(n).
double median_in_place(std::span<double> x);

}  // namespace assay::stats
