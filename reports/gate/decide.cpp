// The verdict of one check, by the kind of its rule, with the sentence that a reviewer reads first.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "assay/plugin.h"
#include "harness/base/numbers.hpp"
#include "harness/base/strings.hpp"
#include "harness/stats/sequential.hpp"
#include "harness/stats/summary.hpp"
#include "reports/compare/format.hpp"
#include "reports/gate/detail.hpp"
#include "reports/table.hpp"

namespace assay::host::gate_detail {
namespace {

constexpr double kNoiseQuantile = 0.95;

bool same_number(const Check& check, const std::string& metric, const std::string& value,
                 const std::string& variant) {
  return metric == check.metric && value == check.value && variant == check.variant;
}

// The band of |delta| among pairs of runs that asked and scored exactly the same, both anew.
NoiseBand noise_of(const Work& work, const GateEvidence& evidence, const Comparison& comparison) {
  std::vector<const GateEvidence::Repeated*> rows;
  for (const GateEvidence::Repeated& row : evidence.repeated) {
    const RepeatedScore& score = row.score;
    const std::string& statistic = work.check.statistic;
    const AggregateLine probe = [&] {
      AggregateLine line;
      line.value = score.value;
      line.row.statistic = score.statistic;
      return line;
    }();
    const bool fits = statistic.empty() ? !companion(probe) : score.statistic == statistic;
    if (row.recipe == work.check.recipe && fits && !score.cached && std::isfinite(score.estimate) &&
        (row.fingerprint == work.task->baseline_fingerprint ||
         row.fingerprint == work.task->candidate_fingerprint) &&
        same_number(work.check, score.metric, score.value, score.variant))
      rows.push_back(&row);
  }
  const bool logs = work.value->rule == stats::Rule::kExpMean;
  std::vector<double> sizes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      const RepeatedScore &x = rows[i]->score, &y = rows[j]->score;
      const RowId a = comparison.baseline.run.id, b = comparison.candidate.run.id;
      // The pair in question must not excuse itself.
      const bool itself = (x.run == a && y.run == b) || (x.run == b && y.run == a);
      if (itself || x.run == y.run || x.identity != y.identity ||
          rows[i]->fingerprint != rows[j]->fingerprint)
        continue;
      sizes.push_back(std::abs(logs ? std::log(x.estimate / y.estimate) : x.estimate - y.estimate));
    }
  }
  NoiseBand band;
  band.pairs = sizes.size();
  if (!sizes.empty()) band.band = stats::quantile(sizes, kNoiseQuantile);
  return band;
}

struct Seen {
  std::int64_t regressions = 0, gates = 0;
};

// Earlier gates by the same kind of rule on the same number, the newest of each candidate, at most `most`.
// Other policies are other series: their margins differ.
Seen seen_before(const Policy& policy, const Check& check, const GateEvidence& evidence, RowId candidate,
                 std::int64_t most) {
  const std::string kind = rule_kind_name(policy.rules[check.rule].kind);
  Seen seen;
  std::vector<RowId> candidates = {candidate};
  for (const GateResultRow& row : evidence.earlier) {
    if (seen.gates == most) break;
    if (row.policy != policy.name || row.rule != kind || row.recipe != check.recipe ||
        row.task != check.task || row.model != check.candidate_model || row.statistic != check.statistic ||
        !same_number(check, row.metric, row.value, row.variant) ||
        std::find(candidates.begin(), candidates.end(), row.candidate) != candidates.end())
      continue;
    candidates.push_back(row.candidate);
    ++seen.gates;
    seen.regressions += row.signal ? 1 : 0;
  }
  return seen;
}

class Decision {
 public:
  Decision(const Policy& policy, const GateEvidence& evidence, const Comparison& comparison,
           std::size_t family, Work& work)
      : policy_(policy),
        evidence_(evidence),
        comparison_(comparison),
        family_(family),
        work_(work),
        check_(work.check),
        rule_(*work.rule) {}

  void run() {
    if (rule_.kind == RuleKind::kAbsolute && work_.task != nullptr) {
      absolute();
    } else if (!work_.differing.empty()) {
      say(GateVerdict::kNotComparable, work_.differing);
    } else {
      compared();
    }
    if (!check_.incomplete.empty()) check_.sentence += "; " + check_.incomplete;
  }

