// Metrics: a small class with eval(), or score() when there are several values, states or notes.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "assay/sdk/plugin.hpp"
#include "assay/sdk/record.hpp"

namespace assay {
inline namespace sdk_v1 {

enum class Rule : std::int32_t {
  kNone = ASSAY_RULE_NONE,
  kProportion = ASSAY_RULE_PROPORTION,
  kMean = ASSAY_RULE_MEAN,
  kAuroc = ASSAY_RULE_AUROC,
  kRatio = ASSAY_RULE_RATIO,
  kExpMean = ASSAY_RULE_EXP_MEAN,
  kCustom = ASSAY_RULE_CUSTOM,
};

struct Range {
  double min = kMissing, max = kMissing;
};

/// One named value of a metric (plugin.h, assay_value_info).
struct ValueInfo {
  std::string_view name;
  Rule rule = Rule::kMean;
  bool higher_is_better = true;
  bool has_direction = true;
  bool headline = false;
  bool no_interval = false;
  Range range = {};
  std::string_view doc = {};
  std::string_view unit = {};
  std::string_view denominator = {};  ///< kRatio: the name of the value below the line
  std::string_view note = {};
};

/// What a metric is. With `static constexpr ValueInfo values[]` in the class the fields from `rule` on are
/// taken from there instead.
struct MetricInfo {
  std::string_view id;
  std::string_view version = "1.0.0";
  std::string_view title = {};
  std::string_view doc = {};
  std::string_view licence = "Apache-2.0";
  std::uint64_t requires_caps = 0;  ///< ASSAY_CAP_* the model must deliver
  std::uint32_t flags = 0;          ///< ASSAY_FLAG_*
  std::string_view value = "score";
  Rule rule = Rule::kMean;
  Range range = {0.0, 1.0};
  bool higher_is_better = true;
};

/// What score() says beside the values. `note` is shown to people: the parsed answer, or the reason.
struct Outcome {
  State state = State::kOk;
  std::string note = {};
};

/// All item values of one sample, for aggregate().
class Sample {
 public:
  explicit Sample(const assay_sample* raw) : raw_(raw) {}
  [[nodiscard]] std::size_t items() const { return raw_->item_count; }
  /// Per-item value `v` (in the order of the descriptor) of item `i`; NaN: missing.
  [[nodiscard]] double value(std::size_t i, std::size_t v) const {
    return raw_->values[i * raw_->value_count + v];
  }
  [[nodiscard]] int label(std::size_t i) const { return raw_->labels[i]; }
  [[nodiscard]] std::uint32_t group(std::size_t i) const { return raw_->groups[i]; }
  [[nodiscard]] std::string_view variant(std::size_t i) const {
    return view(raw_->variant_names.items[raw_->variants[i]]);
  }

 private:
  const assay_sample* raw_;
};

class Metric : public Plugin {
 public:
  /// The value of one item, for metrics with one value.
  virtual Result<double> eval(const Record& /*item*/, Call& /*call*/) {
    return Error{Code::kInternal, "the metric implements neither eval() nor score()", {}};
  }
  /// The values of one item, in the order of the descriptor; they are NaN before the call.
  virtual Result<Outcome> score(const Record& item, std::span<double> values, Call& call) {
    Result<double> value = eval(item, call);
    if (!value) return std::move(value).error();
    values[0] = *value;
    return Outcome{};
  }
  /// Sees all items without responses before the first score; `last` marks the final portion.
  virtual Result<void> fit(std::span<const Record> /*items*/, bool /*last*/) { return {}; }
  /// Computes the custom values of one resample; `picks` lists item numbers, `values` is NaN before the call.
  virtual Result<void> aggregate(const Sample& /*sample*/, std::span<const std::uint32_t> /*picks*/,
                                 std::span<double> /*values*/) {
    return {};
  }
};

namespace detail {

template <class P>
concept HasValues = requires {
  P::values;
};

inline assay_value_info value_info(const ValueInfo& info) {
  assay_value_info out{};
  out.struct_size = sizeof out;
  out.rule = static_cast<std::int32_t>(info.rule);
  out.direction = !info.has_direction     ? ASSAY_NO_DIRECTION
                  : info.higher_is_better ? ASSAY_HIGHER_IS_BETTER
                                          : ASSAY_LOWER_IS_BETTER;
  out.flags = (info.headline ? ASSAY_VALUE_HEADLINE : 0U) | (info.no_interval ? ASSAY_VALUE_NO_INTERVAL : 0U);
  out.name = str(info.name);
  out.doc = str(info.doc);
  out.unit = str(info.unit);
  out.denominator = str(info.denominator);
  out.note = str(info.note);
  out.min = info.range.min;
  out.max = info.range.max;
  return out;
}

template <class P>
const assay_descriptor* metric_descriptor() {
  static const DescriptorStore kStore = [] {
    DescriptorStore store;
    if constexpr (HasValues<P>) {
      for (const ValueInfo& info : P::values) store.values.push_back(value_info(info));
    } else {
      store.values.push_back(value_info({.name = P::info.value,
                                         .rule = P::info.rule,
                                         .higher_is_better = P::info.higher_is_better,
                                         .headline = true,
                                         .range = P::info.range,
                                         .doc = P::info.title}));
    }
    store.build(std::make_unique<P>());
    assay_descriptor& d = store.descriptor;
    d.kind = ASSAY_METRIC;
    d.concurrency = ASSAY_CONCURRENCY_PER_INSTANCE;
    d.flags = P::info.flags | ASSAY_FLAG_DETERMINISTIC | ASSAY_FLAG_BATCH_INVARIANT;
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

template <class P>
std::int32_t metric_eval(void* instance, const assay_record* records, std::size_t n, assay_score* scores,
                         const assay_call* raw) noexcept {
  Call call(raw);
  for (std::size_t i = 0; i < n; ++i) {
    assay_score& score = *element(scores, raw->res_size, i);
    if (call.cancelled() || call.late()) {
      set_status(score.status, call.cancelled() ? Code::kCancelled : Code::kTimeout, "stopped", call);
      continue;
    }
    guarded(score.status, call, [&]() -> Result<void> {
      const Record record(element(records, raw->req_size, i));
      Result<Outcome> outcome =
          object_of<P>(instance).score(record, std::span<double>(score.values, score.value_count), call);
      if (!outcome) return std::move(outcome).error();
      score.state = static_cast<std::int32_t>(outcome->state);
      if (!outcome->note.empty()) score.note = call.copy(outcome->note);
      return {};
    });
  }
  return ASSAY_OK;
}

template <class P>
std::int32_t metric_fit(void* instance, const assay_record* records, std::size_t n, std::int32_t last,
                        assay_status* status, const assay_call* raw) noexcept {
  const Call call(raw);
  guarded(*status, call, [&]() -> Result<void> {
    std::vector<Record> items;
    items.reserve(n);
    for (std::size_t i = 0; i < n; ++i) items.emplace_back(element(records, raw->req_size, i));
    return object_of<P>(instance).fit(items, last != 0);
  });
  return status->code;
}

template <class P>
std::int32_t metric_aggregate(void* instance, const assay_sample* sample, const std::uint32_t* const* picks,
                              const std::size_t* counts, std::size_t n, double* results,
                              const assay_call* raw) noexcept {
  static const std::size_t kCustom = [] {
    std::size_t custom = 0;
    const assay_descriptor* d = metric_descriptor<P>();
    for (std::size_t i = 0; i < d->value_count; ++i) custom += d->values[i].rule == ASSAY_RULE_CUSTOM ? 1 : 0;
    return custom;
  }();
  const Call call(raw);
  for (std::size_t r = 0; r < n; ++r) {
    if (call.cancelled()) return ASSAY_CANCELLED;
    try {
      const Result<void> done = object_of<P>(instance).aggregate(Sample(sample), {picks[r], counts[r]},
                                                                 {results + r * kCustom, kCustom});
      if (!done) return static_cast<std::int32_t>(done.error().code);
    } catch (...) {
      return ASSAY_INTERNAL;
    }
  }
  return ASSAY_OK;
}

template <class P>
const void* metric_extension(std::string_view id) {
  static const assay_metric_eval_v1 kEval = {sizeof(assay_metric_eval_v1), 0, metric_eval<P>};
  static const assay_metric_fit_v1 kFit = {sizeof(assay_metric_fit_v1), 0, metric_fit<P>};
  static const assay_metric_aggregate_v1 kAggregate = {sizeof(assay_metric_aggregate_v1), 0,
                                                       metric_aggregate<P>};
  if (id == "assay.metric.eval/1") return &kEval;
  // A base-class member found through P has the base's type: the class did not override it.
  if (id == "assay.metric.fit/1" && !std::is_same_v<decltype(&P::fit), decltype(&Metric::fit)>) return &kFit;
  if (id == "assay.metric.aggregate/1" &&
      !std::is_same_v<decltype(&P::aggregate), decltype(&Metric::aggregate)>) {
    return &kAggregate;
  }
  return nullptr;
}

}  // namespace detail

template <class P>
requires std::is_base_of_v<Metric, P> PluginClass plugin_class_of() {
  return {detail::metric_descriptor<P>, []() -> Plugin* { return new P(); },
          [](Plugin&, std::uint64_t* caps) -> int {
            *caps = 0;
            return ASSAY_OK;
          },
          detail::metric_extension<P>};
}

}  // namespace sdk_v1
}  // namespace assay
