// Reducers over repeated answers to one question (specs/statistics.md section 13).
//
// Missing repeats (NaN) are not zeros: a reducer sees the scored ones. Nothing scored: nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/stats/interval.hpp"

namespace assay::stats {

/// All simple reducers at once. Values are NaN when nothing is scored.
struct Reduced {
  std::size_t n_scored = 0;
  std::size_t n_missing = 0;
  double mean = kUndefined;
  double median = kUndefined;       ///< mean of the two middle values
  double median_high = kUndefined;  ///< upper middle value (lm-evaluation-harness)
  double max = kUndefined;
  double mode = kUndefined;  ///< most frequent value; of several the smallest
  bool mode_tied = false;
};
Reduced reduce(std::span<const double> scores);

/// 1 when at least k scored answers reach `value`, else 0; NaN when fewer than k are scored and they do not
/// decide.
double at_least_k(std::span<const double> scores, std::size_t k, double value = 1.0);

/// n scored answers, c of them right. All are NaN for n < k (never 1.0), for k = 0 and for c > n.
/// pass@k = 1 - C(n-c,k)/C(n,k) (Chen et al. 2021, arXiv 2107.03374).
double pass_at_k(std::uint64_t n, std::uint64_t c, std::uint64_t k);
/// pass^k = C(c,k)/C(n,k) (Yao et al. 2024, arXiv 2406.12045).
double pass_hat_k(std::uint64_t n, std::uint64_t c, std::uint64_t k);
/// G-Pass@k_tau: probability that at least ceil(tau k) of k drawn answers are right (Liu et al. 2024, arXiv
/// 2412.13147).
double g_pass_at_k(std::uint64_t n, std::uint64_t c, std::uint64_t k, double tau);

/// How a tied vote is scored.
enum class VoteTie {
  kFirst,       ///< the tied answer that was given first wins
  kFractional,  ///< the mean score of the tied answers
};
/// maj@k: the score of the answer with most votes among the first k scored ones. `answers` are codes of the
/// extracted answers, `scores` their scores (NaN = missing, skipped). NaN with fewer than k scored answers.
struct Vote {
  double score = kUndefined;
  bool tied = false;
};
Vote maj_at_k(std::span<const std::uint32_t> answers, std::span<const double> scores, std::size_t k,
              VoteTie tie);

/// Variance parts of repeated answers; the sampling unit is the question.
struct RepeatVariance {
  std::size_t questions = 0;  ///< questions with at least one scored answer
  double mean = kUndefined;
  double se = kUndefined;                     ///< sqrt(V / n)
  double var_of_question_means = kUndefined;  ///< V
  double within = kUndefined;                 ///< W: mean of the per-question sample variances
  double within_over_k = kUndefined;          ///< mean of W_q / K_q over questions with K_q >= 2
  double between = kUndefined;                ///< max(0, V - W/K)
};
/// scores[q] are the answers of question q; NaN = missing.
RepeatVariance repeat_variance(std::span<const std::vector<double>> scores);

}  // namespace assay::stats
