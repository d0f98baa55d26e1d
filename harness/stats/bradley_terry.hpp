// Strengths of models from paired wins: the model of Bradley and Terry (Bradley and Terry 1952).
//
// P(i beats j) = 1 / (1 + exp(strength_j - strength_i)); a tie is half a win for each. Strengths are on the
// logit scale with mean 0, which makes them identifiable. The likelihood has a maximum iff the models cannot
// be split in two so that nobody of one part ever won or tied against the other (Ford 1957; Hunter 2004,
// Annals of Statistics 32, assumption 1). Otherwise strengths are undefined, and the reason names the split:
// no prior is put in.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "harness/stats/clusters.hpp"
#include "harness/stats/interval.hpp"

namespace assay::stats {

/// A fit to `models` models. Vectors are empty when it is undefined.
struct BradleyTerry {
  std::vector<double> strength;  ///< mean 0
  std::vector<double> se;        ///< of the strength (its distance from the mean of all)
  std::string_view se_method;    ///< "information", or "sandwich"
  std::string undefined;         ///< why there are no strengths
  /// Undefined by a split: the models of which nobody won or tied against the others, ascending.
  std::vector<std::size_t> never_won;
  int iterations = 0;
};

/// Maximum likelihood by Newton's method with halved steps. `wins` holds models x models weights, row i
/// column j: how often i beat j (ties half each), finite and not negative; the diagonal is not read. The
/// errors come from the observed information: right only if all comparisons are independent.
BradleyTerry bradley_terry(std::span<const double> wins, std::size_t models);

/// The scores of all models on the items of one task: scores[model][item], all finite. Higher is better.
/// `units`: the lowest sampling unit of each item; with `shared` the same id in two tasks is the same unit.
struct BradleyTerryTask {
  std::vector<std::span<const double>> scores;
  std::span<const std::string> units;
};

/// All pairs of models on every item, each task with the same weight. Comparisons on one item, and items of
/// one unit, depend on each other, so the errors are those of the sandwich estimator over units (Liang and
/// Zeger 1986): inverse information on both sides of the covariance of the units' scores, which are centred
/// in their task, times C/(C-1). `shared`: C counts the units of all tasks together, otherwise those of each
/// task. Fewer than two units: strengths without errors.
BradleyTerry bradley_terry(std::span<const BradleyTerryTask> tasks, bool shared);

}  // namespace assay::stats
