// Fast statistics of one row, on every instruction set of the machine, against the reference in double and
// against the definitions in long double.
#include <algorithm>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <numeric>
#include <thread>

#include "kernel_support.hpp"

using namespace assay;         // NOLINT: a test
using namespace kernel_tests;  // NOLINT: a test
using kernel::stats_from_logits_on;

namespace {

TokenStatistics reference(std::span<const float> row, std::int64_t target) {
  const auto made = token_stats(row, ASSAY_ROW_LOGITS, target);
  REQUIRE(made.ok());
  return *made;
}

/// sum p (ln p - ln p_max)^2, the scale of the variance's bound.
double spread(const TokenStatistics& exact) {
  const double mean = exact.mean_lp - exact.top1_logprob;
  return exact.var_lp + mean * mean;
}

/// The bounds that kernel.hpp states.
void check_accuracy(const TokenStatistics& got, const TokenStatistics& exact, bool has_target) {
  const double m2 = spread(exact);
  check_within(got.entropy, exact.entropy, 1e-6 + 1e-6 * std::sqrt(m2), "entropy");
  check_within(got.mean_lp, exact.mean_lp, 1e-6 + 1e-6 * std::sqrt(m2), "mean_lp");
  check_within(got.var_lp, exact.var_lp, 2e-6 * m2 + 1e-25, "var_lp");
  check_within(got.top1_logprob, exact.top1_logprob, 1e-6, "top1_logprob");
  CHECK(got.top1 == exact.top1);
  CHECK(got.var_lp >= 0);
  CHECK_FALSE(std::signbit(got.entropy));
  if (has_target) {
    check_within(got.logprob, exact.logprob, 1e-6, "logprob");
    CHECK(got.logprob <= 0);
    CHECK(got.rank == exact.rank);
    CHECK(got.ties == exact.ties);
  } else {
    CHECK(std::isnan(got.logprob));
    CHECK(got.rank == 0);
  }
}

/// One row on all sets: within the bounds, and the same bits.
void check_row(const std::vector<InstructionSet>& sets, std::span<const float> row, std::int64_t target) {
  const TokenStatistics exact = reference(row, target);
  TokenStatistics first;
  for (const InstructionSet which : sets) {
    INFO(kernel::name_of(which) << ", width " << row.size() << ", target " << target);
    const auto got = stats_from_logits_on(which, row, target, kTokenAll, {});
    REQUIRE(got.ok());
    if (which == sets.front()) {
      first = *got;
      check_accuracy(first, exact, target >= 0);
    } else {
      CHECK(same(*got, first));
    }
  }
}

}  // namespace

TEST_CASE("kernel: AVX2 is tested on this machine") {
  if (!kernel::available(InstructionSet::kAvx2)) SKIP("this processor has no AVX2 with FMA");
  CHECK(kernel::best() != InstructionSet::kPortable);
}

TEST_CASE("kernel: AVX-512 is tested on this machine") {
  if (!kernel::available(InstructionSet::kAvx512)) SKIP("this processor has no AVX-512");
  CHECK(kernel::best() == InstructionSet::kAvx512);
}

TEST_CASE("kernel: hard rows of every remainder, every target, on every instruction set") {
  const auto sets = sets_here();
  Numbers numbers(1);
  for (const Shape& shape : shapes()) {
    INFO(shape.name);
    for (std::size_t width = 1; width <= 70; ++width) {
      const auto row = shape.make(width, numbers);
      for (std::int64_t target = -1; target < static_cast<std::int64_t>(width);
           target += 1 + static_cast<std::int64_t>(numbers.below(12))) {
        check_row(sets, row, target);
      }
    }
  }
}

TEST_CASE("kernel: hard rows around the borders of blocks and as wide as vocabularies") {
  const auto sets = sets_here();
  Numbers numbers(2);
  for (const Shape& shape : shapes()) {
    INFO(shape.name);
    for (const std::size_t width :
         {255U,  256U,  257U,  271U,  2047U, 2048U,  2049U,  2063U,   2064U,   2303U,
          2304U, 4095U, 4096U, 4097U, 6144U, 32000U, 50257U, 128256U, 262143U, 262144U}) {
      const auto row = shape.make(width, numbers);
      check_row(sets, row, static_cast<std::int64_t>(numbers.below(width)));
      if (width < 5000) {
        check_row(sets, row, 0);
        check_row(sets, row, static_cast<std::int64_t>(width) - 1);
      }
    }
  }
}

