#include "harness/stats/rank.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/stats/multiplicity.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

// A letter as text: a .. z, then aa, ab, ...
std::string letter(std::size_t number) {
  std::string text;
  for (std::size_t rest = number + 1; rest > 0; rest = (rest - 1) / 26) {
    text.insert(text.begin(), static_cast<char>('a' + (rest - 1) % 26));
  }
  return text;
}

bool contains(const std::set<std::size_t>& outer, const std::set<std::size_t>& inner) {
  return std::includes(outer.begin(), outer.end(), inner.begin(), inner.end());
}

// Splits every group that holds both i and j, then drops groups inside other groups.
void separate(std::vector<std::set<std::size_t>>& groups, std::size_t i, std::size_t j) {
  std::vector<std::set<std::size_t>> next;
  for (const auto& group : groups) {
    if (group.count(i) == 0 || group.count(j) == 0) {
      next.push_back(group);
      continue;
    }
    auto without_j = group;
    without_j.erase(j);
    auto without_i = group;
    without_i.erase(i);
    next.push_back(std::move(without_j));
    next.push_back(std::move(without_i));
  }
  groups.clear();
  for (std::size_t k = 0; k < next.size(); ++k) {
    bool absorbed = false;
    for (std::size_t other = 0; other < next.size() && !absorbed; ++other) {
      if (other == k || !contains(next[other], next[k])) continue;
      absorbed = next[other] != next[k] || other < k;
    }
    if (!absorbed) groups.push_back(next[k]);
  }
}

}  // namespace

std::vector<std::vector<bool>> significantly_better(const PairTests& tests, double alpha,
                                                    bool higher_is_better) {
  const std::size_t m = tests.p.size();
  std::vector<double> p;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = i + 1; j < m; ++j) p.push_back(tests.p[i][j]);
  }
  const Adjusted adjusted = holm(p);
  std::vector<std::vector<bool>> better(m, std::vector<bool>(m, false));
  std::size_t pair = 0;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = i + 1; j < m; ++j, ++pair) {
      const double delta = higher_is_better ? tests.delta[i][j] : -tests.delta[i][j];
      if (!(adjusted.p[pair] < alpha)) continue;
      if (delta > 0.0) better[i][j] = true;
      if (delta < 0.0) better[j][i] = true;
    }
  }
  return better;
}

std::vector<RankInterval> rank_significance(const PairTests& tests, double alpha, bool higher_is_better) {
  const auto better = significantly_better(tests, alpha, higher_is_better);
  const std::size_t m = better.size();
  std::vector<RankInterval> out(m, RankInterval{1, m});
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < m; ++j) {
      if (better[j][i]) ++out[i].best;
      if (better[i][j]) --out[i].worst;
    }
  }
  return out;
}

std::vector<RankInterval> rank_bootstrap(std::span<const std::vector<double>> scores,
                                         const BootstrapPlan& plan, const Clusters* clusters,
                                         bool higher_is_better) {
  const std::size_t m = scores.size();
  std::vector<RankInterval> out(m, RankInterval{1, m});
  if (m == 0 || scores.front().empty()) return out;
  const Clusters units = clusters != nullptr ? *clusters : singletons(scores.front().size());
  std::vector<std::vector<double>> sums(m);
  for (std::size_t k = 0; k < m; ++k) {
    for (std::uint32_t c = 0; c < units.count(); ++c) {
      CompensatedSum total;
      for (const std::uint32_t i : units.of(c)) total.add(higher_is_better ? scores[k][i] : -scores[k][i]);
      sums[k].push_back(total.value());
    }
  }
  std::vector<std::vector<double>> ranks(m, std::vector<double>(plan.replicates));
  std::vector<std::uint32_t> picks(units.count());
  std::vector<double> value(m);
  for (std::uint32_t b = 0; b < plan.replicates; ++b) {
    random_indices(plan.seed, plan.stream, b, units.count(), picks);
    // The number of items drawn is the same for all models, so sums rank as means do.
    for (std::size_t k = 0; k < m; ++k) value[k] = gather_sum(sums[k], picks);
    for (std::size_t k = 0; k < m; ++k) {
      ranks[k][b] = 1.0 + static_cast<double>(std::count_if(value.begin(), value.end(),
                                                            [&](double v) { return v > value[k]; }));
    }
  }
  const double alpha = 1.0 - plan.conf;
  for (std::size_t k = 0; k < m; ++k) {
    std::sort(ranks[k].begin(), ranks[k].end());
    out[k].best = static_cast<std::size_t>(std::floor(quantile_sorted(ranks[k], 0.5 * alpha)));
    out[k].worst = static_cast<std::size_t>(std::ceil(quantile_sorted(ranks[k], 1.0 - 0.5 * alpha)));
  }
  return out;
}

std::vector<std::string> resolution_letters(const std::vector<std::vector<bool>>& better,
                                            std::span<const std::size_t> order) {
  const std::size_t m = order.size();
  std::set<std::size_t> everyone;  // positions in `order`
  for (std::size_t k = 0; k < m; ++k) everyone.insert(k);
  std::vector<std::set<std::size_t>> groups{everyone};
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = i + 1; j < m; ++j) {
      if (better[order[i]][order[j]] || better[order[j]][order[i]]) separate(groups, i, j);
    }
  }
  std::sort(groups.begin(), groups.end());
  std::vector<std::string> letters(better.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const std::size_t k : groups[g]) letters[order[k]] += letter(g);
  }
  return letters;
}

}  // namespace assay::stats
