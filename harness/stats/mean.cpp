#include "harness/stats/mean.hpp"

#include <cmath>
#include <vector>

#include "harness/stats/distributions.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

Interval t_interval(std::string_view method, const MeanEstimate& e, double conf) {
  if (e.se == 0.0) return make_interval(method, e.mean, e.mean);
  const double half = student_critical(conf, e.df) * e.se;
  return make_interval(method, e.mean - half, e.mean + half);
}

MeanEstimate basics(std::span<const double> x) {
  MeanEstimate e;
  e.n = x.size();
  if (x.empty()) return e;
  e.mean = constant(x) ? x.front() : mean(x);
  if (e.n < 2) return e;
  e.sd = std::sqrt(variance(x, e.mean));
  e.se_iid = e.sd / std::sqrt(static_cast<double>(e.n));
  return e;
}

}  // namespace

MeanEstimate mean_t(std::span<const double> x, double conf) {
  constexpr std::string_view kMethod = "mean.t";
  MeanEstimate e = basics(x);
  if (e.n == 0) {
    e.interval = undefined_interval(kMethod, "no items");
  } else if (e.n == 1) {
    e.interval = undefined_interval(kMethod, "one item: the standard error needs at least two");
  } else {
    e.se = e.se_iid;
    e.df = static_cast<double>(e.n - 1);
    e.interval = t_interval(kMethod, e, conf);
  }
  return e;
}

MeanEstimate mean_cluster_t(std::span<const double> x, const Clusters& clusters, double conf) {
  constexpr std::string_view kMethod = "mean.cluster_t";
  MeanEstimate e = basics(x);
  e.clusters = clusters.count();
  if (e.n == 0) {
    e.interval = undefined_interval(kMethod, "no items");
    return e;
  }
  if (e.clusters < 2) {
    e.interval = undefined_interval(kMethod, "one cluster: the clustered standard error needs at least two");
    return e;
  }
  CompensatedSum squares;
  for (std::uint32_t c = 0; c < clusters.count(); ++c) {
    CompensatedSum total;
    for (const std::uint32_t i : clusters.of(c)) total.add(x[i] - e.mean);
    squares.add(total.value() * total.value());
  }
  const auto big_c = static_cast<double>(e.clusters);
  e.se_uncorrected = std::sqrt(squares.value()) / static_cast<double>(e.n);
  e.se = e.se_uncorrected * std::sqrt(big_c / (big_c - 1.0));
  e.df = big_c - 1.0;
  if (e.se_iid > 0.0) e.deff = (e.se / e.se_iid) * (e.se / e.se_iid);
  e.interval = t_interval(kMethod, e, conf);
  return e;
}

}  // namespace assay::stats
