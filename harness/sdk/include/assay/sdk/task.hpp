// Tasks: a class that opens its data, says how many items there are, and writes item i with its requests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/plugin.hpp"

namespace assay {
inline namespace sdk_v1 {

struct TaskInfo {
  std::string_view id;
  std::string_view version = "1.0.0";
  std::string_view title = {};
  std::string_view doc = {};
  std::string_view licence = "Apache-2.0";
  std::uint64_t requires_caps = 0;  ///< ASSAY_CAP_* every model under test needs
  std::uint32_t flags = 0;
};

/// One request of an item. Strings are copied into the arena by ItemWriter::request.
struct RequestSpec {
  assay_request_kind kind = ASSAY_REQUEST_GENERATE;
  std::string_view name = "answer";
  std::string_view role = {};  ///< empty: the model under test
  std::string_view prompt = {};
  std::string_view continuation = {};
  int label = -1;           ///< truth of a choice
  std::uint32_t flags = 0;  ///< ASSAY_REQ_*
  assay_join join = ASSAY_JOIN_JOINT_TAIL;
  std::uint64_t want = 0;  ///< statistics needed whatever the metrics ask for
  int max_tokens = 0;
  int samples = 1;
  int top_k = 0;
  double temperature = 0;
  double top_p = 1;
  std::vector<std::string_view> stop = {};
};

/// Collects one item; everything is copied into the arena of the fetch call.
class ItemWriter {
 public:
  ItemWriter(assay_item& item, const Call& call) : item_(item), call_(call) {
    item_.struct_size = sizeof(assay_item);
    item_.label = -1;
  }
  ItemWriter& id(std::string_view text) { return set(item_.id, text); }
  ItemWriter& group(std::string_view text) { return set(item_.group, text); }
  ItemWriter& variant(std::string_view text) { return set(item_.variant, text); }
  ItemWriter& text(std::string_view text) { return set(item_.text, text); }
  ItemWriter& label(int value) {
    item_.label = value;
    return *this;
  }
  ItemWriter& target(std::string_view text) {
    targets_.push_back(call_.copy(text));
    return *this;
  }
  ItemWriter& field(std::string_view key, std::string_view text) {
    fields_.push_back({call_.copy(key), call_.copy(text), kMissing});
    return *this;
  }
  ItemWriter& field(std::string_view key, double number) {
    fields_.push_back({call_.copy(key), {}, number});
    return *this;
  }
  ItemWriter& request(const RequestSpec& spec) {
    assay_request r{};
    r.struct_size = sizeof r;
    r.kind = spec.kind;
    r.flags = spec.flags;
    r.join = spec.join;
    r.name = call_.copy(spec.name);
    r.role = call_.copy(spec.role);
    r.label = spec.label;
    r.prompt = call_.copy(spec.prompt);
    r.continuation = call_.copy(spec.continuation);
    r.want = spec.want;
    r.max_tokens = spec.max_tokens;
    r.n = spec.samples;
    r.top_k = spec.top_k;
    r.temperature = spec.temperature;
    r.top_p = spec.top_p;
    std::vector<assay_str> stops;
    for (const std::string_view stop : spec.stop) stops.push_back(call_.copy(stop));
    r.stop = {call_.copy(std::span<const assay_str>(stops)), stops.size()};
    requests_.push_back(r);
    return *this;
  }
  /// Moves the collected lists into the arena; called by the SDK.
  void finish() {
    item_.targets = {call_.copy(std::span<const assay_str>(targets_)), targets_.size()};
    item_.fields = call_.copy(std::span<const assay_field>(fields_));
    item_.field_count = fields_.size();
    item_.requests = call_.copy(std::span<const assay_request>(requests_));
    item_.request_count = requests_.size();
    item_.request_size = sizeof(assay_request);
    item_.status = {};
  }

 private:
  ItemWriter& set(assay_str& where, std::string_view text) {
    where = call_.copy(text);
    return *this;
  }
  assay_item& item_;
  const Call& call_;
  std::vector<assay_str> targets_;
  std::vector<assay_field> fields_;
  std::vector<assay_request> requests_;
};

class Task : public Plugin {
 public:
  /// Reads and checks the data; called once before count() and item().
  virtual Result<void> open(Call& call) = 0;
  /// Number of items; -1 when unknown (then item() answers kNotFound at the end).
  [[nodiscard]] virtual std::int64_t count() const = 0;
  /// Writes item `index`. Must give the same item each time. kData makes an item in state error.
  virtual Result<void> item(std::uint64_t index, ItemWriter& out) = 0;

  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 protected:
  /// Reports a row of the data that cannot be used: a sentence with file and line.
  void problem(std::string sentence) { problems_.push_back(std::move(sentence)); }

 private:
  std::vector<std::string> problems_;
};

namespace detail {

template <class P>
const assay_descriptor* task_descriptor() {
  static const DescriptorStore kStore = [] {
    DescriptorStore store;
    store.build(std::make_unique<P>());
    assay_descriptor& d = store.descriptor;
    d.kind = ASSAY_TASK;
    d.concurrency = ASSAY_CONCURRENCY_PER_INSTANCE;
    d.flags = P::info.flags | ASSAY_FLAG_DETERMINISTIC;
    d.id = str(P::info.id);
    d.version = str(P::info.version);
    d.title = str(P::info.title);
    d.doc = str(P::info.doc);
    d.licence = str(P::info.licence);
    d.requires_caps = P::info.requires_caps;
    return store;
  }();
  return &kStore.descriptor;
}

inline std::int32_t task_open(void* instance, assay_status* status, const assay_call* raw) noexcept {
  Call call(raw);
  guarded(*status, call, [&] { return object_of<Task>(instance).open(call); });
  return status->code;
}

inline std::int64_t task_count(void* instance) noexcept {
  try {
    return object_of<Task>(instance).count();
  } catch (...) {
    return -1;  // fetch() meets the same exception and reports it
  }
}

inline std::int32_t task_fetch(void* instance, std::uint64_t start, std::size_t n, assay_item* items,
                               std::size_t* produced, const assay_call* raw) noexcept {
  const Call call(raw);
  Task& task = object_of<Task>(instance);
  std::int64_t total = -1;
  *produced = 0;
  try {
    total = task.count();
  } catch (...) {
    return ASSAY_INTERNAL;
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (total >= 0 && start + i >= static_cast<std::uint64_t>(total)) return ASSAY_OK;
    if (call.cancelled()) return ASSAY_CANCELLED;
    assay_item& item = *element(items, raw->res_size, i);
    bool end = false;
    guarded(item.status, call, [&]() -> Result<void> {
      ItemWriter writer(item, call);
      Result<void> written = task.item(start + i, writer);
      if (!written) {
        end = total < 0 && written.error().code == Code::kNotFound;
        return written;
      }
      writer.finish();
      return {};
    });
    if (end) return ASSAY_OK;
    *produced = i + 1;
  }
  return ASSAY_OK;
}

inline std::size_t task_problem_count(void* instance) noexcept {
  return object_of<Task>(instance).problems().size();
}

inline std::int32_t task_problem(void* instance, std::size_t i, assay_str* text,
                                 const assay_call* raw) noexcept {
  const std::vector<std::string>& all = object_of<Task>(instance).problems();
  *text = {};
  if (i >= all.size()) return ASSAY_NOT_FOUND;
  try {
    *text = Call(raw).copy(all[i]);
    return ASSAY_OK;
  } catch (...) {
    return ASSAY_RESOURCE_EXHAUSTED;
  }
}

inline const void* task_extension(std::string_view id) {
  static const assay_task_items_v1 kItems = {
      sizeof(assay_task_items_v1), 0, task_open, task_count, task_fetch, task_problem_count, task_problem};
  return id == "assay.task.items/1" ? &kItems : nullptr;
}

}  // namespace detail

template <class P>
requires std::is_base_of_v<Task, P> PluginClass plugin_class_of() {
  return {detail::task_descriptor<P>, []() -> Plugin* { return new P(); },
          [](Plugin&, std::uint64_t* caps) -> int {
            *caps = 0;
            return ASSAY_OK;
          },
          detail::task_extension};
}

}  // namespace sdk_v1
}  // namespace assay
