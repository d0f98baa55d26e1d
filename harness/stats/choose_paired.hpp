// The front door of comparisons: from the paired per-item values of two runs to a difference with interval
// and test.
//
// Which method belongs to which rule is specs/statistics.md section 16; AUROC with groups uses the clustered
// DeLong form of specs/mia.md section 8. Delta = candidate - baseline, whatever direction is better. Pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/stats/choose.hpp"
#include "harness/stats/paired_binary.hpp"

namespace assay::stats {

/// The common items of two runs, in one order. All spans are borrowed for the call. A pair with a non-finite
/// value in either run is left out and counted.
struct PairedSample {
  Rule rule = Rule::kMean;
  std::span<const double> baseline;   ///< n values; ratio: numerators; exp_mean: negative log-likelihoods
  std::span<const double> candidate;  ///< n values
  std::span<const double> baseline_denominators = {};   ///< ratio only
  std::span<const double> candidate_denominators = {};  ///< ratio only
  std::span<const std::uint8_t> labels = {};            ///< auroc only, 1 = positive
  std::span<const std::string> groups = {};             ///< as in Sample
  std::size_t items = 0;                                ///< custom only: number of common items
  CustomStatistic baseline_custom = {};   ///< custom only; both see the same resamples of the common items
  CustomStatistic candidate_custom = {};  ///< custom only
  std::size_t outputs = 1;                ///< custom only
};

/// How to compare.
struct PairedOptions {
  double conf = 0.95;                  ///< alpha = 1 - conf
  std::uint64_t seed = 0;              ///< task_seed(run seed, "bootstrap", task id)
  std::uint64_t permutation_seed = 0;  ///< task_seed(run seed, "permutation", task id)
  std::uint32_t replicates = 2000;     ///< B of bootstraps, at least 200
  std::uint32_t sign_flips = 9999;     ///< B of a Monte Carlo sign-flip test
  std::size_t batch = 64;              ///< custom: resamples per call
  std::optional<double> margin;        ///< M > 0 in units of delta; absent: no equivalence result
  bool higher_is_better = true;        ///< direction of the metric; decides non-inferiority only
  double power = 0.8;                  ///< for the minimum detectable effect
  bool companions = true;              ///< auroc: also pr_auc and tpr_at_fpr
  std::vector<double> fpr_targets = {0.05, 0.01};
  bool auroc_cluster_bootstrap = false;  ///< auroc with groups: paired bootstrap in place of clustered DeLong
};

/// Result of an equivalence test at level alpha = 1 - conf.
struct Equivalence {
  std::string method;       ///< "tost.t", "tost.tango", "tost.normal" or "tost.bootstrap"
  std::optional<double> p;  ///< nothing where only the 1 - 2 alpha interval decides
  double lo = 0.0;          ///< the 1 - 2 alpha interval
  double hi = 0.0;
  bool equivalent = false;
  bool non_inferior = false;
};

/// A difference with everything that is printed beside it. For exp_mean, delta and its interval are on the
/// scale of the negative log-likelihood, and details hold "ratio", "ratio_lo", "ratio_hi" = exp of them.
struct Difference {
  std::string name;                ///< empty, or the companion's name
  std::optional<double> baseline;  ///< the aggregate of each run over the common items
  std::optional<double> candidate;
  std::optional<double> delta;
  std::optional<double> se;
  std::optional<double> lo;
  std::optional<double> hi;
  std::string method;       ///< of the interval: "paired.t", "tango", "delong_paired", "bootstrap.percentile"
  std::optional<double> p;  ///< two-sided
  std::string test;         ///< of p: "paired.t", "signflip.exact", "mcnemar.exact", "paired_bootstrap"
  std::string undefined;    ///< why interval or p are missing; empty otherwise
  std::size_t n = 0;
  std::size_t non_finite = 0;
  std::size_t clusters = 0;                ///< 0 = no groups
  std::optional<FlipTable> flips;          ///< binary scores
  std::optional<double> correlation;       ///< of the per-item scores
  std::optional<double> unpaired_se;       ///< the error that an unpaired test would have had
  std::optional<double> mde;               ///< minimum detectable effect at `power`
  std::optional<Equivalence> equivalence;  ///< only with a margin
  std::uint64_t seed = 0;                  ///< meaningful when replicates > 0
  std::vector<std::uint32_t> streams;
  std::uint32_t replicates = 0;
  std::uint32_t dropped = 0;
  std::vector<std::string> notes;
  std::vector<std::pair<std::string, double>> details;
  std::vector<Difference> companions;
};

/// The comparison of `sample` by the methods that belong to its rule. Never throws for data.
Difference compare(const PairedSample& sample, const PairedOptions& options);

}  // namespace assay::stats
