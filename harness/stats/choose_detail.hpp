// Helpers shared by the two halves of choose.hpp; not part of the interface of assay_stats.
#pragma once

#include <optional>
#include <string>

#include "harness/stats/bootstrap.hpp"
#include "harness/stats/choose.hpp"
#include "harness/stats/clusters.hpp"
#include "harness/stats/interval.hpp"
#include "harness/stats/paired.hpp"

namespace assay::stats::detail {

/// With fewer clusters the coverage of intervals is known to be too low.
inline constexpr std::size_t kFewClusters = 20;

/// Copies interval, method, reason and the degenerate flag.
void set_interval(Estimate& estimate, const Interval& interval);
/// The number, or nothing for NaN.
std::optional<double> number(double value);
/// Records seed, stream, B and dropped replicates of a bootstrap.
void set_bootstrap(Estimate& estimate, const BootstrapResult& result, const BootstrapPlan& plan,
                   std::vector<std::uint32_t> streams);
/// "few clusters" below kFewClusters clusters.
void note_few_clusters(Estimate& estimate);
/// The plan of the options, B raised to the smallest accepted number (with a note).
BootstrapPlan plan_of(const Options& options, Estimate& estimate);
/// True when groups exist and at least one holds two items.
bool grouped(const Clusters& clusters);

/// Evaluates a callback on all resamples of the plan, batch by batch, in order of b, and appends to
/// replicates[k]. False when the callback gave up.
bool replicate_custom(const CustomStatistic& custom, std::size_t outputs, const Clusters& clusters,
                      const BootstrapPlan& plan, std::size_t batch,
                      std::vector<std::vector<double>>& replicates);
/// The statistic itself: one call on 0 .. items-1. False when the callback gave up.
bool evaluate_custom(const CustomStatistic& custom, std::size_t outputs, std::size_t items,
                     std::vector<double>& values);
/// "tpr_at_fpr@0.05".
std::string tpr_name(double fpr);

/// Up to so many pairs without groups the p of a mean difference is a sign-flip p.
inline constexpr std::size_t kSignFlipItems = 50;
/// Whether the p of a mean difference with a standard error comes from the sign-flip test.
bool p_by_signs(const PairedTest& test, std::size_t n, bool grouped);

/// The estimate for Rule::kAuroc.
Estimate estimate_auroc(const Sample& sample, const Options& options);

}  // namespace assay::stats::detail
