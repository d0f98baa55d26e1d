#include "harness/run/instances.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "assay/sdk/abi.hpp"
#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/plugins/instance_checks.hpp"
#include "harness/run/host_services.hpp"

namespace assay::host {
namespace {

// The parameters of create() in C form; owns every string list it points to.
class ParamPack {
 public:
  Result<void> fill(const Binding& binding) {
    values_.reserve(binding.params.size());
    lists_.reserve(binding.params.size());
    secrets_.reserve(binding.params.size());
    for (const ParamValue& value : binding.params) {
      assay_value out{};
      out.struct_size = sizeof out;
      out.type = value.type;
      out.is_set = value.is_set ? 1 : 0;
      out.key = str(value.key);
      out.integer = value.integer;
      out.number = value.number;
      out.text = str(value.text);
      if ((value.flags & ASSAY_PARAM_SECRET) != 0 && value.is_set) {
        secrets_.push_back(environment(value.text.c_str()));
        if (secrets_.back().empty()) {
          return Error{Code::kAuth,
                       "parameter '" + value.key + "' of '" + binding.spec().id +
                           "' names the environment variable '" + value.text + "', which is not set",
                       value.key};
        }
        out.text = str(secrets_.back());
      }
      lists_.emplace_back();
      for (const std::string& part : value.list) lists_.back().push_back(str(part));
      out.list = {lists_.back().data(), lists_.back().size()};
      values_.push_back(out);
    }
    pack_ = {sizeof pack_, 0, values_.data(), values_.size(), sizeof(assay_value)};
    return {};
  }
  [[nodiscard]] const assay_params* raw() const { return &pack_; }

 private:
  std::vector<assay_value> values_;
  std::vector<std::vector<assay_str>> lists_;
  std::vector<std::string> secrets_;
  assay_params pack_{};
};

const char* kind_extension(int kind) {
  switch (kind) {
    case ASSAY_REQUEST_GENERATE:
      return "assay.model.generate/1";
    case ASSAY_REQUEST_SCORE:
      return "assay.model.score/1";
    case ASSAY_REQUEST_ROWS:
      return "assay.model.rows/1";
    case ASSAY_REQUEST_CLASSIFY:
      return "assay.model.classify/1";
    default:
      return "assay.model.embed/1";
  }
}

void preset(assay_response& response) {
  response = {};
  response.struct_size = sizeof response;
  response.mean_logprob = std::nan("");
  response.status.code = ASSAY_UNSET;
}

// Rows of the requests of one batch, copied into the arena as they are visited.
class RowCollector {
 public:
  RowCollector(std::size_t requests, Arena& arena) : rows_(requests), bytes_(requests, 0), arena_(arena) {}

  bool visit(std::size_t request, const assay_row& row) {
    if (request >= rows_.size() || row.data == nullptr || row.vocabulary == 0) return false;
    if (row.dtype != ASSAY_F32 && row.dtype != ASSAY_F64) return false;
    const std::size_t size = row.vocabulary * (row.dtype == ASSAY_F32 ? sizeof(float) : sizeof(double));
    bytes_[request] += size;
    if (bytes_[request] > limits::kRowBytesMax) return false;
    void* copy = arena_.allocate(size, alignof(double));
    if (copy == nullptr) return false;
    std::memcpy(copy, row.data, size);
    rows_[request].push_back(row);
    rows_[request].back().data = copy;
    return true;
  }

  void hand_over(std::span<assay_response> responses) {
    for (std::size_t i = 0; i < responses.size(); ++i) {
      if (rows_[i].empty() || responses[i].status.code != ASSAY_OK) continue;
      const std::size_t size = rows_[i].size() * sizeof(assay_row);
      void* memory = arena_.allocate(size, alignof(assay_row));
      if (memory == nullptr) continue;
      std::memcpy(memory, rows_[i].data(), size);
      responses[i].rows = static_cast<const assay_row*>(memory);
      responses[i].row_count = rows_[i].size();
      responses[i].row_size = sizeof(assay_row);
    }
  }

