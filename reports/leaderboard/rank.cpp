// Ranks of one board from paired comparisons over common items.
#include "harness/stats/rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "assay/plugin.h"
#include "harness/stats/choose_paired.hpp"
#include "reports/leaderboard/detail.hpp"

namespace assay::host::leaderboard_detail {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kUnmatchedMax = 0.20;   // share of the union of items, as in a comparison
constexpr std::size_t kLettersMax = 60;  // rows; beyond, the letters would take longer than all tests

stats::Rule rule_of(int rule) {
  switch (rule) {
    case ASSAY_RULE_PROPORTION:
      return stats::Rule::kProportion;
    case ASSAY_RULE_AUROC:
      return stats::Rule::kAuroc;
    case ASSAY_RULE_RATIO:
      return stats::Rule::kRatio;
    case ASSAY_RULE_EXP_MEAN:
      return stats::Rule::kExpMean;
    case ASSAY_RULE_CUSTOM:
      return stats::Rule::kCustom;
    default:
      return stats::Rule::kMean;
  }
}

// Pairs of a board, in one order of items and with one seed.
class Pairs {
 public:
  Pairs(const Board& board, const Roster& roster, std::uint64_t seed, std::uint64_t permutation_seed,
        const LeaderboardOptions& options)
      : roster_(roster), rule_(rule_of(board.rule)) {
    options_.conf = 1 - options.alpha;
    options_.seed = seed;
    options_.permutation_seed = permutation_seed;
    options_.replicates = options.replicates;
    options_.companions = false;
    options_.higher_is_better = board.direction != ASSAY_LOWER_IS_BETTER;
    for (const std::string& group : roster.items.groups) grouped_ = grouped_ || !group.empty();
  }

  /// Candidate minus baseline. False: too many items are only in one of them.
  bool compare(const Candidate& baseline, const Candidate& candidate, stats::Difference& out) {
    a_.clear(), b_.clear(), a_below_.clear(), b_below_.clear(), labels_.clear(), groups_.clear();
    std::size_t both = 0, one = 0;
    const std::vector<bool>&in_a = roster_.sheets[baseline.sheet].present,
          &in_b = roster_.sheets[candidate.sheet].present;
    for (std::size_t i = 0; i < baseline.column.numbers.size(); ++i) {
      if (in_a[i] && in_b[i])
        ++both;
      else if (in_a[i] || in_b[i])
        ++one;
      const double x = baseline.column.numbers[i], y = candidate.column.numbers[i];
      if (std::isnan(x) || std::isnan(y)) continue;
      a_.push_back(x);
      b_.push_back(y);
      if (rule_ == stats::Rule::kAuroc) labels_.push_back(roster_.items.labels[i] > 0 ? 1 : 0);
      if (rule_ == stats::Rule::kRatio) {
        a_below_.push_back(baseline.column.denominators[i]);
        b_below_.push_back(candidate.column.denominators[i]);
      }
      if (grouped_) groups_.push_back(roster_.items.groups[i]);
    }
    if (static_cast<double>(one) > kUnmatchedMax * static_cast<double>(both + one)) return false;
    stats::PairedSample sample;
    sample.rule = rule_;
    sample.baseline = a_;
    sample.candidate = b_;
    sample.baseline_denominators = a_below_;
    sample.candidate_denominators = b_below_;
    sample.labels = labels_;
    sample.groups = groups_;
    out = stats::compare(sample, options_);
    return true;
  }

 private:
  const Roster& roster_;
  stats::Rule rule_;
  stats::PairedOptions options_;
  bool grouped_ = false;
  std::vector<double> a_, b_, a_below_, b_below_;
  std::vector<std::uint8_t> labels_;
  std::vector<std::string> groups_;
};

// Best first; what has no number comes last. Equal scores stand in the order of names.
void arrange(const Board& board, std::vector<Candidate>& candidates) {
  const double sign = board.direction == ASSAY_LOWER_IS_BETTER ? 1 : -1;
  const auto key = [&](const BoardRow& row) {
    const bool defined = row.estimate && std::isfinite(*row.estimate);
    return std::make_tuple(!defined,
                           defined && board.direction != ASSAY_NO_DIRECTION ? sign * *row.estimate : 0.0);
  };
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    const auto x = key(a.row), y = key(b.row);
    if (x != y) return x < y;
    return std::tie(a.row.model, a.row.fingerprint, a.row.run) <
           std::tie(b.row.model, b.row.fingerprint, b.row.run);
  });
}

