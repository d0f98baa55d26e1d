#include "harness/run/import_run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "assay/sdk/abi.hpp"
#include "db/blob.hpp"
#include "harness/base/json.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/aggregate.hpp"
#include "harness/run/provenance.hpp"
#include "harness/run/request.hpp"
#include "harness/run/stored_item.hpp"

namespace assay::host {
namespace {

using interop::ImportedExchange;
using interop::ImportedRow;
using interop::ImportedRun;
using interop::ImportedTask;
using interop::ImportedValue;

constexpr int kImporterVersion = 1;
constexpr std::size_t kBatchRows = 512;

// The first reading: only whether it can be read.
class CheckSink : public interop::ImportSink {
 public:
  Result<void> run(const ImportedRun&) override { return {}; }
  Result<void> task(const ImportedTask&) override { return {}; }
  Result<void> row(ImportedRow&&) override { return {}; }
  void warning(const std::string& code, const std::string& text) override {
    warnings.push_back({code, text, 0});
  }
  std::vector<WarningRow> warnings;
};

// Where one task of the log goes.
struct OpenTask {
  ImportedTask task;
  RowId evaluation = 0, item_set = 0;
  std::vector<RowId> values;  // parallel to task.values
  std::vector<MetricRow> metrics;
  std::unordered_map<std::uint64_t, std::uint32_t> positions;  // hash of (id, variant) -> position
  std::int64_t rows = 0, missing = 0, failed = 0;
};

// Keeps texts and arrays of one batch alive.
struct Keep {
  std::deque<std::string> texts;
  std::deque<std::vector<double>> numbers;
  std::string_view add(std::string text) { return texts.emplace_back(std::move(text)); }
};

class StoreSink : public interop::ImportSink {
 public:
  StoreSink(Store& store, RowId run, std::string source_sha256)
      : store_(store), run_(run), source_(std::move(source_sha256)) {}

  Result<void> run(const ImportedRun& run) override {
    log_ = run;
    ModelRow model;
    model.name = run.model.empty() ? "unknown" : run.model;
    model.expression = model.name;
    model.plugin_id = "import." + run.format;
    Json identity = {{"import", run.format}, {"model", model.name}};
    if (!run.model_json.empty()) identity["details"] = run.model_json;
    model.identity_json = canonical(identity);
    model.fingerprint = fingerprint_ = sha256_hex(model.identity_json);
    Result<RowId> id = store_.add_model(model);
    if (!id) return std::move(id).error();
    model_ = *id;
    return {};
  }

  Result<void> task(const ImportedTask& task) override {
    if (Result<void> ok = close_task(); !ok) return ok;
    OpenTask& open = tasks_.emplace_back();
    open.task = task;
    RecipeRow recipe;
    recipe.name = task.name;
    recipe.task_id = "import." + log_.format;
    recipe.parts_json = canonical(Json{{"import", log_.format},
                                       {"task", task.name},
                                       {"version", task.version},
                                       {"config", task.config_json},
                                       {"prompts", task.prompt_hash},
                                       {"data", task.data_hash},
                                       {"repeats", task.repeats}});
    recipe.hash = sha256_hex(recipe.parts_json);
    recipe.data_hash = task.data_hash;
    recipe.selection_json = "\"all\"";
    Result<RowId> recipe_row = store_.add_recipe(run_, recipe);
    if (!recipe_row) return std::move(recipe_row).error();
    if (Result<void> ok = add_metrics(open, *recipe_row); !ok) return ok;
    EvaluationRow evaluation;
    evaluation.run = run_;
    evaluation.recipe = *recipe_row;
    evaluation.model = model_;
    evaluation.planned_items = task.planned;
    Result<RowId> id = store_.begin_evaluation(evaluation);
    if (!id) return std::move(id).error();
    open.evaluation = *id;
    Result<RowId> set = store_.add_item_set(sha256_hex(source_ + "|" + task.name), task.name);
    if (!set) return std::move(set).error();
    open.item_set = *set;
    return {};
  }

  Result<void> row(ImportedRow&& row) override {
    OpenTask& open = tasks_.back();
    ++open.rows;
    if (row.state == interop::kMissing) {
      ++open.missing;
      return {};
    }
    if (!batch_) {
      batch_ = std::make_shared<Batch>();
      keep_ = std::make_shared<Keep>();
      batch_->keep.push_back(keep_);
    }
    add(open, row);
    return batch_->results.size() >= kBatchRows ? flush() : Result<void>();
  }

