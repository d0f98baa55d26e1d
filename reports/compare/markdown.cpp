// A comparison as GitHub markdown.
#include <fmt/format.h>

#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/markdown.hpp"
#include "reports/table.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kQuotedShown = 300;

std::string quoted(const std::string& text, std::size_t bytes_max = kQuotedShown) {
  return markdown_text(text, bytes_max);
}

std::string row(const std::vector<std::string>& cells) {
  return "| " + join(cells, " | ") + " |\n";
}

std::size_t count(const Comparison& comparison, Verdict verdict) {
  std::size_t n = 0;
  for (const ComparedTask& task : comparison.tasks) {
    for (const ComparedValue& value : task.values) n += value.verdict == verdict ? 1 : 0;
  }
  return n;
}

std::string alert(const Comparison& c) {
  const char* kind = "NOTE";
  if (c.options.force || count(c, Verdict::kNotComparable) != 0) kind = "WARNING";
  if (count(c, Verdict::kRegressed) != 0) kind = "CAUTION";
  std::string text = verdicts_text(c);
  if (text.empty()) text = "nothing to compare";
  return fmt::format("> [!{}]\n> {}{}. Tests in the family: {}, Benjamini-Hochberg below {:g}.\n", kind,
                     c.options.force ? "**FORCED**, no verdict: " : "", text, c.family, c.options.alpha);
}

std::string table(const Comparison& c) {
  std::string out = row({"task", "metric", "n", "baseline", "candidate", "difference",
                         fmt::format("{:g} % interval", 100 * (1 - c.options.alpha)), "b, c", "p", "Holm p",
                         "BH q", "verdict"});
  out += "|---|---|--:|--:|--:|--:|---|--:|--:|--:|--:|---|\n";
  for (const ComparedTask& task : c.tasks) {
    for (const ComparedValue& value : task.values) {
      const stats::Difference& d = value.difference;
      out += row(
          {quoted(task_label(task)) + " (" + task.baseline_version +
               (task.candidate_version == task.baseline_version ? ")" : ", " + task.candidate_version + ")"),
           quoted(value_label(value) + (value.variant.empty() ? "" : ", " + value.variant)),
           d.clusters != 0 ? fmt::format("{} in {}", d.n, d.clusters) : std::to_string(d.n),
           d.baseline ? score_text(*d.baseline) : "", d.candidate ? score_text(*d.candidate) : "",
           delta_text(d.delta), d.lo && d.hi ? delta_text(*d.lo) + " to " + delta_text(*d.hi) : "",
           d.flips ? fmt::format("{}, {}", d.flips->b, d.flips->c) : "", p_text(d.p), p_text(value.holm),
           p_text(value.bh), "**" + std::string(verdict_name(value.verdict)) + "**"});
    }
  }
  return out;
}

std::string details(const ComparedTask& task) {
  std::string out = "\n<details><summary>" + quoted(task_label(task)) + "</summary>\n\n";
  for (const ComparedPart& part : task.parts)
    out += fmt::format("- {} **{}**: {}\n", quoted(part.name), part_state_name(part.state),
                       quoted(part.text, 600));
  out += "- baseline: " + states_text(task.baseline_states, task.baseline_missing) + "\n";
  out += "- candidate: " + states_text(task.candidate_states, task.candidate_missing) + "\n";
  if (task.identical)
    out += fmt::format("- {:.1f} % of {} answers are identical\n", 100 * *task.identical, task.answers);
  for (const ComparedValue& value : task.values) {
    out += "- " + quoted(value_label(value) + (value.variant.empty() ? "" : ", " + value.variant)) + ": " +
           quoted(value.sentence, 1000) + "\n";
    for (const std::string& note : value.notes) out += "  - " + quoted(note) + "\n";
  }
  bool any = false;
  for (const ComparedValue& value : task.values) {
    for (const ChangedItem& item : value.changed) {
      if (!any)
        out += "\n" + row({"item", "metric", "asked", "baseline", "candidate"}) + "|---|---|---|---|---|\n";
      any = true;
      out += row({quoted(item.id + (item.variant.empty() ? "" : " (" + item.variant + ")")),
                  quoted(value_label(value)), quoted(item.prompt),
                  score_text(item.baseline) + ": " + quoted(item.baseline_answer),
                  score_text(item.candidate) + ": " + quoted(item.candidate_answer)});
    }
  }
  return out + "\n</details>\n";
}

std::string totals(const Comparison& c) {
  if (c.totals.empty()) return {};
  std::string out = std::string("\nOver tasks and variants") + (c.options.force ? " (FORCED)" : "") +
                    ":\n\n" +
                    row({"average", "baseline", "candidate", "difference", "interval", "se", "p", "BH q"}) +
                    "|---|--:|--:|--:|---|--:|--:|--:|\n";
  for (const ComparedTotal& t : c.totals) {
    out += row({std::string(t.macro ? "macro " : "micro ") +
                    quoted(t.metric + " " + t.value + ", " + t.candidate_model),
                score_text(t.baseline), score_text(t.candidate), delta_text(t.delta),
                t.lo && t.hi ? delta_text(*t.lo) + " to " + delta_text(*t.hi) : quoted(t.undefined),
                t.se ? score_text(*t.se) : "", p_text(t.p), p_text(t.bh)});
  }
  return out;
}

std::string two_axis(const Comparison& c) {
  if (c.two_axis.empty()) return {};
  std::string out =
      std::string("\nForget and retain") + (c.options.force ? " (FORCED)" : "") + ":\n\n" +
      row({"task", "model", "metric", "forget", "relative", "verdict", "retain", "relative", "verdict"}) +
      "|---|---|---|---|--:|---|---|--:|---|\n";
  const auto axis = [](const TwoAxisLine::Axis& a) {
    return a.baseline && a.candidate ? score_text(*a.baseline) + " to " + score_text(*a.candidate)
                                     : std::string("n/a");
  };
  for (const TwoAxisLine& l : c.two_axis) {
    out += row({quoted(l.task + (l.probe.empty() ? "" : " " + l.probe)), quoted(l.model),
                quoted(l.metric + " " + l.value), axis(l.forget), percent_text(l.forget.relative),
                l.forget.verdict, axis(l.retain), percent_text(l.retain.relative), l.retain.verdict});
  }
  return out;
}

}  // namespace

std::string compare_markdown(const Comparison& comparison, std::size_t bytes_max) {
  std::string out = "### assay compare: " + comparison.baseline.run.uuid.substr(0, 8) + " against " +
                    comparison.candidate.run.uuid.substr(0, 8) +
                    (comparison.options.force ? " (FORCED)" : "") + "\n\n" + alert(comparison) + "\n";
  for (const ComparedPart& note : comparison.notes)
    out += "- " + quoted(note.name) + ": " + quoted(note.text) + "\n";
  if (!comparison.notes.empty()) out += "\n";
  std::vector<std::string> blocks = {table(comparison), totals(comparison), two_axis(comparison)};
  for (const ComparedTask& task : comparison.tasks) blocks.push_back(details(task));
  const std::string cut =
      "\nCut here: the whole comparison is larger than this page may be; `assay compare --json` has it.\n";
  for (const std::string& block : blocks) {
    if (out.size() + block.size() + cut.size() > bytes_max) return out + cut;
    out += block;
  }
  return out;
}

}  // namespace assay::host
