#include "harness/run/runner.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <unordered_set>

#include "assay/sdk/abi.hpp"
#include "db/queries.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/item_source.hpp"
#include "harness/run/key_filter.hpp"
#include "harness/run/plan_rows.hpp"
#include "harness/run/request.hpp"
#include "harness/run/scoring.hpp"
#include "harness/run/window.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kRequestsPerItem = 2;  ///< a guess; more make the filter less sharp, not wrong
constexpr std::uint64_t kStatistics = ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY |
                                      ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1 | ASSAY_CAP_TOPK;

class Run {
 public:
  Run(Plan& plan, std::vector<LiveTask>& tasks, InstanceFactory& factory, Store& store, Reader& reader,
      RowId run, const RunControl& control)
      : plan_(plan),
        tasks_(tasks),
        factory_(factory),
        store_(store),
        reader_(reader),
        control_(control),
        source_(plan.seed, plan.repeats, control.keep_all_statistics, control.stop),
        workers_(control.threads != 0 ? control.threads : std::max(1U, std::thread::hardware_concurrency())) {
    outcome_.run = run;
  }

  Result<RunOutcome> execute() {
    if (Result<void> ok = add_recipes(); !ok) return std::move(ok).error();
    for (const PlannedEvaluation& planned : plan_.evaluations) {
      const std::int64_t items = tasks_[planned.task].items;
      if (planned.unsupported.empty() && items > 0) outcome_.planned += items;
    }
    asked_ =
        KeyFilter(static_cast<std::size_t>(std::max<std::int64_t>(outcome_.planned, 0)) * kRequestsPerItem);
    for (std::size_t m = 0; m < plan_.models.size() && !stopped(); ++m) {
      if (Result<void> ok = run_model(m); !ok) return std::move(ok).error();
    }
    outcome_.interrupted =
        control_.stop != nullptr && control_.stop->load() != 0 && outcome_.infrastructure.empty();
    return outcome_;
  }

 private:
  [[nodiscard]] bool stopped() const {
    return !outcome_.infrastructure.empty() || (control_.stop != nullptr && control_.stop->load() != 0);
  }

  void warn(const std::string& code, const std::string& text, RowId evaluation = 0) {
    outcome_.warnings.push_back({code, text, evaluation});
  }

  // Recipes, metrics and their values go into the store once per run; evaluations refer to them.
  Result<void> add_recipes() {
    for (std::size_t t = 0; t < plan_.tasks.size(); ++t) {
      const PlannedTask& task = plan_.tasks[t];
      Result<RowId> recipe = add_recipe_row(store_, outcome_.run, plan_, task);
      if (!recipe) return std::move(recipe).error();
      recipe_rows_.push_back(*recipe);
      value_rows_.emplace_back();
      for (const PlannedMetric& metric : task.metrics) {
        Result<std::vector<RowId>> values =
            add_metric_row(store_, *recipe, metric.binding, metric.name, metric.baseline);
        if (!values) return std::move(values).error();
        value_rows_.back().push_back(*std::move(values));
      }
      warn_bad_rows(task.name, tasks_[t].task->problems());
    }
    return {};
  }

  // A few places in full; the last sentence of a long list carries the number of all.
  void warn_bad_rows(const std::string& task, const std::vector<std::string>& problems) {
    constexpr std::size_t kShown = 5;
    for (std::size_t i = 0; i < problems.size(); ++i) {
      if (i < kShown || i + 1 == problems.size()) warn("W_BAD_ROW", "task '" + task + "': " + problems[i]);
      if (i == kShown && problems.size() > kShown + 2) {
        warn("W_BAD_ROW",
             "task '" + task + "': ... (" + std::to_string(problems.size()) + " notes of bad rows)");
      }
    }
  }

  // A model that is new in this database has no stored answers before this segment.
  Result<RowId> add_model(const PlannedModel& planned, const ModelInstance& model) {
    bool fresh = false;
    Result<RowId> id = add_model_row(store_, planned, model, &fresh);
    if (id && fresh) fresh_models_.insert(*id);
    return id;
  }

  Result<void> run_model(std::size_t m) {
    Result<const ModelInstance*> target = factory_.model(plan_.models[m].binding);
    if (!target) return std::move(target).error().within("model '" + plan_.models[m].name + "'");
    Result<RowId> target_row = add_model(plan_.models[m], **target);
    if (!target_row) return std::move(target_row).error();
    live_.clear();
    for (PlannedEvaluation& planned : plan_.evaluations) {
      if (planned.model != m) continue;
      if (Result<void> ok = open_evaluation(planned, **target, *target_row); !ok) return ok;
    }
    while (!stopped()) {
      Result<bool> more = run_window();
      if (!more) return std::move(more).error();
      if (!*more) break;
    }
    return close_evaluations();
  }

