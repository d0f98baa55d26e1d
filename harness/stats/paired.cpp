#include "harness/stats/paired.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/distributions.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

PairedTest test_of(MeanEstimate difference, std::string_view method) {
  PairedTest r;
  r.difference = difference;
  r.difference.interval.method = method;
  if (std::isnan(difference.se)) return r;
  if (difference.se == 0.0) {
    if (difference.mean == 0.0) r.p = 1.0;
    return r;
  }
  r.t = difference.mean / difference.se;
  r.p = student_two_sided(r.t, difference.df);
  return r;
}

}  // namespace

std::vector<double> differences(std::span<const double> baseline, std::span<const double> candidate) {
  std::vector<double> d(std::min(baseline.size(), candidate.size()));
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = candidate[i] - baseline[i];
  return d;
}

std::vector<double> cluster_sums(std::span<const double> d, const Clusters& clusters) {
  std::vector<double> sums;
  sums.reserve(clusters.count());
  for (std::uint32_t c = 0; c < clusters.count(); ++c) {
    CompensatedSum total;
    for (const std::uint32_t i : clusters.of(c)) total.add(d[i]);
    sums.push_back(total.value());
  }
  return sums;
}

PairedTest paired_t(std::span<const double> d, double conf) {
  return test_of(mean_t(d, conf), "paired.t");
}

PairedTest paired_cluster_t(std::span<const double> d, const Clusters& clusters, double conf) {
  return test_of(mean_cluster_t(d, clusters, conf), "paired.cluster_t");
}

Tost tost_t(const MeanEstimate& difference, double margin, double alpha, bool higher_is_better) {
  constexpr std::string_view kMethod = "tost.t";
  Tost r;
  if (std::isnan(difference.se)) {
    r.interval = undefined_interval(kMethod, "the standard error of the difference is undefined");
    return r;
  }
  if (!(margin > 0.0)) {
    r.interval = undefined_interval(kMethod, "no equivalence margin is given");
    return r;
  }
  const double d = difference.mean;
  if (difference.se == 0.0) {
    r.p_lower = d > -margin ? 0.0 : 1.0;
    r.p_upper = d < margin ? 0.0 : 1.0;
    r.interval = make_interval(kMethod, d, d);
  } else {
    r.p_lower = student_upper((d + margin) / difference.se, difference.df);
    r.p_upper = student_upper((margin - d) / difference.se, difference.df);
    const double half = student_critical(1.0 - 2.0 * alpha, difference.df) * difference.se;
    r.interval = make_interval(kMethod, d - half, d + half);
  }
  r.p = std::max(r.p_lower, r.p_upper);
  r.equivalent = r.p < alpha;
  r.non_inferior = (higher_is_better ? r.p_lower : r.p_upper) < alpha;
  return r;
}

double paired_bootstrap_p(std::span<const double> replicates) {
  if (replicates.empty()) return kUndefined;
  double at_most = 1.0;
  double at_least = 1.0;
  for (const double d : replicates) {
    at_most += d <= 0.0 ? 1.0 : 0.0;
    at_least += d >= 0.0 ? 1.0 : 0.0;
  }
  return std::min(1.0, 2.0 * std::min(at_most, at_least) / (static_cast<double>(replicates.size()) + 1.0));
}

double correlation(std::span<const double> a, std::span<const double> b) {
  if (a.size() < 2 || a.size() != b.size() || constant(a) || constant(b)) return kUndefined;
  const double mean_a = mean(a);
  const double mean_b = mean(b);
  CompensatedSum product;
  for (std::size_t i = 0; i < a.size(); ++i) product.add((a[i] - mean_a) * (b[i] - mean_b));
  const double scale = static_cast<double>(a.size() - 1) * std::sqrt(variance(a)) * std::sqrt(variance(b));
  return std::clamp(product.value() / scale, -1.0, 1.0);
}

double unpaired_se(std::span<const double> a, std::span<const double> b) {
  return std::sqrt(variance(a) / static_cast<double>(a.size()) + variance(b) / static_cast<double>(b.size()));
}

}  // namespace assay::stats
