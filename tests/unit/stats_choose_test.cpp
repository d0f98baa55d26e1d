// The front doors: which method belongs to which rule, and that nothing undefined becomes a number.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "harness/stats/bootstrap.hpp"
#include "harness/stats/choose.hpp"
#include "harness/stats/choose_paired.hpp"
#include "harness/stats/delong.hpp"
#include "harness/stats/distributions.hpp"
#include "harness/stats/mean.hpp"
#include "harness/stats/proportion.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;
using assay::test::Doubles;
using assay::test::near;

namespace {

using Names = std::vector<std::string>;

bool noted(const std::vector<std::string>& notes, const std::string& text) {
  for (const std::string& note : notes) {
    if (note.find(text) != std::string::npos) return true;
  }
  return false;
}

double detail_of(const std::vector<std::pair<std::string, double>>& details, const std::string& name) {
  for (const auto& [key, value] : details) {
    if (key == name) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

Doubles normals_of_stream(std::uint32_t n, std::uint32_t b) {
  Doubles x(n);
  for (std::uint32_t i = 0; i < n; ++i) x[i] = normal_quantile(random_uniform(21, 70, b, i));
  return x;
}

Doubles binary(std::uint32_t n, std::uint32_t b, double p) {
  Doubles x(n);
  for (std::uint32_t i = 0; i < n; ++i) x[i] = random_uniform(22, 70, b, i) < p ? 1.0 : 0.0;
  return x;
}

Names groups_of(std::uint32_t n, std::uint32_t size) {
  Names ids;
  for (std::uint32_t i = 0; i < n; ++i) ids.push_back("doc" + std::to_string(i / size));
  return ids;
}

Estimate run(Rule rule, const Doubles& values, const Names& groups = {}, const Options& options = {}) {
  Sample s;
  s.rule = rule;
  s.values = values;
  s.groups = groups;
  return estimate(s, options);
}

Difference diff(Rule rule, const Doubles& a, const Doubles& b, const Names& groups = {},
                const PairedOptions& options = {}) {
  PairedSample s;
  s.rule = rule;
  s.baseline = a;
  s.candidate = b;
  s.groups = groups;
  return compare(s, options);
}

}  // namespace

TEST_CASE("rule names go both ways", "[stats][choose]") {
  for (const Rule rule :
       {Rule::kProportion, Rule::kMean, Rule::kAuroc, Rule::kRatio, Rule::kExpMean, Rule::kCustom}) {
    CHECK(rule_from_name(rule_name(rule)) == rule);
  }
  CHECK_FALSE(rule_from_name("median").has_value());
}

TEST_CASE("a proportion without groups gets Wilson", "[stats][choose]") {
  const Estimate e = run(Rule::kProportion, binary(40, 1, 0.7));
  const double x = sum(binary(40, 1, 0.7));
  CHECK(e.method == "wilson");
  CHECK(e.lo == wilson(x, 40, 0.95).lo);
  CHECK(near(*e.se, std::sqrt(x / 40 * (1 - x / 40) / 39), 1e-15));
  CHECK(e.replicates == 0);
  CHECK(e.undefined.empty());
  const Estimate one = run(Rule::kProportion, {1.0});
  CHECK(one.value == 1.0);
  CHECK_FALSE(one.se.has_value());
  CHECK(one.lo.has_value());
  const Estimate none = run(Rule::kProportion, {});
  CHECK_FALSE(none.value.has_value());
  CHECK(none.undefined == "no items");
  const Estimate other = run(Rule::kProportion, Doubles{0.5, 1, 0, 1});
  CHECK(noted(other.notes, "treated as a mean"));
}

TEST_CASE("a proportion with groups is clustered; near the ends wilson_neff", "[stats][choose]") {
  const Doubles x = binary(120, 2, 0.5);
  const Names ids = groups_of(120, 4);
  const Estimate e = run(Rule::kProportion, x, ids);
  CHECK(e.method == "mean.cluster_t");
  CHECK(e.clusters == 30);
  CHECK(e.lo == mean_cluster_t(x, make_clusters(ids), 0.95).interval.lo);
  CHECK_FALSE(noted(e.notes, "few clusters"));

  Doubles high(120, 1.0);
  high[5] = high[6] = 0.0;
  const Estimate end = run(Rule::kProportion, high, ids);
  CHECK(end.method == "wilson_neff");
  CHECK(end.lo == wilson_neff(*end.value, 120, *end.deff, 0.95).lo);
  CHECK((*end.lo > 0.9 && *end.hi < 1.0));

  const Estimate all = run(Rule::kProportion, Doubles(120, 1.0), ids);
  CHECK(all.method == "wilson_neff");
  CHECK(all.lo == wilson(30, 30, 0.95).lo);  // n_eff = C
  CHECK(all.hi == 1.0);
  CHECK(all.se == 0.0);

  CHECK(noted(run(Rule::kProportion, binary(40, 3, 0.5), groups_of(40, 10)).notes, "few clusters"));
  const Estimate single = run(Rule::kProportion, binary(40, 3, 0.5), groups_of(40, 1));
  CHECK(single.method == "wilson");
  CHECK(noted(single.notes, "treated as no groups"));
  const Estimate one = run(Rule::kProportion, binary(40, 3, 0.5), groups_of(40, 40));
  CHECK_FALSE(one.lo.has_value());
  CHECK_FALSE(one.se.has_value());
  CHECK(one.value.has_value());
  CHECK_FALSE(one.undefined.empty());
}

TEST_CASE("a mean: t, BCa for few or skewed items, clusters with groups", "[stats][choose]") {
  CHECK(run(Rule::kMean, normals_of_stream(30, 4)).method == "mean.t");
  const Estimate small = run(Rule::kMean, normals_of_stream(29, 4), {}, {.seed = 7});
  CHECK(small.method == "bootstrap.bca");
  CHECK(small.seed == 7);
  CHECK(small.replicates == 2000);
  CHECK(small.streams == std::vector<std::uint32_t>{kStreamBootstrap});
  BootstrapPlan plan;
  plan.seed = 7;
  CHECK(small.lo == bootstrap(normals_of_stream(29, 4), Statistic::kMean, plan).bca.lo);
  Doubles skewed = normals_of_stream(200, 5);
  for (double& v : skewed) v = std::exp(v);
  REQUIRE(skewness(skewed) > 1.0);
  CHECK(run(Rule::kMean, skewed).method == "bootstrap.bca");
  CHECK(run(Rule::kMean, skewed, groups_of(200, 5)).method == "mean.cluster_t");
  const Estimate flat = run(Rule::kMean, Doubles(5, 0.3));
  CHECK(noted(flat.notes, "degenerate"));
  CHECK(flat.lo == 0.3);
  CHECK(flat.se == 0.0);
  const Estimate one = run(Rule::kMean, {0.4});
  CHECK(one.value == 0.4);
  CHECK_FALSE(one.se.has_value());
  CHECK_FALSE(one.lo.has_value());
  CHECK_FALSE(one.undefined.empty());
}

TEST_CASE("non-finite scores are left out and counted, whatever their place", "[stats][choose]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const Doubles clean = normals_of_stream(40, 6);
  for (const std::size_t at : {0U, 17U, 40U}) {
    Doubles dirty = clean;
    dirty.insert(dirty.begin() + static_cast<std::ptrdiff_t>(at), nan);
    dirty.push_back(inf);
    const Estimate e = run(Rule::kMean, dirty);
    CHECK(e.non_finite == 2);
    CHECK(e.n == 40);
    CHECK(e.value == run(Rule::kMean, clean).value);
    CHECK(e.lo == run(Rule::kMean, clean).lo);
  }
  const Estimate none = run(Rule::kMean, {nan, nan});
  CHECK_FALSE(none.value.has_value());
  CHECK(none.non_finite == 2);
}

TEST_CASE("perplexity: t on the log scale, ends exponentiated", "[stats][choose]") {
  const Doubles nll = normals_of_stream(50, 7);
  const Estimate e = run(Rule::kExpMean, nll);
  const MeanEstimate m = mean_t(nll, 0.95);
  CHECK(e.method == "exp_mean.t");
  CHECK(near(*e.value, std::exp(m.mean), 1e-14));
  CHECK(near(*e.lo, std::exp(m.interval.lo), 1e-14));
  CHECK(near(*e.hi, std::exp(m.interval.hi), 1e-14));
  CHECK(run(Rule::kExpMean, nll, groups_of(50, 5)).method == "exp_mean.cluster_t");
  CHECK_FALSE(run(Rule::kExpMean, {}).value.has_value());
}

TEST_CASE("a ratio is bootstrapped over items or groups", "[stats][choose]") {
  const Doubles top = binary(60, 8, 0.5);
  const Doubles bottom(60, 2.0);
  Sample s;
  s.rule = Rule::kRatio;
  s.values = top;
  s.denominators = bottom;
  const Estimate e = estimate(s, {});
  CHECK(e.method == "bootstrap.percentile");
  CHECK(near(*e.value, sum(top) / 120, 1e-15));
  CHECK(e.replicates == 2000);
  const Names ids = groups_of(60, 6);
  s.groups = ids;
  CHECK(estimate(s, {}).clusters == 10);
  s.groups = {};
  const Doubles zero(60, 0.0);
  s.denominators = zero;
  CHECK_FALSE(estimate(s, {}).value.has_value());
  s.denominators = {};
  CHECK(estimate(s, {}).undefined.find("denominators differs") != std::string::npos);
}

TEST_CASE("AUROC with companions", "[stats][choose]") {
  Doubles scores = normals_of_stream(200, 9);
  std::vector<std::uint8_t> labels(200);
  for (std::size_t i = 0; i < 200; ++i) {
    labels[i] = i % 2 == 0 ? 1 : 0;
    if (labels[i] == 1) scores[i] += 1.0;
  }
  Sample s;
  s.rule = Rule::kAuroc;
  s.values = scores;
  s.labels = labels;
  const Estimate e = estimate(s, {.replicates = 400});
  CHECK(e.method == "delong_logit");
  CHECK((e.positives == 100 && e.negatives == 100));
  REQUIRE(e.companions.size() == 3);
  CHECK(e.companions[0].name == "pr_auc");
  CHECK(e.companions[1].name == "tpr_at_fpr@0.05");
  CHECK(e.companions[2].name == "tpr_at_fpr@0.01");
  for (const Estimate& c : e.companions) {
    CHECK(c.replicates == 400);
    CHECK(c.streams == std::vector<std::uint32_t>{1, 6});
    CHECK((*c.lo <= *c.value && *c.value <= *c.hi));
  }
  CHECK(e.companions[1].method == "tpr_at_fpr.bootstrap");
  CHECK_FALSE(noted(e.companions[2].notes, "resolution limited"));
  CHECK(std::isfinite(detail_of(e.companions[1].details, "conditional_lo")));
  CHECK(detail_of(e.companions[1].details, "achieved_fpr") <= 0.05);

  const Names ids = groups_of(200, 4);
  s.groups = ids;
  const Estimate grouped = estimate(s, {.replicates = 400});
  CHECK(grouped.method == "delong_clustered_logit");
  CHECK(grouped.clusters == 50);
  CHECK(grouped.value == e.value);
  CHECK(grouped.deff.has_value());
  CHECK(estimate(s, {.replicates = 400, .auroc_cluster_bootstrap = true}).method == "auroc.bootstrap");

  // 20 negatives: FPR 0.01 is below the resolution.
  s.groups = {};
  s.values = std::span<const double>(scores).first(40);
  s.labels = std::span<const std::uint8_t>(labels).first(40);
  const Estimate few = estimate(s, {});
  CHECK(noted(few.companions[2].notes, "resolution limited"));
  CHECK(detail_of(few.companions[2].details, "smallest_nonzero_fpr") == 0.05);
}

TEST_CASE("AUROC without a class or without variance", "[stats][choose]") {
  const Doubles scores{1, 2, 3};
  const std::vector<std::uint8_t> ones{1, 1, 1};
  Sample s;
  s.rule = Rule::kAuroc;
  s.values = scores;
  s.labels = ones;
  const Estimate e = estimate(s, {});
  CHECK_FALSE(e.value.has_value());
  CHECK_FALSE(e.lo.has_value());
  CHECK(e.undefined == "no negative item");
  for (const Estimate& c : e.companions) {
    CHECK_FALSE(c.value.has_value());
    CHECK_FALSE(c.undefined.empty());
  }
  const std::vector<std::uint8_t> split{0, 1, 1};
  s.labels = split;
  const Estimate perfect = estimate(s, {});
  CHECK(perfect.value == 1.0);
  CHECK(perfect.method == "auroc.score");
  CHECK(perfect.hi == 1.0);
  CHECK_FALSE(perfect.se.has_value());
  s.labels = {};
  CHECK(estimate(s, {}).undefined.find("labels differs") != std::string::npos);
}

TEST_CASE("a custom statistic is called with whole resamples", "[stats][choose]") {
  const Doubles x = normals_of_stream(45, 10);
  const CustomStatistic mean_and_max = [&](std::span<const Resample> resamples, std::span<double> out) {
    for (std::size_t r = 0; r < resamples.size(); ++r) {
      Doubles drawn;
      for (const std::uint32_t i : resamples[r]) drawn.push_back(x[i]);
      out[2 * r] = mean(drawn);
      out[2 * r + 1] = *std::max_element(drawn.begin(), drawn.end());
    }
    return true;
  };
  Sample s;
  s.rule = Rule::kCustom;
  s.items = x.size();
  s.custom = mean_and_max;
  s.outputs = 2;
  const Estimate e = estimate(s, {.seed = 3, .replicates = 500, .batch = 64});
  const BootstrapResult r = bootstrap(x, Statistic::kMean, {3, 1, 500, 0.95});
  CHECK(near(*e.value, mean(x), 1e-15));
  CHECK(near(*e.lo, r.percentile.lo, 1e-13));
  CHECK(near(*e.se, r.se, 1e-13));
  REQUIRE(e.companions.size() == 1);
  CHECK(e.companions[0].name == "output1");
  // The size of a batch is not part of the result.
  for (const std::size_t batch : {1U, 7U, 1000U}) {
    const Estimate again = estimate(s, {.seed = 3, .replicates = 500, .batch = batch});
    CHECK(again.lo == e.lo);
    CHECK(again.companions[0].hi == e.companions[0].hi);
  }
  const Names ids = groups_of(45, 3);
  s.groups = ids;
  const Estimate grouped = estimate(s, {.seed = 3, .replicates = 500});
  const BootstrapResult rg = bootstrap(x, make_clusters(ids), Statistic::kMean, {3, 1, 500, 0.95});
  CHECK(near(*grouped.hi, rg.percentile.hi, 1e-13));
  CHECK(grouped.clusters == 15);

  s.custom = [](std::span<const Resample>, std::span<double>) { return false; };
  CHECK(estimate(s, {}).undefined == "the callback gave up");
  s.custom = {};
  CHECK_FALSE(estimate(s, {}).value.has_value());
}

TEST_CASE("wrong arguments are refused with a reason", "[stats][choose]") {
  const Doubles x{1, 0, 1};
  CHECK_FALSE(run(Rule::kMean, x, {}, {.conf = 1.0}).undefined.empty());
  CHECK_FALSE(run(Rule::kMean, x, Names{"a"}).undefined.empty());
  const Estimate raised = run(Rule::kMean, x, {}, {.replicates = 10});
  CHECK(raised.replicates == 200);
  CHECK(noted(raised.notes, "raised to 200"));
}

TEST_CASE("comparison of proportions: McNemar and Tango", "[stats][choose][paired]") {
  const Doubles a = binary(80, 11, 0.6);
  const Doubles b = binary(80, 12, 0.7);
  PairedOptions options;
  options.margin = 0.3;
  const Difference d = diff(Rule::kProportion, a, b, {}, options);
  REQUIRE(d.flips.has_value());
  CHECK(d.method == "tango");
  CHECK(d.test == "mcnemar.exact");
  CHECK(d.p == mcnemar(d.flips->b, d.flips->c).p_exact);
  CHECK(near(*d.delta, mean(b) - mean(a), 1e-15));
  CHECK(d.mde.has_value());
  REQUIRE(d.equivalence.has_value());
  CHECK(d.equivalence->method == "tost.tango");
  CHECK_FALSE(diff(Rule::kProportion, a, b).equivalence.has_value());
  const Difference same = diff(Rule::kProportion, a, a);
  CHECK(same.p == 1.0);
  CHECK(noted(same.notes, "no flips"));
  CHECK(diff(Rule::kProportion, a, b, groups_of(80, 4)).method == "paired.cluster_t");
  CHECK_FALSE(diff(Rule::kProportion, {}, {}).delta.has_value());
}

TEST_CASE("comparison of means: sign flips for few items, else t", "[stats][choose][paired]") {
  const Difference few = diff(Rule::kMean, normals_of_stream(50, 13), normals_of_stream(50, 14));
  CHECK(few.method == "paired.t");
  CHECK(few.test == "signflip.mc");
  CHECK(few.replicates == 9999);
  const Difference many = diff(Rule::kMean, normals_of_stream(51, 13), normals_of_stream(51, 14));
  CHECK(many.test == "paired.t");
  const Difference grouped =
      diff(Rule::kMean, normals_of_stream(60, 13), normals_of_stream(60, 14), groups_of(60, 3));
  CHECK(grouped.test == "paired.cluster_t");
  CHECK(std::isfinite(detail_of(grouped.details, "p_signflip")));
  // A constant difference: the t test has no p, the sign-flip test has one.
  Doubles shifted(10, 0.25);
  const Difference constant_shift = diff(Rule::kMean, Doubles(10, 0.0), shifted);
  CHECK(constant_shift.test == "signflip.exact");
  CHECK(near(*constant_shift.p, std::ldexp(1.0, -9), 1e-15));
  CHECK(noted(constant_shift.notes, "degenerate"));
  const Difference one = diff(Rule::kMean, {1.0}, {2.0});
  CHECK(one.delta == 1.0);
  CHECK_FALSE(one.se.has_value());
  CHECK_FALSE(one.p.has_value());
  CHECK_FALSE(one.undefined.empty());
  const Difference nll = diff(Rule::kExpMean, normals_of_stream(60, 15), normals_of_stream(60, 16));
  CHECK(near(detail_of(nll.details, "ratio"), *nll.candidate / *nll.baseline, 1e-12));
}

TEST_CASE("comparison of AUROC, ratio and custom statistics", "[stats][choose][paired]") {
  const Doubles a = normals_of_stream(120, 17);
  Doubles b = normals_of_stream(120, 18);
  std::vector<std::uint8_t> labels(120);
  for (std::size_t i = 0; i < 120; ++i) {
    labels[i] = i % 3 == 0 ? 1 : 0;
    if (labels[i] == 1) b[i] += 1.5;
  }
  PairedSample s;
  s.rule = Rule::kAuroc;
  s.baseline = a;
  s.candidate = b;
  s.labels = labels;
  PairedOptions options;
  options.replicates = 400;
  options.margin = 0.05;
  const Difference d = compare(s, options);
  CHECK(d.method == "delong_paired");
  CHECK(*d.p < 0.01);
  CHECK(*d.lo > 0.0);
  REQUIRE(d.companions.size() == 3);
  CHECK(d.companions[0].test == "paired_bootstrap");
  CHECK_FALSE(d.companions[0].equivalence.has_value());
  CHECK_FALSE(d.equivalence->equivalent);
  CHECK(d.equivalence->non_inferior);
  const Names ids = groups_of(120, 4);
  s.groups = ids;
  CHECK(compare(s, options).method == "delong_clustered_paired");
  options.auroc_cluster_bootstrap = true;
  CHECK(compare(s, options).method == "bootstrap.percentile");

  // A ratio with equal denominators and the same custom statistic: the same resamples, the same numbers.
  const Doubles ones(120, 1.0);
  PairedSample ratio;
  ratio.rule = Rule::kRatio;
  ratio.baseline = a;
  ratio.candidate = b;
  ratio.baseline_denominators = ones;
  ratio.candidate_denominators = ones;
  const Difference r = compare(ratio, options);
  const auto mean_of = [](const Doubles& x) {
    return [&x](std::span<const Resample> resamples, std::span<double> out) {
      for (std::size_t k = 0; k < resamples.size(); ++k) {
        double total = 0.0;
        for (const std::uint32_t i : resamples[k]) total += x[i];
        out[k] = total / static_cast<double>(resamples[k].size());
      }
      return true;
    };
  };
  PairedSample custom;
  custom.rule = Rule::kCustom;
  custom.items = 120;
  custom.baseline_custom = mean_of(a);
  custom.candidate_custom = mean_of(b);
  const Difference c = compare(custom, options);
  CHECK(r.test == "paired_bootstrap");
  CHECK(near(*r.lo, *c.lo, 1e-12));
  CHECK(near(*r.se, *c.se, 1e-12));
  CHECK(r.p == c.p);
  CHECK(r.equivalence->method == "tost.bootstrap");
}

TEST_CASE("results do not depend on what other threads compute", "[stats][choose]") {
  const Doubles x = normals_of_stream(25, 30);
  const Estimate alone = run(Rule::kMean, x, {}, {.seed = 9});
  for (const std::size_t count : {2U, 16U}) {
    std::vector<Estimate> results(count);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < count; ++t) {
      threads.emplace_back([&, t] { results[t] = run(Rule::kMean, x, {}, {.seed = 9}); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Estimate& e : results) {
      CHECK(e.lo == alone.lo);
      CHECK(e.hi == alone.hi);
    }
  }
}

TEST_CASE("refused comparisons", "[stats][choose][paired]") {
  const Doubles a{1, 2};
  const Doubles b{1};
  CHECK_FALSE(diff(Rule::kMean, a, b).undefined.empty());
  PairedOptions options;
  options.margin = 0.0;
  CHECK_FALSE(diff(Rule::kMean, a, a, {}, options).undefined.empty());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Difference d = diff(Rule::kMean, {1, nan, 3, 4}, {2, 2, nan, 6});
  CHECK(d.non_finite == 2);
  CHECK(d.n == 2);
  CHECK(d.delta == 1.5);
}
