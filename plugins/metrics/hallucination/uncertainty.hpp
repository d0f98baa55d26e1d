// Entropies of distributions, of candidates and of ensembles. Natural logarithms; 0 ln 0 = 0; NaN: undefined.
// Thread rule: pure functions.
#pragma once

#include <span>
#include <vector>

#include "assay/plugin.h"

namespace assay::hallucination {

/// -sum p ln p.
double entropy(std::span<const double> p);

/// Probabilities of a delivered distribution row, whatever its form (logits, log-probabilities,
/// probabilities) and number type.
void probabilities_of(const assay_row& row, std::vector<double>& out);

/// softmax of summed log-probabilities: the candidates' probabilities renormalised to 1. NaN entries if no
/// score is finite.
void candidate_probabilities(std::span<const double> scores, std::vector<double>& out);

/// Uncertainty of an ensemble's prediction and its parts (hallucination.md 12.5).
struct EnsembleUncertainty {
  double predictive;  ///< entropy of the mean distribution
  double aleatoric;   ///< mean entropy of the members
  double epistemic;   ///< the difference; rounding errors above -1e-12 become 0
};
/// `members` holds equally long distributions, one after the other. NaN if `members` is empty or the sizes do
/// not fit.
EnsembleUncertainty ensemble_uncertainty(std::span<const double> members, std::size_t count);

}  // namespace assay::hallucination