 private:
  void say(GateVerdict verdict, const std::string& text) {
    check_.verdict = verdict;
    check_.sentence = name_of(check_) + ": " + text;
  }
  void undecided(const std::string& text) { say(GateVerdict::kInconclusive, "inconclusive: " + text); }
  void explain(const std::string& text) { check_.formula.push_back(text); }

  [[nodiscard]] std::string facts() const {
    std::vector<std::string> texts;
    if (check_.baseline && check_.candidate)
      texts.push_back(score_text(*check_.baseline) + " to " + score_text(*check_.candidate));
    if (check_.delta) texts.push_back("difference " + delta_text(*check_.delta));
    if (check_.lo && check_.hi)
      texts.push_back(fmt::format("{:g} % interval {} to {}", 100 * (1 - policy_.alpha),
                                  delta_text(*check_.lo), delta_text(*check_.hi)));
    if (check_.adjusted) {
      const char* names[] = {"Holm p ", "BH q ", "p "};
      texts.push_back(names[static_cast<std::size_t>(policy_.family)] + p_text(*check_.adjusted));
    }
    texts.push_back(fmt::format("{} pairs", check_.n));
    if (check_.clusters != 0) texts.push_back(fmt::format("{} groups", check_.clusters));
    if (check_.flips)
      texts.push_back(fmt::format("{} wrong-to-right, {} right-to-wrong", check_.flips->c, check_.flips->b));
    return join(texts, ", ");
  }

  [[nodiscard]] bool lower_is_better() const { return work_.value->direction == ASSAY_LOWER_IS_BETTER; }
  [[nodiscard]] bool worse() const { return *check_.delta != 0 && (*check_.delta < 0) != lower_is_better(); }
  [[nodiscard]] bool significant() const { return check_.adjusted && *check_.adjusted < policy_.alpha; }
  /// The whole interval lies within the margin.
  [[nodiscard]] bool inside() const {
    return check_.margin && check_.lo && check_.hi && *check_.lo > -*check_.margin &&
           *check_.hi < *check_.margin;
  }
  [[nodiscard]] std::string margin_text() const {
    return check_.margin ? "margin " + score_text(*check_.margin) : "no margin";
  }

  void compared() {
    const bool directed = rule_.kind != RuleKind::kEquivalent;
    if (check_.p) {
      explain(fmt::format("p = {} ({}); {} over m = {} checks gives {}; alpha = {:g}", p_text(*check_.p),
                          check_.test, family_name(policy_.family), family_, p_text(check_.adjusted),
                          policy_.alpha));
    }
    if (check_.lo && check_.hi)
      explain(fmt::format("{:g} % interval of candidate - baseline by {}: {:.6g} to {:.6g}",
                          100 * (1 - policy_.alpha), check_.method, *check_.lo, *check_.hi));
    if (check_.margin) explain(fmt::format("margin M = {:.6g}", *check_.margin));
    if (directed && work_.value->direction == ASSAY_NO_DIRECTION)
      return undecided("no direction of this metric is better; kind 'equivalent' needs none");
    if (!check_.delta) {
      const std::string& why = work_.difference->undefined;
      return undecided("no difference can be computed" + (why.empty() ? std::string() : ": " + why));
    }
    if (static_cast<std::int64_t>(check_.n) < policy_.min_n)
      return undecided(
          fmt::format("{} pairs, the policy demands at least {}; {}", check_.n, policy_.min_n, facts()));
    if (rule_.noise_floor) find_noise();
    switch (rule_.kind) {
      case RuleKind::kNoRegression:
        return no_regression();
      case RuleKind::kNonInferior:
        return non_inferior();
      case RuleKind::kEquivalent:
        return equivalent();
      default:
        return improved();
    }
  }

  void find_noise() {
    check_.noise = noise_of(work_, evidence_, comparison_);
    if (check_.noise->band) {
      explain(fmt::format("noise floor: 95 % of |delta| between {} pairs of equal runs is at most {:.6g}",
                          check_.noise->pairs, *check_.noise->band));
    } else {
      check_.notes.emplace_back(
          "the noise floor is unknown: no two equal runs that both asked anew are stored (run the suite "
          "twice with --no-cache); the rule was applied without it");
    }
  }
  [[nodiscard]] bool within_noise() const {
    return check_.noise && check_.noise->band && std::abs(*check_.delta) <= *check_.noise->band;
  }

