// Aggregation over tasks, each value with its own standard error (specs/statistics.md section 12), and the
// bounds that missing scores leave open (section 3).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "harness/stats/bootstrap.hpp"
#include "harness/stats/interval.hpp"

namespace assay::stats {

/// One task: mean, standard error (NaN = undefined) and number of items.
struct TaskMean {
  double mean = kUndefined;
  double se = kUndefined;
  double n = 0.0;
};

/// Averages over tasks. An error is NaN when a task's error is undefined; `undefined_task` names the first
/// such task.
struct TaskAggregate {
  double macro = kUndefined;                ///< mean of the task means
  double macro_se = kUndefined;             ///< sqrt(sum se^2)/T, tasks independent
  double micro = kUndefined;                ///< mean weighted by items
  double micro_se_stratified = kUndefined;  ///< sqrt(sum (n se)^2)/N: the default for micro
  double micro_se_pooled = kUndefined;      ///< all items as one sample
  double micro_se_lmeval = kUndefined;      ///< lm-evaluation-harness group error; for parity on import only
  std::optional<std::size_t> undefined_task;
};

/// No task: everything NaN. A task with an undefined mean or without items makes the averages undefined, too.
TaskAggregate aggregate(std::span<const TaskMean> tasks);

/// value +- z se, labelled "aggregate.normal"; undefined with a NaN error.
Interval normal_interval(double value, double se, double conf);

/// The items of one task: scores and the unit (document, question, prompt) each belongs to. An empty unit id
/// is a unit of its own; equal ids in two tasks are the same unit.
struct TaskItems {
  std::span<const double> scores;
  std::span<const std::string> units;
};

/// Macro and micro average resampled over the lowest shared unit: a drawn unit brings its items of every
/// task, so that dependence between tasks enters both errors. A replicate that leaves a task without items is
/// dropped.
struct AggregateBootstrap {
  BootstrapResult macro;
  BootstrapResult micro;
  std::size_t units = 0;
};
AggregateBootstrap aggregate_bootstrap(std::span<const TaskItems> tasks, const BootstrapPlan& plan);

/// The mean without the missing items, and with all of them at the smallest and at the largest score.
struct MissingBounds {
  std::size_t n_total = 0;
  double excluding = kUndefined;  ///< NaN when nothing is scored
  double as_min = kUndefined;
  double as_max = kUndefined;
};
MissingBounds missing_bounds(std::span<const double> scored, std::size_t missing, double min, double max);

}  // namespace assay::stats
