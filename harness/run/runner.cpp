#include "harness/run/runner.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "assay/sdk/abi.hpp"
#include "harness/base/limits.hpp"
#include "harness/run/request.hpp"
#include "harness/run/scoring.hpp"
#include "harness/run/window.hpp"

namespace assay::host {
namespace {

constexpr std::uint64_t kStatistics = ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY |
                                      ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1 | ASSAY_CAP_TOPK;

// Number of selected items, times repeats; -1 when the task does not know.
std::int64_t planned_items(const LiveTask& live, std::int64_t repeats) {
  if (!live.positions.all) return static_cast<std::int64_t>(live.positions.list.size()) * repeats;
  const std::int64_t count = live.task->count();
  if (count < 0) return -1;
  const auto last = std::min<std::uint64_t>(live.positions.last, static_cast<std::uint64_t>(count));
  const std::uint64_t n = last > live.positions.first ? last - live.positions.first : 0;
  return static_cast<std::int64_t>(n) * repeats;
}

// Reads the next items of a task's selection.
Result<void> next_items(const LiveTask& live, std::uint64_t& cursor, std::size_t n,
                        std::vector<assay_item>& items, std::vector<std::uint64_t>& positions,
                        const std::shared_ptr<Arena>& arena) {
  items.clear();
  positions.clear();
  if (live.positions.all) {
    const std::uint64_t at = live.positions.first + cursor;
    if (at >= live.positions.last) return {};
    n = static_cast<std::size_t>(std::min<std::uint64_t>(n, live.positions.last - at));
    if (Result<void> got = live.task->fetch(at, n, items, arena, nullptr); !got) return got;
    for (std::size_t i = 0; i < items.size(); ++i) positions.push_back(at + i);
    cursor += items.size();
    return {};
  }
  // Chosen positions are fetched in runs of neighbours.
  while (items.size() < n && cursor < live.positions.list.size()) {
    const std::uint64_t start = live.positions.list[cursor];
    std::size_t length = 1;
    while (items.size() + length < n && cursor + length < live.positions.list.size() &&
           live.positions.list[cursor + length] == start + length) {
      ++length;
    }
    std::vector<assay_item> part;
    if (Result<void> got = live.task->fetch(start, length, part, arena, nullptr); !got) return got;
    for (std::size_t i = 0; i < part.size(); ++i) {
      items.push_back(part[i]);
      positions.push_back(start + i);
    }
    cursor += length;
  }
  return {};
}

class Run {
 public:
  Run(Plan& plan, std::vector<LiveTask>& tasks, InstanceFactory& factory, Store& store, RowId run,
      const RunControl& control)
      : plan_(plan),
        tasks_(tasks),
        factory_(factory),
        store_(store),
        control_(control),
        workers_(control.threads != 0 ? control.threads : std::max(1U, std::thread::hardware_concurrency())) {
    outcome_.run = run;
  }

