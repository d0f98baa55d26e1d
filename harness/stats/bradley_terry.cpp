#include "harness/stats/bradley_terry.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

constexpr int kMaxIterations = 200;
constexpr double kConverged = 1e-9;  // largest change in the last step; Newton's error is about its square
constexpr double kRounding = 1e-13;  // of the likelihood, relative

double win_probability(double difference) {
  return 1.0 / (1.0 + std::exp(-difference));
}

// A symmetric positive definite matrix, factored in place as L L^T.
class Cholesky {
 public:
  Cholesky(std::vector<double> matrix, std::size_t n) : l_(std::move(matrix)), n_(n) {
    for (std::size_t j = 0; j < n_; ++j) {
      for (std::size_t i = j; i < n_; ++i) {
        double rest = l_[i * n_ + j];
        for (std::size_t k = 0; k < j; ++k) rest -= l_[i * n_ + k] * l_[j * n_ + k];
        if (i != j) {
          l_[i * n_ + j] = rest / l_[j * n_ + j];
          continue;
        }
        if (!(rest > 0.0)) sound_ = false;
        l_[j * n_ + j] = std::sqrt(rest);
      }
    }
  }
  [[nodiscard]] bool sound() const { return sound_; }
  void solve(std::span<double> x) const {
    for (std::size_t i = 0; i < n_; ++i) {
      for (std::size_t k = 0; k < i; ++k) x[i] -= l_[i * n_ + k] * x[k];
      x[i] /= l_[i * n_ + i];
    }
    for (std::size_t i = n_; i-- > 0;) {
      for (std::size_t k = i + 1; k < n_; ++k) x[i] -= l_[k * n_ + i] * x[k];
      x[i] /= l_[i * n_ + i];
    }
  }

 private:
  std::vector<double> l_;
  std::size_t n_;
  bool sound_ = true;
};

// Models that can be reached from `from` along "won or tied against" (or against the arrows).
std::vector<bool> reached(std::span<const double> wins, std::size_t m, std::size_t from, bool forward) {
  std::vector<bool> seen(m, false);
  std::vector<std::size_t> open{from};
  seen[from] = true;
  while (!open.empty()) {
    const std::size_t i = open.back();
    open.pop_back();
    for (std::size_t j = 0; j < m; ++j) {
      if (seen[j] || i == j || !((forward ? wins[i * m + j] : wins[j * m + i]) > 0.0)) continue;
      seen[j] = true;
      open.push_back(j);
    }
  }
  return seen;
}

// The models of which nobody won or tied against the others; empty when there is no such part.
std::vector<std::size_t> without_wins(std::span<const double> wins, std::size_t m) {
  // Whom model 0 reaches by wins is a part that never won against the rest, if there is a rest; who never
  // reaches model 0 has, as a part, never won against those who do.
  std::vector<std::size_t> part;
  const std::vector<bool> below = reached(wins, m, 0, true);
  if (std::find(below.begin(), below.end(), false) != below.end()) {
    for (std::size_t i = 0; i < m; ++i) {
      if (below[i]) part.push_back(i);
    }
    return part;
  }
  const std::vector<bool> above = reached(wins, m, 0, false);
  for (std::size_t i = 0; i < m; ++i) {
    if (!above[i]) part.push_back(i);
  }
  return part;
}

double log_likelihood(std::span<const double> wins, std::size_t m, std::span<const double> strength) {
  CompensatedSum total;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < m; ++j) {
      if (i != j && wins[i * m + j] > 0.0)
        total.add(-wins[i * m + j] * std::log1p(std::exp(strength[j] - strength[i])));
    }
  }
  return total.value();
}

// The information matrix, with the missing direction (all strengths moving together) filled in, so that its
// inverse exists; on vectors that sum to 0 it acts as the pseudo-inverse.
Cholesky information(std::span<const double> wins, std::size_t m, std::span<const double> strength) {
  std::vector<double> a(m * m, 0.0);
  double scale = 0.0;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = i + 1; j < m; ++j) {
      const double p = win_probability(strength[i] - strength[j]);
      const double weight = (wins[i * m + j] + wins[j * m + i]) * p * (1.0 - p);
      a[i * m + j] -= weight;
      a[j * m + i] -= weight;
      a[i * m + i] += weight;
      a[j * m + j] += weight;
      scale += weight;
    }
  }
  const double fill = scale / static_cast<double>(m * m);
  for (double& entry : a) entry += fill;
  return {std::move(a), m};
}

void centre(std::span<double> x) {
  const double m = mean(x);
  for (double& value : x) value -= m;
}

std::vector<double> gradient(std::span<const double> wins, std::size_t m, std::span<const double> strength) {
  std::vector<double> g(m, 0.0);
  for (std::size_t i = 0; i < m; ++i) {
    CompensatedSum total;
    for (std::size_t j = 0; j < m; ++j) {
      if (i == j) continue;
      const double won = wins[i * m + j], lost = wins[j * m + i];
      total.add(won - (won + lost) * win_probability(strength[i] - strength[j]));
    }
    g[i] = total.value();
  }
  return g;
}

