// The bootstrap: consistency with formulas, the index stream, and its exceptional ends.
#include <cmath>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "harness/stats/bootstrap.hpp"
#include "harness/stats/distributions.hpp"
#include "harness/stats/roc.hpp"
#include "harness/stats/roc_bootstrap.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;
using assay::test::near;

namespace {

std::vector<double> normals(std::uint32_t n, std::uint32_t b, double shift = 0.0, double grid = 0.0) {
  std::vector<double> x(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    x[i] = normal_quantile(random_uniform(99, 77, b, i)) + shift;
    if (grid > 0.0) x[i] = std::round(x[i] / grid) * grid;
  }
  return x;
}

}  // namespace

TEST_CASE("the bootstrap error of a mean is the formula's, and is not divided again", "[stats][bootstrap]") {
  for (const std::uint32_t n : {20U, 200U}) {
    const std::vector<double> x = normals(n, n);
    BootstrapPlan plan;
    plan.replicates = 10000;
    const double expected = std::sqrt(variance(x) * (n - 1.0) / n / n);
    const double actual = bootstrap(x, Statistic::kMean, plan).se;
    CHECK(near(actual, expected, 4.0 * expected / std::sqrt(2.0 * plan.replicates)));
  }
}

TEST_CASE("replicates follow the documented index stream", "[stats][bootstrap]") {
  const std::vector<double> x = normals(37, 1);
  BootstrapPlan plan{123456789, 1, 300, 0.95};
  const BootstrapResult r = bootstrap(x, Statistic::kMedian, plan);
  REQUIRE(r.replicates.size() == 300);
  for (std::uint32_t b = 0; b < 300; ++b) {
    std::vector<double> resample;
    for (std::uint32_t i = 0; i < 37; ++i) resample.push_back(x[random_index(plan.seed, 1, b, i, 37)]);
    REQUIRE(r.replicates[b] == median(resample));
  }
}

TEST_CASE("clusters of one item give the plain bootstrap", "[stats][bootstrap]") {
  const std::vector<double> x = normals(50, 2);
  const BootstrapPlan plan{5, 1, 400, 0.9};
  for (const Statistic s : {Statistic::kMean, Statistic::kMedian, Statistic::kExpMean}) {
    const BootstrapResult a = bootstrap(x, s, plan);
    const BootstrapResult b = bootstrap(x, singletons(x.size()), s, plan);
    CHECK(a.replicates == b.replicates);
    CHECK(a.bca.lo == b.bca.lo);
  }
}

TEST_CASE("constant data are degenerate, no data are undefined", "[stats][bootstrap]") {
  const BootstrapResult same = bootstrap(std::vector<double>(12, 0.3), Statistic::kMean, {});
  CHECK(same.percentile.degenerate);
  CHECK(same.se == 0.0);
  CHECK(near(same.percentile.lo, 0.3, 1e-15));
  CHECK_FALSE(bootstrap(std::vector<double>{}, Statistic::kMean, {}).percentile.defined());
  CHECK(bootstrap(std::vector<double>{1.0}, Statistic::kMean, {}).percentile.degenerate);
}

TEST_CASE("undefined replicates are dropped, counted and above 1 % fatal", "[stats][bootstrap]") {
  std::vector<double> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  std::vector<double> few = values;
  for (std::size_t i = 0; i < 10; ++i) few[i * 7] = kUndefined;
  const BootstrapResult r = summarize_replicates(500.0, few, 0.95);
  CHECK(r.dropped == 10);
  CHECK(r.replicates.size() == 990);
  CHECK(r.percentile.defined());
  few[1] = kUndefined;
  const BootstrapResult more = summarize_replicates(500.0, few, 0.95);
  CHECK(more.dropped == 11);
  CHECK_FALSE(more.percentile.defined());
  CHECK(std::isnan(more.se));
}

TEST_CASE("BCa falls back to percentile limits where it does not exist", "[stats][bootstrap]") {
  std::vector<double> values(500);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i) + 1.0;
  const std::vector<double> leave_one_out{1, 2, 3};
  const BootstrapResult below = summarize_replicates(0.0, values, leave_one_out, 0.95);  // no replicate below
  CHECK(below.bca_fallback);
  CHECK(below.bca.lo == below.percentile.lo);
  CHECK(below.bca.method == "bootstrap.percentile");
  const BootstrapResult inside = summarize_replicates(250.0, values, leave_one_out, 0.95);
  CHECK_FALSE(inside.bca_fallback);
  CHECK(inside.acceleration == 0.0);
}

