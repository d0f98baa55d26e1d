// Which evaluations take part: the filters, and of every recipe and model the newest that is complete.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "harness/base/strings.hpp"
#include "reports/leaderboard/detail.hpp"
#include "reports/table.hpp"

namespace assay::host::leaderboard_detail {
namespace {

bool fits(const std::string& pattern, const std::string& name) {
  return pattern.empty() || glob_match(pattern, name);
}

// RFC 3339 in UTC: the order of texts is the order of times, whatever the number of digits.
bool since(const std::string& from, const std::string& started) {
  return from.empty() || started.compare(0, from.size(), from) >= 0;
}

bool newer(const RunRow& a, const RunRow& b) {
  if (a.started != b.started) return a.started > b.started;
  return a.uuid > b.uuid;
}

Error nothing(const LeaderboardOptions& options, const std::set<std::string>& suites,
              const std::set<std::string>& tasks) {
  std::string text = "no complete evaluation fits the filters";
  const auto known = [&](const char* what, const std::string& pattern, const std::set<std::string>& names) {
    if (pattern.empty()) return;
    if (std::any_of(names.begin(), names.end(), [&](const std::string& n) { return glob_match(pattern, n); }))
      return;
    const std::vector<std::string> list(names.begin(), names.end());
    text += "; no " + std::string(what) + " is called '" + printable(pattern, 60) + "'" +
            did_you_mean(pattern, list);
  };
  known("suite", options.suite, suites);
  known("task", options.task, tasks);
  return {Code::kNotFound, text + " (`assay list runs` shows what is stored)", {}};
}

Result<void> fill(Reader& reader, const RunSummary& run, std::vector<Chosen>& out) {
  Result<std::vector<EvaluationRow>> evaluations = reader.evaluations(run.run.id);
  if (!evaluations) return std::move(evaluations).error();
  if (evaluations->empty()) return {};
  Result<std::vector<RecipeRow>> recipes = reader.recipes(run.run.id);
  if (!recipes) return std::move(recipes).error();
  Result<std::vector<ModelRow>> models = reader.models(run.run.id);
  if (!models) return std::move(models).error();
  for (EvaluationRow& evaluation : *evaluations) {
    Chosen one;
    one.run = run.run;
    // Texts of the run that no table needs.
    one.run.suite_text.clear();
    one.run.plan_json.clear();
    for (const RecipeRow& recipe : *recipes) {
      if (recipe.id == evaluation.recipe) one.recipe = recipe;
    }
    for (const ModelRow& model : *models) {
      if (model.id == evaluation.model) one.model = model;
    }
    if (!evaluation.model_name.empty()) one.model.name = evaluation.model_name;
    one.evaluation = std::move(evaluation);
    out.push_back(std::move(one));
  }
  return {};
}

// Metrics, aggregates and stated numbers of what was chosen, run by run.
Result<void> complete(Reader& reader, std::vector<Chosen>& chosen) {
  std::map<RowId, std::vector<Chosen*>> by_run;
  for (Chosen& one : chosen) by_run[one.run.id].push_back(&one);
  for (auto& [run, members] : by_run) {
    Result<std::vector<AggregateLine>> lines = reader.aggregates(run);
    if (!lines) return std::move(lines).error();
    Result<std::vector<ReportedRow>> reported = reader.reported(run);
    if (!reported) return std::move(reported).error();
    std::map<RowId, Chosen*> by_evaluation;
    for (Chosen* one : members) by_evaluation[one->evaluation.id] = one;
    for (AggregateLine& line : *lines) {
      if (const auto at = by_evaluation.find(line.row.evaluation); at != by_evaluation.end())
        at->second->lines.push_back(std::move(line));
    }
    for (ReportedRow& row : *reported) {
      if (const auto at = by_evaluation.find(row.evaluation); at != by_evaluation.end())
        at->second->reported.push_back(std::move(row));
    }
    for (Chosen* one : members) {
      Result<std::vector<MetricRow>> metrics = reader.metrics(one->recipe.id);
      if (!metrics) return std::move(metrics).error();
      one->metrics = std::move(*metrics);
    }
  }
  return {};
}

}  // namespace

bool wanted(const AggregateLine& line, const LeaderboardOptions& options) {
  if (companion(line)) return false;
  if (!options.metric.empty() && !line.baseline && !glob_match(options.metric, line.metric)) return false;
  return line.headline || options.all_values;
}

Result<Selection> select(Reader& reader, const LeaderboardOptions& options, bool newest_only) {
  std::vector<RunSummary> runs;
  if (options.runs.empty()) {
    Result<std::vector<RunSummary>> all = reader.runs();
    if (!all) return std::move(all).error();
    runs = std::move(*all);
  } else {
    for (const std::string& name : options.runs) {
      Result<RunSummary> run = reader.find_run(name);
      if (!run) return std::move(run).error();
      const bool known = std::any_of(runs.begin(), runs.end(),
                                     [&](const RunSummary& other) { return other.run.id == run->run.id; });
      if (!known) runs.push_back(std::move(*run));
    }
  }
  std::set<std::string> suites, tasks;
  std::vector<Chosen> all;
  for (const RunSummary& run : runs) {
    suites.insert(run.run.suite_name);
    if (!fits(options.suite, run.run.suite_name) || !since(options.since, run.run.started)) continue;
    if (Result<void> done = fill(reader, run, all); !done) return std::move(done).error();
  }
  std::sort(all.begin(), all.end(), [](const Chosen& a, const Chosen& b) {
    if (a.run.uuid != b.run.uuid) return newer(a.run, b.run);
    return std::tie(a.recipe.name, a.recipe.hash, a.model.name, a.model.fingerprint) <
           std::tie(b.recipe.name, b.recipe.hash, b.model.name, b.model.fingerprint);
  });
  Selection selection;
  std::set<std::tuple<std::string, std::string, bool>> seen;
  std::int64_t unfinished = 0;
  for (Chosen& one : all) {
    tasks.insert(one.recipe.name);
    if (!fits(options.task, one.recipe.name) || one.evaluation.status == "unsupported") continue;
    if (!options.model.empty() && !glob_match(options.model, one.model.name) &&
        !one.model.fingerprint.starts_with(options.model)) {
      continue;
    }
    const std::string& who = one.model.fingerprint.empty() ? one.model.name : one.model.fingerprint;
    // A log that states numbers and holds no items never counts as complete, and hides no run that has items.
    const bool stated = one.run.origin == "import" && one.evaluation.results() == 0;
    if (newest_only && seen.count({one.recipe.hash, who, stated}) != 0) continue;
    if (one.evaluation.status != "complete" && options.runs.empty() && !stated) {
      ++unfinished;
      continue;
    }
    seen.insert({one.recipe.hash, who, stated});
    selection.chosen.push_back(std::move(one));
  }
  if (selection.chosen.empty()) return nothing(options, suites, tasks);
  if (Result<void> done = complete(reader, selection.chosen); !done) return std::move(done).error();
  if (newest_only && !options.model.empty())
    selection.notes.emplace_back("ranks are among the models shown, not among all that are stored");
  if (unfinished != 0) {
    selection.notes.push_back(
        std::to_string(unfinished) +
        " evaluations that are not complete were left out (--run RUN takes a run as it is)");
  }
  return selection;
}

}  // namespace assay::host::leaderboard_detail
