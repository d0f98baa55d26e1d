// The kernel for statistics of one distribution, against the formulas written out.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "assay/sdk/token_stats.hpp"

using namespace assay;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A deterministic stream of numbers in [-1, 1).
class Numbers {
 public:
  double next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state_ >> 11U) * 0x1.0p-52 - 1.0;
  }

 private:
  std::uint64_t state_ = 7;
};

/// The definitions, in long double and without any shift that the kernel uses.
struct Naive {
  long double entropy = 0, mean = 0, var = 0, logprob = 0, top = 0;
  std::uint64_t rank = 1, ties = 0;
  std::int64_t top1 = 0;

  Naive(const std::vector<double>& logits, std::size_t target) {
    long double largest = logits[0];
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] > logits[static_cast<std::size_t>(top1)]) top1 = static_cast<std::int64_t>(i);
      largest = std::max(largest, static_cast<long double>(logits[i]));
      if (i != target && logits[i] > logits[target]) ++rank;
      if (i != target && logits[i] == logits[target]) ++ties;
    }
    long double sum = 0;
    for (const double z : logits) sum += std::exp(static_cast<long double>(z) - largest);
    const auto lp = [&](double z) { return static_cast<long double>(z) - largest - std::log(sum); };
    for (const double z : logits) {
      if (z == -kInfinity) continue;
      mean += std::exp(lp(z)) * lp(z);
    }
    for (const double z : logits) {
      if (z == -kInfinity) continue;
      var += std::exp(lp(z)) * (lp(z) - mean) * (lp(z) - mean);
    }
    entropy = -mean;
    logprob = lp(logits[target]);
    top = lp(logits[static_cast<std::size_t>(top1)]);
  }
};

void check_close(double value, long double wanted) {
  INFO(value << " against " << static_cast<double>(wanted));
  CHECK(std::abs(static_cast<long double>(value) - wanted) <= 1e-12L * std::max(1.0L, std::abs(wanted)));
}

void check_against(const TokenStatistics& got, const Naive& wanted) {
  check_close(got.logprob, wanted.logprob);
  check_close(got.entropy, wanted.entropy);
  check_close(got.mean_lp, wanted.mean);
  check_close(got.var_lp, wanted.var);
  check_close(got.top1_logprob, wanted.top);
  CHECK(got.rank == wanted.rank);
  CHECK(got.ties == wanted.ties);
  CHECK(got.top1 == wanted.top1);
  CHECK(got.var_lp >= 0);
}

TokenStatistics stats(const std::vector<double>& row, int form, std::int64_t target) {
  const auto made = token_stats(std::span<const double>(row), form, target);
  REQUIRE(made.ok());
  return *made;
}

std::string refusal(const std::vector<double>& row, int form, std::int64_t target = 0) {
  const auto made = token_stats(std::span<const double>(row), form, target);
  REQUIRE_FALSE(made.ok());
  return made.error().text;
}

}  // namespace

TEST_CASE("token_stats: random rows agree with the definitions in all forms and both types") {
  Numbers numbers;
  for (const std::size_t width : {1U, 2U, 3U, 17U, 512U, 32000U}) {
    for (const double scale : {0.01, 1.0, 12.0}) {
      std::vector<double> logits(width);
      std::vector<float> narrow(width);
      for (std::size_t i = 0; i < width; ++i) {
        narrow[i] = static_cast<float>(numbers.next() * scale);
        logits[i] = narrow[i];
      }
      if (width > 3) logits[3] = logits[1], narrow[3] = narrow[1];
      const std::size_t target = width / 2;
      const Naive wanted(logits, target);
      check_against(stats(logits, ASSAY_ROW_LOGITS, static_cast<std::int64_t>(target)), wanted);
      const auto single =
          token_stats(std::span<const float>(narrow), ASSAY_ROW_LOGITS, static_cast<std::int64_t>(target));
      REQUIRE(single.ok());
      check_against(*single, wanted);
      std::vector<double> p, lp;
      REQUIRE(row_probabilities(std::span<const double>(logits), ASSAY_ROW_LOGITS, p).ok());
      REQUIRE(row_logprobs(std::span<const double>(logits), ASSAY_ROW_LOGITS, lp).ok());
      check_against(stats(p, ASSAY_ROW_PROBABILITIES, static_cast<std::int64_t>(target)), wanted);
      check_against(stats(lp, ASSAY_ROW_LOGPROBS, static_cast<std::int64_t>(target)), wanted);
    }
  }
}

