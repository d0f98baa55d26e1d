// Calibration: does a confidence of 0.8 mean right in 80 of 100 cases? (hallucination.md 13.1)
// Thread rule: pure functions. NaN: nothing to average.
#pragma once

#include <span>

namespace assay::hallucination {

/// How confidences are put into bins; part of the metric's name, since figures differ widely.
enum class Bins {
  kW10,      ///< 10 equal widths, closed on the right, the first also holds 0
  kW15,      ///< 15; the default (Guo et al. 2017)
  kW20,      ///< 20 (IINemo/lm-polygraph)
  kW10Left,  ///< 10 equal widths, closed on the left, the last also holds 1
  kM10,  ///< 10 groups of equal size after sorting, the first ones get the remainder (OpenGVLab/LAMM, ChEF)
};

/// Expected calibration error: sum over bins of (n_b / N) |mean correctness - mean confidence|.
double ece(std::span<const double> confidence, std::span<const double> correct, Bins bins);
/// Largest |mean correctness - mean confidence| over the bins that hold something.
double mce(std::span<const double> confidence, std::span<const double> correct, Bins bins);
/// Mean of (confidence - correctness)^2.
double brier(std::span<const double> confidence, std::span<const double> correct);

}  // namespace assay::hallucination