TEST_CASE("kernel: random shapes, scales, offsets and specials against the reference") {
  const auto sets = sets_here();
  Numbers numbers(20260512);
  for (int round = 0; round < 400; ++round) {
    INFO("round " << round);
    const std::size_t width = 1 + numbers.below(numbers.below(10) == 0 ? 20000 : 3000);
    const double scale = std::exp(9 * numbers.uniform() - 5);
    const double offset = numbers.below(3) == 0 ? 1e3 * numbers.normal() : 0.0;
    auto row = filled(width, [&](std::size_t) { return offset + scale * numbers.normal(); });
    for (std::size_t k = numbers.below(6); k > 0; --k) {
      const float specials[] = {-kInf, -kMax, 0.0F, -0.0F, 1e-45F, static_cast<float>(offset + 10 * scale)};
      const std::size_t from = numbers.below(width);
      const std::size_t to = from + numbers.below(width - from + 1);
      const float value = specials[numbers.below(6)];
      for (std::size_t i = from; i < (numbers.below(2) == 0 ? to : std::min(from + 1, width)); ++i)
        row[i] = value;
    }
    row[numbers.below(width)] = static_cast<float>(offset);
    check_row(sets, row, static_cast<std::int64_t>(numbers.below(width)));
  }
}

TEST_CASE("kernel: the reference in double agrees with the definitions in long double on the same rows") {
  Numbers numbers(3);
  for (const Shape& shape : shapes()) {
    INFO(shape.name);
    const std::size_t width = 1500;
    const auto row = shape.make(width, numbers);
    const std::size_t target = numbers.below(width);
    const TokenStatistics got = reference(row, static_cast<std::int64_t>(target));
    const auto top = std::max_element(row.begin(), row.end());
    long double total = 0;
    long double mean = 0;
    long double variance = 0;
    for (const float z : row) total += std::exp(static_cast<long double>(z) - *top);
    const auto lp = [&](float z) { return static_cast<long double>(z) - *top - std::log(total); };
    for (const float z : row) {
      if (z != -kInf) mean += std::exp(lp(z)) * lp(z);
    }
    for (const float z : row) {
      if (z != -kInf) variance += std::exp(lp(z)) * (lp(z) - mean) * (lp(z) - mean);
    }
    const auto close = [](double a, long double b) {
      INFO(a << " against " << static_cast<double>(b));
      CHECK((a == static_cast<double>(b) || std::abs(a - b) <= 1e-11L * std::max(1.0L, std::abs(b))));
    };
    close(got.mean_lp, mean);
    close(got.var_lp, variance);
    close(got.logprob, lp(row[target]));
    CHECK(got.top1 == top - row.begin());
  }
}

TEST_CASE("kernel: the same bits at every alignment and on every thread") {
  Numbers numbers(4);
  const std::size_t width = 5003;
  const auto row = shapes().back().make(width, numbers);
  std::vector<float> space(width + 16);
  for (const InstructionSet which : sets_here()) {
    const auto aligned = stats_from_logits_on(which, row, 17, kTokenAll, {});
    REQUIRE(aligned.ok());
    for (std::size_t shift = 0; shift < 16; ++shift) {
      std::copy(row.begin(), row.end(), space.begin() + static_cast<std::ptrdiff_t>(shift));
      const auto got =
          stats_from_logits_on(which, std::span<const float>(space).subspan(shift, width), 17, kTokenAll, {});
      REQUIRE(got.ok());
      CHECK(same(*got, *aligned));
    }
  }
  const auto here = stats_from_logits(row, 17);
  REQUIRE(here.ok());
  std::vector<TokenStatistics> there(4);
  std::vector<std::thread> threads;
  for (auto& slot : there) {
    threads.emplace_back([&row, &slot] { slot = stats_from_logits(row, 17).value(); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& slot : there) CHECK(same(slot, *here));
}

TEST_CASE("kernel: exact values where the truth is simple") {
  for (const InstructionSet which : sets_here()) {
    INFO(kernel::name_of(which));
    const auto on = [&](std::vector<float> row, std::int64_t target) {
      auto made = stats_from_logits_on(which, row, target, kTokenAll, {});
      REQUIRE(made.ok());
      return *made;
    };
    const auto sure = on({-1e4F, 1e4F, -1e4F}, 1);
    CHECK(same(sure.logprob, 0.0));
    CHECK(same(sure.entropy, 0.0));
    CHECK(same(sure.var_lp, 0.0));
    CHECK(sure.rank == 1);
    const auto masked = on({-kInf, 2, -kInf, -kInf}, 2);
    CHECK(masked.logprob == -kInfinity);
    CHECK(masked.rank == 2);
    CHECK(masked.ties == 2);
    CHECK(masked.entropy == 0);
    const auto far = on({0, -1e4F}, 1);  // far below what the sums see, exact all the same
    CHECK(far.logprob == -1e4);
    const auto even = on(std::vector<float>(1024, -7.25F), 1023);
    CHECK(even.entropy == static_cast<double>(static_cast<float>(std::log(1024.0))));
    CHECK(even.var_lp == 0);
    CHECK(even.rank == 1);
    CHECK(even.ties == 1023);
    CHECK(even.top1 == 0);
    const auto tied = on({1, 3, 2, 3, 1, 1}, 4);
    CHECK(tied.rank == 4);
    CHECK(tied.ties == 2);
    CHECK(tied.top1 == 1);
    const auto zeros = on({-0.0F, 0.0F}, 0);
    CHECK(zeros.ties == 1);
    CHECK(zeros.top1 == 0);
  }
}

TEST_CASE("kernel: only what was asked for is filled in, with the same values") {
  Numbers numbers(5);
  const auto row = shapes().back().make(4099, numbers);
  for (const InstructionSet which : sets_here()) {
    const auto all = stats_from_logits_on(which, row, 11, kTokenAll, {});
    REQUIRE(all.ok());
    for (std::uint32_t want = 0; want <= kTokenAll; ++want) {
      const auto got = stats_from_logits_on(which, row, 11, want, {});
      REQUIRE(got.ok());
      TokenStatistics expected;
      expected.logprob = all->logprob;
      if ((want & kTokenRank) != 0) expected.rank = all->rank, expected.ties = all->ties;
      if ((want & kTokenTop1) != 0) expected.top1 = all->top1, expected.top1_logprob = all->top1_logprob;
      if ((want & kTokenMoments) != 0) {
        expected.entropy = all->entropy;
        expected.mean_lp = all->mean_lp;
        expected.var_lp = all->var_lp;
      }
      INFO("want " << want);
      CHECK(same(*got, expected));
    }
  }
}

TEST_CASE("kernel: refuses what the reference refuses, in the same words") {
  Numbers numbers(6);
  const auto refused = [](InstructionSet which, std::span<const float> row, std::int64_t target) {
    const auto wanted = token_stats(row, ASSAY_ROW_LOGITS, target);
    REQUIRE_FALSE(wanted.ok());
    TopToken top[3];
    for (const std::uint32_t want : {0U, std::uint32_t{kTokenAll}}) {
      INFO("width " << row.size() << ", want " << want << ": " << wanted.error().text);
      const auto got =
          stats_from_logits_on(which, row, target, want, want == 0 ? std::span<TopToken>() : top);
      REQUIRE_FALSE(got.ok());
      CHECK(got.error().code == wanted.error().code);
      CHECK(got.error().text == wanted.error().text);
    }
  };
  for (const InstructionSet which : sets_here()) {
    INFO(kernel::name_of(which));
    refused(which, {}, -1);
    refused(which, {}, 0);
    refused(which, std::vector<float>(40, 1.0F), 40);
    refused(which, std::vector<float>(40, 1.0F), -2);
    for (const std::size_t width : {1U, 15U, 16U, 17U, 300U, 2048U, 2049U, 5000U}) {
      refused(which, std::vector<float>(width, -kInf), 0);
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(), kInf}) {
        for (int i = 0; i < 30; ++i) {
          auto row = shapes()[numbers.below(shapes().size())].make(width, numbers);
          row[i == 0 ? 0 : i == 1 ? width - 1 : numbers.below(width)] = bad;
          if (numbers.below(3) == 0) row[numbers.below(width)] = bad;
          refused(which, row, static_cast<std::int64_t>(numbers.below(width)));
        }
      }
    }
  }
}

