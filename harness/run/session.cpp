#include "harness/run/session.hpp"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "assay/sdk/abi.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/aggregate.hpp"
#include "harness/run/continuation.hpp"
#include "harness/run/provenance.hpp"
#include "harness/run/request.hpp"

namespace assay::host {
namespace fs = std::filesystem;
namespace {

// "data:NAME[/FILE]" through the registry; other paths relative to the suite's folder, then to the current
// one.
Result<ResolvedPath> resolve_path(const std::string& written, const DataRegistry& data,
                                  const DataOptions& options, const fs::path& base, const fs::path& folder) {
  if (written.rfind("data:", 0) == 0) {
    const std::string name = written.substr(5);
    Result<ResolvedFile> file = data.resolve(name, options);
    if (!file) {
      // A known set whose file is missing is missing data; an unknown name is a typing error.
      const bool known = data.find(name).ok() || data.find(name.substr(0, name.rfind('/'))).ok();
      Error error = std::move(file).error();
      if (known && error.code == Code::kNotFound) error.code = Code::kData;
      return error;
    }
    return ResolvedPath{file->path.string(), file->sha256};
  }
  std::error_code failure;
  fs::path path = written;
  if (path.is_relative() && fs::exists(base / path, failure)) path = base / path;
  if (path.is_relative() && !folder.empty()) path = folder / path;
  path = fs::absolute(path, failure).lexically_normal();
  if (!fs::exists(path, failure)) {
    return Error{
        Code::kData,
        "there is no file '" + written + "' (looked in '" + base.string() + "' and in the current folder)",
        {}};
  }
  if (fs::is_directory(path, failure)) {
    return ResolvedPath{path.string(), sha256_hex(path.string())};
  }
  Result<std::string> digest = sha256_file(path);
  if (!digest) return std::move(digest).error();
  return ResolvedPath{path.string(), *digest};
}

Result<RowId> begin(Store& store, const Session& session, const ExecuteOptions& options, const Json& parts,
                    std::string& uuid) {
  RunRow run;
  run.identity = sha256_hex(canonical(parts));
  run.options_json = options_json(session.options, options.control, parts);
  run.uuid = uuid = new_uuid();
  run.label = options.label;
  run.suite_name = session.plan.suite.name;
  run.suite_path = session.plan.suite.path.string();
  run.suite_sha256 = session.plan.suite.sha256;
  run.suite_text = session.plan.suite.text;
  run.command_line = options.command_line;
  run.plan_json = canonical(session.plan.to_json());
  run.versions_json = versions_json();
  run.machine_json = machine_json();
  run.seed = session.plan.seed;
  run.repeats = session.plan.repeats;
  run.started = utc_now();
  run.status = "running";
  Result<RowId> id = store.begin_run(run);
  if (!id) return id;
  std::vector<PluginRow> plugins;
  const auto add = [&](const Binding& binding) {
    PluginRow row;
    row.id = binding.spec().id;
    row.version = binding.spec().version;
    row.kind = kind_name(binding.spec().kind);
    row.library_path = binding.plugin->library->path.string();
    row.library_sha256 = binding.plugin->library->sha256;
    row.build_info = binding.plugin->library->build_info;
    for (const PluginRow& other : plugins) {
      if (other.id == row.id && other.kind == row.kind) return;
    }
    plugins.push_back(std::move(row));
  };
  const std::function<void(const Binding&)> add_all = [&](const Binding& binding) {
    add(binding);
    for (const auto& [key, models] : binding.slots) {
      for (const Binding& inner : models) add_all(inner);
    }
  };
  for (const PlannedModel& model : session.plan.models) add_all(model.binding);
  for (const PlannedTask& task : session.plan.tasks) {
    add_all(task.binding);
    for (const PlannedMetric& metric : task.metrics) add_all(metric.binding);
    for (const auto& [role, model] : task.roles) add_all(model.binding);
  }
  if (Result<void> ok = store.add_plugins(*id, plugins); !ok) return std::move(ok).error();
  return id;
}

// Loads every model before the first item is asked, so that what an instance lacks is known - and refused -
// now.
Result<void> load_models(Session& session, bool strict) {
  for (std::size_t m = 0; m < session.plan.models.size(); ++m) {
    Result<const ModelInstance*> model = session.factory->model(session.plan.models[m].binding);
    if (!model) return std::move(model).error().within("model '" + session.plan.models[m].name + "'");
    limit_to_capabilities(session.plan, m, (*model)->capabilities());
  }
  return check_support(session.plan, strict);
}

const PlannedEvaluation* planned_evaluation(const Plan& plan, std::size_t task, const std::string& model) {
  for (const PlannedEvaluation& evaluation : plan.evaluations) {
    if (evaluation.task == task && plan.models[evaluation.model].name == model) return &evaluation;
  }
  return nullptr;
}

// A selection that leaves nothing is a mistake; an id that no task has is said.
Result<void> check_selection(Session& session) {
  const Selection& selection = session.plan.selection;
  bool any = false;
  for (const LiveTask& task : session.tasks) any = any || task.items != 0;
  if (!any && !selection.everything()) {
    return Error{
        Code::kInvalidArgument,
        std::string(selection.items.empty() ? "--limit" : "--items") + " selects no item of any task",
        {}};
  }
  for (const std::string& id : selection.items) {
    bool found = false;
    for (const LiveTask& task : session.tasks) {
      found = found || std::find(task.positions.found_ids.begin(), task.positions.found_ids.end(), id) !=
                           task.positions.found_ids.end();
    }
    if (!found) session.notes.push_back("--items: no task has an item '" + printable(id) + "'");
  }
  return {};
}

// Aggregates of every evaluation that has rows, computed from the database.
Result<void> aggregate_all(Session& session, Store& store, Reader& reader, RowId run) {
  Result<std::vector<EvaluationRow>> evaluations = reader.evaluations(run);
  if (!evaluations) return std::move(evaluations).error();
  Result<std::vector<RecipeRow>> recipes = reader.recipes(run);
  if (!recipes) return std::move(recipes).error();
  for (const EvaluationRow& evaluation : *evaluations) {
    if (evaluation.status == "unsupported") continue;
    std::size_t task = 0;
    while (task < session.plan.tasks.size() && (*recipes)[task].id != evaluation.recipe) ++task;
    if (task == session.plan.tasks.size()) continue;
    Result<std::vector<MetricRow>> metrics = reader.metrics(evaluation.recipe);
    if (!metrics) return std::move(metrics).error();
    AggregateOptions options;
    options.seed = session.plan.seed;
    options.task = session.plan.tasks[task].name;
    options.planned = evaluation.planned_items;
    std::vector<AggregateRow> rows;
    const PlannedEvaluation* planned = planned_evaluation(session.plan, task, evaluation.model_name);
    for (std::size_t m = 0; m < metrics->size() && (*metrics)[m].score_set == 0; ++m) {
      if (planned != nullptr && !planned->supported[m]) {
        Result<std::vector<AggregateRow>> none =
            unsupported_metric(reader, evaluation.id, (*metrics)[m], planned->reasons[m]);
        if (!none) return std::move(none).error();
        rows.insert(rows.end(), none->begin(), none->end());
        continue;
      }
      Result<std::vector<AggregateRow>> part = aggregate_metric(
          reader, evaluation.id, (*metrics)[m], session.tasks[task].metrics[m].get(), options);
      if (!part) return std::move(part).error();
      rows.insert(rows.end(), part->begin(), part->end());
    }
    if (Result<void> ok = store.put_aggregates(evaluation.id, rows); !ok) return ok;
  }
  return store.flush();
}

bool same_or_empty(const std::string& wanted, const std::string& found) {
  return wanted.empty() || wanted == found;
}

ExpectationResult check(const SuiteExpectation& e, const std::vector<AggregateLine>& table) {
  ExpectationResult out;
  out.expectation = e;
  bool any = false, all = true;
  for (const AggregateLine& line : table) {
    const bool main_statistic =
        line.row.statistic.find('@') == std::string::npos && line.row.statistic != "pr_auc";
    const bool statistic = e.statistic.empty() ? line.headline && main_statistic
                                               : line.row.statistic == e.statistic ||
                                                     (line.value == e.statistic && main_statistic);
    if (line.recipe != e.task || !same_or_empty(e.model, line.model) || line.metric != e.metric ||
        !statistic || !same_or_empty(e.variant, line.row.variant)) {
      continue;
    }
    any = true;
    const AggregateRow& row = line.row;
    bool held = std::isfinite(row.estimate);
    if (e.min) held = held && row.estimate >= *e.min;
    if (e.max) held = held && row.estimate <= *e.max;
    if (e.equals) held = held && row.estimate == *e.equals;
    if (e.contains) held = held && row.lo <= *e.contains && *e.contains <= row.hi;
    all = all && held;
    if (!out.found.empty()) out.found += ", ";
    out.found += number_text(row.estimate);
    if (std::isfinite(row.lo)) out.found += " [" + number_text(row.lo) + ", " + number_text(row.hi) + "]";
    if (!row.undefined_reason.empty()) out.found += " (" + row.undefined_reason + ")";
  }
  out.held = any && all;
  if (!any)
    out.found =
        "no such result: check task, model, metric, statistic and variant of the expectation at " + e.where;
  return out;
}

}  // namespace

// A library that was named on the command line must be usable; others on the search path are only listed.
Result<void> check_named_files(const Registry& registry, const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    std::error_code failure;
    const fs::path real = fs::weakly_canonical(file, failure);
    if (!fs::exists(real, failure))
      return Error{Code::kInvalidArgument, "--plugin " + file.string() + ": there is no such file", {}};
    for (const LibraryRecord& library : registry.libraries()) {
      if (library.path != real || library.state == ScanState::kOk || library.state == ScanState::kShadowed)
        continue;
      return Error{
          Code::kInvalidArgument,
          "--plugin " + file.string() + ": " + scan_state_name(library.state) + " - " + library.reason,
          {}};
    }
  }
  return {};
}

