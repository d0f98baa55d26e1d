// Live plugin instances: created from bindings, called in batches, every answer checked.
//
// Thread rule: ModelInstance::run may be called from any thread; it serialises as the plugin's declared
// concurrency mode demands. TaskInstance and MetricInstance are used by one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "harness/plugins/instance_call.hpp"
#include "harness/suite/bind.hpp"

namespace assay::host {

class InstanceFactory;
class ModelInstance;

/// The models bound to the slots of one instance; what assay_env::bindings points to.
struct SlotModels {
  std::vector<std::pair<std::string, std::vector<ModelInstance*>>> slots;
};

/// What every live instance has: its library's entry, the C instance, the environment it was created with.
class InstanceBase {
 public:
  InstanceBase() = default;
  ~InstanceBase();
  InstanceBase(const InstanceBase&) = delete;
  InstanceBase& operator=(const InstanceBase&) = delete;

  [[nodiscard]] const PluginSpec& spec() const { return *binding_.plugin->spec; }
  [[nodiscard]] const Binding& binding() const { return binding_; }

 protected:
  friend class InstanceFactory;
  template <class T>
  [[nodiscard]] const T* extension(const char* id) const;

  Binding binding_;
  const assay_entry* entry_ = nullptr;
  void* instance_ = nullptr;
  assay_env env_{};
  SlotModels slots_;
};

/// Statuses and texts of a batch live in the arena of the call.
class ModelInstance : public InstanceBase {
 public:
  [[nodiscard]] std::uint64_t capabilities() const { return capabilities_; }
  /// 64 hex digits over plugin, library digest, parameters, inner models and trained content.
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }
  [[nodiscard]] const std::string& identity_json() const { return identity_json_; }
  [[nodiscard]] const std::string& tokenizer() const { return tokenizer_; }
  [[nodiscard]] const assay_model_tokenize_v1* tokenize(void** instance) const;
  /// True when answers depend on the item's id rather than on the request's text (here or in an inner model).
  [[nodiscard]] bool keyed_by_item() const { return keyed_; }

  /// Asks requests of one kind. Every response has a checked status afterwards. For ROWS requests the rows
  /// are kept in the responses unless `visit` is given.
  void run(int kind, std::span<const assay_request> requests, std::span<assay_response> responses,
           const std::shared_ptr<Arena>& arena, const std::uint32_t* cancel, std::uint64_t deadline_ns,
           const RowVisitor& visit = {}) const;

 private:
  friend class InstanceFactory;
  std::uint64_t capabilities_ = 0;
  std::string fingerprint_, identity_json_, tokenizer_;
  bool keyed_ = false;
  std::mutex* mutex_ = nullptr;  ///< NULL: PARALLEL
  std::mutex own_mutex_;
};

class TaskInstance : public InstanceBase {
 public:
  [[nodiscard]] std::int64_t count() const;
  /// Items from `start` on into `items` (resized to what there was); they live in `arena`.
  Result<void> fetch(std::uint64_t start, std::size_t n, std::vector<assay_item>& items,
                     const std::shared_ptr<Arena>& arena, const std::uint32_t* cancel) const;
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  friend class InstanceFactory;
  const assay_task_items_v1* items_ = nullptr;
  std::vector<std::string> problems_;
};

class MetricInstance : public InstanceBase {
 public:
  [[nodiscard]] bool wants_fit() const { return fit_ != nullptr; }
  [[nodiscard]] std::size_t item_values() const { return item_values_; }      ///< values per item
  [[nodiscard]] std::size_t custom_values() const { return custom_values_; }  ///< values of aggregate()

  Result<void> fit(std::span<const assay_record> records, bool last) const;
  /// Scores `records`; scores[i].values must point to item_values() doubles preset to NaN.
  void eval(std::span<const assay_record> records, std::span<assay_score> scores,
            const std::shared_ptr<Arena>& arena, const std::uint32_t* cancel) const;
  /// Custom values of each resample, row-major; NaN where undefined. False: the metric failed.
  bool aggregate(const assay_sample& sample, std::span<const std::span<const std::uint32_t>> picks,
                 std::span<double> out) const;

 private:
  friend class InstanceFactory;
  const assay_metric_eval_v1* eval_ = nullptr;
  const assay_metric_fit_v1* fit_ = nullptr;
  const assay_metric_aggregate_v1* aggregate_ = nullptr;
  std::size_t item_values_ = 0, custom_values_ = 0;
};

/// Makes instances; models with equal identity are made once. Owns the models; outlives tasks and metrics.
class InstanceFactory {
 public:
  explicit InstanceFactory(const Registry& registry);
  ~InstanceFactory();
  InstanceFactory(const InstanceFactory&) = delete;
  InstanceFactory& operator=(const InstanceFactory&) = delete;

  /// kInvalidArgument etc. with the plugin's own sentence.
  Result<const ModelInstance*> model(const Binding& binding);
  /// Opened: its data is read. kData, kNotFound with the plugin's sentence.
  Result<std::unique_ptr<TaskInstance>> task(const Binding& binding);
  Result<std::unique_ptr<MetricInstance>> metric(const Binding& binding);

 private:
  Result<void> create(const Binding& binding, InstanceBase& out);
  Result<void> describe_model(ModelInstance& model);

  const Registry& registry_;
  assay_host host_{};
  std::vector<std::unique_ptr<ModelInstance>> models_;
  std::map<std::string, ModelInstance*> by_identity_;
  std::map<const assay_entry*, std::unique_ptr<std::mutex>> library_mutexes_;
};

}  // namespace assay::host
