#include "harness/stats/agreement.hpp"

#include <cstddef>
#include <map>

#include "harness/stats/summary.hpp"

namespace assay::stats {

std::optional<double> cohen_kappa(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
  if (a.empty() || a.size() != b.size()) return std::nullopt;
  std::map<std::uint32_t, std::pair<double, double>> margins;
  double agreed = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    margins[a[i]].first += 1.0;
    margins[b[i]].second += 1.0;
    agreed += a[i] == b[i] ? 1.0 : 0.0;
  }
  const auto n = static_cast<double>(a.size());
  CompensatedSum products;  // integral, so that "expected agreement is 1" is decided exactly
  for (const auto& [code, margin] : margins) products.add(margin.first * margin.second);
  if (products.value() == n * n) return std::nullopt;
  const double expected = products.value() / (n * n);
  return (agreed / n - expected) / (1.0 - expected);
}

std::optional<double> krippendorff_nominal(std::span<const std::vector<std::optional<std::uint32_t>>> units) {
  std::map<std::uint32_t, double> totals;
  CompensatedSum disagreement;  // off-diagonal part of the coincidence matrix
  double n = 0.0;
  for (const auto& unit : units) {
    std::map<std::uint32_t, double> counts;
    double ratings = 0.0;
    for (const auto& code : unit) {
      if (!code) continue;
      counts[*code] += 1.0;
      ratings += 1.0;
    }
    if (ratings < 2.0) continue;
    n += ratings;
    double same = 0.0;
    for (const auto& [code, count] : counts) {
      totals[code] += count;
      same += count * (count - 1.0);
    }
    disagreement.add((ratings * (ratings - 1.0) - same) / (ratings - 1.0));
  }
  double pairs = n * (n - 1.0);
  for (const auto& [code, count] : totals) pairs -= count * (count - 1.0);
  if (!(pairs > 0.0)) return std::nullopt;
  return 1.0 - (n - 1.0) * disagreement.value() / pairs;
}

}  // namespace assay::stats
