// The exact two-sample Kolmogorov-Smirnov test, as forget quality needs it (unlearning.md section 6).
//
// The statistic is an integer, so that no rounding decides the p-value: with n and m values, g = gcd(n, m)
// and L = n*m/g, the distance of the right-continuous distribution functions is D = h/L. Ties in the data are
// ignored by the null distribution (all interleavings equally likely), as in scipy. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace assay::unlearning {

/// The distance of two samples.
struct KsStatistic {
  std::int64_t n = 0, m = 0;  ///< sizes
  std::int64_t h = 0;         ///< D * lcm(n, m)
  std::int64_t lcm = 1;
  [[nodiscard]] double d() const { return static_cast<double>(h) / static_cast<double>(lcm); }
};

/// Two-sided p-value P(D >= h / lcm). `p` may underflow to 0; `log10_p` does not.
struct KsP {
  double p = 1.0;
  double log10_p = 0.0;
  bool asymptotic = false;  ///< a sample of more than kKsExactMax values: Kolmogorov's limit law was used
};

inline constexpr std::int64_t kKsExactMax = 10000;

/// Distance of two samples, each in ascending order. No value if a sample is empty or holds NaN (which an
/// ascending order has at its end).
std::optional<KsStatistic> ks_statistic(std::span<const double> sorted_a, std::span<const double> sorted_b);

/// p-value of a statistic. Precondition: n, m >= 1 and 0 <= h <= lcm.
KsP ks_p_value(const KsStatistic& statistic);
/// The same by the recursion over all paths, for any n and m up to kKsExactMax; ks_p_value() uses the closed
/// alternating sum when n = m.
KsP ks_p_value_by_paths(const KsStatistic& statistic);

}  // namespace assay::unlearning
