// Standard errors, intervals and paired tests of the area under the ROC curve.
//
// DeLong, DeLong, Clarke-Pearson 1988; clustered: Obuchowski 1997; Hanley and McNeil 1982
// (specs/statistics.md section 7, specs/mia.md section 8). Scores must be finite; spans are borrowed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "harness/stats/interval.hpp"

namespace assay::stats {

/// Placements: v10[i] = share of negatives below positive i (ties 1/2), v01[j] = share of positives above
/// negative j. Empty when a class is missing. O(n log n).
struct Placements {
  std::vector<double> v10;
  std::vector<double> v01;
  double auroc = kUndefined;
};
Placements placements(std::span<const double> positives, std::span<const double> negatives);

/// An AUROC with its standard error.
struct AurocEstimate {
  double auroc = kUndefined;
  double se = kUndefined;   ///< NaN: undefined, see reason
  std::string_view reason;  ///< why auroc or se is undefined; empty otherwise
  std::size_t positives = 0;
  std::size_t negatives = 0;
  std::size_t groups_positive = 0;  ///< clustered only: groups that have positives
  std::size_t groups_negative = 0;
  std::size_t groups = 0;  ///< clustered only: all groups
};

/// DeLong's error. One class missing: undefined; fewer than two of a class: se undefined.
AurocEstimate delong(std::span<const double> positives, std::span<const double> negatives);

/// Group number of each positive and of each negative, from one numbering.
struct RocGroups {
  std::span<const std::uint32_t> positives;
  std::span<const std::uint32_t> negatives;
};
/// Obuchowski's error for clustered data; a group may hold both classes. Fewer than two groups in a class:
/// se undefined.
AurocEstimate delong_clustered(std::span<const double> positives, std::span<const double> negatives,
                               RocGroups groups);

/// Hanley and McNeil's error from the area alone.
double hanley_mcneil_se(double auroc, std::size_t positives, std::size_t negatives);

/// A +- z se on the logit scale. Where it does not exist (A in {0,1}, se = 0 or undefined by class size) the
/// result is auroc_score() under its own name. The score interval ignores groups; with groups and an
/// undefined se at an interior A the result is undefined.
Interval delong_logit(const AurocEstimate& estimate, double conf);
/// A +- z se, clipped to [0, 1] (variant).
Interval delong_wald(const AurocEstimate& estimate, double conf);
/// Score interval "auroc.score": all theta with (A - theta)^2 <= z^2 V(theta), V from the Hanley-McNeil form
/// with exponential scores and equal weights (specs/statistics.md section 7).
Interval auroc_score(double auroc, std::size_t positives, std::size_t negatives, double conf);

/// Two detectors on the same items, B minus A.
struct PairedAuroc {
  double auroc_a = kUndefined;
  double auroc_b = kUndefined;
  double delta = kUndefined;
  double var_a = kUndefined;
  double var_b = kUndefined;
  double cov = kUndefined;
  double se = kUndefined;
  double z = kUndefined;
  double p = kUndefined;  ///< two-sided normal; NaN when undefined
  Interval interval;      ///< "delong_paired" or "delong_clustered_paired": Wald interval of the difference
};
/// What a pair needs to know about one detector; made once, used in many pairs.
struct PreparedAuroc {
  Placements placements;
  double mean10 = kUndefined;  ///< means of v10 and v01
  double mean01 = kUndefined;
  double variance = kUndefined;  ///< DeLong's variance of the area
};
PreparedAuroc prepare_auroc(std::span<const double> positives, std::span<const double> negatives);
/// Positives (and negatives) of A and B are the same items in the same order.
PairedAuroc delong_paired(const PreparedAuroc& a, const PreparedAuroc& b, double conf);
PairedAuroc delong_paired(std::span<const double> positives_a, std::span<const double> negatives_a,
                          std::span<const double> positives_b, std::span<const double> negatives_b,
                          double conf);
/// Who is in which group; shared by all detectors on the same items.
struct GroupCounts {
  std::vector<std::uint32_t> positives;  ///< items by group
  std::vector<std::uint32_t> negatives;
  std::size_t items_positive = 0;  ///< items in all groups
  std::size_t items_negative = 0;
  std::size_t with_positives = 0;  ///< groups
  std::size_t with_negatives = 0;
  std::size_t all = 0;
};
GroupCounts count_groups(RocGroups groups);
/// What a clustered pair needs to know about one detector.
struct PreparedClusteredAuroc {
  double auroc = kUndefined;
  std::vector<double> v10;  ///< sums of centred placements by group
  std::vector<double> v01;
  double variance = kUndefined;  ///< Obuchowski's; NaN with fewer than two groups in a class
};
PreparedClusteredAuroc prepare_clustered_auroc(std::span<const double> positives,
                                               std::span<const double> negatives, RocGroups groups,
                                               const GroupCounts& counts);
PairedAuroc delong_clustered_paired(const PreparedClusteredAuroc& a, const PreparedClusteredAuroc& b,
                                    const GroupCounts& counts, double conf);
/// The clustered form: Obuchowski's formula on the differences of the placements (var_a, var_b, cov are the
/// clustered ones).
PairedAuroc delong_clustered_paired(std::span<const double> positives_a, std::span<const double> negatives_a,
                                    std::span<const double> positives_b, std::span<const double> negatives_b,
                                    RocGroups groups, double conf);

}  // namespace assay::stats
