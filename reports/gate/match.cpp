// Which numbers a rule names, and what is known about each.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/base/strings.hpp"
#include "reports/gate/detail.hpp"

namespace assay::host::gate_detail {
namespace {

bool wild(const std::string& pattern) {
  return pattern.find_first_of("*?") != std::string::npos;
}

bool fits_metric(const std::string& pattern, const ComparedValue& value, const std::string& statistic) {
  const std::string path = value.metric + "/" + (statistic.empty() ? value.value : statistic);
  if (!statistic.empty()) return pattern == path;  // a companion is gated only by its full name
  if (wild(pattern)) {
    return value.headline && !value.model_free &&
           (glob_match(pattern, value.metric) || glob_match(pattern, value.value) ||
            glob_match(pattern, path));
  }
  return (pattern == value.metric && value.headline) || pattern == value.value || pattern == path;
}

bool fits_or_all(const std::string& pattern, const std::string& text) {
  return pattern.empty() || glob_match(pattern, text);
}

std::string reasons(const ComparedTask& task, const ComparedValue& value) {
  std::vector<std::string> texts;
  for (const auto* parts : {&task.parts, &value.differing}) {
    for (const ComparedPart& part : *parts) {
      if (part.state == PartState::kDiffers) texts.push_back(part.name + ": " + part.text);
    }
  }
  return join(texts, "; ");
}

// Answers that nobody has, as a sentence; empty while the policy allows them.
std::string missing_text(const char* side, const std::array<std::int64_t, 8>& states, std::int64_t absent,
                         double allowed) {
  std::int64_t planned = absent;
  for (const std::int64_t count : states) planned += count;
  const std::int64_t failed = states[5] + states[6] + states[7];
  if (planned <= 0 || static_cast<double>(absent + failed) <= allowed * static_cast<double>(planned))
    return {};
  std::vector<std::string> kinds;
  for (const auto& [name, count] : {std::pair("not stored", absent), std::pair("unsupported", states[5]),
                                    std::pair("error", states[6]), std::pair("timeout", states[7])}) {
    if (count != 0) kinds.push_back(fmt::format("{} {}", name, count));
  }
  return fmt::format("{}: {} of {} planned answers are missing ({}), the policy allows {:g} %", side,
                     absent + failed, planned, join(kinds, ", "), 100 * allowed);
}

void fill(const Policy& policy, const GateEvidence& evidence, Work& work) {
  const ComparedTask& task = *work.task;
  const ComparedValue& value = *work.value;
  const stats::Difference& d = *work.difference;
  Check& check = work.check;
  check.task = task.task;
  check.metric = value.metric;
  check.value = value.value;
  check.variant = value.variant;
  check.baseline_model = task.baseline_model;
  check.candidate_model = task.candidate_model;
  check.baseline_version = task.baseline_version;
  check.candidate_version = task.candidate_version;
  const auto recipe = evidence.recipes.find(task.task);
  check.recipe = recipe == evidence.recipes.end() ? task.candidate_version : recipe->second;
  std::vector<std::string> missing;
  for (const std::string& text :
       {missing_text("candidate", task.candidate_states, task.candidate_missing, policy.max_missing),
        missing_text("baseline", task.baseline_states, task.baseline_missing, policy.max_missing)}) {
    if (!text.empty()) missing.push_back(text);
  }
  check.incomplete = join(missing, "; ");
  work.differing = reasons(task, value);
  for (const ComparedPart& part : task.parts) {
    if (part.state == PartState::kWarning || (part.name == "metric" && part.state == PartState::kNote))
      check.notes.push_back(part.name + ": " + part.text);
  }
  check.notes.insert(check.notes.end(), value.notes.begin(), value.notes.end());
  check.notes.insert(check.notes.end(), d.notes.begin(), d.notes.end());
  if (!work.differing.empty()) return;
  check.baseline = d.baseline;
  check.candidate = d.candidate;
  check.delta = d.delta;
  check.lo = d.lo;
  check.hi = d.hi;
  check.mde = d.mde;
  check.method = d.method;
  check.n = d.n;
  check.clusters = d.clusters;
  check.flips = d.flips;
  const GateRule& rule = *work.rule;
  if (rule.margin) check.margin = rule.margin;
  if (rule.relative_margin && value.rule == stats::Rule::kExpMean) {
    check.margin = std::log1p(*rule.relative_margin);  // delta is a difference of logarithms
  } else if (rule.relative_margin && d.baseline && *d.baseline != 0) {
    check.margin = *rule.relative_margin * std::abs(*d.baseline);
  }
  if (check.margin) work.margin = margin_test(d, *check.margin);
}

std::optional<double> defined(double x) {
  return std::isnan(x) ? std::nullopt : std::optional<double>(x);
}

// The p of the hypothesis that the rule is about.
void set_p(Work& work) {
  Check& check = work.check;
  const bool lower_is_better = work.value->direction == 2;
  switch (work.rule->kind) {
    case RuleKind::kNoRegression:
    case RuleKind::kImproved:
      check.p = work.difference->p;
      check.test = work.difference->test;
      break;
    case RuleKind::kNonInferior:
      check.p = defined(lower_is_better ? work.margin.not_above : work.margin.not_below);
      check.test = work.margin.method;
      break;
    case RuleKind::kEquivalent:
      check.p =
          defined(std::isnan(work.margin.not_above) ? work.margin.not_above
                                                    : std::max(work.margin.not_above, work.margin.not_below));
      check.test = work.margin.method;
      break;
    case RuleKind::kAbsolute:
      check.test = "none";
      break;
  }
}

Error matches_nothing(const GateRule& rule, const Comparison& comparison) {
  std::vector<std::string> tasks, metrics;
  for (const ComparedTask& task : comparison.tasks) {
    if (std::find(tasks.begin(), tasks.end(), task.task) == tasks.end()) tasks.push_back(task.task);
    if (!glob_match(rule.task, task.task)) continue;
    for (const ComparedValue& value : task.values) {
      if (std::find(metrics.begin(), metrics.end(), value.metric) == metrics.end())
        metrics.push_back(value.metric);
    }
  }
  std::string text = rule.where + ": this rule fits nothing that was compared: ";
  if (tasks.empty()) {
    text += "the two runs have no task in common";
  } else if (metrics.empty()) {
    text += "no task is called '" + printable(rule.task) + "'" + did_you_mean(rule.task, tasks) +
            "; there are " + printable(join(tasks, ", "), 1000);
  } else {
    text += "no metric '" + printable(rule.metric) + "'" +
            (rule.variant.empty() ? std::string() : " in variant '" + printable(rule.variant) + "'") +
            (rule.model.empty() ? std::string() : " of model '" + printable(rule.model) + "'") +
            did_you_mean(rule.metric, metrics) + "; its tasks have " + printable(join(metrics, ", "), 1000);
  }
  return {Code::kInvalidArgument, text, {}};
}

class Matcher {
 public:
  Matcher(const Policy& policy, const Comparison& comparison, const GateEvidence& evidence)
      : policy_(policy), comparison_(comparison), evidence_(evidence) {}

