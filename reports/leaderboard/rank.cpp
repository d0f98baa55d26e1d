// Ranks of one board from paired comparisons over common items.
#include "harness/stats/rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <tuple>

#include "assay/plugin.h"
#include "harness/stats/pairwise.hpp"
#include "harness/stats/rule_of.hpp"
#include "reports/leaderboard/detail.hpp"

namespace assay::host::leaderboard_detail {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kUnmatchedMax = 0.20;   // share of the union of items, as in a comparison
constexpr std::size_t kLettersMax = 60;  // rows; beyond, a row would have more letters than a reader can use

// Which pairs share enough of their items.
class Overlap {
 public:
  Overlap(std::span<const Candidate* const> models, const Roster& roster) : roster_(roster), models_(models) {
    for (const Candidate* one : models) {
      const std::vector<bool>& present = roster.sheets[one->sheet].present;
      whole_.push_back(std::find(present.begin(), present.end(), false) == present.end());
    }
  }
  [[nodiscard]] bool enough(std::size_t i, std::size_t j) const {
    if (whole_[i] && whole_[j]) return true;
    const std::vector<bool>&in_a = roster_.sheets[models_[i]->sheet].present,
          &in_b = roster_.sheets[models_[j]->sheet].present;
    std::size_t both = 0, one = 0;
    for (std::size_t k = 0; k < in_a.size(); ++k) {
      both += in_a[k] && in_b[k] ? 1U : 0U;
      one += in_a[k] != in_b[k] ? 1U : 0U;
    }
    return static_cast<double>(one) <= kUnmatchedMax * static_cast<double>(both + one);
  }

 private:
  const Roster& roster_;
  std::span<const Candidate* const> models_;
  std::vector<bool> whole_;
};

// What stats::Pairwise borrows.
struct ModelsScores {
  std::vector<stats::ModelScores> models;
  std::vector<std::uint8_t> labels;
};

ModelsScores scores_of(std::span<const Candidate* const> models, const Roster& roster) {
  ModelsScores out;
  for (const Candidate* one : models) out.models.push_back({one->column.numbers, one->column.denominators});
  for (const int label : roster.items.labels) out.labels.push_back(label > 0 ? 1 : 0);
  return out;
}

stats::PairedOptions paired_options(const Board& board, std::uint64_t seed, std::uint64_t permutation_seed,
                                    const LeaderboardOptions& options) {
  stats::PairedOptions out;
  out.conf = 1 - options.alpha;
  out.seed = seed;
  out.permutation_seed = permutation_seed;
  out.replicates = options.replicates;
  out.companions = false;
  out.higher_is_better = board.direction != ASSAY_LOWER_IS_BETTER;
  return out;
}

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
  const std::vector<const Candidate*> models(ranked.begin(), ranked.end());
  const ModelsScores scores = scores_of(models, roster);
  std::optional<stats::Pairwise> pairs;
  std::optional<Overlap> overlap;
  if (testable) {
    pairs.emplace(stats::rule_of(board.rule), scores.models, scores.labels, roster.items.groups,
                  paired_options(board, seed, permutation_seed, options));
    overlap.emplace(models, roster);
  }
  std::size_t unmatched = 0;
  for (std::size_t i = 0; testable && i < m; ++i) {
    for (std::size_t j = i + 1; j < m; ++j) {
      if (!overlap->enough(i, j)) {
        ++unmatched;
        continue;
      }
      const stats::PairTest test = pairs->test(i, j);
      delta[j][i] = test.delta.value_or(0.0);
      delta[i][j] = -delta[j][i];
      p[i][j] = p[j][i] = test.p.value_or(kNone);
      if (test.p) ++board.pairs;
      if (i != 0) continue;
      const stats::Difference difference = pairs->difference(i, j);
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
    if (letters.front().empty())
      board.notes.emplace_back(
          "no letters: the models form too many groups; the rank intervals say who is resolved");
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
  const std::vector<const Candidate*> both = {&baseline, &candidate};
  if (!Overlap(both, roster).enough(0, 1)) return std::nullopt;
  const ModelsScores scores = scores_of(both, roster);
  return stats::Pairwise(stats::rule_of(board.rule), scores.models, scores.labels, roster.items.groups,
                         paired_options(board, seed, permutation_seed, options))
      .difference(0, 1);
}

}  // namespace assay::host::leaderboard_detail
