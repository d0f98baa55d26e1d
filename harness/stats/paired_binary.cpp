#include "harness/stats/paired_binary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/stats/distributions.hpp"
#include "harness/stats/proportion.hpp"

namespace assay::stats {
namespace {

// Tango's statistic at delta: falls from +inf to -inf as delta grows over [-1, 1].
double tango_statistic(double b, double c, double n, double delta) {
  const double big_a = 2.0 * n;
  const double big_b = -b - c + (2.0 * n - c + b) * delta;
  const double big_c = -b * delta * (1.0 - delta);
  const double root = std::sqrt(std::max(0.0, big_b * big_b - 4.0 * big_a * big_c));
  // Of the two equal forms of the root the one without cancellation.
  const double q = big_b > 0.0 ? -2.0 * big_c / (root + big_b) : (root - big_b) / (2.0 * big_a);
  const double numerator = c - b - n * delta;
  const double variance = n * (2.0 * q + delta * (1.0 - delta));
  if (variance > 0.0) return numerator / std::sqrt(variance);
  if (numerator == 0.0) return 0.0;
  return std::copysign(std::numeric_limits<double>::infinity(), numerator);
}

// Where the statistic passes `level`, between low (statistic above) and high (below).
double tango_root(double b, double c, double n, double level) {
  double low = -1.0;
  double high = 1.0;
  for (int step = 0; step < 200; ++step) {
    const double middle = 0.5 * (low + high);
    if (middle == low || middle == high) break;
    (tango_statistic(b, c, n, middle) > level ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// The correlation of Newcombe's method, with his correction of the numerator by n/2.
double newcombe_phi(double a, double b, double c, double d) {
  const double margins = (a + b) * (c + d) * (a + c) * (b + d);
  if (!(margins > 0.0)) return 0.0;
  const double n = a + b + c + d;
  double numerator = a * d - b * c;
  if (numerator > 0.5 * n) {
    numerator -= 0.5 * n;
  } else if (numerator > 0.0) {
    numerator = 0.0;
  }
  return numerator / (std::sqrt((a + b) * (c + d)) * std::sqrt((a + c) * (b + d)));
}

}  // namespace

FlipTable count_flips(std::span<const double> baseline, std::span<const double> candidate) {
  FlipTable t;
  for (std::size_t i = 0; i < baseline.size() && i < candidate.size(); ++i) {
    const bool before = baseline[i] >= 0.5;
    const bool after = candidate[i] >= 0.5;
    if (before) {
      ++(after ? t.a : t.b);
    } else {
      ++(after ? t.c : t.d);
    }
  }
  return t;
}

double mcnemar_exact(std::uint64_t b, std::uint64_t c) {
  if (b + c == 0) return 1.0;
  return std::min(1.0, 2.0 * binomial_cdf(static_cast<std::int64_t>(std::min(b, c)),
                                          static_cast<std::int64_t>(b + c), 0.5));
}

McNemar mcnemar(std::uint64_t b, std::uint64_t c) {
  McNemar r;
  const std::uint64_t flips = b + c;
  if (flips == 0) {
    r.no_flips = true;
    return r;
  }
  const auto n = static_cast<std::int64_t>(flips);
  const auto k = static_cast<std::int64_t>(std::min(b, c));
  const auto gap = static_cast<double>(std::max(b, c) - std::min(b, c));
  const auto total = static_cast<double>(flips);
  r.p_exact = mcnemar_exact(b, c);
  r.p_mid = b == c ? 1.0 : 2.0 * binomial_cdf(k - 1, n, 0.5) + binomial_pmf(k, n, 0.5);
  r.chi2 = gap * gap / total;
  r.p_chi2 = chi_squared_1_upper(r.chi2);
  const double corrected = std::max(0.0, gap - 1.0);
  r.chi2_cc = corrected * corrected / total;
  r.p_chi2_cc = chi_squared_1_upper(r.chi2_cc);
  return r;
}

Interval tango(std::uint64_t b, std::uint64_t c, std::uint64_t n, double conf) {
  constexpr std::string_view kMethod = "tango";
  if (n == 0) return undefined_interval(kMethod, "no pairs");
  const auto x = static_cast<double>(b);
  const auto y = static_cast<double>(c);
  const auto size = static_cast<double>(n);
  const double z = normal_critical(conf);
  return make_interval(kMethod, tango_root(x, y, size, z), tango_root(x, y, size, -z));
}

Newcombe10 newcombe10(const FlipTable& t, double conf) {
  constexpr std::string_view kMethod = "newcombe10";
  Newcombe10 r;
  if (t.n() == 0) {
    r.interval = undefined_interval(kMethod, "no pairs");
    return r;
  }
  const auto n = static_cast<double>(t.n());
  const auto x1 = static_cast<double>(t.a + t.c);
  const auto x2 = static_cast<double>(t.a + t.b);
  const Interval w1 = wilson(x1, n, conf);
  const Interval w2 = wilson(x2, n, conf);
  r.delta = t.delta();
  r.phi = newcombe_phi(static_cast<double>(t.a), static_cast<double>(t.b), static_cast<double>(t.c),
                       static_cast<double>(t.d));
  const auto distance = [&](double u, double v) {
    return std::sqrt(std::max(0.0, u * u - 2.0 * r.phi * u * v + v * v));
  };
  r.interval = make_interval(kMethod, r.delta - distance(x1 / n - w1.lo, w2.hi - x2 / n),
                             r.delta + distance(w1.hi - x1 / n, x2 / n - w2.lo));
  return r;
}

TostBinary tost_tango(std::uint64_t b, std::uint64_t c, std::uint64_t n, double margin, double alpha,
                      bool higher_is_better) {
  TostBinary r;
  r.interval = tango(b, c, n, 1.0 - 2.0 * alpha);
  r.interval.method = "tost.tango";
  if (!r.interval.defined() || !(margin > 0.0)) return r;
  r.equivalent = r.interval.lo > -margin && r.interval.hi < margin;
  r.non_inferior = higher_is_better ? r.interval.lo > -margin : r.interval.hi < margin;
  return r;
}

}  // namespace assay::stats
