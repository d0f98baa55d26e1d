#include "harness/stats/random_lanes.hpp"

#include "harness/stats/philox.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define ASSAY_STATS_AVX2 1
#include <immintrin.h>
#else
#define ASSAY_STATS_AVX2 0
#endif

namespace assay::stats::detail {
namespace {

constexpr std::size_t kLanes = kBlockValues / 2;

// Output words of eight counters.
struct Words {
  std::uint32_t w0[kLanes];
  std::uint32_t w1[kLanes];
  std::uint32_t w2[kLanes];
  std::uint32_t w3[kLanes];
};

void philox(const BlockAt& at, Words& c) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    c.w0[lane] = at.first + static_cast<std::uint32_t>(lane);
    c.w1[lane] = at.b;
    c.w2[lane] = at.stream;
    c.w3[lane] = 0;
  }
  std::uint32_t k0 = low(at.seed);
  std::uint32_t k1 = high(at.seed);
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::uint64_t p0 = std::uint64_t{c.w0[lane]} * kMultiplier0;
      const std::uint64_t p1 = std::uint64_t{c.w2[lane]} * kMultiplier1;
      c.w0[lane] = high(p1) ^ c.w1[lane] ^ k0;
      c.w2[lane] = high(p0) ^ c.w3[lane] ^ k1;
      c.w1[lane] = low(p1);
      c.w3[lane] = low(p0);
    }
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
}

// The upper half of (lo + 2^32 hi) * n without a 128-bit product: exact, because no partial sum overflows.
std::uint32_t scale(std::uint32_t lo, std::uint32_t hi, std::uint64_t n) {
  return high(hi * n + ((lo * n) >> 32U));
}

}  // namespace

void block_u64_portable(const BlockAt& at, std::uint64_t* out) {
  Words c;
  philox(at, c);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    out[2 * lane] = c.w0[lane] | (std::uint64_t{c.w1[lane]} << 32U);
    out[2 * lane + 1] = c.w2[lane] | (std::uint64_t{c.w3[lane]} << 32U);
  }
}

void block_index_portable(const BlockAt& at, std::uint32_t n, std::uint32_t* out) {
  Words c;
  philox(at, c);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    out[2 * lane] = scale(c.w0[lane], c.w1[lane], n);
    out[2 * lane + 1] = scale(c.w2[lane], c.w3[lane], n);
  }
}

#if ASSAY_STATS_AVX2

bool has_avx2_blocks() {
  return __builtin_cpu_supports("avx2") != 0;
}

// Four counters per register, one 32-bit word in each 64-bit lane; the upper half of a lane is never read.
__attribute__((target("avx2"))) void block_index_avx2(const BlockAt& at, std::uint32_t n,
                                                      std::uint32_t* out) {
  constexpr int kParts = 2;
  __m256i w0[kParts];
  __m256i w1[kParts];
  __m256i w2[kParts];
  __m256i w3[kParts];
  for (int v = 0; v < kParts; ++v) {
    w0[v] = _mm256_add_epi64(_mm256_set1_epi64x(at.first + static_cast<std::uint32_t>(4 * v)),
                             _mm256_set_epi64x(3, 2, 1, 0));
    w1[v] = _mm256_set1_epi64x(at.b);
    w2[v] = _mm256_set1_epi64x(at.stream);
    w3[v] = _mm256_setzero_si256();
  }
  const __m256i m0 = _mm256_set1_epi64x(kMultiplier0);
  const __m256i m1 = _mm256_set1_epi64x(kMultiplier1);
  std::uint32_t k0 = low(at.seed);
  std::uint32_t k1 = high(at.seed);
  for (int round = 0; round < kRounds; ++round) {
    const __m256i key0 = _mm256_set1_epi64x(k0);
    const __m256i key1 = _mm256_set1_epi64x(k1);
    for (int v = 0; v < kParts; ++v) {
      const __m256i p0 = _mm256_mul_epu32(w0[v], m0);
      const __m256i p1 = _mm256_mul_epu32(w2[v], m1);
      w0[v] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), w1[v]), key0);
      w2[v] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), w3[v]), key1);
      w1[v] = p1;
      w3[v] = p0;
    }
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  const __m256i size = _mm256_set1_epi64x(n);
  for (int v = 0; v < kParts; ++v) {
    const __m256i even =
        _mm256_add_epi64(_mm256_mul_epu32(w1[v], size), _mm256_srli_epi64(_mm256_mul_epu32(w0[v], size), 32));
    const __m256i odd =
        _mm256_add_epi64(_mm256_mul_epu32(w3[v], size), _mm256_srli_epi64(_mm256_mul_epu32(w2[v], size), 32));
    const __m256i pair = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8 * v), pair);
  }
}

#else

bool has_avx2_blocks() {
  return false;
}
void block_index_avx2(const BlockAt& at, std::uint32_t n, std::uint32_t* out) {
  block_index_portable(at, n, out);
}

#endif

}  // namespace assay::stats::detail