  void no_regression() {
    explain("fails when a change for the worse is significant" +
            std::string(check_.margin ? " and the interval is not inside (-M, M)" : ""));
    bool shown = significant();
    if (rule_.confirm && rule_.confirm->e_value) {
      if (!check_.flips || check_.clusters != 0)
        return undecided("an e-value exists for right-or-wrong scores without groups only; " + facts());
      const double log_e = stats::log_e_mcnemar(check_.flips->b, check_.flips->c);
      const double tests = policy_.family == Family::kNone ? 1.0 : static_cast<double>(family_);
      explain(fmt::format("ln e = {:.4g} of {} and {} flips; a regression counts from ln(m / alpha) = {:.4g}",
                          log_e, check_.flips->b, check_.flips->c, std::log(tests / policy_.alpha)));
      shown = log_e >= std::log(tests / policy_.alpha);
    }
    if (shown && worse()) {
      if (inside())
        return say(GateVerdict::kPass, "worse by less than the margin: " + facts() + ", " + margin_text());
      if (within_noise())
        return say(GateVerdict::kPass,
                   "within the noise of repeated runs (" + score_text(*check_.noise->band) + "): " + facts());
      return regression("regression: " + facts());
    }
    if (!check_.adjusted) return undecided("no p-value; " + facts());
    if (rule_.margin || rule_.relative_margin) {
      if (!check_.margin) return undecided("the baseline is 0, so the relative margin is none; " + facts());
      const double p = lower_is_better() ? work_.margin.not_above : work_.margin.not_below;
      const bool powered = check_.mde && *check_.mde > 0 && *check_.mde <= *check_.margin;
      explain(
          fmt::format("passes when {} p against -M is below alpha ({}) or the detectable effect is at most M",
                      work_.margin.method.empty() ? "no" : work_.margin.method, p_text(p)));
      if (!(p < policy_.alpha) && !powered) {
        return undecided((check_.mde && *check_.mde > *check_.margin
                              ? "minimum detectable effect " + score_text(*check_.mde) + " exceeds "
                              : std::string("too few items for ")) +
                         margin_text() + "; " + facts());
      }
    }
    say(GateVerdict::kPass,
        std::string(shown && !worse() ? "improved: " : "no regression is shown: ") + facts());
  }

  void non_inferior() {
    explain(
        "passes when the test against the margin on the worse side is significant; fails when the whole "
        "interval lies beyond the margin");
    if (!check_.margin) return undecided("the baseline is 0, so the relative margin is none; " + facts());
    if (!check_.p) return undecided("no test against the margin; " + facts());
    if (significant())
      return say(GateVerdict::kPass, "not worse by " + score_text(*check_.margin) + ": " + facts());
    const bool beyond = lower_is_better() ? check_.lo && *check_.lo > *check_.margin
                                          : check_.hi && *check_.hi < -*check_.margin;
    if (beyond) return regression("regression beyond the margin: " + facts() + ", " + margin_text());
    undecided("not shown to be worse by less than the margin; " + facts() + ", " + margin_text());
  }

  void equivalent() {
    explain(
        "passes when both one-sided tests against (-M, M) are significant; fails when the whole interval "
        "lies outside");
    if (!check_.margin) return undecided("the baseline is 0, so the relative margin is none; " + facts());
    if (!check_.p) return undecided("no test against the margin; " + facts());
    if (significant()) return say(GateVerdict::kPass, "equivalent: " + facts() + ", " + margin_text());
    const bool outside =
        (check_.lo && *check_.lo > *check_.margin) || (check_.hi && *check_.hi < -*check_.margin);
    if (outside) return fail("not equivalent: " + facts() + ", " + margin_text());
    undecided("equivalence is not shown; " + facts() + ", " + margin_text());
  }

  void improved() {
    explain("passes when a change for the better is significant" +
            std::string(check_.margin ? " and the interval is not inside (-M, M)" : "") +
            "; fails when a change for the worse is");
    if (!check_.adjusted) return undecided("no p-value; " + facts());
    if (inside())
      return say(GateVerdict::kFail, "no improvement beyond the margin: " + facts() + ", " + margin_text());
    if (significant() && worse()) return fail("worse: " + facts());
    if (!significant()) return undecided("an improvement is not shown; " + facts());
    if (within_noise())
      return undecided("within the noise of repeated runs (" + score_text(*check_.noise->band) + "); " +
                       facts());
    say(GateVerdict::kPass, "improved: " + facts());
  }

  void fail(const std::string& text) {
    check_.signal = worse();
    say(GateVerdict::kFail, text);
  }

