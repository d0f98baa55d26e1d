#include "harness/stats/distributions.hpp"

#include <cmath>
#include <limits>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>

namespace assay::stats {
namespace {

namespace bm = boost::math;
using Policy = bm::policies::policy<bm::policies::domain_error<bm::policies::ignore_error>,
                                    bm::policies::pole_error<bm::policies::ignore_error>,
                                    bm::policies::overflow_error<bm::policies::ignore_error>,
                                    bm::policies::evaluation_error<bm::policies::ignore_error>,
                                    bm::policies::rounding_error<bm::policies::ignore_error>,
                                    bm::policies::promote_double<false>, bm::policies::promote_float<false>>;
using Normal = bm::normal_distribution<double, Policy>;
using Student = bm::students_t_distribution<double, Policy>;
using Binomial = bm::binomial_distribution<double, Policy>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kSqrtHalf = 0.70710678118654752440;

}  // namespace

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x * kSqrtHalf);
}

double normal_quantile(double p) {
  if (!(p >= 0.0 && p <= 1.0)) return kNaN;
  if (p == 0.0) return -std::numeric_limits<double>::infinity();
  if (p == 1.0) return std::numeric_limits<double>::infinity();
  return bm::quantile(Normal(), p);
}

double normal_critical(double conf) {
  return normal_quantile(0.5 + 0.5 * conf);
}

double normal_two_sided(double z) {
  return std::erfc(std::fabs(z) * kSqrtHalf);
}

double student_cdf(double t, double df) {
  return student_upper(-t, df);
}

double student_upper(double t, double df) {
  if (std::isnan(t) || !(df > 0.0)) return kNaN;
  if (std::isinf(t)) return t > 0 ? 0.0 : 1.0;
  return bm::cdf(bm::complement(Student(df), t));
}

double student_quantile(double p, double df) {
  if (!(p > 0.0 && p < 1.0) || !(df > 0.0)) return kNaN;
  return bm::quantile(Student(df), p);
}

double student_critical(double conf, double df) {
  // The complement keeps the digits of a small alpha.
  const double tail = 0.5 * (1.0 - conf);
  if (!(tail > 0.0 && tail < 1.0) || !(df > 0.0)) return kNaN;
  return bm::quantile(bm::complement(Student(df), tail));
}

double student_two_sided(double t, double df) {
  return 2.0 * student_upper(std::fabs(t), df);
}

double beta_quantile(double p, double a, double b) {
  if (!(p >= 0.0 && p <= 1.0) || !(a > 0.0) || !(b > 0.0)) return kNaN;
  return bm::ibeta_inv(a, b, p, Policy());
}

double binomial_cdf(std::int64_t k, std::int64_t n, double prob) {
  if (n < 0 || !(prob >= 0.0 && prob <= 1.0)) return kNaN;
  if (k < 0) return 0.0;
  if (k >= n) return 1.0;
  return bm::cdf(Binomial(static_cast<double>(n), prob), static_cast<double>(k));
}

double binomial_pmf(std::int64_t k, std::int64_t n, double prob) {
  if (n < 0 || !(prob >= 0.0 && prob <= 1.0)) return kNaN;
  if (k < 0 || k > n) return 0.0;
  return bm::pdf(Binomial(static_cast<double>(n), prob), static_cast<double>(k));
}

double chi_squared_1_upper(double x) {
  return x <= 0.0 ? 1.0 : std::erfc(std::sqrt(0.5 * x));
}

double log_beta(double a, double b) {
  return bm::lgamma(a, Policy()) + bm::lgamma(b, Policy()) - bm::lgamma(a + b, Policy());
}

}  // namespace assay::stats
