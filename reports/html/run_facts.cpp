// How the run was made, what it warns of, and how its answers ended.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/base/json.hpp"
#include "harness/base/strings.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"
#include "reports/html/run_parts.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kSuitePoints = 20'000, kPartsPoints = 4'000;

std::string json_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : canonical(value);
}

// A stored object as facts; anything else as it is.
std::string json_facts(const std::string& stored, const char* what) {
  if (stored.empty()) return {};
  Result<Json> tree = parse_json(stored, what);
  if (!tree || !tree->is_object()) return quoted(stored, kPartsPoints);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [key, value] : tree->items()) pairs.emplace_back(key, json_text(value));
  return facts(pairs);
}

std::string models_table(const RunData& data) {
  Table table("Models");
  for (const char* title : {"name", "expression", "plugin", "fingerprint"}) table.column(title);
  for (const ModelRow& model : data.models) {
    std::vector<std::string> names;
    for (const EvaluationRow& evaluation : data.evaluations) {
      const std::string name = data.model_name(evaluation);
      if (evaluation.model == model.id && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
    }
    table.row({Cell::of(names.empty() ? model.name : join(names, ", ")), Cell::of(model.expression),
               Cell::of(model.plugin_id), Cell::of(model.fingerprint)});
  }
  return table.empty() ? std::string() : table.html();
}

std::string recipes_table(const RunData& data) {
  Table table("Tasks and their recipes");
  for (const char* title : {"task", "plugin", "recipe", "data", "selection"}) table.column(title);
  for (const RecipeRow& recipe : data.recipes) {
    table.row({Cell::of(recipe.name), Cell::of(recipe.task_id), Cell::of(recipe.hash),
               Cell::of(recipe.data_hash), Cell::of(shortened(recipe.selection_json, 200))});
  }
  return table.empty() ? std::string() : table.html();
}

std::string plugins_table(const RunData& data) {
  Table table("Plugins");
  for (const char* title : {"id", "version", "kind", "sha256", "build"}) table.column(title);
  for (const PluginRow& plugin : data.plugins) {
    table.row({Cell::of(plugin.id), Cell::of(plugin.version), Cell::of(plugin.kind),
               Cell::of(plugin.library_sha256), Cell::of(shortened(plugin.build_info, 200))});
  }
  return table.empty() ? std::string() : table.html();
}

std::string segments_table(const RunData& data) {
  Table table("Stretches of work");
  for (const char* title : {"started", "ended", "host"}) table.column(title);
  table.column("seconds", Table::Kind::kNumber);
  for (const SegmentRow& segment : data.segments) {
    table.row({Cell::of(segment.started),
               Cell::of(segment.ended.empty() ? "open" : segment.ended),
               Cell::of(segment.host),
               {fmt::format("{:.1f}", segment.seconds), number_text(segment.seconds)}});
  }
  return table.empty() ? std::string() : table.html();
}

std::string score_sets_table(const RunData& data) {
  Table table("Scored again");
  for (const char* title : {"label", "created", "command"}) table.column(title);
  for (const ScoreSetRow& set : data.score_sets)
    table.row({Cell::of(set.label), Cell::of(set.created), Cell::of(set.command_line)});
  return table.empty() ? std::string() : table.html();
}

}  // namespace

std::string facts_of(const RunData& data) {
  const RunRow& run = data.run.run;
  std::string note;
  if (run.status != "complete")
    note = "<p class=\"bad\">This run is <strong>" + text(run.status) +
           "</strong>: not everything that was planned is in the scores. The counts of each task say what is "
           "missing.</p>\n";
  return facts({{"run", run.uuid},
                {"label", run.label},
                {"suite", run.suite_name},
                {"status", run.status},
                {"made by", run.origin == "run" ? "" : run.origin},
                {"started", run.started},
                {"ended", run.ended.empty() ? "not yet" : run.ended},
                {"working time", fmt::format("{:.1f} s", run.wall_seconds)},
                {"items finished", std::to_string(data.run.results)},
                {"seed", std::to_string(run.seed)},
                {"repeats", std::to_string(run.repeats)},
                {"command", run.command_line}}) +
         note;
}