  void warning(const std::string& code, const std::string& text) override {
    warnings.push_back({code, text, 0});
  }

  Result<void> finish() { return close_task(); }
  std::vector<OpenTask>& tasks() { return tasks_; }
  std::vector<WarningRow> warnings;

 private:
  Result<void> add_metrics(OpenTask& open, RowId recipe) {
    open.values.assign(open.task.values.size(), 0);
    std::vector<std::string> names;
    for (const ImportedValue& value : open.task.values) {
      if (std::find(names.begin(), names.end(), value.metric) == names.end()) names.push_back(value.metric);
    }
    for (const std::string& name : names) {
      MetricRow metric;
      metric.recipe = recipe;
      metric.name = name;
      metric.plugin_id = "import." + log_.format;
      metric.plugin_version = log_.harness_version;
      metric.params_json = "{}";
      std::vector<ValueRow> values;
      std::vector<std::size_t> places;
      for (std::size_t v = 0; v < open.task.values.size(); ++v) {
        const ImportedValue& from = open.task.values[v];
        if (from.metric != name) continue;
        ValueRow value;
        value.name = from.name;
        value.doc = from.doc.empty() ? "as recorded in the log" : from.doc;
        value.rule = from.proportion ? ASSAY_RULE_PROPORTION : ASSAY_RULE_MEAN;
        value.direction = from.direction;
        value.headline = values.empty();
        // Without a range nothing is assumed about answers that the log gives no score for.
        value.min = value.max = std::nan("");
        values.push_back(std::move(value));
        places.push_back(v);
      }
      Result<RowId> id = store_.add_metric(metric, values);
      if (!id) return std::move(id).error();
      metric.id = *id;
      open.metrics.push_back(metric);
      for (std::size_t i = 0; i < places.size(); ++i) open.values[places[i]] = values[i].id;
    }
    return {};
  }

  void add(OpenTask& open, ImportedRow& from) {
    Keep& keep = *keep_;
    std::vector<assay_str> targets;
    for (std::string& target : from.targets) targets.push_back(str(keep.add(std::move(target))));
    std::vector<assay_field> fields;
    for (auto& [key, text] : from.fields)
      fields.push_back({str(keep.add(std::move(key))), str(keep.add(std::move(text))), std::nan("")});
    for (std::size_t i = 0; i < from.choices.size(); ++i) {
      fields.push_back({str(keep.add("choice/" + std::to_string(i))),
                        str(keep.add(std::move(from.choices[i]))), std::nan("")});
    }
    if (from.source_repeat >= 0) {
      fields.push_back({str("source_repeat"), str(keep.add(std::to_string(from.source_repeat))),
                        static_cast<double>(from.source_repeat)});
    }
    std::vector<assay_request> requests(from.exchanges.size());
    for (std::size_t i = 0; i < requests.size(); ++i)
      requests[i] = request_of(from.exchanges[i], from.repeat);
    assay_item item{};
    item.struct_size = sizeof item;
    item.label = from.label;
    item.id = str(keep.add(from.id));
    item.variant = str(keep.add(from.variant));
    item.group = str(keep.add(from.group));
    item.text = str(keep.add(std::move(from.input)));
    item.targets = {targets.data(), targets.size()};
    item.fields = fields.data();
    item.field_count = fields.size();
    item.requests = requests.data();
    item.request_count = requests.size();
    item.request_size = sizeof(assay_request);

    const std::uint64_t key = fast_key(from.id + '\0' + from.variant).low;
    const auto position =
        open.positions.emplace(key, static_cast<std::uint32_t>(open.positions.size())).first->second;
    ResultRow result;
    result.evaluation = open.evaluation;
    result.position = position;
    result.item_id = view(item.id);
    result.variant = view(item.variant);
    result.group = view(item.group);
    result.label = from.label;
    result.repeat = from.repeat;
    result.state = from.state;
    result.message = keep.add(std::move(from.message));
    result.content = content_hash(item);
    result.item = (open.item_set << 32U) | position;
    std::string body;
    append_item_json(item, body);
    batch_->items.push_back({result.item, result.content, keep.add(std::move(body))});
    result.link_begin = static_cast<std::uint32_t>(batch_->links.size());
    for (std::size_t i = 0; i < requests.size(); ++i) add_exchange(from, i, requests[i]);
    result.link_end = static_cast<std::uint32_t>(batch_->links.size());
    result.score_begin = static_cast<std::uint32_t>(batch_->scores.size());
    for (std::size_t v = 0; v < open.values.size(); ++v) {
      const double number = v < from.scores.size() ? from.scores[v] : interop::kAbsent;
      const bool noted = v < from.notes.size() && !from.notes[v].empty();
      if (std::isnan(number) && !from.non_finite && !noted) continue;  // the log says nothing
      ScoreRow score;
      score.value = open.values[v];
      score.number = std::isfinite(number) ? number : std::nan("");
      score.state = std::isfinite(number)          ? ASSAY_STATE_OK
                    : from.non_finite              ? ASSAY_STATE_OK
                    : from.state != ASSAY_STATE_OK ? from.state
                                                   : ASSAY_STATE_UNPARSED;
      if (noted) score.note = keep.add(std::move(from.notes[v]));
      batch_->scores.push_back(score);
    }
    result.score_end = static_cast<std::uint32_t>(batch_->scores.size());
    if (from.state >= ASSAY_STATE_UNSUPPORTED) ++open.failed;
    batch_->results.push_back(result);
  }