 private:
  std::vector<std::vector<assay_row>> rows_;
  std::vector<std::size_t> bytes_;
  Arena& arena_;
};

// The sentence of a failure outside of a batch; only memory of the arena is read.
std::string reason(assay_str text, const Arena& arena, std::size_t bytes_max) {
  if (text.len == 0 || !arena.owns(text.ptr, text.len)) return "it gave no reason";
  return printable(view(text), bytes_max);
}

// The code of a failed batch, as far as a plugin may set it.
std::int32_t batch_code(std::int32_t code) {
  return code >= ASSAY_CANCELLED && code <= ASSAY_INTERNAL ? code : ASSAY_PLUGIN_MISBEHAVING;
}

}  // namespace

InstanceBase::~InstanceBase() {
  if (entry_ != nullptr && instance_ != nullptr) entry_->destroy(instance_);
}

template <class T>
const T* InstanceBase::extension(const char* id) const {
  const void* table = entry_->get_extension == nullptr ? nullptr : entry_->get_extension(instance_, str(id));
  if (table == nullptr) return nullptr;
  std::uint32_t size = 0;
  std::memcpy(&size, table, sizeof size);
  return size >= sizeof(T) ? static_cast<const T*>(table) : nullptr;
}

const assay_model_tokenize_v1* ModelInstance::tokenize(void** instance) const {
  *instance = instance_;
  const auto* table = extension<assay_model_tokenize_v1>("assay.model.tokenize/1");
  const bool whole = table != nullptr && table->encode != nullptr && table->decode != nullptr &&
                     table->vocabulary != nullptr && table->bos != nullptr && table->eos != nullptr &&
                     table->fingerprint != nullptr;
  return whole ? table : nullptr;
}

void ModelInstance::run(int kind, std::span<const assay_request> requests,
                        std::span<assay_response> responses, const std::shared_ptr<Arena>& arena,
                        const std::uint32_t* cancel, std::uint64_t deadline_ns,
                        const RowVisitor& visit) const {
  for (assay_response& response : responses) preset(response);
  const auto* table = extension<assay_model_batch_v1>(kind_extension(kind));
  if (table == nullptr || table->run == nullptr) {
    for (assay_response& response : responses) {
      put_status(response.status, ASSAY_UNSUPPORTED,
                 "model '" + spec().id + "' does not offer " + std::string(kind_extension(kind)), *arena);
    }
    return;
  }
  const bool collects = kind == ASSAY_REQUEST_ROWS && !visit;
  RowCollector rows(collects ? requests.size() : 0, *arena);
  const std::size_t step = spec().max_batch == 0 ? requests.size() : spec().max_batch;
  for (std::size_t start = 0; start < requests.size(); start += step) {
    const std::size_t n = std::min(step, requests.size() - start);
    const RowVisitor forward = !collects && !visit ? RowVisitor{} : [&](std::size_t i, const assay_row& row) {
      return i < n && (visit ? visit(start + i, row) : rows.visit(start + i, row));
    };
    CallScope scope(arena, cancel, deadline_ns, sizeof(assay_request), sizeof(assay_response), forward);
    std::unique_lock<std::mutex> lock;
    if (mutex_ != nullptr) lock = std::unique_lock(*mutex_);
    const std::int32_t code =
        table->run(instance_, requests.data() + start, n, responses.data() + start, scope.raw());
    if (lock.owns_lock()) lock.unlock();
    for (std::size_t i = start; i < start + n; ++i) {
      if (code != ASSAY_OK && responses[i].status.code == ASSAY_UNSET) {
        preset(responses[i]);
        put_status(responses[i].status, batch_code(code),
                   "plugin '" + spec().id + "' failed on the whole batch with code " + std::to_string(code),
                   *arena);
      } else {
        check_response(spec().id, requests[i], responses[i], *arena);
      }
    }
  }
  if (collects) rows.hand_over(responses);
}

std::int64_t TaskInstance::count() const {
  return std::max<std::int64_t>(items_->count(instance_), -1);
}

Result<void> TaskInstance::fetch(std::uint64_t start, std::size_t n, std::vector<assay_item>& items,
                                 const std::shared_ptr<Arena>& arena, const std::uint32_t* cancel) const {
  assay_item blank{};
  blank.struct_size = sizeof blank;
  blank.label = -1;
  blank.status.code = ASSAY_UNSET;
  items.assign(n, blank);
  CallScope scope(arena, cancel, 0, 0, sizeof(assay_item));
  std::size_t produced = 0;
  const std::int32_t code = items_->fetch(instance_, start, n, items.data(), &produced, scope.raw());
  if (code == ASSAY_CANCELLED) produced = 0;
  if (code != ASSAY_OK && code != ASSAY_CANCELLED) {
    return Error{Code::kPluginMisbehaving,
                 "task '" + spec().id + "' could not deliver items from " + std::to_string(start) +
                     " on (code " + std::to_string(code) + ")",
                 {}};
  }
  if (produced > n) {
    return Error{Code::kPluginMisbehaving,
                 "task '" + spec().id + "' says it delivered " + std::to_string(produced) + " items where " +
                     std::to_string(n) + " were asked for",
                 {}};
  }
  items.resize(produced);
  for (assay_item& item : items) check_item(spec().id, item, *arena);
  return {};
}

Result<void> MetricInstance::fit(std::span<const assay_record> records, bool last) const {
  assay_status status{};
  status.code = ASSAY_UNSET;
  CallScope scope(std::make_shared<Arena>(), nullptr, 0, sizeof(assay_record), 0);
  const std::int32_t code =
      fit_->fit(instance_, records.data(), records.size(), last ? 1 : 0, &status, scope.raw());
  if (code == ASSAY_OK) return {};
  return Error{
      Code::kData,
      "metric '" + spec().id + "' could not be fitted: " + reason(status.message, scope.arena(), 1000),
      {}};
}

void MetricInstance::eval(std::span<const assay_record> records, std::span<assay_score> scores,
                          const std::shared_ptr<Arena>& arena, const std::uint32_t* cancel) const {
  // The plugin sees the scores themselves, so where the values are is remembered here.
  std::vector<double*> values;
  values.reserve(scores.size());
  for (assay_score& score : scores) {
    values.push_back(score.values);
    score.value_count = item_values_;
    score.struct_size = sizeof(assay_score);
    score.state = ASSAY_STATE_UNSET;
    score.status = {};
    score.status.code = ASSAY_UNSET;
    score.note = {};
  }
  CallScope scope(arena, cancel, 0, sizeof(assay_record), sizeof(assay_score));
  const std::int32_t code =
      eval_->eval(instance_, records.data(), records.size(), scores.data(), scope.raw());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    assay_score& score = scores[i];
    score.struct_size = sizeof(assay_score);
    score.values = values[i];
    score.value_count = item_values_;
    if (code != ASSAY_OK && score.status.code == ASSAY_UNSET) {
      std::fill_n(score.values, item_values_, std::nan(""));
      score.state = ASSAY_STATE_ERROR;
      score.note = {};
      put_status(score.status, batch_code(code),
                 "metric '" + spec().id + "' failed on the whole batch with code " + std::to_string(code),
                 *arena);
    } else {
      check_score(spec().id, score, *arena);
    }
  }
}

