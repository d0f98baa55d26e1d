// Averages over tasks and variants, each with its own error, and the two axes of unlearning.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <unordered_map>

#include "harness/base/numbers.hpp"
#include "harness/base/strings.hpp"
#include "harness/stats/aggregate.hpp"
#include "harness/stats/distributions.hpp"
#include "harness/stats/multiplicity.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/summary.hpp"
#include "reports/compare/detail.hpp"

namespace assay::host::compare_detail {
namespace {

using Key = std::tuple<std::string, std::string, std::string, std::string>;  // metric, value, models

struct Member {
  const ComparedTask* task = nullptr;
  const ComparedValue* value = nullptr;
};

stats::TaskAggregate averages(const std::vector<Member>& members,
                              std::vector<double> ComparedValue::*values) {
  std::vector<stats::TaskMean> tasks;
  for (const Member& member : members) {
    const std::vector<double>& x = member.value->*values;
    stats::TaskMean one;
    one.mean = stats::mean(x);
    one.n = static_cast<double>(x.size());
    one.se = member.value->difference.se.value_or(stats::kUndefined);
    tasks.push_back(one);
  }
  return stats::aggregate(tasks);
}

// How often the replicates of `members` may be computed: resampling costs members x units a replicate.
constexpr double kTotalsWork = 1e9;
constexpr std::uint32_t kTotalsReplicatesMin = 1000;
constexpr std::size_t kFewUnits = 20;  // below, intervals are too short (statistics.md 18)

std::uint32_t replicates_for(std::size_t members, std::size_t units, std::uint32_t wanted) {
  const double affordable = kTotalsWork / (static_cast<double>(members) * static_cast<double>(units) * 2);
  if (affordable >= wanted) return wanted;
  return std::min(wanted, std::max(kTotalsReplicatesMin, static_cast<std::uint32_t>(affordable)));
}

// The number of distinct units, and whether some unit is in two members.
std::pair<std::size_t, bool> shared_units(const std::vector<Member>& members) {
  std::unordered_map<std::string_view, std::size_t> owner;
  bool shared = false;
  for (std::size_t m = 0; m < members.size(); ++m) {
    for (const std::string& unit : members[m].value->units)
      shared = owner.emplace(unit, m).first->second != m || shared;
  }
  return {owner.size(), shared};
}

void set_normal(ComparedTotal& total, double conf) {
  total.method = "aggregate.normal";
  total.se = total.formula_se;
  if (!total.se) {
    total.undefined = "a member has no standard error";
    return;
  }
  const stats::Interval interval = stats::normal_interval(total.delta, *total.se, conf);
  total.lo = if_finite(interval.lo);
  total.hi = if_finite(interval.hi);
  if (*total.se > 0) total.p = stats::normal_two_sided(total.delta / *total.se);
  if (*total.se == 0 && total.delta == 0) total.p = 1;
}

void set_bootstrap(ComparedTotal& total, const stats::BootstrapResult& result,
                   const stats::BootstrapPlan& plan) {
  total.method = "bootstrap.percentile";
  total.seed = plan.seed;
  total.replicates = plan.replicates;
  total.se = if_finite(result.se);
  if (!result.percentile.defined()) {
    total.undefined = result.percentile.undefined;
    return;
  }
  total.lo = if_finite(result.percentile.lo);
  total.hi = if_finite(result.percentile.hi);
  // Equal differences everywhere leave nothing to resample: that is no proof of certainty.
  if (!result.percentile.degenerate)
    total.p = if_finite(stats::paired_bootstrap_p(result.replicates));
  else if (total.delta == 0)
    total.p = 1;
  else
    total.undefined = "every resample gives the same average";
}

void add_total(const Key& key, const std::vector<Member>& members, const Comparison& comparison,
               std::vector<ComparedTotal>& out) {
  std::vector<stats::TaskItems> items;
  std::int64_t count = 0;
  for (const Member& member : members) {
    items.push_back({member.value->deltas, member.value->units});
    count += static_cast<std::int64_t>(member.value->deltas.size());
  }
  const auto [units, shared] = shared_units(members);
  stats::BootstrapPlan plan;
  plan.seed = stats::task_seed(comparison.baseline.run.seed, "bootstrap", std::get<0>(key));
  plan.replicates =
      replicates_for(members.size(), units, std::max(comparison.options.replicates, stats::kMinReplicates));
  plan.conf = 1 - comparison.options.alpha;
  const stats::AggregateBootstrap boot =
      shared ? stats::aggregate_bootstrap(items, plan) : stats::AggregateBootstrap();
  const stats::TaskAggregate a = averages(members, &ComparedValue::baseline_values);
  const stats::TaskAggregate b = averages(members, &ComparedValue::candidate_values);
  const stats::TaskAggregate d = averages(members, &ComparedValue::deltas);
  for (const bool macro : {true, false}) {
    ComparedTotal total;
    std::tie(total.metric, total.value, total.baseline_model, total.candidate_model) = key;
    total.members = members.size();
    total.items = count;
    total.units = static_cast<std::int64_t>(units);
    if (units < kFewUnits) total.note = "few units";
    total.macro = macro;
    total.baseline = macro ? a.macro : a.micro;
    total.candidate = macro ? b.macro : b.micro;
    total.delta = macro ? d.macro : d.micro;
    total.formula_se = if_finite(macro ? d.macro_se : d.micro_se_stratified);
    if (shared)
      set_bootstrap(total, macro ? boot.macro : boot.micro, plan);
    else
      set_normal(total, plan.conf);
    out.push_back(std::move(total));
  }
}

}  // namespace

void add_totals(Comparison& comparison) {
  std::vector<Key> order;
  std::map<Key, std::vector<Member>> members;
  for (const ComparedTask& task : comparison.tasks) {
    if (!task.comparable() && !comparison.options.force) continue;
    for (const ComparedValue& value : task.values) {
      if (value.deltas.empty() || value.model_free || (!value.differing.empty() && !comparison.options.force))
        continue;
      const Key key{value.metric, value.value, task.baseline_model, task.candidate_model};
      std::vector<Member>& list = members[key];
      if (list.empty()) order.push_back(key);
      list.push_back({&task, &value});
    }
  }
  for (const Key& key : order) {
    if (members[key].size() >= 2) add_total(key, members[key], comparison, comparison.totals);
  }
  std::vector<double> p;
  for (const ComparedTotal& total : comparison.totals) p.push_back(total.p.value_or(stats::kUndefined));
  const stats::Adjusted holm = stats::holm(p), bh = stats::benjamini_hochberg(p);
  comparison.totals_family = bh.family;
  for (std::size_t i = 0; i < comparison.totals.size(); ++i) {
    comparison.totals[i].holm = if_finite(holm.p[i]);
    comparison.totals[i].bh = if_finite(bh.p[i]);
  }
}

namespace {

// A variant "base/forget" or a task "tofu-retain" without the word, and which of the two it is; 0: neither.
char axis_of(const std::string& name, std::string& rest) {
  for (const std::string word : {"forget", "retain"}) {
    const std::size_t at = name.find(word);
    if (at == std::string::npos) continue;
    const bool begins = at == 0 || !std::isalpha(static_cast<unsigned char>(name[at - 1]));
    const std::size_t end = at + word.size();
    const bool ends = end == name.size() || !std::isalpha(static_cast<unsigned char>(name[end]));
    if (!begins || !ends) continue;
    rest = name.substr(0, at) + name.substr(end);
    while (!rest.empty() && (rest.back() == '/' || rest.back() == '-' || rest.back() == '_')) rest.pop_back();
    while (!rest.empty() && (rest.front() == '/' || rest.front() == '-' || rest.front() == '_'))
      rest.erase(0, 1);
    return word[0];
  }
  return 0;
}

TwoAxisLine::Axis axis_from(const ComparedTask& task, const ComparedValue& value) {
  TwoAxisLine::Axis axis;
  axis.variant = value.variant.empty() ? task.task : value.variant;
  axis.baseline = value.difference.baseline;
  axis.candidate = value.difference.candidate;
  axis.delta = value.difference.delta;
  axis.lo = value.difference.lo;
  axis.hi = value.difference.hi;
  axis.relative = value.relative;
  axis.verdict = verdict_name(value.verdict);
  return axis;
}

}  // namespace

void add_two_axis(Comparison& comparison) {
  struct Half {
    const ComparedTask* task;
    const ComparedValue* value;
    std::string rest;
    char axis;
  };
  std::vector<Half> halves;
  for (const ComparedTask& task : comparison.tasks) {
    for (const ComparedValue& value : task.values) {
      if (value.verdict == Verdict::kNotComparable || value.model_free) continue;
      std::string rest;
      char axis = axis_of(value.variant, rest);
      // Parts of one task share its name; tasks named after their part share what is left of the name.
      rest = task.task + "\n" + rest;
      if (axis == 0) {
        axis = axis_of(task.task, rest);
        rest += "\n" + value.variant;
      }
      if (axis != 0) halves.push_back({&task, &value, rest, axis});
    }
  }
  for (const Half& forget : halves) {
    if (forget.axis != 'f') continue;
    for (const Half& retain : halves) {
      if (retain.axis != 'r' || retain.rest != forget.rest || retain.value->metric != forget.value->metric ||
          retain.value->value != forget.value->value ||
          retain.task->baseline_model != forget.task->baseline_model ||
          retain.task->candidate_model != forget.task->candidate_model) {
        continue;
      }
      TwoAxisLine line;
      line.task = forget.rest.substr(0, forget.rest.find('\n'));
      line.probe = forget.rest.substr(forget.rest.find('\n') + 1);
      line.model = forget.task->candidate_model;
      line.metric = forget.value->metric;
      line.value = forget.value->value;
      line.forget = axis_from(*forget.task, *forget.value);
      line.retain = axis_from(*retain.task, *retain.value);
      comparison.two_axis.push_back(std::move(line));
    }
  }
}

}  // namespace assay::host::compare_detail