  assay_request request_of(const ImportedExchange& from, std::uint32_t repeat) {
    assay_request request{};
    request.struct_size = sizeof request;
    request.kind = from.kind;
    request.name = str(keep_->add(from.name));
    request.label = from.choice_label;
    request.repeat = repeat;
    request.prompt = str(keep_->add(from.prompt));
    request.continuation = str(keep_->add(from.continuation));
    request.max_tokens = static_cast<std::int32_t>(std::clamp<std::int64_t>(from.max_tokens, 0, INT32_MAX));
    request.temperature = std::isnan(from.temperature) ? 0 : from.temperature;
    request.top_p = std::isnan(from.top_p) ? 0 : from.top_p;
    if (!from.messages.empty()) {
      messages_.emplace_back();
      for (const auto& [role, content] : from.messages)
        messages_.back().push_back({str(keep_->add(role)), str(keep_->add(content))});
      request.messages = messages_.back().data();
      request.message_count = messages_.back().size();
    }
    if (!from.stop.empty()) {
      stops_.emplace_back();
      for (const std::string& stop : from.stop) stops_.back().push_back(str(keep_->add(stop)));
      request.stop = {stops_.back().data(), stops_.back().size()};
    }
    return request;
  }

  void add_exchange(const ImportedRow& row, std::size_t i, const assay_request& request) {
    const ImportedExchange& from = row.exchanges[i];
    if (!from.answered && from.error.empty()) return;
    ResponseRow response;
    response.model = model_;
    response.kind = request.kind;
    std::string json;
    append_request_json(request, false, json);
    // The key of an imported answer names its log and row, because nothing else says that two are the same.
    response.key =
        response_key(fingerprint_ + source_ + row.id + '\0' + row.variant + '\0' + from.name, json);
    response.request = keep_->add(std::move(json));
    if (from.error.empty()) {
      fill_answer(from, response);
      response.state =
          row.state == ASSAY_STATE_ERROR || row.state == ASSAY_STATE_TIMEOUT ? ASSAY_STATE_OK : row.state;
    } else {
      response.state = ASSAY_STATE_ERROR;
      response.code = ASSAY_UNAVAILABLE;
      response.message = keep_->add(from.error);
    }
    response.tokens_in = std::max<std::int64_t>(from.tokens_in, 0);
    response.tokens_out = std::max<std::int64_t>(from.tokens_out, 0);
    response.total_ns = std::isfinite(from.seconds) ? static_cast<std::int64_t>(from.seconds * 1e9) : 0;
    response.provider_id = keep_->add(from.provider_id);
    ResponseLink link;
    link.name = view(request.name);
    link.response_in_batch = static_cast<std::int64_t>(batch_->responses.size());
    batch_->responses.push_back(response);
    batch_->links.push_back(link);
  }