  Result<std::vector<Work>> run() {
    for (std::size_t r = 0; r < policy_.rules.size(); ++r) {
      const GateRule& rule = policy_.rules[r];
      const std::size_t before = out_.size();
      for (const ComparedTask& task : comparison_.tasks) {
        if (!glob_match(rule.task, task.task) ||
            (!fits_or_all(rule.model, task.candidate_model) && !fits_or_all(rule.model, task.baseline_model)))
          continue;
        for (const ComparedValue& value : task.values) match(r, task, value);
      }
      for (const std::string& name : evidence_.lost) {
        if (!glob_match(rule.task, name)) continue;
        Work work;
        work.rule = &rule;
        work.check.rule = r;
        work.check.task = name;
        work.check.metric = rule.metric;
        work.check.variant = rule.variant;
        work.differing = "the task is in the baseline and not in the candidate";
        out_.push_back(std::move(work));
      }
      if (out_.size() == before) return matches_nothing(rule, comparison_);
    }
    return std::move(out_);
  }

 private:
  void match(std::size_t r, const ComparedTask& task, const ComparedValue& value) {
    const GateRule& rule = policy_.rules[r];
    const std::string differing = reasons(task, value);
    // Without numbers there are names only: no variants, no companions.
    if (!differing.empty() && value.variant.empty()) {
      if (fits_metric(rule.metric, value, {}) || rule.metric.starts_with(value.metric + "/"))
        add(r, task, value, value.difference, {});
      return;
    }
    if (!fits_or_all(rule.variant, value.variant)) return;
    if (fits_metric(rule.metric, value, {})) add(r, task, value, value.difference, {});
    for (const stats::Difference& companion : value.difference.companions) {
      if (fits_metric(rule.metric, value, companion.name)) add(r, task, value, companion, companion.name);
    }
  }

  void add(std::size_t r, const ComparedTask& task, const ComparedValue& value,
           const stats::Difference& difference, const std::string& statistic) {
    Work work;
    work.rule = &policy_.rules[r];
    work.task = &task;
    work.value = &value;
    work.difference = &difference;
    work.check.rule = r;
    work.check.statistic = statistic;
    fill(policy_, evidence_, work);
    if (work.differing.empty()) set_p(work);
    // What a task took stands once, so that the times of all checks add up to the run's.
    const bool first = std::none_of(out_.begin(), out_.end(), [&](const Work& w) { return w.task == &task; });
    if (first) work.check.seconds = task.candidate_cost.seconds;
    out_.push_back(std::move(work));
  }

  const Policy& policy_;
  const Comparison& comparison_;
  const GateEvidence& evidence_;
  std::vector<Work> out_;
};

}  // namespace

Result<std::vector<Work>> match_rules(const Policy& policy, const Comparison& comparison,
                                      const GateEvidence& evidence) {
  return Matcher(policy, comparison, evidence).run();
}

const Waiver* waiver_of(const Policy& policy, const Check& check) {
  for (const Waiver& waiver : policy.waivers) {
    const std::string path = check.metric + "/" + (check.statistic.empty() ? check.value : check.statistic);
    const bool metric = glob_match(waiver.metric, check.metric) || glob_match(waiver.metric, path) ||
                        (check.statistic.empty() && glob_match(waiver.metric, check.value));
    const bool model =
        fits_or_all(waiver.model, check.candidate_model) || fits_or_all(waiver.model, check.baseline_model);
    if (metric && model && glob_match(waiver.task, check.task) && fits_or_all(waiver.variant, check.variant))
      return &waiver;
  }
  return nullptr;
}

std::string name_of(const Check& check) {
  std::string text = printable(check.task, 100) + " " + printable(check.metric, 100);
  if (!check.statistic.empty()) {
    text += "/" + printable(check.statistic, 60);
  } else if (!check.value.empty() && check.value != check.metric &&
             check.metric.find(check.value) == std::string::npos) {
    text += "/" + printable(check.value, 60);
  }
  if (!check.variant.empty()) text += " (" + printable(check.variant, 60) + ")";
  return text;
}

}  // namespace assay::host::gate_detail
