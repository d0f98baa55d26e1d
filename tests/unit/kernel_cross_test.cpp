// Moments of one distribution under another, against the definitions in long double.
#include <algorithm>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "kernel_support.hpp"

using namespace assay;         // NOLINT: a test
using namespace kernel_tests;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using kernel::cross_stats_from_logits_on;

namespace {

/// The definitions, p_A counted as 0 where the kernel says so; `m2` about B's value at A's top token.
struct Exact {
  long double mean = 0, second = 0, var = 0, entropy_a = 0, lp_a = 0, lp_b = 0, m2 = 0, spread_a = 0;
  bool excluded = false;

  Exact(const std::vector<float>& a, const std::vector<float>& b, std::size_t target) {
    const auto top_a = std::max_element(a.begin(), a.end());
    const long double max_b = *std::max_element(b.begin(), b.end());
    long double sum_a = 0;
    long double sum_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      sum_a += std::exp(static_cast<long double>(a[i]) - *top_a);
      sum_b += std::exp(b[i] - max_b);
    }
    const auto ln_a = [&](std::size_t i) {
      return static_cast<long double>(a[i]) - *top_a - std::log(sum_a);
    };
    const auto ln_b = [&](std::size_t i) { return b[i] - max_b - std::log(sum_b); };
    const auto p = [&](std::size_t i) {
      return static_cast<long double>(a[i]) - *top_a < -87.6L ? 0.0L : std::exp(ln_a(i));
    };
    lp_a = ln_a(target);
    lp_b = ln_b(target);
    const float at_top = b[static_cast<std::size_t>(top_a - a.begin())];
    const long double centre = at_top == -kInf ? -std::log(sum_b) : at_top - max_b - std::log(sum_b);
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (p(i) == 0) continue;
      entropy_a -= p(i) * ln_a(i);
      spread_a += p(i) * (ln_a(i) + std::log(sum_a)) * (ln_a(i) + std::log(sum_a));
      if (b[i] == -kInf) {
        excluded = true;
        continue;
      }
      mean += p(i) * ln_b(i);
      second += p(i) * ln_b(i) * ln_b(i);
      m2 += p(i) * (ln_b(i) - centre) * (ln_b(i) - centre);
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (p(i) > 0 && b[i] != -kInf) var += p(i) * (ln_b(i) - mean) * (ln_b(i) - mean);
    }
    if (var < 1e-35L * mean * mean) var = 0;  // rounding of this reference's own mean
  }
};

void check_pair(const std::vector<InstructionSet>& sets, const std::vector<float>& a,
                const std::vector<float>& b, std::size_t target) {
  const Exact exact(a, b, target);
  CrossStatistics first;
  for (const InstructionSet which : sets) {
    INFO(kernel::name_of(which) << ", width " << a.size() << ", target " << target);
    const auto got = cross_stats_from_logits_on(which, a, b, static_cast<std::int64_t>(target), 0);
    REQUIRE(got.ok());
    if (which != sets.front()) {
      CHECK(same(*got, first));
      continue;
    }
    first = *got;
    const auto as_double = [](long double value) { return static_cast<double>(value); };
    check_within(got->logprob_a, as_double(exact.lp_a), 1e-6, "logprob_a");
    check_within(got->logprob_b, as_double(exact.lp_b), 1e-6, "logprob_b");
    check_within(got->entropy_a, as_double(exact.entropy_a),
                 1e-6 + 1e-6 * std::sqrt(as_double(exact.spread_a)), "entropy_a");
    if (exact.excluded) {
      CHECK(got->mean_lp == -kInfinity);
      CHECK(std::isnan(got->var_lp));
      CHECK(std::isnan(got->second_lp));
      continue;
    }
    const double scale = std::sqrt(as_double(exact.m2));
    check_within(got->mean_lp, as_double(exact.mean), 1e-6 + 1e-6 * scale, "mean_lp");
    check_within(got->var_lp, as_double(exact.var), 2e-6 * as_double(exact.m2) + 1e-25, "var_lp");
    const double mean_bound = (1e-6 + 1e-6 * scale) * 2 * std::abs(as_double(exact.mean));
    check_within(got->second_lp, as_double(exact.second), mean_bound + 2e-6 * as_double(exact.m2) + 1e-25,
                 "second_lp");
    CHECK(got->var_lp >= 0);
  }
}

}  // namespace

TEST_CASE("kernel cross: every pair of hard rows against the definitions") {
  const auto sets = sets_here();
  Numbers numbers(11);
  for (const Shape& shape_a : shapes()) {
    for (const Shape& shape_b : shapes()) {
      INFO(shape_a.name << " over " << shape_b.name);
      for (const std::size_t width : {1U, 7U, 16U, 33U, 272U, 2048U, 2051U, 4097U}) {
        const auto a = shape_a.make(width, numbers);
        const auto b = shape_b.make(width, numbers);
        check_pair(sets, a, b, numbers.below(width));
      }
    }
  }
}