bool MetricInstance::aggregate(const assay_sample& sample,
                               std::span<const std::span<const std::uint32_t>> picks,
                               std::span<double> out) const {
  for (double& value : out) value = std::nan("");
  if (aggregate_ == nullptr) return false;
  std::vector<const std::uint32_t*> starts;
  std::vector<std::size_t> counts;
  for (const auto& pick : picks) {
    starts.push_back(pick.data());
    counts.push_back(pick.size());
  }
  CallScope scope(std::make_shared<Arena>(), nullptr, 0, 0, 0);
  const std::int32_t code = aggregate_->aggregate(instance_, &sample, starts.data(), counts.data(),
                                                  picks.size(), out.data(), scope.raw());
  if (code != ASSAY_OK) std::fill(out.begin(), out.end(), std::nan(""));
  return code == ASSAY_OK;
}

InstanceFactory::InstanceFactory(const Registry& registry) : registry_(registry) {
  host_.struct_size = sizeof host_;
  host_.abi_major = ASSAY_ABI_MAJOR;
  host_.abi_minor = ASSAY_ABI_MINOR;
  host_.version = str("assay");
  host_.ctx = this;
  host_.get_extension = host_extension;
}

// Wrappers were made after the models they hold, so destruction runs backwards.
InstanceFactory::~InstanceFactory() {
  while (!models_.empty()) models_.pop_back();
}

