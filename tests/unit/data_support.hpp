// What the tests of planted worlds share.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "benchmarks/planted/world.hpp"
#include "harness/stats/roc.hpp"

namespace assay::test {

/// The rows of one file of a world.
inline std::vector<nlohmann::json> rows_of(const planted::World& world, const std::string& name) {
  std::vector<nlohmann::json> out;
  for (const planted::File& file : world) {
    if (file.name != name) continue;
    std::istringstream in(file.bytes);
    for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
  }
  return out;
}

/// AUROC as a number of null standard errors away from 0.5 (Mann-Whitney variance without ties).
inline double null_z(const std::vector<double>& positives, const std::vector<double>& negatives) {
  const auto m = static_cast<double>(positives.size()), n = static_cast<double>(negatives.size());
  return (stats::auroc(positives, negatives) - 0.5) / std::sqrt((m + n + 1.0) / (12.0 * m * n));
}

}  // namespace assay::test