BindContext bind_context(const Registry& registry, const DataRegistry& data, const DataOptions& options,
                         const fs::path& base, const fs::path& folder) {
  BindContext context;
  context.registry = &registry;
  context.resolve = [&data, options, base, folder](const std::string& written) {
    return resolve_path(written, data, options, base, folder);
  };
  return context;
}

Result<Session> prepare(const SessionOptions& options) {
  Result<Suite> suite = options.suite_text
                            ? parse_suite(*options.suite_text, options.suite, options.overrides)
                            : read_suite(options.suite, options.overrides);
  if (!suite) return std::move(suite).error();
  Session session;
  session.options = options;
  Result<std::unique_ptr<Registry>> registry = Registry::discover(options.registry);
  if (!registry) return std::move(registry).error();
  session.registry = *std::move(registry);
  if (Result<void> ok = check_named_files(*session.registry, options.registry.files); !ok)
    return std::move(ok).error();
  Result<DataRegistry> data = DataRegistry::open();
  if (!data) return std::move(data).error();
  session.data = std::make_unique<DataRegistry>(*std::move(data));
  fs::path base = options.suite.parent_path();
  if (base.empty()) base = ".";
  Result<Plan> plan = make_plan(
      *std::move(suite), bind_context(*session.registry, *session.data, options.data, base, options.folder),
      options.plan);
  if (!plan) return std::move(plan).error();
  session.plan = *std::move(plan);
  session.factory = std::make_unique<InstanceFactory>(*session.registry);
  Result<std::vector<LiveTask>> tasks = open_tasks(session.plan, *session.factory);
  if (!tasks) return std::move(tasks).error();
  session.tasks = *std::move(tasks);
  if (Result<void> ok = check_selection(session); !ok) return std::move(ok).error();
  return session;
}

