#include "token_facts.hpp"

#include <algorithm>
#include <cmath>

namespace assay::llama {

Result<TokenFacts> facts_of(std::span<const float> logits, llama_token target, const TokenWish& wish) {
  TokenFacts facts;
  facts.top.resize(std::min(wish.top, logits.size()));
  auto stats = stats_from_logits(logits, target, wish.stats, facts.top);
  if (!stats) return std::move(stats).error();
  if (std::isinf(stats->logprob)) {
    return Error{Code::kData,
                 "the model gives token " + std::to_string(target) +
                     " the probability 0, so that its log-probability is infinite",
                 {}};
  }
  facts.stats = *stats;
  std::erase_if(facts.top, [](const TopToken& token) { return token.id < 0; });
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
    top_id_[at] = static_cast<std::int32_t>(id);
    top_logprob_[at++] = logprob;
  }
  top_offset_[i + 1] = at;  // tokens left out come before all others
}

}  // namespace assay::llama
