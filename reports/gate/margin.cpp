// How surely a difference keeps within a margin, as a p-value that a family can adjust.
#include <algorithm>
#include <cmath>

#include "harness/stats/distributions.hpp"
#include "harness/stats/paired.hpp"
#include "reports/gate/gate.hpp"

namespace assay::host {
namespace {

// The smallest p at which the lower Tango limit of level 1 - 2p lies above `bound`: stats::tango turned
// round, so that p < alpha says the same as its interval.
double tango_above(std::uint64_t b, std::uint64_t c, std::uint64_t n, double bound) {
  constexpr double kSmallest = 1e-12;  // beyond it 1 - 2p has no digits left
  const double delta = (static_cast<double>(c) - static_cast<double>(b)) / static_cast<double>(n);
  if (delta <= bound) return delta == bound ? 0.5 : 1 - tango_above(c, b, n, -bound);
  if (bound <= -1) return 0;  // no difference of proportions lies there
  double low = std::log(kSmallest), high = std::log(0.5);
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    const bool above = stats::tango(b, c, n, 1 - 2 * std::exp(middle)).lo > bound;
    (above ? high : low) = middle;
  }
  return std::exp(high);
}

}  // namespace

MarginTest margin_test(const stats::Difference& d, double margin) {
  MarginTest out;
  if (!d.delta || !(margin > 0)) return out;
  const std::size_t units = d.clusters > 0 ? d.clusters : d.n;
  if (d.flips && d.clusters == 0) {
    if (d.flips->n() == 0) return out;
    out.method = "tost.tango";
    out.not_below = tango_above(d.flips->b, d.flips->c, d.flips->n(), -margin);
    out.not_above = tango_above(d.flips->c, d.flips->b, d.flips->n(), -margin);
    return out;
  }
  if (!d.se || units < 2) return out;
  if (d.method == "paired.t" || d.method == "paired.cluster_t" || *d.se == 0) {
    stats::MeanEstimate mean;
    mean.n = d.n;
    mean.mean = *d.delta;
    mean.se = *d.se;
    mean.df = static_cast<double>(units - 1);
    const stats::Tost tost = stats::tost_t(mean, margin, 0.05);
    out.method = "tost.t";
    out.not_below = tost.p_lower;
    out.not_above = tost.p_upper;
    return out;
  }
  out.method = "tost.normal";
  out.not_below = stats::normal_cdf(-(*d.delta + margin) / *d.se);
  out.not_above = stats::normal_cdf((*d.delta - margin) / *d.se);
  return out;
}

}  // namespace assay::host
