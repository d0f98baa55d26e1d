// `assay cache`: how many answers are stored, why one was or was not found, and taking answers out of
// service.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/cli/cache_explain.hpp"
#include "harness/cli/common.hpp"
#include "harness/plugins/units.hpp"
#include "reports/text_table.hpp"

namespace assay::host::cli {
namespace {

// "812 B", "1.4 MB": sizes that nobody reads back.
std::string bytes_text(std::int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

Json count_json(const CacheCount& count) {
  return {{"servable", count.servable},
          {"records", count.records},
          {"failed", count.failed},
          {"bytes", count.bytes},
          {"token_bytes", count.token_bytes},
          {"oldest", count.oldest < 0 ? Json() : Json(moment_text(count.oldest))},
          {"newest", count.newest < 0 ? Json() : Json(moment_text(count.newest))}};
}

void count_row(TextTable& table, std::vector<std::string> names, const CacheCount& count) {
  for (std::string cell :
       {std::to_string(count.servable), std::to_string(count.records), bytes_text(count.bytes),
        bytes_text(count.token_bytes), moment_text(count.oldest), moment_text(count.newest)}) {
    names.push_back(std::move(cell));
  }
  table.row(std::move(names));
}

int stats(const Globals& globals, Reader& reader) {
  Result<CacheStats> found = reader.cache_stats();
  if (!found) return report(globals, found.error());
  const CacheStats& all = *found;
  if (globals.json) {
    Json tree = count_json(all.all);
    tree.update({{"schema", "assay-cache-stats/1"},
                 {"database", globals.database},
                 {"uses", all.uses},
                 {"served", all.served},
                 {"models", Json::array()},
                 {"kinds", Json::object()}});
    for (const CacheStats::OfModel& model : all.models) {
      Json one = count_json(model.count);
      one.update({{"name", model.name}, {"fingerprint", model.fingerprint}, {"plugin", model.plugin_id}});
      tree["models"].push_back(std::move(one));
    }
    for (const auto& [name, count] : all.kinds) tree["kinds"][name] = count_json(count);
    print(canonical(tree) + "\n");
    return kDone;
  }
  TextTable table;
  for (const char* title : {"model", "fingerprint", "plugin"}) table.column(title);
  for (const char* title : {"servable", "records only", "bytes", "of them tokens"})
    table.column(title, TextTable::Align::kRight);
  for (const char* title : {"oldest", "newest"}) table.column(title);
  for (const CacheStats::OfModel& model : all.models)
    count_row(table, {printable(model.name, 40), model.fingerprint.substr(0, 8), model.plugin_id},
              model.count);
  for (const auto& [name, count] : all.kinds) count_row(table, {"all " + name, "", ""}, count);
  std::string text = fmt::format(
      "{} answers in {}, {}; {} more responses are records only ({} failed; the others were replaced, differ "
      "from "
      "the\nanswer served, or were pruned)\nresults use them {} times; {} of these answers came from the "
      "database\n",
      all.all.servable, globals.database, bytes_text(all.all.bytes), all.all.records, all.all.failed,
      all.uses, all.served);
  if (!all.models.empty()) text += "\n" + table.text(2, globals.color_out);
  print(text);
  return kDone;
}

// "30d", "2w", or any duration of `assay run`; seconds.
Result<std::int64_t> age(const std::string& text) {
  constexpr double kDay = 86'400, kDaysMax = 365'000;
  const double unit = text.ends_with('d') ? kDay : text.ends_with('w') ? 7 * kDay : 0;
  if (unit != 0) {
    const std::optional<double> count = parse_double(std::string_view(text).substr(0, text.size() - 1));
    if (count && *count >= 0 && *count * unit <= kDaysMax * kDay)
      return static_cast<std::int64_t>(*count * unit);
  } else if (Result<std::int64_t> ns = parse_duration(text)) {
    return *ns / 1'000'000'000;
  }
  return Error{
      Code::kInvalidArgument,
      "--older-than " + printable(text, 40) + ": expected an age with its unit, such as 30d, 2w or 12h",
      {}};
}

std::string outcome_text(const PruneOutcome& outcome, bool dry) {
  const auto responses = [](std::int64_t n) { return fmt::format("{} response{}", n, n == 1 ? "" : "s"); };
  std::string text = fmt::format(
      "{} that no result points to {} deleted ({})\n{} stay{} as the record of results and {} no longer "
      "served\n",
      responses(outcome.deleted),
      dry                    ? "would be"
      : outcome.deleted == 1 ? "was"
                             : "were",
      bytes_text(outcome.deleted_bytes), responses(outcome.retired), outcome.retired == 1 ? "s" : "",
      dry                    ? "would be"
      : outcome.retired == 1 ? "is"
                             : "are");
  if (outcome.records != 0)
    text += responses(outcome.records) + " of results were not served anyway and stay as they are\n";
  if (!dry && outcome.deleted != 0)
    text += "the file keeps its size; later runs use the space (VACUUM in the sqlite3 shell shrinks it)\n";
  return text;
}

int prune(const Globals& globals, const po::variables_map& values) {
  PruneFilter filter;
  filter.unused = values.count("unused") != 0;
  if (values.count("older-than") != 0) {
    Result<std::int64_t> seconds = age(values["older-than"].as<std::string>());
    if (!seconds) return report(globals, seconds.error());
    filter.created_before =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(std::time(nullptr)) - *seconds);
  }
  const bool by_model = values.count("model") != 0;
  if (!by_model && !filter.unused && filter.created_before == 0) {
    return report(globals, {Code::kInvalidArgument,
                            "cache prune needs --older-than AGE, --model NAME or --unused (several: all must "
                            "hold); nothing was pruned",
                            {}});
  }
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  Json models = Json::array();
  std::string text;
  if (by_model) {
    Result<std::vector<ModelRow>> found = (*reader)->find_models(values["model"].as<std::string>());
    if (!found) return report(globals, found.error());
    for (const ModelRow& model : *found) {
      filter.models.push_back(model.id);
      models.push_back({{"name", model.name}, {"fingerprint", model.fingerprint}});
      text += "model " + printable(model.name, 60) + ", fingerprint " + model.fingerprint.substr(0, 8) + "\n";
    }
  }
  const bool dry = values.count("dry-run") != 0;
  Result<PruneOutcome> outcome = Error{Code::kInternal, "nothing was pruned", {}};
  if (dry) {
    outcome = (*reader)->prunable(filter);
  } else {
    reader->reset();
    Result<std::unique_ptr<Store>> store = Store::open(globals.database);
    if (!store) return report(globals, store.error());
    outcome = (*store)->prune(filter);
  }
  if (!outcome) return report(globals, outcome.error());
  if (globals.json) {
    print(canonical(Json{{"schema", "assay-cache-prune/1"},
                         {"database", globals.database},
                         {"dry_run", dry},
                         {"models", models},
                         {"deleted", outcome->deleted},
                         {"deleted_bytes", outcome->deleted_bytes},
                         {"retired", outcome->retired},
                         {"records", outcome->records}}) +
          "\n");
    return kDone;
  }
  print(text + outcome_text(*outcome, dry));
  return kDone;
}

}  // namespace

po::options_description cache_options() {
  po::options_description options("Options");
  options.add_options()("run", po::value<std::string>()->value_name("RUN"),
                        "explain: of this run (default latest)")(
      "task", po::value<std::string>()->value_name("NAME"), "explain: only in this task")(
      "older-than", po::value<std::string>()->value_name("AGE"),
      "prune: answers stored so long ago: 30d, 2w, 12h")(
      "model", po::value<std::string>()->value_name("NAME"),
      "prune: answers of this model, by name or by the beginning of its fingerprint")(
      "unused", "prune: only what no result points to")("dry-run", "prune: only say what would be done");
  return options;
}

int cache_verb(const Globals& globals, const po::variables_map& values) {
  const std::vector<std::string> actions = {"stats", "explain", "prune"};
  const auto action = get<std::string>(values, "action");
  const auto item = get<std::string>(values, "item");
  if (std::find(actions.begin(), actions.end(), action) == actions.end()) {
    return report(globals, {Code::kInvalidArgument,
                            (action.empty() ? "no action given" : "unknown action '" + action + "'") +
                                did_you_mean(action, actions) + ": cache stats, explain ITEM or prune",
                            {}});
  }
  if (action == "explain" ? item.empty() : !item.empty()) {
    return report(globals, {Code::kInvalidArgument,
                            item.empty() ? "no item given: assay cache explain ITEM [--run RUN]"
                                         : "unexpected argument '" + item + "' behind cache " + action,
                            {}});
  }
  if (action == "prune") return prune(globals, values);
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  if (action == "stats") return stats(globals, **reader);
  Result<RunSummary> run = (*reader)->find_run(get<std::string>(values, "run", "latest"));
  if (!run) return report(globals, run.error());
  return cache_explain(globals, **reader, *run, item, get<std::string>(values, "task"));
}

}  // namespace assay::host::cli
