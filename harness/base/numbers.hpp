// What the host's folders ask of numbers.
#pragma once

#include <cmath>
#include <optional>

namespace assay::host {

/// The number, or nothing for NaN and the infinities.
inline std::optional<double> if_finite(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

}  // namespace assay::host