TEST_CASE("a ratio with constant denominators is a scaled mean", "[stats][bootstrap]") {
  const std::vector<double> x = normals(40, 3);
  const std::vector<double> two(40, 2.0);
  const BootstrapPlan plan{8, 1, 300, 0.95};
  const BootstrapResult mean_result = bootstrap(x, Statistic::kMean, plan);
  const BootstrapResult ratio = bootstrap_ratio(x, two, singletons(40), plan);
  for (std::size_t b = 0; b < 300; ++b) {
    REQUIRE(near(ratio.replicates[b], 0.5 * mean_result.replicates[b], 1e-14));
  }
  const std::vector<double> zero(40, 0.0);
  CHECK_FALSE(bootstrap_ratio(x, zero, singletons(40), plan).percentile.defined());
}

TEST_CASE("the fast ROC bootstrap equals recomputation from the drawn scores", "[stats][bootstrap][roc]") {
  for (const double grid : {0.0, 0.5}) {
    const std::vector<double> pos = normals(23, 10, 0.8, grid);
    const std::vector<double> neg = normals(31, 11, 0.0, grid);
    const BootstrapPlan plan{77, 1, 200, 0.95};
    const double targets[] = {0.05, 0.2};
    const RocReplicates fast = roc_replicates({pos, neg}, targets, plan);
    for (std::uint32_t b = 0; b < plan.replicates; ++b) {
      std::vector<double> p;
      std::vector<double> n;
      for (std::uint32_t i = 0; i < 23; ++i) p.push_back(pos[random_index(77, kStreamBootstrap, b, i, 23)]);
      for (std::uint32_t i = 0; i < 31; ++i) n.push_back(neg[random_index(77, kStreamNegatives, b, i, 31)]);
      const RocCurve curve = roc_curve(p, n);
      REQUIRE(near(fast.auroc[b], auroc(curve), 1e-14));
      REQUIRE(near(fast.pr_auc[b], pr_auc(curve), 1e-13));
      for (std::size_t t = 0; t < 2; ++t) REQUIRE(fast.tpr[t][b] == tpr_at_fpr(curve, targets[t]).tpr);
    }
  }
}

TEST_CASE("the clustered ROC bootstrap draws whole groups inside a class", "[stats][bootstrap][roc]") {
  const std::vector<double> pos = normals(12, 20, 1.0);
  const std::vector<double> neg = normals(9, 21);
  const Clusters cp = make_clusters(std::vector<std::uint32_t>{0, 0, 1, 1, 1, 2, 3, 3, 3, 3, 4, 4});
  const Clusters cn = make_clusters(std::vector<std::uint32_t>{0, 1, 1, 1, 2, 2, 3, 3, 3});
  const BootstrapPlan plan{78, 1, 200, 0.95};
  const RocReplicates fast = roc_replicates({pos, neg, &cp, &cn}, {}, plan);
  for (std::uint32_t b = 0; b < plan.replicates; ++b) {
    std::vector<double> p;
    std::vector<double> n;
    for (std::uint32_t i = 0; i < 5; ++i) {
      for (const std::uint32_t k : cp.of(random_index(78, 1, b, i, 5))) p.push_back(pos[k]);
    }
    for (std::uint32_t i = 0; i < 4; ++i) {
      for (const std::uint32_t k : cn.of(random_index(78, 6, b, i, 4))) n.push_back(neg[k]);
    }
    REQUIRE(near(fast.auroc[b], auroc(p, n), 1e-14));
  }
}

TEST_CASE("ROC bootstrap without a class is undefined", "[stats][bootstrap][roc]") {
  const std::vector<double> some{1, 2};
  const std::vector<double> none;
  CHECK_FALSE(auroc_bootstrap({some, none}, {}).percentile.defined());
  CHECK_FALSE(tpr_at_fpr_bootstrap({none, some}, 0.1, {}).percentile.defined());
}
