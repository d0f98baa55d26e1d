#include "harness/stats/multiplicity.hpp"

#include <algorithm>
#include <cmath>

namespace assay::stats {
namespace {

// Positions of the defined p-values, ascending by value; equal values keep their order.
std::vector<std::size_t> ascending(std::span<const double> p) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (!std::isnan(p[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

Adjusted holm(std::span<const double> p) {
  Adjusted out{std::vector<double>(p.begin(), p.end()), 0};
  const std::vector<std::size_t> order = ascending(p);
  out.family = order.size();
  double running = 0.0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    running = std::max(running, std::min(1.0, static_cast<double>(order.size() - k) * p[order[k]]));
    out.p[order[k]] = running;
  }
  return out;
}

Adjusted benjamini_hochberg(std::span<const double> p) {
  Adjusted out{std::vector<double>(p.begin(), p.end()), 0};
  const std::vector<std::size_t> order = ascending(p);
  out.family = order.size();
  const auto m = static_cast<double>(order.size());
  double running = 1.0;
  for (std::size_t k = order.size(); k-- > 0;) {
    running = std::min(running, m * p[order[k]] / static_cast<double>(k + 1));
    out.p[order[k]] = running;
  }
  return out;
}

}  // namespace assay::stats
