// Drawing tokens from a distribution, specified to the bit, so that a seed means the same text in every model
// plugin that draws by itself: xoshiro256** seeded by SplitMix64, inverse CDF by ascending id.
//
// Sources: xoshiro256** 1.0 and SplitMix64 (Blackman and Vigna, prng.di.unimi.it). Thread rule: plain values
// and functions; a generator has one owner.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace assay {
inline namespace sdk_v1 {

/// The next output of SplitMix64; changes `state`.
inline std::uint64_t split_mix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

/// Output `index` (from 0) of SplitMix64 started at `seed`: the seed of the index-th sample of a request.
inline std::uint64_t sample_seed(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t state = seed + 0x9E3779B97F4A7C15ULL * index;
  return split_mix(state);
}

/// xoshiro256**, its state filled by four SplitMix64 outputs.
class Xoshiro256 {
 public:
  explicit Xoshiro256(std::uint64_t seed) {
    for (std::uint64_t& word : s_) word = split_mix(seed);
  }
  std::uint64_t next() {
    const std::uint64_t result = std::rotl(s_[1] * 5U, 7) * 9U;
    const std::uint64_t shifted = s_[1] << 17U;
    s_[2] ^= s_[0];
    s_[3] ^= s_[1];
    s_[1] ^= s_[2];
    s_[0] ^= s_[3];
    s_[2] ^= shifted;
    s_[3] = std::rotl(s_[3], 45);
    return result;
  }
  /// Uniform in [0, 1): the top 53 bits / 2^53.
  double uniform() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

 private:
  std::array<std::uint64_t, 4> s_{};
};

/// Applied in the order of the members, then renormalised. The defaults change nothing.
struct Sampling {
  double temperature = 1.0;  ///< 0 = most probable token (lowest id on ties); p^(1/T) otherwise
  std::uint32_t top_k = 0;   ///< keep the k most probable (lower id first on ties); 0 = all
  double top_p = 1.0;  ///< keep the smallest set of most probable tokens with at least this mass, (0, 1]
  double min_p = 0.0;  ///< keep tokens with at least this share of the largest probability, [0, 1]

  [[nodiscard]] bool changes() const {
    return temperature != 1.0 || top_k != 0 || top_p < 1.0 || min_p > 0.0;
  }
};

/// Keeps the most probable tokens: at most top_k, then the fewest that reach top_p of what top_k kept.
inline void keep_most_probable(std::span<double> p, const Sampling& sampling) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
  std::size_t keep = order.size();
  if (sampling.top_k != 0) keep = std::min<std::size_t>(keep, sampling.top_k);
  if (sampling.top_p < 1.0) {
    double mass = 0.0;
    for (std::size_t i = 0; i < keep; ++i) mass += p[order[i]];
    double reached = 0.0;
    for (std::size_t i = 0; i < keep; ++i) {
      reached += p[order[i]];
      if (reached >= sampling.top_p * mass) keep = i + 1;
    }
  }
  for (std::size_t i = keep; i < order.size(); ++i) p[order[i]] = 0.0;
}

/// Applies temperature, top_k, top_p, min_p and renormalisation in place; dropped tokens become 0.
/// Precondition: temperature > 0, `p` not empty and with a probability above 0.
inline void reshape(std::span<double> p, const Sampling& sampling) {
  if (sampling.temperature != 1.0) {
    const double largest = std::log(*std::max_element(p.begin(), p.end()));
    for (double& value : p) value = std::exp((std::log(value) - largest) / sampling.temperature);
  }
  if (sampling.top_k != 0 || sampling.top_p < 1.0) keep_most_probable(p, sampling);
  if (sampling.min_p > 0.0) {
    const double least = sampling.min_p * *std::max_element(p.begin(), p.end());
    for (double& value : p) value = value < least ? 0.0 : value;
  }
  double sum = 0.0;
  for (const double value : p) sum += value;
  for (double& value : p) value /= sum;
}

/// Smallest id whose cumulative weight exceeds u * (sum of weights), skipping weights of 0. `u` from [0, 1).
inline std::size_t pick(std::span<const double> weights, double u) {
  double sum = 0.0;
  for (const double weight : weights) sum += weight;
  const double goal = u * sum;
  double reached = 0.0;
  std::size_t last = 0;
  for (std::size_t id = 0; id < weights.size(); ++id) {
    if (!(weights[id] > 0.0)) continue;
    last = id;
    reached += weights[id];
    if (reached > goal) break;
  }
  return last;
}

}  // namespace sdk_v1
}  // namespace assay
