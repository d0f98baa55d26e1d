#include "harness/stats/proportion.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/distributions.hpp"

namespace assay::stats {
namespace {

constexpr std::string_view kNoItems = "no items";

Interval wilson_limits(std::string_view method, double p, double n, double conf) {
  if (!(n > 0.0)) return undefined_interval(method, kNoItems);
  const double z = normal_critical(conf);
  const double z2n = z * z / n;
  const double centre = (p + 0.5 * z2n) / (1.0 + z2n);
  const double half = z * std::sqrt(p * (1.0 - p) / n + z2n / (4.0 * n)) / (1.0 + z2n);
  return make_interval(method, p <= 0.0 ? 0.0 : std::max(0.0, centre - half),
                       p >= 1.0 ? 1.0 : std::min(1.0, centre + half));
}

Interval beta_interval(std::string_view method, double a, double b, double conf) {
  const double alpha = 1.0 - conf;
  return make_interval(method, beta_quantile(0.5 * alpha, a, b), beta_quantile(1.0 - 0.5 * alpha, a, b));
}

}  // namespace

double proportion_se(double x, double n) {
  if (!(n >= 2.0)) return kUndefined;
  const double p = x / n;
  return std::sqrt(p * (1.0 - p) / (n - 1.0));
}

Interval wilson(double x, double n, double conf) {
  if (!(n > 0.0)) return undefined_interval("wilson", kNoItems);
  return wilson_limits("wilson", x / n, n, conf);
}

Interval clopper_pearson(double x, double n, double conf) {
  constexpr std::string_view kMethod = "clopper_pearson";
  if (!(n > 0.0)) return undefined_interval(kMethod, kNoItems);
  const double alpha = 1.0 - conf;
  return make_interval(kMethod, x <= 0.0 ? 0.0 : beta_quantile(0.5 * alpha, x, n - x + 1.0),
                       x >= n ? 1.0 : beta_quantile(1.0 - 0.5 * alpha, x + 1.0, n - x));
}

Interval beta11(double x, double n, double conf) {
  if (!(n > 0.0)) return undefined_interval("beta11", kNoItems);
  return beta_interval("beta11", x + 1.0, n - x + 1.0, conf);
}

Interval jeffreys(double x, double n, double conf) {
  if (!(n > 0.0)) return undefined_interval("jeffreys", kNoItems);
  Interval interval = beta_interval("jeffreys", x + 0.5, n - x + 0.5, conf);
  if (x <= 0.0) interval.lo = 0.0;
  if (x >= n) interval.hi = 1.0;
  return interval;
}

Interval wilson_neff(double p, double n, double deff, double conf) {
  return wilson_limits("wilson_neff", p, n / std::max(1.0, deff), conf);
}

Interval newcombe_difference(double x1, double n1, double x2, double n2, double conf) {
  constexpr std::string_view kMethod = "newcombe";
  if (!(n1 > 0.0) || !(n2 > 0.0)) return undefined_interval(kMethod, kNoItems);
  const double p1 = x1 / n1;
  const double p2 = x2 / n2;
  const Interval w1 = wilson(x1, n1, conf);
  const Interval w2 = wilson(x2, n2, conf);
  const double d = p1 - p2;
  return make_interval(kMethod, d - std::hypot(p1 - w1.lo, w2.hi - p2),
                       d + std::hypot(w1.hi - p1, p2 - w2.lo));
}

}  // namespace assay::stats
