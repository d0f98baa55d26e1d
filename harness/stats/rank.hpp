// Ranks with uncertainty for leaderboards (specs/statistics.md section 14). Rank 1 is best.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "harness/stats/bootstrap.hpp"

namespace assay::stats {

/// Ranks from best to worst that the data allow for one model.
struct RankInterval {
  std::size_t best = 1;
  std::size_t worst = 1;
};

/// All pairs of models on common items: delta[i][j] = score i minus score j, p[i][j] two-sided (NaN =
/// undefined).
struct PairTests {
  std::span<const std::vector<double>> delta;
  std::span<const std::vector<double>> p;
};

/// better[i][j]: model i is significantly better than j after Holm over the unordered pairs.
std::vector<std::vector<bool>> significantly_better(const PairTests& tests, double alpha,
                                                    bool higher_is_better = true);

/// `rank.significance`: [1 + number significantly better, M - number significantly worse].
std::vector<RankInterval> rank_significance(const PairTests& tests, double alpha,
                                            bool higher_is_better = true);

/// `rank.bootstrap`: scores[model][item] on common items, one shared index stream; rank = 1 + number of
/// strictly better models in the replicate, type-7 quantiles, outward rounding. Groups: whole clusters are
/// drawn.
std::vector<RankInterval> rank_bootstrap(std::span<const std::vector<double>> scores,
                                         const BootstrapPlan& plan, const Clusters* clusters = nullptr,
                                         bool higher_is_better = true);

/// Letters such that models share one iff they are not resolved from each other (Piepho 2004). `better` as
/// above; letters are given in the order of `order` (best model first), the first group is "a". With more
/// than kMaxLetters groups, which no reader could use, all letters are empty.
inline constexpr std::size_t kMaxLetters = 1000;
std::vector<std::string> resolution_letters(const std::vector<std::vector<bool>>& better,
                                            std::span<const std::size_t> order);

}  // namespace assay::stats
