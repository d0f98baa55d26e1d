// What the tests of unlearning need to run tasks, models and metrics without the host: an arena, parameters,
// records, and the evaluation of one metric.
#pragma once

#include <cmath>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/metric.hpp"
#include "assay/sdk/model.hpp"
#include "assay/sdk/task.hpp"
#include "tests/support/plugin_params.hpp"

namespace assay::test {

/// A call whose memory lives as long as the object.
class TestCall {
 public:
  TestCall() : raw_{}, call_(&raw_) {
    raw_.struct_size = sizeof raw_;
    raw_.ctx = this;
    raw_.req_size = sizeof(assay_request);
    raw_.res_size = sizeof(assay_response);
    raw_.alloc = [](void* ctx, std::size_t size, std::size_t) noexcept -> void* {
      auto& blocks = static_cast<TestCall*>(ctx)->blocks_;
      blocks.emplace_back(new std::max_align_t[size / sizeof(std::max_align_t) + 1]);
      return blocks.back().get();
    };
  }
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;
  Call& operator*() { return call_; }

 private:
  std::vector<std::unique_ptr<std::max_align_t[]>> blocks_;
  assay_call raw_;
  Call call_;
};

using Answerer = std::function<Result<void>(const assay_request& request, ResponseWriter& out)>;

/// Items with what one model answered. `complete[i]`: every response of item i is OK.
struct Answered {
  std::vector<assay_item> items;
  std::vector<std::vector<assay_response>> responses;
  std::vector<bool> complete;
};

/// Items of an opened task, with the requests carrying their item id and variant as the host writes them.
inline std::vector<assay_item> items_of(Task& task, TestCall& call) {
  std::vector<assay_item> items;
  for (std::int64_t i = 0; i < task.count(); ++i) {
    assay_item item{};
    ItemWriter writer(item, *call);
    const Result<void> written = task.item(static_cast<std::uint64_t>(i), writer);
    if (written) writer.finish();
    item.status.code = written ? ASSAY_OK : static_cast<std::int32_t>(written.error().code);
    for (std::size_t r = 0; r < item.request_count; ++r) {
      auto& request = const_cast<assay_request&>(item.requests[r]);
      request.item = item.id;
      request.variant = item.variant;
    }
    items.push_back(item);
  }
  return items;
}

inline Answered answers_of(const std::vector<assay_item>& items, const Answerer& model, TestCall& call) {
  Answered out;
  out.items = items;
  for (const assay_item& item : items) {
    bool complete = item.status.code == ASSAY_OK;
    std::vector<assay_response> responses;
    for (std::size_t r = 0; r < item.request_count; ++r) {
      assay_response response{};
      ResponseWriter writer(response, *call);
      const Result<void> done = model(item.requests[r], writer);
      if (done) writer.finish();
      response.status.code = done ? ASSAY_OK : static_cast<std::int32_t>(done.error().code);
      complete = complete && done.ok();
      responses.push_back(response);
    }
    out.responses.push_back(std::move(responses));
    out.complete.push_back(complete);
  }
  return out;
}

/// Per-item values of one metric. Items without complete answers are left out, as the host does.
struct Scored {
  std::vector<std::vector<double>> rows;
  std::vector<State> states;
  std::vector<std::string> notes, variants;
  std::vector<int> labels;

  [[nodiscard]] double mean(std::string_view variant, std::size_t value = 0) const {
    double sum = 0;
    double n = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if ((!variant.empty() && variants[i] != variant) || std::isnan(rows[i][value])) continue;
      sum += rows[i][value];
      n += 1;
    }
    return n > 0 ? sum / n : kMissing;
  }
};

template <class M>
std::size_t item_value_count() {
  const assay_descriptor* d = detail::metric_descriptor<M>();
  std::size_t n = 0;
  for (std::size_t i = 0; i < d->value_count; ++i) n += d->values[i].rule == ASSAY_RULE_CUSTOM ? 0 : 1;
  return n;
}

template <class M>
Scored scores_of(M& metric, const Answered& target, const Answered* reference = nullptr) {
  TestCall call;
  Scored out;
  for (std::size_t i = 0; i < target.items.size(); ++i) {
    if (!target.complete[i]) continue;
    assay_record raw{};
    raw.struct_size = sizeof raw;
    raw.index = i;
    raw.item = &target.items[i];
    raw.responses = target.responses[i].data();
    raw.response_count = target.responses[i].size();
    raw.response_size = sizeof(assay_response);
    assay_record other = raw;
    if (reference != nullptr && reference->complete[i]) {
      other.responses = reference->responses[i].data();
      raw.reference = &other;
    }
    std::vector<double> values(item_value_count<M>(), kMissing);
    const Result<Outcome> outcome = metric.score(Record(&raw), values, *call);
    out.rows.push_back(values);
    out.states.push_back(outcome ? outcome->state : State::kError);
    out.notes.push_back(outcome ? outcome->note : outcome.error().text);
    out.variants.emplace_back(view(raw.item->variant));
    out.labels.push_back(raw.item->label);
  }
  return out;
}

/// Custom values over `picks` (all items if empty), in the order of the descriptor.
template <class M>
std::vector<double> aggregate_of(M& metric, const Scored& scored, std::vector<std::uint32_t> picks = {}) {
  const assay_descriptor* d = detail::metric_descriptor<M>();
  const std::size_t per_item = item_value_count<M>();
  std::vector<double> values;
  std::vector<assay_str> names;
  std::vector<std::uint32_t> variants;
  for (std::size_t i = 0; i < scored.rows.size(); ++i) {
    values.insert(values.end(), scored.rows[i].begin(), scored.rows[i].end());
    names.push_back(str(scored.variants[i]));
    variants.push_back(static_cast<std::uint32_t>(i));
    if (picks.size() == i) picks.push_back(static_cast<std::uint32_t>(i));
  }
  assay_sample raw{};
  raw.struct_size = sizeof raw;
  raw.item_count = scored.rows.size();
  raw.value_count = per_item;
  raw.values = values.data();
  raw.labels = scored.labels.data();
  raw.variants = variants.data();
  raw.variant_names = {names.data(), names.size()};
  std::vector<double> out(d->value_count - per_item, kMissing);
  const Result<void> done = metric.aggregate(Sample(&raw), picks, out);
  if (!done) out.clear();
  return out;
}

/// The custom value of that name.
template <class M>
double custom(const std::vector<double>& values, std::string_view name) {
  const assay_descriptor* d = detail::metric_descriptor<M>();
  std::size_t at = 0;
  for (std::size_t i = 0; i < d->value_count; ++i) {
    if (d->values[i].rule != ASSAY_RULE_CUSTOM) continue;
    if (view(d->values[i].name) == name) return values.at(at);
    ++at;
  }
  std::abort();  // the test names a value that does not exist
}

}  // namespace assay::test
