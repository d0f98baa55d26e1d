// Semantic entropy: samples that mean the same are one outcome (Kuhn, Gal, Farquhar 2023; Farquhar et al.
// 2024, jlko/semantic_uncertainty; IINemo/lm-polygraph for the variants of that name). Natural logarithms.
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace assay::hallucination {

/// True if answers i and j mean the same; asked with i < j.
using Equivalent = std::function<bool(std::size_t i, std::size_t j)>;

enum class Clustering {
  kFirstMatch,           ///< a later equivalent answer joins unless it has a cluster; the default
  kLastMatch,            ///< a later equivalent answer joins even if it has one (reference of the 2024 paper)
  kFirstRepresentative,  ///< joins the first cluster whose first member is equivalent (lm-polygraph)
  kComponents,           ///< transitive closure
};
/// Cluster ids of n answers, numbered by first appearance.
std::vector<std::size_t> cluster(std::size_t n, const Equivalent& equivalent, Clustering rule);

/// Entailment verdicts of a judge in one direction.
enum class Entailment { kEntailment, kNeutral, kContradiction };
/// Entailment in both directions.
bool equivalent_strict(Entailment forward, Entailment backward);
/// No contradiction in either direction and not both neutral.
bool equivalent_nonstrict(Entailment forward, Entailment backward);

/// Entropy of the cluster frequencies.
double se_discrete(std::span<const std::size_t> ids);
/// Entropy of the clusters' shares of exp(loglik); se_rao takes mean, se_rao_sumll summed log-likelihoods.
double se_rao(std::span<const std::size_t> ids, std::span<const double> loglik);
/// Minus the mean of the mean log-likelihoods.
double naive_entropy(std::span<const double> mean_loglik);
/// Minus the mean over samples of C, the log of the cluster's summed likelihood (not normalised).
double se_polygraph_mean(std::span<const std::size_t> ids, std::span<const double> sum_loglik);
/// Minus the sum over samples of C exp(C).
double se_polygraph_direct(std::span<const std::size_t> ids, std::span<const double> sum_loglik);
/// The same two with C = ln(n_c / n).
double se_polygraph_freq_mean(std::span<const std::size_t> ids);
double se_polygraph_freq_direct(std::span<const std::size_t> ids);
/// As se_polygraph_mean; inside a cluster identical texts count once, at their first occurrence.
double se_polygraph_unique_mean(std::span<const std::size_t> ids, std::span<const double> sum_loglik,
                                std::span<const std::string_view> texts);

}  // namespace assay::hallucination
