// The loops in the compiler's own vectors of four floats: SSE2 on x86-64, NEON on AArch64, whatever a machine
// has elsewhere.
#include "loops.hpp"

namespace assay::kernel {
namespace {

using Float4 = float __attribute__((vector_size(16)));
using Int4 = std::int32_t __attribute__((vector_size(16)));
using Double2 = double __attribute__((vector_size(16)));
using Float2 = float __attribute__((vector_size(8)));

inline Double2 wide(Float4 x, int half) {
  const Float2 two = {x[2 * half], x[2 * half + 1]};
  return __builtin_convertvector(two, Double2);
}

#if defined(__FP_FAST_FMAF)
inline Float4 fused(Float4 a, Float4 b, Float4 c) {
  Float4 out;
  for (int i = 0; i < 4; ++i) out[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return out;
}
#else
using Long2 = std::int64_t __attribute__((vector_size(16)));

/// a * b + c as a double that rounds to float as the exact value does: the product of two floats is exact in
/// double, and where the sum is not, its last bit is made odd (rounding to odd, Boldo and Melquiond 2008).
/// Requires a result that is not negative, or exact.
inline Double2 fused(Double2 a, Double2 b, Double2 c) {
  const Double2 product = a * b;
  const Double2 sum = product + c;
  const Double2 part = sum - product;
  const Double2 error = (product - (sum - part)) + (c - part);
  const Long2 bits = reinterpret_cast<Long2>(sum);
  const Long2 even = (bits & 1) - 1;  // all ones or zero, as the comparisons
  const Long2 up = (error > 0.0) & even;
  const Long2 down = (error < 0.0) & even;
  return reinterpret_cast<Double2>(bits - up + down);
}

inline Float4 fused(Float4 a, Float4 b, Float4 c) {
  const Float2 low = __builtin_convertvector(fused(wide(a, 0), wide(b, 0), wide(c, 0)), Float2);
  const Float2 high = __builtin_convertvector(fused(wide(a, 1), wide(b, 1), wide(c, 1)), Float2);
  return Float4{low[0], low[1], high[0], high[1]};
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
    return {{fused(a.part[0], b.part[0], c.part[0]), fused(a.part[1], b.part[1], c.part[1]),
             fused(a.part[2], b.part[2], c.part[2]), fused(a.part[3], b.part[3], c.part[3])}};
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

constinit const LoopTable kPortableLoops = table<Portable>("portable");

}  // namespace assay::kernel
