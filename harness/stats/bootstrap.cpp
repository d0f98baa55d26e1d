#include "harness/stats/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "harness/stats/distributions.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

constexpr std::string_view kPercentile = "bootstrap.percentile";
constexpr std::string_view kBca = "bootstrap.bca";

// Acceleration from leave-one-out values; NaN when one of them is undefined or there are fewer than two.
double acceleration_of(std::span<const double> leave_one_out) {
  if (leave_one_out.size() < 2) return kUndefined;
  const double mu = mean(leave_one_out);
  CompensatedSum squares;
  CompensatedSum cubes;
  for (const double value : leave_one_out) {
    const double d = mu - value;
    squares.add(d * d);
    cubes.add(d * d * d);
  }
  const double scale = squares.value();
  if (std::isnan(scale)) return kUndefined;
  const double denominator = 6.0 * scale * std::sqrt(scale);
  return denominator > 0.0 ? cubes.value() / denominator : 0.0;
}

// Quantile levels of BCa, or false when they do not exist.
bool bca_levels(double z0, double a, double conf, double& low, double& high) {
  const double z = normal_critical(conf);
  const double t_low = z0 - z;
  const double t_high = z0 + z;
  if (!std::isfinite(z0) || !std::isfinite(a)) return false;
  if (1.0 - a * t_low <= 0.0 || 1.0 - a * t_high <= 0.0) return false;
  low = normal_cdf(z0 + t_low / (1.0 - a * t_low));
  high = normal_cdf(z0 + t_high / (1.0 - a * t_high));
  return true;
}

void set_intervals(BootstrapResult& r, const std::vector<double>& sorted,
                   std::span<const double> leave_one_out, double conf) {
  const double alpha = 1.0 - conf;
  r.percentile = make_interval(kPercentile, quantile_sorted(sorted, 0.5 * alpha),
                               quantile_sorted(sorted, 1.0 - 0.5 * alpha));
  const double margin = 1e-12 * std::max(1.0, std::fabs(r.estimate));
  double below = 0.0;
  for (const double value : r.replicates) {
    if (std::fabs(value - r.estimate) <= margin) {
      below += 0.5;
    } else if (value < r.estimate) {
      below += 1.0;
    }
  }
  r.z0 = normal_quantile(below / static_cast<double>(r.replicates.size()));
  r.acceleration = acceleration_of(leave_one_out);
  double low = 0.0;
  double high = 1.0;
  if (bca_levels(r.z0, r.acceleration, conf, low, high)) {
    r.bca = make_interval(kBca, quantile_sorted(sorted, low), quantile_sorted(sorted, high));
  } else {
    r.bca = r.percentile;
    r.bca_fallback = true;
  }
}

// Per-unit sums, from which every replicate of a mean or ratio is computed.
struct UnitSums {
  std::vector<double> numerator;
  std::vector<double> denominator;
};

UnitSums unit_sums(std::span<const double> numerator, std::span<const double> denominator,
                   const Clusters& clusters) {
  UnitSums units;
  units.numerator.reserve(clusters.count());
  units.denominator.reserve(clusters.count());
  for (std::uint32_t c = 0; c < clusters.count(); ++c) {
    CompensatedSum top;
    CompensatedSum bottom;
    for (const std::uint32_t i : clusters.of(c)) {
      top.add(numerator[i]);
      bottom.add(denominator.empty() ? 1.0 : denominator[i]);
    }
    units.numerator.push_back(top.value());
    units.denominator.push_back(bottom.value());
  }
  return units;
}

double finish_ratio(double top, double bottom, Statistic statistic) {
  if (bottom == 0.0) return kUndefined;
  const double ratio = top / bottom;
  return statistic == Statistic::kExpMean ? std::exp(ratio) : ratio;
}

std::vector<double> unit_replicates(const UnitSums& units, Statistic statistic, const BootstrapPlan& plan) {
  const auto count = static_cast<std::uint32_t>(units.numerator.size());
  const bool equal_sizes = constant(units.denominator);
  const double bottom = sum(units.denominator);
  std::vector<std::uint32_t> picks(count);
  std::vector<double> replicates(plan.replicates);
  for (std::uint32_t b = 0; b < plan.replicates; ++b) {
    random_indices(plan.seed, plan.stream, b, count, picks);
    const double drawn = gather_sum(units.numerator, picks);
    replicates[b] =
        finish_ratio(drawn, equal_sizes ? bottom : gather_sum(units.denominator, picks), statistic);
  }
  return replicates;
}

BootstrapResult ratio_of_units(const UnitSums& units, Statistic statistic, const BootstrapPlan& plan) {
  const double top = sum(units.numerator);
  const double bottom = sum(units.denominator);
  std::vector<double> leave_one_out(units.numerator.size());
  for (std::size_t c = 0; c < leave_one_out.size(); ++c) {
    leave_one_out[c] = finish_ratio(top - units.numerator[c], bottom - units.denominator[c], statistic);
  }
  return summarize_replicates(finish_ratio(top, bottom, statistic), unit_replicates(units, statistic, plan),
                              leave_one_out, plan.conf);
}

