// Averages over tasks, each with the error that belongs to it, for the models that have all tasks.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <unordered_map>

#include "assay/plugin.h"
#include "harness/base/numbers.hpp"
#include "harness/stats/aggregate.hpp"
#include "harness/stats/bradley_terry.hpp"
#include "harness/stats/mean.hpp"
#include "harness/stats/random.hpp"
#include "reports/leaderboard/detail.hpp"

namespace assay::host::leaderboard_detail {
namespace {

std::string member_name(const Board& board) {
  return board.variant.empty() ? board.task : board.task + " (" + board.variant + ")";
}

// Numbers of one member with the units they belong to.
struct Scores {
  std::vector<double> numbers;
  std::vector<std::string> units;
};

class Total {
 public:
  Total(const Leaderboard& leaderboard, std::vector<const Member*> members, std::uint64_t seed)
      : boards_(leaderboard.boards), members_(std::move(members)) {
    plan_.seed = seed;
    plan_.replicates = leaderboard.options.replicates;
    plan_.conf = 1 - leaderboard.options.alpha;
    const Board& first = board(0);
    lower_ = first.direction == ASSAY_LOWER_IS_BETTER;
    average_ = first.rule == ASSAY_RULE_MEAN || first.rule == ASSAY_RULE_PROPORTION;
    shared_ = average_ && shares_units();
  }

  // Nothing when fewer than two models have all members.
  std::optional<BoardTotal> run() {
    BoardTotal out;
    out.suite = board(0).suite;
    out.metric = board(0).metric;
    out.value = board(0).value;
    out.direction = board(0).direction;
    for (const Member* member : members_) out.members.push_back(member_name(boards_[member->board]));
    find_models(out);
    if (models_.size() < 2) return std::nullopt;
    if (average_) {
      for (std::size_t t = 0; t < members_.size(); ++t) common_.push_back(common_items(t));
    }
    for (const BoardRow* model : models_) {
      TotalRow row;
      row.model = model->model;
      row.fingerprint = model->fingerprint;
      row.mean = mean(row.fingerprint);
      row.centred = centred(row.fingerprint);
      row.win_rate = win_rate(row.fingerprint);
      row.borda = borda(row.fingerprint);
      out.rows.push_back(std::move(row));
    }
    strengths(out);
    out.method = shared_ ? "bootstrap.percentile" : "aggregate.normal";
    if (shared_) out.seed = plan_.seed, out.replicates = plan_.replicates;
    std::sort(out.rows.begin(), out.rows.end(), [&](const TotalRow& a, const TotalRow& b) {
      const double x = a.mean.value.value_or(0), y = b.mean.value.value_or(0);
      if (a.mean.value.has_value() != b.mean.value.has_value()) return a.mean.value.has_value();
      if (x != y) return lower_ ? x < y : x > y;
      return std::tie(a.model, a.fingerprint) < std::tie(b.model, b.fingerprint);
    });
    return out;
  }

 private:
  [[nodiscard]] const Board& board(std::size_t member) const { return boards_[members_[member]->board]; }

  [[nodiscard]] const BoardRow* row(std::size_t member, const std::string& fingerprint) const {
    for (const BoardRow& one : board(member).rows) {
      if (one.rank_best != 0 && one.fingerprint == fingerprint) return &one;
    }
    return nullptr;
  }

  // A unit in two members makes them dependent.
  [[nodiscard]] bool shares_units() const {
    std::unordered_map<std::string_view, std::size_t> owner;
    for (std::size_t t = 0; t < members_.size(); ++t) {
      for (const std::string& unit : members_[t]->units) {
        if (!unit.empty() && owner.emplace(unit, t).first->second != t) return true;
      }
    }
    return false;
  }

  void find_models(BoardTotal& out) {
    std::set<std::tuple<std::string, std::string>> seen;
    for (std::size_t t = 0; t < members_.size(); ++t) {
      for (const BoardRow& one : board(t).rows) {
        if (one.rank_best == 0 || !seen.emplace(one.model, one.fingerprint).second) continue;
        std::string without;
        std::size_t lacking = 0;
        bool known = false;
        for (std::size_t other = 0; other < members_.size(); ++other) {
          if (row(other, one.fingerprint) != nullptr) continue;
          if (lacking++ == 0) without = out.members[other];
        }
        for (const BoardRow* model : models_) known = known || model->fingerprint == one.fingerprint;
        if (known) continue;
        if (lacking == 0) {
          models_.push_back(&one);
        } else {
          out.left_out.push_back(one.model + ": no score in " + without +
                                 (lacking > 1 ? " and " + std::to_string(lacking - 1) + " more" : ""));
        }
      }
    }
    std::sort(models_.begin(), models_.end(), [](const BoardRow* a, const BoardRow* b) {
      return std::tie(a->model, a->fingerprint) < std::tie(b->model, b->fingerprint);
    });
    std::sort(out.left_out.begin(), out.left_out.end());
  }

