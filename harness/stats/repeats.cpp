#include "harness/stats/repeats.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

std::vector<double> scored(std::span<const double> scores) {
  std::vector<double> out;
  for (const double score : scores) {
    if (std::isfinite(score)) out.push_back(score);
  }
  return out;
}

bool drawable(std::uint64_t n, std::uint64_t c, std::uint64_t k) {
  return k > 0 && n >= k && c <= n;
}

}  // namespace

Reduced reduce(std::span<const double> scores) {
  Reduced r;
  std::vector<double> x = scored(scores);
  r.n_scored = x.size();
  r.n_missing = scores.size() - x.size();
  if (x.empty()) return r;
  r.mean = mean(x);
  std::sort(x.begin(), x.end());
  r.median = median(x);
  r.median_high = median_high(x);
  r.max = x.back();
  std::size_t best = 0;
  for (std::size_t i = 0; i < x.size();) {
    std::size_t end = i;
    while (end < x.size() && x[end] == x[i]) ++end;
    if (end - i > best) {
      best = end - i;
      r.mode = x[i];
      r.mode_tied = false;
    } else if (end - i == best) {
      r.mode_tied = true;
    }
    i = end;
  }
  return r;
}

double at_least_k(std::span<const double> scores, std::size_t k, double value) {
  const std::vector<double> x = scored(scores);
  const auto hits =
      static_cast<std::size_t>(std::count_if(x.begin(), x.end(), [&](double s) { return s >= value; }));
  if (hits >= k) return 1.0;
  // The missing answers could still have made k; without them the question has no value.
  return hits + (scores.size() - x.size()) >= k || x.size() < k ? kUndefined : 0.0;
}

double pass_at_k(std::uint64_t n, std::uint64_t c, std::uint64_t k) {
  if (!drawable(n, c, k)) return kUndefined;
  if (n - c < k) return 1.0;
  double none = 1.0;
  for (std::uint64_t i = n - c + 1; i <= n; ++i)
    none *= 1.0 - static_cast<double>(k) / static_cast<double>(i);
  return 1.0 - none;
}

double pass_hat_k(std::uint64_t n, std::uint64_t c, std::uint64_t k) {
  if (!drawable(n, c, k)) return kUndefined;
  if (c < k) return 0.0;
  double all = 1.0;
  for (std::uint64_t i = 0; i < k; ++i) all *= static_cast<double>(c - i) / static_cast<double>(n - i);
  return all;
}

double g_pass_at_k(std::uint64_t n, std::uint64_t c, std::uint64_t k, double tau) {
  if (!drawable(n, c, k) || std::isnan(tau)) return kUndefined;
  const double wanted = std::max(0.0, std::ceil(tau * static_cast<double>(k) - 1e-9));
  const std::uint64_t lowest = k > n - c ? k - (n - c) : 0;
  const std::uint64_t highest = std::min(c, k);
  // Hypergeometric weights relative to the mode, so that neither end overflows and no logarithm loses digits.
  const double mode_at = static_cast<double>(c + 1) * static_cast<double>(k + 1) / static_cast<double>(n + 2);
  const std::uint64_t mode = std::clamp(static_cast<std::uint64_t>(mode_at), lowest, highest);
  CompensatedSum total;
  CompensatedSum tail;
  const auto add = [&](std::uint64_t j, double weight) {
    total.add(weight);
    if (static_cast<double>(j) >= wanted) tail.add(weight);
  };
  const auto step = [&](std::uint64_t j) {  // weight(j + 1) / weight(j)
    return static_cast<double>(c - j) * static_cast<double>(k - j) /
           (static_cast<double>(j + 1) * static_cast<double>(n - c + j + 1 - k));
  };
  double weight = 1.0;
  add(mode, weight);
  for (std::uint64_t j = mode; j < highest; ++j) add(j + 1, weight *= step(j));
  weight = 1.0;
  for (std::uint64_t j = mode; j > lowest; --j) add(j - 1, weight /= step(j - 1));
  return tail.value() / total.value();
}

Vote maj_at_k(std::span<const std::uint32_t> answers, std::span<const double> scores, std::size_t k,
              VoteTie tie) {
  struct Candidate {
    std::uint32_t answer;
    std::size_t votes;
    double score;
  };
  std::vector<Candidate> candidates;  // in order of the first vote
  std::size_t votes = 0;
  for (std::size_t i = 0; i < answers.size() && i < scores.size() && votes < k; ++i) {
    if (!std::isfinite(scores[i])) continue;
    ++votes;
    const auto at = std::find_if(candidates.begin(), candidates.end(),
                                 [&](const Candidate& c) { return c.answer == answers[i]; });
    if (at == candidates.end()) {
      candidates.push_back({answers[i], 1, scores[i]});
    } else {
      ++at->votes;
    }
  }
  Vote vote;
  if (k == 0 || votes < k) return vote;
  std::size_t most = 0;
  for (const Candidate& c : candidates) most = std::max(most, c.votes);
  CompensatedSum total;
  std::size_t winners = 0;
  for (const Candidate& c : candidates) {
    if (c.votes != most) continue;
    if (winners == 0) vote.score = c.score;
    ++winners;
    total.add(c.score);
  }
  vote.tied = winners > 1;
  if (tie == VoteTie::kFractional) vote.score = total.value() / static_cast<double>(winners);
  return vote;
}

RepeatVariance repeat_variance(std::span<const std::vector<double>> scores) {
  RepeatVariance r;
  std::vector<double> means;
  std::vector<double> variances;
  std::vector<double> shares;
  for (const std::vector<double>& question : scores) {
    const std::vector<double> x = scored(question);
    if (x.empty()) continue;
    means.push_back(mean(x));
    if (x.size() < 2) continue;
    variances.push_back(variance(x));
    shares.push_back(variances.back() / static_cast<double>(x.size()));
  }
  r.questions = means.size();
  r.mean = mean(means);
  r.var_of_question_means = variance(means);
  r.within = mean(variances);
  r.within_over_k = mean(shares);
  if (r.questions >= 2) r.se = std::sqrt(r.var_of_question_means / static_cast<double>(r.questions));
  const double between = r.var_of_question_means - r.within_over_k;
  r.between = std::isnan(between) ? kUndefined : std::max(0.0, between);
  return r;
}

}  // namespace assay::stats
