// Seeded text generation (the draws: assay/sdk/sampling.hpp). Thread rule: plain values and functions.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "assay/sdk/sampling.hpp"
#include "model.hpp"

namespace assay::ngram {

/// Errors: kInvalidArgument naming the parameter out of range.
Result<void> check(const Sampling& params);

struct GenerateParams {
  std::uint32_t max_tokens = 64;
  Sampling sampling;
  std::uint64_t seed = 0;
  std::vector<std::string> stop;      ///< generation ends before the first of these in the text
  std::function<bool()> stopped;      ///< asked before every token; true ends with Code::kCancelled
  std::uint32_t mask = kLogprobOnly;  ///< statistics of the generated tokens, of the unmodified distribution
};

enum class Finish : std::uint8_t { kEos, kLength, kStop };

struct Generation {
  std::string text;  ///< without EOS, cut before a stop string
  std::vector<TokenStats>
      tokens;  ///< all drawn tokens, including EOS and the one that completed a stop string
  Finish finish = Finish::kLength;
};

/// Continues `context`. Errors: as Model::begin() and check(); an empty stop string is kInvalidArgument;
/// kCancelled as asked by `stopped`.
Result<Generation> generate(const Model& model, std::span<const Id> context, const GenerateParams& params);
Result<Generation> generate(const Model& model, std::string_view context, const GenerateParams& params);

}  // namespace assay::ngram
