// Means with Student intervals, plain and clustered (specs/statistics.md section 5).
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "harness/stats/clusters.hpp"
#include "harness/stats/interval.hpp"

namespace assay::stats {

/// A mean with its standard error. `mean` is NaN only for n = 0; `se` is NaN when undefined.
struct MeanEstimate {
  std::size_t n = 0;
  double mean = kUndefined;
  double sd = kUndefined;              ///< divisor n-1; NaN for n < 2
  double se = kUndefined;              ///< the standard error that the interval uses
  double df = kUndefined;              ///< n-1, or C-1 with clusters
  Interval interval;                   ///< "mean.t" or "mean.cluster_t"
  std::size_t clusters = 0;            ///< C; 0 without clusters
  double se_uncorrected = kUndefined;  ///< variant `miller` (Miller 2024, arXiv 2411.00640), without C/(C-1)
  double se_iid = kUndefined;          ///< sd / sqrt(n)
  std::optional<double> deff;          ///< (se / se_iid)^2; nothing when se_iid = 0 or se is undefined
};

/// m +- t(n-1) s/sqrt(n). n = 1: mean only. Constant data: [m, m], flagged degenerate.
MeanEstimate mean_t(std::span<const double> x, double conf);

/// Cluster-robust error with the correction C/(C-1) (variant `cr1`) and t(C-1); the order of items does not
/// matter beyond rounding. C = 1: se undefined. Requires clusters.items() == x.size().
MeanEstimate mean_cluster_t(std::span<const double> x, const Clusters& clusters, double conf);

}  // namespace assay::stats