// Strengths without errors.
BradleyTerry maximize(std::span<const double> wins, std::size_t m) {
  BradleyTerry r;
  if (m < 2) {
    r.undefined = "fewer than two models";
    return r;
  }
  r.never_won = without_wins(wins, m);
  if (!r.never_won.empty()) {
    r.undefined = "some models never won or tied against the others, so that no finite strengths fit best";
    return r;
  }
  std::vector<double> at(m, 0.0);
  double best = log_likelihood(wins, m, at);
  for (r.iterations = 1; r.iterations <= kMaxIterations; ++r.iterations) {
    const Cholesky matrix = information(wins, m, at);
    if (!matrix.sound()) break;
    std::vector<double> step = gradient(wins, m, at);
    matrix.solve(step);
    centre(step);
    double size = 0.0;
    for (const double x : step) size = std::max(size, std::fabs(x));
    // The likelihood is concave: some part of the step never makes it worse.
    double share = 1.0;
    for (int half = 0; half < 60; ++half, share *= 0.5) {
      std::vector<double> next = at;
      for (std::size_t i = 0; i < m; ++i) next[i] += share * step[i];
      const double value = log_likelihood(wins, m, next);
      if (!(value >= best - kRounding * std::fabs(best))) continue;
      at = std::move(next);
      best = value;
      break;
    }
    if (size <= kConverged) {
      centre(at);
      r.strength = std::move(at);
      return r;
    }
  }
  r.undefined = "the strengths did not converge";
  return r;
}

}  // namespace

BradleyTerry bradley_terry(std::span<const double> wins, std::size_t models) {
  BradleyTerry r = maximize(wins, models);
  if (r.strength.empty()) return r;
  r.se_method = "information";
  const Cholesky matrix = information(wins, models, r.strength);
  std::vector<double> column(models);
  for (std::size_t i = 0; i < models; ++i) {
    const double share = 1.0 / static_cast<double>(models);
    std::fill(column.begin(), column.end(), -share);
    column[i] += 1.0;
    matrix.solve(column);
    r.se.push_back(std::sqrt(column[i] - mean(column)));
  }
  return r;
}

namespace {

// 1, 1/2 or 0 for a win, a tie or a loss of x against y.
double outcome(double x, double y) {
  return x > y ? 1.0 : x == y ? 0.5 : 0.0;
}

// Wins of every model on one item: models below it, and half of those equal to it (itself left out).
void item_wins(std::span<const double> scores, std::vector<std::size_t>& order, std::span<double> out) {
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && scores[order[end]] == scores[order[begin]]) ++end;
    const double won = static_cast<double>(begin) + 0.5 * static_cast<double>(end - begin - 1);
    for (std::size_t k = begin; k < end; ++k) out[order[k]] = won;
    begin = end;
  }
}

}  // namespace

BradleyTerry bradley_terry(std::span<const BradleyTerryTask> tasks, bool shared) {
  BradleyTerry r;
  const std::size_t m = tasks.empty() ? 0 : tasks.front().scores.size();
  std::vector<double> wins(m * m, 0.0);
  std::vector<std::string> ids;
  std::size_t task_number = 0;
  for (const BradleyTerryTask& task : tasks) {
    const std::size_t n = task.units.size();
    if (n == 0) {
      r.undefined = "a task has no item that all models have";
      return r;
    }
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = i + 1; j < m; ++j) {
        double won = 0.0;  // a sum of halves is exact
        for (std::size_t k = 0; k < n; ++k) won += outcome(task.scores[i][k], task.scores[j][k]);
        wins[i * m + j] += won / static_cast<double>(n);
        wins[j * m + i] += (static_cast<double>(n) - won) / static_cast<double>(n);
      }
    }
    // Where nothing is shared, equal ids of two tasks are two units.
    for (const std::string& unit : task.units)
      ids.push_back(shared || unit.empty() ? unit : std::to_string(task_number) + " " + unit);
    ++task_number;
  }
  r = maximize(wins, m);
  if (r.strength.empty()) return r;
  const Clusters units = make_clusters(ids);
  // The score of a unit, item by item: wins of each model, less the mean of its task.
  std::vector<double> sums(std::size_t{units.count()} * m, 0.0);
  std::vector<double> factor(units.count(), 1.0);
  std::vector<double> scores(m), won(m);
  std::vector<std::size_t> order(m);
  std::size_t item = 0;
  for (const BradleyTerryTask& task : tasks) {
    const std::size_t n = task.units.size();
    std::vector<double> all(n * m);
    std::vector<double> average(m, 0.0);
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t i = 0; i < m; ++i) scores[i] = task.scores[i][k];
      item_wins(scores, order, std::span(all).subspan(k * m, m));
      for (std::size_t i = 0; i < m; ++i) average[i] += all[k * m + i];
    }
    for (double& value : average) value /= static_cast<double>(n);
    const std::size_t first = item;
    for (std::size_t k = 0; k < n; ++k, ++item) {
      double* unit = &sums[std::size_t{units.of_item[item]} * m];
      for (std::size_t i = 0; i < m; ++i) unit[i] += (all[k * m + i] - average[i]) / static_cast<double>(n);
    }
    if (shared) continue;
    std::vector<std::uint32_t> own(units.of_item.begin() + static_cast<std::ptrdiff_t>(first),
                                   units.of_item.begin() + static_cast<std::ptrdiff_t>(item));
    std::sort(own.begin(), own.end());
    own.erase(std::unique(own.begin(), own.end()), own.end());
    if (own.size() < 2) return r;
    const auto c = static_cast<double>(own.size());
    for (const std::uint32_t u : own) factor[u] = c / (c - 1.0);
  }
  if (units.count() < 2) return r;
  if (shared) {
    const auto c = static_cast<double>(units.count());
    std::fill(factor.begin(), factor.end(), c / (c - 1.0));
  }
  r.se_method = "sandwich";
  const Cholesky matrix = information(wins, m, r.strength);
  std::vector<CompensatedSum> variance(m);
  for (std::uint32_t u = 0; u < units.count(); ++u) {
    const std::span<double> influence = std::span(sums).subspan(std::size_t{u} * m, m);
    matrix.solve(influence);
    centre(influence);
    for (std::size_t i = 0; i < m; ++i) variance[i].add(factor[u] * influence[i] * influence[i]);
  }
  for (const CompensatedSum& one : variance) r.se.push_back(std::sqrt(one.value()));
  return r;
}

}  // namespace assay::stats
