#include "harness/stats/choose_paired.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "harness/stats/choose_detail.hpp"
#include "harness/stats/delong.hpp"
#include "harness/stats/distributions.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/power.hpp"
#include "harness/stats/roc.hpp"
#include "harness/stats/roc_bootstrap.hpp"
#include "harness/stats/sign_flip.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

using detail::kFewClusters;
using detail::number;

// The pairs that both runs have scored.
struct Pairs {
  std::vector<double> a;
  std::vector<double> b;
  std::vector<double> a_bottom;
  std::vector<double> b_bottom;
  std::vector<bool> positive;
  std::optional<Clusters> clusters;
  std::size_t non_finite = 0;
};

Pairs finite_pairs(const PairedSample& s) {
  Pairs pairs;
  std::vector<std::string> ids;
  const bool ratio = s.rule == Rule::kRatio;
  for (std::size_t i = 0; i < s.baseline.size(); ++i) {
    bool finite = std::isfinite(s.baseline[i]) && std::isfinite(s.candidate[i]);
    if (ratio) {
      finite =
          finite && std::isfinite(s.baseline_denominators[i]) && std::isfinite(s.candidate_denominators[i]);
    }
    if (!finite) {
      ++pairs.non_finite;
      continue;
    }
    pairs.a.push_back(s.baseline[i]);
    pairs.b.push_back(s.candidate[i]);
    if (ratio) pairs.a_bottom.push_back(s.baseline_denominators[i]);
    if (ratio) pairs.b_bottom.push_back(s.candidate_denominators[i]);
    if (s.rule == Rule::kAuroc) pairs.positive.push_back(s.labels[i] != 0);
    if (!s.groups.empty()) ids.push_back(s.groups[i]);
  }
  if (!ids.empty()) {
    Clusters clusters = make_clusters(ids);
    if (detail::grouped(clusters)) pairs.clusters = std::move(clusters);
  }
  return pairs;
}

Difference blank(std::size_t n, std::size_t non_finite, std::size_t clusters) {
  Difference r;
  r.n = n;
  r.non_finite = non_finite;
  r.clusters = clusters;
  if (clusters > 0 && clusters < kFewClusters) r.notes.emplace_back("few clusters");
  return r;
}

Difference blank(const Pairs& pairs) {
  Difference r = blank(pairs.a.size(), pairs.non_finite, pairs.clusters ? pairs.clusters->count() : 0);
  if (pairs.a.size() >= 2) {
    r.correlation = number(correlation(pairs.a, pairs.b));
    r.unpaired_se = number(unpaired_se(pairs.a, pairs.b));
  }
  return r;
}

void set_interval(Difference& r, const Interval& interval) {
  r.method = interval.method;
  r.undefined = interval.undefined;
  r.lo = interval.defined() ? number(interval.lo) : std::nullopt;
  r.hi = interval.defined() ? number(interval.hi) : std::nullopt;
  if (interval.defined() && interval.degenerate) r.notes.emplace_back("degenerate");
}

void set_mde(Difference& r, const PairedOptions& options) {
  if (r.se) r.mde = number(minimum_detectable_effect(*r.se, 1.0 - options.conf, options.power));
}

// Equivalence by an interval at 1 - 2 alpha.
Equivalence by_interval(const char* method, double lo, double hi, const PairedOptions& options) {
  Equivalence e;
  e.method = method;
  e.lo = lo;
  e.hi = hi;
  e.equivalent = lo > -*options.margin && hi < *options.margin;
  e.non_inferior = options.higher_is_better ? lo > -*options.margin : hi < *options.margin;
  return e;
}

void set_tost_t(Difference& r, const MeanEstimate& difference, const PairedOptions& options) {
  if (!options.margin) return;
  const Tost tost = tost_t(difference, *options.margin, 1.0 - options.conf, options.higher_is_better);
  if (!tost.interval.defined()) return;
  Equivalence e;
  e.method = "tost.t";
  e.p = number(tost.p);
  e.lo = tost.interval.lo;
  e.hi = tost.interval.hi;
  e.equivalent = tost.equivalent;
  e.non_inferior = tost.non_inferior;
  r.equivalence = e;
}

