// Sums, quantiles, proportions and means: closed forms and edge cases.
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "harness/stats/clusters.hpp"
#include "harness/stats/distributions.hpp"
#include "harness/stats/mean.hpp"
#include "harness/stats/proportion.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;
using assay::test::near;

namespace {}  // namespace

TEST_CASE("sums are compensated", "[stats][mean]") {
  CHECK(sum(std::vector<double>{1.0, 1e100, 1.0, -1e100}) == 2.0);
  CHECK(sum(std::vector<double>{}) == 0.0);
  CHECK(std::isnan(mean(std::vector<double>{})));
}

TEST_CASE("variance survives a large offset", "[stats][mean]") {
  // 1e9 + {0, 1, 2}: a one-pass formula gives 0 or a negative number here.
  CHECK(variance(std::vector<double>{1e9, 1e9 + 1, 1e9 + 2}) == 1.0);
  CHECK(variance(std::vector<double>{0.1, 0.1, 0.1}) == 0.0);
  CHECK(std::isnan(variance(std::vector<double>{1.0})));
}

TEST_CASE("median and quantiles", "[stats][mean]") {
  CHECK(median(std::vector<double>{4, 1, 3, 2}) == 2.5);
  CHECK(median_high(std::vector<double>{4, 1, 3, 2}) == 3.0);
  CHECK(median(std::vector<double>{5}) == 5.0);
  CHECK(std::isnan(median(std::vector<double>{})));
  CHECK(quantile(std::vector<double>{10, 20}, 0.25) == 12.5);
  CHECK(quantile(std::vector<double>{10, 20}, 0.0) == 10.0);
  CHECK(quantile(std::vector<double>{10, 20}, 1.0) == 20.0);
  CHECK(std::isnan(quantile(std::vector<double>{}, 0.5)));
}

TEST_CASE("skewness of a two-point sample has a closed form", "[stats][mean]") {
  // p = 1/4: g1 = (1 - 2p)/sqrt(p (1 - p)).
  const std::vector<double> x{1, 0, 0, 0};
  CHECK(near(skewness(x), 0.5 / std::sqrt(0.25 * 0.75), 1e-14));
  CHECK(skewness(std::vector<double>{2, 2}) == 0.0);
  CHECK(near(skewness(std::vector<double>{1, 2, 3}), 0.0, 1e-15));
}

TEST_CASE("distribution functions invert each other", "[stats][mean]") {
  for (const double p : {1e-12, 0.001, 0.3, 0.5, 0.975, 0.999999}) {
    CHECK(near(normal_cdf(normal_quantile(p)), p, 1e-14));
    CHECK(near(student_cdf(student_quantile(p, 3.0), 3.0), p, 1e-13));
  }
  // One degree of freedom is the Cauchy distribution.
  CHECK(near(student_cdf(1.0, 1.0), 0.75, 1e-15));
  // Beta(1, b) has the quantile 1 - (1 - p)^{1/b}.
  CHECK(near(beta_quantile(0.3, 1.0, 4.0), 1.0 - std::pow(0.7, 0.25), 1e-14));
  CHECK(near(binomial_cdf(2, 4, 0.5), 11.0 / 16.0, 1e-15));
  CHECK(binomial_cdf(-1, 4, 0.5) == 0.0);
  CHECK(binomial_cdf(4, 4, 0.5) == 1.0);
  CHECK(std::isnan(normal_quantile(1.5)));
  CHECK(std::isnan(beta_quantile(0.5, -1.0, 2.0)));
  CHECK(std::isnan(student_quantile(0.5, 0.0)));
  // chi-squared with one degree of freedom is the square of a normal variable.
  CHECK(near(chi_squared_1_upper(1.5 * 1.5), normal_two_sided(1.5), 1e-15));
}

TEST_CASE("proportion intervals: ends, symmetry, nesting", "[stats][mean]") {
  using F = Interval (*)(double, double, double);
  for (const F f : {F{wilson}, F{clopper_pearson}, F{jeffreys}, F{beta11}}) {
    for (const double n : {1.0, 2.0, 10.0, 1000.0}) {
      for (double x = 0.0; x <= n; x += std::max(1.0, n / 10.0)) {
        const Interval i = f(x, n, 0.95);
        const Interval mirror = f(n - x, n, 0.95);
        REQUIRE(i.defined());
        CHECK((0.0 <= i.lo && i.lo <= x / n && x / n <= i.hi && i.hi <= 1.0) ==
              (f != F{beta11} || (x > 0 && x < n)));
        CHECK(near(i.lo, 1.0 - mirror.hi, 1e-12));
        const Interval wider = f(x, n, 0.99);
        CHECK((wider.lo <= i.lo && wider.hi >= i.hi));
      }
    }
    CHECK_FALSE(f(0.0, 0.0, 0.95).defined());
    CHECK(f(0.0, 0.0, 0.95).undefined == "no items");
  }
  CHECK(wilson(0, 7, 0.95).lo == 0.0);
  CHECK(wilson(7, 7, 0.95).hi == 1.0);
  // Clopper-Pearson at x = 0 is 1 - (alpha/2)^{1/n}.
  CHECK(near(clopper_pearson(0, 20, 0.95).hi, 1.0 - std::pow(0.025, 1.0 / 20.0), 1e-13));
}

