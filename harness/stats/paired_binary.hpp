// Paired comparison of 0/1 scores (specs/statistics.md sections 8 and 9).
//
// Cells: a = both right, b = baseline right and candidate wrong, c = baseline wrong and candidate right, d =
// both wrong. Delta = (c - b)/n.
#pragma once

#include <cstdint>
#include <span>

#include "harness/stats/interval.hpp"

namespace assay::stats {

/// The four counts of a paired binary comparison.
struct FlipTable {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t c = 0;
  std::uint64_t d = 0;

  [[nodiscard]] std::uint64_t n() const { return a + b + c + d; }
  [[nodiscard]] std::uint64_t flips() const { return b + c; }
  /// (b + c)/n; NaN for n = 0.
  [[nodiscard]] double churn() const {
    return n() == 0 ? kUndefined : static_cast<double>(flips()) / static_cast<double>(n());
  }
  /// (c - b)/n; NaN for n = 0.
  [[nodiscard]] double delta() const {
    return n() == 0 ? kUndefined
                    : (static_cast<double>(c) - static_cast<double>(b)) / static_cast<double>(n());
  }
};
/// Counts of 0/1 scores; a value of at least 1/2 is right. Spans have equal length.
FlipTable count_flips(std::span<const double> baseline, std::span<const double> candidate);

/// McNemar's test of equal flip rates. Without flips every p is 1 (`no_flips`) and the statistics are NaN.
struct McNemar {
  double p_exact = 1.0;      ///< min(1, 2 P(X <= min(b,c))), X ~ Binomial(b+c, 1/2): the default
  double p_mid = 1.0;        ///< mid-p (Fagerland, Lydersen, Laake 2013)
  double chi2 = kUndefined;  ///< (b-c)^2/(b+c), one degree of freedom
  double p_chi2 = 1.0;
  double chi2_cc = kUndefined;  ///< with continuity correction
  double p_chi2_cc = 1.0;
  bool no_flips = false;
};
McNemar mcnemar(std::uint64_t b, std::uint64_t c);
/// McNemar::p_exact alone.
double mcnemar_exact(std::uint64_t b, std::uint64_t c);

/// Tango 1998: score interval of (c - b)/n by bisection of its monotone statistic. n = 0: undefined.
Interval tango(std::uint64_t b, std::uint64_t c, std::uint64_t n, double conf);

/// Newcombe 1998, method 10, with his adjusted correlation.
struct Newcombe10 {
  double delta = kUndefined;
  double phi = kUndefined;
  Interval interval;
};
Newcombe10 newcombe10(const FlipTable& table, double conf);

/// Equivalence of binary scores: the 1 - 2 alpha Tango interval against (-margin, margin).
struct TostBinary {
  Interval interval;
  bool equivalent = false;    ///< inside the margins
  bool non_inferior = false;  ///< lower limit > -margin (upper limit < margin if lower is better)
};
TostBinary tost_tango(std::uint64_t b, std::uint64_t c, std::uint64_t n, double margin, double alpha,
                      bool higher_is_better = true);

}  // namespace assay::stats
