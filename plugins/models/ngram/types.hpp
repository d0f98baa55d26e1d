// Shared vocabulary of the count model: names of estimators and tokenizers, the configuration, statistics.
//
// Thread rule: plain values, share nothing.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::ngram {

/// Token id, 0 .. vocabulary size - 1. Two further ids exist, neither of which is ever predicted:
/// `vocabulary size` is the begin symbol (BOS), `vocabulary size + 1` a word outside a closed word list.
using Id = std::uint32_t;
inline constexpr Id kNoId = std::numeric_limits<Id>::max();

/// Longest supported n-gram.
inline constexpr int kMaxOrder = 16;
/// The sum of all counts stays below this, so that every integer is exact as a double.
inline constexpr std::uint64_t kMaxEvents = std::uint64_t{1} << 53;

/// How probabilities follow from the counts. All interpolate with the next shorter context.
enum class Estimator : std::uint8_t {
  kMkn = 0,         ///< modified Kneser-Ney (Chen and Goodman 1998), three discounts per order
  kKn = 1,          ///< interpolated Kneser-Ney, one discount per order
  kAbs = 2,         ///< absolute discounting on plain counts, one discount per order
  kWittenBell = 3,  ///< Witten-Bell: (c(h,w) + T(h) P(w|h')) / (c(h) + T(h)), T = distinct successors
  kCountlm = 4,     ///< (N(h,w) + lambda C(h,w) + beta P(w|h')) / (N(h) + lambda C(h) + beta), no BOS
};

/// How text becomes tokens. Every vocabulary is fixed at creation and never learned from training text.
enum class TokenizerKind : std::uint8_t {
  kByte = 0,   ///< ids 0..255 = bytes, 256 = EOS; lossless
  kWord = 1,   ///< the byte ids, then the listed pieces in list order; unlisted pieces are bytes; lossless
  kSpace = 2,  ///< words between white space; the list is the whole vocabulary, in id order
};

/// Entries of a `space` list with a meaning of their own; both are optional there. Without "<eos>" the end of
/// a document is no event; without "<unk>" an unlisted word is outside the vocabulary (see Id).
inline constexpr std::string_view kEosWord = "<eos>";
inline constexpr std::string_view kUnkWord = "<unk>";

struct Config {
  Estimator estimator = Estimator::kMkn;
  int order = 5;  ///< longest n-gram, 1 .. kMaxOrder; the longest context has order - 1 tokens
  TokenizerKind tokenizer = TokenizerKind::kByte;
  std::vector<std::string> words;  ///< `word`: pieces; `space`: the vocabulary; `byte`: empty
  double beta = 0.5;               ///< countlm only: weight of the shorter context, > 0
  double cache_lambda = 0.0;       ///< countlm only: weight of counts taken from the prompt, >= 0
};

/// Names as users write them: mkn, kn, abs, witten_bell, countlm; byte, word, space.
std::string_view name_of(Estimator estimator);
std::string_view name_of(TokenizerKind kind);
/// Errors: kInvalidArgument naming the accepted names.
Result<Estimator> parse_estimator(std::string_view name);
Result<TokenizerKind> parse_tokenizer(std::string_view name);

/// Which token statistics to compute; the log-probability is always given.
enum StatsMask : std::uint32_t {
  kLogprobOnly = 0,
  kRank = 1U << 0,     ///< fills `rank` and `ties`
  kMoments = 1U << 1,  ///< fills `entropy`, `mean_lp`, `var_lp`
  kTop1 = 1U << 2,     ///< fills `top1`, `top1_logprob`
  kAllStats = kRank | kMoments | kTop1,
};

/// Statistics of one scored token. Natural logarithms. What was not asked for is NaN, 0 or kNoId.
struct TokenStats {
  Id token = kNoId;
  double logprob = std::numeric_limits<double>::quiet_NaN();
  double entropy = std::numeric_limits<double>::quiet_NaN();       ///< -sum p ln p
  double mean_lp = std::numeric_limits<double>::quiet_NaN();       ///< sum p ln p = -entropy
  double var_lp = std::numeric_limits<double>::quiet_NaN();        ///< sum p (ln p)^2 - mean_lp^2, >= 0
  double top1_logprob = std::numeric_limits<double>::quiet_NaN();  ///< ln of the largest probability
  std::uint64_t rank = 0;  ///< 1 + number of tokens with a strictly larger probability
  std::uint64_t ties = 0;  ///< number of other tokens with exactly the same probability
  Id top1 = kNoId;         ///< most probable token, the lowest id on ties
};

}  // namespace assay::ngram
