#include "harness/stats/choose.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "harness/stats/choose_detail.hpp"
#include "harness/stats/mean.hpp"
#include "harness/stats/proportion.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

using detail::kFewClusters;
using detail::number;

constexpr std::array<std::pair<Rule, std::string_view>, 6> kRuleNames{{{Rule::kProportion, "proportion"},
                                                                       {Rule::kMean, "mean"},
                                                                       {Rule::kAuroc, "auroc"},
                                                                       {Rule::kRatio, "ratio"},
                                                                       {Rule::kExpMean, "exp_mean"},
                                                                       {Rule::kCustom, "custom"}}};
constexpr std::size_t kSmallSample = 30;  // below it a mean uses BCa
constexpr double kSkewed = 1.0;           // above it a mean uses BCa
constexpr double kEndDistance = 3.0;      // a clustered proportion this near to 0 or 1 uses wilson_neff

// The finite part of a sample.
struct Items {
  std::vector<double> values;
  std::vector<double> denominators;
  std::optional<Clusters> clusters;  // only when a group holds two items or more
  std::size_t non_finite = 0;
  bool singletons = false;  // groups were given, all of one item
};

Items finite_items(const Sample& sample) {
  Items items;
  std::vector<std::string> ids;
  const bool ratio = sample.rule == Rule::kRatio;
  for (std::size_t i = 0; i < sample.values.size(); ++i) {
    if (!std::isfinite(sample.values[i]) || (ratio && !std::isfinite(sample.denominators[i]))) {
      ++items.non_finite;
      continue;
    }
    items.values.push_back(sample.values[i]);
    if (ratio) items.denominators.push_back(sample.denominators[i]);
    if (!sample.groups.empty()) ids.push_back(sample.groups[i]);
  }
  if (!ids.empty()) {
    Clusters clusters = make_clusters(ids);
    if (detail::grouped(clusters)) {
      items.clusters = std::move(clusters);
    } else {
      items.singletons = true;
    }
  }
  return items;
}

Estimate blank(const Items& items) {
  Estimate e;
  e.n = items.values.size();
  e.non_finite = items.non_finite;
  if (items.clusters) e.clusters = items.clusters->count();
  if (items.singletons) e.notes.emplace_back("every group holds one item: treated as no groups");
  detail::note_few_clusters(e);
  return e;
}

void set_mean(Estimate& e, const MeanEstimate& m) {
  e.value = number(m.mean);
  e.se = number(m.se);
  e.deff = m.deff;
  detail::set_interval(e, m.interval);
}

Estimate estimate_mean(const Items& items, const Options& options) {
  Estimate e = blank(items);
  if (items.clusters) {
    set_mean(e, mean_cluster_t(items.values, *items.clusters, options.conf));
    return e;
  }
  set_mean(e, mean_t(items.values, options.conf));
  if (e.n < 2 || constant(items.values)) return e;
  const double g1 = skewness(items.values);
  if (e.n >= kSmallSample && std::fabs(g1) <= kSkewed) return e;
  const BootstrapPlan plan = detail::plan_of(options, e);
  const BootstrapResult r = bootstrap(items.values, Statistic::kMean, plan);
  detail::set_interval(e, r.bca);
  detail::set_bootstrap(e, r, plan, {kStreamBootstrap});
  e.details.emplace_back("skewness", g1);
  if (r.bca_fallback) e.notes.emplace_back("BCa does not exist here: percentile limits");
  return e;
}

Estimate estimate_proportion(const Items& items, const Options& options) {
  const bool binary =
      std::all_of(items.values.begin(), items.values.end(), [](double v) { return v == 0.0 || v == 1.0; });
  if (!binary) {
    Estimate e = estimate_mean(items, options);
    e.notes.emplace_back("values other than 0 and 1: treated as a mean");
    return e;
  }
  Estimate e = blank(items);
  const auto n = static_cast<double>(e.n);
  const double x = sum(items.values);
  if (!items.clusters) {
    e.value = e.n > 0 ? number(x / n) : std::nullopt;
    e.se = number(proportion_se(x, n));
    detail::set_interval(e, wilson(x, n, options.conf));
    return e;
  }
  const MeanEstimate m = mean_cluster_t(items.values, *items.clusters, options.conf);
  set_mean(e, m);
  const bool all_equal = x == 0.0 || x == n;
  const bool near_end = std::isfinite(m.se) && std::min(m.mean, 1.0 - m.mean) <= kEndDistance * m.se;
  if (all_equal) {
    // The design effect is 0/0 here; the number of clusters is the information that remains.
    e.undefined.clear();
    std::erase(e.notes, "degenerate");
    detail::set_interval(e, wilson_neff(m.mean, static_cast<double>(e.clusters), 1.0, options.conf));
  } else if (near_end) {
    detail::set_interval(e, wilson_neff(m.mean, n, m.deff.value_or(1.0), options.conf));
  }
  return e;
}

