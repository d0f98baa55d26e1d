// A comparison for terminals.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/table.hpp"
#include "reports/text_table.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kIdsPerLine = 12;
constexpr std::size_t kTextShown = 200;  // bytes of a prompt or an answer

class Writer {
 public:
  Writer(const Comparison& comparison, bool color, bool verbose)
      : c_(comparison), color_(color), verbose_(verbose) {}

  std::string text() {
    head();
    for (const ComparedTask& task : c_.tasks) one_task(task);
    totals();
    two_axis();
    costs();
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string painted(const std::string& text, const char* code) const {
    return color_ ? std::string("\x1b[") + code + "m" + text + "\x1b[0m" : text;
  }
  [[nodiscard]] std::string bold(const std::string& text) const { return painted(text, "1"); }
  [[nodiscard]] std::string verdict(Verdict v) const {
    const char* code = v == Verdict::kRegressed       ? "31"
                       : v == Verdict::kImproved      ? "32"
                       : v == Verdict::kNotComparable ? "33"
                       : v == Verdict::kForced        ? "33"
                                                      : "0";
    return painted(verdict_name(v), code);
  }
  void line(const std::string& text) { out_ += text + "\n"; }

  void head() {
    if (c_.options.force)
      line(painted("FORCED: differences that make runs not comparable are ignored; there is no verdict",
                   "33"));
    for (const auto& [name, run] :
         {std::pair("baseline ", &c_.baseline), std::pair("candidate", &c_.candidate)}) {
      line(fmt::format("{}  run {}  suite {}  {}{}", name, run->run.uuid.substr(0, 8),
                       printable(run->run.suite_name, 60), run->run.started,
                       run->run.label.empty() ? "" : "  \"" + printable(run->run.label, 60) + "\""));
    }
    for (const ComparedPart& note : c_.notes) part(note, "");
    const std::string verdicts = verdicts_text(c_);
    if (!verdicts.empty()) {
      line(fmt::format("{}  ({} tests in the family, Benjamini-Hochberg below {:g}{})", bold(verdicts),
                       c_.family, c_.options.alpha,
                       c_.options.margin ? ", margin " + number_text(*c_.options.margin) : std::string()));
    } else {
      line("nothing to compare: the runs have no task, model and metric in common");
    }
  }

  static std::string tests(std::size_t count) {
    return std::to_string(count) + (count == 1 ? " test" : " tests");
  }

  void part(const ComparedPart& part, const char* indent) {
    const bool loud = part.state == PartState::kDiffers || part.state == PartState::kWarning;
    const std::string state = part_state_name(part.state);
    line(fmt::format("{}{}  {}: {}", indent, loud ? painted(state, "33") : state, part.name, part.text));
  }

  void one_task(const ComparedTask& task) {
    line("");
    line(bold(task_label(task)) + "  (recipe " + task.baseline_version +
         (task.candidate_version == task.baseline_version ? ")" : " and " + task.candidate_version + ")"));
    if (!task.comparable())
      line("  " + painted(c_.options.force ? "FORCED, NOT COMPARABLE" : "NOT COMPARABLE", "33"));
    std::vector<std::string> same;
    for (const ComparedPart& one : task.parts) {
      if (one.state == PartState::kSame && !verbose_)
        same.push_back(one.name);
      else
        part(one, "  ");
    }
    if (!same.empty()) line("  same  " + join(same, ", "));
    if (verbose_) {
      ids("only in the baseline", task.only_baseline);
      ids("only in the candidate", task.only_candidate);
    }
    const bool numbers = task.comparable() || c_.options.force;
    if (!numbers) return;
    values(task);
    line("  baseline   " + states_text(task.baseline_states, task.baseline_missing) +
         cost(task.baseline_cost));
    line("  candidate  " + states_text(task.candidate_states, task.candidate_missing) +
         cost(task.candidate_cost));
    if (task.identical)
      line(fmt::format("  {:.1f} % of {} answers are identical", 100 * *task.identical, task.answers));
    for (const ComparedValue& value : task.values) sentence(value);
    for (const ComparedValue& value : task.values) changed(value);
  }

  static std::string cost(const SideCost& cost) {
    std::string text;
    if (cost.tokens_in + cost.tokens_out != 0)
      text += fmt::format("; {} tokens in, {} out", cost.tokens_in, cost.tokens_out);
    if (cost.cached != 0)
      text += fmt::format("; {} of {} answers from the cache", cost.cached, cost.responses);
    return text;
  }

  void ids(const char* where, const std::vector<std::string>& names) {
    if (names.empty()) return;
    line(fmt::format("  {} ({}):", where, names.size()));
    for (std::size_t i = 0; i < names.size(); i += kIdsPerLine) {
      std::vector<std::string> some;
      for (std::size_t k = i; k < std::min(names.size(), i + kIdsPerLine); ++k)
        some.push_back(printable(names[k], 60));
      line("    " + join(some, "  "));
    }
  }

  void values(const ComparedTask& task) {
    TextTable table;
    using Align = TextTable::Align;
    table.column("metric");
    table.column("variant");
    table.column("n", Align::kRight, true);
    table.column("baseline", Align::kRight);
    table.column("candidate", Align::kRight);
    table.column("difference", Align::kRight);
    table.column(fmt::format("{:g} % interval", 100 * (1 - c_.options.alpha)));
    table.column("relative", Align::kRight, true);
    table.column("b, c", Align::kRight);
    table.column("p", Align::kRight);
    table.column("Holm p", Align::kRight, true);
    table.column("BH q", Align::kRight);
    table.column("method", Align::kLeft, true);
    table.column("verdict");
    bool any = false;
    for (const ComparedValue& value : task.values) {
      any = true;
      const stats::Difference& d = value.difference;
      std::string n = std::to_string(d.n);
      if (d.clusters != 0) n += fmt::format(" in {}", d.clusters);
      table.row({value_label(value), printable(value.variant, 40), n,
                 d.baseline ? score_text(*d.baseline) : "", d.candidate ? score_text(*d.candidate) : "",
                 delta_text(d.delta), d.lo && d.hi ? delta_text(*d.lo) + " to " + delta_text(*d.hi) : "",
                 percent_text(value.relative), d.flips ? fmt::format("{}, {}", d.flips->b, d.flips->c) : "",
                 p_text(d.p), p_text(value.holm), p_text(value.bh), method_text(d), verdict(value.verdict)});
    }
    if (any) out_ += table.text(2, color_);
  }

  void sentence(const ComparedValue& value) {
    const std::string name =
        value_label(value) + (value.variant.empty() ? "" : ", " + printable(value.variant, 40));
    line("  " + name + ": " + value.sentence);
    const std::vector<std::string> notes = value_notes(value, verbose_);
    if (!notes.empty()) line("    " + join(notes, "; "));
  }

  void changed(const ComparedValue& value) {
    if (value.changed.empty()) return;
    line(fmt::format("  {}{}: {} of {} items changed, the largest {}:", value_label(value),
                     value.variant.empty() ? "" : ", " + printable(value.variant, 40), value.changed_units,
                     value.difference.n, value.changed.size()));
    for (const ChangedItem& item : value.changed) {
      line(fmt::format("    {}{}  {} to {}", printable(item.id, 60),
                       item.variant.empty() || item.variant == value.variant
                           ? ""
                           : " (" + printable(item.variant, 40) + ")",
                       score_text(item.baseline), score_text(item.candidate)));
      if (!item.prompt.empty()) line("      asked      " + printable(item.prompt, kTextShown));
      line("      baseline   " + answer(item.baseline_answer, item.baseline_state));
      line("      candidate  " + answer(item.candidate_answer, item.candidate_state));
    }
  }
  static std::string answer(const std::string& text, const std::string& state) {
    return (state == "ok" ? "" : "[" + state + "] ") + printable(text, kTextShown);
  }

  void totals() {
    if (c_.totals.empty()) return;
    line("");
    line(bold("over tasks and variants") + (c_.options.force ? "  FORCED" : "") +
         fmt::format("  ({} in this family)", tests(c_.totals_family)));
    TextTable table;
    using Align = TextTable::Align;
    table.column("average");
    table.column("model");
    table.column("of", Align::kRight, true);
    table.column("baseline", Align::kRight);
    table.column("candidate", Align::kRight);
    table.column("difference", Align::kRight);
    table.column(fmt::format("{:g} % interval", 100 * (1 - c_.options.alpha)));
    table.column("se", Align::kRight, true);
    table.column("p", Align::kRight);
    table.column("BH q", Align::kRight);
    table.column("method", Align::kLeft, true);
    for (const ComparedTotal& t : c_.totals) {
      table.row({(t.macro ? "macro " : "micro ") + t.metric + " " + t.value,
                 t.baseline_model == t.candidate_model ? t.baseline_model
                                                       : t.baseline_model + ", " + t.candidate_model,
                 t.macro ? std::to_string(t.members) : fmt::format("{} items", t.items),
                 score_text(t.baseline), score_text(t.candidate), delta_text(t.delta),
                 t.lo && t.hi ? delta_text(*t.lo) + " to " + delta_text(*t.hi) : t.undefined,
                 t.se ? score_text(*t.se) : "", p_text(t.p), p_text(t.bh), method_text(t)});
    }
    out_ += table.text(2, color_);
  }

  void two_axis() {
    if (c_.two_axis.empty()) return;
    line("");
    line(bold("forget and retain") + (c_.options.force ? "  FORCED" : "") +
         "  (what was to go down, and what must not)");
    TextTable table;
    using Align = TextTable::Align;
    table.column("task");
    table.column("probe");
    table.column("model");
    table.column("metric");
    table.column("forget", Align::kLeft);
    table.column("relative", Align::kRight);
    table.column("verdict");
    table.column("retain", Align::kLeft);
    table.column("relative", Align::kRight);
    table.column("verdict");
    for (const TwoAxisLine& l : c_.two_axis) {
      table.row({l.task, printable(l.probe, 40), l.model, l.metric + " " + l.value, axis(l.forget),
                 percent_text(l.forget.relative), l.forget.verdict, axis(l.retain),
                 percent_text(l.retain.relative), l.retain.verdict});
    }
    out_ += table.text(2, color_);
  }

  void costs() {
    std::vector<std::string> lines;
    for (const bool first : {true, false}) {
      SideCost sum;
      for (const ComparedTask& task : c_.tasks) {
        const SideCost& one = first ? task.baseline_cost : task.candidate_cost;
        sum.tokens_in += one.tokens_in;
        sum.tokens_out += one.tokens_out;
      }
      const RunSummary& run = first ? c_.baseline : c_.candidate;
      lines.push_back(fmt::format("{} {:.2f} s", first ? "baseline" : "candidate", run.run.wall_seconds) +
                      (sum.tokens_in + sum.tokens_out == 0
                           ? std::string()
                           : fmt::format(", {} tokens in, {} out", sum.tokens_in, sum.tokens_out)));
    }
    line("");
    line("wall time: " + join(lines, "; "));
  }

  static std::string axis(const TwoAxisLine::Axis& a) {
    if (!a.baseline || !a.candidate) return "n/a";
    return score_text(*a.baseline) + " to " + score_text(*a.candidate);
  }

  const Comparison& c_;
  bool color_, verbose_;
  std::string out_;
};

}  // namespace

