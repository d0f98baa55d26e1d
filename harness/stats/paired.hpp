// Paired comparison of two runs on real-valued scores (specs/statistics.md sections 8 and 9).
//
// d_i = candidate_i - baseline_i; the sign of a difference is never flipped. Undefined numbers are NaN.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "harness/stats/clusters.hpp"
#include "harness/stats/interval.hpp"
#include "harness/stats/mean.hpp"

namespace assay::stats {

/// candidate - baseline, item by item. Spans have equal length.
std::vector<double> differences(std::span<const double> baseline, std::span<const double> candidate);

/// The sum of d in each cluster, in cluster order: the units of a clustered sign-flip test.
std::vector<double> cluster_sums(std::span<const double> d, const Clusters& clusters);

/// A t test of mean difference 0. Constant differences: se 0, interval [d, d]; p = 1 for d = 0, else NaN (use
/// the sign-flip p).
struct PairedTest {
  MeanEstimate difference;  ///< interval method "paired.t" or "paired.cluster_t"
  double t = kUndefined;
  double p = kUndefined;
};
PairedTest paired_t(std::span<const double> d, double conf);
PairedTest paired_cluster_t(std::span<const double> d, const Clusters& clusters, double conf);

/// Equivalence by two one-sided t tests (Schuirmann 1987) within (-margin, margin), margin > 0.
struct Tost {
  double p_lower = kUndefined;  ///< H0: difference <= -margin
  double p_upper = kUndefined;  ///< H0: difference >= margin
  double p = kUndefined;        ///< the larger of the two
  Interval interval;            ///< the 1 - 2 alpha interval
  bool equivalent = false;      ///< p < alpha
  bool non_inferior =
      false;  ///< not worse by the margin or more: p_lower < alpha, or p_upper if lower is better
};
Tost tost_t(const MeanEstimate& difference, double margin, double alpha, bool higher_is_better = true);

/// Two-sided p of a paired bootstrap: min(1, 2 min(1 + #{D* <= 0}, 1 + #{D* >= 0}) / (B + 1)); NaN without
/// replicates.
double paired_bootstrap_p(std::span<const double> replicates);

/// Pearson's correlation of the two runs; NaN for fewer than two items or constant scores.
double correlation(std::span<const double> a, std::span<const double> b);
/// The error that an unpaired test would have had: sqrt(var_a/n + var_b/n).
double unpaired_se(std::span<const double> a, std::span<const double> b);

}  // namespace assay::stats