  // Items of a member that every model of the total has scored.
  [[nodiscard]] std::vector<std::size_t> common_items(std::size_t t) const {
    std::vector<std::size_t> items;
    for (std::size_t i = 0; i < members_[t]->units.size(); ++i) {
      const bool all = std::all_of(models_.begin(), models_.end(), [&](const BoardRow* model) {
        const auto at = members_[t]->numbers.find(model->fingerprint);
        return at != members_[t]->numbers.end() && i < at->second.size() && !std::isnan(at->second[i]);
      });
      if (all) items.push_back(i);
    }
    return items;
  }

  // The macro average of the members' means.
  [[nodiscard]] Averaged averaged(const std::vector<Scores>& scores) const {
    Averaged out;
    if (shared_) {
      std::vector<stats::TaskItems> tasks;
      for (const Scores& one : scores) tasks.push_back({one.numbers, one.units});
      const stats::BootstrapResult macro = stats::aggregate_bootstrap(tasks, plan_).macro;
      out.value = if_finite(macro.estimate);
      out.se = if_finite(macro.se);
      if (macro.percentile.defined())
        out.lo = if_finite(macro.percentile.lo), out.hi = if_finite(macro.percentile.hi);
      return out;
    }
    std::vector<stats::TaskMean> tasks;
    for (const Scores& one : scores) {
      const stats::Clusters clusters = stats::make_clusters(one.units);
      const stats::MeanEstimate estimate = clusters.count() < one.numbers.size()
                                               ? stats::mean_cluster_t(one.numbers, clusters, plan_.conf)
                                               : stats::mean_t(one.numbers, plan_.conf);
      tasks.push_back({estimate.mean, estimate.se, static_cast<double>(one.numbers.size())});
    }
    return averaged(tasks);
  }

  [[nodiscard]] Averaged averaged(const std::vector<stats::TaskMean>& tasks) const {
    const stats::TaskAggregate aggregate = stats::aggregate(tasks);
    Averaged out;
    out.value = if_finite(aggregate.macro);
    out.se = if_finite(aggregate.macro_se);
    const stats::Interval interval = stats::normal_interval(aggregate.macro, aggregate.macro_se, plan_.conf);
    if (interval.defined()) out.lo = if_finite(interval.lo), out.hi = if_finite(interval.hi);
    return out;
  }

  [[nodiscard]] Averaged mean(const std::string& model) const {
    if (!average_) {
      std::vector<stats::TaskMean> tasks;
      for (std::size_t t = 0; t < members_.size(); ++t) {
        const BoardRow& one = *row(t, model);
        tasks.push_back({one.estimate.value_or(stats::kUndefined), one.se.value_or(stats::kUndefined),
                         static_cast<double>(one.n)});
      }
      return averaged(tasks);
    }
    std::vector<Scores> scores(members_.size());
    for (std::size_t t = 0; t < members_.size(); ++t) {
      const std::vector<double>& numbers = members_[t]->numbers.at(model);
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (std::isnan(numbers[i])) continue;
        scores[t].numbers.push_back(numbers[i]);
        scores[t].units.push_back(members_[t]->units[i]);
      }
    }
    return averaged(scores);
  }

  // A number of each common item from the scores of all models on it.
  template <class Of>
  [[nodiscard]] Averaged over_common(const Of& of) const {
    std::vector<Scores> scores(members_.size());
    for (std::size_t t = 0; t < members_.size(); ++t) {
      std::vector<std::span<const double>> all;
      for (const BoardRow* one : models_) all.emplace_back(members_[t]->numbers.at(one->fingerprint));
      for (const std::size_t i : common_[t]) {
        scores[t].numbers.push_back(of(all, i));
        scores[t].units.push_back(members_[t]->units[i]);
      }
    }
    return averaged(scores);
  }

  [[nodiscard]] std::size_t place_of(const std::string& model) const {
    std::size_t at = 0;
    while (models_[at]->fingerprint != model) ++at;
    return at;
  }

  [[nodiscard]] Averaged centred(const std::string& model) const {
    const std::size_t own = place_of(model);
    if (average_) {
      return over_common([&](const std::vector<std::span<const double>>& all, std::size_t i) {
        double sum = 0;
        for (const std::span<const double> one : all) sum += one[i];
        return all[own][i] - sum / static_cast<double>(all.size());
      });
    }
    // Of a number that no item carries, only the value can be centred; its error would need all covariances.
    std::vector<stats::TaskMean> tasks;
    for (std::size_t t = 0; t < members_.size(); ++t) {
      double sum = 0;
      for (const BoardRow* one : models_)
        sum += row(t, one->fingerprint)->estimate.value_or(stats::kUndefined);
      tasks.push_back(
          {row(t, model)->estimate.value_or(stats::kUndefined) - sum / static_cast<double>(models_.size()),
           stats::kUndefined, 1});
    }
    return averaged(tasks);
  }

