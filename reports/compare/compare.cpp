// From two names of runs to a comparison: finds the runs, pairs tasks and models, and calls the other files
// of this folder in order.
#include "reports/compare/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "reports/compare/detail.hpp"

namespace assay::host {
namespace {

using compare_detail::Side;

Error wrong(const std::string& text, const char* key) {
  return {Code::kInvalidArgument, text, key};
}

// One run with what is read once.
struct Half {
  RunSummary summary;
  std::vector<EvaluationRow> evaluations;
  std::vector<RecipeRow> recipes;
  std::vector<ModelRow> models;
  std::vector<PluginRow> plugins;
};

Result<Half> load_half(Reader& reader, const std::string& name) {
  Half half;
  const auto take = [](auto& to, auto&& from) -> Result<void> {
    if (!from) return std::move(from).error();
    to = *std::move(from);
    return {};
  };
  Result<void> done = take(half.summary, reader.find_run(name));
  if (done) done = take(half.evaluations, reader.evaluations(half.summary.run.id));
  if (done) done = take(half.recipes, reader.recipes(half.summary.run.id));
  if (done) done = take(half.models, reader.models(half.summary.run.id));
  if (done) done = take(half.plugins, reader.plugins(half.summary.run.id));
  if (!done) return std::move(done).error();
  for (EvaluationRow& evaluation : half.evaluations) {
    if (!evaluation.model_name.empty()) continue;
    for (const ModelRow& model : half.models) {
      if (model.id == evaluation.model) evaluation.model_name = model.name;
    }
  }
  return half;
}

const RecipeRow& recipe_of(const Half& half, RowId id) {
  return *std::find_if(half.recipes.begin(), half.recipes.end(),
                       [&](const RecipeRow& r) { return r.id == id; });
}

std::vector<std::string> model_names(const Half& half) {
  std::vector<std::string> names;
  for (const EvaluationRow& evaluation : half.evaluations) {
    if (std::find(names.begin(), names.end(), evaluation.model_name) == names.end())
      names.push_back(evaluation.model_name);
  }
  return names;
}

Result<std::vector<std::pair<std::string, std::string>>> pair_models(const Half& a, const Half& b,
                                                                     const CompareOptions& options,
                                                                     std::vector<ComparedPart>& notes) {
  const std::vector<std::string> left = model_names(a), right = model_names(b);
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!options.models.empty()) {
    for (const auto& [x, y] : options.models) {
      if (!has(left, x))
        return wrong(
            "the baseline has no model '" + x + "'" + did_you_mean(x, left) + "; it has " + join(left, ", "),
            "model");
      if (!has(right, y))
        return wrong("the candidate has no model '" + y + "'" + did_you_mean(y, right) + "; it has " +
                         join(right, ", "),
                     "model");
      pairs.emplace_back(x, y);
    }
    return pairs;
  }
  for (const std::string& name : left) {
    if (has(right, name)) pairs.emplace_back(name, name);
  }
  if (pairs.empty() && left.size() == 1 && right.size() == 1) pairs.emplace_back(left[0], right[0]);
  if (pairs.empty() && !left.empty() && !right.empty()) {
    return wrong("no model has the same name in both runs: the baseline has " + join(left, ", ") +
                     ", the candidate " + join(right, ", ") + "; pair them with --model BASELINE=CANDIDATE",
                 "model");
  }
  for (const auto& [names, where, first] :
       {std::tuple(left, "baseline", true), std::tuple(right, "candidate", false)}) {
    for (const std::string& name : names) {
      const bool paired = std::any_of(pairs.begin(), pairs.end(),
                                      [&](const auto& p) { return (first ? p.first : p.second) == name; });
      if (!paired)
        notes.push_back(
            {"model", PartState::kNote, "'" + name + "' is only in the " + where + " and is not compared"});
    }
  }
  return pairs;
}

// The evaluation of a task by a model; of several recipes with the task's name the one with `hash`.
const EvaluationRow* evaluation_of(const Half& half, const std::string& task, const std::string& model,
                                   const std::string& hash) {
  const EvaluationRow* found = nullptr;
  for (const EvaluationRow& evaluation : half.evaluations) {
    const RecipeRow& recipe = recipe_of(half, evaluation.recipe);
    if (recipe.name != task || evaluation.model_name != model) continue;
    if (found == nullptr || recipe.hash == hash) found = &evaluation;
  }
  return found;
}

std::vector<std::string> task_names(const Half& half) {
  std::vector<std::string> names;
  for (const RecipeRow& recipe : half.recipes) {
    if (std::find(names.begin(), names.end(), recipe.name) == names.end()) names.push_back(recipe.name);
  }
  return names;
}

Result<Side> make_side(Reader& reader, const Half& half, const EvaluationRow& evaluation,
                       compare_detail::Texts& texts) {
  Side side;
  side.run = half.summary.run;
  side.evaluation = evaluation;
  side.recipe = recipe_of(half, evaluation.recipe);
  for (const ModelRow& model : half.models) {
    if (model.id == evaluation.model) side.model = model;
  }
  Result<std::vector<MetricRow>> metrics = reader.metrics(evaluation.recipe);
  if (!metrics) return std::move(metrics).error();
  side.metrics = *std::move(metrics);
  if (Result<void> done = compare_detail::load_rows(reader, side, texts); !done)
    return std::move(done).error();
  return side;
}

Result<ComparedTask> compare_task(Reader& reader, const Half& a, const Half& b, const EvaluationRow& x,
                                  const EvaluationRow& y, const CompareOptions& options) {
  compare_detail::Texts texts;
  Result<Side> left = make_side(reader, a, x, texts);
  if (!left) return std::move(left).error();
  Result<Side> right = make_side(reader, b, y, texts);
  if (!right) return std::move(right).error();
  ComparedTask task;
  task.task = left->recipe.name;
  task.baseline_model = x.model_name;
  task.candidate_model = y.model_name;
  const compare_detail::Matches matches = compare_detail::match_rows(*left, *right);
  compare_detail::check_parts(*left, *right, matches, texts, task);
  const bool numbers = task.comparable() || options.force;
  Result<void> done = compare_detail::compare_values(reader, *left, *right, matches, options, numbers, task);
  if (!done) return std::move(done).error();
  return task;
}

// Program, libraries, machine: what may differ between runs that are compared.
void run_notes(const Half& a, const Half& b, std::vector<ComparedPart>& notes) {
  const RunRow &x = a.summary.run, &y = b.summary.run;
  if (x.id == y.id) notes.push_back({"run", PartState::kNote, "baseline and candidate are the same run"});
  const auto differing = [](const std::string& p, const std::string& q) {
    const Json left = Json::parse(p, nullptr, false), right = Json::parse(q, nullptr, false);
    std::vector<std::string> keys;
    if (!left.is_object() || !right.is_object()) return keys;
    for (const auto& [key, value] : left.items()) {
      if (right.value(key, Json()) != value) keys.push_back(key);
    }
    for (const auto& [key, value] : right.items()) {
      if (!left.contains(key)) keys.push_back(key);
    }
    return keys;
  };
  if (const auto keys = differing(x.versions_json, y.versions_json); !keys.empty())
    notes.push_back({"program", PartState::kNote, "differs in " + printable(join(keys, ", "), 200)});
  if (const auto keys = differing(x.machine_json, y.machine_json); !keys.empty())
    notes.push_back({"machine", PartState::kNote, "differs in " + printable(join(keys, ", "), 200)});
  std::vector<std::string> libraries;
  for (const PluginRow& plugin : a.plugins) {
    for (const PluginRow& other : b.plugins) {
      if (plugin.id == other.id && plugin.library_sha256 != other.library_sha256 &&
          std::find(libraries.begin(), libraries.end(), plugin.id) == libraries.end())
        libraries.push_back(plugin.id);
    }
  }
  if (!libraries.empty())
    notes.push_back(
        {"plugins", PartState::kNote, "other libraries of " + printable(join(libraries, ", "), 300)});
  for (const Half* half : {&a, &b}) {
    const RunRow& run = half->summary.run;
    if (run.status != "complete")
      notes.push_back(
          {"status", PartState::kWarning,
           std::string("the ") + (half == &a ? "baseline" : "candidate") + " run is " + run.status});
  }
}

Result<void> check_options(const CompareOptions& options) {
  if (!(options.alpha > 0 && options.alpha < 1)) return wrong("--alpha must lie between 0 and 1", "alpha");
  if (options.margin && !(*options.margin > 0 && std::isfinite(*options.margin)))
    return wrong("--margin must be above 0, in units of the metric", "margin");
  return {};
}

}  // namespace

