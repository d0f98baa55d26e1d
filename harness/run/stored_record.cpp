#include "harness/run/stored_record.hpp"

#include <cmath>
#include <cstring>

#include "assay/sdk/abi.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/stored_answer.hpp"
#include "harness/run/stored_item.hpp"

namespace assay::host {
namespace {

constexpr std::string_view kReferenceRole = "retain_reference";

bool of_target(std::string_view role) {
  return role.empty() || role == "target";
}

struct StatOf {
  std::uint64_t cap;
  int stat;
};
constexpr StatOf kStats[] = {
    {ASSAY_CAP_LOGPROB, ASSAY_STAT_LOGPROB},  {ASSAY_CAP_RANK, ASSAY_STAT_RANK},
    {ASSAY_CAP_ENTROPY, ASSAY_STAT_ENTROPY},  {ASSAY_CAP_MOMENTS, ASSAY_STAT_MEAN_LP},
    {ASSAY_CAP_MOMENTS, ASSAY_STAT_VAR_LP},   {ASSAY_CAP_TOP1, ASSAY_STAT_TOP1_ID},
    {ASSAY_CAP_TOP1, ASSAY_STAT_TOP1_LOGPROB}};
constexpr std::uint64_t kStatCaps = ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK |
                                    ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1 | ASSAY_CAP_TOPK;

// A text without tokens lacks nothing.
std::uint64_t held_by(const assay_tokens* tokens) {
  if (tokens == nullptr) return 0;
  if (tokens->count == 0) return kStatCaps;
  std::uint64_t held = kStatCaps & ~ASSAY_CAP_SCORE_MEAN;
  for (const StatOf& one : kStats) {
    const auto stat = static_cast<std::uint32_t>(one.stat);
    if (tokens->stats == nullptr || stat >= tokens->stat_count || tokens->stats[stat] == nullptr)
      held &= ~one.cap;
  }
  if (tokens->top_offset == nullptr) held &= ~ASSAY_CAP_TOPK;
  if ((held & ASSAY_CAP_LOGPROB) != 0) held |= ASSAY_CAP_SCORE_MEAN;
  return held;
}

bool has_series(const assay_response& response, std::string_view name) {
  for (std::size_t i = 0; i < response.series_count; ++i) {
    if (view(response.series[i].name) == name) return true;
  }
  return false;
}

std::uint64_t held_by(const assay_request& request, const assay_response& response) {
  if (response.status.code != ASSAY_OK) return 0;
  std::uint64_t held = 0;
  switch (request.kind) {
    case ASSAY_REQUEST_GENERATE:
      held = request.message_count != 0 ? ASSAY_CAP_GENERATE | ASSAY_CAP_CHAT : ASSAY_CAP_GENERATE;
      for (std::size_t i = 0; i < response.choice_count; ++i) {
        const assay_choice& choice = *element(response.choices, response.choice_size, i);
        if (choice.tokens != nullptr) held |= ASSAY_CAP_GENERATE_STATS | held_by(choice.tokens);
      }
      return held;
    case ASSAY_REQUEST_SCORE:
      held = held_by(response.tokens);
      if (!std::isnan(response.mean_logprob) || has_series(response, "sum_logprob"))
        held |= ASSAY_CAP_SCORE_MEAN;
      return held;
    case ASSAY_REQUEST_ROWS:
      for (std::size_t i = 0; i < response.row_count; ++i)
        held |= element(response.rows, response.row_size, i)->member < 0 ? ASSAY_CAP_ROWS : ASSAY_CAP_MEMBERS;
      return held;
    case ASSAY_REQUEST_CLASSIFY:
      return ASSAY_CAP_CLASSIFY;
    case ASSAY_REQUEST_EMBED:
      return ASSAY_CAP_EMBED;
    default:
      return 0;
  }
}

// What was asked, under the name, role and label that the item gives it.
Result<void> restore_asked(const std::string& json, Arena& arena, assay_request& out) {
  assay_request asked{};
  if (Result<void> ok = restore_request(json, arena, asked); !ok) return ok;
  asked.name = out.name;
  asked.role = out.role;
  asked.label = out.label;
  out = asked;
  return {};
}

Result<void> restore_answer(const WholeResponse& from, const std::vector<ItemResponse>* tokens, std::size_t i,
                            Arena& arena, assay_response& out) {
  out = {};
  out.struct_size = sizeof out;
  if (tokens == nullptr) return {};
  StoredResponse stored;
  stored.kind = from.kind;
  stored.state = from.state;
  stored.code = from.code;
  stored.answer = from.answer;
  stored.message = from.message;
  stored.tokens_in = from.tokens_in;
  stored.tokens_out = from.tokens_out;
  stored.total_ns = from.total_ns;
  if (i < tokens->size()) stored.tokens = (*tokens)[i].tokens;
  return restore_response(stored, arena, out);
}

// An answer that is nowhere: an imported log may lack it.
assay_response no_answer() {
  assay_response out{};
  out.struct_size = sizeof out;
  out.mean_logprob = std::nan("");
  out.status.code = ASSAY_NOT_FOUND;
  out.status.message = str("no answer to this request is stored");
  return out;
}

void fill(assay_record& record, const WholeItem& from, const assay_item& item,
          const std::vector<assay_response>& responses) {
  record = {};
  record.struct_size = sizeof record;
  record.repeat = from.line.repeat;
  record.index = static_cast<std::uint64_t>(from.line.position);
  record.item = &item;
  record.responses = responses.data();
  record.response_count = responses.size();
  record.response_size = sizeof(assay_response);
}

}  // namespace

Result<void> StoredRecord::restore(const WholeItem& from, const std::vector<ItemResponse>* tokens,
                                   Arena& arena) {
  result = from.line.result;
  state = from.line.state;
  kept = !from.body.empty();
  held = lacking = 0;
  responses.clear();
  reference_responses.clear();
  if (!kept) return {};
  const std::string place = "item '" + printable(from.line.item_id) + "'";
  if (Result<void> ok = restore_item(from.body, arena, item); !ok) return std::move(ok).error().within(place);
  // The restored item is this record's own, so its requests may be completed in place.
  auto* requests = const_cast<assay_request*>(item.requests);
  std::size_t at = 0;
  responses.reserve(item.request_count);
  for (std::size_t r = 0; r < item.request_count; ++r) {
    assay_request& request = requests[r];
    const bool found = at < from.responses.size() && from.responses[at].name == view(request.name) &&
                       from.responses[at].role == view(request.role);
    if (!found) {
      responses.push_back(no_answer());
      continue;
    }
    const WholeResponse& one = from.responses[at];
    Result<void> ok = restore_asked(one.request, arena, request);
    if (ok) ok = restore_answer(one, tokens, at, arena, responses.emplace_back());
    if (!ok) return std::move(ok).error().within(place);
    ++at;
    if (!of_target(view(request.role))) continue;
    const std::uint64_t holds = held_by(request, responses.back());
    held |= holds;
    if (request.kind == ASSAY_REQUEST_SCORE && responses.back().status.code == ASSAY_OK)
      lacking |= kStatCaps & ~holds;
  }
  fill(record, from, item, responses);
  bool whole = at < from.responses.size();
  reference_responses.reserve(from.responses.size() - at);
  for (; at < from.responses.size(); ++at) {
    const WholeResponse& one = from.responses[at];
    if (one.role != kReferenceRole) {
      return Error{Code::kData,
                   place + ": its stored answer '" + printable(one.name) +
                       "' belongs to no request of the item; run 'assay doctor' on the database",
                   {}};
    }
    Result<void> ok = restore_answer(one, tokens, at, arena, reference_responses.emplace_back());
    if (!ok) return std::move(ok).error().within(place);
    whole = whole && reference_responses.back().status.code == ASSAY_OK;
  }
  // A reference that failed leaves the record without one, as in the run.
  if (whole) {
    fill(reference, from, item, reference_responses);
    record.reference = &reference;
  }
  return {};
}

}  // namespace assay::host