  [[nodiscard]] Averaged win_rate(const std::string& model) const {
    if (!average_) return {};
    const std::size_t own = place_of(model);
    return over_common([&](const std::vector<std::span<const double>>& all, std::size_t i) {
      double won = 0;
      for (std::size_t k = 0; k < all.size(); ++k) {
        if (k == own) continue;
        const double lead = lower_ ? all[k][i] - all[own][i] : all[own][i] - all[k][i];
        won += lead > 0 ? 1.0 : lead == 0 ? 0.5 : 0.0;
      }
      return won / static_cast<double>(all.size() - 1);
    });
  }

  [[nodiscard]] Averaged borda(const std::string& model) const {
    std::vector<double> points;
    for (std::size_t t = 0; t < members_.size(); ++t) {
      const double own = *row(t, model)->estimate;
      double sum = 0;
      for (const BoardRow* one : models_) {
        if (one->fingerprint == model) continue;
        const double other = *row(t, one->fingerprint)->estimate;
        const double lead = lower_ ? other - own : own - other;
        sum += lead > 0 ? 1.0 : lead == 0 ? 0.5 : 0.0;
      }
      points.push_back(sum);
    }
    const stats::MeanEstimate estimate = stats::mean_t(points, plan_.conf);
    Averaged out;
    out.value = if_finite(estimate.mean);
    out.se = if_finite(estimate.se);
    if (estimate.interval.defined())
      out.lo = if_finite(estimate.interval.lo), out.hi = if_finite(estimate.interval.hi);
    return out;
  }

  // Rows of `out` are still in the order of models_.
  void strengths(BoardTotal& out) const {
    if (!average_) {
      out.strength_undefined = "the number is not an average of items, so no item is won or lost";
      return;
    }
    std::vector<std::vector<std::vector<double>>> scores(members_.size());
    std::vector<std::vector<std::string>> units(members_.size());
    std::vector<stats::BradleyTerryTask> tasks(members_.size());
    for (std::size_t t = 0; t < members_.size(); ++t) {
      for (const std::size_t i : common_[t]) units[t].push_back(members_[t]->units[i]);
      for (const BoardRow* model : models_) {
        const std::vector<double>& numbers = members_[t]->numbers.at(model->fingerprint);
        std::vector<double>& own = scores[t].emplace_back();
        for (const std::size_t i : common_[t]) own.push_back(lower_ ? -numbers[i] : numbers[i]);
      }
      tasks[t].scores.assign(scores[t].begin(), scores[t].end());
      tasks[t].units = units[t];
    }
    const stats::BradleyTerry fit = stats::bradley_terry(tasks, shared_);
    out.strength_undefined = fit.undefined;
    for (std::size_t k = 0; k < fit.never_won.size(); ++k)
      out.strength_undefined += (k == 0 ? ": " : ", ") + models_[fit.never_won[k]]->model;
    if (fit.strength.empty()) return;
    if (!fit.se.empty()) out.strength_method = "bradley_terry.sandwich";
    for (std::size_t k = 0; k < models_.size(); ++k) {
      Averaged& one = out.rows[k].strength;
      one.value = fit.strength[k];
      if (fit.se.empty()) continue;
      one.se = fit.se[k];
      const stats::Interval interval = stats::normal_interval(fit.strength[k], fit.se[k], plan_.conf);
      if (interval.defined()) one.lo = if_finite(interval.lo), one.hi = if_finite(interval.hi);
    }
  }

  const std::vector<Board>& boards_;
  std::vector<const Member*> members_;
  stats::BootstrapPlan plan_;
  bool lower_ = false, average_ = false, shared_ = false;
  std::vector<const BoardRow*> models_;
  std::vector<std::vector<std::size_t>> common_;
};

}  // namespace

void add_totals(Leaderboard& leaderboard, const std::vector<Member>& members, std::uint64_t seed) {
  // The newest recipe of every task; its boards come before those of older ones.
  std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> newest;
  for (const Member& member : members) {
    const Board& board = leaderboard.boards[member.board];
    auto& [started, recipe] = newest[{board.suite, board.task}];
    if (recipe.empty() || std::tie(member.newest, board.recipe) > std::tie(started, recipe))
      started = member.newest, recipe = board.recipe;
  }
  std::map<std::tuple<std::string, std::string, std::string, int, int>, std::vector<const Member*>> groups;
  for (const Member& member : members) {
    const Board& board = leaderboard.boards[member.board];
    if (board.ranked < 2 || newest[{board.suite, board.task}].second != board.recipe) continue;
    groups[{board.suite, board.metric, board.value, board.rule, board.direction}].push_back(&member);
  }
  for (auto& [key, group] : groups) {
    if (group.size() < 2) continue;
    const std::uint64_t total_seed = stats::task_seed(seed, "bootstrap", "leaderboard|" + std::get<0>(key));
    if (std::optional<BoardTotal> total = Total(leaderboard, std::move(group), total_seed).run())
      leaderboard.totals.push_back(std::move(*total));
  }
}

}  // namespace assay::host::leaderboard_detail
