// Seeded sampling and text generation, specified to the bit: own generator, inverse CDF by ascending id.
//
// Sources: xoshiro256** and SplitMix64 (Blackman and Vigna). Thread rule: plain values and functions.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model.hpp"

namespace assay::ngram {

/// Output `index` (from 0) of SplitMix64 started at `seed`: the seed of the index-th sample of a request.
std::uint64_t sample_seed(std::uint64_t seed, std::uint64_t index);

/// xoshiro256**, its state filled by four SplitMix64 outputs.
class Rng {
 public:
  explicit Rng(std::uint64_t seed);
  std::uint64_t next();
  /// Uniform in [0, 1): the top 53 bits / 2^53.
  double uniform();

 private:
  std::array<std::uint64_t, 4> s_{};
};

/// Applied in the order of the members, then renormalised. The defaults change nothing.
struct SamplingParams {
  double temperature = 1.0;  ///< 0 = most probable token (lowest id on ties); p^(1/T) otherwise
  std::uint32_t top_k = 0;   ///< keep the k most probable (lower id first on ties); 0 = all
  double top_p = 1.0;  ///< keep the smallest set of most probable tokens with at least this mass, (0, 1]
  double min_p = 0.0;  ///< keep tokens with at least this share of the largest probability, [0, 1]
};

/// Errors: kInvalidArgument naming the parameter out of range.
Result<void> check(const SamplingParams& params);

/// Applies temperature, top_k, top_p, min_p and renormalisation in place; dropped tokens become 0.
/// Precondition: temperature > 0, probabilities > 0, not empty.
void reshape(std::span<double> p, const SamplingParams& params);
/// Smallest id whose cumulative weight exceeds u * (sum of weights), skipping weights of 0.
Id pick(std::span<const double> weights, double u);

struct GenerateParams {
  std::uint32_t max_tokens = 64;
  SamplingParams sampling;
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