Result<Comparison> compare_runs(Reader& reader, const std::string& baseline, const std::string& candidate,
                                const CompareOptions& options) {
  if (Result<void> ok = check_options(options); !ok) return std::move(ok).error();
  Result<Half> a = load_half(reader, baseline);
  if (!a) return std::move(a).error();
  Result<Half> b = load_half(reader, candidate);
  if (!b) return std::move(b).error();
  Comparison out;
  out.options = options;
  out.baseline = a->summary;
  out.candidate = b->summary;
  run_notes(*a, *b, out.notes);
  const auto models = pair_models(*a, *b, options, out.notes);
  if (!models) return models.error();
  const std::vector<std::string> left = task_names(*a), right = task_names(*b);
  const auto wanted = [&](const std::string& name) {
    return options.task.empty() || glob_match(options.task, name);
  };
  if (std::none_of(left.begin(), left.end(), wanted) && std::none_of(right.begin(), right.end(), wanted)) {
    return wrong("no task of the two runs is called '" + options.task + "'" +
                     did_you_mean(options.task, left) + "; the baseline has " + join(left, ", "),
                 "task");
  }
  for (const auto& [names, others, where] :
       {std::tuple(left, right, "baseline"), std::tuple(right, left, "candidate")}) {
    for (const std::string& name : names) {
      if (wanted(name) && std::find(others.begin(), others.end(), name) == others.end())
        out.notes.push_back({"task", PartState::kNote, "'" + name + "' is only in the " + where});
    }
  }
  std::vector<std::string> metrics;
  for (const std::string& name : left) {
    if (!wanted(name)) continue;
    for (const auto& [x_name, y_name] : *models) {
      const EvaluationRow* x = evaluation_of(*a, name, x_name, {});
      if (x == nullptr) continue;
      const EvaluationRow* y = evaluation_of(*b, name, y_name, recipe_of(*a, x->recipe).hash);
      if (y == nullptr) continue;
      if (x->results() == 0 && y->results() == 0) {
        out.notes.push_back({"task", PartState::kNote, "'" + name + "' has no items in either run"});
        continue;
      }
      Result<std::vector<MetricRow>> known = reader.metrics(x->recipe);
      if (!known) return std::move(known).error();
      for (const MetricRow& metric : *known) metrics.push_back(metric.name);
      Result<ComparedTask> task = compare_task(reader, *a, *b, *x, *y, options);
      if (!task) return std::move(task).error();
      out.tasks.push_back(*std::move(task));
    }
  }
  const bool any =
      std::any_of(out.tasks.begin(), out.tasks.end(), [](const auto& t) { return !t.values.empty(); });
  if (!options.metric.empty() && !any && !metrics.empty()) {
    return wrong("no metric of the compared tasks is called '" + options.metric + "'" +
                     did_you_mean(options.metric, metrics) + "; there are " + join(metrics, ", "),
                 "metric");
  }
  compare_detail::judge(out);
  compare_detail::add_totals(out);
  compare_detail::add_two_axis(out);
  return out;
}

}  // namespace assay::host
