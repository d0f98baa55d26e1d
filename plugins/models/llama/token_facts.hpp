// Statistics of single tokens: the one place where logits become numbers, and the arrays they are written to.
//
// Thread rule: pure functions; a FactsWriter belongs to one thread.
#pragma once

#include <llama.h>

#include <cstdint>
#include <span>
#include <vector>

#include "assay/sdk/kernel.hpp"
#include "assay/sdk/model.hpp"

namespace assay::llama {

/// What a request wants to know of each token.
struct TokenWish {
  std::uint32_t stats = 0;  ///< of TokenStatsWanted
  std::size_t top = 0;      ///< entries of the list of most probable tokens
};

/// What is known of one token.
struct TokenFacts {
  TokenStatistics stats;
  std::vector<TopToken> top;  ///< descending, lowest id first on ties; only tokens of positive probability
};

/// Facts of `target` under a row of logits. Errors: kData for impossible rows and for a target of probability
/// 0.
Result<TokenFacts> facts_of(std::span<const float> logits, llama_token target, const TokenWish& wish);

/// The arrays of a token record, filled token by token in ascending order.
class FactsWriter {
 public:
  FactsWriter(const ResponseWriter& out, std::size_t count, std::uint64_t want, const TokenWish& wish,
              bool spans);
  /// Tokens that are left out, all of them before the first one put, stay unknown.
  void put(std::size_t i, const TokenFacts& facts);
  [[nodiscard]] const TokensWriter& arrays() const { return arrays_; }

 private:
  TokensWriter arrays_;
  std::uint64_t* top_offset_ = nullptr;
  std::int32_t* top_id_ = nullptr;
  double* top_logprob_ = nullptr;
};

}  // namespace assay::llama
