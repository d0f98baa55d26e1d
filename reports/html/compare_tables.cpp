// The tables of a comparison.
#include <fmt/format.h>

#include <cmath>

#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/html/compare_parts.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

// Text that sorts by its number; nothing at all where there is none.
Cell signed_cell(const std::optional<double>& value) {
  return value ? Cell(text(delta_text(*value)), number_text(*value)) : Cell();
}
Cell number_cell(const std::optional<double>& value) {
  return value ? Cell::of(*value) : Cell();
}
Cell p_cell(const std::optional<double>& value) {
  return value ? Cell(text(p_text(*value)), number_text(*value)) : Cell();
}
Cell percent_cell(const std::optional<double>& value) {
  return value ? Cell(text(percent_text(value)), number_text(*value)) : Cell();
}
Cell interval_cell(const std::optional<double>& lo, const std::optional<double>& hi) {
  if (!lo || !hi) return {};
  return {text(delta_text(*lo) + " to " + delta_text(*hi)), number_text(*lo)};
}

std::string parts_text(const ComparedTask& task, bool same) {
  std::vector<std::string> parts;
  for (const ComparedPart& part : task.parts) {
    if ((part.state == PartState::kSame) != same) continue;
    parts.push_back(same ? part.name
                         : std::string(part_state_name(part.state)) + ", " + part.name + ": " + part.text);
  }
  return join(parts, same ? ", " : "; ");
}

bool several_models(const Comparison& comparison) {
  for (const ComparedTask& task : comparison.tasks) {
    if (task.baseline_model != comparison.tasks.front().baseline_model ||
        task.candidate_model != comparison.tasks.front().candidate_model)
      return true;
  }
  return false;
}

std::string models_text(const std::string& baseline, const std::string& candidate) {
  return baseline == candidate ? baseline : baseline + " against " + candidate;
}

}  // namespace

std::string runs_table(const Comparison& comparison) {
  Table table("The two runs");
  for (const char* title : {"run", "id", "label", "suite", "model", "started", "status"}) table.column(title);
  table.column("seconds", Table::Kind::kNumber);
  for (const bool first : {true, false}) {
    const RunRow& run = first ? comparison.baseline.run : comparison.candidate.run;
    std::vector<std::string> models;
    for (const ComparedTask& task : comparison.tasks) {
      const std::string& name = first ? task.baseline_model : task.candidate_model;
      if (std::find(models.begin(), models.end(), name) == models.end()) models.push_back(name);
    }
    table.row({Cell::of(first ? "baseline" : "candidate"),
               Cell::of(run.uuid),
               Cell::of(run.label),
               Cell::of(run.suite_name),
               Cell::of(join(models, ", ")),
               Cell::of(run.started),
               Cell::of(run.status),
               {fmt::format("{:.2f}", run.wall_seconds), number_text(run.wall_seconds)}});
  }
  return table.html();
}

std::string comparability_table(const Comparison& comparison) {
  if (comparison.tasks.empty()) return "<p>No task, model and metric is in both runs.</p>\n";
  Table table("Parts that must be equal, by task");
  for (const char* title :
       {"task", "comparable", "differs", "the same", "recipe of the baseline", "recipe of the candidate"})
    table.column(title);
  table.column("matched items", Table::Kind::kNumber);
  table.column("only in one run", Table::Kind::kNumber);
  for (const ComparedTask& task : comparison.tasks) {
    const bool apart = !task.comparable();
    const std::string said = !apart                     ? "yes"
                             : comparison.options.force ? "FORCED, NOT COMPARABLE"
                                                        : "NOT COMPARABLE";
    table.row(
        {Cell::of(task_name(comparison, task)),
         apart ? Cell("<strong class=\"bad\">" + said + "</strong>", said) : Cell::of(said),
         Cell::of(parts_text(task, false)), Cell::of(parts_text(task, true)), Cell::of(task.baseline_version),
         Cell::of(task.candidate_version), Cell::of(task.matched),
         Cell::rare(static_cast<std::int64_t>(task.only_baseline.size() + task.only_candidate.size()))});
  }
  return table.html();
}

