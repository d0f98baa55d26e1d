// Adjusted p-values over the family, verdicts in their order of precedence, and the sentence of each.
#include "harness/stats/multiplicity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/compare/detail.hpp"
#include "reports/compare/format.hpp"
#include "reports/table.hpp"

namespace assay::host {

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kImproved:
      return "improved";
    case Verdict::kRegressed:
      return "regressed";
    case Verdict::kEquivalent:
      return "equivalent";
    case Verdict::kInconclusive:
      return "inconclusive";
    case Verdict::kForced:
      return "FORCED";
    default:
      return "NOT COMPARABLE";
  }
}

bool Comparison::anything() const {
  for (const ComparedTask& task : tasks) {
    for (const ComparedValue& value : task.values) {
      if (value.verdict != Verdict::kNotComparable) return true;
    }
  }
  return false;
}

namespace compare_detail {
namespace {

using stats::Difference;

double or_nan(const std::optional<double>& x) {
  return x.value_or(std::numeric_limits<double>::quiet_NaN());
}

std::optional<double> defined(double x) {
  return std::isnan(x) ? std::nullopt : std::optional<double>(x);
}

std::string level(const CompareOptions& options) {
  return fmt::format("{:g} %", 100 * (1 - options.alpha));
}

// "0.8200 to 0.7100, difference -0.1100 (95 % interval -0.1800 to -0.0400)"
std::string numbers(const ComparedValue& value, const CompareOptions& options) {
  const Difference& d = value.difference;
  if (!d.delta) return "no difference can be computed";
  std::string text;
  if (d.baseline && d.candidate) text = score_text(*d.baseline) + " to " + score_text(*d.candidate) + ", ";
  text += value.rule == stats::Rule::kExpMean ? "difference of the log " : "difference ";
  text += delta_text(*d.delta);
  if (d.lo && d.hi)
    text += " (" + level(options) + " interval " + delta_text(*d.lo) + " to " + delta_text(*d.hi) + ")";
  if (d.flips) text += fmt::format(", {} right then wrong and {} wrong then right", d.flips->b, d.flips->c);
  return text;
}

std::string reasons(const std::vector<ComparedPart>& parts) {
  std::vector<std::string> texts;
  for (const ComparedPart& part : parts) {
    if (part.state == PartState::kDiffers) texts.push_back(part.name + ": " + part.text);
  }
  return join(texts, "; ");
}

std::string p_text_of(const ComparedValue& value) {
  return value.bh ? "adjusted p " + p_text(*value.bh) : "no p";
}

std::string inconclusive(const ComparedValue& value, const CompareOptions& options) {
  const Difference& d = value.difference;
  std::string text = numbers(value, options);
  if (!d.undefined.empty()) text += "; " + d.undefined;
  if (value.bh && *value.bh < options.alpha && value.direction == ASSAY_NO_DIRECTION)
    return text + "; " + p_text_of(value) + ": a difference, but this metric has no better direction";
  if (value.bh) text += "; " + p_text_of(value);
  if (d.mde && *d.mde > 0)
    text += fmt::format("; a difference of {} would be found with probability 0.8", score_text(*d.mde));
  if (value.needed)
    text += fmt::format("; the margin {} needs {:.0f} items, there are {}", score_text(*options.margin),
                        *value.needed, d.n);
  return text;
}

void decide(const ComparedTask& task, const CompareOptions& options, ComparedValue& value) {
  std::vector<ComparedPart> parts = task.parts;
  parts.insert(parts.end(), value.differing.begin(), value.differing.end());
  const std::string differing = reasons(parts);
  if (options.force) {
    value.verdict = Verdict::kForced;
    value.sentence = "FORCED, no verdict: " + numbers(value, options) +
                     (differing.empty() ? std::string() : "; not comparable: " + differing);
    return;
  }
  if (!differing.empty()) {
    value.verdict = Verdict::kNotComparable;
    value.sentence = "NOT COMPARABLE: " + differing;
    return;
  }
  const Difference& d = value.difference;
  const bool detected = value.bh && *value.bh < options.alpha;
  const bool inside = options.margin && d.lo && d.hi && *d.lo > -*options.margin && *d.hi < *options.margin;
  if (detected && inside) {
    value.verdict = Verdict::kEquivalent;
    value.sentence = "equivalent (difference detected, smaller than margin): " + numbers(value, options) +
                     ", " + p_text_of(value) + ", margin " + score_text(*options.margin);
  } else if (detected && value.direction != ASSAY_NO_DIRECTION && d.delta && *d.delta != 0) {
    const bool better = (*d.delta > 0) == (value.direction != ASSAY_LOWER_IS_BETTER);
    value.verdict = better ? Verdict::kImproved : Verdict::kRegressed;
    value.sentence =
        std::string(verdict_name(value.verdict)) + ": " + numbers(value, options) + ", " + p_text_of(value);
  } else if (d.equivalence && d.equivalence->equivalent) {
    value.verdict = Verdict::kEquivalent;
    value.sentence = "equivalent: " + numbers(value, options) + ", " + d.equivalence->method + " within " +
                     score_text(*options.margin);
  } else {
    value.verdict = Verdict::kInconclusive;
    value.sentence = "inconclusive: " + inconclusive(value, options);
  }
}

}  // namespace

void judge(Comparison& comparison) {
  std::vector<ComparedValue*> values;
  std::vector<double> p;
  for (ComparedTask& task : comparison.tasks) {
    const bool comparable = task.comparable() || comparison.options.force;
    for (ComparedValue& value : task.values) {
      if (!comparable || (!value.differing.empty() && !comparison.options.force)) continue;
      values.push_back(&value);
      p.push_back(or_nan(value.difference.p));
    }
  }
  const stats::Adjusted holm = stats::holm(p), bh = stats::benjamini_hochberg(p);
  comparison.family = bh.family;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i]->holm = defined(holm.p[i]);
    values[i]->bh = defined(bh.p[i]);
  }
  for (ComparedTask& task : comparison.tasks) {
    for (ComparedValue& value : task.values) {
      decide(task, comparison.options, value);
      const bool numbers_shown = value.verdict != Verdict::kNotComparable;
      for (const ComparedPart& part : task.parts) {
        if (numbers_shown && part.name == "items" && part.state == PartState::kWarning)
          value.sentence += "; warning, items: " + part.text;
      }
      const bool other_numbers = value.difference.delta && *value.difference.delta != 0;
      if (other_numbers && task.identical && *task.identical == 1)
        value.notes.emplace_back("all answers are identical: look at the scorer, not at the model");
    }
  }
}

}  // namespace compare_detail
}  // namespace assay::host
