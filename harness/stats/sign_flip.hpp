// The sign-flip (permutation) test of paired differences (specs/statistics.md section 8).
//
// Statistic |sum d_i|. With groups pass the cluster sums, so that one sign belongs to one cluster.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "harness/stats/interval.hpp"

namespace assay::stats {

/// Non-zero differences up to which all sign patterns are counted, for values that are not integers.
inline constexpr std::size_t kMaxExactFlips = 24;

/// Result of a sign-flip test.
struct SignFlip {
  double p = kUndefined;
  std::string_view method;       ///< "signflip.exact" or "signflip.mc"
  std::uint64_t count = 0;       ///< mc: replicates at least as extreme as the data
  std::uint32_t replicates = 0;  ///< mc: B
};

/// The exact test, or nothing when it is out of reach (more than 24 non-zero values that are not small
/// integers). Zeros are dropped; no non-zero value gives p = 1.
std::optional<SignFlip> sign_flip_exact(std::span<const double> d);

/// Monte Carlo: p = (1 + count)/(B + 1); replicate b takes its signs from stream 2, zero differences keep
/// their bit.
SignFlip sign_flip_mc(std::span<const double> d, std::uint64_t seed, std::uint32_t replicates);

/// The sign bits of all replicates for up to `items` values, made once for many tests with one seed.
class SignWords {
 public:
  SignWords(std::uint64_t seed, std::uint32_t replicates, std::size_t items);
  [[nodiscard]] std::uint32_t replicates() const { return replicates_; }
  [[nodiscard]] std::span<const std::uint64_t> of(std::uint32_t b) const {
    return std::span(words_).subspan(b * per_replicate_, per_replicate_);
  }

 private:
  std::uint32_t replicates_;
  std::size_t per_replicate_;
  std::vector<std::uint64_t> words_;
};
/// As below, with words for at least d.size() items: the same result.
SignFlip sign_flip(std::span<const double> d, const SignWords& words);

/// Exact where possible, else Monte Carlo.
SignFlip sign_flip(std::span<const double> d, std::uint64_t seed, std::uint32_t replicates = 9999);

}  // namespace assay::stats
