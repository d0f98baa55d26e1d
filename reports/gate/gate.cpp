#include "reports/gate/gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/strings.hpp"
#include "harness/stats/multiplicity.hpp"
#include "reports/gate/detail.hpp"

namespace assay::host {
namespace {

using gate_detail::Work;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Adjusted p over all checks of the policy; gives the family's size.
std::size_t adjust(Family family, std::vector<Work>& works) {
  std::vector<double> p;
  for (const Work& work : works) p.push_back(work.check.p.value_or(kNone));
  const stats::Adjusted adjusted = family == Family::kBh ? stats::benjamini_hochberg(p) : stats::holm(p);
  for (std::size_t i = 0; i < works.size(); ++i) {
    if (family == Family::kNone) {
      works[i].check.adjusted = works[i].check.p;
    } else if (!std::isnan(adjusted.p[i])) {
      works[i].check.adjusted = adjusted.p[i];
    }
  }
  return adjusted.family;
}

std::vector<int> codes_of(const Policy& policy, const GateOutcome& outcome) {
  const auto any = [&](auto fits) { return std::any_of(outcome.checks.begin(), outcome.checks.end(), fits); };
  const auto ended = [&](GateVerdict verdict) {
    return any([verdict](const Check& c) { return c.verdict == verdict && c.waived.empty(); });
  };
  std::vector<int> codes;  // in the order in which they win
  if (ended(GateVerdict::kNotComparable)) codes.push_back(kGateNotComparable);
  if (any([](const Check& c) { return !c.incomplete.empty(); })) codes.push_back(kGateIncomplete);
  if (ended(GateVerdict::kFail)) codes.push_back(kGateRegression);
  if (policy.inconclusive_fails && ended(GateVerdict::kInconclusive)) codes.push_back(kGateInconclusive);
  if (codes.empty()) codes.push_back(kGatePassed);
  return codes;
}

std::string summary(const Policy& policy, const GateOutcome& outcome) {
  const int code = outcome.exit_code();
  const std::string all =
      fmt::format("{} check{}", outcome.checks.size(), outcome.checks.size() == 1 ? "" : "s");
  const auto first = std::find_if(outcome.checks.begin(), outcome.checks.end(), [code](const Check& c) {
    if (code == kGateIncomplete) return !c.incomplete.empty();
    const GateVerdict wanted = code == kGateNotComparable ? GateVerdict::kNotComparable
                               : code == kGateRegression  ? GateVerdict::kFail
                                                          : GateVerdict::kInconclusive;
    return c.verdict == wanted && c.waived.empty();
  });
  std::string text = "gate '" + printable(policy.name) + "' ";
  std::vector<std::string> counts;
  for (const GateVerdict verdict :
       {GateVerdict::kFail, GateVerdict::kNotComparable, GateVerdict::kInconclusive, GateVerdict::kPass}) {
    if (const std::size_t n = outcome.count(verdict); n != 0)
      counts.push_back(fmt::format("{} {}", n, gate_verdict_name(verdict)));
  }
  if (const std::size_t n = outcome.waived(); n != 0) counts.push_back(fmt::format("{} waived", n));
  switch (code) {
    case kGateNotComparable:
      text += "cannot be judged: the runs are not comparable";
      break;
    case kGateIncomplete:
      text += "cannot be judged: too many answers are missing";
      break;
    case kGateRegression:
      text += "FAILED";
      break;
    case kGateInconclusive:
      text += "FAILED: inconclusive, and the policy demands a decision";
      break;
    default:
      return text + fmt::format("passed: {} ({})", all, join(counts, ", "));
  }
  text += fmt::format(" ({}: {})", all, join(counts, ", "));
  return first == outcome.checks.end() ? text : text + "; first: " + first->sentence;
}

}  // namespace

const char* gate_verdict_name(GateVerdict verdict) {
  switch (verdict) {
    case GateVerdict::kPass:
      return "pass";
    case GateVerdict::kFail:
      return "fail";
    case GateVerdict::kInconclusive:
      return "inconclusive";
    default:
      return "not comparable";
  }
}

std::size_t GateOutcome::count(GateVerdict verdict) const {
  return static_cast<std::size_t>(std::count_if(checks.begin(), checks.end(), [verdict](const Check& c) {
    return c.verdict == verdict && c.waived.empty();
  }));
}

std::size_t GateOutcome::waived() const {
  return static_cast<std::size_t>(
      std::count_if(checks.begin(), checks.end(), [](const Check& c) { return !c.waived.empty(); }));
}

CompareOptions gate_compare_options(const Policy& policy) {
  CompareOptions options;
  options.alpha = policy.alpha;
  options.top_items = 0;
  // Only a name written out can mean a value that is no headline.
  options.all_values = std::any_of(policy.rules.begin(), policy.rules.end(), [](const GateRule& rule) {
    return rule.metric.find_first_of("*?") == std::string::npos;
  });
  return options;
}

Result<GateEvidence> gather_evidence(Reader& reader, const Comparison& comparison, const Policy& policy) {
  GateEvidence out;
  const RowId baseline = comparison.baseline.run.id, candidate = comparison.candidate.run.id;
  Result<std::vector<RecipeRow>> recipes = reader.recipes(candidate);
  if (!recipes) return std::move(recipes).error();
  for (const ComparedTask& task : comparison.tasks) {
    for (const RecipeRow& recipe : *recipes) {
      if (recipe.name == task.task && recipe.hash.starts_with(task.candidate_version))
        out.recipes[task.task] = recipe.hash;
    }
  }
  Result<std::vector<AggregateLine>> lines = reader.aggregates(candidate);
  if (!lines) return std::move(lines).error();
  out.candidate = *std::move(lines);
  for (AggregateLine& line : out.candidate) {
    // A run may hold several recipes of one name; only the compared one counts.
    const auto used = out.recipes.find(line.recipe);
    if (used != out.recipes.end() && used->second != line.recipe_hash) line.recipe.clear();
  }
  std::set<std::string> hashes;
  for (const auto& [task, hash] : out.recipes) hashes.insert(hash);
  const bool confirms = std::any_of(policy.rules.begin(), policy.rules.end(), [](const GateRule& rule) {
    return rule.confirm && !rule.confirm->e_value;
  });
  for (const std::string& hash : hashes) {
    if (!confirms) break;
    Result<std::vector<GateResultRow>> rows = reader.gate_results(hash);
    if (!rows) return std::move(rows).error();
    out.earlier.insert(out.earlier.end(), rows->begin(), rows->end());
  }
  const bool noise = std::any_of(policy.rules.begin(), policy.rules.end(),
                                 [](const GateRule& rule) { return rule.noise_floor; });
  std::set<std::pair<std::string, std::string>> asked;
  for (const ComparedTask& task : comparison.tasks) {
    if (!noise) break;
    for (const std::string& fingerprint : {task.baseline_fingerprint, task.candidate_fingerprint}) {
      const std::string& hash = out.recipes[task.task];
      if (!asked.emplace(hash, fingerprint).second) continue;
      Result<std::vector<RepeatedScore>> rows = reader.repeated_scores(hash, fingerprint);
      if (!rows) return std::move(rows).error();
      for (RepeatedScore& row : *rows) out.repeated.push_back({hash, fingerprint, std::move(row)});
    }
  }
  Result<std::vector<EvaluationRow>> evaluations = reader.evaluations(baseline);
  if (!evaluations) return std::move(evaluations).error();
  Result<std::vector<RecipeRow>> before = reader.recipes(baseline);
  if (!before) return std::move(before).error();
  for (const RecipeRow& recipe : *before) {
    const bool compared = std::any_of(comparison.tasks.begin(), comparison.tasks.end(),
                                      [&](const ComparedTask& task) { return task.task == recipe.name; });
    const bool computed =
        std::any_of(evaluations->begin(), evaluations->end(), [&](const EvaluationRow& evaluation) {
          return evaluation.recipe == recipe.id && evaluation.status != "unsupported";
        });
    if (!compared && computed && std::find(out.lost.begin(), out.lost.end(), recipe.name) == out.lost.end())
      out.lost.push_back(recipe.name);
  }
  return out;
}

Result<GateOutcome> judge_gate(const Policy& policy, const Comparison& comparison,
                               const GateEvidence& evidence) {
  Result<std::vector<Work>> works = gate_detail::match_rules(policy, comparison, evidence);
  if (!works) return std::move(works).error();
  GateOutcome out;
  out.family = adjust(policy.family, *works);
  std::set<const Waiver*> used;
  for (Work& work : *works) {
    gate_detail::decide(policy, evidence, comparison, out.family, work);
    if (work.check.verdict != GateVerdict::kPass) {
      if (const Waiver* waiver = gate_detail::waiver_of(policy, work.check)) {
        used.insert(waiver);
        work.check.waived = waiver->reason;
        work.check.waived_where = waiver->where;
        work.check.sentence += "; waived until " + waiver->until + ": " + printable(waiver->reason);
        out.notes.push_back("waived (" + waiver->where + ", until " + waiver->until +
                            "): " + gate_detail::name_of(work.check) + ", " +
                            gate_verdict_name(work.check.verdict) + ": " + printable(waiver->reason));
      }
    }
    out.checks.push_back(std::move(work.check));
  }
  for (const Waiver& waiver : policy.waivers) {
    if (used.count(&waiver) == 0)
      out.notes.push_back("the waiver at " + waiver.where + " was not needed; it can be removed");
  }
  for (const ComparedPart& note : comparison.notes) out.notes.push_back(note.name + ": " + note.text);
  out.codes = codes_of(policy, out);
  out.sentence = summary(policy, out);
  return out;
}

std::vector<GateResultRow> rows_of(const Policy& policy, const Comparison& comparison,
                                   const GateOutcome& outcome) {
  std::vector<GateResultRow> rows;
  for (const Check& check : outcome.checks) {
    GateResultRow row;
    row.baseline = comparison.baseline.run.id;
    row.candidate = comparison.candidate.run.id;
    row.policy = policy.name;
    row.policy_sha256 = policy.sha256;
    row.recipe = check.recipe;
    row.task = check.task;
    row.model = check.candidate_model;
    row.metric = check.metric;
    row.value = check.value;
    row.variant = check.variant;
    row.statistic = check.statistic;
    row.rule = rule_kind_name(policy.rules[check.rule].kind);
    row.verdict = gate_verdict_name(check.verdict);
    row.waived = !check.waived.empty();
    row.signal = check.signal;
    row.delta = check.delta.value_or(kNone);
    row.lo = check.lo.value_or(kNone);
    row.hi = check.hi.value_or(kNone);
    row.p = check.adjusted.value_or(kNone);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace assay::host
