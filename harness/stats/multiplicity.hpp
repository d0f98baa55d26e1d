// Adjusted p-values for families of tests (specs/statistics.md section 10).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace assay::stats {

/// Adjusted p-values in input order. NaN marks an undefined p-value; it stays NaN and does not count in
/// `family`.
struct Adjusted {
  std::vector<double> p;
  std::size_t family = 0;  ///< m: number of defined p-values
};

/// Holm 1979 (for gates): max over j <= k of min(1, (m-j+1) p_(j)).
Adjusted holm(std::span<const double> p);
/// Benjamini and Hochberg 1995 (for reports): min over j >= k of min(1, m p_(j) / j).
Adjusted benjamini_hochberg(std::span<const double> p);

}  // namespace assay::stats