BootstrapResult bootstrap_median(std::span<const double> x, const Clusters& clusters,
                                 const BootstrapPlan& plan) {
  const std::uint32_t count = clusters.count();
  std::vector<std::uint32_t> picks(count);
  std::vector<double> scratch;
  std::vector<double> replicates(plan.replicates);
  for (std::uint32_t b = 0; b < plan.replicates; ++b) {
    random_indices(plan.seed, plan.stream, b, count, picks);
    scratch.clear();
    for (const std::uint32_t c : picks) {
      for (const std::uint32_t i : clusters.of(c)) scratch.push_back(x[i]);
    }
    replicates[b] = median_in_place(scratch);
  }
  std::vector<double> leave_one_out(count);
  for (std::uint32_t c = 0; c < count; ++c) {
    scratch.clear();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (clusters.of_item[i] != c) scratch.push_back(x[i]);
    }
    leave_one_out[c] = median_in_place(scratch);
  }
  return summarize_replicates(median(x), std::move(replicates), leave_one_out, plan.conf);
}

}  // namespace

double gather_sum(std::span<const double> values, std::span<const std::uint32_t> picks) {
  constexpr std::size_t kBlock = 1024;
  CompensatedSum total;
  for (std::size_t begin = 0; begin < picks.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, picks.size());
    double part[4] = {0.0, 0.0, 0.0, 0.0};
    std::size_t i = begin;
    for (; i + 4 <= end; i += 4) {
      part[0] += values[picks[i]];
      part[1] += values[picks[i + 1]];
      part[2] += values[picks[i + 2]];
      part[3] += values[picks[i + 3]];
    }
    for (; i < end; ++i) part[0] += values[picks[i]];
    total.add((part[0] + part[1]) + (part[2] + part[3]));
  }
  return total.value();
}

BootstrapResult summarize_replicates(double estimate, std::vector<double> replicates,
                                     std::span<const double> leave_one_out, double conf) {
  BootstrapResult r;
  r.estimate = estimate;
  const std::size_t requested = replicates.size();
  std::erase_if(replicates, [](double value) { return !std::isfinite(value); });
  r.dropped = static_cast<std::uint32_t>(requested - replicates.size());
  r.replicates = std::move(replicates);
  std::string_view reason;
  if (!std::isfinite(estimate)) {
    reason = "the statistic is undefined on these items";
  } else if (r.replicates.size() < 2) {
    reason = "fewer than two replicates are defined";
  } else if (!enough_replicates(r.replicates.size(), requested)) {
    reason = "the statistic is undefined on more than 1 % of the resamples";
  }
  if (!reason.empty()) {
    r.percentile = undefined_interval(kPercentile, reason);
    r.bca = undefined_interval(kBca, reason);
    return r;
  }
  std::vector<double> sorted = r.replicates;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.front() == sorted.back()) {
    r.se = 0.0;
    r.z0 = 0.0;
    r.acceleration = 0.0;
    r.percentile = make_interval(kPercentile, estimate, estimate);
    r.bca = make_interval(kBca, estimate, estimate);
    return r;
  }
  r.se = std::sqrt(variance(r.replicates));
  set_intervals(r, sorted, leave_one_out, conf);
  return r;
}

BootstrapResult bootstrap(std::span<const double> x, Statistic statistic, const BootstrapPlan& plan) {
  return bootstrap(x, singletons(x.size()), statistic, plan);
}

BootstrapResult bootstrap(std::span<const double> x, const Clusters& clusters, Statistic statistic,
                          const BootstrapPlan& plan) {
  if (x.empty()) return summarize_replicates(kUndefined, {}, plan.conf);
  if (statistic == Statistic::kMedian) return bootstrap_median(x, clusters, plan);
  return ratio_of_units(unit_sums(x, {}, clusters), statistic, plan);
}

BootstrapResult bootstrap_ratio(std::span<const double> numerator, std::span<const double> denominator,
                                const Clusters& clusters, const BootstrapPlan& plan) {
  if (numerator.empty()) return summarize_replicates(kUndefined, {}, plan.conf);
  return ratio_of_units(unit_sums(numerator, denominator, clusters), Statistic::kMean, plan);
}

std::vector<double> ratio_replicates(std::span<const double> numerator, std::span<const double> denominator,
                                     const Clusters& clusters, const BootstrapPlan& plan) {
  if (numerator.empty()) return {};
  return unit_replicates(unit_sums(numerator, denominator, clusters), Statistic::kMean, plan);
}

}  // namespace assay::stats