void set_sign_flip(Difference& r, const SignFlip& flip, std::uint64_t seed) {
  r.p = number(flip.p);
  r.test = flip.method;
  if (flip.replicates == 0) return;
  r.seed = seed;
  r.replicates = flip.replicates;
  r.streams = {kStreamSigns};
}

// Means, and binary scores with groups.
Difference compare_means(const Pairs& pairs, const PairedOptions& options) {
  Difference r = blank(pairs);
  const std::vector<double> d = differences(pairs.a, pairs.b);
  const PairedTest test =
      pairs.clusters ? paired_cluster_t(d, *pairs.clusters, options.conf) : paired_t(d, options.conf);
  r.baseline = number(mean(pairs.a));
  r.candidate = number(mean(pairs.b));
  r.delta = number(test.difference.mean);
  r.se = number(test.difference.se);
  set_interval(r, test.difference.interval);
  r.p = number(test.p);
  r.test = test.difference.interval.method;
  set_mde(r, options);
  set_tost_t(r, test.difference, options);
  if (test.difference.deff) r.details.emplace_back("deff", *test.difference.deff);
  if (!r.se) return r;
  const bool by_signs = detail::p_by_signs(test, r.n, pairs.clusters.has_value());
  if (pairs.clusters || by_signs) {
    const std::vector<double> units = pairs.clusters ? cluster_sums(d, *pairs.clusters) : d;
    const SignFlip flip = sign_flip(units, options.permutation_seed, options.sign_flips);
    if (by_signs) {
      if (r.p) r.details.emplace_back("p_paired_t", *r.p);
      set_sign_flip(r, flip, options.permutation_seed);
    } else {
      r.details.emplace_back("p_signflip", flip.p);
    }
  }
  return r;
}

bool binary(const std::vector<double>& x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return v == 0.0 || v == 1.0; });
}

Difference compare_proportions(const Pairs& pairs, const PairedOptions& options) {
  if (!binary(pairs.a) || !binary(pairs.b)) {
    Difference r = compare_means(pairs, options);
    r.notes.emplace_back("values other than 0 and 1: treated as a mean");
    return r;
  }
  const FlipTable table = count_flips(pairs.a, pairs.b);
  if (pairs.clusters) {
    Difference r = compare_means(pairs, options);
    r.flips = table;
    return r;
  }
  Difference r = blank(pairs);
  r.flips = table;
  r.baseline = number(mean(pairs.a));
  r.candidate = number(mean(pairs.b));
  r.delta = number(table.delta());
  r.se = number(paired_t(differences(pairs.a, pairs.b), options.conf).difference.se);
  set_interval(r, tango(table.b, table.c, table.n(), options.conf));
  r.test = "mcnemar.exact";
  if (r.n > 0) {
    const McNemar test = mcnemar(table.b, table.c);
    r.p = test.p_exact;
    if (test.no_flips) r.notes.emplace_back("no flips");
    if (options.margin) {
      const TostBinary tost = tost_tango(table.b, table.c, table.n(), *options.margin, 1.0 - options.conf,
                                         options.higher_is_better);
      r.equivalence = by_interval("tost.tango", tost.interval.lo, tost.interval.hi, options);
    }
  }
  set_mde(r, options);
  return r;
}

Difference compare_exp_means(const Pairs& pairs, const PairedOptions& options) {
  Difference r = compare_means(pairs, options);
  if (r.baseline) r.baseline = std::exp(*r.baseline);
  if (r.candidate) r.candidate = std::exp(*r.candidate);
  r.notes.emplace_back("delta is on the scale of the negative log-likelihood");
  if (r.delta) r.details.emplace_back("ratio", std::exp(*r.delta));
  if (r.lo) r.details.emplace_back("ratio_lo", std::exp(*r.lo));
  if (r.hi) r.details.emplace_back("ratio_hi", std::exp(*r.hi));
  return r;
}

