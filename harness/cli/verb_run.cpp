// `assay run` and `assay plan`.
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/cli/progress.hpp"
#include "reports/table.hpp"
#include "reports/text_table.hpp"

namespace assay::host::cli {
namespace {

std::atomic<int> g_stop{0};  // signals received
std::atomic<int> g_signal{0};
std::uint32_t g_cancel = 0;  // handed to plugins

// First signal: issue nothing new and keep what is finished. Second: leave at once; the database is sound.
void on_signal(int signal) {
  g_signal.store(signal);
  if (g_stop.fetch_add(1) > 0) ::_exit(128 + signal);
  __atomic_store_n(&g_cancel, 1U, __ATOMIC_RELEASE);
}

po::options_description selection_options() {
  po::options_description options("Options");
  options.add_options()("model", po::value<std::vector<std::string>>()->value_name("EXPR"),
                        "a model to run, EXPR or NAME=EXPR (repeatable; default: the suite's)")(
      "set", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"),
      "override a value of the suite: suite.seed=3, task.NAME.params.k=0.3 (repeatable)")(
      "limit", po::value<std::string>()->value_name("N|A-B|P%"),
      "so many items, positions A to B-1, or a share")(
      "items", po::value<std::string>()->value_name("IDS"),
      "only these item ids: a,b,c or @FILE with one id a line")(
      "shuffle", "choose the items of --limit at random, by the seed")(
      "seed", po::value<std::string>()->value_name("N"), "seed of everything random (default: the suite's)")(
      "repeats", po::value<std::int64_t>()->value_name("R"), "ask everything R times")(
      "strict", "any metric that a model cannot serve is an error");
  return options;
}

Result<std::vector<std::string>> item_ids(const std::string& text) {
  std::vector<std::string> ids;
  std::string list = text;
  char separator = ',';
  if (!text.empty() && text[0] == '@') {
    Result<std::string> bytes = read_file(text.substr(1), limits::kConfigBytesMax);
    if (!bytes) return std::move(bytes).error();
    list = *bytes;
    separator = '\n';
  }
  for (const std::string& part : split(list, separator)) {
    if (const std::string_view id = trimmed(part); !id.empty()) ids.emplace_back(id);
  }
  if (ids.empty()) return Error{Code::kInvalidArgument, "--items " + text + ": there is no id in it", {}};
  return ids;
}

// program_options would let "-1" wrap round in an unsigned number.
Result<std::int64_t> whole_number(const po::variables_map& values, const char* name, std::int64_t least,
                                  std::int64_t most) {
  const std::string text = values[name].as<std::string>();
  const auto number = parse_int(text);
  if (number && *number >= least && *number <= most) return *number;
  return Error{Code::kInvalidArgument,
               std::string("--") + name + " " + printable(text, 40) + ": expected a whole number from " +
                   std::to_string(least) + " to " + std::to_string(most),
               {}};
}

Result<SessionOptions> session_options(const Globals& globals, const po::variables_map& values) {
  SessionOptions options;
  if (values.count("suite") == 0) {
    return Error{
        Code::kInvalidArgument, "no suite given: assay run SUITE.toml (benchmarks/suites holds some)", {}};
  }
  options.suite = values["suite"].as<std::string>();
  options.overrides = get<std::vector<std::string>>(values, "set");
  options.registry = globals.registry();
  options.data = globals.data();
  options.plan.models = get<std::vector<std::string>>(values, "model");
  options.plan.strict = values.count("strict") != 0;
  if (values.count("seed") != 0) {
    Result<std::int64_t> seed = whole_number(values, "seed", 0, INT64_MAX);
    if (!seed) return std::move(seed).error();
    options.plan.seed = static_cast<std::uint64_t>(*seed);
  }
  if (values.count("repeats") != 0) {
    options.plan.repeats = values["repeats"].as<std::int64_t>();
    if (*options.plan.repeats < 1 || *options.plan.repeats > 10'000) {
      return Error{Code::kInvalidArgument,
                   "--repeats " + std::to_string(*options.plan.repeats) + ": expected 1 to 10000",
                   {}};
    }
  }
  if (values.count("limit") != 0) {
    Result<Selection> limit = parse_limit(values["limit"].as<std::string>());
    if (!limit) return std::move(limit).error();
    options.plan.selection = *limit;
  }
  options.plan.selection.shuffle = values.count("shuffle") != 0;
  if (values.count("items") != 0) {
    Result<std::vector<std::string>> ids = item_ids(values["items"].as<std::string>());
    if (!ids) return std::move(ids).error();
    options.plan.selection.items = *std::move(ids);
  }
  return options;
}

// --dry-run and `plan`: recipes, counts, what each model must provide.
int print_plan(const Globals& globals, Session& session) {
  Json tree = session.plan.to_json();
  tree["schema"] = "assay-plan/1";
  TextTable tasks;
  for (const char* title : {"task", "recipe", "items", "requests", "different", "kinds", "needs"}) {
    tasks.column(title, std::string_view(title) == "items" || std::string_view(title) == "requests" ||
                                std::string_view(title) == "different"
                            ? TextTable::Align::kRight
                            : TextTable::Align::kLeft);
  }
  static constexpr const char* kKinds[] = {"", "generate", "score", "rows", "classify", "embed"};
  for (std::size_t t = 0; t < session.tasks.size(); ++t) {
    Result<RequestCounts> counts = count_requests(session.tasks[t]);
    if (!counts) return report(globals, counts.error());
    counts->items *= session.plan.repeats;
    counts->requests *= session.plan.repeats;
    counts->unique *= session.plan.repeats;
    for (std::int64_t& kind : counts->by_kind) kind *= session.plan.repeats;
    std::uint64_t needs = session.plan.tasks[t].binding.spec().requires_caps;
    for (const PlannedMetric& metric : session.plan.tasks[t].metrics)
      needs |= metric.binding.spec().requires_caps;
    std::vector<std::string> kinds;
    Json by_kind = Json::object();
    for (int k = 1; k < 6; ++k) {
      if (counts->by_kind[k] == 0) continue;
      kinds.push_back(std::to_string(counts->by_kind[k]) + " " + kKinds[k]);
      by_kind[kKinds[k]] = counts->by_kind[k];
    }
    tree["tasks"][t]["items"] = counts->items;
    tree["tasks"][t]["requests"] = counts->requests;
    tree["tasks"][t]["requests_different"] = counts->unique;
    tree["tasks"][t]["requests_by_kind"] = by_kind;
    tree["tasks"][t]["needs"] = capability_names(needs);
    tasks.row({session.plan.tasks[t].name, session.plan.tasks[t].recipe_hash.substr(0, 8),
               std::to_string(counts->items), std::to_string(counts->requests),
               std::to_string(counts->unique), join(kinds, ", "), capability_names(needs)});
  }
  if (globals.json) {
    print(canonical(tree) + "\n");
    return kDone;
  }
  std::string text = "suite " + session.plan.suite.name + ", seed " + std::to_string(session.plan.seed) +
                     ", " + std::to_string(session.plan.repeats) + " repeat(s)\n\n" +
                     tasks.text(2, globals.color_out) + "\nmodels\n";
  for (const PlannedModel& model : session.plan.models) {
    text += "  " + model.name +
            (model.name == model.binding.expression ? "" : " = " + model.binding.expression) +
            "\n    offers " + capability_names(model.binding.spec().provides) + "\n";
  }
  std::string unsupported;
  for (const PlannedEvaluation& evaluation : session.plan.evaluations) {
    for (std::size_t i = 0; i < evaluation.reasons.size(); ++i) {
      if (evaluation.reasons[i].empty()) continue;
      unsupported += "  " + session.plan.tasks[evaluation.task].name + ", " +
                     session.plan.tasks[evaluation.task].metrics[i].name + ": " + evaluation.reasons[i] +
                     "\n";
    }
  }
  if (!unsupported.empty()) text += "\nunsupported (no number will be made up)\n" + unsupported;
  print(text);
  return kDone;
}

std::string command_line(const po::variables_map& values) {
  std::string text = "assay run " + values["suite"].as<std::string>();
  for (const char* name : {"model", "set"}) {
    for (const std::string& value : get<std::vector<std::string>>(values, name))
      text += std::string(" --") + name + " '" + value + "'";
  }
  for (const char* name : {"limit", "items", "label"}) {
    if (values.count(name) != 0)
      text += std::string(" --") + name + " '" + values[name].as<std::string>() + "'";
  }
  if (values.count("shuffle") != 0) text += " --shuffle";
  if (values.count("seed") != 0) text += " --seed " + values["seed"].as<std::string>();
  if (values.count("repeats") != 0)
    text += " --repeats " + std::to_string(values["repeats"].as<std::int64_t>());
  return text;
}

int run_exit(const ExecuteResult& result) {
  if (result.outcome.interrupted) return 128 + (g_signal.load() == 0 ? SIGINT : g_signal.load());
  if (!result.outcome.infrastructure.empty()) return kInfrastructure;
  const auto& states = result.outcome.states;
  if (states[ASSAY_STATE_ERROR] + states[ASSAY_STATE_TIMEOUT] + states[ASSAY_STATE_UNSUPPORTED] != 0)
    return kIncomplete;
  for (const ExpectationResult& expectation : result.expectations) {
    if (!expectation.held) return kRegression;
  }
  return kDone;
}

std::string expectation_text(const std::vector<ExpectationResult>& list, bool color) {
  if (list.empty()) return {};
  std::size_t held = 0;
  std::string failures;
  for (const ExpectationResult& one : list) {
    if (one.held) {
      ++held;
      continue;
    }
    const SuiteExpectation& e = one.expectation;
    failures += fmt::format("  {}FAILED{} {} {} {}{}: {} - found {}\n", color ? "\x1b[31m" : "",
                            color ? "\x1b[0m" : "", e.task, e.metric, e.model,
                            e.variant.empty() ? "" : " (" + e.variant + ")", e.why, one.found);
  }
  return fmt::format("planted truth: {} of {} expectations hold\n", held, list.size()) + failures;
}

void print_result(const Globals& globals, const Session& session, const ExecuteResult& result, int code) {
  const RunOutcome& outcome = result.outcome;
  if (globals.json) {
    Json tree = {{"schema", "assay-result/1"},          {"run", result.uuid},
                 {"suite", session.plan.suite.name},    {"database", globals.database},
                 {"seconds", result.seconds},           {"items_finished", outcome.finished},
                 {"items_planned", outcome.planned},    {"exit_code", code},
                 {"results", result_json(result.table)}};
    for (const WarningRow& warning : outcome.warnings)
      tree["warnings"].push_back({{"code", warning.code}, {"text", warning.text}});
    for (const ExpectationResult& one : result.expectations) {
      tree["expectations"].push_back({{"task", one.expectation.task},
                                      {"metric", one.expectation.metric},
                                      {"model", one.expectation.model},
                                      {"variant", one.expectation.variant},
                                      {"held", one.held},
                                      {"found", one.found},
                                      {"why", one.expectation.why}});
    }
    print(canonical(tree) + "\n");
    return;
  }
  TableOptions options;
  options.color = globals.color_out;
  options.all_values = globals.verbose;
  std::string text = result_table(result.table, options);
  const std::string held = expectation_text(result.expectations, globals.color_out);
  if (!held.empty()) text += "\n" + held;
  if (!globals.quiet) {
    constexpr std::size_t kWarningsShown = 10;
    for (std::size_t i = 0; i < outcome.warnings.size() && (i < kWarningsShown || globals.verbose); ++i) {
      text += (i == 0 ? "\n" : "") + std::string("note: ") + outcome.warnings[i].text + "\n";
    }
    if (!globals.verbose && outcome.warnings.size() > kWarningsShown) {
      text += fmt::format("note: {} more notes (assay show {} -v)\n",
                          outcome.warnings.size() - kWarningsShown, result.uuid.substr(0, 8));
    }
    text += fmt::format("\n{} items in {}, run {} in {}\n", outcome.finished, duration_text(result.seconds),
                        result.uuid.substr(0, 8), globals.database);
  }
  print(text);
}

}  // namespace

po::options_description plan_options() {
  return selection_options();
}

po::options_description run_options() {
  po::options_description options = selection_options();
  options.add_options()("dry-run", "print the plan and stop")(
      "label", po::value<std::string>()->value_name("TEXT"), "a name for the run")(
      "fail-fast", "stop at the first item that fails")(
      "durable", "commit to the disk at every step (synchronous=FULL)")(
      "threads", po::value<std::string>()->value_name("N"), "threads for model calls (default: all)");
  return options;
}

int plan_verb(const Globals& globals, const po::variables_map& values) {
  Result<SessionOptions> options = session_options(globals, values);
  if (!options) return report(globals, options.error());
  Result<Session> session = prepare(*options);
  if (!session) return report(globals, session.error());
  return print_plan(globals, *session);
}

int run_verb(const Globals& globals, const po::variables_map& values) {
  Result<SessionOptions> options = session_options(globals, values);
  if (!options) return report(globals, options.error());
  Result<Session> session = prepare(*options);
  if (!session) return report(globals, session.error());
  if (values.count("dry-run") != 0) return print_plan(globals, *session);

  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  Progress progress(::isatty(2) == 1 && environment("TERM") != "dumb", globals.quiet);
  ExecuteOptions execution;
  execution.database = globals.database;
  execution.store.durable = values.count("durable") != 0;
  execution.label = get<std::string>(values, "label");
  execution.command_line = command_line(values);
  execution.control.stop = &g_stop;
  execution.control.cancel = &g_cancel;
  execution.control.fail_fast = values.count("fail-fast") != 0;
  execution.strict = options->plan.strict;
  if (values.count("threads") != 0) {
    constexpr std::int64_t kThreadsMax = 1024;
    Result<std::int64_t> threads = whole_number(values, "threads", 1, kThreadsMax);
    if (!threads) return report(globals, threads.error());
    execution.control.threads = static_cast<unsigned>(*threads);
  }
  execution.control.progress = [&](const RunProgress& p) { progress.update(p); };
  Result<ExecuteResult> result = execute(*session, execution);
  progress.finish();
  if (!result) return report(globals, result.error());
  const int code = run_exit(*result);
  print_result(globals, *session, *result, code);
  if (!result->outcome.infrastructure.empty()) {
    std::fprintf(stderr, "assay: the run was given up: %s; %ld items are safe in '%s'\n",
                 result->outcome.infrastructure.c_str(), static_cast<long>(result->outcome.finished),
                 globals.database.c_str());
  }
  if (result->outcome.interrupted) {
    std::fprintf(stderr, "assay: interrupted; %ld finished items are safe in '%s' (run %s)\n",
                 static_cast<long>(result->outcome.finished), globals.database.c_str(),
                 result->uuid.substr(0, 8).c_str());
  }
  return code;
}

}  // namespace assay::host::cli
