// `assay show`: a stored run, its items, one item. Needs no plugin.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "assay/plugin.h"
#include "db/blob.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "reports/reported.hpp"
#include "reports/table.hpp"
#include "reports/text_table.hpp"

namespace assay::host::cli {
namespace {

int show_items(const Globals& globals, Reader& reader, const RunSummary& run,
               const po::variables_map& values) {
  if (const std::string task = get<std::string>(values, "task"); !task.empty()) {
    Result<std::vector<RecipeRow>> recipes = reader.recipes(run.run.id);
    if (!recipes) return report(globals, recipes.error());
    std::vector<std::string> names;
    for (const RecipeRow& recipe : *recipes) names.push_back(recipe.name);
    if (std::find(names.begin(), names.end(), task) == names.end()) {
      return report(globals,
                    {Code::kInvalidArgument,
                     "--task " + task + ": the run has " + join(names, ", ") + did_you_mean(task, names),
                     {}});
    }
  }
  Result<std::vector<ItemLine>> items =
      reader.items(run.run.id, get<std::string>(values, "state"), get<std::string>(values, "task"),
                   get<std::int64_t>(values, "limit", globals.json ? -1 : 50));
  if (!items) return report(globals, items.error());
  if (globals.json) {
    Json list = Json::array();
    for (const ItemLine& item : *items) {
      list.push_back({{"task", item.recipe},
                      {"model", item.model},
                      {"item", item.item_id},
                      {"variant", item.variant},
                      {"group", item.group},
                      {"label", item.label},
                      {"repeat", item.repeat},
                      {"state", state_name(item.state)},
                      {"message", item.message}});
    }
    print(canonical(Json{{"schema", "assay-items/1"}, {"run", run.run.uuid}, {"items", list}}) + "\n");
    return kDone;
  }
  TextTable table;
  for (const char* title : {"task", "model", "item", "variant", "group", "label", "state", "message"})
    table.column(title);
  for (const ItemLine& item : *items) {
    table.row({item.recipe, item.model, printable(item.item_id, 40), item.variant, printable(item.group, 20),
               item.label < 0 ? "" : std::to_string(item.label), state_name(item.state),
               printable(item.message, 80)});
  }
  print(table.text(0, globals.color_out));
  return kDone;
}

// A short line about token statistics: how many, and their means.
std::string tokens_text(const std::string& blob) {
  Result<StoredTokens> tokens = decode_tokens(blob);
  if (!tokens) return "unreadable: " + tokens.error().text;
  static constexpr const char* kNames[] = {"logprob",      "rank",       "rank_ties", "entropy",
                                           "mean_lp",      "var_lp",     "top1_id",   "top1_logprob",
                                           "uniform_mean", "uniform_var"};
  std::string text = std::to_string(tokens->count) + " tokens";
  for (int s = 0; s < ASSAY_STAT_COUNT; ++s) {
    double sum = 0;
    std::size_t n = 0;
    for (const double value : tokens->stats[s]) {
      if (!std::isnan(value)) sum += value, ++n;
    }
    if (n != 0 && s != ASSAY_STAT_TOP1_ID)
      text += fmt::format(", mean {} {:.4f}", kNames[s], sum / static_cast<double>(n));
  }
  return text;
}

int show_item(const Globals& globals, Reader& reader, const RunSummary& run, const std::string& id) {
  Result<std::vector<ItemLine>> found = reader.find_item(run.run.id, id);
  if (!found) return report(globals, found.error());
  if (found->empty())
    return report(globals, {Code::kNotFound,
                            "run " + run.run.uuid.substr(0, 8) + " has no item '" + id +
                                "' (`assay show RUN --items` lists them)",
                            {}});
  Json list = Json::array();
  std::string text;
  for (const ItemLine& item : *found) {
    Result<std::vector<ItemResponse>> responses = reader.responses(item.result);
    if (!responses) return report(globals, responses.error());
    Result<std::vector<ItemScore>> scores = reader.scores(item.result);
    if (!scores) return report(globals, scores.error());
    Json one = {{"task", item.recipe},
                {"model", item.model},
                {"item", item.item_id},
                {"variant", item.variant},
                {"state", state_name(item.state)},
                {"message", item.message}};
    text += printable(item.recipe) + ", " + printable(item.model) + ", item " + printable(item.item_id) +
            (item.variant.empty() ? "" : " (" + printable(item.variant) + ")") + ": " +
            state_name(item.state) + (item.message.empty() ? "" : " - " + printable(item.message, 400)) +
            "\n";
    for (const ItemResponse& r : *responses) {
      one["responses"].push_back({{"name", r.name},
                                  {"role", r.role},
                                  {"request", r.request},
                                  {"answer", r.answer},
                                  {"state", state_name(r.state)},
                                  {"message", r.message}});
      text += "  request " + printable(r.name) + (r.role.empty() ? "" : " [" + r.role + "]") + ": " +
              printable(r.request, 600) + "\n";
      text += "   answer " +
              (r.message.empty() ? printable(r.answer, 600)
                                 : state_name(r.state) + std::string(" - ") + printable(r.message, 400)) +
              "\n";
      if (!r.tokens.empty()) text += "   " + tokens_text(r.tokens) + "\n";
    }
    for (const ItemScore& s : *scores) {
      one["scores"].push_back({{"metric", s.metric},
                               {"value", s.value},
                               {"number", std::isfinite(s.number) ? Json(s.number) : Json(nullptr)},
                               {"state", state_name(s.state)},
                               {"note", s.note}});
      text += "  " + printable(s.metric) + " " + printable(s.value) + " = " +
              (std::isfinite(s.number) ? number_text(s.number)
                                       : std::string("n/a (") + state_name(s.state) + ")") +
              (s.note.empty() ? "" : "  [" + printable(s.note, 200) + "]") + "\n";
    }
    list.push_back(std::move(one));
  }
  print(globals.json
            ? canonical(Json{{"schema", "assay-item/1"}, {"run", run.run.uuid}, {"items", list}}) + "\n"
            : text);
  return kDone;
}

int show_run(const Globals& globals, Reader& reader, const RunSummary& run) {
  Result<std::vector<AggregateLine>> lines = reader.aggregates(run.run.id);
  if (!lines) return report(globals, lines.error());
  Result<std::vector<WarningRow>> warnings = reader.warnings(run.run.id);
  if (!warnings) return report(globals, warnings.error());
  Result<std::vector<ReportedRow>> reported = reader.reported(run.run.id);
  if (!reported) return report(globals, reported.error());
  Result<std::vector<SegmentRow>> segments = reader.segments(run.run.id);
  if (!segments) return report(globals, segments.error());
  Result<std::vector<ScoreSetRow>> sets = reader.score_sets(run.run.id);
  if (!sets) return report(globals, sets.error());
  if (globals.json) {
    Json tree = {{"schema", "assay-result/1"},    {"run", run.run.uuid},
                 {"suite", run.run.suite_name},   {"label", run.run.label},
                 {"status", run.run.status},      {"started", run.run.started},
                 {"ended", run.run.ended},        {"command", run.run.command_line},
                 {"items_finished", run.results}, {"results", result_json(*lines)}};
    tree["origin"] = run.run.origin;
    tree["wall_seconds"] = run.run.wall_seconds;
    if (!run.run.source_json.empty()) tree["source"] = Json::parse(run.run.source_json, nullptr, false);
    if (const Json options = Json::parse(run.run.options_json, nullptr, false); options.is_object()) {
      for (const char* key : {"retry", "cache"}) {
        if (options.contains(key)) tree[key] = options[key];
      }
    }
    tree["reported"] = reported_json(*reported, *lines);
    for (const SegmentRow& segment : *segments) {
      tree["segments"].push_back(
          {{"started", segment.started}, {"ended", segment.ended}, {"seconds", segment.seconds}});
    }
    for (const ScoreSetRow& set : *sets) {
      tree["score_sets"].push_back(
          {{"label", set.label}, {"created", set.created}, {"command", set.command_line}});
    }
    for (const WarningRow& warning : *warnings)
      tree["warnings"].push_back({{"code", warning.code}, {"text", warning.text}});
    print(canonical(tree) + "\n");
    return kDone;
  }
  TableOptions options;
  options.color = globals.color_out;
  options.all_values = globals.verbose;
  std::string text = fmt::format("run {}  suite {}  {}  {}{}\n\n", run.run.uuid.substr(0, 8),
                                 run.run.suite_name, run.run.started, run.run.status,
                                 run.run.label.empty() ? "" : "  \"" + run.run.label + "\"");
  text += result_table(*lines, options);
  constexpr std::size_t kReportedShown = 20;
  if (!reported->empty())
    text += "\n" + reported_table(*reported, *lines, globals.color_out, globals.verbose ? 0 : kReportedShown);
  for (std::size_t i = 0; i < sets->size(); ++i) {
    text += (i == 0 ? "\n" : "") + fmt::format("scored again {} as \"{}\": {}\n", (*sets)[i].created,
                                               printable((*sets)[i].label, 60),
                                               printable((*sets)[i].command_line, 200));
  }
  for (std::size_t i = 0; i < warnings->size(); ++i)
    text += (i == 0 ? "\n" : "") + std::string("note: ") + (*warnings)[i].text + "\n";
  if (globals.verbose)
    text += "\n" + run.run.command_line + "\n" + run.run.versions_json + "\n" + run.run.machine_json + "\n";
  print(text);
  return kDone;
}

}  // namespace

po::options_description show_options() {
  po::options_description options("Options");
  options.add_options()("items", "list items instead of scores")(
      "item", po::value<std::string>()->value_name("ID"), "one item: requests, answers, statistics, scores")(
      "state", po::value<std::string>()->value_name("STATE"), "with --items: only this state")(
      "task", po::value<std::string>()->value_name("NAME"), "with --items: only this task")(
      "limit", po::value<std::int64_t>()->value_name("N"), "with --items: so many (default 50)");
  return options;
}

int show_verb(const Globals& globals, const po::variables_map& values) {
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  Result<RunSummary> run = (*reader)->find_run(get<std::string>(values, "name", "latest"));
  if (!run) return report(globals, run.error());
  if (values.count("item") != 0) return show_item(globals, **reader, *run, values["item"].as<std::string>());
  if (values.count("items") != 0) return show_items(globals, **reader, *run, values);
  return show_run(globals, **reader, *run);
}

}  // namespace assay::host::cli