BootstrapPlan plan_of(const PairedOptions& options, Difference& r) {
  BootstrapPlan plan;
  plan.seed = options.seed;
  plan.conf = options.conf;
  plan.replicates = std::max(options.replicates, kMinReplicates);
  if (plan.replicates != options.replicates) r.notes.emplace_back("B raised to 200, the smallest accepted");
  return plan;
}

// Interval, p and equivalence from the replicates of a difference: all from the same resamples.
void set_bootstrap(Difference& r, std::vector<double> replicates, const BootstrapPlan& plan,
                   const PairedOptions& options, std::vector<std::uint32_t> streams) {
  const double delta = r.delta.value_or(kUndefined);
  const BootstrapResult boot = summarize_replicates(delta, std::move(replicates), plan.conf);
  r.se = number(boot.se);
  set_interval(r, boot.percentile);
  r.seed = plan.seed;
  r.replicates = plan.replicates;
  r.dropped = boot.dropped;
  r.streams = std::move(streams);
  r.test = "paired_bootstrap";
  set_mde(r, options);
  if (!boot.percentile.defined()) return;
  r.p = number(paired_bootstrap_p(boot.replicates));
  if (!options.margin) return;
  const double alpha = 1.0 - plan.conf;
  r.equivalence = by_interval("tost.bootstrap", quantile(boot.replicates, alpha),
                              quantile(boot.replicates, 1.0 - alpha), options);
}

std::vector<double> subtract(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = b[i] - a[i];
  return a;
}

Difference compare_ratios(const Pairs& pairs, const PairedOptions& options) {
  Difference r = blank(pairs);
  r.correlation.reset();  // of numerators only, so it would mislead
  r.unpaired_se.reset();
  r.method = "bootstrap.percentile";
  const BootstrapPlan plan = plan_of(options, r);
  const double a_bottom = sum(pairs.a_bottom);
  const double b_bottom = sum(pairs.b_bottom);
  if (a_bottom != 0.0) r.baseline = sum(pairs.a) / a_bottom;
  if (b_bottom != 0.0) r.candidate = sum(pairs.b) / b_bottom;
  if (!r.baseline || !r.candidate) {
    r.undefined = pairs.a.empty() ? "no pairs" : "the denominators of a run sum to 0";
    return r;
  }
  r.delta = *r.candidate - *r.baseline;
  const Clusters clusters = pairs.clusters ? *pairs.clusters : singletons(pairs.a.size());
  if (clusters.count() < 2) {
    r.undefined = pairs.clusters ? "one cluster: nothing to resample" : "one pair: nothing to resample";
    return r;
  }
  set_bootstrap(r,
                subtract(ratio_replicates(pairs.a, pairs.a_bottom, clusters, plan),
                         ratio_replicates(pairs.b, pairs.b_bottom, clusters, plan)),
                plan, options, {kStreamBootstrap});
  return r;
}

// Scores of both runs by class.
struct PairedClasses {
  std::vector<double> positives_a, negatives_a, positives_b, negatives_b;
  std::vector<std::uint32_t> positive_groups, negative_groups;
  std::optional<Clusters> positive_clusters, negative_clusters;

  explicit PairedClasses(const Pairs& pairs) {
    for (std::size_t i = 0; i < pairs.a.size(); ++i) {
      const bool up = pairs.positive[i];
      (up ? positives_a : negatives_a).push_back(pairs.a[i]);
      (up ? positives_b : negatives_b).push_back(pairs.b[i]);
      if (pairs.clusters) (up ? positive_groups : negative_groups).push_back(pairs.clusters->of_item[i]);
    }
    if (!pairs.clusters) return;
    positive_clusters = make_clusters(positive_groups);
    negative_clusters = make_clusters(negative_groups);
  }
  [[nodiscard]] RocSample sample(bool candidate) const {
    RocSample s;
    s.positives = candidate ? positives_b : positives_a;
    s.negatives = candidate ? negatives_b : negatives_a;
    if (positive_clusters) s.positive_clusters = &*positive_clusters;
    if (negative_clusters) s.negative_clusters = &*negative_clusters;
    return s;
  }
};