TEST_CASE("kernel: the top entries are those of a stable sort") {
  Numbers numbers(7);
  for (const Shape& shape : shapes()) {
    INFO(shape.name);
    for (const std::size_t width : {1U, 3U, 20U, 63U, 64U, 2050U, 9000U}) {
      const auto row = shape.make(width, numbers);
      std::vector<std::int64_t> ids(width);
      std::iota(ids.begin(), ids.end(), 0);
      std::stable_sort(ids.begin(), ids.end(), [&](std::int64_t a, std::int64_t b) {
        return row[static_cast<std::size_t>(a)] > row[static_cast<std::size_t>(b)];
      });
      const double shift = row[static_cast<std::size_t>(ids[0])];
      const auto exact = reference(row, -1);
      for (const InstructionSet which : sets_here()) {
        for (const std::size_t k : {1U, 5U, 20U, 100U}) {
          std::vector<TopToken> top(k, TopToken{7, 7});
          const auto got = stats_from_logits_on(which, row, -1, 0, top);
          REQUIRE(got.ok());
          for (std::size_t i = 0; i < k; ++i) {
            INFO(kernel::name_of(which) << ", width " << width << ", k " << k << ", place " << i);
            if (i >= width || row[static_cast<std::size_t>(ids[i])] == -kInf) {
              CHECK(top[i].id == -1);
              CHECK(std::isnan(top[i].logprob));
            } else {
              CHECK(top[i].id == ids[i]);
              check_within(top[i].logprob, row[static_cast<std::size_t>(ids[i])] - shift + exact.top1_logprob,
                           1e-6, "logprob");
            }
          }
        }
      }
    }
  }
}

TEST_CASE("kernel: the public function is the best instruction set") {
  Numbers numbers(8);
  const auto row = shapes().back().make(3001, numbers);
  TopToken top[4];
  TopToken forced[4];
  const auto got = stats_from_logits(row, 5, kTokenAll, top);
  const auto wanted = stats_from_logits_on(kernel::best(), row, 5, kTokenAll, forced);
  REQUIRE((got.ok() && wanted.ok()));
  CHECK(same(*got, *wanted));
  for (int i = 0; i < 4; ++i) CHECK(top[i].id == forced[i].id);
  const auto plain = stats_from_logits(row, 5);
  REQUIRE(plain.ok());
  CHECK(same(*plain, *wanted));
}
