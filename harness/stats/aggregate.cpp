#include "harness/stats/aggregate.hpp"

#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "harness/stats/distributions.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {

TaskAggregate aggregate(std::span<const TaskMean> tasks) {
  TaskAggregate out;
  if (tasks.empty()) return out;
  const auto t = static_cast<double>(tasks.size());
  CompensatedSum means;
  CompensatedSum items;
  CompensatedSum weighted;
  CompensatedSum squares;
  CompensatedSum weighted_squares;
  CompensatedSum within;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const TaskMean& task = tasks[i];
    if (!out.undefined_task && (std::isnan(task.se) || std::isnan(task.mean) || !(task.n > 0.0))) {
      out.undefined_task = i;
    }
    means.add(task.mean);
    items.add(task.n);
    weighted.add(task.n * task.mean);
    squares.add(task.se * task.se);
    weighted_squares.add(task.n * task.se * task.n * task.se);
    within.add((task.n - 1.0) * task.n * task.se * task.se);
  }
  const double n = items.value();
  out.macro = means.value() / t;
  out.micro = n > 0.0 ? weighted.value() / n : kUndefined;
  if (out.undefined_task) return out;
  CompensatedSum between;
  for (const TaskMean& task : tasks) between.add(task.n * (task.mean - out.micro) * (task.mean - out.micro));
  out.macro_se = std::sqrt(squares.value()) / t;
  out.micro_se_stratified = std::sqrt(weighted_squares.value()) / n;
  if (n > 1.0) out.micro_se_pooled = std::sqrt((within.value() + between.value()) / (n - 1.0) / n);
  if (n > t) out.micro_se_lmeval = std::sqrt(within.value() / (n - t) / n);
  return out;
}

AggregateBootstrap aggregate_bootstrap(std::span<const TaskItems> tasks, const BootstrapPlan& plan) {
  std::vector<std::string> ids;
  for (const TaskItems& task : tasks) ids.insert(ids.end(), task.units.begin(), task.units.end());
  const Clusters units = make_clusters(ids);
  const std::size_t t = tasks.size();
  // sums[k][u] and counts[k][u]: what unit u brings to task k.
  std::vector<std::vector<double>> sums(t, std::vector<double>(units.count(), 0.0));
  std::vector<std::vector<double>> counts = sums;
  std::size_t item = 0;
  for (std::size_t k = 0; k < t; ++k) {
    for (const double score : tasks[k].scores) {
      const std::uint32_t u = units.of_item[item++];
      sums[k][u] += score;
      counts[k][u] += 1.0;
    }
  }
  const auto averages = [&](std::span<const std::uint32_t> picks) {
    double macro = 0.0;
    double total = 0.0;
    double items = 0.0;
    for (std::size_t k = 0; k < t; ++k) {
      const double top = gather_sum(sums[k], picks);
      const double bottom = gather_sum(counts[k], picks);
      macro += top / bottom;  // NaN for a task without items, which drops the replicate
      total += top;
      items += bottom;
    }
    return std::pair(macro / static_cast<double>(t), total / items);
  };
  std::vector<std::uint32_t> picks(units.count());
  std::iota(picks.begin(), picks.end(), 0U);
  const auto [macro, micro] = averages(picks);
  std::vector<double> macros(plan.replicates, kUndefined);
  std::vector<double> micros(plan.replicates, kUndefined);
  for (std::uint32_t b = 0; b < plan.replicates && units.count() > 0; ++b) {
    random_indices(plan.seed, plan.stream, b, units.count(), picks);
    std::tie(macros[b], micros[b]) = averages(picks);
  }
  return {summarize_replicates(macro, std::move(macros), plan.conf),
          summarize_replicates(micro, std::move(micros), plan.conf), units.count()};
}

Interval normal_interval(double value, double se, double conf) {
  constexpr std::string_view kMethod = "aggregate.normal";
  if (std::isnan(value)) return undefined_interval(kMethod, "the value is undefined");
  if (std::isnan(se)) return undefined_interval(kMethod, "the standard error is undefined");
  const double half = normal_critical(conf) * se;
  return make_interval(kMethod, value - half, value + half);
}

MissingBounds missing_bounds(std::span<const double> scored, std::size_t missing, double min, double max) {
  MissingBounds bounds;
  bounds.n_total = scored.size() + missing;
  bounds.excluding = mean(scored);
  if (bounds.n_total == 0) return bounds;
  const double total = sum(scored);
  const auto n = static_cast<double>(bounds.n_total);
  bounds.as_min = (total + static_cast<double>(missing) * min) / n;
  bounds.as_max = (total + static_cast<double>(missing) * max) / n;
  return bounds;
}

}  // namespace assay::stats
