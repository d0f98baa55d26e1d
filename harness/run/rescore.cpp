#include "harness/run/rescore.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "assay/sdk/abi.hpp"
#include "db/queries.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/aggregate.hpp"
#include "harness/run/plan_rows.hpp"
#include "harness/run/provenance.hpp"
#include "harness/run/rescore_plan.hpp"

namespace assay::host {
namespace {

class Rescoring {
 public:
  Rescoring(const RescoreOptions& options, const std::vector<Binding>& metrics, InstanceFactory& factory)
      : options_(options), metrics_(metrics), factory_(factory) {}

  Result<RescoreResult> execute() {
    if (Result<void> ok = open(); !ok) return std::move(ok).error();
    if (Result<void> ok = find_tasks(); !ok) return std::move(ok).error();
    if (Result<void> ok = name_set(); !ok) return std::move(ok).error();
    Result<std::vector<AggregateLine>> lines = reader_->aggregates(result_.run.run.id);
    if (!lines) return std::move(lines).error();
    for (RescoreTask& task : tasks_) {
      if (Result<void> ok = plan_rescoring(*reader_, *records_, metrics_, label_, *lines, task); !ok)
        return std::move(ok).error();
    }
    if (Result<void> ok = check_any(); !ok) return std::move(ok).error();
    // Whatever a metric refuses is said before anything is written.
    for (RescoreTask& task : tasks_) {
      if (Result<void> ok = make_instances(task); !ok) return std::move(ok).error();
    }
    for (RescoreTask& task : tasks_) {
      for (RescoreWork& work : task.metrics) {
        if (!work.anywhere()) continue;
        if (Result<void> ok = add_metric(task, work); !ok) return std::move(ok).error();
      }
    }
    for (RescoreTask& task : tasks_) {
      for (std::size_t e = 0; e < task.evaluations.size(); ++e) {
        Result<void> done = score(task, e);
        if (done) done = aggregate(task, e);
        if (!done) return std::move(done).error();
      }
    }
    if (Result<void> ok = store_->flush(); !ok) return std::move(ok).error();
    if (Result<void> ok = read_table(); !ok) return std::move(ok).error();
    return std::move(result_);
  }

 private:
  Result<void> open() {
    std::error_code failure;
    if (!std::filesystem::exists(options_.database, failure)) {
      return Error{Code::kNotFound, "there is no database '" + options_.database.string() + "'", {}};
    }
    Result<std::unique_ptr<Store>> store = Store::open(options_.database, options_.store);
    if (!store) return std::move(store).error();
    store_ = *std::move(store);
    // Token statistics are asked for while the first reader is in the middle of its results.
    for (std::unique_ptr<Reader>* reader : {&reader_, &tokens_}) {
      Result<std::unique_ptr<Reader>> opened = Reader::open(options_.database);
      if (!opened) return std::move(opened).error();
      *reader = *std::move(opened);
    }
    records_ = std::make_unique<RecordReader>(*reader_, *tokens_);
    Result<RunSummary> run = reader_->find_run(options_.run);
    if (!run) return std::move(run).error();
    result_.run = *std::move(run);
    if (result_.run.run.status == "running") {
      return Error{
          Code::kUnavailable, "run " + short_id() + " is being worked on; score it when it is finished", {}};
    }
    return {};
  }

  [[nodiscard]] std::string short_id() const { return result_.run.run.uuid.substr(0, 8); }

  Result<void> find_tasks() {
    Result<std::vector<RecipeRow>> recipes = reader_->recipes(result_.run.run.id);
    if (!recipes) return std::move(recipes).error();
    Result<std::vector<EvaluationRow>> evaluations = reader_->evaluations(result_.run.run.id);
    if (!evaluations) return std::move(evaluations).error();
    std::vector<std::string> names;
    for (const RecipeRow& recipe : *recipes) {
      names.push_back(recipe.name);
      if (!options_.task.empty() && !glob_match(options_.task, recipe.name)) continue;
      RescoreTask& task = tasks_.emplace_back();
      task.recipe = recipe;
      for (const EvaluationRow& evaluation : *evaluations) {
        if (evaluation.recipe == recipe.id) task.evaluations.push_back(evaluation);
      }
    }
    if (!tasks_.empty()) return {};
    return Error{Code::kInvalidArgument,
                 options_.task.empty() ? "run " + short_id() + " has no tasks"
                                       : "--task " + options_.task + ": run " + short_id() + " has " +
                                             join(names, ", ") + did_you_mean(options_.task, names),
                 {}};
  }