std::string differences_table(const Comparison& comparison) {
  Table table("Every difference, candidate minus baseline");
  using Kind = Table::Kind;
  table.column("metric");
  table.column("verdict");
  table.column("task");
  table.column("variant");
  table.column("model");
  table.column("difference", Kind::kNumber);
  table.column(level_text(comparison) + " interval", Kind::kNumber);
  table.column("baseline", Kind::kNumber);
  table.column("candidate", Kind::kNumber);
  table.column("relative", Kind::kNumber);
  table.column("pairs", Kind::kNumber);
  table.column("clusters", Kind::kNumber);
  table.column("right to wrong", Kind::kNumber);
  table.column("wrong to right", Kind::kNumber);
  table.column("p", Kind::kNumber);
  table.column("Holm p", Kind::kNumber);
  table.column("BH q", Kind::kNumber);
  table.column("MDE", Kind::kNumber);
  table.column("method");
  table.make_sortable();
  const bool models = several_models(comparison);
  for (const ComparedTask& task : comparison.tasks) {
    for (const ComparedValue& value : task.values) {
      const stats::Difference& d = value.difference;
      const bool numbers = value.verdict != Verdict::kNotComparable;
      const auto flips = [&](bool lost) {
        return d.flips && numbers ? Cell::of(static_cast<std::int64_t>(lost ? d.flips->b : d.flips->c))
                                  : Cell();
      };
      std::vector<Cell> cells = {
          Cell::of(value_label(value)), Cell(verdict_markup(value.verdict), verdict_name(value.verdict)),
          Cell::of(task.task), Cell::of(value.variant),
          Cell::of(models ? models_text(task.baseline_model, task.candidate_model) : std::string())};
      if (numbers) {
        for (Cell& cell :
             std::vector<Cell>{signed_cell(d.delta), interval_cell(d.lo, d.hi), number_cell(d.baseline),
                               number_cell(d.candidate), percent_cell(value.relative),
                               Cell::of(static_cast<std::int64_t>(d.n)),
                               d.clusters == 0 ? Cell() : Cell::of(static_cast<std::int64_t>(d.clusters)),
                               flips(true), flips(false), p_cell(d.p), p_cell(value.holm), p_cell(value.bh),
                               number_cell(d.mde), Cell::of(method_text(d))})
          cells.push_back(std::move(cell));
      }
      table.row(std::move(cells), value.model_free ? "blind" : "");
    }
  }
  return table.empty() ? std::string("<p>There is no value to compare.</p>\n") : table.html();
}

std::string totals_table(const Comparison& comparison) {
  if (comparison.totals.empty()) return {};
  Table table(fmt::format("Averages over tasks and variants{}; {} tests in this family",
                          comparison.options.force ? ", FORCED" : "", comparison.totals_family));
  using Kind = Table::Kind;
  table.column("average");
  table.column("model");
  table.column("of", Kind::kNumber);
  table.column("difference", Kind::kNumber);
  table.column(level_text(comparison) + " interval", Kind::kNumber);
  table.column("baseline", Kind::kNumber);
  table.column("candidate", Kind::kNumber);
  table.column("standard error", Kind::kNumber);
  table.column("p", Kind::kNumber);
  table.column("Holm p", Kind::kNumber);
  table.column("BH q", Kind::kNumber);
  table.column("method");
  table.make_sortable();
  for (const ComparedTotal& t : comparison.totals) {
    table.row({Cell::of((t.macro ? "macro " : "micro ") + t.metric + " " + t.value),
               Cell::of(models_text(t.baseline_model, t.candidate_model)),
               {t.macro ? fmt::format("{} members", t.members) : fmt::format("{} items", t.items),
                std::to_string(t.macro ? static_cast<std::int64_t>(t.members) : t.items)},
               signed_cell(t.delta),
               t.lo && t.hi ? interval_cell(t.lo, t.hi) : Cell::of(t.undefined),
               Cell::of(t.baseline),
               Cell::of(t.candidate),
               number_cell(t.se),
               p_cell(t.p),
               p_cell(t.holm),
               p_cell(t.bh),
               Cell::of(method_text(t))});
  }
  return "<p>Macro is the mean of the members, micro weighs them by items; each has the error that belongs "
         "to it.</p>\n" +
         table.html();
}

