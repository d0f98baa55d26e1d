// Stratified bootstrap of ROC statistics (specs/statistics.md section 7).
//
// Positives are resampled with stream 1, negatives with stream 6, both with the same replicate number; the
// threshold of a TPR is found again in every replicate. The scores are sorted once and a resample is a list
// of counts per distinct score, so a replicate costs O(n).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "harness/stats/bootstrap.hpp"
#include "harness/stats/clusters.hpp"

namespace assay::stats {

/// Replicates of several statistics on the same resamples, in order of b.
struct RocReplicates {
  std::vector<double> auroc;
  std::vector<double> pr_auc;            ///< trapezoid
  std::vector<std::vector<double>> tpr;  ///< [target][b], rule `strict`
};

/// The score of each unit and the bootstrap units inside each class: singletons() for items, else the
/// clusters of the positives and those of the negatives, numbered separately ("groups are resampled within
/// label").
struct RocSample {
  std::span<const double> positives;
  std::span<const double> negatives;
  const Clusters* positive_clusters = nullptr;  ///< null: items
  const Clusters* negative_clusters = nullptr;  ///< null: items
};

/// All replicates; empty vectors when a class is missing. Only plan.seed and plan.replicates are used.
RocReplicates roc_replicates(const RocSample& sample, std::span<const double> fpr_targets,
                             const BootstrapPlan& plan);

/// Paired replicates of two score lists of the same items: the same resamples, statistic B minus A.
RocReplicates roc_difference_replicates(const RocSample& a, const RocSample& b,
                                        std::span<const double> fpr_targets, const BootstrapPlan& plan);

/// `auroc.bootstrap`: percentile interval in `percentile`.
BootstrapResult auroc_bootstrap(const RocSample& sample, const BootstrapPlan& plan);
/// `tpr_at_fpr.bootstrap`, rule `strict`.
BootstrapResult tpr_at_fpr_bootstrap(const RocSample& sample, double fpr, const BootstrapPlan& plan);

}  // namespace assay::stats