Result<void> InstanceFactory::create(const Binding& binding, InstanceBase& out) {
  Result<const assay_entry*> entry = registry_.load(*binding.plugin, &host_);
  if (!entry) return std::move(entry).error();
  out.binding_ = binding;
  out.entry_ = *entry;
  for (const auto& [key, models] : binding.slots) {
    std::vector<ModelInstance*> bound;
    for (const Binding& inner : models) {
      Result<const ModelInstance*> made = model(inner);
      if (!made) return std::move(made).error();
      bound.push_back(const_cast<ModelInstance*>(*made));
    }
    out.slots_.slots.emplace_back(key, std::move(bound));
  }
  out.env_ = {sizeof(assay_env), 0, &host_, &out.slots_};
  ParamPack pack;
  if (Result<void> filled = pack.fill(binding); !filled) return filled;
  char message[4096] = {}, key[128] = {};
  assay_error error{};
  error.struct_size = sizeof error;
  error.message = message;
  error.message_capacity = sizeof message;
  error.key = key;
  error.key_capacity = sizeof key;
  const std::int32_t code =
      out.entry_->create(str(binding.spec().id), pack.raw(), &out.env_, &error, &out.instance_);
  if (code == ASSAY_OK && out.instance_ != nullptr) return {};
  out.instance_ = nullptr;
  std::string text = "plugin '" + binding.spec().id + "' could not be set up";
  if (error.message_len > 0 && error.message_len <= sizeof message) {
    text += ": " + printable({message, error.message_len}, sizeof message);
  } else {
    text += " and gave no reason (code " + std::to_string(code) + ")";
  }
  const bool known = code >= ASSAY_CANCELLED && code <= ASSAY_INTERNAL;
  return Error{known ? static_cast<Code>(code) : Code::kPluginMisbehaving, text,
               error.key_len <= sizeof key ? printable({key, error.key_len}, sizeof key) : std::string()};
}

Result<void> InstanceFactory::describe_model(ModelInstance& model) {
  const Binding& binding = model.binding_;
  std::uint64_t caps = binding.spec().provides;
  if (model.entry_->capabilities != nullptr &&
      model.entry_->capabilities(model.instance_, &caps) != ASSAY_OK) {
    return Error{
        Code::kPluginMisbehaving, "plugin '" + binding.spec().id + "' does not say what it can do", {}};
  }
  model.capabilities_ = caps & binding.spec().provides;
  const auto arena = std::make_shared<Arena>();
  CallScope scope(arena, nullptr, 0, 0, 0);
  std::string content;
  if (const auto* table = model.extension<assay_model_identity_v1>("assay.model.identity/1")) {
    assay_str text{};
    if (table->content == nullptr || table->content(model.instance_, &text, scope.raw()) != ASSAY_OK ||
        !arena->owns(text.ptr, text.len) || !valid_utf8(view(text))) {
      return Error{
          Code::kPluginMisbehaving, "plugin '" + binding.spec().id + "' does not say what it holds", {}};
    }
    content = std::string(view(text));
  }
  void* instance = nullptr;
  if (const assay_model_tokenize_v1* table = model.tokenize(&instance)) {
    assay_str text{};
    if (table->fingerprint(instance, &text, scope.raw()) == ASSAY_OK && arena->owns(text.ptr, text.len) &&
        valid_utf8(view(text))) {
      model.tokenizer_ = std::string(view(text));
    }
  }
  model.keyed_ = binding.spec().has(ASSAY_FLAG_KEYED_BY_ITEM);
  Json inner = Json::array();
  for (const auto& [key, models] : model.slots_.slots) {
    for (const ModelInstance* one : models) {
      inner.push_back({{"slot", key}, {"fingerprint", one->fingerprint()}});
      model.keyed_ = model.keyed_ || one->keyed_by_item();
    }
  }
  Json own = binding.identity();
  own.erase("slots");
  const Json identity = {{"plugin", own},
                         {"version", binding.spec().version},
                         {"library", binding.plugin->library->sha256},
                         {"abi", binding.plugin->library->abi_major},
                         {"content", content},
                         {"tokenizer", model.tokenizer_},
                         {"inner", inner}};
  model.identity_json_ = canonical(identity);
  model.fingerprint_ = sha256_hex(model.identity_json_);
  switch (binding.spec().concurrency) {
    case ASSAY_CONCURRENCY_PARALLEL:
      break;
    case ASSAY_CONCURRENCY_PER_INSTANCE:
      model.mutex_ = &model.own_mutex_;
      break;
    default: {
      auto& shared = library_mutexes_[model.entry_];
      if (!shared) shared = std::make_unique<std::mutex>();
      model.mutex_ = shared.get();
    }
  }
  return {};
}