  Result<void> open_evaluation(PlannedEvaluation& planned, const ModelInstance& target, RowId target_row) {
    PlannedTask& task = plan_.tasks[planned.task];
    auto live = std::make_unique<LiveEvaluation>();
    live->plan = &task;
    live->live = &tasks_[planned.task];
    live->target = &target;
    live->value_rows = value_rows_[planned.task];
    live->model_rows.push_back(target_row);
    EvaluationRow row;
    row.run = outcome_.run;
    row.recipe = recipe_rows_[planned.task];
    row.model = target_row;
    row.model_name = plan_.models[planned.model].name;
    row.planned_items = live->live->items;
    row.status = "running";
    bool any = false;
    for (std::size_t i = 0; i < task.metrics.size(); ++i) {
      live->supported.push_back(planned.supported[i]);
      if (!planned.supported[i]) continue;
      any = any || !task.metrics[i].baseline;
      live->want |=
          (task.metrics[i].binding.spec().requires_caps | task.binding.spec().requires_caps) & kStatistics;
      live->wants_reference =
          live->wants_reference || task.metrics[i].binding.spec().has(ASSAY_FLAG_NEEDS_REFERENCE);
    }
    if (!any) {
      row.status = "unsupported";
      row.reason = planned.unsupported;
    }
    for (const auto& [role, model] : task.roles) {
      if (!any) break;
      Result<const ModelInstance*> instance = factory_.model(model.binding);
      if (!instance)
        return std::move(instance).error().within("role '" + role + "' of task '" + task.name + "'");
      Result<RowId> id = add_model(model, **instance);
      if (!id) return std::move(id).error();
      live->roles.emplace_back(role, *instance);
      live->model_rows.push_back(*id);
    }
    Result<RowId> id = store_.begin_evaluation(row);
    if (!id) return std::move(id).error();
    live->row = *id;
    outcome_.evaluations.push_back(*id);
    for (std::size_t i = 0; i < task.metrics.size(); ++i) {
      if (!planned.supported[i])
        warn("W_UNSUPPORTED",
             "metric '" + task.metrics[i].name + "' of task '" + task.name + "': " + planned.reasons[i],
             live->row);
    }
    if (!any) return {};
    live->look_up = std::any_of(live->model_rows.begin(), live->model_rows.end(),
                                [this](RowId model) { return !fresh_models_.contains(model); });
    Result<std::int64_t> before = source_.look_back(*live, store_, reader_, outcome_.states);
    if (!before) return std::move(before).error();
    outcome_.finished += *before;
    outcome_.before += *before;
    if (Result<void> ok = fit_metrics(*live); !ok) return ok;
    live_.push_back(std::move(live));
    return {};
  }

