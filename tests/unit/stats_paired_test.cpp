// Paired tests against enumeration and independent solutions.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "harness/stats/distributions.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/paired_binary.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/sign_flip.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;
using assay::test::Doubles;
using assay::test::near;

namespace {

// Two-sided exact p by summing binomial coefficients as long integers.
double mcnemar_by_sum(int b, int c) {
  const int n = b + c;
  double tail = 0.0;
  double coefficient = 1.0;
  for (int i = 0; i <= std::min(b, c); ++i) {
    tail += coefficient;
    coefficient = coefficient * (n - i) / (i + 1);
  }
  return std::min(1.0, 2.0 * tail / std::ldexp(1.0, n));
}

// All sign patterns, one by one.
double flips_by_enumeration(const Doubles& d) {
  const double observed = std::fabs(sum(d));
  std::uint64_t count = 0;
  const std::uint64_t patterns = 1ULL << d.size();
  for (std::uint64_t pattern = 0; pattern < patterns; ++pattern) {
    double total = 0.0;
    for (std::size_t i = 0; i < d.size(); ++i) total += ((pattern >> i) & 1U) != 0 ? -d[i] : d[i];
    if (std::fabs(total) >= observed - 1e-12 * std::max(1.0, observed)) ++count;
  }
  return static_cast<double>(count) / static_cast<double>(patterns);
}

// Log-likelihood of a paired table with the difference fixed to delta, maximised over q = P(candidate worse)
// by golden-section search: the constrained estimate that Tango's closed form must give.
double constrained_variance(double b, double c, double n, double delta) {
  const auto log_likelihood = [&](double q) {
    const auto term = [](double count, double p) { return count == 0.0 ? 0.0 : count * std::log(p); };
    return term(b, q) + term(c, q + delta) + term(n - b - c, 1.0 - 2.0 * q - delta);
  };
  double low = std::max(0.0, -delta);
  double high = 0.5 * (1.0 - delta);
  for (int step = 0; step < 300; ++step) {
    const double x = low + (high - low) * 0.381966;
    const double y = low + (high - low) * 0.618034;
    (log_likelihood(x) < log_likelihood(y) ? low : high) = log_likelihood(x) < log_likelihood(y) ? x : y;
  }
  const double q = 0.5 * (low + high);
  return n * (2.0 * q + delta - delta * delta);
}

}  // namespace

TEST_CASE("McNemar's exact p equals the sum of binomial coefficients", "[stats][paired]") {
  for (int b = 0; b <= 25; ++b) {
    for (int c = 0; c <= 25; ++c) {
      const McNemar r = mcnemar(static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(c));
      CHECK(near(r.p_exact, b + c == 0 ? 1.0 : mcnemar_by_sum(b, c), 1e-13));
      CHECK(r.p_mid <= r.p_exact + 1e-15);
    }
  }
  CHECK(mcnemar(0, 0).no_flips);
  CHECK(mcnemar(7, 7).p_mid == 1.0);
  // Far beyond the range of factorials: the normal limit with continuity correction.
  const McNemar large = mcnemar(501500, 498500);
  CHECK(near(large.p_exact, large.p_chi2_cc, 1e-5));
  CHECK(mcnemar(100000, 0).p_exact == 0.0);
}

TEST_CASE("Tango limits reach the critical value of the constrained score", "[stats][paired]") {
  const double z = normal_critical(0.95);
  for (const auto& [b, c, n] :
       {std::array<std::uint64_t, 3>{10, 20, 100}, std::array<std::uint64_t, 3>{1, 0, 30},
        std::array<std::uint64_t, 3>{3, 17, 20}, std::array<std::uint64_t, 3>{61, 98, 1000}}) {
    const Interval i = tango(b, c, n, 0.95);
    const auto x = static_cast<double>(b);
    const auto y = static_cast<double>(c);
    const auto size = static_cast<double>(n);
    for (const double delta : {i.lo, i.hi}) {
      const double t = (y - x - size * delta) / std::sqrt(constrained_variance(x, y, size, delta));
      CHECK(near(std::fabs(t), z, 1e-5));
    }
    const Interval mirror = tango(c, b, n, 0.95);
    CHECK(near(mirror.lo, -i.hi, 1e-12));
    CHECK(near(mirror.hi, -i.lo, 1e-12));
  }
  CHECK_FALSE(tango(0, 0, 0, 0.95).defined());
  const Interval all = tango(0, 9, 9, 0.95);
  CHECK(near(all.hi, 1.0, 1e-12));
  CHECK((all.lo > 0.0 && all.lo < 1.0));
  // One pair, no flip: everything between the Wilson-like ends.
  const Interval one = tango(0, 0, 1, 0.95);
  CHECK(near(one.lo, -one.hi, 1e-12));
}

