#include "harness/stats/roc_bootstrap.hpp"

#include <algorithm>
#include <utility>

#include "harness/stats/roc.hpp"

namespace assay::stats {
namespace {

// Draws one class: how often each distinct score occurs in replicate b.
class ClassSampler {
 public:
  ClassSampler(const Clusters* clusters, std::vector<std::uint32_t> rank, std::size_t distinct,
               std::uint32_t stream)
      : clusters_(clusters), rank_(std::move(rank)), counts_(distinct), stream_(stream) {
    const std::size_t units = clusters_ != nullptr ? clusters_->count() : rank_.size();
    picks_.resize(units);
  }

  // Fills counts() and returns the number of items drawn.
  std::uint64_t draw(std::uint64_t seed, std::uint32_t b) {
    std::fill(counts_.begin(), counts_.end(), 0U);
    random_indices(seed, stream_, b, static_cast<std::uint32_t>(picks_.size()), picks_);
    if (clusters_ == nullptr) {
      for (const std::uint32_t i : picks_) ++counts_[rank_[i]];
      return picks_.size();
    }
    std::uint64_t items = 0;
    for (const std::uint32_t c : picks_) {
      for (const std::uint32_t i : clusters_->of(c)) ++counts_[rank_[i]];
      items += clusters_->of(c).size();
    }
    return items;
  }

  [[nodiscard]] const std::vector<std::uint32_t>& counts() const { return counts_; }

 private:
  const Clusters* clusters_;
  std::vector<std::uint32_t> rank_;  // position of each item's score among the distinct scores, best first
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint32_t> picks_;
  std::uint32_t stream_;
};

std::vector<std::uint32_t> ranks(std::span<const double> scores, const std::vector<double>& distinct) {
  std::vector<std::uint32_t> rank;
  rank.reserve(scores.size());
  for (const double score : scores) {
    const auto at = std::lower_bound(distinct.begin(), distinct.end(), score, std::greater<>());
    rank.push_back(static_cast<std::uint32_t>(at - distinct.begin()));
  }
  return rank;
}

std::vector<double> distinct_descending(std::span<const double> a, std::span<const double> b) {
  std::vector<double> scores(a.begin(), a.end());
  scores.insert(scores.end(), b.begin(), b.end());
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  return scores;
}

// One score list with its samplers.
class RocSampler {
 public:
  explicit RocSampler(const RocSample& sample)
      : distinct_(distinct_descending(sample.positives, sample.negatives)),
        positives_(sample.positive_clusters, ranks(sample.positives, distinct_), distinct_.size(),
                   kStreamBootstrap),
        negatives_(sample.negative_clusters, ranks(sample.negatives, distinct_), distinct_.size(),
                   kStreamNegatives) {}

  // Statistics of replicate b; tpr has one entry per target.
  void evaluate(std::uint64_t seed, std::uint32_t b, std::span<const double> targets, double& auroc_out,
                double& pr_out, std::span<double> tpr_out) {
    const auto m = static_cast<double>(positives_.draw(seed, b));
    const auto n = static_cast<double>(negatives_.draw(seed, b));
    std::fill(tpr_out.begin(), tpr_out.end(), 0.0);
    std::uint64_t tp = 0;
    std::uint64_t fp = 0;
    std::uint64_t twice = 0;
    double area = 0.0;
    double precision = 1.0;
    for (std::size_t k = 0; k < distinct_.size(); ++k) {
      const std::uint64_t up = positives_.counts()[k];
      const std::uint64_t right = negatives_.counts()[k];
      if (up + right == 0) continue;
      twice += right * (2 * tp + up);
      tp += up;
      fp += right;
      const double next = static_cast<double>(tp) / static_cast<double>(tp + fp);
      area += static_cast<double>(up) * (precision + next);
      precision = next;
      const double fpr = static_cast<double>(fp) / n;
      for (std::size_t t = 0; t < targets.size(); ++t) {
        if (fpr <= targets[t]) tpr_out[t] = static_cast<double>(tp) / m;
      }
    }
    auroc_out = static_cast<double>(twice) / (2.0 * m * n);
    pr_out = 0.5 * area / m;
  }

 private:
  std::vector<double> distinct_;
  ClassSampler positives_;
  ClassSampler negatives_;
};

RocReplicates reserve(std::uint32_t replicates, std::size_t targets) {
  RocReplicates r;
  r.auroc.resize(replicates);
  r.pr_auc.resize(replicates);
  r.tpr.assign(targets, std::vector<double>(replicates));
  return r;
}

}  // namespace

RocReplicates roc_replicates(const RocSample& sample, std::span<const double> fpr_targets,
                             const BootstrapPlan& plan) {
  if (sample.positives.empty() || sample.negatives.empty()) return reserve(0, fpr_targets.size());
  RocReplicates r = reserve(plan.replicates, fpr_targets.size());
  RocSampler sampler(sample);
  std::vector<double> tpr(fpr_targets.size());
  for (std::uint32_t b = 0; b < plan.replicates; ++b) {
    sampler.evaluate(plan.seed, b, fpr_targets, r.auroc[b], r.pr_auc[b], tpr);
    for (std::size_t t = 0; t < tpr.size(); ++t) r.tpr[t][b] = tpr[t];
  }
  return r;
}

RocReplicates roc_difference_replicates(const RocSample& a, const RocSample& b,
                                        std::span<const double> fpr_targets, const BootstrapPlan& plan) {
  RocReplicates first = roc_replicates(a, fpr_targets, plan);
  const RocReplicates second = roc_replicates(b, fpr_targets, plan);
  const auto subtract = [](std::vector<double>& from, const std::vector<double>& other) {
    for (std::size_t i = 0; i < from.size() && i < other.size(); ++i) from[i] = other[i] - from[i];
  };
  subtract(first.auroc, second.auroc);
  subtract(first.pr_auc, second.pr_auc);
  for (std::size_t t = 0; t < first.tpr.size(); ++t) subtract(first.tpr[t], second.tpr[t]);
  return first;
}

BootstrapResult auroc_bootstrap(const RocSample& sample, const BootstrapPlan& plan) {
  BootstrapResult r = summarize_replicates(auroc(sample.positives, sample.negatives),
                                           roc_replicates(sample, {}, plan).auroc, plan.conf);
  r.percentile.method = "auroc.bootstrap";
  return r;
}

BootstrapResult tpr_at_fpr_bootstrap(const RocSample& sample, double fpr, const BootstrapPlan& plan) {
  const double target[] = {fpr};
  const RocCurve curve = roc_curve(sample.positives, sample.negatives);
  BootstrapResult r = summarize_replicates(tpr_at_fpr(curve, fpr).tpr,
                                           roc_replicates(sample, target, plan).tpr.front(), plan.conf);
  r.percentile.method = "tpr_at_fpr.bootstrap";
  return r;
}

}  // namespace assay::stats