Result<const ModelInstance*> InstanceFactory::model(const Binding& binding) {
  const std::string identity = canonical(binding.identity());
  if (const auto known = by_identity_.find(identity); known != by_identity_.end()) return known->second;
  auto made = std::make_unique<ModelInstance>();
  if (Result<void> done = create(binding, *made); !done) return std::move(done).error();
  if (Result<void> done = describe_model(*made); !done) return std::move(done).error();
  by_identity_[identity] = made.get();
  models_.push_back(std::move(made));
  return models_.back().get();
}

Result<std::unique_ptr<TaskInstance>> InstanceFactory::task(const Binding& binding) {
  auto made = std::make_unique<TaskInstance>();
  if (Result<void> done = create(binding, *made); !done) return std::move(done).error();
  made->items_ = made->extension<assay_task_items_v1>("assay.task.items/1");
  const assay_task_items_v1* items = made->items_;
  if (items == nullptr || items->open == nullptr || items->count == nullptr || items->fetch == nullptr ||
      (items->problem_count != nullptr && items->problem == nullptr)) {
    return Error{Code::kPluginMisbehaving, "task '" + binding.spec().id + "' offers no items", {}};
  }
  const auto arena = std::make_shared<Arena>();
  CallScope scope(arena, nullptr, 0, 0, 0);
  assay_status status{};
  status.code = ASSAY_UNSET;
  const std::int32_t code = made->items_->open(made->instance_, &status, scope.raw());
  if (code != ASSAY_OK) {
    const bool known = code >= ASSAY_CANCELLED && code <= ASSAY_INTERNAL;
    return Error{known ? static_cast<Code>(code) : Code::kPluginMisbehaving,
                 "task '" + binding.spec().id + "': " + reason(status.message, *arena, 4000),
                 {}};
  }
  if (made->items_->problem_count != nullptr) {
    const std::size_t problems = made->items_->problem_count(made->instance_);
    for (std::size_t i = 0; i < std::min(problems, limits::kProblemsMax); ++i) {
      assay_str text{};
      if (made->items_->problem(made->instance_, i, &text, scope.raw()) != ASSAY_OK) break;
      if (arena->owns(text.ptr, text.len)) made->problems_.push_back(printable(view(text), 1000));
    }
    if (problems > limits::kProblemsMax)
      made->problems_.push_back("... and " + std::to_string(problems - limits::kProblemsMax) + " more");
  }
  return made;
}

Result<std::unique_ptr<MetricInstance>> InstanceFactory::metric(const Binding& binding) {
  auto made = std::make_unique<MetricInstance>();
  if (Result<void> done = create(binding, *made); !done) return std::move(done).error();
  made->eval_ = made->extension<assay_metric_eval_v1>("assay.metric.eval/1");
  made->fit_ = made->extension<assay_metric_fit_v1>("assay.metric.fit/1");
  made->aggregate_ = made->extension<assay_metric_aggregate_v1>("assay.metric.aggregate/1");
  if (made->eval_ != nullptr && made->eval_->eval == nullptr) made->eval_ = nullptr;
  if (made->fit_ != nullptr && made->fit_->fit == nullptr) made->fit_ = nullptr;
  if (made->aggregate_ != nullptr && made->aggregate_->aggregate == nullptr) made->aggregate_ = nullptr;
  for (const ValueSpec& value : binding.spec().values)
    (value.custom() ? made->custom_values_ : made->item_values_) += 1;
  if (made->eval_ == nullptr || (made->custom_values_ != 0 && made->aggregate_ == nullptr)) {
    return Error{Code::kPluginMisbehaving,
                 "metric '" + binding.spec().id + "' lacks the functions its values need",
                 {}};
  }
  return made;
}

}  // namespace assay::host
