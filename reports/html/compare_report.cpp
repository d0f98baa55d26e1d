#include "reports/html/compare_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/html/compare_parts.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kSentencesMax = 6, kPointsMin = 200;

struct Counts {
  std::size_t improved = 0, regressed = 0, equivalent = 0, inconclusive = 0, forced = 0, apart = 0;
  [[nodiscard]] std::size_t judged() const { return improved + regressed + equivalent + inconclusive; }
};

Counts counts_of(const Comparison& comparison) {
  Counts out;
  for (const ComparedTask& task : comparison.tasks) {
    for (const ComparedValue& value : task.values) {
      if (value.model_free) continue;
      switch (value.verdict) {
        case Verdict::kImproved:
          ++out.improved;
          break;
        case Verdict::kRegressed:
          ++out.regressed;
          break;
        case Verdict::kEquivalent:
          ++out.equivalent;
          break;
        case Verdict::kInconclusive:
          ++out.inconclusive;
          break;
        case Verdict::kForced:
          ++out.forced;
          break;
        default:
          ++out.apart;
      }
    }
  }
  return out;
}

std::string first_reason(const Comparison& comparison) {
  for (const ComparedTask& task : comparison.tasks) {
    const auto differs = [](const ComparedPart& part) { return part.state == PartState::kDiffers; };
    const auto at = std::find_if(task.parts.begin(), task.parts.end(), differs);
    if (at != task.parts.end()) return task.task + ", " + at->name + ": " + at->text;
    for (const ComparedValue& value : task.values) {
      const auto of_value = std::find_if(value.differing.begin(), value.differing.end(), differs);
      if (of_value != value.differing.end())
        return task.task + ", " + value.metric + ", " + of_value->name + ": " + of_value->text;
    }
  }
  return {};
}

std::string values_text(std::size_t count) {
  return fmt::format("{} compared value{}", count, count == 1 ? "" : "s");
}

// The sentences of the verdicts that somebody must act on, the losses first.
std::string sentences(const Comparison& comparison) {
  std::string out;
  std::size_t shown = 0, further = 0;
  for (const Verdict verdict : {Verdict::kRegressed, Verdict::kImproved}) {
    for (const ComparedTask& task : comparison.tasks) {
      for (const ComparedValue& value : task.values) {
        if (value.verdict != verdict || value.model_free) continue;
        if (shown == kSentencesMax) {
          ++further;
          continue;
        }
        ++shown;
        out += "<li>" + verdict_markup(verdict) + " <bdi>" +
               text(task_name(comparison, task) + ", " + value_label(value) +
                    (value.variant.empty() ? "" : ", " + value.variant)) +
               "</bdi>: <bdi>" + text(value.sentence.substr(value.sentence.find(':') + 2)) + "</bdi></li>\n";
      }
    }
  }
  if (further != 0) out += fmt::format("<li>and {} more in the table</li>\n", further);
  return out.empty() ? out : "<ul>\n" + out + "</ul>\n";
}

std::string lead(const Comparison& comparison) {
  const Counts counts = counts_of(comparison);
  const char* css = counts.regressed != 0                              ? "summary worse"
                    : counts.judged() == 0                             ? "summary apart"
                    : counts.improved != 0 || counts.inconclusive == 0 ? "summary fine"
                                                                       : "summary";
  std::string out = fmt::format("<div class=\"{}\" role=\"note\">\n<p><strong>{}</strong></p>\n", css,
                                text(compare_summary(comparison)));
  out += sentences(comparison) + "</div>\n";
  out += fmt::format(
      "<p class=\"soft\">{} paired tests in one family; a verdict needs an adjusted p (Benjamini-Hochberg) "
      "below {:g}{}.</p>\n",
      comparison.family, comparison.options.alpha,
      comparison.options.margin
          ? ", and differences below the margin " + number_text(*comparison.options.margin) + " count as none"
          : std::string("; no margin was given, so nothing can be called equivalent"));
  return out + runs_table(comparison);
}

// Two models of one run are told apart by their names.
std::string title_of(const Comparison& comparison) {
  const RunRow &a = comparison.baseline.run, &b = comparison.candidate.run;
  if (a.uuid == b.uuid && !comparison.tasks.empty())
    return fmt::format("{}, run {}: {} against {}", b.suite_name, b.uuid.substr(0, 8),
                       comparison.tasks.front().candidate_model, comparison.tasks.front().baseline_model);
  return fmt::format("{}: run {} against {}", b.suite_name, b.uuid.substr(0, 8), a.uuid.substr(0, 8));
}

std::string notes_list(const Comparison& comparison) {
  std::string out;
  for (const ComparedPart& note : comparison.notes) {
    out += "<li>" + text(part_state_name(note.state)) + ", <bdi>" + text(note.name + ": " + note.text) +
           "</bdi></li>\n";
  }
  return out.empty() ? out : "<ul>\n" + out + "</ul>\n";
}

constexpr char kCompareHelp[] =
    "<p>Items are paired by id and variant; the difference is candidate minus baseline, whatever direction "
    "is better. Flips are items that were right and are wrong now, and the other way round. Holm p and BH q "
    "are the p-value corrected for all tests of this page. Inconclusive means that these items cannot "
    "decide: the sentence names the difference that would have been found with probability 0.8. Intervals of "
    "the two runs are never compared with each other; only the difference has a test. An empty cell of a "
    "state means that no answer ended so, any other empty cell that the number does not exist.</p>\n";

}  // namespace