void add_roc_companions(Difference& r, const PairedClasses& classes, RocReplicates& replicates,
                        const BootstrapPlan& plan, const PairedOptions& options) {
  const RocCurve a = roc_curve(classes.positives_a, classes.negatives_a);
  const RocCurve b = roc_curve(classes.positives_b, classes.negatives_b);
  const auto add = [&](std::string name, double before, double after, std::vector<double> values) {
    Difference companion = blank(r.n, r.non_finite, r.clusters);
    companion.name = std::move(name);
    companion.baseline = number(before);
    companion.candidate = number(after);
    companion.delta = number(after - before);
    PairedOptions plain = options;
    plain.margin.reset();  // the margin belongs to the AUROC
    set_bootstrap(companion, std::move(values), plan, plain, {kStreamBootstrap, kStreamNegatives});
    r.companions.push_back(std::move(companion));
  };
  add("pr_auc", pr_auc(a), pr_auc(b), std::move(replicates.pr_auc));
  for (std::size_t t = 0; t < options.fpr_targets.size(); ++t) {
    const double x = options.fpr_targets[t];
    const TprAtFpr before = tpr_at_fpr(a, x);
    add(detail::tpr_name(x), before.tpr, tpr_at_fpr(b, x).tpr, std::move(replicates.tpr[t]));
    if (before.below_resolution) r.companions.back().notes.emplace_back("resolution limited");
  }
}

Difference compare_auroc(const Pairs& pairs, const PairedOptions& options) {
  Difference r = blank(pairs);
  const PairedClasses classes(pairs);
  const BootstrapPlan plan = plan_of(options, r);
  const bool bootstrap_main = pairs.clusters && options.auroc_cluster_bootstrap;
  const PairedAuroc test =
      pairs.clusters ? delong_clustered_paired(
                           classes.positives_a, classes.negatives_a, classes.positives_b, classes.negatives_b,
                           {classes.positive_groups, classes.negative_groups}, options.conf)
                     : delong_paired(classes.positives_a, classes.negatives_a, classes.positives_b,
                                     classes.negatives_b, options.conf);
  r.baseline = number(test.auroc_a);
  r.candidate = number(test.auroc_b);
  r.delta = number(test.delta);
  r.method = test.interval.method;
  r.test = test.interval.method;
  if (!r.delta) {
    r.undefined = "one class is missing";
    return r;
  }
  RocReplicates replicates;
  if (bootstrap_main || options.companions) {
    replicates =
        roc_difference_replicates(classes.sample(false), classes.sample(true), options.fpr_targets, plan);
  }
  if (bootstrap_main) {
    set_bootstrap(r, std::move(replicates.auroc), plan, options, {kStreamBootstrap, kStreamNegatives});
  } else {
    r.se = number(test.se);
    set_interval(r, test.interval);
    r.p = number(test.p);
    if (r.se && !r.p) r.undefined = "the difference has no variance, so that no p exists";
    if (test.var_a >= 0.0 && test.var_b >= 0.0) r.unpaired_se = std::sqrt(test.var_a + test.var_b);
    if (options.margin && r.se) {
      const double half = normal_quantile(options.conf) * *r.se;
      r.equivalence = by_interval("tost.normal", *r.delta - half, *r.delta + half, options);
    }
    set_mde(r, options);
  }
  if (options.companions) add_roc_companions(r, classes, replicates, plan, options);
  return r;
}