  // Metrics that must see all items get them, without responses, once per task.
  Result<void> fit_metrics(LiveEvaluation& evaluation) {
    LiveTask& task = *evaluation.live;
    const bool wanted = std::any_of(task.metrics.begin(), task.metrics.end(),
                                    [](const auto& metric) { return metric->wants_fit(); });
    if (!wanted || task.fitted) return {};
    task.fitted = true;
    std::uint64_t cursor = 0;
    for (bool last = false; !last;) {
      const auto arena = std::make_shared<Arena>();
      std::vector<assay_item> items;
      std::vector<std::uint64_t> positions;
      if (Result<void> ok = next_items(task, cursor, limits::kFetchItems, items, positions, arena); !ok)
        return ok;
      last = items.size() < limits::kFetchItems;
      std::vector<assay_record> records;
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (items[i].status.code != ASSAY_OK) continue;
        assay_record record{};
        record.struct_size = sizeof record;
        record.index = positions[i];
        record.item = &items[i];
        records.push_back(record);
      }
      for (const auto& metric : task.metrics) {
        if (!metric->wants_fit()) continue;
        if (Result<void> ok = metric->fit(records, last); !ok) return ok;
      }
    }
    return {};
  }

  // Fills one window from the current evaluations, asks, scores, stores. False: nothing was left.
  Result<bool> run_window() {
    auto window = std::make_unique<Window>(workers_, control_.stop, control_.cancel, control_.retry);
    bool any = false;
    std::vector<std::unique_ptr<std::vector<assay_item>>> keep;
    for (std::size_t e = 0; e < live_.size() && window->items().size() < limits::kPoolItems; ++e) {
      while (window->items().size() < limits::kPoolItems) {
        auto items = std::make_unique<std::vector<assay_item>>();
        std::vector<std::uint64_t> positions;
        if (Result<void> ok = source_.fetch(*live_[e], window->arena(), *items, positions); !ok)
          return std::move(ok).error();
        any = any || !items->empty();
        for (std::size_t i = 0; i < items->size(); ++i) {
          for (std::int64_t r = 0; r < plan_.repeats; ++r) {
            const auto repeat = static_cast<std::uint32_t>(r);
            Result<bool> done = source_.finished(*live_[e], (*items)[i], positions[i], repeat);
            if (!done) return std::move(done).error();
            if (!*done) add_item(*window, e, (*items)[i], positions[i], repeat);
          }
        }
        const bool exhausted = items->empty();
        keep.push_back(std::move(items));
        if (exhausted) break;
      }
    }
    if (window->items().empty()) return any;
    std::vector<std::uint32_t> ready;
    for (std::uint32_t i = 0; i < window->items().size(); ++i) {
      if (window->items()[i].open == 0) ready.push_back(i);  // bad rows and items that ask nothing
    }
    if (Result<void> ok = look_up(*window, ready); !ok) return std::move(ok).error();
    window->dispatch();
    Result<void> stored = finish(*window, ready);
    for (bool over = false; !over;) {
      over = window->collect(ready);
      if (stored) stored = finish(*window, ready);
    }
    if (!stored) return std::move(stored).error();
    return true;
  }

  // Serves stored answers: those of earlier runs, and in this run those that an earlier window asked for.
  Result<void> look_up(Window& window, std::vector<std::uint32_t>& ready) {
    std::vector<std::uint32_t> which;
    std::vector<Digest> keys;
    outcome_.requests += window.size();
    for (std::uint32_t i = 0; i < window.size(); ++i) {
      const UniqueRequest& request = window.unique(i);
      const bool asked = asked_.add(request.key);
      const LiveEvaluation& evaluation = *live_[window.items()[request.item].evaluation];
      const bool known = control_.cache == CacheUse::kUse && evaluation.look_up;
      if (!asked && !known) continue;
      which.push_back(i);
      keys.push_back(request.key);
    }
    if (keys.empty() || control_.cache != CacheUse::kUse) return {};
    Result<std::vector<std::optional<StoredResponse>>> found = store_.find_responses(keys);
    if (!found) return std::move(found).error();
    for (std::size_t i = 0; i < which.size(); ++i) {
      if (!(*found)[i]) continue;
      // A stored answer that cannot be read is no answer; the request is asked.
      if (Result<void> ok = window.serve(which[i], *(*found)[i], ready); !ok) {
        if (unreadable_++ == 0) warn("W_STORED_ANSWER", ok.error().text + "; it was asked again");
        continue;
      }
      ++outcome_.served;
      ++live_[window.items()[window.unique(which[i]).item].evaluation]->served;
    }
    return {};
  }

  void add_item(Window& window, std::size_t e, const assay_item& item, std::uint64_t position,
                std::uint32_t repeat) {
    LiveEvaluation& evaluation = *live_[e];
    const auto index = static_cast<std::uint32_t>(window.items().size());
    window.items().emplace_back();
    window.items().back().evaluation = e;
    window.items().back().position = position;
    window.items().back().repeat = repeat;
    window.items().back().item = &item;
    if (item.status.code != ASSAY_OK) return;
    for (std::size_t r = 0; r < item.request_count; ++r) {
      const assay_request& asked = *element(item.requests, item.request_size, r);
      const ModelInstance* model = evaluation.role(view(asked.role));
      const bool is_target = model == evaluation.target;
      if (model == nullptr)
        model = evaluation.target;  // the model answers UNSUPPORTED for a role nobody plays
      assay_request request = asked;
      source_.complete(evaluation, *model, item, repeat, request);
      window.items()[index].uses.push_back(window.add(model, request, index));
      if (repeat == 0 && is_target) source_.add_prompt(evaluation, request);
      if (!evaluation.wants_reference || !is_target) continue;
      if (const ModelInstance* reference = evaluation.role("retain_reference"); reference != nullptr) {
        request = asked;
        source_.complete(evaluation, *reference, item, repeat, request);
        window.items()[index].reference.push_back(window.add(reference, request, index));
      }
    }
  }

  // Scores and stores complete items, evaluation by evaluation.
  Result<void> finish(Window& window, const std::vector<std::uint32_t>& ready) {
    std::vector<std::vector<std::uint32_t>> by_evaluation(live_.size());
    for (const std::uint32_t index : ready) by_evaluation[window.items()[index].evaluation].push_back(index);
    for (std::size_t e = 0; e < live_.size(); ++e) {
      if (by_evaluation[e].empty()) continue;
      std::string infrastructure;
      const std::int64_t failed_before = live_[e]->failed;
      const std::shared_ptr<const Batch> batch =
          score_items(*live_[e], window, by_evaluation[e], outcome_.states, infrastructure,
                      control_.cache == CacheUse::kRefresh);
      if (Result<void> ok = store_.submit(batch); !ok) return ok;
      outcome_.finished += static_cast<std::int64_t>(by_evaluation[e].size());
      watch(live_[e]->failed - failed_before, static_cast<std::int64_t>(by_evaluation[e].size()),
            infrastructure);
      if (!outcome_.infrastructure.empty()) window.halt();
      report(*live_[e]);
    }
    return {};
  }

  // Ends the run after many equal infrastructure failures in a row: one message instead of thousands.
  void watch(std::int64_t failed, std::int64_t n, const std::string& infrastructure) {
    if (failed > 0 && control_.fail_fast) outcome_.infrastructure = "--fail-fast: an item failed";
    if (infrastructure.empty() || failed < n) {
      consecutive_ = 0;
      return;
    }
    consecutive_ = infrastructure == last_failure_ ? consecutive_ + failed : failed;
    last_failure_ = infrastructure;
    if (consecutive_ >= limits::kInfrastructureFailuresMax) {
      outcome_.infrastructure =
          std::to_string(consecutive_) + " items in a row failed with: " + infrastructure;
    }
  }

  void report(const LiveEvaluation& evaluation) {
    if (!control_.progress) return;
    RunProgress progress;
    progress.model = evaluation.target->binding().expression;
    progress.task = evaluation.plan->name;
    progress.done = outcome_.finished;
    progress.before = outcome_.before;
    progress.planned = outcome_.planned;
    progress.failed = outcome_.states[ASSAY_STATE_ERROR] + outcome_.states[ASSAY_STATE_TIMEOUT] +
                      outcome_.states[ASSAY_STATE_UNSUPPORTED];
    control_.progress(progress);
  }

  Result<void> close_evaluations() {
    for (const auto& evaluation : live_) {
      EvaluationRow row;
      row.id = evaluation->row;
      row.planned_items = evaluation->live->items >= 0 ? evaluation->live->items : evaluation->finished;
      const bool whole = !stopped() && evaluation->finished >= row.planned_items;
      row.status = whole && evaluation->failed == 0 ? "complete" : "incomplete";
      if (evaluation->failed != 0) row.reason = std::to_string(evaluation->failed) + " items failed";
      if (!whole)
        row.reason = std::to_string(row.planned_items - evaluation->finished) + " items were not run";
      if (whole) row.prompt_hash = hex(evaluation->prompts.finish());
      if (evaluation->changed != 0) {
        warn("W_ITEM_CHANGED",
             std::to_string(evaluation->changed) + " items of task '" + evaluation->plan->name +
                 "' differ from what the same data said before; they are scored, but cannot be scored again "
                 "later",
             evaluation->row);
      }
      if (Result<void> ok = store_.end_evaluation(row); !ok) return ok;
    }
    return {};
  }

  Plan& plan_;
  std::vector<LiveTask>& tasks_;
  InstanceFactory& factory_;
  Store& store_;
  Reader& reader_;
  const RunControl& control_;
  ItemSource source_;
  Workers workers_;
  RunOutcome outcome_;
  std::vector<RowId> recipe_rows_;
  std::vector<std::vector<std::vector<RowId>>> value_rows_;
  std::vector<std::unique_ptr<LiveEvaluation>> live_;
  std::unordered_set<RowId> fresh_models_;  ///< new in the database with this segment
  KeyFilter asked_{0};                      ///< keys of requests that this segment has met
  std::int64_t unreadable_ = 0;
  std::int64_t consecutive_ = 0;
  std::string last_failure_;
};

}  // namespace