std::string delta_text(double value) {
  if (!std::isfinite(value)) return "n/a";
  if (value == 0) return "0";
  return (value > 0 ? "+" : "") + score_text(value);
}

std::string p_text(double value) {
  if (!std::isfinite(value)) return "n/a";
  return value != 0 && value < 1e-4 ? fmt::format("{:.1e}", value) : fmt::format("{:.4f}", value);
}

std::string delta_text(const std::optional<double>& value) {
  return value ? delta_text(*value) : std::string();
}
std::string p_text(const std::optional<double>& value) {
  return value ? p_text(*value) : std::string();
}
std::string percent_text(const std::optional<double>& value) {
  if (!value) return {};
  const double percent = 100 * *value;
  return std::abs(percent) < 1e5 ? fmt::format("{:+.1f} %", percent) : fmt::format("{:+.1e} %", percent);
}

std::string states_text(const std::array<std::int64_t, 8>& states, std::int64_t missing) {
  std::vector<std::string> parts;
  for (int state = 0; state < 8; ++state) {
    const std::int64_t count = states[static_cast<std::size_t>(state)];
    if (count != 0) parts.push_back(std::string(state_name(state)) + " " + std::to_string(count));
  }
  if (missing != 0) parts.push_back("missing " + std::to_string(missing));
  return parts.empty() ? "no answers" : join(parts, ", ");
}