namespace {

// The run to write into: a new one, or an unfinished one that asks and scores the same.
Result<RowId> open_run(Store& store, Reader& reader, const Session& session, const ExecuteOptions& options,
                       ExecuteResult& result, std::vector<std::string>* differs) {
  const Json parts = identity_parts(session, options.control);
  RowId run = options.resume, alive = 0;
  if (run == 0 && options.control.cache == CacheUse::kUse) {
    Result<RowId> found = unfinished_run(reader, sha256_hex(canonical(parts)), options.label, &alive);
    if (!found) return found;
    run = *found;
  }
  if (run == 0) {
    if (alive != 0) {
      result.outcome.warnings.push_back(
          {"W_SAME_RUN",
           "run " + std::to_string(alive) +
               " is doing the same work at this moment; this is a run of its own",
           0});
    }
    return begin(store, session, options, parts, result.uuid);
  }
  Result<RunSummary> summary = reader.find_run(std::to_string(run));
  if (!summary) return std::move(summary).error();
  if (options.resume != 0) {
    Result<Continuation> recorded = continuation_of(summary->run);
    if (!recorded) return std::move(recorded).error();
    const std::vector<std::string> parts_that_differ = differing_parts(recorded->parts, parts);
    if (!parts_that_differ.empty()) {
      if (differs != nullptr) *differs = parts_that_differ;
      return Error{Code::kData,
                   "run " + summary->run.uuid.substr(0, 8) +
                       " cannot be continued because it would not be the same run: different are " +
                       join(parts_that_differ, ", ") + "; start a new run instead",
                   {}};
    }
  }
  if (Result<void> ok = store.resume_run(run); !ok) return std::move(ok).error();
  result.uuid = summary->run.uuid;
  result.resumed = true;
  if (options.retry_errors) {
    Result<std::vector<EvaluationRow>> evaluations = reader.evaluations(run);
    if (!evaluations) return std::move(evaluations).error();
    for (const EvaluationRow& evaluation : *evaluations) {
      Result<std::int64_t> dropped = store.drop_failed(evaluation.id);
      if (!dropped) return std::move(dropped).error();
    }
  }
  return run;
}

}  // namespace

