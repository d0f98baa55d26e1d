#include "db/pending.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "db/layout.hpp"

namespace assay::host {
namespace {

Error bad(const char* what, std::size_t index, const std::string& why) {
  return {
      Code::kInvalidArgument,
      "a batch for the database was refused: " + std::string(what) + " " + std::to_string(index) + " " + why,
      {}};
}

bool valid_state(int state) {
  return state >= 0 && state < kStateCount;
}

}  // namespace

std::uint64_t key_head(const Digest& key) {
  std::uint64_t head = 0;
  for (std::size_t i = 0; i < 8; ++i) head = head << 8U | key[i];
  return head;
}

bool same_key(const Digest& key, std::string_view stored) {
  return stored.size() == key.size() && std::memcmp(stored.data(), key.data(), key.size()) == 0;
}

bool Pending::answers(const Digest& key) {
  if (!sorted_) {
    for (std::size_t i = 0; i < batch->responses.size(); ++i) {
      const ResponseRow& row = batch->responses[i];
      if (servable(row.state)) keys_.emplace_back(key_head(row.key), static_cast<std::uint32_t>(i));
    }
    std::sort(keys_.begin(), keys_.end());
    sorted_ = true;
  }
  const std::uint64_t head = key_head(key);
  auto at = std::lower_bound(keys_.begin(), keys_.end(), std::pair{head, std::uint32_t{0}});
  for (; at != keys_.end() && at->first == head; ++at) {
    if (batch->responses[at->second].key == key) return true;
  }
  return false;
}

Pending make_pending(std::shared_ptr<const Batch> batch) {
  Pending pending;
  pending.rows = std::max<std::size_t>({batch->results.size(), batch->responses.size(), 1});
  pending.bytes = batch->results.size() * sizeof(ResultRow) + batch->responses.size() * sizeof(ResponseRow) +
                  batch->links.size() * sizeof(ResponseLink) + batch->scores.size() * sizeof(ScoreRow);
  for (const ItemRow& row : batch->items) pending.bytes += sizeof row + row.body.size();
  for (const ResponseRow& row : batch->responses) {
    pending.bytes += row.request.size() + row.answer.size() + row.tokens.size();
  }
  pending.batch = std::move(batch);
  pending.arrived = Clock::now();
  return pending;
}

Result<void> check_batch(const Batch& batch) {
  for (std::size_t i = 0; i < batch.results.size(); ++i) {
    const ResultRow& row = batch.results[i];
    if (row.evaluation <= 0 || row.evaluation > kEvaluationMax)
      return bad("result", i, "names no evaluation");
    if (row.item < 0) return bad("result", i, "names no item");
    if (!valid_state(row.state)) return bad("result", i, "has state " + std::to_string(row.state));
    if (row.link_begin > row.link_end || row.link_end > batch.links.size()) {
      return bad("result", i, "has links outside the batch");
    }
    if (row.score_begin > row.score_end || row.score_end > batch.scores.size()) {
      return bad("result", i, "has scores outside the batch");
    }
  }
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    if (batch.items[i].id <= 0) return bad("item", i, "has no place");
  }
  for (std::size_t i = 0; i < batch.responses.size(); ++i) {
    const ResponseRow& row = batch.responses[i];
    if (!valid_state(row.state)) return bad("response", i, "has state " + std::to_string(row.state));
  }
  for (std::size_t i = 0; i < batch.links.size(); ++i) {
    const ResponseLink& link = batch.links[i];
    const auto count = static_cast<std::int64_t>(batch.responses.size());
    if (link.response_in_batch < -1 || link.response_in_batch >= count) {
      return bad("link", i, "points outside the batch's responses");
    }
    if (link.response_in_batch == -1 && link.response_id <= 0) return bad("link", i, "points to no response");
  }
  for (std::size_t i = 0; i < batch.scores.size(); ++i) {
    if (!valid_state(batch.scores[i].state)) {
      return bad("score", i, "has state " + std::to_string(batch.scores[i].state));
    }
  }
  return {};
}

}  // namespace assay::host