Estimate estimate_exp_mean(const Items& items, const Options& options) {
  Estimate e = blank(items);
  const MeanEstimate m = items.clusters ? mean_cluster_t(items.values, *items.clusters, options.conf)
                                        : mean_t(items.values, options.conf);
  set_mean(e, m);
  e.method = items.clusters ? "exp_mean.cluster_t" : "exp_mean.t";
  if (!e.value) return e;
  const double value = std::exp(m.mean);
  e.value = value;
  // First-order error of exp(m); the interval is the exponentiated one and is not symmetric.
  if (e.se) e.se = value * *e.se;
  if (e.lo) e.lo = std::exp(*e.lo);
  if (e.hi) e.hi = std::exp(*e.hi);
  e.details.emplace_back("mean_nll", m.mean);
  return e;
}

Estimate estimate_ratio(const Items& items, const Options& options) {
  Estimate e = blank(items);
  const BootstrapPlan plan = detail::plan_of(options, e);
  const Clusters clusters = items.clusters ? *items.clusters : singletons(items.values.size());
  e.method = "bootstrap.percentile";
  if (items.values.empty()) {
    e.undefined = "no items";
    return e;
  }
  if (sum(items.denominators) == 0.0) {
    e.undefined = "the denominators sum to 0";
    return e;
  }
  e.value = sum(items.values) / sum(items.denominators);
  if (clusters.count() < 2) {
    e.undefined = items.clusters ? "one cluster: nothing to resample" : "one item: nothing to resample";
    return e;
  }
  const BootstrapResult r = bootstrap_ratio(items.values, items.denominators, clusters, plan);
  e.se = number(r.se);
  detail::set_interval(e, r.percentile);
  detail::set_bootstrap(e, r, plan, {kStreamBootstrap});
  return e;
}

Estimate assemble_custom(std::vector<Estimate> parts) {
  Estimate main = std::move(parts.front());
  for (std::size_t k = 1; k < parts.size(); ++k) {
    parts[k].name = "output" + std::to_string(k);
    main.companions.push_back(std::move(parts[k]));
  }
  return main;
}

Estimate estimate_custom(const Sample& sample, const Options& options) {
  Estimate e;
  e.n = sample.items;
  e.method = "bootstrap.percentile";
  const BootstrapPlan plan = detail::plan_of(options, e);
  std::vector<Estimate> parts(std::max<std::size_t>(sample.outputs, 1), e);
  const auto all_undefined = [&](const char* reason) {
    for (Estimate& part : parts) part.undefined = reason;
    return assemble_custom(std::move(parts));
  };
  if (!sample.custom || sample.outputs == 0)
    return all_undefined("no callback evaluates the custom statistic");
  if (sample.items == 0) return all_undefined("no items");
  Clusters clusters = sample.groups.empty() ? singletons(sample.items) : make_clusters(sample.groups);
  const bool has_groups = detail::grouped(clusters);
  for (Estimate& part : parts) {
    if (has_groups) part.clusters = clusters.count();
    detail::note_few_clusters(part);
  }
  std::vector<double> values;
  if (!detail::evaluate_custom(sample.custom, sample.outputs, sample.items, values)) {
    return all_undefined("the callback gave up");
  }
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (std::isfinite(values[k])) parts[k].value = values[k];
  }
  if (clusters.count() < 2) {
    return all_undefined(has_groups ? "one cluster: nothing to resample" : "one item: nothing to resample");
  }
  std::vector<std::vector<double>> replicates(parts.size());
  if (!detail::replicate_custom(sample.custom, sample.outputs, clusters, plan,
                                std::max<std::size_t>(options.batch, 1), replicates)) {
    for (Estimate& part : parts) part.value.reset();
    return all_undefined("the callback gave up");
  }
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const BootstrapResult r = summarize_replicates(values[k], std::move(replicates[k]), plan.conf);
    parts[k].se = number(r.se);
    detail::set_interval(parts[k], r.percentile);
    detail::set_bootstrap(parts[k], r, plan, {kStreamBootstrap});
  }
  return assemble_custom(std::move(parts));
}

Estimate refused(const char* reason) {
  Estimate e;
  e.method = "none";
  e.undefined = reason;
  return e;
}

}  // namespace

