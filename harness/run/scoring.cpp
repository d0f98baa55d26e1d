#include "harness/run/scoring.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_map>

#include "assay/sdk/abi.hpp"
#include "db/blob.hpp"
#include "db/queries.hpp"
#include "harness/run/request.hpp"
#include "harness/run/stored_item.hpp"

namespace assay::host {
namespace {

// The item's state: the worst of its answers, in the order timeout, error, unsupported, refused, truncated,
// empty.
int severity(int state) {
  switch (state) {
    case ASSAY_STATE_TIMEOUT:
      return 7;
    case ASSAY_STATE_ERROR:
      return 6;
    case ASSAY_STATE_UNSUPPORTED:
      return 5;
    case ASSAY_STATE_REFUSED:
      return 4;
    case ASSAY_STATE_TRUNCATED:
      return 3;
    case ASSAY_STATE_EMPTY:
      return 2;
    case ASSAY_STATE_UNPARSED:
      return 1;
    default:
      return 0;
  }
}

class Scorer {
 public:
  Scorer(LiveEvaluation& evaluation, Window& window, const std::vector<std::uint32_t>& which, bool refresh)
      : evaluation_(evaluation),
        window_(window),
        which_(which),
        refresh_(refresh),
        batch_(std::make_shared<Batch>()) {}

  std::shared_ptr<const Batch> run(std::int64_t (&states)[8], std::string& infrastructure) {
    gather();
    for (std::size_t m = 0; m < evaluation_.plan->metrics.size(); ++m) {
      if (evaluation_.supported[m]) evaluate(m);
    }
    for (std::size_t i = 0; i < which_.size(); ++i) {
      add_rows(i);
      states[static_cast<std::size_t>(states_[i])] += 1;
      if (state_failed(states_[i])) ++evaluation_.failed;
    }
    evaluation_.finished += static_cast<std::int64_t>(which_.size());
    infrastructure = infrastructure_;
    batch_->keep.push_back(window_.arena());
    batch_->refresh = refresh_;
    return batch_;
  }

 private:
  struct Judged {
    std::size_t metric = 0;
    std::vector<double> values;
    std::vector<assay_score> scores;
  };

  // Responses in request order, states and messages per item.
  void gather() {
    const std::size_t n = which_.size();
    std::size_t total = 0;
    for (const std::uint32_t index : which_) {
      total += window_.items()[index].uses.size() + window_.items()[index].reference.size();
    }
    responses_.reserve(total);  // records point into it, so it must not grow
    records_.resize(n);
    reference_records_.resize(n);
    states_.assign(n, ASSAY_STATE_OK);
    messages_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      const WindowItem& item = window_.items()[which_[i]];
      if (item.item->status.code != ASSAY_OK) {
        states_[i] = item.item->status.code == ASSAY_TIMEOUT ? ASSAY_STATE_TIMEOUT : ASSAY_STATE_ERROR;
        messages_[i] = view(item.item->status.message);
      }
      const assay_response* own = responses_.data() + responses_.size();
      for (const std::uint32_t use : item.uses) collect(i, use);
      fill(records_[i], item, {own, item.uses.size()});
      if (item.reference.empty()) continue;
      const assay_response* reference = responses_.data() + responses_.size();
      // A reference that failed leaves the record without one: only the metrics that need it lose the item.
      bool whole = true;
      for (const std::uint32_t use : item.reference) {
        responses_.push_back(window_.unique(use).response);
        whole = whole && responses_.back().status.code == ASSAY_OK;
      }
      if (!whole) continue;
      fill(reference_records_[i], item, {reference, item.reference.size()});
      records_[i].reference = &reference_records_[i];
    }
  }

  void collect(std::size_t i, std::uint32_t use) {
    const UniqueRequest& unique = window_.unique(use);
    responses_.push_back(unique.response);
    const int state = state_of(unique.response, unique.request.kind);
    if (severity(state) > severity(states_[i])) {
      states_[i] = state;
      if (unique.response.status.code != ASSAY_OK) messages_[i] = view(unique.response.status.message);
    }
    switch (unique.response.status.code) {
      case ASSAY_AUTH:
      case ASSAY_RATE_LIMITED:
      case ASSAY_UNAVAILABLE:
      case ASSAY_RESOURCE_EXHAUSTED:
        infrastructure_ = std::string(view(unique.response.status.message));
        break;
      default:
        break;
    }
  }

  static void fill(assay_record& record, const WindowItem& item, std::span<const assay_response> responses) {
    record = {};
    record.struct_size = sizeof record;
    record.repeat = item.repeat;
    record.index = item.position;
    record.item = item.item;
    record.responses = responses.data();
    record.response_count = responses.size();
    record.response_size = sizeof(assay_response);
  }

