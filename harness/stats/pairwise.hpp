// Tests between all pairs of many models on the same items, as fast as the rule allows.
//
// What belongs to one model alone (bits of its answers, placements, replicates) is made once and shared by
// all its pairs. The results are those of compare(), bit for bit; where a rule has no short way (AUROC and
// ratios of two models that lack different items), compare() itself is called.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/stats/choose_paired.hpp"

namespace assay::stats {

/// The scores of one model, n values in the order of the items; a value that is not finite is missing.
struct ModelScores {
  std::span<const double> values;
  std::span<const double> denominators = {};  ///< ratio only
};

/// What ranking needs of a comparison.
struct PairTest {
  std::optional<double> delta;  ///< candidate - baseline
  std::optional<double> p;      ///< two-sided, not adjusted
};

/// All spans are borrowed for the life of the object. Not for kCustom. Every call may fill caches, so one
/// thread uses an object at a time.
class Pairwise {
 public:
  /// `labels`: auroc only, one an item; `groups`: one an item, or empty. A margin in `options` is ignored by
  /// test().
  Pairwise(Rule rule, std::span<const ModelScores> models, std::span<const std::uint8_t> labels,
           std::span<const std::string> groups, const PairedOptions& options);
  ~Pairwise();
  Pairwise(const Pairwise&) = delete;
  Pairwise& operator=(const Pairwise&) = delete;

  /// Delta and p of compare().
  PairTest test(std::size_t baseline, std::size_t candidate);
  /// compare() itself.
  [[nodiscard]] Difference difference(std::size_t baseline, std::size_t candidate) const;

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace assay::stats