TEST_CASE("Newcombe's method 10 is symmetric and handles empty margins", "[stats][paired]") {
  const Newcombe10 r = newcombe10({40, 10, 20, 30}, 0.95);
  const Newcombe10 s = newcombe10({40, 20, 10, 30}, 0.95);
  CHECK(near(r.interval.lo, -s.interval.hi, 1e-14));
  CHECK(newcombe10({0, 0, 0, 9}, 0.95).phi == 0.0);
  CHECK_FALSE(newcombe10({}, 0.95).interval.defined());
}

TEST_CASE("flip tables", "[stats][paired]") {
  const FlipTable t = count_flips(Doubles{1, 1, 0, 0, 1}, Doubles{1, 0, 1, 0, 0});
  CHECK((t.a == 1 && t.b == 2 && t.c == 1 && t.d == 1));
  CHECK(t.churn() == 0.6);
  CHECK(t.delta() == -0.2);
  CHECK(std::isnan(FlipTable{}.delta()));
}

TEST_CASE("exact sign flips equal enumeration on every path", "[stats][paired]") {
  const auto uniform = [](std::uint32_t b, std::uint32_t i) { return random_uniform(11, 60, b, i); };
  for (std::uint32_t b = 0; b < 25; ++b) {
    const std::uint32_t n = 1 + b % 12;
    Doubles real(n);
    Doubles integers(n);
    Doubles flips(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      real[i] = uniform(b, i) - 0.4;
      integers[i] = std::floor(7.0 * uniform(b, 100 + i)) - 3.0;
      flips[i] = std::floor(3.0 * uniform(b, 200 + i)) - 1.0;
    }
    for (const Doubles& d : {real, integers, flips}) {
      const auto r = sign_flip_exact(d);
      REQUIRE(r.has_value());
      CHECK(near(r->p, flips_by_enumeration(d), 1e-13));
    }
  }
  // Mixed real values with zeros and exact cancellation.
  const Doubles cancel{0.1, 0.2, -0.3, 0.0, 0.0};
  CHECK(near(sign_flip_exact(cancel)->p, flips_by_enumeration(cancel), 1e-15));
  CHECK(sign_flip_exact(Doubles{0.0, 0.0})->p == 1.0);
  CHECK(sign_flip_exact(Doubles{})->p == 1.0);
  CHECK(sign_flip_exact(Doubles{0.7})->p == 1.0);
}

TEST_CASE("sign flips of 0/1 differences are McNemar's exact test", "[stats][paired]") {
  Doubles d(1000, 0.0);
  for (std::size_t i = 0; i < 80; ++i) d[i] = 1.0;
  for (std::size_t i = 80; i < 130; ++i) d[i] = -1.0;
  CHECK(near(sign_flip_exact(d)->p, mcnemar(50, 80).p_exact, 1e-12));
  // A fractional step changes nothing.
  for (double& value : d) value *= 0.1;
  CHECK(near(sign_flip_exact(d)->p, mcnemar(50, 80).p_exact, 1e-12));
}