  // Asks metric m for every item it can judge; baselines look at the item alone and judge all good items.
  void evaluate(std::size_t m) {
    const MetricInstance& metric = *evaluation_.live->metrics[m];
    const bool needs_answers = !(evaluation_.plan->metrics[m].baseline && metric.spec().requires_caps == 0);
    const std::size_t width = metric.item_values();
    Judged& out = judged_.emplace_back();
    out.metric = m;
    out.values.assign(which_.size() * width, std::nan(""));
    out.scores.resize(which_.size());
    std::vector<assay_record> asked;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < which_.size(); ++i) {
      out.scores[i].state = states_[i];
      const bool bad_item = window_.items()[which_[i]].item->status.code != ASSAY_OK;
      if (bad_item || (needs_answers && state_failed(states_[i]))) continue;
      asked.push_back(records_[i]);
      places.push_back(i);
    }
    std::vector<assay_score> scores(asked.size());
    for (std::size_t k = 0; k < asked.size(); ++k) {
      scores[k].values = out.values.data() + places[k] * width;
      scores[k].value_count = width;
    }
    metric.eval(asked, scores, window_.arena(), nullptr);
    for (std::size_t k = 0; k < asked.size(); ++k) {
      assay_score& score = scores[k];
      if (score.status.code != ASSAY_OK) {
        score.state = ASSAY_STATE_ERROR;
        score.note = score.status.message;
      }
      out.scores[places[k]] = score;
      int& state = states_[places[k]];
      // A metric may find that there is no usable answer; a failing metric does not make the item an error.
      const bool says_refused = score.state == ASSAY_STATE_REFUSED || score.state == ASSAY_STATE_UNPARSED;
      if (!evaluation_.plan->metrics[m].baseline && says_refused && state == ASSAY_STATE_OK) {
        state = score.state;
        messages_[places[k]] = view(score.note);
      }
    }
  }

  void add_rows(std::size_t i) {
    const WindowItem& item = window_.items()[which_[i]];
    ResultRow row;
    row.evaluation = evaluation_.row;
    row.position = static_cast<std::int64_t>(item.position);
    row.item_id = view(item.item->id);
    row.variant = view(item.item->variant);
    row.group = view(item.item->group);
    row.label = item.item->label;
    row.repeat = item.repeat;
    row.state = states_[i];
    row.message = messages_[i];
    row.content = content_hash(*item.item);
    row.item = keep_item(item, row.content);
    row.link_begin = static_cast<std::uint32_t>(batch_->links.size());
    for (std::size_t r = 0; r < item.uses.size(); ++r) {
      const assay_request& request = *element(item.item->requests, item.item->request_size, r);
      add_link(item.uses[r], view(request.name), view(request.role));
    }
    for (std::size_t r = 0; r < item.reference.size(); ++r) {
      add_link(item.reference[r], view(window_.unique(item.reference[r]).request.name), "retain_reference");
    }
    row.link_end = static_cast<std::uint32_t>(batch_->links.size());
    row.score_begin = static_cast<std::uint32_t>(batch_->scores.size());
    for (const Judged& judged : judged_) add_scores(judged, i);
    row.score_end = static_cast<std::uint32_t>(batch_->scores.size());
    batch_->results.push_back(row);
  }

  // The item's place in its set, stored there if it is the first time that it is seen.
  RowId keep_item(const WindowItem& item, std::uint64_t content) {
    if (evaluation_.item_set == 0 || item.position > UINT32_MAX || item.item->status.code != ASSAY_OK)
      return 0;
    const auto position = static_cast<std::size_t>(item.position);
    const RowId id = (evaluation_.item_set << 32U) | static_cast<RowId>(item.position);
    if (evaluation_.kept.size() <= position) evaluation_.kept.resize(position + 1 + position / 2);
    std::uint32_t& kept = evaluation_.kept[position];
    const std::uint32_t mark = content_mark(content);
    if (kept == mark) return id;
    if (kept != 0) {
      ++evaluation_.changed;
      return 0;
    }
    kept = mark;
    scratch_.clear();
    append_item_json(*item.item, scratch_);
    batch_->items.push_back({id, content, window_.keep(scratch_)});
    return id;
  }

  void add_scores(const Judged& judged, std::size_t i) {
    const std::vector<RowId>& rows = evaluation_.value_rows[judged.metric];
    const assay_score& score = judged.scores[i];
    for (std::size_t v = 0; v < rows.size(); ++v) {
      ScoreRow out;
      out.value = rows[v];
      out.number = judged.values[i * rows.size() + v];
      out.state = score.state;
      if (v == 0) out.note = view(score.note);
      batch_->scores.push_back(out);
    }
  }

