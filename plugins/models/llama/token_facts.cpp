#include "token_facts.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#if __has_include("assay/sdk/kernel.hpp")
#include "assay/sdk/kernel.hpp"
#endif

namespace assay::llama {
namespace {

Result<TokenStatistics> stats_of(std::span<const float> logits, llama_token target, std::uint32_t want) {
#if __has_include("assay/sdk/kernel.hpp")
  return stats_from_logits(logits, target, want);
#else
  return token_stats(logits, ASSAY_ROW_LOGITS, target, want);
#endif
}

/// The `count` largest entries. Their log-probabilities follow from the target's.
std::vector<std::pair<llama_token, double>> top_of(std::span<const float> logits, std::size_t target,
                                                   double logprob, std::size_t count) {
  std::vector<llama_token> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](llama_token id) { return logits[static_cast<std::size_t>(id)]; };
  const auto last = order.begin() + static_cast<std::ptrdiff_t>(std::min(count, order.size()));
  std::partial_sort(order.begin(), last, order.end(),
                    [&](llama_token a, llama_token b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  std::vector<std::pair<llama_token, double>> out;
  for (auto id = order.begin(); id != last && std::isfinite(at(*id)); ++id) {
    const double distance = static_cast<double>(at(*id)) - static_cast<double>(logits[target]);
    out.emplace_back(*id, std::min(logprob + distance, 0.0));
  }
  return out;
}

}  // namespace

Result<TokenFacts> facts_of(std::span<const float> logits, llama_token target, const TokenWish& wish) {
  auto stats = stats_of(logits, target, wish.stats);
  if (!stats) return std::move(stats).error();
  if (std::isinf(stats->logprob)) {
    return Error{Code::kData,
                 "the model gives token " + std::to_string(target) +
                     " the probability 0, so that its log-probability is infinite",
                 {}};
  }
  TokenFacts facts{*stats, {}};
  if (wish.top != 0) facts.top = top_of(logits, static_cast<std::size_t>(target), stats->logprob, wish.top);
  return facts;
}

FactsWriter::FactsWriter(const ResponseWriter& out, std::size_t count, std::uint64_t want,
                         const TokenWish& wish, bool spans)
    : arrays_(out.make_tokens(count, token_stat_mask(want), true, spans)) {
  if (wish.top == 0) return;
  top_offset_ = out.call().allocate<std::uint64_t>(count + 1);
  std::fill_n(top_offset_, count + 1, 0);
  top_id_ = out.call().allocate<std::int32_t>(count * wish.top);
  top_logprob_ = out.call().allocate<double>(count * wish.top);
  arrays_.raw->top_offset = top_offset_;
  arrays_.raw->top_id = top_id_;
  arrays_.raw->top_logprob = top_logprob_;
}

void FactsWriter::put(std::size_t i, const TokenFacts& facts) {
  const TokenStatistics& stats = facts.stats;
  const auto set = [&](assay_stat which, double value) {
    if (!arrays_.stat[which].empty()) arrays_.stat[which][i] = value;
  };
  set(ASSAY_STAT_LOGPROB, stats.logprob);
  set(ASSAY_STAT_ENTROPY, stats.entropy);
  set(ASSAY_STAT_MEAN_LP, stats.mean_lp);
  set(ASSAY_STAT_VAR_LP, stats.var_lp);
  set(ASSAY_STAT_TOP1_LOGPROB, stats.top1_logprob);
  if (stats.top1 >= 0) set(ASSAY_STAT_TOP1_ID, static_cast<double>(stats.top1));
  if (stats.rank != 0) {
    set(ASSAY_STAT_RANK, static_cast<double>(stats.rank));
    set(ASSAY_STAT_RANK_TIES, static_cast<double>(stats.ties));
  }
  if (top_offset_ == nullptr) return;
  std::uint64_t at = top_offset_[i];
  for (const auto& [id, logprob] : facts.top) {
    top_id_[at] = id;
    top_logprob_[at++] = logprob;
  }
  top_offset_[i + 1] = at;  // tokens left out come before all others
}

}  // namespace assay::llama
