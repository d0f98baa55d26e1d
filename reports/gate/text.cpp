// A gate's outcome on a terminal and as JSON.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/gate/detail.hpp"
#include "reports/gate/report.hpp"
#include "reports/table.hpp"
#include "reports/text_table.hpp"

namespace assay::host {
namespace {

std::string shown(const std::optional<double>& x) {
  return x ? score_text(*x) : std::string();
}

std::string run_text(const RunSummary& run) {
  return "run " + std::to_string(run.run.id) + " (" + run.run.uuid.substr(0, 8) +
         (run.run.label.empty() ? std::string() : ", " + printable(run.run.label, 60)) + ")";
}

std::string verdict_text(const Check& check) {
  std::string text = gate_verdict_name(check.verdict);
  if (!check.incomplete.empty()) text += ", incomplete";
  if (!check.waived.empty()) text += ", waived";
  return text;
}

enum class Color { kGreen = 32, kRed = 31, kYellow = 33 };

std::string colored(const std::string& text, Color color, bool wanted) {
  return wanted ? fmt::format("\x1b[{}m{}\x1b[0m", static_cast<int>(color), text) : text;
}

Color color_of(const Check& check) {
  if (!check.incomplete.empty()) return Color::kRed;
  if (check.verdict == GateVerdict::kPass) return Color::kGreen;
  return check.verdict == GateVerdict::kFail && check.waived.empty() ? Color::kRed : Color::kYellow;
}

Json number(const std::optional<double>& x) {
  return x ? Json(*x) : Json(nullptr);
}

Json check_json(const Policy& policy, const Check& check) {
  const GateRule& rule = policy.rules[check.rule];
  Json tree = {{"rule", rule_kind_name(rule.kind)},
               {"where", rule.where},
               {"task", check.task},
               {"metric", check.metric},
               {"value", check.value},
               {"variant", check.variant},
               {"statistic", check.statistic},
               {"baseline_model", check.baseline_model},
               {"candidate_model", check.candidate_model},
               {"recipe", check.recipe},
               {"verdict", gate_verdict_name(check.verdict)},
               {"sentence", check.sentence},
               {"regression_seen", check.signal},
               {"baseline", number(check.baseline)},
               {"candidate", number(check.candidate)},
               {"delta", number(check.delta)},
               {"lo", number(check.lo)},
               {"hi", number(check.hi)},
               {"method", check.method},
               {"p", number(check.p)},
               {"adjusted_p", number(check.adjusted)},
               {"test", check.test},
               {"margin", number(check.margin)},
               {"mde", number(check.mde)},
               {"n", check.n},
               {"clusters", check.clusters},
               {"explain", check.formula},
               {"notes", check.notes}};
  tree["incomplete"] = check.incomplete.empty() ? Json(nullptr) : Json(check.incomplete);
  tree["waived"] =
      check.waived.empty() ? Json(nullptr) : Json{{"reason", check.waived}, {"where", check.waived_where}};
  if (check.flips) tree["flips"] = {{"right_to_wrong", check.flips->b}, {"wrong_to_right", check.flips->c}};
  if (check.noise) tree["noise_floor"] = {{"pairs", check.noise->pairs}, {"band", number(check.noise->band)}};
  return tree;
}

}  // namespace

std::string gate_text(const Policy& policy, const Comparison& comparison, const GateOutcome& outcome,
                      bool color, bool explain) {
  const Color overall = outcome.exit_code() == kGatePassed ? Color::kGreen : Color::kRed;
  std::string out = colored(printable(outcome.sentence, 2000), overall, color) + "\n\n";
  out += "baseline " + run_text(comparison.baseline) + ", candidate " + run_text(comparison.candidate) +
         fmt::format("; alpha {:g}, family {} of {}\n", policy.alpha, family_name(policy.family),
                     outcome.family);
  TextTable table;
  using Align = TextTable::Align;
  table.column("task");
  table.column("metric");
  table.column("rule");
  table.column("model");
  table.column("n", Align::kRight);
  table.column("baseline", Align::kRight);
  table.column("candidate", Align::kRight);
  table.column("delta", Align::kRight);
  table.column("interval");
  table.column("adj. p", Align::kRight);
  table.column("version", Align::kLeft, true);
  table.column("verdict");
  for (const Check& check : outcome.checks) {
    const std::string name = gate_detail::name_of(check);
    table.row({printable(check.task, 60), name.substr(printable(check.task, 100).size() + 1),
               rule_kind_name(policy.rules[check.rule].kind), printable(check.candidate_model, 40),
               check.n == 0 ? "" : std::to_string(check.n), shown(check.baseline), shown(check.candidate),
               delta_text(check.delta),
               check.lo && check.hi ? score_text(*check.lo) + " to " + score_text(*check.hi) : "",
               p_text(check.adjusted), check.candidate_version, verdict_text(check)});
  }
  out += table.text(2, color);
  const auto section = [&](const char* title, auto wanted) {
    bool first = true;
    for (const Check& check : outcome.checks) {
      if (!wanted(check)) continue;
      if (first) out += std::string("\n") + title + "\n";
      first = false;
      out += "  " + colored(verdict_text(check), color_of(check), color) + ": " +
             printable(check.sentence, 2000) + "\n";
      if (!explain) continue;
      out += "    rule " + policy.rules[check.rule].where + "\n";
      for (const std::string& line : check.formula) out += "    " + printable(line, 1000) + "\n";
      for (const std::string& note : check.notes) out += "    note: " + printable(note, 1000) + "\n";
    }
  };
  if (explain) {
    section("every check:", [](const Check&) { return true; });
  } else {
    section("not passed:",
            [](const Check& c) { return c.verdict != GateVerdict::kPass || !c.incomplete.empty(); });
    for (const Check& check : outcome.checks) {
      for (const std::string& note : check.notes)
        out += "  note: " + gate_detail::name_of(check) + ": " + printable(note, 1000) + "\n";
    }
  }
  for (const std::string& note : outcome.notes) out += "  note: " + printable(note, 1000) + "\n";
  return out;
}

Json gate_json(const Policy& policy, const Comparison& comparison, const GateOutcome& outcome) {
  Json checks = Json::array();
  for (const Check& check : outcome.checks) checks.push_back(check_json(policy, check));
  const auto run = [](const RunSummary& summary) {
    return Json{{"id", summary.run.id}, {"uuid", summary.run.uuid}, {"label", summary.run.label}};
  };
  Json counts = {{"waived", outcome.waived()}};
  for (const GateVerdict verdict :
       {GateVerdict::kPass, GateVerdict::kFail, GateVerdict::kInconclusive, GateVerdict::kNotComparable})
    counts[gate_verdict_name(verdict)] = outcome.count(verdict);
  return {{"schema", "assay-gate/1"},
          {"sentence", outcome.sentence},
          {"codes", outcome.codes},
          {"policy",
           {{"name", policy.name},
            {"sha256", policy.sha256},
            {"alpha", policy.alpha},
            {"family", family_name(policy.family)},
            {"on_inconclusive", policy.inconclusive_fails ? "fail" : "pass"},
            {"max_missing", policy.max_missing},
            {"min_n", policy.min_n}}},
          {"family_size", outcome.family},
          {"baseline", run(comparison.baseline)},
          {"candidate", run(comparison.candidate)},
          {"counts", counts},
          {"checks", checks},
          {"notes", outcome.notes}};
}

}  // namespace assay::host
