#include "harness/stats/sequential.hpp"

#include <cmath>

#include "harness/stats/distributions.hpp"

namespace assay::stats {

double log_e_mcnemar(std::uint64_t b, std::uint64_t c, double a0) {
  const auto x = static_cast<double>(b);
  const auto y = static_cast<double>(c);
  return log_beta(x + a0, y + a0) - log_beta(a0, a0) + (x + y) * std::log(2.0);
}

}  // namespace assay::stats