TEST_CASE("kernel cross: two models that mostly agree, wide rows and all remainders") {
  const auto sets = sets_here();
  Numbers numbers(12);
  const auto relative = [&](const std::vector<float>& a) {
    auto b = a;
    for (float& z : b) z += static_cast<float>(0.7 * numbers.normal() + 3);
    return b;
  };
  for (std::size_t width = 1; width <= 66; ++width) {
    const auto a = shapes().back().make(width, numbers);
    check_pair(sets, a, relative(a), width / 2);
  }
  for (const std::size_t width : {50257U, 128256U}) {
    const auto a = shapes().back().make(width, numbers);
    check_pair(sets, a, relative(a), width / 3);
  }
  // A certain model: the variance is small beside the mean's square and must survive it.
  auto a = filled(32000, [&](std::size_t) { return numbers.normal(); });
  a[777] = 25;
  auto b = filled(32000, [&](std::size_t) { return 4 * numbers.normal(); });
  b[777] = -20;
  check_pair(sets, a, b, 777);
}

TEST_CASE("kernel cross: a row over itself gives its own moments") {
  Numbers numbers(13);
  const auto row = shapes().back().make(5000, numbers);
  const auto own = stats_from_logits(row, 3);
  const auto cross = cross_stats_from_logits(row, row, 3);
  REQUIRE((own.ok() && cross.ok()));
  CHECK(std::abs(cross->mean_lp - own->mean_lp) <= 2e-6 * (1 + std::abs(own->mean_lp)));
  CHECK(std::abs(cross->var_lp - own->var_lp) <= 2e-6 * (1 + own->var_lp + own->mean_lp * own->mean_lp));
  CHECK(cross->entropy_a == own->entropy);
  CHECK(cross->logprob_a == own->logprob);
  CHECK(cross->logprob_b == own->logprob);
  const auto without = cross_stats_from_logits(row, row, -1);
  REQUIRE(without.ok());
  CHECK(std::isnan(without->logprob_a));
  CHECK(std::isnan(without->logprob_b));
  CHECK(same(without->mean_lp, cross->mean_lp));
}

TEST_CASE("kernel cross: rows are cut before the softmax, and only when told to") {
  Numbers numbers(14);
  const auto a = shapes().back().make(2100, numbers);
  auto b = shapes().back().make(2240, numbers);
  b[2200] = 1e4F;  // would take all mass if it were not cut
  const auto refused = cross_stats_from_logits(a, b, 5);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kInvalidArgument);
  CHECK_THAT(refused.error().text, ContainsSubstring("2100 and 2240") && ContainsSubstring("vocab_limit"));
  const auto beyond = cross_stats_from_logits(a, b, 5, 2101);
  REQUIRE_FALSE(beyond.ok());
  CHECK_THAT(beyond.error().text, ContainsSubstring("2101"));
  const auto cut = cross_stats_from_logits(a, b, 5, 2100);
  const auto wanted = cross_stats_from_logits(a, std::span<const float>(b).first(2100), 5);
  REQUIRE((cut.ok() && wanted.ok()));
  CHECK(same(*cut, *wanted));
  CHECK_FALSE(cross_stats_from_logits(a, b, 2100, 2100).ok());
  const auto swapped = cross_stats_from_logits(b, a, 5, 2100);
  const auto wanted_swapped = cross_stats_from_logits(std::span<const float>(b).first(2100), a, 5);
  REQUIRE((swapped.ok() && wanted_swapped.ok()));
  CHECK(same(*swapped, *wanted_swapped));
}

TEST_CASE("kernel cross: refuses a broken row of either side in the reference's words") {
  Numbers numbers(15);
  for (const InstructionSet which : sets_here()) {
    for (const std::size_t width : {1U, 17U, 2049U, 5000U}) {
      const auto good = shapes().back().make(width, numbers);
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInf}) {
        auto row = good;
        row[numbers.below(width)] = bad;
        const auto wanted = token_stats(std::span<const float>(row), ASSAY_ROW_LOGITS, 0).error().text;
        for (const bool first : {true, false}) {
          const auto got = cross_stats_from_logits_on(which, first ? row : good, first ? good : row, 0, 0);
          REQUIRE_FALSE(got.ok());
          CHECK(got.error().text == wanted);
        }
      }
      const std::vector<float> nothing(width, -kInf);
      CHECK_FALSE(cross_stats_from_logits_on(which, nothing, good, 0, 0).ok());
      CHECK_FALSE(cross_stats_from_logits_on(which, good, nothing, 0, 0).ok());
      CHECK_FALSE(cross_stats_from_logits_on(which, good, good, static_cast<std::int64_t>(width), 0).ok());
      CHECK_FALSE(cross_stats_from_logits_on(which, good, good, -2, 0).ok());
    }
    CHECK_FALSE(cross_stats_from_logits_on(which, {}, {}, -1, 0).ok());
  }
}
