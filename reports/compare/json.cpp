// A comparison as JSON, schema assay-compare/1.
#include <cmath>
#include <nlohmann/json.hpp>

#include "assay/plugin.h"
#include "reports/compare/format.hpp"

namespace assay::host {
namespace {

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}
Json number(const std::optional<double>& value) {
  return value ? number(*value) : Json(nullptr);
}

Json run_json(const RunSummary& run) {
  return {{"run", run.run.uuid},        {"label", run.run.label},   {"suite", run.run.suite_name},
          {"started", run.run.started}, {"status", run.run.status}, {"wall_seconds", run.run.wall_seconds}};
}

Json parts_json(const std::vector<ComparedPart>& parts) {
  Json list = Json::array();
  for (const ComparedPart& part : parts)
    list.push_back({{"part", part.name}, {"state", part_state_name(part.state)}, {"text", part.text}});
  return list;
}

Json states_json(const std::array<std::int64_t, 8>& states) {
  Json tree = Json::object();
  for (int state = 0; state < 8; ++state) tree[state_name(state)] = states[static_cast<std::size_t>(state)];
  return tree;
}

Json counts_json(const SideCounts& counts) {
  return {{"states", states_json(counts.states)},
          {"answers", counts.answers},
          {"n_scored", counts.scored},
          {"as_worst", counts.as_worst},
          {"non_finite", counts.non_finite}};
}

Json difference_json(const stats::Difference& d) {
  Json one = {{"baseline", number(d.baseline)},
              {"candidate", number(d.candidate)},
              {"delta", number(d.delta)},
              {"se", number(d.se)},
              {"lo", number(d.lo)},
              {"hi", number(d.hi)},
              {"method", d.method},
              {"p", number(d.p)},
              {"test", d.test},
              {"pairs", d.n},
              {"clusters", d.clusters},
              {"correlation", number(d.correlation)},
              {"unpaired_se", number(d.unpaired_se)},
              {"mde", number(d.mde)},
              {"notes", d.notes}};
  if (!d.name.empty()) one["statistic"] = d.name;
  if (!d.undefined.empty()) one["undefined"] = d.undefined;
  if (d.flips) {
    one["flips"] = {{"a", d.flips->a},
                    {"b", d.flips->b},
                    {"c", d.flips->c},
                    {"d", d.flips->d},
                    {"churn", number(d.flips->churn())}};
  }
  if (d.equivalence) {
    const stats::Equivalence& e = *d.equivalence;
    one["equivalence"] = {{"method", e.method},         {"p", number(e.p)},
                          {"lo", number(e.lo)},         {"hi", number(e.hi)},
                          {"equivalent", e.equivalent}, {"non_inferior", e.non_inferior}};
  }
  if (d.replicates != 0) {
    one["replicates"] = d.replicates;
    one["dropped"] = d.dropped;
    one["seed"] = std::to_string(d.seed);
    one["streams"] = d.streams;
  }
  for (const auto& [name, value] : d.details) one["details"][name] = number(value);
  for (const stats::Difference& companion : d.companions)
    one["companions"].push_back(difference_json(companion));
  return one;
}

Json value_json(const ComparedValue& value) {
  Json one = difference_json(value.difference);
  one["metric"] = value.metric;
  one["value"] = value.value;
  one["variant"] = value.variant;
  one["unit"] = value.unit;
  one["rule"] = stats::rule_name(value.rule);
  one["headline"] = value.headline;
  one["model_free"] = value.model_free;
  one["higher_is_better"] =
      value.direction == ASSAY_NO_DIRECTION ? Json(nullptr) : Json(value.direction == ASSAY_HIGHER_IS_BETTER);
  one["matched"] = value.matched;
  one["unscored"] = value.unscored;
  one["relative"] = number(value.relative);
  one["holm_p"] = number(value.holm);
  one["bh_q"] = number(value.bh);
  one["needed_items"] = number(value.needed);
  one["verdict"] = value.verdict == Verdict::kForced ? Json(nullptr) : Json(verdict_name(value.verdict));
  one["forced"] = value.verdict == Verdict::kForced;
  one["sentence"] = value.sentence;
  one["differs"] = parts_json(value.differing);
  for (const std::string& note : value.notes) one["notes"].push_back(note);
  one["baseline_counts"] = counts_json(value.baseline);
  one["candidate_counts"] = counts_json(value.candidate);
  one["changed_items"] = value.changed_units;
  one["changed"] = Json::array();
  for (const ChangedItem& item : value.changed) {
    one["changed"].push_back({{"item", item.id},
                              {"variant", item.variant},
                              {"repeat", item.repeat},
                              {"baseline", number(item.baseline)},
                              {"candidate", number(item.candidate)},
                              {"prompt", item.prompt},
                              {"baseline_answer", item.baseline_answer},
                              {"candidate_answer", item.candidate_answer},
                              {"baseline_state", item.baseline_state},
                              {"candidate_state", item.candidate_state}});
  }
  return one;
}

Json cost_json(const SideCost& cost) {
  return {{"tokens_in", cost.tokens_in},
          {"tokens_out", cost.tokens_out},
          {"seconds", cost.seconds},
          {"responses", cost.responses},
          {"cached", cost.cached}};
}

Json task_json(const ComparedTask& task) {
  Json one = {{"task", task.task},
              {"comparable", task.comparable()},
              {"parts", parts_json(task.parts)},
              {"matched", task.matched},
              {"only_baseline", task.only_baseline},
              {"only_candidate", task.only_candidate},
              {"identical_answers", number(task.identical)},
              {"answers", task.answers}};
  one["baseline"] = {{"model", task.baseline_model},     {"fingerprint", task.baseline_fingerprint},
                     {"version", task.baseline_version}, {"states", states_json(task.baseline_states)},
                     {"missing", task.baseline_missing}, {"cost", cost_json(task.baseline_cost)}};
  one["candidate"] = {{"model", task.candidate_model},     {"fingerprint", task.candidate_fingerprint},
                      {"version", task.candidate_version}, {"states", states_json(task.candidate_states)},
                      {"missing", task.candidate_missing}, {"cost", cost_json(task.candidate_cost)}};
  one["values"] = Json::array();
  for (const ComparedValue& value : task.values) one["values"].push_back(value_json(value));
  return one;
}

Json total_json(const ComparedTotal& t) {
  Json one = {{"average", t.macro ? "macro" : "micro"},
              {"metric", t.metric},
              {"value", t.value},
              {"baseline_model", t.baseline_model},
              {"candidate_model", t.candidate_model},
              {"members", t.members},
              {"items", t.items},
              {"units", t.units},
              {"baseline", number(t.baseline)},
              {"candidate", number(t.candidate)},
              {"delta", number(t.delta)},
              {"method", t.method},
              {"se", number(t.se)},
              {"lo", number(t.lo)},
              {"hi", number(t.hi)},
              {"formula_se", number(t.formula_se)},
              {"formula", t.macro ? "macro, members independent" : "micro, stratified"},
              {"p", number(t.p)},
              {"holm_p", number(t.holm)},
              {"bh_q", number(t.bh)},
              {"replicates", t.replicates},
              {"seed", std::to_string(t.seed)}};
  if (!t.undefined.empty()) one["undefined"] = t.undefined;
  if (!t.note.empty()) one["notes"] = {t.note};
  return one;
}

Json axis_json(const TwoAxisLine::Axis& a, bool forced) {
  return {{"variant", a.variant},
          {"baseline", number(a.baseline)},
          {"candidate", number(a.candidate)},
          {"delta", number(a.delta)},
          {"lo", number(a.lo)},
          {"hi", number(a.hi)},
          {"relative", number(a.relative)},
          {"verdict", forced ? Json(nullptr) : Json(a.verdict)}};
}

}  // namespace