Difference compare_custom(const PairedSample& s, const PairedOptions& options) {
  Difference empty = blank(s.items, 0, 0);
  empty.method = "bootstrap.percentile";
  const BootstrapPlan plan = plan_of(options, empty);
  std::vector<Difference> parts(std::max<std::size_t>(s.outputs, 1), empty);
  const auto assemble = [&] {
    Difference main = std::move(parts.front());
    for (std::size_t k = 1; k < parts.size(); ++k) {
      parts[k].name = "output";
      parts[k].name += std::to_string(k);
      main.companions.push_back(std::move(parts[k]));
    }
    return main;
  };
  const auto give_up = [&](const char* reason) {
    for (Difference& part : parts) part.undefined = reason;
    return assemble();
  };
  if (!s.baseline_custom || !s.candidate_custom || s.outputs == 0) {
    return give_up("no callback evaluates the custom statistic");
  }
  if (s.items == 0) return give_up("no pairs");
  const Clusters clusters = s.groups.empty() ? singletons(s.items) : make_clusters(s.groups);
  const bool has_groups = detail::grouped(clusters);
  std::vector<double> a;
  std::vector<double> b;
  if (!detail::evaluate_custom(s.baseline_custom, s.outputs, s.items, a) ||
      !detail::evaluate_custom(s.candidate_custom, s.outputs, s.items, b)) {
    return give_up("the callback gave up");
  }
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (has_groups) {
      parts[k].clusters = clusters.count();
      if (clusters.count() < kFewClusters) parts[k].notes.emplace_back("few clusters");
    }
    parts[k].baseline = number(a[k]);
    parts[k].candidate = number(b[k]);
    parts[k].delta = number(b[k] - a[k]);
  }
  if (clusters.count() < 2)
    return give_up(has_groups ? "one cluster: nothing to resample" : "one pair: nothing to resample");
  std::vector<std::vector<double>> first(parts.size());
  std::vector<std::vector<double>> second(parts.size());
  const std::size_t batch = std::max<std::size_t>(options.batch, 1);
  if (!detail::replicate_custom(s.baseline_custom, s.outputs, clusters, plan, batch, first) ||
      !detail::replicate_custom(s.candidate_custom, s.outputs, clusters, plan, batch, second)) {
    return give_up("the callback gave up");
  }
  for (std::size_t k = 0; k < parts.size(); ++k) {
    set_bootstrap(parts[k], subtract(std::move(first[k]), second[k]), plan, options, {kStreamBootstrap});
  }
  return assemble();
}

// The first thing that is wrong with the arguments, or nullptr.
const char* refusal(const PairedSample& s, const PairedOptions& options, std::size_t n) {
  if (!(options.conf > 0.0 && options.conf < 1.0)) return "the confidence level is not inside (0, 1)";
  if (options.margin && !(*options.margin > 0.0)) return "the equivalence margin is not above 0";
  if (n >= std::numeric_limits<std::uint32_t>::max()) return "more than 2^32 - 2 items";
  if (!s.groups.empty() && s.groups.size() != n)
    return "the number of groups differs from the number of pairs";
  if (s.rule == Rule::kCustom) return nullptr;
  if (s.candidate.size() != n) return "the two runs have different numbers of values";
  if (s.rule == Rule::kAuroc && s.labels.size() != n)
    return "the number of labels differs from the number of pairs";
  if (s.rule == Rule::kRatio &&
      (s.baseline_denominators.size() != n || s.candidate_denominators.size() != n)) {
    return "the number of denominators differs from the number of pairs";
  }
  return nullptr;
}

}  // namespace

bool detail::p_by_signs(const PairedTest& test, std::size_t n, bool grouped) {
  return (!grouped && n <= kSignFlipItems) || std::isnan(test.p);
}

Difference compare(const PairedSample& sample, const PairedOptions& options) {
  const std::size_t n = sample.rule == Rule::kCustom ? sample.items : sample.baseline.size();
  if (const char* reason = refusal(sample, options, n)) {
    Difference r;
    r.method = "none";
    r.test = "none";
    r.undefined = reason;
    return r;
  }
  if (sample.rule == Rule::kCustom) return compare_custom(sample, options);
  const Pairs pairs = finite_pairs(sample);
  switch (sample.rule) {
    case Rule::kProportion:
      return compare_proportions(pairs, options);
    case Rule::kAuroc:
      return compare_auroc(pairs, options);
    case Rule::kRatio:
      return compare_ratios(pairs, options);
    case Rule::kExpMean:
      return compare_exp_means(pairs, options);
    default:
      return compare_means(pairs, options);
  }
}

}  // namespace assay::stats
