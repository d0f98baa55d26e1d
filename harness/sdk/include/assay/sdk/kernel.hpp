// Statistics of one next-token distribution from a row of float logits, fast: the library assay::sdk_kernel.
//
// Same quantities, formulas and errors as token_stats() (token_stats.hpp), which stays the reference in
// double. The row is read once; the best of AVX-512, AVX2 and portable vectors (SSE2, NEON) is chosen at run
// time. All of them do the same operations with the same roundings in the same order: the result depends on
// the row alone, to the last bit, not on the instruction set, the alignment or the thread.
//
// Rounding: exponentials (relative error below 4e-7) and sums over 256 entries (16 additions a lane) are
// float, everything above them double; results are rounded to float. Against the definition in exact
// arithmetic, before that last rounding (relative 6e-8), with m2 = sum p (ln p - ln p_max)^2:
//   log-probabilities    1e-6 absolute
//   entropy, mean_lp     1e-6 + 1e-6 * sqrt(m2)
//   var_lp               2e-6 * m2
// Ranks, ties, ids and the order of the top entries are exact. Entries more than 87.6 below the largest count
// as probability 0 in the sums; the log-probability of such a target is exact all the same. One beyond the
// range of float (-3.4e38) becomes -inf.
//
// Thread rule: pure functions, in the default floating-point environment (round to nearest).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "assay/sdk/token_stats.hpp"

namespace assay {
inline namespace sdk_v1 {

/// One entry of a top-k list.
struct TopToken {
  std::int64_t id = -1;       ///< -1: the row has fewer tokens of positive probability
  double logprob = kMissing;  ///< natural logarithm
};

/// Statistics of `target` (-1: none) under softmax(logits). `want` is of TokenStatsWanted.
/// Errors: kData for an empty row, NaN, +inf, or nothing but -inf; kInvalidArgument for a target outside the
/// row.
Result<TokenStatistics> stats_from_logits(std::span<const float> logits, std::int64_t target,
                                          std::uint32_t want = kTokenAll);

/// The same, and fills `top` with the most probable tokens in descending order, the lowest id first among
/// equals. Costs little for lists of some dozen tokens. Contents of `top` after an error are unspecified.
Result<TokenStatistics> stats_from_logits(std::span<const float> logits, std::int64_t target,
                                          std::uint32_t want, std::span<TopToken> top);

/// Two distributions over one vocabulary, natural logarithms. For detection: Fast-DetectGPT has A = sampling
/// and B = scoring model; Binoculars has A = observer and B = performer.
struct CrossStatistics {
  double mean_lp =
      kMissing;  ///< sum p_A ln p_B, the negative cross-entropy; -inf when B excludes a token of A
  double second_lp = kMissing;  ///< sum p_A (ln p_B)^2; NaN in that case
  double var_lp = kMissing;     ///< second_lp - mean_lp^2, at least 0; NaN in that case
  double entropy_a = kMissing;  ///< -sum p_A ln p_A
  double logprob_a = kMissing;  ///< ln p_A of the target
  double logprob_b = kMissing;  ///< ln p_B of the target
};

/// Cross moments of softmax(a) and softmax(b); `target` -1: none. Rows of different width need a
/// `vocab_limit`: only the first so many entries of both exist, also for the softmax; 0 means the whole rows.
/// Accuracy as above with m2 = sum p_A (ln p_B - ln p_B of A's top token)^2. "Excludes": entry -inf in B
/// where p_A is not 0 in the sense above. Errors: as stats_from_logits() for either row; kInvalidArgument for
/// rows of different width without a limit, or for a limit larger than either row.
Result<CrossStatistics> cross_stats_from_logits(std::span<const float> a, std::span<const float> b,
                                                std::int64_t target, std::size_t vocab_limit = 0);

}  // namespace sdk_v1
}  // namespace assay
