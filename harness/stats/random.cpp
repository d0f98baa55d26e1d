#include "harness/stats/random.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include <openssl/evp.h>

#include "harness/stats/philox.hpp"
#include "harness/stats/random_lanes.hpp"

namespace assay::stats {
namespace {

using detail::high;
using detail::kMultiplier0;
using detail::kMultiplier1;
using detail::kRounds;
using detail::kWeyl0;
using detail::kWeyl1;
using detail::low;

// The upper half of u * n for n < 2^32, without a 128-bit product: exact, because no partial sum overflows.
std::uint64_t scale(std::uint64_t u, std::uint64_t n) {
  return ((u >> 32U) * n + (((u & 0xFFFFFFFFU) * n) >> 32U)) >> 32U;
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t p0 = std::uint64_t{counter[0]} * kMultiplier0;
    const std::uint64_t p1 = std::uint64_t{counter[2]} * kMultiplier1;
    counter = {high(p1) ^ counter[1] ^ key[0], low(p1), high(p0) ^ counter[3] ^ key[1], low(p0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

std::uint64_t random_u64(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t i) {
  const auto words = philox4x32_10({i / 2, b, stream, 0}, {low(seed), high(seed)});
  const std::size_t at = (i % 2U) * 2U;
  return std::uint64_t{words[at]} | (std::uint64_t{words[at + 1]} << 32U);
}

std::uint32_t random_index(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t i,
                           std::uint32_t n) {
  return low(scale(random_u64(seed, stream, b, i), n));
}

double random_uniform(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t i) {
  return static_cast<double>(random_u64(seed, stream, b, i) >> 11U) * 0x1.0p-53;
}

void random_indices(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t n,
                    std::span<std::uint32_t> out) {
  using detail::kBlockValues;
  static const auto block =
      detail::has_avx2_blocks() ? detail::block_index_avx2 : detail::block_index_portable;
  detail::BlockAt at{seed, stream, b, 0};
  const std::size_t full = out.size() / kBlockValues * kBlockValues;
  for (std::size_t i = 0; i < full; i += kBlockValues) {
    at.first = static_cast<std::uint32_t>(i / 2);
    block(at, n, out.data() + i);
  }
  if (full == out.size()) return;
  std::array<std::uint32_t, kBlockValues> rest{};
  at.first = static_cast<std::uint32_t>(full / 2);
  block(at, n, rest.data());
  std::copy_n(rest.begin(), out.size() - full, out.begin() + static_cast<std::ptrdiff_t>(full));
}

void random_u64s(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::span<std::uint64_t> out) {
  using detail::kBlockValues;
  std::array<std::uint64_t, kBlockValues> block{};
  for (std::size_t i = 0; i < out.size(); i += kBlockValues) {
    detail::block_u64_portable({seed, stream, b, static_cast<std::uint32_t>(i / 2)}, block.data());
    std::copy_n(block.begin(), std::min(kBlockValues, out.size() - i),
                out.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

std::vector<std::uint32_t> random_permutation(std::uint64_t seed, std::uint32_t n, std::uint32_t stream) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  for (std::uint32_t i = n; i-- > 1;) {
    std::swap(order[i], order[random_index(seed, stream, 0, i, i + 1)]);
  }
  return order;
}

std::uint64_t task_seed(std::uint64_t seed, std::string_view purpose, std::string_view task) {
  std::string text = "assay.seed.v1|" + std::to_string(seed) + "|";
  text.append(purpose).append("|").append(task);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // EVP_Digest with SHA-256 fails only when the process is out of memory; the zero seed is then as good as
  // any.
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return 0;
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = (value << 8U) | digest[i];
  return value;
}

}  // namespace assay::stats