TEST_CASE("token_stats: ties take the best rank and are counted; top1 is the lowest id") {
  const std::vector<double> row = {1, 3, 2, 3, 1, 1};
  const TokenStatistics low = stats(row, ASSAY_ROW_LOGITS, 4);
  CHECK(low.rank == 4);
  CHECK(low.ties == 2);
  const TokenStatistics high = stats(row, ASSAY_ROW_LOGITS, 3);
  CHECK(high.rank == 1);
  CHECK(high.ties == 1);
  CHECK(high.top1 == 1);
  CHECK(high.top1_logprob == high.logprob);
  const TokenStatistics uniform = stats(std::vector<double>(4, 0.25), ASSAY_ROW_PROBABILITIES, 3);
  CHECK(uniform.rank == 1);
  CHECK(uniform.ties == 3);
  CHECK(uniform.top1 == 0);
  CHECK(uniform.entropy == std::log(4.0));
  CHECK(uniform.var_lp == 0);
}

TEST_CASE("token_stats: certain and impossible tokens") {
  const std::vector<std::pair<std::vector<double>, int>> rows = {
      {{0, 1, 0}, ASSAY_ROW_PROBABILITIES},
      {{-kInfinity, 0, -kInfinity}, ASSAY_ROW_LOGPROBS},
      {{-kInfinity, -4.5, -kInfinity}, ASSAY_ROW_LOGITS},
      {{-1e4, 1e4, -1e4}, ASSAY_ROW_LOGITS}};
  for (const auto& [row, form] : rows) {
    INFO("form " << form);
    const TokenStatistics sure = stats(row, form, 1);
    CHECK(sure.logprob == 0);
    CHECK(sure.entropy == 0);
    CHECK_FALSE(std::signbit(sure.entropy));
    CHECK(sure.var_lp == 0);
    CHECK(sure.top1 == 1);
    CHECK(sure.rank == 1);
    const TokenStatistics other = stats(row, form, 2);
    CHECK(other.logprob == (row[2] == -1e4 ? -2e4 : -kInfinity));
    CHECK(other.rank == 2);
    CHECK(other.ties == 1);
    CHECK(other.entropy == 0);
  }
}

TEST_CASE("token_stats: logits far from zero lose nothing by their place") {
  Numbers numbers;
  std::vector<double> row(100);
  for (double& z : row) z = std::floor(numbers.next() * 8) / 2;
  for (const double place : {-1e4, 1e4}) {
    std::vector<double> moved = row;
    for (double& z : moved) z += place;  // exact: multiples of 1/2
    const TokenStatistics a = stats(row, ASSAY_ROW_LOGITS, 11);
    const TokenStatistics b = stats(moved, ASSAY_ROW_LOGITS, 11);
    CHECK(a.logprob == b.logprob);
    CHECK(a.entropy == b.entropy);
    CHECK(a.var_lp == b.var_lp);
    CHECK(a.rank == b.rank);
    check_against(b, Naive(moved, 11));
  }
}

