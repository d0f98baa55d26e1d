#include "harness/stats/summary.hpp"

#include <algorithm>
#include <cmath>

#include "harness/stats/interval.hpp"

namespace assay::stats {

double sum(std::span<const double> x) {
  CompensatedSum total;
  for (const double value : x) total.add(value);
  return total.value();
}

double mean(std::span<const double> x) {
  if (x.empty()) return kUndefined;
  return sum(x) / static_cast<double>(x.size());
}

bool constant(std::span<const double> x) {
  return !x.empty() && std::all_of(x.begin(), x.end(), [&](double value) { return value == x.front(); });
}

double variance(std::span<const double> x) {
  return variance(x, x.size() < 2 ? kUndefined : mean(x));
}

double variance(std::span<const double> x, double m) {
  if (x.size() < 2) return kUndefined;
  if (constant(x)) return 0.0;
  CompensatedSum squares;
  CompensatedSum rest;  // the sum of the deviations is not exactly 0, because m is rounded
  for (const double value : x) {
    squares.add((value - m) * (value - m));
    rest.add(value - m);
  }
  const auto n = static_cast<double>(x.size());
  return (squares.value() - rest.value() * rest.value() / n) / (n - 1.0);
}

double skewness(std::span<const double> x) {
  if (x.empty()) return kUndefined;
  if (constant(x)) return 0.0;
  const double m = mean(x);
  CompensatedSum second;
  CompensatedSum third;
  for (const double value : x) {
    const double d = value - m;
    second.add(d * d);
    third.add(d * d * d);
  }
  const auto n = static_cast<double>(x.size());
  const double m2 = second.value() / n;
  if (!(m2 > 0.0)) return 0.0;
  return (third.value() / n) / (m2 * std::sqrt(m2));
}

double quantile_sorted(std::span<const double> sorted, double q) {
  if (sorted.empty() || std::isnan(q)) return kUndefined;
  const double h = static_cast<double>(sorted.size() - 1) * std::clamp(q, 0.0, 1.0);
  const auto below = static_cast<std::size_t>(std::floor(h));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (h - std::floor(h)) * (sorted[above] - sorted[below]);
}

double quantile(std::span<const double> x, double q) {
  std::vector<double> copy(x.begin(), x.end());
  std::sort(copy.begin(), copy.end());
  return quantile_sorted(copy, q);
}

double median_in_place(std::span<double> x) {
  if (x.empty()) return kUndefined;
  const auto middle = x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2);
  std::nth_element(x.begin(), middle, x.end());
  const double upper = *middle;
  if (x.size() % 2 == 1) return upper;
  const double lower = *std::max_element(x.begin(), middle);
  return lower + 0.5 * (upper - lower);
}

double median(std::span<const double> x) {
  std::vector<double> copy(x.begin(), x.end());
  return median_in_place(copy);
}

double median_high(std::span<const double> x) {
  if (x.empty()) return kUndefined;
  std::vector<double> copy(x.begin(), x.end());
  const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(copy.size() / 2);
  std::nth_element(copy.begin(), middle, copy.end());
  return *middle;
}

}  // namespace assay::stats
