// Zero-shot detectors of machine-generated text as functions of one text's token record
// (specification: detection.md, sections 1 to 3).
//
// Arrays hold one double per scored token, in text order: natural logarithms, ranks from 1. Every score is
// oriented as its source codes it, higher = machine. A score that is not defined is NaN and carries a reason
// code; no function returns 0 or infinity for "unknown". Thread rule: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace assay::detection {

/// A score, or NaN with the reason: a stable code, a colon, and what it means.
struct Score {
  double value;
  std::string_view reason;
};

/// Mean log-probability per token.
Score likelihood(std::span<const double> logprob);
/// Minus the mean rank.
Score rank(std::span<const double> ranks);
/// Minus the mean of ln rank.
Score logrank(std::span<const double> ranks);
/// Mean entropy in nats.
Score entropy(std::span<const double> entropies);

/// likelihood / logrank, both negative (mbzuai-nlp/DetectLLM, LRR). Undefined where every token has rank 1.
/// `mgtbench_sign` gives the negative, for comparison with files of xinleihe/MGTBench.
Score lrr_of_means(double likelihood, double logrank, bool mgtbench_sign = false);
Score lrr(std::span<const double> logprob, std::span<const double> ranks, bool mgtbench_sign = false);

/// (sum l - sum mu) / sqrt(sum var), mu and var being the moments of ln p under p: the analytic
/// Fast-DetectGPT with one model (baoguangsheng/fast-detect-gpt). A variance below 0 counts as 0.
Score fastdetect_one_model(std::span<const double> logprob, std::span<const double> mean,
                           std::span<const double> variance);

/// Tokens whose rank counted from 0 is in [0,10), [10,100), [100,1000), [1000,inf) (GLTR,
/// HendrikStrobelt/detecting-fake-text).
std::array<std::size_t, 4> gltr_bins(std::span<const double> ranks);
/// Share of tokens whose rank counted from 0 is at most 10: eleven ranks (liamdugan/raid).
Score gltr_frac10(std::span<const double> ranks);

/// How the diversity entropies of the scales become one number (TrustMedia-zju/Lastde_Detector, README).
enum class Aggregator : std::uint8_t {
  kStd,       ///< sample standard deviation
  kExpStd,    ///< its exponential
  kRange,     ///< largest minus smallest
  kExpRange,  ///< its exponential
  kNorm2,     ///< root of the sum of squares
};

struct LastdeSettings {
  std::size_t orbit = 3;   ///< s: length of an orbit
  double epsilon = 10;     ///< number of histogram bins divided by the number of tokens
  std::size_t scales = 5;  ///< tau': scales 1..tau'
  Aggregator aggregator = Aggregator::kStd;
  bool drop_outside =
      false;  ///< cosines beyond [-1, 1] by rounding: left out (the source) or moved to the border
};

/// Diversity entropy of every scale 1..scales. Empty if the text is too short: n >= scales + orbit and at
/// least two bins are needed.
std::vector<double> diversity_entropies(std::span<const double> logprob, const LastdeSettings& settings);
/// Precondition: at least two values for kStd and kExpStd.
double aggregate(std::span<const double> entropies, Aggregator aggregator);
/// mean l / aggregate of the diversity entropies (Lastde).
Score lastde(std::span<const double> logprob, const LastdeSettings& settings);

}  // namespace assay::detection