  // The label is chosen early because it may become part of names. The same command once more continues its
  // set; anything else needs a label of its own.
  Result<void> name_set() {
    Result<std::vector<ScoreSetRow>> sets = reader_->score_sets(result_.run.run.id);
    if (!sets) return std::move(sets).error();
    for (const ScoreSetRow& set : *sets) labels_[set.id] = set.label;
    const auto find = [&](const std::string& label) {
      return std::find_if(sets->begin(), sets->end(), [&](const auto& set) { return set.label == label; });
    };
    label_ = options_.label;
    for (std::size_t n = sets->size() + 2; label_.empty(); ++n) {
      std::string label = "score-" + std::to_string(n);
      if (find(label) == sets->end()) label_ = std::move(label);
    }
    const auto known = find(label_);
    if (known == sets->end()) return {};
    if (known->command_line == options_.command_line)
      set_ = known->id;
    else
      label_taken_ = true;
    return {};
  }

  Result<void> check_any() {
    bool any = false, known = false;
    std::string first;
    for (const RescoreTask& task : tasks_) {
      for (const RescoreWork& work : task.metrics) {
        any = any || work.anywhere();
        for (std::size_t e = 0; e < task.evaluations.size(); ++e) {
          known = known || !work.wanted[e];
          if (first.empty() && !work.reasons[e].empty()) {
            first = "task '" + task.recipe.name + "', metric '" + work.row.name + "', model '" +
                    task.evaluations[e].model_name + "': " + work.reasons[e];
          }
        }
      }
    }
    if (!any && !known) {
      return Error{Code::kUnsupported,
                   "nothing can be computed from what is stored: " +
                       (first.empty() ? "run " + short_id() + " has no evaluations" : first),
                   {}};
    }
    if (any && label_taken_ && !continues()) {
      return Error{
          Code::kInvalidArgument,
          "run " + short_id() + " has a score set '" + label_ + "' already; choose another label with --as",
          "label"};
    }
    return {};
  }

  // True when all there is to do belongs to metrics that are in the database.
  [[nodiscard]] bool continues() const {
    for (const RescoreTask& task : tasks_) {
      for (const RescoreWork& work : task.metrics) {
        if (work.row.id == 0 && work.anywhere()) return false;
      }
    }
    return true;
  }

  Result<void> make_instances(RescoreTask& task) {
    bool fit = false;
    for (RescoreWork& work : task.metrics) {
      if (!work.anywhere()) continue;
      Result<std::unique_ptr<MetricInstance>> made = factory_.metric(*work.binding);
      if (!made) return std::move(made).error();
      work.instance = *std::move(made);
      fit = fit || work.instance->wants_fit();
    }
    return fit ? fit_metrics(task) : Result<void>();
  }

  // Metrics that must see all items get them in the order of the task, from the evaluation that has most.
  Result<void> fit_metrics(RescoreTask& task) {
    const auto most = std::max_element(
        task.evaluations.begin(), task.evaluations.end(),
        [](const EvaluationRow& a, const EvaluationRow& b) { return a.results() < b.results(); });
    bool ended = false;
    std::int64_t results = 0;
    const auto portion = [&](std::vector<assay_record>& records, bool last) -> Result<void> {
      for (RescoreWork& work : task.metrics) {
        if (work.instance == nullptr || !work.instance->wants_fit()) continue;
        if (Result<void> ok = work.instance->fit(records, last); !ok) return ok;
      }
      ended = last;
      return {};
    };
    Result<void> done =
        records_->each(most->id, false, limits::kFetchItems,
                       [&](std::vector<StoredRecord>& stored, const std::shared_ptr<Arena>&) -> Result<bool> {
                         std::vector<assay_record> records;
                         for (const StoredRecord& one : stored) {
                           if (!one.kept || one.record.repeat != 0) continue;
                           records.push_back(one.record);
                           records.back().responses = nullptr;
                           records.back().response_count = 0;
                           records.back().reference = nullptr;
                         }
                         results += static_cast<std::int64_t>(stored.size());
                         const bool last = stored.size() < limits::kFetchItems;
                         if (Result<void> ok = portion(records, last); !ok) return std::move(ok).error();
                         return true;
                       });
    if (done && !ended) {
      std::vector<assay_record> none;
      done = portion(none, true);
    }
    if (done && most->planned_items > results) {
      result_.notes.push_back("task '" + task.recipe.name + "': metrics that see all items first saw " +
                              std::to_string(results) + " of " + std::to_string(most->planned_items) +
                              ", because the others have no results");
    }
    return done;
  }

