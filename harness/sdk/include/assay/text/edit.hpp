// Edit distance and longest common subsequence over code points, words or any tokens.
//
// Both use bit-parallel rows of 64 columns per machine word: Levenshtein after Myers (JACM 46, 1999) in the
// block form of Hyyro (2003), the LCS length after Hyyro (2004). Time O(|a| * |b| / 64), memory O(|a| + |b|).
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace assay::text {

/// A token as a number; equal numbers are equal tokens. Any value may be used.
using TokenId = std::uint32_t;

/// Levenshtein distance: fewest insertions, deletions and substitutions, each of cost 1.
std::size_t levenshtein(std::span<const TokenId> a, std::span<const TokenId> b);
/// The same over Unicode code points; ill-formed bytes compare as U+FFFD.
std::size_t levenshtein(std::string_view a, std::string_view b);
/// The same over words or other tokens.
std::size_t levenshtein(std::span<const std::string_view> a, std::span<const std::string_view> b);
/// Code-point distance divided by the longer length, in [0, 1]; 0 for two empty texts
/// (hallucination.md 16.3).
double levenshtein_normalised(std::string_view a, std::string_view b);

/// Length of the longest common subsequence.
std::size_t lcs_length(std::span<const TokenId> a, std::span<const TokenId> b);
/// The same over code points.
std::size_t lcs_length(std::string_view a, std::string_view b);
/// The same over words or other tokens.
std::size_t lcs_length(std::span<const std::string_view> a, std::span<const std::string_view> b);

/// One pair of a longest common subsequence: positions from 0.
struct LcsMatch {
  std::size_t row = 0;     ///< position in `rows`
  std::size_t column = 0;  ///< position in `columns`
};

/// One longest common subsequence, traced back from the ends: equal tokens are taken together; otherwise
/// one row is given up if table[i-1][j] > table[i][j-1], else one column. Ascending order.
/// Swap the arguments for the opposite preference.
std::vector<LcsMatch> lcs_matches(std::span<const TokenId> rows, std::span<const TokenId> columns);

}  // namespace assay::text