  // A regression that the numbers show; whether it counts may depend on earlier gates.
  void regression(const std::string& text) {
    check_.signal = true;
    if (!rule_.confirm || rule_.confirm->e_value) return say(GateVerdict::kFail, text);
    const Seen seen =
        seen_before(policy_, check_, evidence_, comparison_.candidate.run.id, rule_.confirm->of - 1);
    const std::string count =
        fmt::format("seen by {} of the last {} gates", seen.regressions + 1, seen.gates + 1);
    explain(fmt::format("{}; the rule needs {} of {}", count, rule_.confirm->needed, rule_.confirm->of));
    if (seen.regressions + 1 >= rule_.confirm->needed) return say(GateVerdict::kFail, text + ", " + count);
    undecided(fmt::format("a regression that is not confirmed ({}, the rule needs {} of {}): {}", count,
                          rule_.confirm->needed, rule_.confirm->of, facts()));
  }

  [[nodiscard]] const AggregateLine* aggregate() const {
    const AggregateLine* loose = nullptr;
    std::size_t candidates = 0;
    for (const AggregateLine& line : evidence_.candidate) {
      if (line.recipe != check_.task || line.model != check_.candidate_model ||
          line.metric != check_.metric || line.value != check_.value)
        continue;
      if (check_.statistic.empty() ? companion(line) : line.row.statistic != check_.statistic) continue;
      if (line.row.variant == check_.variant) return &line;
      ++candidates;
      loose = &line;
    }
    return candidates == 1 ? loose : nullptr;  // the only variant may bear its name or none
  }

  void absolute() {
    std::vector<std::string> demands;
    if (rule_.min) demands.push_back("at least " + score_text(*rule_.min));
    if (rule_.max) demands.push_back("at most " + score_text(*rule_.max));
    const std::string demand = join(demands, " and ");
    const AggregateLine* line = aggregate();
    if (line == nullptr) return undecided("the candidate has no such number; it must be " + demand);
    const AggregateRow& row = line->row;
    const double x = rule_.bound == Bound::kPoint   ? row.estimate
                     : rule_.bound == Bound::kLower ? row.lo
                                                    : row.hi;
    check_.n = static_cast<std::size_t>(std::max<std::int64_t>(row.n_scored, 0));
    check_.candidate = if_finite(row.estimate);
    check_.baseline = work_.differing.empty() ? check_.baseline : std::nullopt;
    check_.delta = check_.lo = check_.hi = check_.mde = std::nullopt;
    check_.flips.reset();
    if (std::isfinite(row.lo) && std::isfinite(row.hi)) check_.lo = row.lo, check_.hi = row.hi;
    check_.method = row.method;
    const std::string what = rule_.bound == Bound::kPoint   ? std::string("estimate")
                             : rule_.bound == Bound::kLower ? std::string("lower limit")
                                                            : std::string("upper limit");
    const std::string interval =
        std::isfinite(row.lo) && std::isfinite(row.hi)
            ? fmt::format("interval {} to {} by {}", score_text(row.lo), score_text(row.hi), row.method)
            : std::string("no interval");
    const std::string text = fmt::format("{} {} must be {} (estimate {}, {}, {} items)", what, score_text(x),
                                         demand, score_text(row.estimate), interval, check_.n);
    explain(
        fmt::format("passes when the candidate's {} lies within the limits; the baseline has no part in "
                    "it, and it has no p",
                    what));
    if (!std::isfinite(x))
      return undecided(text + (row.undefined_reason.empty() ? std::string() : ": " + row.undefined_reason));
    if (row.n_scored < policy_.min_n)
      return undecided(
          fmt::format("{} items, the policy demands at least {}; {}", row.n_scored, policy_.min_n, text));
    const bool good = (!rule_.min || x >= *rule_.min) && (!rule_.max || x <= *rule_.max);
    say(good ? GateVerdict::kPass : GateVerdict::kFail, text);
  }

  const Policy& policy_;
  const GateEvidence& evidence_;
  const Comparison& comparison_;
  std::size_t family_;
  Work& work_;
  Check& check_;
  const GateRule& rule_;
};

}  // namespace

void decide(const Policy& policy, const GateEvidence& evidence, const Comparison& comparison,
            std::size_t family, Work& work) {
  Decision(policy, evidence, comparison, family, work).run();
}

}  // namespace assay::host::gate_detail
