// The exact Kolmogorov-Smirnov test: against complete enumeration, against itself, and at its borders.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "ks.hpp"

using namespace assay::unlearning;  // NOLINT: a test of this namespace

namespace {

/// Share of all C(n+m, n) interleavings whose distance is at least h / lcm.
double enumerated(int n, int m, std::int64_t h) {
  std::vector<int> order(static_cast<std::size_t>(n + m), 0);
  std::fill(order.begin() + n, order.end(), 1);
  const std::int64_t lcm = std::lcm(n, m);
  double hits = 0;
  double all = 0;
  do {
    std::int64_t i = 0;
    std::int64_t j = 0;
    std::int64_t most = 0;
    for (const int which : order) {
      (which == 0 ? i : j) += 1;
      most = std::max(most, std::abs(i * (lcm / n) - j * (lcm / m)));
    }
    hits += most >= h ? 1 : 0;
    all += 1;
  } while (std::next_permutation(order.begin(), order.end()));
  return hits / all;
}

KsStatistic statistic(std::int64_t n, std::int64_t m, std::int64_t h) {
  return {n, m, h, std::lcm(n, m)};
}

double log10_choose(double n, double k) {
  return (std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1)) / std::log(10.0);
}

}  // namespace

TEST_CASE("ks: p-values equal the share of interleavings, equal and unequal sizes") {
  for (const auto& [n, m] :
       std::vector<std::pair<int, int>>{{1, 1}, {3, 3}, {5, 5}, {7, 7}, {2, 3}, {4, 6}, {5, 8}}) {
    for (std::int64_t h = 0; h <= std::lcm(n, m); ++h) {
      INFO(n << " " << m << " " << h);
      const double wanted = enumerated(n, m, h);
      CHECK(std::abs(ks_p_value(statistic(n, m, h)).p - wanted) <= 1e-12 * wanted);
      CHECK(std::abs(ks_p_value_by_paths(statistic(n, m, h)).p - wanted) <= 1e-12 * wanted);
    }
  }
}

TEST_CASE("ks: the closed sum and the recursion over paths agree for equal sizes") {
  for (const std::int64_t n : {40, 97, 300}) {
    double before = 2;
    for (std::int64_t h = 1; h <= n; h += 1 + n / 23) {
      INFO(n << " " << h);
      const KsP closed = ks_p_value(statistic(n, n, h));
      const KsP paths = ks_p_value_by_paths(statistic(n, n, h));
      CHECK(std::abs(closed.log10_p - paths.log10_p) <= 1e-11);
      CHECK(closed.p <= before);
      before = closed.p;
    }
  }
}

TEST_CASE("ks: complete separation has p = 2 / C(n + m, n), far below the smallest double") {
  for (const auto& [n, m] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {40, 40}, {300, 300}, {400, 300}, {997, 1201}, {3000, 3000}, {2500, 3001}}) {
    INFO(n << " " << m);
    const double wanted = std::log10(2.0) - log10_choose(static_cast<double>(n + m), static_cast<double>(n));
    const KsP p = ks_p_value(statistic(n, m, std::lcm(n, m)));
    CHECK(std::abs(p.log10_p - wanted) <= 1e-9 * std::abs(wanted));
    CHECK(std::abs(ks_p_value_by_paths(statistic(n, m, std::lcm(n, m))).log10_p - wanted) <=
          1e-9 * std::abs(wanted));
    CHECK((wanted > -300) == (p.p > 0));
  }
}

TEST_CASE("ks: the statistic takes all equal values together and refuses what has no order") {
  const std::vector<double> a = {1, 1, 2, 5};
  const std::vector<double> b = {1, 2, 2, 2, 9, 9};
  const auto s = ks_statistic(a, b);
  REQUIRE(s);
  // Distribution functions after 1: 2/4, 1/6; after 2: 3/4, 4/6; after 5: 1, 4/6; after 9: 1, 1.
  CHECK(s->lcm == 12);
  CHECK(s->h == 4);
  CHECK(s->d() == 4.0 / 12.0);
  CHECK(ks_statistic(a, a)->h == 0);
  CHECK(ks_p_value(*ks_statistic(a, a)).p == 1.0);
  CHECK_FALSE(ks_statistic({}, a));
  CHECK_FALSE(ks_statistic(a, {}));
  CHECK_FALSE(ks_statistic(a, std::vector<double>{1, std::numeric_limits<double>::quiet_NaN()}));
}

TEST_CASE("ks: beyond the exact range the limit law is used and says so") {
  const KsP exact = ks_p_value(statistic(10000, 10000, 200));
  CHECK_FALSE(exact.asymptotic);
  const KsP limit = ks_p_value(statistic(10001, 10001, 200));
  CHECK(limit.asymptotic);
  CHECK(std::abs(limit.p - exact.p) < 0.002);
  CHECK(ks_p_value(statistic(20000, 20000, 1)).p == 1.0);
}
