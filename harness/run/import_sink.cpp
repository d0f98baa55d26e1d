#include "harness/run/import_sink.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "assay/sdk/abi.hpp"
#include "db/blob.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/json.hpp"
#include "harness/run/request.hpp"
#include "harness/run/stored_item.hpp"

namespace assay::host {

using interop::ImportedExchange;
using interop::ImportedRow;
using interop::ImportedRun;
using interop::ImportedTask;
using interop::ImportedValue;

namespace {

constexpr std::size_t kBatchRows = 512;

bool failing(int state) {
  return state == ASSAY_STATE_ERROR || state == ASSAY_STATE_TIMEOUT;
}

}  // namespace

struct ImportStoreSink::Keep {
  std::deque<std::string> texts;
  std::string_view add(std::string text) { return texts.emplace_back(std::move(text)); }
};

ImportStoreSink::ImportStoreSink(Store& store, RowId run, std::string source_sha256)
    : store_(store), run_(run), source_(std::move(source_sha256)) {}
ImportStoreSink::~ImportStoreSink() = default;

Result<void> ImportStoreSink::run(const ImportedRun& run) {
  log_ = run;
  return {};
}

/// The model that did the tasks that follow.
Result<void> ImportStoreSink::add_model(const std::string& name) {
  ModelRow model;
  model.name = name.empty() ? "unknown" : name;
  model.expression = model.name;
  model.plugin_id = "import." + log_.format;
  Json identity = {{"import", log_.format}, {"model", model.name}};
  if (!log_.model_json.empty()) identity["details"] = log_.model_json;
  model.identity_json = canonical(identity);
  model.fingerprint = fingerprint_ = sha256_hex(model.identity_json);
  Result<RowId> id = store_.add_model(model);
  if (!id) return std::move(id).error();
  model_ = *id;
  return {};
}

Result<void> ImportStoreSink::task(const ImportedTask& task) {
  if (Result<void> ok = close_task(); !ok) return ok;
  ImportedEvaluation& open = evaluations_.emplace_back();
  open.task = task;
  if (Result<void> ok = add_model(task.model.empty() ? log_.model : task.model); !ok) return ok;
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
  // The same task of several models: its items are kept once.
  next_position_ = 0;
  if (evaluations_.size() < 2 || evaluations_[evaluations_.size() - 2].item_set != open.item_set) {
    places_.clear();
    more_.clear();
    next_item_ = 0;
  }
  return {};
}

Result<void> ImportStoreSink::row(ImportedRow&& row) {
  ImportedEvaluation& open = evaluations_.back();
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

void ImportStoreSink::warning(const std::string& code, const std::string& text) {
  warnings.push_back({code, text, 0});
}

Result<void> ImportStoreSink::finish() {
  return close_task();
}

Result<void> ImportStoreSink::add_metrics(ImportedEvaluation& open, RowId recipe) {
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

void ImportStoreSink::add(ImportedEvaluation& open, ImportedRow& from) {
  Keep& keep = *keep_;
  std::vector<assay_str> targets;
  for (std::string& target : from.targets) targets.push_back(str(keep.add(std::move(target))));
  std::vector<assay_field> fields;
  for (auto& [key, text] : from.fields)
    fields.push_back({str(keep.add(std::move(key))), str(keep.add(std::move(text))), std::nan("")});
  for (std::size_t i = 0; i < from.choices.size(); ++i) {
    fields.push_back({str(keep.add("choice/" + std::to_string(i))), str(keep.add(std::move(from.choices[i]))),
                      std::nan("")});
  }
  if (from.source_repeat >= 0) {
    fields.push_back({str("source_repeat"), str(keep.add(std::to_string(from.source_repeat))),
                      static_cast<double>(from.source_repeat)});
  }
  std::vector<assay_request> requests;
  for (const ImportedExchange& exchange : from.exchanges)
    requests.push_back(request_of(exchange, from.repeat));
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

  ResultRow result;
  result.evaluation = open.evaluation;
  result.item_id = view(item.id);
  result.variant = view(item.variant);
  result.group = view(item.group);
  result.label = from.label;
  result.repeat = from.repeat;
  result.state = from.state;
  add_item(open, item, result);
  result.link_begin = static_cast<std::uint32_t>(batch_->links.size());
  for (std::size_t i = 0; i < requests.size(); ++i) add_exchange(open, from, from.exchanges[i], requests[i]);
  result.link_end = static_cast<std::uint32_t>(batch_->links.size());
  result.score_begin = static_cast<std::uint32_t>(batch_->scores.size());
  add_scores(open, from);
  result.score_end = static_cast<std::uint32_t>(batch_->scores.size());
  result.message = keep.add(std::move(from.message));
  if (from.state >= ASSAY_STATE_UNSUPPORTED) ++open.failed;
  batch_->results.push_back(result);
}

/// The place in the task, by first appearance, and the item as it is kept: once for all repeats and models
/// that say the same.
void ImportStoreSink::add_item(const ImportedEvaluation& open, const assay_item& item, ResultRow& result) {
  std::string key(view(item.id));
  key += '\0';
  key += view(item.variant);
  result.content = content_hash(item);
  const auto [at, fresh] = places_.try_emplace(fast_key(key).low);
  Place& place = at->second;
  if (fresh) place = {result.content, 0, 0, next_item_++};
  if (place.evaluation != evaluations_.size()) {
    place.evaluation = evaluations_.size();
    place.position = next_position_++;
  }
  std::uint32_t number = place.item;
  if (place.content != result.content) {
    key += '\0' + std::to_string(result.content);
    const auto [more, another] = more_.try_emplace(fast_key(key).low, next_item_);
    if (another) ++next_item_;
    number = more->second;
  }
  result.position = place.position;
  result.item = (open.item_set << 32U) | number;
  std::string body;
  append_item_json(item, body);
  batch_->items.push_back({result.item, result.content, keep_->add(std::move(body))});
}

void ImportStoreSink::add_scores(const ImportedEvaluation& open, ImportedRow& from) {
  for (std::size_t v = 0; v < open.values.size(); ++v) {
    const double number = v < from.scores.size() ? from.scores[v] : interop::kAbsent;
    const bool noted = v < from.notes.size() && !from.notes[v].empty();
    const int stated = v < from.score_states.size() ? from.score_states[v] : interop::kUnstated;
    if (stated == interop::kMissing) continue;
    const bool silent = std::isnan(number) && !from.non_finite && !noted;
    if (silent && stated == interop::kUnstated) continue;  // the log says nothing
    ScoreRow score;
    score.value = open.values[v];
    score.number = std::isfinite(number) ? number : std::nan("");
    score.state = stated != interop::kUnstated   ? stated
                  : std::isfinite(number)        ? ASSAY_STATE_OK
                  : from.non_finite              ? ASSAY_STATE_OK
                  : from.state != ASSAY_STATE_OK ? from.state
                                                 : ASSAY_STATE_UNPARSED;
    if (noted) score.note = keep_->add(std::move(from.notes[v]));
    batch_->scores.push_back(score);
  }
}

assay_request ImportStoreSink::request_of(const ImportedExchange& from, std::uint32_t repeat) {
  assay_request request{};
  request.struct_size = sizeof request;
  request.kind = from.kind;
  request.name = str(keep_->add(from.name));
  request.label = from.choice_label;
  request.repeat = repeat;
  request.prompt = str(keep_->add(from.prompt));
  request.continuation = str(keep_->add(from.continuation));
  request.max_tokens = static_cast<std::int32_t>(std::clamp<std::int64_t>(from.max_tokens, 0, INT32_MAX));
  request.temperature = from.temperature;  // NaN, which is not written, where the log does not say it
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

void ImportStoreSink::add_exchange(const ImportedEvaluation& open, const ImportedRow& row,
                                   const ImportedExchange& from, const assay_request& request) {
  // A text that came with an error is kept; the error is then the row's.
  const bool answered = from.answered && (from.error.empty() || !from.texts.empty() || from.cached);
  const bool spent = from.tokens_in > 0 || from.tokens_out > 0 || from.seconds > 0;
  if (!answered && from.error.empty() && !(failing(row.state) && spent)) return;
  ResponseRow response;
  response.model = model_;
  response.kind = request.kind;
  std::string json;
  append_request_json(request, false, json);
  // The key of an imported answer names its log and row, because nothing else says that two are the same.
  std::string key = fingerprint_ + source_;
  for (const std::string* part : {&open.task.name, &row.id, &row.variant, &from.name}) key += *part + '\0';
  response.key = response_key(key + std::to_string(row.repeat), json);
  response.request = keep_->add(std::move(json));
  if (answered) {
    fill_answer(from, response);
    response.state = failing(row.state) ? ASSAY_STATE_OK : row.state;
  } else {
    response.state = row.state == ASSAY_STATE_TIMEOUT ? ASSAY_STATE_TIMEOUT : ASSAY_STATE_ERROR;
    response.code = row.state == ASSAY_STATE_TIMEOUT ? ASSAY_TIMEOUT : ASSAY_UNAVAILABLE;
    response.message = keep_->add(from.error);
  }
  response.tokens_in = std::max<std::int64_t>(from.tokens_in, 0);
  response.tokens_out = std::max<std::int64_t>(from.tokens_out, 0);
  response.total_ns = std::isfinite(from.seconds) ? std::llround(from.seconds * 1e9) : 0;
  response.provider_id = keep_->add(from.provider_id);
  ResponseLink link;
  link.name = view(request.name);
  link.response_in_batch = static_cast<std::int64_t>(batch_->responses.size());
  link.cached = from.cached;
  batch_->responses.push_back(response);
  batch_->links.push_back(link);
}

void ImportStoreSink::fill_answer(const ImportedExchange& from, ResponseRow& response) {
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

Result<void> ImportStoreSink::flush() {
  messages_.clear();
  stops_.clear();
  if (!batch_) return {};
  return store_.submit(std::exchange(batch_, nullptr));
}

Result<void> ImportStoreSink::close_task() {
  if (Result<void> ok = flush(); !ok) return ok;
  if (evaluations_.empty()) return {};
  ImportedEvaluation& open = evaluations_.back();
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

}  // namespace assay::host
