#include "harness/stats/random.hpp"

#include <numeric>
#include <string>
#include <utility>

#include <openssl/evp.h>

namespace assay::stats {
namespace {

constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
constexpr int kRounds = 10;
constexpr std::size_t kLanes = 8;

std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32U); }

// Eight blocks at once. The words are kept in 64-bit lanes because vector units multiply 32 x 32 -> 64 bits there.
struct Block {
  std::array<std::uint64_t, kLanes> even;  // w0 + 2^32 w1
  std::array<std::uint64_t, kLanes> odd;   // w2 + 2^32 w3
};

void philox_lanes(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t first, Block& out) {
  constexpr std::uint64_t kLow = 0xFFFFFFFFU;
  std::uint64_t c0[kLanes];
  std::uint64_t c1[kLanes];
  std::uint64_t c2[kLanes];
  std::uint64_t c3[kLanes];
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    c0[lane] = (first + lane) & kLow;
    c1[lane] = b;
    c2[lane] = stream;
    c3[lane] = 0;
  }
  std::uint32_t k0 = low(seed);
  std::uint32_t k1 = high(seed);
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t key0 = k0;
    const std::uint64_t key1 = k1;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::uint64_t p0 = c0[lane] * kMultiplier0;
      const std::uint64_t p1 = c2[lane] * kMultiplier1;
      c0[lane] = (p1 >> 32U) ^ c1[lane] ^ key0;
      c2[lane] = (p0 >> 32U) ^ c3[lane] ^ key1;
      c1[lane] = p1 & kLow;
      c3[lane] = p0 & kLow;
    }
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    out.even[lane] = c0[lane] | (c1[lane] << 32U);
    out.odd[lane] = c2[lane] | (c3[lane] << 32U);
  }
}

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
  Block block;
  const std::size_t full = out.size() / (2 * kLanes) * (2 * kLanes);
  for (std::size_t i = 0; i < full; i += 2 * kLanes) {
    philox_lanes(seed, stream, b, static_cast<std::uint32_t>(i / 2), block);
    std::uint32_t* const to = out.data() + i;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      to[2 * lane] = low(scale(block.even[lane], n));
      to[2 * lane + 1] = low(scale(block.odd[lane], n));
    }
  }
  if (full == out.size()) return;
  philox_lanes(seed, stream, b, static_cast<std::uint32_t>(full / 2), block);
  for (std::size_t i = full; i < out.size(); ++i) {
    const std::size_t lane = (i - full) / 2;
    out[i] = low(scale(i % 2 == 0 ? block.even[lane] : block.odd[lane], n));
  }
}

void random_u64s(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::span<std::uint64_t> out) {
  Block block;
  for (std::size_t i = 0; i < out.size(); i += 2 * kLanes) {
    philox_lanes(seed, stream, b, static_cast<std::uint32_t>(i / 2), block);
    for (std::size_t lane = 0; lane < kLanes && i + 2 * lane < out.size(); ++lane) {
      out[i + 2 * lane] = block.even[lane];
      if (i + 2 * lane + 1 < out.size()) out[i + 2 * lane + 1] = block.odd[lane];
    }
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
  // EVP_Digest with SHA-256 fails only when the process is out of memory; the zero seed is then as good as any.
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return 0;
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = (value << 8U) | digest[i];
  return value;
}

}  // namespace assay::stats
