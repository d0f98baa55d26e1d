// The loops for AVX2 and FMA: two registers of eight floats. Compiled with -mavx2 -mfma.
#include <immintrin.h>

#include "loops.hpp"

namespace assay::kernel {
namespace {

struct Avx2 {
  __m256 low, high;

  static Avx2 load(const float* at) { return {_mm256_loadu_ps(at), _mm256_loadu_ps(at + 8)}; }
  static Avx2 splat(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  /// a > b ? a : b, therefore b where either is NaN.
  static Avx2 max(Avx2 a, Avx2 b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
  static Avx2 min(Avx2 a, Avx2 b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
  /// The lowest bits of each lane moved to the exponent of a float.
  static Avx2 bits_to_exponent(Avx2 a) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.low), 23)),
            _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.high), 23))};
  }
  /// a * b + c with one rounding.
  static Avx2 fma(Avx2 a, Avx2 b, Avx2 c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  friend Avx2 operator+(Avx2 a, Avx2 b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  friend Avx2 operator-(Avx2 a, Avx2 b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
  }
  friend Avx2 operator*(Avx2 a, Avx2 b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }

  [[nodiscard]] float largest() const {
    __m256 m = _mm256_max_ps(low, high);
    m = _mm256_max_ps(m, _mm256_permute2f128_ps(m, m, 1));
    m = _mm256_max_ps(m, _mm256_shuffle_ps(m, m, 0x4E));
    return _mm256_cvtss_f32(_mm256_max_ps(m, _mm256_shuffle_ps(m, m, 0xB1)));
  }
  [[nodiscard]] float smallest() const {
    __m256 m = _mm256_min_ps(low, high);
    m = _mm256_min_ps(m, _mm256_permute2f128_ps(m, m, 1));
    m = _mm256_min_ps(m, _mm256_shuffle_ps(m, m, 0x4E));
    return _mm256_cvtss_f32(_mm256_min_ps(m, _mm256_shuffle_ps(m, m, 0xB1)));
  }

  /// Four sums in double; lane l of the vector goes to sum l mod 4.
  struct Doubles {
    __m256d all = _mm256_setzero_pd();
    void add(Avx2 x) {
      const __m256d a = _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x.low)),
                                      _mm256_cvtps_pd(_mm256_extractf128_ps(x.low, 1)));
      const __m256d b = _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x.high)),
                                      _mm256_cvtps_pd(_mm256_extractf128_ps(x.high, 1)));
      all = _mm256_add_pd(all, _mm256_add_pd(a, b));
    }
    [[nodiscard]] double sum() const {
      double each[4];
      _mm256_storeu_pd(each, all);
      return (each[0] + each[1]) + (each[2] + each[3]);
    }
  };

  /// Counts of lanes; a comparison's mask is -1 as a whole number.
  struct Counter {
    __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
    void add_greater(Avx2 a, Avx2 b) {
      low = _mm256_sub_epi32(low, _mm256_castps_si256(_mm256_cmp_ps(a.low, b.low, _CMP_GT_OQ)));
      high = _mm256_sub_epi32(high, _mm256_castps_si256(_mm256_cmp_ps(a.high, b.high, _CMP_GT_OQ)));
    }
    void add_equal(Avx2 a, Avx2 b) {
      low = _mm256_sub_epi32(low, _mm256_castps_si256(_mm256_cmp_ps(a.low, b.low, _CMP_EQ_OQ)));
      high = _mm256_sub_epi32(high, _mm256_castps_si256(_mm256_cmp_ps(a.high, b.high, _CMP_EQ_OQ)));
    }
    [[nodiscard]] bool any() const {
      return !_mm256_testz_si256(_mm256_or_si256(low, high), _mm256_or_si256(low, high));
    }
    [[nodiscard]] std::uint64_t sum() const {
      std::uint32_t each[8];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(each), _mm256_add_epi32(low, high));
      std::uint64_t all = 0;
      for (const std::uint32_t one : each) all += one;
      return all;
    }
  };
};

}  // namespace

constinit const LoopTable kAvx2Loops = table<Avx2>("avx2");

}  // namespace assay::kernel
