// The kernel's 16 lanes in the compiler's own vectors of four floats: SSE2 on x86-64, NEON on AArch64,
// whatever a machine has elsewhere. Internal linkage, as loops.hpp says.
#pragma once

#include <cstdint>

namespace assay::kernel {
namespace {

using Float4 = float __attribute__((vector_size(16)));
using Int4 = std::int32_t __attribute__((vector_size(16)));
using Double2 = double __attribute__((vector_size(16)));
using Float2 = float __attribute__((vector_size(8)));

inline Double2 wide(Float4 x, int half) {
  return half == 0 ? __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1), Double2)
                   : __builtin_convertvector(__builtin_shufflevector(x, x, 2, 3), Double2);
}

#if !defined(__FP_FAST_FMAF)
using Long2 = std::int64_t __attribute__((vector_size(16)));

inline Float4 narrow(Double2 low, Double2 high) {
  return __builtin_shufflevector(__builtin_convertvector(low, Float2), __builtin_convertvector(high, Float2),
                                 0, 1, 2, 3);
}

/// a * b + c in double. The product of two floats is exact there, so that rounding the sum once more, to
/// float, is wrong only if the sum was inexact and lies halfway between two floats: 29 bits are 1000... .
inline Float4 twice_rounded(Float4 a, Float4 b, Float4 c, Int4& halfway) {
  const Double2 low = wide(a, 0) * wide(b, 0) + wide(c, 0);
  const Double2 high = wide(a, 1) * wide(b, 1) + wide(c, 1);
  halfway |=
      (reinterpret_cast<Int4>(low) & 0x1FFFFFFF) == 0x10000000;  // more than needed: both halves of a double
  halfway |= (reinterpret_cast<Int4>(high) & 0x1FFFFFFF) == 0x10000000;
  return narrow(low, high);
}

/// The same where a sum may lie halfway: rounded to odd first, which makes the second rounding right (Boldo
/// and Melquiond 2008). Requires a sum that is not negative, or exact.
inline Double2 rounded_to_odd(Double2 a, Double2 b, Double2 c) {
  const Double2 product = a * b;
  const Double2 sum = product + c;
  const Double2 part = sum - product;
  const Double2 lost = (product - (sum - part)) + (c - part);
  const Long2 bits = reinterpret_cast<Long2>(sum);
  const Long2 even = (bits & 1) - 1;  // all ones or zero, as the comparisons
  return reinterpret_cast<Double2>(bits - ((lost > 0.0) & even) + ((lost < 0.0) & even));
}
inline Float4 carefully_rounded(Float4 a, Float4 b, Float4 c) {
  return narrow(rounded_to_odd(wide(a, 0), wide(b, 0), wide(c, 0)),
                rounded_to_odd(wide(a, 1), wide(b, 1), wide(c, 1)));
}
#endif

struct Portable {
  Float4 part[4];

  static Portable load(const float* at) {
    Portable out;
    __builtin_memcpy(out.part, at, sizeof(out.part));
    return out;
  }
  static Portable splat(float value) {
    const Float4 one = {value, value, value, value};
    return {{one, one, one, one}};
  }
  template <class Op>
  static Portable each(Portable a, Portable b, Op op) {
    return {{op(a.part[0], b.part[0]), op(a.part[1], b.part[1]), op(a.part[2], b.part[2]),
             op(a.part[3], b.part[3])}};
  }
  /// a > b ? a : b, therefore b where either is NaN.
  static Portable max(Portable a, Portable b) {
    return each(a, b, [](Float4 x, Float4 y) { return x > y ? x : y; });
  }
  static Portable min(Portable a, Portable b) {
    return each(a, b, [](Float4 x, Float4 y) { return x < y ? x : y; });
  }
  /// The lowest bits of each lane moved to the exponent of a float.
  static Portable bits_to_exponent(Portable a) {
    return each(a, a, [](Float4 x, Float4) {
      using Unsigned4 = std::uint32_t __attribute__((vector_size(16)));
      return reinterpret_cast<Float4>(reinterpret_cast<Unsigned4>(x) << 23U);
    });
  }
  /// a * b + c with one rounding, for results that are not negative or exact.
  static Portable fma(Portable a, Portable b, Portable c) {
    Portable out;
#if defined(__FP_FAST_FMAF)
    for (int k = 0; k < 4; ++k) {
      for (int i = 0; i < 4; ++i) out.part[k][i] = __builtin_fmaf(a.part[k][i], b.part[k][i], c.part[k][i]);
    }
#else
    Int4 halfway = {};
    for (int k = 0; k < 4; ++k) out.part[k] = twice_rounded(a.part[k], b.part[k], c.part[k], halfway);
    const Long2 any = reinterpret_cast<Long2>(halfway);
    if (__builtin_expect((any[0] | any[1]) != 0, 0)) {
      for (int k = 0; k < 4; ++k) out.part[k] = carefully_rounded(a.part[k], b.part[k], c.part[k]);
    }
#endif
    return out;
  }
  friend Portable operator+(Portable a, Portable b) {
    return each(a, b, [](Float4 x, Float4 y) { return x + y; });
  }
  friend Portable operator-(Portable a, Portable b) {
    return each(a, b, [](Float4 x, Float4 y) { return x - y; });
  }
  friend Portable operator*(Portable a, Portable b) {
    return each(a, b, [](Float4 x, Float4 y) { return x * y; });
  }
  [[nodiscard]] float largest() const {
    float m = part[0][0];
    for (const Float4 four : part) {
      for (int i = 0; i < 4; ++i) m = four[i] > m ? four[i] : m;
    }
    return m;
  }
  [[nodiscard]] float smallest() const {
    float m = part[0][0];
    for (const Float4 four : part) {
      for (int i = 0; i < 4; ++i) m = four[i] < m ? four[i] : m;
    }
    return m;
  }

  /// Four sums in double; lane l of the vector goes to sum l mod 4.
  struct Doubles {
    Double2 low = {0, 0}, high = {0, 0};
    void add(Portable x) {
      low += (wide(x.part[0], 0) + wide(x.part[1], 0)) + (wide(x.part[2], 0) + wide(x.part[3], 0));
      high += (wide(x.part[0], 1) + wide(x.part[1], 1)) + (wide(x.part[2], 1) + wide(x.part[3], 1));
    }
    [[nodiscard]] double sum() const { return (low[0] + low[1]) + (high[0] + high[1]); }
  };

  /// Counts of lanes; a comparison's mask is -1 as a whole number.
  struct Counter {
    Int4 part[4] = {};
    void add_greater(Portable a, Portable b) {
      for (int i = 0; i < 4; ++i) part[i] -= a.part[i] > b.part[i];
    }
    void add_equal(Portable a, Portable b) {
      for (int i = 0; i < 4; ++i) part[i] -= a.part[i] == b.part[i];
    }
    [[nodiscard]] std::uint64_t sum() const {
      std::uint64_t all = 0;
      const Int4 four = (part[0] + part[1]) + (part[2] + part[3]);
      for (int i = 0; i < 4; ++i) all += static_cast<std::uint32_t>(four[i]);
      return all;
    }
    [[nodiscard]] bool any() const { return sum() != 0; }
  };
};

}  // namespace
}  // namespace assay::kernel
