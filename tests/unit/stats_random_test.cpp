// Counter-based streams: published known answers and equality of all paths.
#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "harness/stats/random.hpp"
#include "harness/stats/random_lanes.hpp"

using namespace assay::stats;

namespace {
using Words = std::array<std::uint32_t, 4>;
}

TEST_CASE("Philox4x32-10 gives the three published known answers", "[stats][random]") {
  // Random123, file kat_vectors.
  CHECK(philox4x32_10({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t kOnes = 0xffffffff;
  CHECK(philox4x32_10({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("bulk draws equal single draws for every length", "[stats][random]") {
  const std::uint64_t seed = 0xfedcba9876543210U;
  for (const std::size_t size : {0U, 1U, 2U, 15U, 16U, 17U, 31U, 33U, 1000U}) {
    for (const std::uint32_t n : {1U, 2U, 7U, 10000U, 0xffffffffU}) {
      std::vector<std::uint32_t> bulk(size);
      random_indices(seed, 6, 12345, n, bulk);
      for (std::size_t i = 0; i < size; ++i) {
        REQUIRE(bulk[i] == random_index(seed, 6, 12345, static_cast<std::uint32_t>(i), n));
        REQUIRE(bulk[i] < n);
      }
    }
    std::vector<std::uint64_t> values(size);
    random_u64s(seed, 2, 9, values);
    for (std::size_t i = 0; i < size; ++i) {
      REQUIRE(values[i] == random_u64(seed, 2, 9, static_cast<std::uint32_t>(i)));
    }
  }
}

TEST_CASE("the vector path equals the portable path", "[stats][random]") {
  for (std::uint32_t b = 0; b < 200; ++b) {
    const detail::BlockAt at{0x123456789abcdefU * (b + 1), b % 7, b, b * 8U};
    std::array<std::uint32_t, detail::kBlockValues> portable{};
    std::array<std::uint32_t, detail::kBlockValues> vector{};
    const std::uint32_t n = 1U + b * 21474836U;
    detail::block_index_portable(at, n, portable.data());
    if (detail::has_avx2_blocks()) {
      detail::block_index_avx2(at, n, vector.data());
      REQUIRE(portable == vector);
    }
    for (std::uint32_t i = 0; i < detail::kBlockValues; ++i) {
      REQUIRE(portable[i] == random_index(at.seed, at.stream, at.b, 2 * at.first + i, n));
    }
  }
}

TEST_CASE("indices, uniforms and permutations have the promised ranges", "[stats][random]") {
  std::vector<std::uint32_t> counts(10, 0);
  std::vector<std::uint32_t> draws(100000);
  random_indices(7, 1, 0, 10, draws);
  for (const std::uint32_t i : draws) ++counts[i];
  // Binomial(100000, 0.1): six standard deviations are 569.
  for (const std::uint32_t count : counts) CHECK((count > 9400 && count < 10600));
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const double u = random_uniform(3, 5, 1, i);
    REQUIRE((u >= 0.0 && u < 1.0));
  }
  std::vector<std::uint32_t> order = random_permutation(42, 257);
  CHECK(order != random_permutation(43, 257));
  std::sort(order.begin(), order.end());
  for (std::uint32_t i = 0; i < order.size(); ++i) REQUIRE(order[i] == i);
  CHECK(random_permutation(1, 0).empty());
  CHECK(random_permutation(1, 1) == std::vector<std::uint32_t>{0});
}

TEST_CASE("task seeds differ by seed, purpose and task", "[stats][random]") {
  std::set<std::uint64_t> seeds;
  for (const std::uint64_t seed : {0U, 1U}) {
    for (const char* purpose : {"bootstrap", "permutation", "select", "fewshot", "ties"}) {
      for (const char* task : {"a", "b", ""}) seeds.insert(task_seed(seed, purpose, task));
    }
  }
  CHECK(seeds.size() == 30);
  CHECK(task_seed(5, "bootstrap", "a") == task_seed(5, "bootstrap", "a"));
}