TEST_CASE("token_stats: only what is wanted, and rows without a target") {
  const std::vector<double> row = {0.5, 0.25, 0.25};
  const auto few = token_stats(std::span<const double>(row), ASSAY_ROW_PROBABILITIES, 1, 0);
  REQUIRE(few.ok());
  CHECK(few->logprob == std::log(0.25));
  CHECK(std::isnan(few->entropy));
  CHECK(std::isnan(few->top1_logprob));
  CHECK(few->rank == 0);
  CHECK(few->top1 == -1);
  const TokenStatistics none = stats(row, ASSAY_ROW_PROBABILITIES, -1);
  CHECK(std::isnan(none.logprob));
  CHECK(none.rank == 0);
  CHECK(std::abs(none.entropy - 1.5 * std::log(2.0)) < 1e-15);
  const TokenStatistics only = stats({3.25}, ASSAY_ROW_LOGITS, 0);
  CHECK(only.logprob == 0);
  CHECK(only.entropy == 0);
  CHECK(only.rank == 1);
  CHECK(only.ties == 0);
}

TEST_CASE("token_stats: impossible rows are errors, never numbers") {
  const double nan = std::nan("");
  CHECK_THAT(refusal({}, ASSAY_ROW_LOGITS, -1), ContainsSubstring("empty"));
  CHECK_THAT(refusal({0, nan}, ASSAY_ROW_LOGITS), ContainsSubstring("token 1"));
  CHECK_THAT(refusal({nan, 0}, ASSAY_ROW_LOGITS), ContainsSubstring("token 0"));
  CHECK_THAT(refusal({0, kInfinity}, ASSAY_ROW_LOGITS), ContainsSubstring("inf"));
  CHECK_THAT(refusal({-kInfinity, -kInfinity}, ASSAY_ROW_LOGITS), ContainsSubstring("probability 0"));
  CHECK_THAT(refusal({0, 0}, ASSAY_ROW_PROBABILITIES), ContainsSubstring("probability 0"));
  CHECK_THAT(refusal({1.5, -0.5}, ASSAY_ROW_PROBABILITIES), ContainsSubstring("impossible"));
  CHECK_THAT(refusal({nan, 1}, ASSAY_ROW_PROBABILITIES), ContainsSubstring("impossible"));
  CHECK_THAT(refusal({0.5, 0.4}, ASSAY_ROW_PROBABILITIES), ContainsSubstring("adds up"));
  CHECK_THAT(refusal({-1, -2}, ASSAY_ROW_LOGPROBS), ContainsSubstring("adds up"));
  CHECK_THAT(refusal({0.1, -5}, ASSAY_ROW_LOGPROBS), ContainsSubstring("impossible"));
  CHECK_THAT(refusal({1, 2}, ASSAY_ROW_LOGITS, 2), ContainsSubstring("not in a row"));
  CHECK_THAT(refusal({1, 2}, ASSAY_ROW_LOGITS, -2), ContainsSubstring("not in a row"));
  std::vector<double> out;
  const std::vector<double> half = {0.5, 0.1};
  CHECK_FALSE(row_probabilities(std::span<const double>(half), ASSAY_ROW_PROBABILITIES, out).ok());
  CHECK_FALSE(row_logprobs(std::span<const double>(half), ASSAY_ROW_PROBABILITIES, out).ok());
  assay_row row{};
  CHECK_FALSE(with_row(row, [](auto) -> Result<void> { return {}; }).ok());
}

TEST_CASE("token_stats: capability bits and the arrays they ask for") {
  CHECK(token_stat_mask(0) == 1U << ASSAY_STAT_LOGPROB);
  CHECK(token_stat_mask(ASSAY_CAP_RANK) ==
        (1U << ASSAY_STAT_LOGPROB | 1U << ASSAY_STAT_RANK | 1U << ASSAY_STAT_RANK_TIES));
  CHECK(token_stat_mask(ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1) ==
        (1U << ASSAY_STAT_LOGPROB | 1U << ASSAY_STAT_ENTROPY | 1U << ASSAY_STAT_MEAN_LP |
         1U << ASSAY_STAT_VAR_LP | 1U << ASSAY_STAT_TOP1_ID | 1U << ASSAY_STAT_TOP1_LOGPROB));
}