std::string value_label(const ComparedValue& value) {
  std::string text = printable(value.metric, 80);
  if (!value.headline || value.rule == stats::Rule::kCustom) text += " " + value.value;
  if (value.rule == stats::Rule::kAuroc) text += " AUROC";
  if (value.direction == ASSAY_LOWER_IS_BETTER) text += " (lower is better)";
  if (value.model_free) text = "blind  " + text;
  return text;
}

std::string task_label(const ComparedTask& task) {
  std::string text = printable(task.task, 80) + ", model " + printable(task.baseline_model, 60);
  if (task.candidate_model != task.baseline_model) text += " against " + printable(task.candidate_model, 60);
  return text;
}

std::vector<std::string> value_notes(const ComparedValue& value, bool all) {
  const stats::Difference& d = value.difference;
  std::vector<std::string> notes = value.notes;
  notes.insert(notes.end(), d.notes.begin(), d.notes.end());
  if (value.unscored != 0)
    notes.push_back(fmt::format("{} items without a value in a run are left out", value.unscored));
  for (const auto& [name, counts] :
       {std::pair("baseline", &value.baseline), std::pair("candidate", &value.candidate)}) {
    if (counts->as_worst != 0)
      notes.push_back(
          fmt::format("{}: {} answers without a value count as the worst", name, counts->as_worst));
    if (counts->non_finite != 0)
      notes.push_back(fmt::format("{}: {} values are not finite", name, counts->non_finite));
  }
  if (d.correlation && d.unpaired_se && d.se && all)
    notes.push_back(fmt::format("correlation {:.3f}, standard error {} paired, {} unpaired", *d.correlation,
                                score_text(*d.se), score_text(*d.unpaired_se)));
  if (d.replicates != 0 && all) notes.push_back(fmt::format("B {}, seed {}", d.replicates, d.seed));
  return notes;
}

std::string method_text(const ComparedTotal& t) {
  std::string text = t.method;
  if (t.replicates != 0) text += fmt::format(", B {}", t.replicates);
  if (!t.note.empty()) text += fmt::format(", {} ({})", t.note, t.units);
  if (!t.undefined.empty() && t.lo) text += "; " + t.undefined;
  return text;
}

std::string method_text(const stats::Difference& d) {
  return d.test == d.method ? d.method : d.method + ", " + d.test;
}

std::string verdicts_text(const Comparison& comparison) {
  std::vector<std::string> parts;
  for (const Verdict v : {Verdict::kRegressed, Verdict::kImproved, Verdict::kEquivalent,
                          Verdict::kInconclusive, Verdict::kForced, Verdict::kNotComparable}) {
    std::size_t count = 0;
    for (const ComparedTask& task : comparison.tasks) {
      for (const ComparedValue& value : task.values) count += value.verdict == v ? 1 : 0;
    }
    if (count != 0) parts.push_back(std::to_string(count) + " " + verdict_name(v));
  }
  return join(parts, ", ");
}

std::string compare_text(const Comparison& comparison, bool color, bool verbose) {
  return Writer(comparison, color, verbose).text();
}

}  // namespace assay::host
