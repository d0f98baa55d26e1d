// What the gate's tests share: planted comparisons, and policies as text.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "reports/gate/gate.hpp"

namespace assay::test {

inline constexpr char kToday[] = "2026-11-20";

/// A policy of one rule; `head` are further lines of [policy].
inline std::string policy_text(const std::string& rule, const std::string& head = {}) {
  return "[policy]\nname = \"t\"\n" + head + "\n[[rule]]\n" + rule + "\n";
}

inline host::Policy policy_of(const std::string& text) {
  Result<host::Policy> policy = host::parse_policy(text, "p.toml", kToday);
  INFO(text << "\n" << (policy.ok() ? std::string() : policy.error().text));
  REQUIRE(policy.ok());
  return *std::move(policy);
}

/// Right-or-wrong scores of n items: `both` right twice, b right then wrong, c wrong then right, the rest
/// wrong twice; compared by the statistics library, as compare does.
inline host::ComparedValue binary_value(std::size_t both, std::size_t b, std::size_t c, std::size_t neither,
                                        double alpha = 0.05) {
  std::vector<double> x, y;
  const auto add = [&](std::size_t count, double before, double after) {
    x.insert(x.end(), count, before);
    y.insert(y.end(), count, after);
  };
  add(both, 1, 1);
  add(b, 1, 0);
  add(c, 0, 1);
  add(neither, 0, 0);
  host::ComparedValue value;
  value.metric = "acc";
  value.value = "accuracy";
  value.rule = stats::Rule::kProportion;
  value.direction = ASSAY_HIGHER_IS_BETTER;
  value.headline = true;
  stats::PairedSample sample;
  sample.rule = value.rule;
  sample.baseline = x;
  sample.candidate = y;
  stats::PairedOptions options;
  options.conf = 1 - alpha;
  value.difference = stats::compare(sample, options);
  value.matched = static_cast<std::int64_t>(x.size());
  return value;
}

/// Real numbers: candidate = baseline + shift with a little alternating noise of size `noise`.
inline host::ComparedValue mean_value(std::size_t n, double base, double shift, double noise,
                                      int direction = ASSAY_HIGHER_IS_BETTER) {
  std::vector<double> x, y;
  for (std::size_t i = 0; i < n; ++i) {
    x.push_back(base + 0.1 * static_cast<double>(i % 7));
    y.push_back(x.back() + shift + (i % 2 == 0 ? noise : -noise));
  }
  host::ComparedValue value;
  value.metric = "score";
  value.value = "score";
  value.rule = stats::Rule::kMean;
  value.direction = direction;
  value.headline = true;
  stats::PairedSample sample;
  sample.rule = value.rule;
  sample.baseline = x;
  sample.candidate = y;
  value.difference = stats::compare(sample, stats::PairedOptions());
  return value;
}

inline host::ComparedTask task_of(const std::string& name, std::vector<host::ComparedValue> values) {
  host::ComparedTask task;
  task.task = name;
  task.baseline_model = task.candidate_model = "m";
  task.baseline_version = task.candidate_version = "0a1b2c3d";
  task.baseline_fingerprint = std::string(64, 'e');
  task.candidate_fingerprint = std::string(64, 'f');
  task.values = std::move(values);
  for (const host::ComparedValue& value : task.values) {
    task.baseline_states[0] = task.candidate_states[0] = static_cast<std::int64_t>(value.difference.n);
  }
  return task;
}

inline host::Comparison comparison_of(std::vector<host::ComparedTask> tasks) {
  host::Comparison comparison;
  comparison.baseline.run.id = 1;
  comparison.baseline.run.uuid = std::string(32, '1');
  comparison.candidate.run.id = 2;
  comparison.candidate.run.uuid = std::string(32, '2');
  comparison.candidate.run.started = "2026-11-20T02:00:00.000Z";
  comparison.tasks = std::move(tasks);
  return comparison;
}

inline host::GateOutcome judge(const host::Policy& policy, const host::Comparison& comparison,
                               const host::GateEvidence& evidence = {}) {
  Result<host::GateOutcome> outcome = host::judge_gate(policy, comparison, evidence);
  INFO((outcome.ok() ? std::string() : outcome.error().text));
  REQUIRE(outcome.ok());
  return *std::move(outcome);
}

/// One rule on one value: the only check.
inline host::Check check_one(const std::string& rule, const host::ComparedValue& value,
                             const std::string& head = {}, const host::GateEvidence& evidence = {}) {
  const host::GateOutcome outcome =
      judge(policy_of(policy_text(rule, head)), comparison_of({task_of("qa", {value})}), evidence);
  REQUIRE(outcome.checks.size() == 1);
  return outcome.checks.front();
}

inline const std::string kNoRegression = "task = \"*\"\nkind = \"no_regression\"";

}  // namespace assay::test
