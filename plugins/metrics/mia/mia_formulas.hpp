// Membership-inference attacks as functions of one text's token statistics (specification: mia.md, section
// 3).
//
// Every score is oriented so that higher means "more likely a member". Arrays hold one double per scored
// token, in text order, natural logarithms. A score that is not defined is NaN and carries a reason; no
// function ever returns 0 for "unknown". Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace assay::mia {

/// A score, or NaN with the reason: a stable word, a colon, and what it means.
struct Score {
  double value;
  std::string_view reason;
};

/// Number of tokens kept for the ratio k: trunc(n * k) in IEEE double. Exact arithmetic gives other counts
/// for k = 0.7 (90 tokens: 62, not 63), and the published scores were made with the double result.
std::size_t kept_count(std::size_t n, double k);

enum class MinkVariant : std::uint8_t {
  kGuard,       ///< at least one token is kept (locuslab/open-unlearning)
  kShi,         ///< nothing kept: no score (swj0419/detect-pretrain-code, Shi et al. 2023)
  kDcpddCount,  ///< the count includes the first, unscored token (zhang-wei-chao/DC-PDD)
};

enum class MinkppVariant : std::uint8_t {
  kFloor,       ///< variance at least 1e-6, at least one token (locuslab/open-unlearning)
  kRaw,         ///< no epsilon: a vanishing variance leaves the text without score (zjysteven/mink-plus-plus)
  kUnweighted,  ///< moments under the uniform distribution (computationalprivacy/mia_llms_benchmark)
};

/// Mean log-probability per token.
Score loss(std::span<const double> logprob);

/// Mean log-probability divided by the zlib length in bytes; `chars` != 0 divides by bytes per character.
Score zlib(double mean_logprob, std::size_t zlib_bytes, std::size_t chars = 0);

/// Mean of the lowest k of the token log-probabilities (Shi et al. 2023, arXiv 2310.16789).
Score mink(std::span<const double> logprob, double k, MinkVariant variant);

/// Mean of the highest k, at least one token (pratyushmaini/llm_dataset_inference, `k_min_probs` there).
Score maxk(std::span<const double> logprob, double k);

/// Mean of the lowest k of z = (l - mean) / sd. For kUnweighted `mean` and `variance` are the population
/// moments of ln p under the uniform distribution and `vocabulary` is its width (the source uses the sample
/// variance).
Score minkpp(std::span<const double> logprob, std::span<const double> mean, std::span<const double> variance,
             double k, MinkppVariant variant, std::uint64_t vocabulary = 0);

/// Mean of l over the tokens that are among the lowest `percent` % and whose entropy is below `max_entropy`
/// nats (computationalprivacy/mia_llms_benchmark). `sok` gives -100 where the set is empty, as that source
/// does.
Score surp(std::span<const double> logprob, std::span<const double> entropy, double percent,
           double max_entropy, bool sok = false);

/// Mean of the lowest k of the gaps (l - top) / sqrt(max(variance, 1e-8)) after a moving average over
/// `window` tokens; texts shorter than the window are not smoothed (meaoww/gap-k).
Score gapk(std::span<const double> logprob, std::span<const double> top, std::span<const double> variance,
           double k, std::size_t window);

enum class ReferenceVariant : std::uint8_t {
  kDiff,      ///< LL - LL_reference (Shi et al. 2023; iamgroot42/mimir)
  kRatio,     ///< -(loss / loss_reference) (zhang-wei-chao/DC-PDD)
  kPplRatio,  ///< -(perplexity / perplexity_reference) (computationalprivacy/copyright-traps, Table 2)
};
/// Comparison of the mean log-probabilities of the model under test and of a reference model.
Score reference(double mean_logprob, double reference_mean_logprob, ReferenceVariant variant);

/// loss(lower-cased text) / loss(text), or its negated inverse (the ranking of both is the same).
Score lowercase(double mean_logprob, double lower_mean_logprob, bool negated_inverse);

}  // namespace assay::mia
