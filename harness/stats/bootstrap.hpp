// The bootstrap of one-sample statistics: percentile and BCa intervals (specs/statistics.md section 6).
//
// Efron and Tibshirani 1993, chapters 13 and 14. Replicate b draws unit random_index(seed, stream, b, i,
// units) as its i-th draw; units are items, or whole clusters numbered by first appearance. Replicates are
// kept in order of b.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/stats/clusters.hpp"
#include "harness/stats/interval.hpp"
#include "harness/stats/random.hpp"

namespace assay::stats {

/// Smallest number of replicates that a caller may ask for in a report.
inline constexpr std::uint32_t kMinReplicates = 200;
/// More dropped replicates than this share make the interval undefined.
inline constexpr double kMaxDroppedShare = 0.01;

/// Whether an interval and a p can come from so many defined replicates of those asked for.
[[nodiscard]] inline bool enough_replicates(std::size_t defined, std::size_t requested) {
  return defined >= 2 &&
         static_cast<double>(requested - defined) <= kMaxDroppedShare * static_cast<double>(requested);
}

/// How to resample.
struct BootstrapPlan {
  std::uint64_t seed = 0;
  std::uint32_t stream = kStreamBootstrap;
  std::uint32_t replicates = 2000;  ///< B
  double conf = 0.95;
};

/// Statistics with a fast path.
enum class Statistic {
  kMean,
  kMedian,   ///< mean of the two middle values
  kExpMean,  ///< exp(mean): perplexity of negative log-likelihoods
};

/// What a bootstrap gives. `se` is the standard deviation of the replicates (divisor B-1), not divided again.
struct BootstrapResult {
  double estimate = kUndefined;
  double se = kUndefined;
  Interval percentile;               ///< "bootstrap.percentile"
  Interval bca;                      ///< "bootstrap.bca"; falls back to percentile limits, see bca_fallback
  bool bca_fallback = false;         ///< bca holds percentile limits, because BCa does not exist here
  double z0 = kUndefined;            ///< bias correction
  double acceleration = kUndefined;  ///< from leave-one-unit-out values
  std::vector<double> replicates;    ///< defined replicates, in order of b
  std::uint32_t dropped = 0;         ///< replicates on which the statistic was undefined
};

/// Intervals from replicates (NaN = undefined on that resample) and leave-one-unit-out values (empty: no
/// BCa).
BootstrapResult summarize_replicates(double estimate, std::vector<double> replicates,
                                     std::span<const double> leave_one_out, double conf);

/// The same in place of BCa: percentile limits at alpha/2 and 1 - alpha/2 only.
inline BootstrapResult summarize_replicates(double estimate, std::vector<double> replicates, double conf) {
  return summarize_replicates(estimate, std::move(replicates), {}, conf);
}

/// Bootstrap of a statistic over items. O(B n).
BootstrapResult bootstrap(std::span<const double> x, Statistic statistic, const BootstrapPlan& plan);
/// Bootstrap over whole clusters; a resample pools all members of the drawn clusters.
BootstrapResult bootstrap(std::span<const double> x, const Clusters& clusters, Statistic statistic,
                          const BootstrapPlan& plan);
/// Bootstrap of sum(numerator) / sum(denominator) over clusters (singletons() for items). A resample with
/// denominator 0 is dropped.
BootstrapResult bootstrap_ratio(std::span<const double> numerator, std::span<const double> denominator,
                                const Clusters& clusters, const BootstrapPlan& plan);

/// The replicates behind bootstrap_ratio(), in order of b, NaN where a resample has denominator 0: two runs
/// with the same plan are paired replicate by replicate.
std::vector<double> ratio_replicates(std::span<const double> numerator, std::span<const double> denominator,
                                     const Clusters& clusters, const BootstrapPlan& plan);

/// The sum of values[i] over picks, by blocks, so that the rounding error stays small.
double gather_sum(std::span<const double> values, std::span<const std::uint32_t> picks);

}  // namespace assay::stats
