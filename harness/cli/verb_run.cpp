// `assay run` and `assay plan`.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/cli/run_session.hpp"
#include "harness/plugins/units.hpp"
#include "reports/text_table.hpp"

namespace assay::host::cli {
namespace {

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

Result<void> read_duration(const po::variables_map& values, const char* name, std::uint64_t& ns) {
  if (values.count(name) == 0) return {};
  Result<std::int64_t> time = parse_duration(values[name].as<std::string>());
  if (!time) return std::move(time).error().within(std::string("--") + name);
  ns = static_cast<std::uint64_t>(*time);
  return {};
}

// The options that say how requests are asked; none of them changes what is asked.
Result<void> read_control(const po::variables_map& values, ExecuteOptions& execution) {
  constexpr std::int64_t kThreadsMax = 1024, kAttemptsMax = 1000;
  RunControl& control = execution.control;
  if (values.count("threads") != 0) {
    Result<std::int64_t> threads = whole_number(values, "threads", 1, kThreadsMax);
    if (!threads) return std::move(threads).error();
    control.threads = static_cast<unsigned>(*threads);
  }
  if (values.count("attempts") != 0) {
    Result<std::int64_t> attempts = whole_number(values, "attempts", 1, kAttemptsMax);
    if (!attempts) return std::move(attempts).error();
    control.retry.attempts = static_cast<std::uint32_t>(*attempts);
  }
  std::uint64_t wait = static_cast<std::uint64_t>(execution.store.lock_wait_ms) * 1'000'000;
  const std::pair<const char*, std::uint64_t*> times[] = {{"backoff", &control.retry.backoff_ns},
                                                          {"attempt-timeout", &control.retry.attempt_ns},
                                                          {"timeout", &control.retry.total_ns},
                                                          {"wait", &wait}};
  for (const auto& [name, target] : times) {
    if (Result<void> ok = read_duration(values, name, *target); !ok) return ok;
  }
  execution.store.lock_wait_ms = static_cast<std::int64_t>(wait / 1'000'000);
  if (values.count("statistics") != 0) {
    const std::string which = values["statistics"].as<std::string>();
    if (which != "all" && which != "needed") {
      return Error{
          Code::kInvalidArgument, "--statistics " + printable(which, 40) + ": expected all or needed", {}};
    }
    control.keep_all_statistics = which == "all";
  }
  const bool ignore = values.count("no-cache") != 0, refresh = values.count("refresh-cache") != 0;
  if (ignore && refresh) {
    return Error{Code::kInvalidArgument, "--no-cache and --refresh-cache exclude each other", {}};
  }
  control.cache = ignore ? CacheUse::kIgnore : refresh ? CacheUse::kRefresh : CacheUse::kUse;
  return {};
}

std::string command_line(const po::variables_map& values) {
  std::string text = "assay run " + values["suite"].as<std::string>();
  for (const char* name : {"model", "set"}) {
    for (const std::string& value : get<std::vector<std::string>>(values, name))
      text += std::string(" --") + name + " '" + value + "'";
  }
  for (const char* name :
       {"limit", "items", "label", "statistics", "attempts", "backoff", "attempt-timeout", "timeout"}) {
    if (values.count(name) != 0)
      text += std::string(" --") + name + " '" + values[name].as<std::string>() + "'";
  }
  for (const char* name : {"shuffle", "strict", "fail-fast", "no-cache", "refresh-cache"}) {
    if (values.count(name) != 0) text += std::string(" --") + name;
  }
  if (values.count("seed") != 0) text += " --seed " + values["seed"].as<std::string>();
  if (values.count("repeats") != 0)
    text += " --repeats " + std::to_string(values["repeats"].as<std::int64_t>());
  return text;
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
      "threads", po::value<std::string>()->value_name("N"), "threads for model calls (default: all)")(
      "no-cache", "ask everything; stored answers are neither used nor replaced, and no run is continued")(
      "refresh-cache", "ask everything; new answers take the place of stored ones")(
      "statistics", po::value<std::string>()->value_name("all|needed"),
      "token statistics to keep: all that the model gives in one pass, so that later metrics can be computed "
      "(default), or what the suite's metrics need")(
      "attempts", po::value<std::string>()->value_name("N"),
      "calls for one request that fails for a time (default 3)")(
      "backoff", po::value<std::string>()->value_name("TIME"),
      "longest wait before the second try, doubled for each further one: 500ms, 2s (default 1s, at most "
      "60s)")("attempt-timeout", po::value<std::string>()->value_name("TIME"),
              "time limit of one try (default: none)")(
      "timeout", po::value<std::string>()->value_name("TIME"), "time limit of a request with all its tries")(
      "wait", po::value<std::string>()->value_name("TIME"),
      "how long to wait while another process writes the database (default 30s; 0s: leave at once)");
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

  ExecuteOptions execution;
  execution.store.durable = values.count("durable") != 0;
  execution.label = get<std::string>(values, "label");
  execution.command_line = command_line(values);
  execution.control.fail_fast = values.count("fail-fast") != 0;
  execution.strict = options->plan.strict;
  if (Result<void> ok = read_control(values, execution); !ok) return report(globals, ok.error());
  return run_session(globals, *session, execution);
}

}  // namespace assay::host::cli
