// Planning: detectable effects and required sample sizes (specs/statistics.md section 11).
#pragma once

#include <cstdint>

namespace assay::stats {

/// Smallest difference found with probability `power`: (z_{1-alpha/2} + z_power) * se.
double minimum_detectable_effect(double se_delta, double alpha, double power);

/// A required number of items: the formula's real value and the next integer. NaN and 0 when delta is 0.
struct RequiredItems {
  double exact = 0.0;
  std::uint64_t items = 0;
};

/// Items for a difference `delta` of two runs with variances var_a, var_b and correlation rho (0 = unpaired
/// with the same number in each run).
RequiredItems required_items(double delta, double var_a, double var_b, double rho, double alpha,
                             double power);

/// The same with K answers per question: per-question variance omega^2 + sigma_a^2/k_a + sigma_b^2/k_b,
/// omega^2 the variance of the question-level difference (Miller 2024, arXiv 2411.00640).
RequiredItems required_items_repeats(double delta, double omega_squared, double sigma_a_squared, double k_a,
                                     double sigma_b_squared, double k_b, double alpha, double power);

/// Items for McNemar's test: `flips` = probability of a discordant pair, |delta| <= flips (Connor 1987).
RequiredItems mcnemar_items(double flips, double delta, double alpha, double power);

}  // namespace assay::stats