namespace detail {

std::optional<double> number(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

void set_interval(Estimate& e, const Interval& interval) {
  e.method = interval.method;
  e.undefined = interval.undefined;
  e.lo = interval.defined() ? number(interval.lo) : std::nullopt;
  e.hi = interval.defined() ? number(interval.hi) : std::nullopt;
  if (interval.defined() && interval.degenerate) e.notes.emplace_back("degenerate");
}

void set_bootstrap(Estimate& e, const BootstrapResult& result, const BootstrapPlan& plan,
                   std::vector<std::uint32_t> streams) {
  e.seed = plan.seed;
  e.replicates = plan.replicates;
  e.dropped = result.dropped;
  e.streams = std::move(streams);
  if (result.dropped > 0) {
    e.notes.push_back(std::to_string(result.dropped) +
                      " replicates dropped: the statistic is undefined there");
  }
}

void note_few_clusters(Estimate& e) {
  if (e.clusters > 0 && e.clusters < kFewClusters) e.notes.emplace_back("few clusters");
}

BootstrapPlan plan_of(const Options& options, Estimate& e) {
  BootstrapPlan plan;
  plan.seed = options.seed;
  plan.conf = options.conf;
  plan.replicates = std::max(options.replicates, kMinReplicates);
  if (plan.replicates != options.replicates) e.notes.emplace_back("B raised to 200, the smallest accepted");
  return plan;
}

bool replicate_custom(const CustomStatistic& custom, std::size_t outputs, const Clusters& clusters,
                      const BootstrapPlan& plan, std::size_t batch,
                      std::vector<std::vector<double>>& replicates) {
  std::vector<std::vector<std::uint32_t>> items(batch);
  std::vector<Resample> spans(batch);
  std::vector<std::uint32_t> picks(clusters.count());
  for (std::uint32_t first = 0; first < plan.replicates;) {
    const std::size_t size = std::min<std::size_t>(batch, plan.replicates - first);
    for (std::size_t r = 0; r < size; ++r) {
      random_indices(plan.seed, plan.stream, first + static_cast<std::uint32_t>(r), clusters.count(), picks);
      items[r].clear();
      for (const std::uint32_t c : picks) {
        const auto members = clusters.of(c);
        items[r].insert(items[r].end(), members.begin(), members.end());
      }
      spans[r] = items[r];
    }
    std::vector<double> out(size * outputs, kUndefined);
    if (!custom(std::span<const Resample>(spans).first(size), out)) return false;
    for (std::size_t r = 0; r < size; ++r) {
      for (std::size_t k = 0; k < outputs; ++k) replicates[k].push_back(out[r * outputs + k]);
    }
    first += static_cast<std::uint32_t>(size);
  }
  return true;
}

bool evaluate_custom(const CustomStatistic& custom, std::size_t outputs, std::size_t items,
                     std::vector<double>& values) {
  std::vector<std::uint32_t> identity(items);
  std::iota(identity.begin(), identity.end(), 0U);
  const std::array<Resample, 1> whole{Resample(identity)};
  values.assign(outputs, kUndefined);
  return custom(whole, values);
}

bool grouped(const Clusters& clusters) {
  return clusters.count() < clusters.items();
}

}  // namespace detail

std::string_view rule_name(Rule rule) {
  for (const auto& [value, name] : kRuleNames) {
    if (value == rule) return name;
  }
  return "custom";
}

std::optional<Rule> rule_from_name(std::string_view name) {
  for (const auto& [value, text] : kRuleNames) {
    if (text == name) return value;
  }
  return std::nullopt;
}

Estimate estimate(const Sample& sample, const Options& options) {
  const std::size_t n = sample.rule == Rule::kCustom ? sample.items : sample.values.size();
  if (!(options.conf > 0.0 && options.conf < 1.0))
    return refused("the confidence level is not inside (0, 1)");
  if (!sample.groups.empty() && sample.groups.size() != n) {
    return refused("the number of groups differs from the number of items");
  }
  if (n >= std::numeric_limits<std::uint32_t>::max()) return refused("more than 2^32 - 2 items");
  if (sample.rule == Rule::kRatio && sample.denominators.size() != n) {
    return refused("the number of denominators differs from the number of numerators");
  }
  if (sample.rule == Rule::kCustom) return estimate_custom(sample, options);
  if (sample.rule == Rule::kAuroc) return detail::estimate_auroc(sample, options);
  const Items items = finite_items(sample);
  switch (sample.rule) {
    case Rule::kProportion:
      return estimate_proportion(items, options);
    case Rule::kRatio:
      return estimate_ratio(items, options);
    case Rule::kExpMean:
      return estimate_exp_mean(items, options);
    default:
      return estimate_mean(items, options);
  }
}

}  // namespace assay::stats