std::string warnings_of(const RunData& data) {
  if (data.warnings.empty()) return {};
  std::string out = "<div class=\"warnings\" role=\"note\"><strong>Warnings</strong><ul>\n";
  for (const WarningRow& warning : data.warnings) {
    std::string where;
    if (const EvaluationRow* evaluation = data.evaluation(warning.evaluation); evaluation != nullptr) {
      const RecipeRow* recipe = data.recipe(evaluation->recipe);
      where = (recipe == nullptr ? std::string() : recipe->name + ", ") + data.model_name(*evaluation) + ": ";
    }
    out += "<li><bdi>" + text(where + warning.text) + "</bdi> <span class=\"soft\">(" + text(warning.code) +
           ")</span></li>\n";
  }
  return out + "</ul></div>\n";
}

std::string states_of(const RunData& data) {
  Table table("How the answers ended");
  table.column("task");
  table.column("model");
  table.column("planned", Table::Kind::kNumber);
  table.column("finished", Table::Kind::kNumber);
  for (int state = 0; state < 8; ++state) table.column(state_name(state), Table::Kind::kNumber);
  table.column("status");
  table.column("reason");
  table.column("prompts");
  table.make_sortable();
  for (const EvaluationRow& evaluation : data.evaluations) {
    const RecipeRow* recipe = data.recipe(evaluation.recipe);
    std::vector<Cell> cells = {
        Cell::of(recipe == nullptr ? "" : recipe->name), Cell::of(data.model_name(evaluation)),
        evaluation.planned_items < 0 ? Cell("?", "n/a") : Cell::of(evaluation.planned_items),
        Cell::of(evaluation.results())};
    for (const std::int64_t count : evaluation.states)
      cells.push_back(count == 0 ? Cell({}, "0") : Cell::of(count));
    cells.push_back(Cell::of(evaluation.status));
    cells.push_back(Cell::of(evaluation.reason));
    cells.push_back(Cell::of(evaluation.prompt_hash.substr(0, 8)));
    table.row(std::move(cells));
  }
  return table.empty() ? std::string("<p>No task was begun.</p>\n") : table.html();
}

std::string details_of(const RunData& data) {
  const RunRow& run = data.run.run;
  std::string out = models_table(data) + recipes_table(data) + plugins_table(data) + segments_table(data) +
                    score_sets_table(data);
  out += details("Versions and machine", json_facts(run.versions_json, "the versions of a run") +
                                             json_facts(run.machine_json, "the machine of a run"));
  out += details("Options and retry policy", json_facts(run.options_json, "the options of a run"));
  if (!run.source_json.empty())
    out += details("Where the imported run comes from", json_facts(run.source_json, "the source of a run"));
  out += details("Suite file", facts({{"path", run.suite_path}, {"sha256", run.suite_sha256}}) +
                                   quoted(run.suite_text, kSuitePoints));
  std::string parts;
  for (const RecipeRow& recipe : data.recipes)
    parts += "<h3><bdi>" + text(recipe.name) + "</bdi></h3>\n" +
             json_facts(shortened(recipe.parts_json, kPartsPoints), "the parts of a recipe");
  out += details("Parts of the recipes", parts);
  return out;
}

std::string reported_of(const RunData& data) {
  if (data.reported.empty()) return {};
  Table table("Numbers that the imported log states");
  for (const char* title : {"metric", "task", "statistic", "split"}) table.column(title);
  table.column("reported", Table::Kind::kNumber);
  table.column("n", Table::Kind::kNumber);
  table.make_sortable();
  for (const ReportedRow& row : data.reported) {
    table.row({Cell::of(row.metric), Cell::of(row.task), Cell::of(row.statistic), Cell::of(row.split),
               std::isfinite(row.number) ? Cell::of(row.number) : Cell::of(row.text),
               row.n < 0 ? Cell() : Cell::of(row.n)});
  }
  return table.html();
}

}  // namespace assay::host::html
