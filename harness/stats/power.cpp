#include "harness/stats/power.hpp"

#include <cmath>

#include "harness/stats/distributions.hpp"
#include "harness/stats/interval.hpp"

namespace assay::stats {
namespace {

RequiredItems round_up(double exact) {
  RequiredItems r;
  r.exact = std::isfinite(exact) ? exact : kUndefined;
  if (std::isfinite(exact) && exact < 1e18) r.items = static_cast<std::uint64_t>(std::ceil(exact));
  return r;
}

}  // namespace

double minimum_detectable_effect(double se_delta, double alpha, double power) {
  return (normal_critical(1.0 - alpha) + normal_quantile(power)) * se_delta;
}

RequiredItems required_items(double delta, double var_a, double var_b, double rho, double alpha,
                             double power) {
  const double z = normal_critical(1.0 - alpha) + normal_quantile(power);
  const double variance = var_a + var_b - 2.0 * rho * std::sqrt(var_a) * std::sqrt(var_b);
  return round_up(z * z * variance / (delta * delta));
}

RequiredItems required_items_repeats(double delta, double omega_squared, double sigma_a_squared, double k_a,
                                     double sigma_b_squared, double k_b, double alpha, double power) {
  const double z = normal_critical(1.0 - alpha) + normal_quantile(power);
  const double variance = omega_squared + sigma_a_squared / k_a + sigma_b_squared / k_b;
  return round_up(z * z * variance / (delta * delta));
}

RequiredItems mcnemar_items(double flips, double delta, double alpha, double power) {
  const double root = normal_critical(1.0 - alpha) * std::sqrt(flips) +
                      normal_quantile(power) * std::sqrt(flips - delta * delta);
  return round_up(root * root / (delta * delta));
}

}  // namespace assay::stats
