// Read-only views of items, requests and responses, as metrics and wrappers see them.
#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "assay/sdk/abi.hpp"

namespace assay {
inline namespace sdk_v1 {

/// Statistics of the tokens of a scored continuation or of a generated text. Arrays have size() entries; a
/// value that is absent is NaN; an array that was not delivered is empty.
class TokensView {
 public:
  explicit TokensView(const assay_tokens* raw = nullptr) : raw_(raw) {}
  [[nodiscard]] bool present() const { return raw_ != nullptr; }
  [[nodiscard]] std::size_t size() const { return raw_ == nullptr ? 0 : raw_->count; }
  [[nodiscard]] std::uint32_t flags() const { return raw_ == nullptr ? 0 : raw_->flags; }
  [[nodiscard]] std::span<const double> stat(assay_stat which) const {
    const auto index = static_cast<std::uint32_t>(which);
    if (raw_ == nullptr || raw_->stats == nullptr || index >= raw_->stat_count ||
        raw_->stats[index] == nullptr) {
      return {};
    }
    return {raw_->stats[index], raw_->count};
  }
  [[nodiscard]] std::span<const double> logprob() const { return stat(ASSAY_STAT_LOGPROB); }
  [[nodiscard]] std::span<const double> rank() const { return stat(ASSAY_STAT_RANK); }
  [[nodiscard]] std::span<const double> entropy() const { return stat(ASSAY_STAT_ENTROPY); }
  [[nodiscard]] std::span<const double> mean_lp() const { return stat(ASSAY_STAT_MEAN_LP); }
  [[nodiscard]] std::span<const double> var_lp() const { return stat(ASSAY_STAT_VAR_LP); }
  [[nodiscard]] std::span<const double> top1_id() const { return stat(ASSAY_STAT_TOP1_ID); }
  [[nodiscard]] std::span<const double> top1_logprob() const { return stat(ASSAY_STAT_TOP1_LOGPROB); }
  [[nodiscard]] std::span<const std::int32_t> ids() const {
    if (raw_ == nullptr || raw_->ids == nullptr) return {};
    return {raw_->ids, raw_->count};
  }
  [[nodiscard]] std::uint64_t vocabulary() const { return raw_ == nullptr ? 0 : raw_->vocabulary; }
  [[nodiscard]] const assay_tokens* raw() const { return raw_; }

 private:
  const assay_tokens* raw_;
};

/// One response. `ok()` is false when the model failed on the request; then only status fields have meaning.
class ResponseView {
 public:
  explicit ResponseView(const assay_response* raw) : raw_(raw) {}
  [[nodiscard]] bool ok() const { return raw_->status.code == ASSAY_OK; }
  [[nodiscard]] Code code() const { return static_cast<Code>(raw_->status.code); }
  [[nodiscard]] std::string_view message() const { return view(raw_->status.message); }
  [[nodiscard]] std::size_t samples() const { return raw_->choice_count; }
  /// Text, finish reason and statistics of generated sample i.
  [[nodiscard]] std::string_view text(std::size_t i = 0) const {
    return i < raw_->choice_count ? view(choice(i).text) : std::string_view{};
  }
  [[nodiscard]] Finish finish(std::size_t i = 0) const {
    return i < raw_->choice_count ? static_cast<Finish>(choice(i).finish) : Finish::kNone;
  }
  [[nodiscard]] double sample_mean_logprob(std::size_t i = 0) const {
    return i < raw_->choice_count ? choice(i).mean_logprob : kMissing;
  }
  [[nodiscard]] TokensView sample_tokens(std::size_t i = 0) const {
    return TokensView(i < raw_->choice_count ? choice(i).tokens : nullptr);
  }
  /// Statistics of a scored continuation.
  [[nodiscard]] TokensView tokens() const { return TokensView(raw_->tokens); }
  /// Mean natural log-probability over the scored tokens; from the tokens, or as recorded. NaN: nothing
  /// scored.
  [[nodiscard]] double mean_logprob() const {
    if (!std::isnan(raw_->mean_logprob)) return raw_->mean_logprob;
    double sum = 0;
    std::size_t n = 0;
    for (const double value : tokens().logprob()) {
      if (!std::isnan(value)) sum += value, ++n;
    }
    return n == 0 ? kMissing : sum / static_cast<double>(n);
  }
  /// Sum of the log-probabilities over the scored tokens; NaN: nothing scored.
  [[nodiscard]] double sum_logprob() const {
    double sum = 0;
    std::size_t n = 0;
    for (const double value : tokens().logprob()) {
      if (!std::isnan(value)) sum += value, ++n;
    }
    if (n != 0) return sum;
    // Imported logs know the sum of a continuation and nothing of its tokens.
    if (const std::span<const double> recorded = series("sum_logprob"); !recorded.empty()) return recorded[0];
    return std::isnan(raw_->mean_logprob) || raw_->scored_count <= 0
               ? kMissing
               : raw_->mean_logprob * static_cast<double>(raw_->scored_count);
  }
  /// Class probabilities, detector scores or an embedding.
  [[nodiscard]] std::span<const double> values() const { return {raw_->values, raw_->value_count}; }
  [[nodiscard]] std::size_t rows() const { return raw_->row_count; }
  [[nodiscard]] const assay_row& row(std::size_t i) const { return *element(raw_->rows, raw_->row_size, i); }
  /// A named series, empty when absent.
  [[nodiscard]] std::span<const double> series(std::string_view name) const {
    for (std::size_t i = 0; i < raw_->series_count; ++i) {
      if (view(raw_->series[i].name) == name) return {raw_->series[i].values, raw_->series[i].count};
    }
    return {};
  }
  [[nodiscard]] const assay_response* raw() const { return raw_; }

 private:
  [[nodiscard]] const assay_choice& choice(std::size_t i) const {
    return *element(raw_->choices, raw_->choice_size, i);
  }
  const assay_response* raw_;
};

/// The accepted answers of an item, usable in a range-for.
class TargetsView {
 public:
  explicit TargetsView(assay_str_list list) : list_(list) {}
  class Iterator {
   public:
    explicit Iterator(const assay_str* at) : at_(at) {}
    std::string_view operator*() const { return view(*at_); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    const assay_str* at_;
  };
  [[nodiscard]] Iterator begin() const { return Iterator(list_.items); }
  [[nodiscard]] Iterator end() const { return Iterator(list_.items + list_.count); }
  [[nodiscard]] std::size_t size() const { return list_.count; }
  [[nodiscard]] std::string_view operator[](std::size_t i) const { return view(list_.items[i]); }

 private:
  assay_str_list list_;
};

/// An item with its requests and what the models answered.
class Record {
 public:
  explicit Record(const assay_record* raw) : raw_(raw) {}

  [[nodiscard]] std::string_view id() const { return view(raw_->item->id); }
  [[nodiscard]] std::string_view group() const { return view(raw_->item->group); }
  [[nodiscard]] std::string_view variant() const { return view(raw_->item->variant); }
  [[nodiscard]] std::string_view text() const { return view(raw_->item->text); }
  /// 1 positive, 0 negative, -1 none.
  [[nodiscard]] int label() const { return raw_->item->label; }
  /// Position in the task, from 0.
  [[nodiscard]] std::uint64_t index() const { return raw_->index; }
  [[nodiscard]] TargetsView targets() const { return TargetsView(raw_->item->targets); }
  [[nodiscard]] std::optional<std::string_view> field(std::string_view key) const {
    const assay_field* found = find_field(key);
    if (found == nullptr) return std::nullopt;
    return view(found->text);
  }
  /// A numeric field; NaN when absent.
  [[nodiscard]] double number(std::string_view key) const {
    const assay_field* found = find_field(key);
    return found == nullptr ? kMissing : found->number;
  }

  [[nodiscard]] std::size_t size() const { return raw_->response_count; }
  [[nodiscard]] const assay_request& request(std::size_t i) const {
    return *element(raw_->item->requests, raw_->item->request_size, i);
  }
  [[nodiscard]] std::string_view name(std::size_t i) const { return view(request(i).name); }
  [[nodiscard]] ResponseView response(std::size_t i) const {
    return ResponseView(element(raw_->responses, raw_->response_size, i));
  }
  /// The response to the request of that name.
  [[nodiscard]] std::optional<ResponseView> find(std::string_view request_name) const {
    for (std::size_t i = 0; i < size(); ++i) {
      if (name(i) == request_name) return response(i);
    }
    return std::nullopt;
  }
  /// The first response of a kind, for tasks that ask one question.
  [[nodiscard]] std::optional<ResponseView> first(assay_request_kind kind) const {
    for (std::size_t i = 0; i < size(); ++i) {
      if (request(i).kind == kind) return response(i);
    }
    return std::nullopt;
  }
  /// Text of the first generated answer; empty when there is none.
  [[nodiscard]] std::string_view response_text() const {
    const auto found = first(ASSAY_REQUEST_GENERATE);
    return found ? found->text() : std::string_view{};
  }
  /// The same item answered by the retain_reference model, if the recipe has one.
  [[nodiscard]] std::optional<Record> reference() const {
    if (raw_->reference == nullptr) return std::nullopt;
    return Record(raw_->reference);
  }
  [[nodiscard]] const assay_record* raw() const { return raw_; }

 private:
  [[nodiscard]] const assay_field* find_field(std::string_view key) const {
    for (std::size_t i = 0; i < raw_->item->field_count; ++i) {
      if (view(raw_->item->fields[i].key) == key) return &raw_->item->fields[i];
    }
    return nullptr;
  }
  const assay_record* raw_;
};

using ItemView = Record;

}  // namespace sdk_v1
}  // namespace assay