TEST_CASE("Wilson limits solve the score equation", "[stats][mean]") {
  const double z = normal_critical(0.95);
  for (const double x : {1.0, 13.0, 49.0}) {
    const Interval i = wilson(x, 50, 0.95);
    for (const double p : {i.lo, i.hi}) {
      CHECK(near(std::fabs(x / 50 - p), z * std::sqrt(p * (1 - p) / 50), 1e-14));
    }
  }
}

TEST_CASE("wilson_neff treats a design effect below 1 as 1", "[stats][mean]") {
  CHECK(wilson_neff(0.4, 50, 0.3, 0.95).lo == wilson(20, 50, 0.95).lo);
  CHECK(near(wilson_neff(0.4, 100, 2.0, 0.95).lo, wilson(20, 50, 0.95).lo, 1e-15));
}

TEST_CASE("the difference of independent proportions: the published example", "[stats][mean]") {
  // Newcombe 1998, table II, example a: 56/70 against 48/80.
  const Interval i = newcombe_difference(56, 70, 48, 80, 0.95);
  CHECK(near(i.lo, 0.0524, 5e-5));
  CHECK(near(i.hi, 0.3339, 5e-5));
  CHECK_FALSE(newcombe_difference(0, 0, 1, 2, 0.95).defined());
}

TEST_CASE("mean.t edge cases", "[stats][mean]") {
  const MeanEstimate none = mean_t(std::vector<double>{}, 0.95);
  CHECK(std::isnan(none.mean));
  CHECK_FALSE(none.interval.defined());
  const MeanEstimate one = mean_t(std::vector<double>{0.4}, 0.95);
  CHECK(one.mean == 0.4);
  CHECK(std::isnan(one.se));
  CHECK_FALSE(one.interval.defined());
  const MeanEstimate same = mean_t(std::vector<double>{0.1, 0.1, 0.1}, 0.95);
  CHECK(same.se == 0.0);
  CHECK(same.mean == 0.1);
  CHECK(same.interval.degenerate);
  CHECK(same.interval.lo == 0.1);
  // Two values: half width t(1) * |x - y| / 2.
  const MeanEstimate two = mean_t(std::vector<double>{0, 2}, 0.95);
  CHECK(near(two.interval.hi, 1.0 + 12.706204736174705, 1e-9));
}

TEST_CASE("clustered errors: singletons, order, equal clusters", "[stats][mean]") {
  const std::vector<double> x{0.3, 0.9, 0.1, 0.4, 0.8, 0.2};
  const MeanEstimate plain = mean_t(x, 0.95);
  const MeanEstimate single = mean_cluster_t(x, singletons(x.size()), 0.95);
  CHECK(near(single.se, plain.se, 1e-15));
  CHECK(near(*single.deff, 1.0, 1e-12));
  CHECK(near(single.interval.lo, plain.interval.lo, 1e-12));
  // Equal clusters: the t interval on the cluster means.
  const std::vector<std::string> ids{"a", "b", "c", "a", "b", "c"};
  const MeanEstimate grouped = mean_cluster_t(x, make_clusters(ids), 0.95);
  const MeanEstimate of_means = mean_t(std::vector<double>{0.35, 0.85, 0.15}, 0.95);
  CHECK(near(grouped.se, of_means.se, 1e-15));
  CHECK(near(grouped.interval.hi, of_means.interval.hi, 1e-12));
  // Another order of the items changes nothing.
  const std::vector<double> y{0.2, 0.4, 0.9, 0.3, 0.8, 0.1};
  const std::vector<std::string> shuffled{"c", "a", "b", "a", "b", "c"};
  const MeanEstimate other = mean_cluster_t(y, make_clusters(shuffled), 0.95);
  CHECK(near(other.se, grouped.se, 1e-15));
  CHECK(other.clusters == 3);
  const MeanEstimate one = mean_cluster_t(x, make_clusters(std::vector<std::string>(6, "a")), 0.95);
  CHECK(std::isnan(one.se));
  CHECK_FALSE(one.interval.defined());
  CHECK_FALSE(one.deff.has_value());
  CHECK_FALSE(mean_cluster_t(std::vector<double>{}, singletons(0), 0.95).interval.defined());
}

TEST_CASE("clusters are numbered by first appearance", "[stats][mean]") {
  const Clusters c = make_clusters(std::vector<std::string>{"x", "y", "x", "", "", "y"});
  CHECK(c.count() == 4);
  CHECK(c.of_item == std::vector<std::uint32_t>{0, 1, 0, 2, 3, 1});
  CHECK(std::vector<std::uint32_t>(c.of(1).begin(), c.of(1).end()) == std::vector<std::uint32_t>{1, 5});
  CHECK(make_clusters(std::vector<std::uint32_t>{9, 9, 4}).of_item == std::vector<std::uint32_t>{0, 0, 1});
  CHECK(make_clusters(std::vector<std::string>{}).count() == 0);
}