Result<ExecuteResult> execute(Session& session, const ExecuteOptions& options,
                              std::vector<std::string>* differs) {
  const auto start = std::chrono::steady_clock::now();
  if (Result<void> ok = load_models(session, options.strict); !ok) return std::move(ok).error();
  Result<std::unique_ptr<Store>> opened = Store::open(options.database, options.store);
  if (!opened) return std::move(opened).error();
  Store& store = **opened;
  ExecuteResult result;
  Result<std::unique_ptr<Reader>> reader = Reader::open(options.database);
  if (!reader) return std::move(reader).error();
  Result<RowId> run = open_run(store, **reader, session, options, result, differs);
  if (!run) return std::move(run).error();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  Result<RunOutcome> outcome =
      run_plan(session.plan, session.tasks, *session.factory, store, **reader, *run, options.control);
  if (!outcome) {
    // What is finished stays; the run is marked so that nobody takes it for a complete one.
    if (Result<void> ended = store.end_run(*run, "failed", elapsed()); !ended)
      return std::move(ended).error();
    return std::move(outcome).error();
  }
  std::vector<WarningRow> earlier = std::move(result.outcome.warnings);
  result.outcome = *std::move(outcome);
  result.outcome.warnings.insert(result.outcome.warnings.begin(), earlier.begin(), earlier.end());
  for (const std::string& note : session.notes) result.outcome.warnings.push_back({"W_SELECTION", note, 0});
  if (Result<void> ok = store.add_warnings(*run, result.outcome.warnings); !ok) return std::move(ok).error();
  if (Result<void> ok = store.flush(); !ok) return std::move(ok).error();
  // The windows of the run are gone; giving their memory back keeps the peak at one phase's need, not two's.
  ::malloc_trim(0);
  if (Result<void> ok = aggregate_all(session, store, **reader, *run); !ok) return std::move(ok).error();
  const std::int64_t bad = result.outcome.states[ASSAY_STATE_ERROR] +
                           result.outcome.states[ASSAY_STATE_TIMEOUT] +
                           result.outcome.states[ASSAY_STATE_UNSUPPORTED];
  const char* status = result.outcome.interrupted               ? "interrupted"
                       : !result.outcome.infrastructure.empty() ? "failed"
                       : bad != 0                               ? "incomplete"
                                                                : "complete";
  result.seconds = elapsed();
  if (Result<void> ok = store.end_run(*run, status, result.seconds); !ok) return std::move(ok).error();
  Result<RunSummary> summary = (*reader)->find_run(std::to_string(*run));
  if (!summary) return std::move(summary).error();
  result.all_seconds = summary->run.wall_seconds;
  Result<std::vector<AggregateLine>> table = (*reader)->aggregates(*run);
  if (!table) return std::move(table).error();
  result.table = *std::move(table);
  // Expectations are statements about the suite as it is written; another model, selection or value makes it
  // another experiment.
  if (session.plan.as_written) result.expectations = check_expectations(session.plan.suite, result.table);
  return result;
}

std::vector<ExpectationResult> check_expectations(const Suite& suite,
                                                  const std::vector<AggregateLine>& table) {
  std::vector<ExpectationResult> out;
  for (const SuiteExpectation& expectation : suite.expectations) out.push_back(check(expectation, table));
  return out;
}

Result<RequestCounts> count_requests(const LiveTask& task) {
  RequestCounts counts;
  std::unordered_set<std::uint64_t> seen;
  std::uint64_t at = 0;
  for (;;) {
    const auto arena = std::make_shared<Arena>();
    std::vector<assay_item> items;
    std::uint64_t start = task.positions.all ? task.positions.first + at : 0;
    std::size_t n = limits::kFetchItems;
    if (task.positions.all) {
      if (start >= task.positions.last) break;
      n = static_cast<std::size_t>(std::min<std::uint64_t>(n, task.positions.last - start));
    } else {
      if (at >= task.positions.list.size()) break;
      start = task.positions.list[at];
      n = 1;
    }
    if (Result<void> got = task.task->fetch(start, n, items, arena, nullptr); !got)
      return std::move(got).error();
    for (const assay_item& item : items) {
      ++counts.items;
      for (std::size_t r = 0; r < item.request_count; ++r) {
        const assay_request& request = *element(item.requests, item.request_size, r);
        ++counts.requests;
        ++counts.by_kind[request.kind];
        std::string json;
        append_request_json(request, false, json);
        seen.insert(fast_key(json).low);
      }
    }
    at += items.size();
    if (items.size() < n) break;
  }
  counts.unique = static_cast<std::int64_t>(seen.size());
  return counts;
}

}  // namespace assay::host
