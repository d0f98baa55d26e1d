#include "plugins/metrics/hallucination/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace assay::hallucination {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr int kAreaPoints = 20;

std::vector<std::size_t> sorted_by(std::span<const double> score) {
  std::vector<std::size_t> order(score.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return score[a] != score[b] ? score[a] < score[b] : a < b; });
  return order;
}

std::vector<double> running_means(std::span<const double> values) {
  std::vector<double> means;
  means.reserve(values.size());
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    means.push_back(sum / static_cast<double>(i + 1));
  }
  return means;
}

double mean_of(std::span<const double> values) {
  if (values.empty()) return kUndefined;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// Calls step(positives, items) for every block of equal scores, from the highest down.
void descend(std::span<const double> score, std::span<const char> positive,
             const std::function<void(double positives, double items)>& step) {
  const std::vector<std::size_t> order = sorted_by(score);
  double hits = 0, items = 0;
  for (std::size_t i = order.size(); i > 0;) {
    const double level = score[order[i - 1]];
    for (; i > 0 && score[order[i - 1]] == level; --i) {
      items += 1;
      hits += positive[order[i - 1]] != 0 ? 1 : 0;
    }
    step(hits, items);
  }
}

}  // namespace

double auroc(std::span<const double> score, std::span<const char> positive) {
  const std::vector<std::size_t> order = sorted_by(score);
  double rank_sum = 0, positives = 0;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    double hits = 0;
    for (; j < order.size() && score[order[j]] == score[order[i]]; ++j)
      hits += positive[order[j]] != 0 ? 1 : 0;
    rank_sum += hits * (static_cast<double>(i + 1 + j) / 2);  // average of the ranks i+1 .. j
    positives += hits;
    i = j;
  }
  const double negatives = static_cast<double>(order.size()) - positives;
  if (positives == 0 || negatives == 0) return kUndefined;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

double aupr_trapezoid(std::span<const double> score, std::span<const char> positive) {
  const auto all =
      static_cast<double>(std::count_if(positive.begin(), positive.end(), [](char p) { return p != 0; }));
  if (all == 0) return kUndefined;
  double area = 0, recall = 0, precision = 1;
  descend(score, positive, [&](double hits, double items) {
    const double r = hits / all, p = hits / items;
    area += (r - recall) * (p + precision) / 2;
    recall = r;
    precision = p;
  });
  return area;
}

double average_precision(std::span<const double> score, std::span<const char> positive) {
  const auto all =
      static_cast<double>(std::count_if(positive.begin(), positive.end(), [](char p) { return p != 0; }));
  if (all == 0) return kUndefined;
  double area = 0, recall = 0;
  descend(score, positive, [&](double hits, double items) {
    area += (hits / all - recall) * (hits / items);
    recall = hits / all;
  });
  return area;
}

Selection::Selection(std::span<const double> uncertainty, std::span<const double> quality) {
  uncertainty_.reserve(uncertainty.size());
  quality_.reserve(uncertainty.size());
  for (const std::size_t i : sorted_by(uncertainty)) {
    uncertainty_.push_back(uncertainty[i]);
    quality_.push_back(quality[i]);
  }
  prefix_mean_ = running_means(quality_);
}

double Selection::accuracy_at(double q) const {
  if (quality_.empty()) return kUndefined;
  double position = static_cast<double>(quality_.size() - 1) * q;
  // Without this, rounding of the position would decide whether the item on the border is kept.
  if (std::abs(position - std::round(position)) < 1e-9) position = std::round(position);
  const auto low = static_cast<std::size_t>(position);
  const std::size_t high = std::min(low + 1, quality_.size() - 1);
  const double part = position - static_cast<double>(low);
  const double bound =
      part == 0 ? uncertainty_[low] : uncertainty_[low] + part * (uncertainty_[high] - uncertainty_[low]);
  const auto kept = std::upper_bound(uncertainty_.begin(), uncertainty_.end(), bound) - uncertainty_.begin();
  return prefix_mean_[static_cast<std::size_t>(kept) - 1];
}

double Selection::aurac20() const {
  double area = 0;
  for (int i = 0; i < kAreaPoints; ++i)
    area += accuracy_at(0.1 + 0.9 * i / (kAreaPoints - 1)) * (0.9 / (kAreaPoints - 1));
  return area;
}

double Selection::auarc() const {
  return mean_of(prefix_mean_);
}

double Selection::aurc() const {
  return 1 - auarc();
}

double Selection::eaurc() const {
  std::vector<double> best = quality_;
  std::sort(best.begin(), best.end(), std::greater<>());
  return mean_of(running_means(best)) - auarc();
}

std::vector<std::pair<double, double>> Selection::risk_coverage() const {
  std::vector<std::pair<double, double>> curve;
  for (std::size_t k = 0; k < prefix_mean_.size(); ++k) {
    curve.emplace_back(static_cast<double>(k + 1) / static_cast<double>(prefix_mean_.size()),
                       1 - prefix_mean_[k]);
  }
  return curve;
}

Selection::Rejection Selection::rejection_ratio(double max_rejection) const {
  Rejection out{kUndefined, kUndefined, kUndefined, kUndefined};
  const std::size_t n = quality_.size();
  const auto kept_out = static_cast<std::size_t>(std::floor(max_rejection * static_cast<double>(n)));
  if (n == 0 || kept_out == 0) return out;
  const auto [low, high] = std::minmax_element(quality_.begin(), quality_.end());
  const double bottom = *low, width = *high - *low;
  std::vector<double> y;
  y.reserve(n);
  for (const double a : quality_) y.push_back(width == 0 ? 0 : (a - bottom) / width);
  const auto tail_mean = [kept_out, n](const std::vector<double>& values) {
    const std::vector<double> means = running_means(values);
    return mean_of(std::span<const double>(means).subspan(n - kept_out));
  };
  out.raw = tail_mean(y);
  out.random = mean_of(y);
  std::sort(y.begin(), y.end(), std::greater<>());
  out.oracle = tail_mean(y);
  if (std::abs(out.oracle - out.random) >= 1e-12)
    out.normalised = (out.raw - out.random) / (out.oracle - out.random);
  return out;
}

}  // namespace assay::hallucination