  Result<RunOutcome> execute() {
    if (Result<void> ok = add_recipes(); !ok) return std::move(ok).error();
    for (const PlannedEvaluation& planned : plan_.evaluations) {
      const std::int64_t items = tasks_[planned.task].items;
      if (planned.unsupported.empty() && items > 0) outcome_.planned += items;
    }
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
      RecipeRow row;
      row.hash = task.recipe_hash;
      row.name = task.name;
      row.task_id = task.binding.spec().id;
      row.parts_json = task.parts;
      row.data_hash = task.data_hash;
      row.selection_json = canonical(plan_.selection.to_json());
      Result<RowId> recipe = store_.add_recipe(outcome_.run, row);
      if (!recipe) return std::move(recipe).error();
      recipe_rows_.push_back(*recipe);
      value_rows_.emplace_back();
      for (const PlannedMetric& metric : task.metrics) {
        if (Result<void> ok = add_metric(metric, *recipe, value_rows_.back()); !ok) return ok;
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

  Result<void> add_metric(const PlannedMetric& metric, RowId recipe, std::vector<std::vector<RowId>>& out) {
    const PluginSpec& spec = metric.binding.spec();
    MetricRow row;
    row.recipe = recipe;
    row.name = metric.name;
    row.plugin_id = spec.id;
    row.plugin_version = spec.version;
    row.library_sha256 = metric.binding.plugin->library->sha256;
    row.params_json = canonical(metric.binding.identity()["params"]);
    row.baseline = metric.baseline;
    row.pool_variants = spec.has(ASSAY_FLAG_POOL_VARIANTS);
    std::vector<ValueRow> values;
    for (const ValueSpec& value : spec.values) {
      ValueRow v;
      v.name = value.name;
      v.doc = value.doc;
      v.unit = value.unit;
      v.denominator = value.denominator;
      v.note = value.note;
      v.rule = value.rule;
      v.direction = value.direction;
      v.headline = value.headline();
      v.no_interval = (value.flags & ASSAY_VALUE_NO_INTERVAL) != 0;
      v.min = value.min;
      v.max = value.max;
      values.push_back(std::move(v));
    }
    if (Result<RowId> id = store_.add_metric(row, values); !id) return std::move(id).error();
    out.emplace_back();
    for (const ValueRow& value : values) {
      if (value.rule != ASSAY_RULE_CUSTOM) out.back().push_back(value.id);
    }
    return {};
  }

  Result<RowId> add_model(const PlannedModel& planned, const ModelInstance& model) {
    ModelRow row;
    row.fingerprint = model.fingerprint();
    row.name = planned.name;
    row.expression = planned.binding.expression;
    row.plugin_id = planned.binding.spec().id;
    row.capabilities = model.capabilities();
    row.identity_json = model.identity_json();
    return store_.add_model(row);
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
    auto window = std::make_unique<Window>(workers_, control_.stop, control_.cancel);
    std::vector<std::unique_ptr<std::vector<assay_item>>> keep;
    for (std::size_t e = 0; e < live_.size() && window->items().size() < limits::kPoolItems; ++e) {
      while (window->items().size() < limits::kPoolItems) {
        auto items = std::make_unique<std::vector<assay_item>>();
        std::vector<std::uint64_t> positions;
        if (Result<void> ok = next_items(*live_[e]->live, live_[e]->cursor, limits::kFetchItems, *items,
                                         positions, window->arena());
            !ok) {
          return std::move(ok).error();
        }
        for (std::size_t i = 0; i < items->size(); ++i) {
          for (std::int64_t r = 0; r < plan_.repeats; ++r)
            add_item(*window, e, (*items)[i], positions[i], static_cast<std::uint32_t>(r));
        }
        const bool exhausted = items->empty();
        keep.push_back(std::move(items));
        if (exhausted) break;
      }
    }
    if (window->items().empty()) return false;
    std::vector<std::uint32_t> ready;
    for (std::uint32_t i = 0; i < window->items().size(); ++i) {
      if (window->items()[i].open == 0) ready.push_back(i);  // bad rows and items that ask nothing
    }
    window->dispatch();
    Result<void> stored = finish(*window, ready);
    for (bool over = false; !over;) {
      over = window->collect(ready);
      if (stored) stored = finish(*window, ready);
    }
    if (!stored) return std::move(stored).error();
    return true;
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
      assay_request request = *element(item.requests, item.request_size, r);
      const ModelInstance* model = evaluation.role(view(request.role));
      complete_request(evaluation, item, repeat, request);
      const bool is_target = model == evaluation.target;
      if (model == nullptr)
        model = evaluation.target;  // the model answers UNSUPPORTED for a role nobody plays
      const std::uint32_t use = window.add(model, request, index);
      window.items()[index].uses.push_back(use);
      if (repeat == 0 && is_target) evaluation.prompts.field(window.unique(use).json);
      if (!evaluation.wants_reference || !is_target) continue;
      if (const ModelInstance* reference = evaluation.role("retain_reference"); reference != nullptr) {
        window.items()[index].reference.push_back(window.add(reference, request, index));
      }
    }
  }

  void complete_request(const LiveEvaluation& evaluation, const assay_item& item, std::uint32_t repeat,
                        assay_request& request) const {
    request.struct_size = sizeof request;
    request.task = str(evaluation.plan->name);
    request.item = item.id;
    request.variant = item.variant;
    request.repeat = repeat;
    if (request.kind == ASSAY_REQUEST_SCORE) request.want |= evaluation.want;
    const bool samples = request.kind == ASSAY_REQUEST_GENERATE && (request.temperature > 0 || request.n > 1);
    if (samples && request.seed == 0) {
      const Digest digest = sha256("assay.seed.v1|" + std::to_string(plan_.seed) + "|sample|" +
                                   std::string(view(item.id)) + "|" + std::to_string(repeat));
      for (std::size_t b = 8; b-- > 0;) request.seed = (request.seed << 8U) | digest[b];
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
          score_items(*live_[e], window, by_evaluation[e], outcome_.states, infrastructure);
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
      if (Result<void> ok = store_.end_evaluation(row); !ok) return ok;
    }
    return {};
  }

  Plan& plan_;
  std::vector<LiveTask>& tasks_;
  InstanceFactory& factory_;
  Store& store_;
  const RunControl& control_;
  Workers workers_;
  RunOutcome outcome_;
  std::vector<RowId> recipe_rows_;
  std::vector<std::vector<std::vector<RowId>>> value_rows_;
  std::vector<std::unique_ptr<LiveEvaluation>> live_;
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
                            RowId run, const RunControl& control) {
  return Run(plan, tasks, factory, store, run, control).execute();
}

}  // namespace assay::host
