// Quantiles and tails of the normal, Student, beta, binomial and chi-squared distributions.
//
// Boost.Math computes them, in double precision only (no promotion to long double, whose width differs
// between machines) and without exceptions: arguments outside the domain give NaN.
#pragma once

#include <cstdint>

namespace assay::stats {

/// P(Z <= x), standard normal.
double normal_cdf(double x);
/// z with P(Z <= z) = p, 0 < p < 1.
double normal_quantile(double p);
/// The critical value z_{1-alpha/2} of a two-sided interval with level conf = 1 - alpha.
double normal_critical(double conf);
/// 2 P(Z > |z|).
double normal_two_sided(double z);

/// P(T <= t), Student with df > 0 degrees of freedom.
double student_cdf(double t, double df);
/// P(T > t), accurate in the upper tail.
double student_upper(double t, double df);
/// t with P(T <= t) = p.
double student_quantile(double p, double df);
/// The critical value t_{1-alpha/2}(df).
double student_critical(double conf, double df);
/// 2 P(T > |t|).
double student_two_sided(double t, double df);

/// x with I_x(a, b) = p (inverse regularised incomplete beta).
double beta_quantile(double p, double a, double b);
/// P(X <= k), X ~ Binomial(n, prob).
double binomial_cdf(std::int64_t k, std::int64_t n, double prob);
/// P(X = k), X ~ Binomial(n, prob).
double binomial_pmf(std::int64_t k, std::int64_t n, double prob);
/// P(X > x), chi-squared with one degree of freedom.
double chi_squared_1_upper(double x);
/// ln B(a, b).
double log_beta(double a, double b);

}  // namespace assay::stats