  Result<void> add_metric(const RescoreTask& task, RescoreWork& work) {
    if (work.row.id == 0) {
      if (set_ == 0) {
        ScoreSetRow set;
        set.run = result_.run.run.id;
        set.label = label_;
        set.command_line = options_.command_line;
        set.versions_json = versions_json();
        Result<RowId> id = store_->add_score_set(set);
        if (!id) return std::move(id).error();
        set_ = *id;
        labels_[set_] = label_;
      }
      work.row.score_set = set_;
      const LibraryRecord& library = *work.binding->plugin->library;
      PluginRow plugin;
      plugin.id = work.binding->spec().id;
      plugin.version = work.binding->spec().version;
      plugin.kind = kind_name(ASSAY_METRIC);
      plugin.library_path = library.path.string();
      plugin.library_sha256 = library.sha256;
      plugin.build_info = library.build_info;
      if (Result<void> ok = store_->add_plugins(result_.run.run.id, {&plugin, 1}); !ok) return ok;
    }
    result_.label = labels_[work.row.score_set];
    Result<std::vector<RowId>> columns = add_metric_row(*store_, task.recipe.id, *work.binding, work.row.name,
                                                        work.row.baseline, work.row.score_set);
    if (!columns) return std::move(columns).error();
    work.columns = *std::move(columns);
    Result<std::vector<MetricRow>> rows = reader_->metrics(task.recipe.id);
    if (!rows) return std::move(rows).error();
    for (const MetricRow& row : *rows) {
      if (row.name == work.row.name) work.row = row;
    }
    return {};
  }

  RescoredMetric& report(const RescoreTask& task, const RescoreWork& work, std::size_t e) {
    for (RescoredMetric& known : result_.metrics) {
      if (known.task == task.recipe.name && known.model == task.evaluations[e].model_name &&
          known.metric == work.row.name)
        return known;
    }
    RescoredMetric& out = result_.metrics.emplace_back();
    out.task = task.recipe.name;
    out.model = task.evaluations[e].model_name;
    out.metric = work.row.name;
    return out;
  }

  // Scores of all results of one evaluation, by all metrics that can serve it.
  Result<void> score(RescoreTask& task, std::size_t e) {
    std::vector<RescoreWork*> asked;
    for (RescoreWork& work : task.metrics) {
      RescoredMetric& entry = report(task, work, e);
      entry.reason = work.reasons[e];
      entry.outcome = !work.wanted[e]           ? RescoreOutcome::kKnown
                      : work.reasons[e].empty() ? RescoreOutcome::kComputed
                                                : RescoreOutcome::kUnsupported;
      if (entry.outcome == RescoreOutcome::kComputed) asked.push_back(&work);
    }
    if (asked.empty()) return {};
    return records_->each(
        task.evaluations[e].id, true, limits::kFetchItems,
        [&](std::vector<StoredRecord>& records, const std::shared_ptr<Arena>& arena) -> Result<bool> {
          std::vector<LateScore> scores;
          for (RescoreWork* work : asked) judge(*work, records, arena, report(task, *work, e), scores);
          if (Result<void> ok = store_->add_scores(scores); !ok) return std::move(ok).error();
          return true;
        });
  }

  static void judge(const RescoreWork& work, const std::vector<StoredRecord>& records,
                    const std::shared_ptr<Arena>& arena, RescoredMetric& entry, std::vector<LateScore>& out) {
    const bool needs_answers = !(work.row.baseline && work.binding->spec().requires_caps == 0);
    const std::uint64_t needed = needs_answers ? work.binding->spec().requires_caps : 0;
    const std::size_t width = work.instance->item_values();
    std::vector<double> values(records.size() * width, std::nan(""));
    std::vector<assay_score> scores(records.size()), answers;
    std::vector<assay_record> asked;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < records.size(); ++i) {
      const StoredRecord& one = records[i];
      scores[i].state = one.state;
      if (!one.kept && !state_failed(one.state)) {
        scores[i].state = ASSAY_STATE_UNSUPPORTED;
        scores[i].note = str("the item is not stored");
      } else if ((one.lacking & needed) != 0 && !state_failed(one.state)) {
        scores[i].state = ASSAY_STATE_UNSUPPORTED;
        scores[i].note = str("the stored answer lacks statistics that the metric needs");
      } else if (one.kept && !(needs_answers && state_failed(one.state))) {
        asked.push_back(one.record);
        places.push_back(i);
      }
    }
    answers.resize(asked.size());
    for (std::size_t k = 0; k < asked.size(); ++k) {
      answers[k].values = values.data() + places[k] * width;
      answers[k].value_count = width;
    }
    work.instance->eval(asked, answers, arena, nullptr);
    for (std::size_t k = 0; k < asked.size(); ++k) {
      assay_score& score = answers[k];
      if (score.status.code != ASSAY_OK) {
        score.state = ASSAY_STATE_ERROR;
        score.note = score.status.message;
      }
      scores[places[k]] = score;
    }
    for (std::size_t i = 0; i < records.size(); ++i) {
      for (std::size_t v = 0; v < width; ++v) {
        out.push_back({work.columns[v], records[i].result, values[i * width + v], scores[i].state,
                       v == 0 ? view(scores[i].note) : std::string_view()});
      }
    }
    entry.items += static_cast<std::int64_t>(records.size());
    entry.asked += static_cast<std::int64_t>(asked.size());
  }