std::string two_axis_table(const Comparison& comparison) {
  if (comparison.two_axis.empty()) return {};
  Table table(std::string("Forget and retain beside each other") +
              (comparison.options.force ? ", FORCED" : ""));
  using Kind = Table::Kind;
  for (const char* title : {"metric", "task", "probe", "model"}) table.column(title);
  for (const std::string axis : {"forget", "retain"}) {
    table.column(axis + ": before, after", Kind::kNumber);
    table.column(axis + ": difference", Kind::kNumber);
    table.column(axis + ": " + level_text(comparison) + " interval", Kind::kNumber);
    table.column(axis + ": relative", Kind::kNumber);
    table.column(axis + ": verdict");
  }
  for (const TwoAxisLine& line : comparison.two_axis) {
    std::vector<Cell> cells = {Cell::of(line.metric + " " + line.value), Cell::of(line.task),
                               Cell::of(line.probe), Cell::of(line.model)};
    for (const TwoAxisLine::Axis* axis : {&line.forget, &line.retain}) {
      cells.push_back(axis->baseline && axis->candidate
                          ? Cell(text(score_text(*axis->baseline) + ", " + score_text(*axis->candidate)),
                                 number_text(*axis->candidate))
                          : Cell("n/a", "n/a"));
      cells.push_back(signed_cell(axis->delta));
      cells.push_back(interval_cell(axis->lo, axis->hi));
      cells.push_back(percent_cell(axis->relative));
      cells.push_back(Cell::of(axis->verdict));
    }
    table.row(std::move(cells));
  }
  return table.html();
}

std::string usage_table(const Comparison& comparison) {
  Table table("How the answers ended, and what they cost");
  using Kind = Table::Kind;
  table.column("task");
  table.column("run");
  for (int state = 0; state < 8; ++state) table.column(state_name(state), Kind::kNumber);
  table.column("missing", Kind::kNumber);
  table.column("identical answers", Kind::kNumber);
  for (const char* title : {"tokens in", "tokens out", "seconds", "answers", "from the cache"})
    table.column(title, Kind::kNumber);
  for (const ComparedTask& task : comparison.tasks) {
    for (const bool first : {true, false}) {
      const auto& states = first ? task.baseline_states : task.candidate_states;
      const SideCost& cost = first ? task.baseline_cost : task.candidate_cost;
      std::vector<Cell> cells = {Cell::of(task_name(comparison, task)),
                                 Cell::of(first ? "baseline" : "candidate")};
      for (const std::int64_t count : states) cells.push_back(Cell::rare(count));
      cells.push_back(Cell::rare(first ? task.baseline_missing : task.candidate_missing));
      cells.push_back(first || !task.identical
                          ? Cell()
                          : Cell(fmt::format("{:.1f} % of {}", 100 * *task.identical, task.answers),
                                 number_text(*task.identical)));
      cells.push_back(Cell::rare(cost.tokens_in));
      cells.push_back(Cell::rare(cost.tokens_out));
      cells.push_back(cost.seconds > 0 ? Cell(fmt::format("{:.2f}", cost.seconds), number_text(cost.seconds))
                                       : Cell());
      cells.push_back(Cell::rare(cost.responses));
      cells.push_back(Cell::rare(cost.cached));
      table.row(std::move(cells));
    }
  }
  return table.empty() ? std::string() : table.html();
}

}  // namespace assay::host::html
