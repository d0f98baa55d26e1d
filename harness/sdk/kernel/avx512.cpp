// The loops for AVX-512 F: one register of sixteen floats. Compiled with -mavx512f.
#include <immintrin.h>

#include "loops.hpp"

namespace assay::kernel {
namespace {

struct Avx512 {
  __m512 all;

  static Avx512 load(const float* at) { return {_mm512_loadu_ps(at)}; }
  static Avx512 splat(float value) { return {_mm512_set1_ps(value)}; }
  /// a > b ? a : b, therefore b where either is NaN.
  static Avx512 max(Avx512 a, Avx512 b) { return {_mm512_max_ps(a.all, b.all)}; }
  static Avx512 min(Avx512 a, Avx512 b) { return {_mm512_min_ps(a.all, b.all)}; }
  /// The lowest bits of each lane moved to the exponent of a float.
  static Avx512 bits_to_exponent(Avx512 a) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.all), 23))};
  }
  /// a * b + c with one rounding.
  static Avx512 fma(Avx512 a, Avx512 b, Avx512 c) { return {_mm512_fmadd_ps(a.all, b.all, c.all)}; }
  friend Avx512 operator+(Avx512 a, Avx512 b) { return {_mm512_add_ps(a.all, b.all)}; }
  friend Avx512 operator-(Avx512 a, Avx512 b) { return {_mm512_sub_ps(a.all, b.all)}; }
  friend Avx512 operator*(Avx512 a, Avx512 b) { return {_mm512_mul_ps(a.all, b.all)}; }

  // Once a block: a loop over the stored lanes is short enough.
  [[nodiscard]] float largest() const {
    alignas(64) float each[16];
    _mm512_store_ps(each, all);
    float m = each[0];
    for (const float one : each) m = one > m ? one : m;
    return m;
  }
  [[nodiscard]] float smallest() const {
    alignas(64) float each[16];
    _mm512_store_ps(each, all);
    float m = each[0];
    for (const float one : each) m = one < m ? one : m;
    return m;
  }

  /// Four sums in double; lane l of the vector goes to sum l mod 4.
  struct Doubles {
    __m256d all = _mm256_setzero_pd();
    void add(Avx512 x) {
      const __m256d a = _mm256_add_pd(_mm256_cvtps_pd(_mm512_extractf32x4_ps(x.all, 0)),
                                      _mm256_cvtps_pd(_mm512_extractf32x4_ps(x.all, 1)));
      const __m256d b = _mm256_add_pd(_mm256_cvtps_pd(_mm512_extractf32x4_ps(x.all, 2)),
                                      _mm256_cvtps_pd(_mm512_extractf32x4_ps(x.all, 3)));
      all = _mm256_add_pd(all, _mm256_add_pd(a, b));
    }
    [[nodiscard]] double sum() const {
      double each[4];
      _mm256_storeu_pd(each, all);
      return (each[0] + each[1]) + (each[2] + each[3]);
    }
  };

  struct Counter {
    __m512i all = _mm512_setzero_si512();
    void add(__mmask16 lanes) { all = _mm512_mask_add_epi32(all, lanes, all, _mm512_set1_epi32(1)); }
    void add_greater(Avx512 a, Avx512 b) { add(_mm512_cmp_ps_mask(a.all, b.all, _CMP_GT_OQ)); }
    void add_equal(Avx512 a, Avx512 b) { add(_mm512_cmp_ps_mask(a.all, b.all, _CMP_EQ_OQ)); }
    [[nodiscard]] bool any() const { return _mm512_test_epi32_mask(all, all) != 0; }
    [[nodiscard]] std::uint64_t sum() const {
      alignas(64) std::uint32_t each[16];
      _mm512_store_si512(each, all);
      std::uint64_t total = 0;
      for (const std::uint32_t one : each) total += one;
      return total;
    }
  };
};

}  // namespace

constinit const LoopTable kAvx512Loops = table<Avx512>("avx512");

}  // namespace assay::kernel