  void add_link(std::uint32_t use, std::string_view name, std::string_view role) {
    ResponseLink link;
    link.name = name;
    link.role = role;
    if (const RowId stored = window_.unique(use).stored; stored != 0) {
      link.response_id = stored;
      link.cached = true;
      batch_->links.push_back(link);
      return;
    }
    const auto [known, fresh] = in_batch_.emplace(use, batch_->responses.size());
    if (fresh) add_response(use);
    link.response_in_batch = static_cast<std::int64_t>(known->second);
    batch_->links.push_back(link);
  }

  void add_response(std::uint32_t use) {
    const UniqueRequest& unique = window_.unique(use);
    const assay_response& answer = unique.response;
    ResponseRow row;
    row.key = unique.key;
    row.model = model_row(unique.model);
    row.kind = unique.request.kind;
    row.request = unique.json;
    row.state = state_of(answer, unique.request.kind);
    row.code = answer.status.code;
    if (answer.status.code == ASSAY_OK) {
      scratch_.clear();
      append_answer_json(answer, scratch_);
      row.answer = window_.keep(scratch_);
      scratch_.clear();
      encode_tokens(answer, scratch_);
      if (!scratch_.empty()) row.tokens = window_.keep(scratch_);
    } else {
      row.message = view(answer.status.message);
    }
    row.tokens_in = answer.tokens_in;
    row.tokens_out = answer.tokens_out;
    row.total_ns = static_cast<std::int64_t>(answer.total_ns);
    row.attempts = answer.attempts == 0 ? 1 : answer.attempts;
    row.provider_id = view(answer.provider_id);
    batch_->responses.push_back(row);
  }

  RowId model_row(const ModelInstance* model) const {
    if (model == evaluation_.target) return evaluation_.model_rows.front();
    for (std::size_t r = 0; r < evaluation_.roles.size(); ++r) {
      if (evaluation_.roles[r].second == model) return evaluation_.model_rows[r + 1];
    }
    return evaluation_.model_rows.front();
  }

  LiveEvaluation& evaluation_;
  Window& window_;
  const std::vector<std::uint32_t>& which_;
  bool refresh_;
  std::shared_ptr<Batch> batch_;
  std::string scratch_;
  std::vector<assay_response> responses_;
  std::vector<assay_record> records_, reference_records_;
  std::vector<int> states_;
  std::vector<std::string_view> messages_;
  std::vector<Judged> judged_;
  std::unordered_map<std::uint32_t, std::size_t> in_batch_;
  std::string infrastructure_;
};

}  // namespace

int state_of(const assay_response& response, int kind) {
  switch (response.status.code) {
    case ASSAY_OK:
      break;
    case ASSAY_TIMEOUT:
      return ASSAY_STATE_TIMEOUT;
    case ASSAY_UNSUPPORTED:
      return ASSAY_STATE_UNSUPPORTED;
    default:
      return ASSAY_STATE_ERROR;
  }
  if (kind == ASSAY_REQUEST_GENERATE) {
    if (response.choice_count == 0) return response.series_count != 0 ? ASSAY_STATE_OK : ASSAY_STATE_EMPTY;
    const assay_choice& first = *element(response.choices, response.choice_size, 0);
    if (first.finish == ASSAY_FINISH_FILTER) return ASSAY_STATE_REFUSED;
    if (first.finish == ASSAY_FINISH_LENGTH) return ASSAY_STATE_TRUNCATED;
    const std::string_view text = view(first.text);
    return text.find_first_not_of(" \t\r\n") == std::string_view::npos ? ASSAY_STATE_EMPTY : ASSAY_STATE_OK;
  }
  if (kind == ASSAY_REQUEST_SCORE && response.tokens != nullptr && response.tokens->count == 0)
    return ASSAY_STATE_EMPTY;
  if (kind == ASSAY_REQUEST_CLASSIFY || kind == ASSAY_REQUEST_EMBED) {
    return response.value_count == 0 ? ASSAY_STATE_EMPTY : ASSAY_STATE_OK;
  }
  if (kind == ASSAY_REQUEST_ROWS) return response.row_count == 0 ? ASSAY_STATE_EMPTY : ASSAY_STATE_OK;
  return ASSAY_STATE_OK;
}

std::shared_ptr<const Batch> score_items(LiveEvaluation& evaluation, Window& window,
                                         const std::vector<std::uint32_t>& which, std::int64_t (&states)[8],
                                         std::string& infrastructure, bool refresh) {
  return Scorer(evaluation, window, which, refresh).run(states, infrastructure);
}

}  // namespace assay::host