std::string level_text(const Comparison& comparison) {
  return fmt::format("{:g} %", 100 * (1 - comparison.options.alpha));
}

std::string verdict_markup(Verdict verdict) {
  const std::string name = verdict_name(verdict);
  switch (verdict) {
    case Verdict::kRegressed:
      return "<strong class=\"bad\">\xE2\x96\xBC " + name + "</strong>";
    case Verdict::kImproved:
      return "<strong class=\"good\">\xE2\x96\xB2 " + name + "</strong>";
    case Verdict::kForced:
    case Verdict::kNotComparable:
      return "<strong>" + name + "</strong>";
    default:
      return name;
  }
}

std::string task_name(const Comparison& comparison, const ComparedTask& task) {
  const auto same_pair = [&](const ComparedTask& other) {
    return other.baseline_model == task.baseline_model && other.candidate_model == task.candidate_model;
  };
  if (std::all_of(comparison.tasks.begin(), comparison.tasks.end(), same_pair)) return task.task;
  return task.task + ", " + task.baseline_model +
         (task.candidate_model == task.baseline_model ? "" : " against " + task.candidate_model);
}

std::string compare_summary(const Comparison& comparison) {
  const Counts c = counts_of(comparison);
  if (comparison.options.force)
    return "FORCED: numbers are shown although differences that make the runs not comparable are ignored; "
           "there is no verdict.";
  if (c.judged() + c.apart == 0)
    return "Nothing to compare: the runs have no task, model and metric in common.";
  if (c.judged() == 0) return "NOT COMPARABLE: " + first_reason(comparison) + ".";
  std::string out;
  std::vector<std::string> rest;
  if (c.regressed != 0) {
    out = fmt::format("The candidate is worse on {} of {}", c.regressed, values_text(c.judged()));
    rest.push_back(c.improved == 0 ? std::string("better on none") : fmt::format("better on {}", c.improved));
  } else if (c.improved != 0) {
    out = fmt::format("The candidate is better on {} of {}", c.improved, values_text(c.judged()));
    rest.emplace_back("worse on none");
  } else if (c.inconclusive == 0) {
    return fmt::format("The candidate is as good as the baseline within the margin on all {}.{}",
                       values_text(c.judged()),
                       c.apart == 0 ? std::string() : fmt::format(" {} more are NOT COMPARABLE.", c.apart));
  } else {
    out = fmt::format("No difference could be shown on any of {}", values_text(c.judged()));
  }
  if (c.equivalent != 0) rest.push_back(fmt::format("{} equivalent within the margin", c.equivalent));
  if (c.inconclusive != 0)
    rest.push_back(c.inconclusive == c.judged() ? std::string("these items cannot say that there is none")
                                                : fmt::format("{} undecided", c.inconclusive));
  out += (rest.empty() ? "" : "; " + join(rest, ", ")) + ".";
  if (c.apart != 0) out += fmt::format(" {} more are NOT COMPARABLE.", c.apart);
  return out;
}

std::string compare_report(const Comparison& comparison, const CompareReportOptions& options) {
  Page page((comparison.options.force ? "FORCED: " : "") + title_of(comparison));
  page.lead(lead(comparison));
  page.section("Can the runs be compared?", comparability_table(comparison) + notes_list(comparison));
  const std::string differences = differences_table(comparison), totals = totals_table(comparison),
                    axes = two_axis_table(comparison), usage = usage_table(comparison);
  std::vector<std::string> tasks;
  std::size_t fixed =
      page.size() + differences.size() + totals.size() + axes.size() + usage.size() + sizeof kCompareHelp;
  std::size_t items = 0;
  for (const ComparedTask& task : comparison.tasks) {
    fixed += tasks.emplace_back(task_details(comparison, task)).size();
    for (const ComparedValue& value : task.values) items += value.changed.size();
  }
  const std::size_t free = options.bytes_max > fixed ? options.bytes_max - fixed : 0;
  Bounded plots(free / 2), crosses(free / 10);
  difference_plots(comparison, plots);
  two_axis_plots(comparison, crosses);
  page.section("Differences", plots.html("plots", "the table has their numbers") + differences);
  if (!axes.empty())
    page.section("What was to go down, and what must not",
                 crosses.html("plots", "the table has their numbers") + axes);
  if (!totals.empty()) page.section("Over tasks and variants", totals);
  if (!usage.empty()) page.section("States, tokens and time", usage);
  // Texts get shorter before whole items are left out.
  const std::size_t share = free / 10 * 4;
  const std::size_t points =
      std::clamp(items == 0 ? options.text_points_max : share / (items * 4),
                 std::min(kPointsMin, options.text_points_max), options.text_points_max);
  for (std::size_t i = 0; i < comparison.tasks.size(); ++i) {
    Bounded changed(share / comparison.tasks.size());
    changed_items(comparison.tasks[i], points, changed);
    page.section(task_label(comparison.tasks[i]),
                 tasks[i] + changed.html("groups of changed items",
                                         "`assay compare BASELINE CANDIDATE --top-flips N` prints them"));
  }
  page.section("How to read this page", kCompareHelp);
  return page.html();
}

}  // namespace assay::host::html