  void fill_answer(const ImportedExchange& from, ResponseRow& response) {
    assay_response answer{};
    answer.struct_size = sizeof answer;
    answer.mean_logprob = std::nan("");
    std::vector<assay_choice> choices;
    for (const std::string& text : from.texts) {
      assay_choice choice{};
      choice.struct_size = sizeof choice;
      choice.finish = choices.empty() ? from.finish : ASSAY_FINISH_NONE;
      choice.text = str(text);
      choice.mean_logprob = std::nan("");
      choices.push_back(choice);
    }
    const bool scored = from.kind == ASSAY_REQUEST_SCORE;
    const double* stats[ASSAY_STAT_COUNT] = {};
    assay_tokens tokens{};
    if (!from.token_logprobs.empty()) {
      tokens.struct_size = sizeof tokens;
      tokens.count = from.token_logprobs.size();
      stats[ASSAY_STAT_LOGPROB] = from.token_logprobs.data();
      tokens.stats = stats;
      tokens.stat_count = ASSAY_STAT_COUNT;
      if (scored) {
        answer.tokens = &tokens;
      } else if (!choices.empty()) {
        choices.front().tokens = &tokens;
      }
      std::string blob;
      encode_tokens(tokens, blob);
      response.tokens = keep_->add(std::move(blob));
    }
    answer.choices = choices.data();
    answer.choice_count = choices.size();
    answer.choice_size = sizeof(assay_choice);
    // The log knows the sum over the continuation, not its tokens; RecordResponse::sum_logprob looks here.
    const double greedy = from.greedy;
    std::vector<assay_series> series;
    if (!std::isnan(from.sum_logprob)) series.push_back({str("sum_logprob"), &from.sum_logprob, 1});
    if (from.greedy >= 0) series.push_back({str("greedy"), &greedy, 1});
    answer.series = series.data();
    answer.series_count = series.size();
    std::string json;
    append_answer_json(answer, json);
    response.answer = keep_->add(std::move(json));
  }

  Result<void> flush() {
    messages_.clear();
    stops_.clear();
    if (!batch_) return {};
    return store_.submit(std::exchange(batch_, nullptr));
  }

  Result<void> close_task() {
    if (Result<void> ok = flush(); !ok) return ok;
    if (tasks_.empty()) return {};
    OpenTask& open = tasks_.back();
    open.positions.clear();
    EvaluationRow row;
    row.id = open.evaluation;
    const std::int64_t planned = std::max(open.task.planned, open.rows);
    open.task.planned = planned;
    row.status = open.task.complete && open.failed == 0 && planned == open.rows - open.missing ? "complete"
                                                                                               : "incomplete";
    if (!open.task.complete) row.reason = "the log says: " + open.task.status;
    if (open.failed != 0) row.reason = std::to_string(open.failed) + " items failed";
    row.prompt_hash = open.task.prompt_hash;
    row.planned_items = planned;  // what only the end of the file tells
    return store_.end_evaluation(row);
  }

