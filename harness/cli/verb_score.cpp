// `assay score RUN --metric EXPR...`: metrics over stored answers.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/run/rescore.hpp"
#include "reports/table.hpp"

namespace assay::host::cli {
namespace {

const char* outcome_name(RescoreOutcome outcome) {
  switch (outcome) {
    case RescoreOutcome::kComputed:
      return "computed";
    case RescoreOutcome::kKnown:
      return "known";
    default:
      return "unsupported";
  }
}

std::string command_line(const Globals& globals, const std::string& run,
                         const std::vector<std::string>& metrics, const RescoreOptions& options) {
  std::string text = "assay score " + run;
  for (const std::string& metric : metrics) text += " --metric '" + metric + "'";
  if (!options.task.empty()) text += " --task '" + options.task + "'";
  if (!options.label.empty()) text += " --as '" + options.label + "'";
  for (const std::string& file : globals.plugin_files) text += " --plugin " + file;
  return text;
}

Json metrics_json(const std::vector<RescoredMetric>& metrics) {
  Json list = Json::array();
  for (const RescoredMetric& one : metrics) {
    list.push_back({{"task", one.task},
                    {"model", one.model},
                    {"metric", one.metric},
                    {"outcome", outcome_name(one.outcome)},
                    {"reason", one.reason},
                    {"items", one.items},
                    {"asked", one.asked}});
  }
  return list;
}

// What the table does not say: what was there already, what cannot be computed, what was left out.
std::string notes_text(const RescoreResult& result) {
  std::string text;
  for (const RescoredMetric& one : result.metrics) {
    const std::string place =
        "metric '" + one.metric + "' of task '" + one.task + "', model '" + one.model + "'";
    if (one.outcome == RescoreOutcome::kKnown) {
      text += "note: " + place + " is already computed\n";
    } else if (one.outcome == RescoreOutcome::kUnsupported) {
      text += "note: " + place + " is unsupported: " + printable(one.reason, 1000) + "\n";
    } else if (one.asked < one.items) {
      text += fmt::format("note: {}: {} of {} items have no answer that it can judge\n", place,
                          one.items - one.asked, one.items);
    }
  }
  for (const std::string& note : result.notes) text += "note: " + printable(note, 1000) + "\n";
  return text;
}

int print_result(const Globals& globals, const RescoreResult& result) {
  if (globals.json) {
    print(canonical(Json{{"schema", "assay-score/1"},
                         {"run", result.run.run.uuid},
                         {"score_set", result.label.empty() ? Json(nullptr) : Json(result.label)},
                         {"metrics", metrics_json(result.metrics)},
                         {"notes", result.notes},
                         {"results", result_json(result.table)}}) +
          "\n");
    return kDone;
  }
  TableOptions options;
  options.color = globals.color_out;
  options.all_values = globals.verbose;
  std::string text = result.table.empty() ? std::string() : result_table(result.table, options) + "\n";
  if (!globals.quiet) text += notes_text(result);
  text += result.label.empty()
              ? fmt::format("run {}: nothing new to compute\n", result.run.run.uuid.substr(0, 8))
              : fmt::format("run {}: score set \"{}\" in {}\n", result.run.run.uuid.substr(0, 8),
                            printable(result.label), globals.database);
  print(text);
  return kDone;
}

}  // namespace

po::options_description score_options() {
  po::options_description options("Options");
  options.add_options()("metric,m", po::value<std::vector<std::string>>()->value_name("EXPR"),
                        "a metric: 'mia.mink', 'mia.mink(k=0.3)', 'mia.mink@guard' (repeatable)")(
      "task", po::value<std::string>()->value_name("PATTERN"), "only tasks with such a name (* and ?)")(
      "as", po::value<std::string>()->value_name("LABEL"),
      "name of the score set (default: score-2, score-3 ...)")(
      "durable", "commit to the disk at every step (synchronous=FULL)");
  return options;
}

int score_verb(const Globals& globals, const po::variables_map& values) {
  const auto metrics = get<std::vector<std::string>>(values, "metric");
  if (metrics.empty()) {
    return report(globals, {Code::kInvalidArgument,
                            "no metric given: assay score RUN --metric NAME (`assay list metrics` shows "
                            "what there is)",
                            "metric"});
  }
  RescoreOptions options;
  options.database = globals.database;
  options.store.durable = values.count("durable") != 0;
  options.run = get<std::string>(values, "run", "latest");
  options.task = get<std::string>(values, "task");
  options.label = get<std::string>(values, "as");
  options.command_line = command_line(globals, options.run, metrics, options);
  const RegistryOptions search = globals.registry();
  Result<std::unique_ptr<Registry>> registry = Registry::discover(search);
  if (!registry) return report(globals, registry.error());
  if (Result<void> ok = check_named_files(**registry, search.files); !ok) return report(globals, ok.error());
  Result<DataRegistry> data = DataRegistry::open();
  if (!data) return report(globals, data.error());
  const BindContext context = bind_context(**registry, *data, globals.data(), ".");
  std::vector<Binding> bindings;
  for (const std::string& metric : metrics) {
    Result<Binding> binding = bind_metric(context, metric);
    if (!binding) return report(globals, binding.error());
    bindings.push_back(*std::move(binding));
  }
  InstanceFactory factory(**registry);
  Result<RescoreResult> result = rescore(options, bindings, factory);
  if (!result) return report(globals, result.error());
  return print_result(globals, *result);
}

}  // namespace assay::host::cli
