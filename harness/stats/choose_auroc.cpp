// Rule::kAuroc: area under the ROC curve with its companions pr_auc and TPR at FPR.
#include <charconv>
#include <cmath>
#include <utility>

#include "harness/stats/choose_detail.hpp"
#include "harness/stats/delong.hpp"
#include "harness/stats/roc.hpp"
#include "harness/stats/roc_bootstrap.hpp"

namespace assay::stats::detail {
namespace {

// The finite scores by class, with group numbers when items carry groups.
struct Classes {
  std::vector<double> positives;
  std::vector<double> negatives;
  std::vector<std::uint32_t> positive_groups;
  std::vector<std::uint32_t> negative_groups;
  std::optional<Clusters> positive_clusters;
  std::optional<Clusters> negative_clusters;
  std::size_t non_finite = 0;
  std::size_t clusters = 0;  // 0 = ungrouped

  [[nodiscard]] RocSample sample() const {
    RocSample s{positives, negatives};
    if (positive_clusters) s.positive_clusters = &*positive_clusters;
    if (negative_clusters) s.negative_clusters = &*negative_clusters;
    return s;
  }
};

Classes split(const Sample& sample) {
  Classes classes;
  std::vector<std::string> ids;
  std::vector<bool> positive;
  for (std::size_t i = 0; i < sample.values.size(); ++i) {
    if (!std::isfinite(sample.values[i])) {
      ++classes.non_finite;
      continue;
    }
    positive.push_back(sample.labels[i] != 0);
    (positive.back() ? classes.positives : classes.negatives).push_back(sample.values[i]);
    if (!sample.groups.empty()) ids.push_back(sample.groups[i]);
  }
  if (ids.empty()) return classes;
  const Clusters all = make_clusters(ids);
  if (!grouped(all)) return classes;
  classes.clusters = all.count();
  for (std::size_t i = 0; i < all.items(); ++i) {
    (positive[i] ? classes.positive_groups : classes.negative_groups).push_back(all.of_item[i]);
  }
  classes.positive_clusters = make_clusters(classes.positive_groups);
  classes.negative_clusters = make_clusters(classes.negative_groups);
  return classes;
}

Estimate blank(const Classes& classes, std::string name) {
  Estimate e;
  e.name = std::move(name);
  e.n = classes.positives.size() + classes.negatives.size();
  e.positives = classes.positives.size();
  e.negatives = classes.negatives.size();
  e.non_finite = classes.non_finite;
  e.clusters = classes.clusters;
  return e;
}

void fill_from_replicates(Estimate& e, const BootstrapResult& r, std::string_view method,
                          const BootstrapPlan& plan) {
  e.value = number(r.estimate);
  e.se = number(r.se);
  Interval interval = r.percentile;
  interval.method = method;
  set_interval(e, interval);
  set_bootstrap(e, r, plan, {kStreamBootstrap, kStreamNegatives});
}

Estimate tpr_companion(const Classes& classes, const RocCurve& curve, double target,
                       std::vector<double> replicates, const BootstrapPlan& plan) {
  Estimate e = blank(classes, tpr_name(target));
  const TprAtFpr at = tpr_at_fpr(curve, target, TprRule::kStrict);
  fill_from_replicates(e, summarize_replicates(at.tpr, std::move(replicates), plan.conf),
                       "tpr_at_fpr.bootstrap", plan);
  if (at.below_resolution) {
    e.notes.emplace_back("resolution limited");
    e.details.emplace_back("smallest_nonzero_fpr", 1.0 / static_cast<double>(curve.negatives));
  }
  e.details.emplace_back("achieved_fpr", at.fpr);
  if (std::isfinite(at.threshold)) e.details.emplace_back("threshold", at.threshold);
  const Interval fixed = tpr_conditional_interval(at, curve.positives, plan.conf);
  if (fixed.defined()) {
    e.details.emplace_back("conditional_lo", fixed.lo);
    e.details.emplace_back("conditional_hi", fixed.hi);
  }
  return e;
}

void add_companions(Estimate& main, const Classes& classes, const RocCurve& curve, const Options& options,
                    const BootstrapPlan& plan) {
  Estimate pr = blank(classes, "pr_auc");
  if (!curve.defined()) {
    pr.method = "pr_auc.bootstrap";
    pr.undefined = main.undefined;
    main.companions.push_back(std::move(pr));
    for (const double target : options.fpr_targets) {
      Estimate e = blank(classes, tpr_name(target));
      e.method = "tpr_at_fpr.bootstrap";
      e.undefined = main.undefined;
      main.companions.push_back(std::move(e));
    }
    return;
  }
  RocReplicates replicates = roc_replicates(classes.sample(), options.fpr_targets, plan);
  fill_from_replicates(pr, summarize_replicates(pr_auc(curve), std::move(replicates.pr_auc), plan.conf),
                       "pr_auc.bootstrap", plan);
  pr.details.emplace_back("average_precision", average_precision(curve));
  main.companions.push_back(std::move(pr));
  for (std::size_t t = 0; t < options.fpr_targets.size(); ++t) {
    main.companions.push_back(
        tpr_companion(classes, curve, options.fpr_targets[t], std::move(replicates.tpr[t]), plan));
  }
  for (Estimate& companion : main.companions) note_few_clusters(companion);
}

}  // namespace

std::string tpr_name(double fpr) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, fpr).ptr;
  std::string name = "tpr_at_fpr@";
  name.append(buffer, end);
  return name;
}

Estimate estimate_auroc(const Sample& sample, const Options& options) {
  if (sample.labels.size() != sample.values.size()) {
    Estimate e;
    e.method = "delong_logit";
    e.undefined = "the number of labels differs from the number of scores";
    return e;
  }
  const Classes classes = split(sample);
  Estimate e = blank(classes, "");
  const bool clustered = classes.clusters > 0;
  const AurocEstimate area = clustered ? delong_clustered(classes.positives, classes.negatives,
                                                          {classes.positive_groups, classes.negative_groups})
                                       : delong(classes.positives, classes.negatives);
  e.value = number(area.auroc);
  e.se = number(area.se);
  const BootstrapPlan plan = plan_of(options, e);
  if (clustered && options.auroc_cluster_bootstrap && e.value) {
    const BootstrapResult r = auroc_bootstrap(classes.sample(), plan);
    fill_from_replicates(e, r, "auroc.bootstrap", plan);
  } else {
    const Interval interval = delong_logit(area, options.conf);
    set_interval(e, interval);
    if (interval.method == "auroc.score") {
      e.notes.emplace_back(clustered ? "score interval in place of delong_logit; it ignores the groups"
                                     : "score interval in place of delong_logit");
    }
  }
  if (clustered && e.se) {
    const AurocEstimate plain = delong(classes.positives, classes.negatives);
    if (plain.se > 0.0) e.deff = (*e.se / plain.se) * (*e.se / plain.se);
  }
  if (!e.value) e.undefined = classes.positives.empty() ? "no positive item" : "no negative item";
  note_few_clusters(e);
  const RocCurve curve = roc_curve(classes.positives, classes.negatives);
  if (e.n > 0 && curve.points.size() == 2) e.notes.emplace_back("all scores are tied");
  e.details.emplace_back("tied_scores", static_cast<double>(tied_scores(curve)));
  if (options.companions) add_companions(e, classes, curve, options, plan);
  return e;
}

}  // namespace assay::stats::detail
