// A record put together by hand: an item, its requests and the answers a test wants to have been given.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/metric.hpp"
#include "tests/support/arena.hpp"

namespace assay::test {

class RecordBox {
 public:
  RecordBox() { item_.label = -1; }
  RecordBox(const RecordBox&) = delete;
  RecordBox& operator=(const RecordBox&) = delete;

  RecordBox& label(int value) {
    item_.label = value;
    return *this;
  }
  RecordBox& target(std::string_view text) {
    targets_.push_back(keep(text));
    return *this;
  }
  RecordBox& field(std::string_view key, std::string_view text) {
    fields_.push_back({keep(key), keep(text), kMissing});
    return *this;
  }
  RecordBox& field(std::string_view key, double number) {
    fields_.push_back({keep(key), {}, number});
    return *this;
  }
  /// A scored candidate; NaN: nothing was scored.
  RecordBox& scored(std::string_view name, std::string_view continuation, int truth, double sum) {
    assay_request& request = add(ASSAY_REQUEST_SCORE, name);
    request.continuation = keep(continuation);
    request.label = truth;
    responses_.back().mean_logprob = sum;
    responses_.back().scored_count = std::isnan(sum) ? 0 : 1;
    return *this;
  }
  /// Generated texts, each with the log-probabilities of its tokens (empty: not delivered).
  RecordBox& generated(std::string_view name, const std::vector<std::string_view>& texts,
                       const std::vector<std::vector<double>>& logprobs = {}) {
    add(ASSAY_REQUEST_GENERATE, name).n = static_cast<std::int32_t>(texts.size());
    ResponseWriter out(responses_.back(), arena_.call());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const assay_tokens* tokens = nullptr;
      if (i < logprobs.size() && !logprobs[i].empty()) {
        const TokensWriter writer =
            out.make_tokens(logprobs[i].size(), 1U << ASSAY_STAT_LOGPROB, false, false);
        std::copy(logprobs[i].begin(), logprobs[i].end(), writer.stat[ASSAY_STAT_LOGPROB].begin());
        tokens = writer.raw;
      }
      out.choice(texts[i], Finish::kStop, kMissing, tokens);
    }
    out.finish();
    return *this;
  }
  /// Distributions of the first token: the members' rows.
  RecordBox& distributions(std::string_view name, std::vector<std::vector<double>> rows) {
    add(ASSAY_REQUEST_ROWS, name);
    data_ = std::move(rows);
    for (std::size_t m = 0; m < data_.size(); ++m) {
      assay_row row{};
      row.struct_size = sizeof row;
      row.form = ASSAY_ROW_PROBABILITIES;
      row.dtype = ASSAY_F64;
      row.member = static_cast<std::int32_t>(m);
      row.vocabulary = static_cast<std::uint32_t>(data_[m].size());
      row.data = data_[m].data();
      rows_.push_back(row);
    }
    responses_.back().rows = rows_.data();
    responses_.back().row_count = rows_.size();
    responses_.back().row_size = sizeof(assay_row);
    return *this;
  }

  /// The record; valid until the box changes or ends.
  Record record() {
    item_.struct_size = sizeof item_;
    item_.id = str("item");
    item_.targets = {targets_.data(), targets_.size()};
    item_.fields = fields_.data();
    item_.field_count = fields_.size();
    item_.requests = requests_.data();
    item_.request_count = requests_.size();
    item_.request_size = sizeof(assay_request);
    raw_ = {};
    raw_.struct_size = sizeof raw_;
    raw_.item = &item_;
    raw_.responses = responses_.data();
    raw_.response_count = responses_.size();
    raw_.response_size = sizeof(assay_response);
    return Record(&raw_);
  }
  /// Scores the record with a metric of `width` per-item values.
  struct Scored {
    Outcome outcome;
    std::vector<double> values;
  };
  Scored score(Metric& metric, std::size_t width) {
    Scored out{{}, std::vector<double>(width, kMissing)};
    Call call = arena_.call();
    Result<Outcome> outcome = metric.score(record(), out.values, call);
    if (outcome) {
      out.outcome = *outcome;
    } else {
      out.outcome = {State::kError, outcome.error().text};
    }
    return out;
  }

 private:
  assay_str keep(std::string_view text) { return str(texts_.emplace_back(text)); }
  assay_request& add(assay_request_kind kind, std::string_view name) {
    assay_request request{};
    request.struct_size = sizeof request;
    request.kind = kind;
    request.name = keep(name);
    request.label = -1;
    requests_.push_back(request);
    responses_.push_back(empty_response());
    responses_.back().status.code = ASSAY_OK;
    return requests_.back();
  }

  Arena arena_;
  std::deque<std::string> texts_;
  std::vector<assay_str> targets_;
  std::vector<assay_field> fields_;
  std::vector<assay_request> requests_;
  std::vector<assay_response> responses_;
  std::vector<std::vector<double>> data_;
  std::vector<assay_row> rows_;
  assay_item item_{};
  assay_record raw_{};
};

}  // namespace assay::test
