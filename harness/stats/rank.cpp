#include "harness/stats/rank.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

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

// A set of positions.
class Group {
 public:
  explicit Group(std::size_t size) : words_((size + 63) / 64, 0) {}
  void insert(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  void erase(std::size_t i) { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  [[nodiscard]] bool has(std::size_t i) const { return ((words_[i / 64] >> (i % 64)) & 1U) != 0; }
  [[nodiscard]] bool contains(const Group& inner) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      if ((inner.words_[w] & ~words_[w]) != 0) return false;
    }
    return true;
  }
  [[nodiscard]] std::vector<std::size_t> members() const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < 64 * words_.size(); ++i) {
      if (has(i)) out.push_back(i);
    }
    return out;
  }

 private:
  std::vector<std::uint64_t> words_;
};

// Splits every group that holds both i and j; a part that lies inside another group is dropped. Groups that
// were not split hold no other group, and none of them lies inside a part of one that was.
void separate(std::vector<Group>& groups, std::size_t i, std::size_t j) {
  std::vector<Group> kept, parts;
  for (Group& group : groups) {
    if (!group.has(i) || !group.has(j)) {
      kept.push_back(std::move(group));
      continue;
    }
    Group without_j = group;
    without_j.erase(j);
    group.erase(i);
    parts.push_back(std::move(without_j));
    parts.push_back(std::move(group));
  }
  const std::size_t unsplit = kept.size();
  for (std::size_t k = 0; k < parts.size(); ++k) {
    bool absorbed = false;
    for (std::size_t g = 0; g < unsplit && !absorbed; ++g) absorbed = kept[g].contains(parts[k]);
    for (std::size_t other = 0; other < parts.size() && !absorbed; ++other) {
      if (other == k || !parts[other].contains(parts[k])) continue;
      absorbed = !parts[k].contains(parts[other]) || other < k;
    }
    if (!absorbed) kept.push_back(parts[k]);
  }
  groups = std::move(kept);
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
  std::vector<std::string> letters(better.size());
  std::vector<Group> groups(1, Group(m));  // of positions in `order`
  for (std::size_t k = 0; k < m; ++k) groups[0].insert(k);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = i + 1; j < m; ++j) {
      if (better[order[i]][order[j]] || better[order[j]][order[i]]) separate(groups, i, j);
      if (groups.size() > kMaxLetters) return letters;
    }
  }
  std::vector<std::vector<std::size_t>> members;
  for (const Group& group : groups) members.push_back(group.members());
  std::sort(members.begin(), members.end());
  for (std::size_t g = 0; g < members.size(); ++g) {
    for (const std::size_t k : members[g]) letters[order[k]] += letter(g);
  }
  return letters;
}

}  // namespace assay::stats
