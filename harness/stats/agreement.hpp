// Agreement between raters on nominal codes (specs/statistics.md section 15).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace assay::stats {

/// Cohen 1960: (po - pe)/(1 - pe). Nothing for no items or pe = 1. Spans have equal length.
std::optional<double> cohen_kappa(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b);

/// Krippendorff's alpha for nominal codes with missing ratings, by the coincidence matrix (Krippendorff
/// 2011). Units with fewer than two ratings are ignored. Nothing when no disagreement is expected.
std::optional<double> krippendorff_nominal(std::span<const std::vector<std::optional<std::uint32_t>>> units);

}  // namespace assay::stats