Result<std::vector<LiveTask>> open_tasks(const Plan& plan, InstanceFactory& factory) {
  std::vector<LiveTask> tasks;
  bool any = plan.selection.items.empty();
  for (const PlannedTask& planned : plan.tasks) {
    LiveTask live;
    Result<std::unique_ptr<TaskInstance>> task = factory.task(planned.binding);
    if (!task) return std::move(task).error().within("task '" + planned.name + "'");
    live.task = *std::move(task);
    for (const PlannedMetric& metric : planned.metrics) {
      Result<std::unique_ptr<MetricInstance>> instance = factory.metric(metric.binding);
      if (!instance) return std::move(instance).error().within("task '" + planned.name + "'");
      live.metrics.push_back(*std::move(instance));
    }
    Result<Positions> positions = select_positions(plan.selection, *live.task, plan.seed, planned.name);
    if (!positions) return std::move(positions).error();
    live.positions = *std::move(positions);
    live.items = planned_items(live, plan.repeats);
    any = any || !live.positions.list.empty();
    tasks.push_back(std::move(live));
  }
  if (!any)
    return Error{
        Code::kInvalidArgument, "--items: no task of the suite has an item with one of these ids", {}};
  return tasks;
}

Result<RunOutcome> run_plan(Plan& plan, std::vector<LiveTask>& tasks, InstanceFactory& factory, Store& store,
                            Reader& reader, RowId run, const RunControl& control) {
  return Run(plan, tasks, factory, store, reader, run, control).execute();
}

}  // namespace assay::host