Json compare_json(const Comparison& comparison) {
  const CompareOptions& options = comparison.options;
  Json tree = {{"schema", "assay-compare/1"},
               {"baseline", run_json(comparison.baseline)},
               {"candidate", run_json(comparison.candidate)},
               {"alpha", options.alpha},
               {"margin", number(options.margin)},
               {"forced", options.force},
               {"comparable", comparison.anything()},
               {"family", {{"tests", comparison.family}, {"verdict_by", "bh_q"}}},
               {"totals_family", {{"tests", comparison.totals_family}}},
               {"notes", parts_json(comparison.notes)}};
  if (options.force)
    tree["warning"] = "FORCED: no verdict; differences that make runs not comparable are ignored";
  tree["tasks"] = Json::array();
  for (const ComparedTask& task : comparison.tasks) tree["tasks"].push_back(task_json(task));
  tree["totals"] = Json::array();
  for (const ComparedTotal& total : comparison.totals) tree["totals"].push_back(total_json(total));
  tree["two_axis"] = Json::array();
  for (const TwoAxisLine& line : comparison.two_axis) {
    tree["two_axis"].push_back({{"task", line.task},
                                {"probe", line.probe},
                                {"model", line.model},
                                {"metric", line.metric},
                                {"value", line.value},
                                {"forget", axis_json(line.forget, options.force)},
                                {"retain", axis_json(line.retain, options.force)}});
  }
  return tree;
}

}  // namespace assay::host