  Result<void> aggregate(RescoreTask& task, std::size_t e) {
    const EvaluationRow& evaluation = task.evaluations[e];
    AggregateOptions options;
    // Imported runs have no seed of their own.
    if (result_.run.run.origin != "import") options.seed = result_.run.run.seed;
    options.task = task.recipe.name;
    options.planned = evaluation.planned_items;
    std::vector<AggregateRow> rows;
    std::vector<WarningRow> warnings;
    for (const RescoreWork& work : task.metrics) {
      if (work.instance == nullptr || !work.wanted[e]) continue;
      const bool computed = work.reasons[e].empty();
      Result<std::vector<AggregateRow>> part =
          computed ? aggregate_metric(*reader_, evaluation.id, work.row, work.instance.get(), options)
                   : unsupported_metric(*reader_, evaluation.id, work.row, work.reasons[e]);
      if (!part) return std::move(part).error();
      rows.insert(rows.end(), part->begin(), part->end());
      if (computed) continue;
      warnings.push_back({"W_UNSUPPORTED",
                          "metric '" + work.row.name + "' of task '" + task.recipe.name + "', model '" +
                              evaluation.model_name + "': " + work.reasons[e],
                          evaluation.id});
    }
    if (rows.empty()) return {};
    if (Result<void> ok = store_->add_warnings(result_.run.run.id, warnings); !ok) return ok;
    return store_->put_aggregates(evaluation.id, rows);
  }

  Result<void> read_table() {
    Result<std::vector<AggregateLine>> lines = reader_->aggregates(result_.run.run.id);
    if (!lines) return std::move(lines).error();
    for (AggregateLine& line : *lines) {
      const bool named =
          std::any_of(result_.metrics.begin(), result_.metrics.end(), [&](const RescoredMetric& one) {
            return one.task == line.recipe && one.model == line.model && one.metric == line.metric;
          });
      if (named) result_.table.push_back(std::move(line));
    }
    return {};
  }

  const RescoreOptions& options_;
  const std::vector<Binding>& metrics_;
  InstanceFactory& factory_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Reader> reader_, tokens_;
  std::unique_ptr<RecordReader> records_;
  RescoreResult result_;
  std::vector<RescoreTask> tasks_;
  std::string label_;
  bool label_taken_ = false;
  RowId set_ = 0;
  std::map<RowId, std::string> labels_;  ///< of the run's score sets
};

}  // namespace

Result<Binding> bind_metric(const BindContext& context, const std::string& text) {
  // The name as tables show it: what follows '@' is the variant.
  const std::size_t open = std::min(text.find('('), text.size());
  const std::size_t at = std::min(text.find('@'), open);
  Result<Expression> parsed = parse_expression(text.substr(0, at) + text.substr(open));
  if (!parsed) return std::move(parsed).error().within("--metric " + text);
  if (at != open) {
    Argument variant;
    variant.value = std::string(trimmed(std::string_view(text).substr(at + 1, open - at - 1)));
    for (const auto& [key, unused] : parsed->arguments) {
      if (key != "variant") continue;
      return Error{Code::kInvalidArgument, "--metric " + text + ": the variant is given twice", "variant"};
    }
    parsed->arguments.emplace_back("variant", std::move(variant));
  }
  return bind_plugin(context, ASSAY_METRIC, parsed->name, parsed->arguments, "--metric " + text);
}

Result<RescoreResult> rescore(const RescoreOptions& options, const std::vector<Binding>& metrics,
                              InstanceFactory& factory) {
  return Rescoring(options, metrics, factory).execute();
}

}  // namespace assay::host
