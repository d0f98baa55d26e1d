#include "harness/run/continuation.hpp"

#include "harness/base/strings.hpp"

namespace assay::host {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCacheUse[] = {"use", "ignore", "refresh"};

Json libraries_of(const Binding& binding) {
  Json tree = Json::object();
  tree[binding.spec().id] = binding.plugin->library->sha256;
  for (const auto& [key, models] : binding.slots) {
    for (const Binding& inner : models) tree.update(libraries_of(inner));
  }
  return tree;
}

Selection selection_from(const Json& tree) {
  Selection selection;
  if (!tree.is_object()) return selection;
  selection.first = tree.value("first", std::uint64_t{0});
  selection.last = tree.value("last", UINT64_MAX);
  selection.share = tree.value("share", 1.0);
  selection.shuffle = tree.value("shuffle", false);
  selection.items = tree.value("items", std::vector<std::string>());
  return selection;
}

RetryPolicy retry_from(const Json& tree) {
  RetryPolicy retry;
  retry.attempts = tree.value("attempts", retry.attempts);
  retry.backoff_ns = tree.value("backoff_ns", retry.backoff_ns);
  retry.backoff_max_ns = tree.value("backoff_max_ns", retry.backoff_max_ns);
  retry.attempt_ns = tree.value("attempt_ns", retry.attempt_ns);
  retry.total_ns = tree.value("total_ns", retry.total_ns);
  return retry;
}

void compare_parts(const Json& recorded, const Json& now, const std::string& path,
                   std::vector<std::string>& out) {
  if (recorded == now) return;
  if (!recorded.is_object() || !now.is_object()) {
    out.push_back(path);
    return;
  }
  for (const auto& [key, value] : recorded.items()) {
    const std::string inner = path.empty() ? key : path + " > " + key;
    if (!now.contains(key)) {
      out.push_back(inner + " (no longer there)");
    } else {
      compare_parts(value, now[key], inner, out);
    }
  }
  for (const auto& [key, value] : now.items()) {
    if (!recorded.contains(key)) out.push_back((path.empty() ? key : path + " > " + key) + " (new)");
  }
}

}  // namespace

Json identity_parts(const Session& session, const RunControl& control) {
  const Plan& plan = session.plan;
  Json parts = {{"statistics", control.keep_all_statistics ? "all" : "needed"},
                {"seed", plan.seed},
                {"repeats", plan.repeats},
                {"selection", plan.selection.to_json()}};
  for (const PlannedModel& model : plan.models) {
    Result<const ModelInstance*> live = session.factory->model(model.binding);
    parts["model"][model.name] = live ? (*live)->fingerprint() : model.binding.expression;
  }
  for (const PlannedTask& task : plan.tasks) {
    Json one = Json::parse(task.parts);
    one["plugins"] = libraries_of(task.binding);
    // The recipe lists its metrics; by name they are easier to tell apart in a message.
    one.erase("metrics");
    for (const PlannedMetric& metric : task.metrics) {
      one["metric"][metric.name] = {{"parameters", metric.binding.identity()},
                                    {"library", metric.binding.plugin->library->sha256},
                                    {"baseline", metric.baseline}};
    }
    for (const auto& [role, model] : task.roles) one["plugins"].update(libraries_of(model.binding));
    parts["task"][task.name] = std::move(one);
  }
  for (const PlannedEvaluation& evaluation : plan.evaluations) {
    parts["evaluations"].push_back(plan.tasks[evaluation.task].name + " x " +
                                   plan.models[evaluation.model].name);
  }
  return parts;
}

std::vector<std::string> differing_parts(const Json& recorded, const Json& now) {
  std::vector<std::string> out;
  compare_parts(recorded, now, {}, out);
  return out;
}

std::string options_json(const SessionOptions& options, const RunControl& control, const Json& parts) {
  std::error_code failure;
  Json tree = {
      {"suite", fs::absolute(options.suite, failure).string()},
      {"folder", options.folder.empty() ? fs::current_path(failure).string() : options.folder.string()},
      {"overrides", options.overrides},
      {"models", options.plan.models},
      {"selection", options.plan.selection.to_json()},
      {"strict", options.plan.strict},
      {"retry", control.retry.to_json()},
      {"cache", kCacheUse[static_cast<int>(control.cache)]},
      {"statistics", control.keep_all_statistics ? "all" : "needed"},
      {"threads", control.threads},
      {"parts", parts}};
  for (const fs::path& file : options.registry.files)
    tree["plugins"].push_back(fs::absolute(file, failure).string());
  if (!options.data.mirror.empty()) tree["data"] = fs::absolute(options.data.mirror, failure).string();
  if (options.plan.seed) tree["seed"] = *options.plan.seed;
  if (options.plan.repeats) tree["repeats"] = *options.plan.repeats;
  return canonical(tree);
}

Result<Continuation> continuation_of(const RunRow& run) {
  const Error unknown{
      Code::kData,
      "run " + run.uuid.substr(0, 8) +
          (run.origin == "import" ? " was imported, so there is nothing to ask"
                                  : " does not say how it was begun (it was written by an older assay)") +
          "; start a new run instead",
      {}};
  if (run.origin != "run") return unknown;
  Result<Json> tree = parse_json(run.options_json, "the stored options of run " + run.uuid.substr(0, 8));
  if (!tree) return std::move(tree).error();
  if (!tree->contains("parts")) return unknown;
  Continuation out;
  try {
    const Json& from = *tree;
    out.session.suite = from.at("suite").get<std::string>();
    out.session.suite_text = run.suite_text;
    out.session.folder = from.at("folder").get<std::string>();
    out.session.overrides = from.at("overrides").get<std::vector<std::string>>();
    out.session.plan.models = from.at("models").get<std::vector<std::string>>();
    out.session.plan.selection = selection_from(from.at("selection"));
    out.session.plan.strict = from.at("strict").get<bool>();
    if (from.contains("seed")) out.session.plan.seed = from["seed"].get<std::uint64_t>();
    if (from.contains("repeats")) out.session.plan.repeats = from["repeats"].get<std::int64_t>();
    for (const std::string& file : from.value("plugins", std::vector<std::string>()))
      out.session.registry.files.emplace_back(file);
    out.session.data.mirror = from.value("data", std::string());
    out.control.retry = retry_from(from.at("retry"));
    const auto cache = from.at("cache").get<std::string>();
    out.control.cache = cache == "ignore"    ? CacheUse::kIgnore
                        : cache == "refresh" ? CacheUse::kRefresh
                                             : CacheUse::kUse;
    out.control.keep_all_statistics = from.value("statistics", "all") == "all";
    out.control.threads = from.value("threads", 0U);
    out.parts = from.at("parts");
  } catch (const Json::exception& failure) {
    return Error{
        Code::kData,
        "the stored options of run " + run.uuid.substr(0, 8) + " are damaged: " + printable(failure.what()),
        {}};
  }
  return out;
}

Result<RowId> unfinished_run(Reader& reader, const std::string& identity, const std::string& label,
                             RowId* alive) {
  *alive = 0;
  Result<std::vector<RunSummary>> runs = reader.runs_with(identity);
  if (!runs) return std::move(runs).error();
  for (const RunSummary& run : *runs) {
    if (run.run.label != label) continue;
    if (run.run.status == "running" && *alive == 0) *alive = run.run.id;
    if (run.run.status == "interrupted" || run.run.status == "failed") return run.run.id;
  }
  return RowId{0};
}

}  // namespace assay::host