  Store& store_;
  RowId run_ = 0, model_ = 0;
  std::string source_, fingerprint_;
  ImportedRun log_;
  std::vector<OpenTask> tasks_;
  std::shared_ptr<Batch> batch_;
  std::shared_ptr<Keep> keep_;
  std::deque<std::vector<assay_message>> messages_;
  std::deque<std::vector<assay_str>> stops_;
};

Result<RowId> begin(Store& store, const ImportRunOptions& options, const interop::ImportSummary& summary,
                    const std::string& identity, std::string& uuid) {
  RunRow run;
  run.uuid = uuid = new_uuid();
  run.label = options.label;
  run.suite_name = summary.format + " import";
  run.suite_path = summary.source_name;
  run.suite_sha256 = summary.source_sha256;
  run.command_line = options.command_line;
  run.plan_json = "{}";
  run.versions_json = versions_json();
  run.machine_json = "{}";
  run.identity = identity;
  run.origin = "import";
  run.source_json = canonical(Json{{"file", summary.source_name},
                                   {"sha256", summary.source_sha256},
                                   {"format", summary.format},
                                   {"importer", kImporterVersion}});
  return store.begin_run(run);
}

// Recorded numbers, and aggregates computed from the rows.
Result<void> conclude(Store& store, Reader& reader, std::vector<OpenTask>& tasks) {
  for (const OpenTask& open : tasks) {
    std::vector<ReportedRow> reported;
    for (const interop::ReportedNumber& from : open.task.reported) {
      ReportedRow row;
      row.evaluation = open.evaluation;
      row.metric = from.metric;
      row.statistic = from.statistic;
      row.split = from.split;
      row.number = from.number;
      row.text = from.text;
      row.n = from.n;
      if (from.value >= 0 && static_cast<std::size_t>(from.value) < open.values.size())
        row.value = open.values[static_cast<std::size_t>(from.value)];
      reported.push_back(std::move(row));
    }
    if (Result<void> ok = store.add_reported(reported); !ok) return ok;
    if (open.rows == open.missing) continue;  // only aggregates: nothing to compute from
    std::vector<AggregateRow> rows;
    for (const MetricRow& metric : open.metrics) {
      AggregateOptions options;
      options.task = open.task.name;
      options.planned = open.task.planned;
      Result<std::vector<AggregateRow>> part =
          aggregate_metric(reader, open.evaluation, metric, nullptr, options);
      if (!part) return std::move(part).error();
      rows.insert(rows.end(), part->begin(), part->end());
    }
    if (Result<void> ok = store.put_aggregates(open.evaluation, rows); !ok) return ok;
  }
  return store.flush();
}

// An import of the same bytes in the same way.
std::string identity_of(const ImportRunOptions& options, const interop::ImportSummary& summary) {
  Sha256 digest;
  digest.field("import").number(kImporterVersion).field(summary.format).field(summary.source_sha256);
  digest.field(options.read.model).number(options.read.skip_bad_lines ? 1 : 0);
  if (!options.read.map.empty()) {
    const Result<std::string> map = sha256_file(options.read.map);
    digest.field(map ? *map : std::string());
  }
  return hex(digest.finish());
}

}  // namespace

Result<ImportResult> import_run(const std::filesystem::path& path, const ImportRunOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  ImportResult result;
  CheckSink check;
  Result<interop::ImportSummary> summary = interop::read(path, options.read, check);
  if (!summary) return std::move(summary).error();
  result.summary = *std::move(summary);
  if (options.dry_run) {
    result.warnings = std::move(check.warnings);
    return result;
  }
  Result<std::unique_ptr<Store>> opened = Store::open(options.database, options.store);
  if (!opened) return std::move(opened).error();
  Store& store = **opened;
  Result<std::unique_ptr<Reader>> reader = Reader::open(options.database);
  if (!reader) return std::move(reader).error();
  const std::string identity = identity_of(options, result.summary);
  Result<std::vector<RunSummary>> before = (*reader)->runs_with(identity);
  if (!before) return std::move(before).error();
  RowId run = 0;
  for (const RunSummary& known : *before) {
    const bool cut_off = known.run.status == "interrupted" || known.run.status == "failed";
    if (options.again && !cut_off) continue;
    result.uuid = known.run.uuid;
    if (!cut_off) {
      result.known = true;
      return result;
    }
    if (Result<void> ok = store.resume_run(known.run.id); !ok) return std::move(ok).error();
    run = known.run.id;
    result.resumed = true;
    break;
  }
  if (run == 0) {
    Result<RowId> begun = begin(store, options, result.summary, identity, result.uuid);
    if (!begun) return std::move(begun).error();
    run = *begun;
  }
  StoreSink sink(store, run, result.summary.source_sha256);
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  Result<interop::ImportSummary> stored = interop::read(path, options.read, sink);
  Result<void> done = stored ? sink.finish() : Result<void>(std::move(stored).error());
  if (done) done = store.flush();
  if (done) done = conclude(store, **reader, sink.tasks());
  if (done) done = store.add_warnings(run, sink.warnings);
  if (!done) {
    (void)store.end_run(run, "failed", elapsed());
    return std::move(done).error();
  }
  bool whole = true;
  for (const OpenTask& open : sink.tasks())
    whole = whole && open.task.complete && open.failed == 0 && open.task.planned == open.rows - open.missing;
  if (Result<void> ok = store.end_run(run, whole ? "complete" : "incomplete", elapsed()); !ok)
    return std::move(ok).error();
  result.warnings = std::move(sink.warnings);
  Result<std::vector<AggregateLine>> table = (*reader)->aggregates(run);
  if (!table) return std::move(table).error();
  result.table = *std::move(table);
  Result<std::vector<ReportedRow>> reported = (*reader)->reported(run);
  if (!reported) return std::move(reported).error();
  result.reported = *std::move(reported);
  return result;
}

}  // namespace assay::host