std::int64_t common_items(const std::vector<Candidate*>& ranked) {
  std::int64_t common = 0;
  if (ranked.empty()) return 0;
  for (std::size_t i = 0; i < ranked.front()->column.numbers.size(); ++i) {
    common += std::all_of(ranked.begin(), ranked.end(),
                          [&](const Candidate* c) { return !std::isnan(c->column.numbers[i]); })
                  ? 1
                  : 0;
  }
  return common;
}

}  // namespace

void rank_board(Board& board, std::vector<Candidate>& candidates, const Roster& roster, std::uint64_t seed,
                std::uint64_t permutation_seed, bool testable, const LeaderboardOptions& options) {
  arrange(board, candidates);
  if (board.direction == ASSAY_NO_DIRECTION) {
    board.notes.emplace_back("no direction is better: nothing is ranked");
    return;
  }
  std::vector<Candidate*> ranked;
  for (Candidate& candidate : candidates) {
    BoardRow& row = candidate.row;
    if (row.model_free || row.self_reported || !row.remark.empty()) continue;
    if (!row.estimate || !std::isfinite(*row.estimate)) {
      row.remark = "no score";
    } else if (testable && !candidate.comparable) {
      row.remark = "no values by item are stored";
    } else {
      ranked.push_back(&candidate);
    }
  }
  board.ranked = ranked.size();
  const std::size_t m = ranked.size();
  if (m == 0) return;
  if (!testable) {
    board.notes.emplace_back(
        "the number is not an average of items that could be paired: no model is resolved from another");
  }
  std::vector<std::vector<double>> delta(m, std::vector<double>(m, 0.0)), p(m, std::vector<double>(m, kNone));
  Pairs pairs(board, roster, seed, permutation_seed, options);
  std::size_t unmatched = 0;
  for (std::size_t i = 0; testable && i < m; ++i) {
    for (std::size_t j = i + 1; j < m; ++j) {
      stats::Difference difference;
      if (!pairs.compare(*ranked[i], *ranked[j], difference)) {
        ++unmatched;
        continue;
      }
      delta[j][i] = difference.delta.value_or(0.0);
      delta[i][j] = -delta[j][i];
      p[i][j] = p[j][i] = difference.p.value_or(kNone);
      if (difference.p) ++board.pairs;
      if (i != 0) continue;
      ranked[j]->row.delta = difference.delta;
      ranked[j]->row.delta_p = difference.p;
      ranked[j]->row.mde = difference.mde;
    }
  }
  if (testable) board.common_items = common_items(ranked);
  if (unmatched != 0) {
    board.notes.push_back(
        fmt::format("{} pairs share less than 80 % of their items and are not compared", unmatched));
  }
  // The deltas of a rule on the scale of the negative log-likelihood have the direction of the rule itself.
  const bool higher = board.direction != ASSAY_LOWER_IS_BETTER;
  const stats::PairTests tests{delta, p};
  const std::vector<std::vector<bool>> better = stats::significantly_better(tests, options.alpha, higher);
  const std::vector<stats::RankInterval> ranks = stats::rank_significance(tests, options.alpha, higher);
  std::vector<std::string> letters(m);
  if (m <= kLettersMax) {
    std::vector<std::size_t> order(m);
    std::iota(order.begin(), order.end(), std::size_t{0});
    letters = stats::resolution_letters(better, order);
  } else {
    board.notes.push_back(fmt::format(
        "no letters with more than {} rows; the rank intervals say who is resolved", kLettersMax));
  }
  for (std::size_t i = 0; i < m; ++i) {
    ranked[i]->row.rank_best = ranks[i].best;
    ranked[i]->row.rank_worst = ranks[i].worst;
    ranked[i]->row.letter = letters[i];
  }
}

std::optional<stats::Difference> paired_difference(const Board& board, const Roster& roster,
                                                   std::uint64_t seed, std::uint64_t permutation_seed,
                                                   const Candidate& baseline, const Candidate& candidate,
                                                   const LeaderboardOptions& options) {
  stats::Difference difference;
  if (!Pairs(board, roster, seed, permutation_seed, options).compare(baseline, candidate, difference))
    return std::nullopt;
  return difference;
}

}  // namespace assay::host::leaderboard_detail