TEST_CASE("Monte Carlo sign flips follow the stream and approach the exact p", "[stats][paired]") {
  Doubles d;
  for (std::uint32_t i = 0; i < 20; ++i) d.push_back(random_uniform(12, 61, 0, i) - 0.35);
  const double exact = sign_flip_exact(d)->p;
  const SignFlip mc = sign_flip_mc(d, 5, 20000);
  CHECK(near(mc.p, exact, 4.0 * std::sqrt(exact * (1.0 - exact) / 20000.0)));
  Doubles many;
  for (std::uint32_t i = 0; i < 130; ++i) many.push_back(random_uniform(12, 62, 0, i) - 0.5);
  const SignFlip r = sign_flip(many, 6, 500);
  CHECK(r.method == "signflip.mc");
  std::uint64_t count = 0;
  for (std::uint32_t b = 0; b < 500; ++b) {
    double total = 0.0;
    for (std::uint32_t i = 0; i < 130; ++i) {
      const bool minus = ((random_u64(6, kStreamSigns, b, i / 64) >> (i % 64)) & 1U) != 0;
      total += minus ? -many[i] : many[i];
    }
    if (std::fabs(total) >= std::fabs(sum(many)) - 1e-12) ++count;
  }
  CHECK(r.count == count);
  CHECK(r.p == (1.0 + static_cast<double>(count)) / 501.0);
  CHECK(sign_flip_mc(Doubles{}, 1, 200).p == 1.0);
}

TEST_CASE("paired t: constant differences and too few pairs", "[stats][paired]") {
  const PairedTest same = paired_t(Doubles{0.2, 0.2, 0.2}, 0.95);
  CHECK(same.difference.interval.degenerate);
  CHECK(std::isnan(same.p));
  CHECK(paired_t(Doubles{0, 0}, 0.95).p == 1.0);
  CHECK(std::isnan(paired_t(Doubles{0.2}, 0.95).p));
  CHECK_FALSE(paired_t(Doubles{}, 0.95).difference.interval.defined());
  CHECK_FALSE(paired_cluster_t(Doubles{1, 2}, make_clusters(std::vector<std::uint32_t>{3, 3}), 0.95)
                  .difference.interval.defined());
}

TEST_CASE("TOST agrees with its 1 - 2 alpha interval", "[stats][paired]") {
  int equivalent = 0;
  for (std::uint32_t b = 0; b < 500; ++b) {
    Doubles d;
    for (std::uint32_t i = 0; i < 15; ++i) d.push_back(random_uniform(13, 63, b, i) - 0.5);
    const Tost t = tost_t(paired_t(d, 0.95).difference, 0.2, 0.05);
    CHECK(t.equivalent == (t.interval.lo > -0.2 && t.interval.hi < 0.2));
    CHECK(t.non_inferior == (t.interval.lo > -0.2));
    equivalent += t.equivalent ? 1 : 0;
    const Tost lower = tost_t(paired_t(d, 0.95).difference, 0.2, 0.05, false);
    CHECK(lower.non_inferior == (t.interval.hi < 0.2));
  }
  CHECK((equivalent > 50 && equivalent < 500));
  CHECK_FALSE(tost_t(paired_t(Doubles{1, 2}, 0.95).difference, 0.0, 0.05).interval.defined());
  CHECK_FALSE(tost_t(paired_t(Doubles{1}, 0.95).difference, 0.1, 0.05).interval.defined());
}

TEST_CASE("the paired bootstrap p counts both sides", "[stats][paired]") {
  CHECK(paired_bootstrap_p(Doubles{1, 2, 3}) == 0.5);  // 2 * (1 + 0)/(3 + 1)
  CHECK(paired_bootstrap_p(Doubles{-1, 0, 1}) == 1.0);
  CHECK(std::isnan(paired_bootstrap_p(Doubles{})));
}

TEST_CASE("pairing removes the common part of the error", "[stats][paired]") {
  Doubles a;
  Doubles b;
  for (std::uint32_t i = 0; i < 100; ++i) {
    a.push_back(10.0 * random_uniform(14, 64, 0, i));
    b.push_back(a.back() + 0.1 + 0.01 * random_uniform(14, 64, 1, i));
  }
  CHECK(correlation(a, b) > 0.999);
  CHECK(paired_t(differences(a, b), 0.95).difference.se < 0.01 * unpaired_se(a, b));
  CHECK(std::isnan(correlation(Doubles{1, 1}, Doubles{1, 2})));
}
