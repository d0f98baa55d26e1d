#include "plugins/metrics/hallucination/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace assay::hallucination {
namespace {

struct Bin {
  double confidence = 0, correct = 0, count = 0;
  void add(double c, double y) { confidence += c, correct += y, count += 1; }
  [[nodiscard]] double gap() const { return std::abs(correct / count - confidence / count); }
};

std::size_t bin_of(double c, std::size_t bins, bool left_closed) {
  // Edges are b / B by one division; a search from the estimate settles values on an edge.
  const auto edge = [bins](std::size_t b) { return static_cast<double>(b) / static_cast<double>(bins); };
  auto b = static_cast<std::size_t>(std::max(0.0, std::floor(c * static_cast<double>(bins))));
  b = std::min(b, bins - 1);
  if (left_closed) {
    while (b > 0 && c < edge(b)) --b;
    while (b + 1 < bins && c >= edge(b + 1)) ++b;
  } else {
    while (b > 0 && c <= edge(b)) --b;
    while (b + 1 < bins && c > edge(b + 1)) ++b;
  }
  return b;
}

std::vector<Bin> equal_size(std::span<const double> confidence, std::span<const double> correct,
                            std::size_t groups) {
  const std::size_t n = confidence.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return confidence[a] < confidence[b]; });
  std::vector<Bin> out(groups);
  std::size_t at = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t size = n / groups + (g < n % groups ? 1 : 0);
    for (std::size_t i = 0; i < size; ++i, ++at) out[g].add(confidence[order[at]], correct[order[at]]);
  }
  return out;
}

std::vector<Bin> fill(std::span<const double> confidence, std::span<const double> correct, Bins bins) {
  if (bins == Bins::kM10) return equal_size(confidence, correct, 10);
  const std::size_t count = bins == Bins::kW15 ? 15 : bins == Bins::kW20 ? 20 : 10;
  std::vector<Bin> out(count);
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    out[bin_of(confidence[i], count, bins == Bins::kW10Left)].add(confidence[i], correct[i]);
  }
  return out;
}

}  // namespace

double ece(std::span<const double> confidence, std::span<const double> correct, Bins bins) {
  if (confidence.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const Bin& bin : fill(confidence, correct, bins)) {
    if (bin.count > 0) sum += bin.count / static_cast<double>(confidence.size()) * bin.gap();
  }
  return sum;
}

double mce(std::span<const double> confidence, std::span<const double> correct, Bins bins) {
  if (confidence.empty()) return std::numeric_limits<double>::quiet_NaN();
  double top = 0;
  for (const Bin& bin : fill(confidence, correct, bins)) {
    if (bin.count > 0) top = std::max(top, bin.gap());
  }
  return top;
}

double brier(std::span<const double> confidence, std::span<const double> correct) {
  if (confidence.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    sum += (confidence[i] - correct[i]) * (confidence[i] - correct[i]);
  }
  return sum / static_cast<double>(confidence.size());
}

}  // namespace assay::hallucination
