// Drawing tokens from a distribution, specified to the bit: xoshiro256** seeded by SplitMix64 (Blackman and
// Vigna), the top 53 bits of an output over 2^53, inverse CDF by ascending id.
//
// Thread rule: plain values and functions.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "assay/plugin.h"
#include "assay/sdk/result.hpp"

namespace assay::ensemble {

/// Output `index` (from 0) of SplitMix64 started at `seed`: the seed of the index-th sample of a request.
std::uint64_t sample_seed(std::uint64_t seed, std::uint64_t index);

class Generator {
 public:
  explicit Generator(std::uint64_t seed);
  /// Uniform in [0, 1).
  double uniform();

 private:
  std::uint64_t next();
  std::array<std::uint64_t, 4> s_{};
};

/// How a request wants its tokens drawn; applied in the order of the members, then renormalised.
struct Sampling {
  double temperature = 0;   ///< 0: the most probable token
  std::uint32_t top_k = 0;  ///< 0: all
  double top_p = 1;
  double min_p = 0;
};

/// Errors: kInvalidArgument naming the value out of range.
Result<Sampling> sampling_of(const assay_request& request);

/// The index drawn from `p`, which is changed. Precondition: temperature > 0, not empty, some p > 0.
std::size_t draw(std::span<double> p, const Sampling& sampling, Generator& generator);

}  // namespace assay::ensemble
