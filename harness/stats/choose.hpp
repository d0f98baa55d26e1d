// The front door: from per-item values and an aggregate rule to an estimate with its interval.
//
// Which method belongs to which rule is specs/statistics.md section 16; the clustered AUROC follows
// specs/mia.md section 8 (Obuchowski 1997). The functions are pure: the same input gives the same bits on
// every thread and machine, whatever else runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::stats {

/// The aggregate rule of a metric (plugin ABI section 5).
enum class Rule {
  kProportion,  ///< mean of 0/1 values
  kMean,        ///< mean of real values
  kAuroc,       ///< area under the ROC curve of score against label
  kRatio,       ///< sum of numerators / sum of denominators
  kExpMean,     ///< exp of the mean (perplexity from mean negative log-likelihoods)
  kCustom,      ///< a callback evaluates the statistic on resampled items
};

/// "proportion", "mean", "auroc", "ratio", "exp_mean", "custom".
std::string_view rule_name(Rule rule);
/// The rule with that name; nothing for another text.
std::optional<Rule> rule_from_name(std::string_view name);

/// One resample: item numbers, in draw order, with repetitions. Whole clusters appear together.
using Resample = std::span<const std::uint32_t>;

/// Evaluates a custom statistic. For resample r and output k, writes out[r * outputs + k]; NaN means
/// "undefined on this resample". Returns false to give up (all estimates become undefined; the callee keeps
/// its own error). The first call holds one resample, 0 .. n-1 in order: the statistic itself.
using CustomStatistic = std::function<bool(std::span<const Resample> resamples, std::span<double> out)>;

/// The scored items of one (task, metric, model). All spans are borrowed for the call. Missing items are not
/// in here; a non-finite value is treated as missing, left out and counted (Estimate::non_finite).
struct Sample {
  Rule rule = Rule::kMean;
  std::span<const double> values;  ///< n values; ratio: numerators; exp_mean: negative log-likelihoods
  std::span<const double> denominators = {};  ///< ratio only: n values
  std::span<const std::uint8_t> labels = {};  ///< auroc only: n labels, 1 = positive (member, machine text)
  /// One cluster id per item, or empty. An empty id is a cluster of its own. Groups that all hold one item
  /// are the same as no groups.
  std::span<const std::string> groups = {};
  std::size_t items = 0;        ///< custom only: number of items n (values may stay empty)
  CustomStatistic custom = {};  ///< custom only
  std::size_t outputs = 1;      ///< custom only: statistics per call; further ones become companions
};

/// How to estimate.
struct Options {
  double conf = 0.95;               ///< confidence level, inside (0, 1)
  std::uint64_t seed = 0;           ///< the task seed: task_seed(run seed, "bootstrap", task id), random.hpp
  std::uint32_t replicates = 2000;  ///< B of every bootstrap; values below 200 are raised to 200, with a note
  std::size_t batch = 64;           ///< custom: resamples per call of the callback
  bool companions = true;           ///< auroc: also pr_auc and tpr_at_fpr
  std::vector<double> fpr_targets = {0.05, 0.01};  ///< auroc: where TPR is read
  /// auroc with groups: false = clustered DeLong with logit interval; true = stratified cluster bootstrap.
  bool auroc_cluster_bootstrap = false;
};

/// A number with its uncertainty and with everything that must be stored beside it.
struct Estimate {
  std::string name;  ///< empty for the rule itself; companions: "pr_auc", "tpr_at_fpr@0.05", "output1"
  std::optional<double> value;  ///< nothing when undefined; then `undefined` tells why
  std::optional<double> se;     ///< standard error of the value
  std::optional<double> lo;     ///< interval at Options::conf
  std::optional<double> hi;
  std::string method;          ///< name of the interval method ("wilson", "mean.cluster_t", "bootstrap.bca")
  std::string undefined;       ///< why value, or else interval and se, are missing; empty otherwise
  std::size_t n = 0;           ///< items used
  std::size_t non_finite = 0;  ///< items left out because a value was NaN or infinite
  std::size_t clusters = 0;    ///< C; 0 = no groups
  std::size_t positives = 0;   ///< auroc only
  std::size_t negatives = 0;   ///< auroc only
  std::optional<double> deff;  ///< design effect (se / se_iid)^2, with groups
  std::uint64_t seed = 0;      ///< seed used; meaningful when replicates > 0
  std::vector<std::uint32_t> streams;  ///< random streams used
  std::uint32_t replicates = 0;        ///< B; 0 = no resampling
  std::uint32_t dropped = 0;           ///< replicates on which the statistic was undefined
  std::vector<std::string> notes;  ///< flags and remarks: "degenerate", "few clusters", "resolution limited"
  std::vector<std::pair<std::string, double>> details;  ///< e.g. achieved_fpr, threshold, conditional limits
  std::vector<Estimate> companions;  ///< auroc: pr_auc and tpr_at_fpr; custom: outputs 1 ..
};

/// The estimate of `sample` by the method that belongs to its rule. Never throws for data: n = 0, one class,
/// one cluster and constant values give undefined parts with a reason, or a flagged interval.
/// Complexity: O(n log n), plus O(B n) where a bootstrap is used.
Estimate estimate(const Sample& sample, const Options& options);

}  // namespace assay::stats
