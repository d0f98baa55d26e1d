// The loops of blocks.hpp over a vector type of 16 floats. Included by one source file per instruction set,
// each compiled with its own flags; therefore everything here has internal linkage and nothing of the
// standard library is used: an inline function shared with other files could be kept in its AVX version by
// the linker.
#pragma once

#include "blocks.hpp"

namespace assay::kernel {
namespace {

constexpr std::size_t kLanes = 16;
/// After so many steps the float sums of the lanes go over into doubles, which bounds their rounding error.
constexpr std::size_t kSteps = 16;
/// Fetched so far in front of what is looked at, because the processor's own prefetch ends at every page of 4
/// KiB. A fetch beyond the row does nothing.
constexpr std::size_t kPrefetch = 512;

/// Below this, e^d is 0 for exponential(); the moments use the same bound, so that 0 * inf cannot arise.
constexpr float kFloor = -88.0F;

/// e^d for kFloor <= d <= 0, relative error 3e-7: d = n ln 2 + r with |r| <= ln(2)/2, e^r by a polynomial of
/// degree 5 (minimax in relative error with the first two coefficients 1), 2^n by its bits; n = -127 (d below
/// -87.7) gives the factor 0. NaN stays NaN.
template <class V>
inline V exponential(V d) {
  const V magic = V::splat(12582912.0F + 127.0F);  // 1.5 * 2^23: adding it rounds to a whole number
  const V t = V::fma(d, V::splat(1.44269504F), magic);
  const V r = V::fma(t - magic, V::splat(-0.693147182F), d);
  V q = V::fma(V::splat(0x1.10624ep-7F), r, V::splat(0x1.572a68p-5F));
  q = V::fma(q, r, V::splat(0x1.5557b0p-3F));
  q = V::fma(q, r, V::splat(0x1.fffdfcp-2F));
  q = V::fma(q, r, V::splat(1.0F));
  q = V::fma(q, r, V::splat(1.0F));
  return q * V::bits_to_exponent(t);
}

/// Copies the last, short step and fills it up with -inf, which adds 0 to every sum.
inline const float* padded(const float* row, std::size_t count, float* space) {
  for (std::size_t i = 0; i < kLanes; ++i) space[i] = i < count ? row[i] : -__builtin_inff();
  return space;
}

/// Largest of the first kLanes * kSteps entries and `top`, in two chains.
template <class V>
inline V largest_of_stretch(const float* row, V top) {
  V second = top;
  for (std::size_t i = 0; i < kLanes * kSteps; i += 2 * kLanes) {
    top = V::max(top, V::load(row + i));
    second = V::max(second, V::load(row + i + kLanes));
  }
  return V::max(top, second);
}

template <class V>
float largest(const float* row, std::size_t count) {
  V top = V::splat(kLowest);
  std::size_t i = 0;
  for (; i + kLanes * kSteps <= count; i += kLanes * kSteps) top = largest_of_stretch(row + i, top);
  for (; i + kLanes <= count; i += kLanes) top = V::max(top, V::load(row + i));
  alignas(64) float space[kLanes];
  if (i < count) top = V::max(top, V::load(padded(row + i, count - i, space)));
  return top.largest();
}

template <class V>
bool all_at_least(const float* row, std::size_t count, float floor) {
  V low = V::splat(-kLowest);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) low = V::min(low, V::load(row + i));
  for (; i < count; ++i) {
    if (!(row[i] >= floor)) return false;
  }
  return low.smallest() >= floor;
}

template <class V>
std::size_t find(const float* row, std::size_t count, float value) {
  const V wanted = V::splat(value);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    typename V::Counter found;
    found.add_equal(V::load(row + i), wanted);
    if (found.any()) break;
  }
  while (i < count && row[i] != value) ++i;
  return i;
}

template <class V, bool kMoments, bool kCount>
void sums(const Block& block, BlockSums& out) {
  const V shift = V::splat(block.shift);
  const V target = V::splat(block.target);
  V ahead = V::splat(kLowest);
  V s0 = V::splat(0), s1 = V::splat(0), s2 = V::splat(0);
  typename V::Doubles d0, d1, d2;
  typename V::Counter above, equal;
  const auto step = [&](const float* at) __attribute__((always_inline)) {
    const V d = V::max(V::splat(kFloor), V::load(at) - shift);
    const V w = exponential(d);
    s0 = s0 + w;
    if constexpr (kMoments) {
      const V wd = w * d;
      s1 = s1 + wd;
      s2 = V::fma(wd, d, s2);
    }
  };
  const auto count = [&](const float* at) __attribute__((always_inline)) {
    above.add_greater(V::load(at), target);
    equal.add_equal(V::load(at), target);
  };
  const auto flush = [&]() __attribute__((always_inline)) {
    d0.add(s0);
    s0 = V::splat(0);
    if constexpr (kMoments) {
      d1.add(s1);
      d2.add(s2);
      s1 = s2 = V::splat(0);
    }
  };
  std::size_t i = 0;
  if (block.count == kBlock) {
    for (; i < kBlock;) {
      ahead = largest_of_stretch(block.ahead + i, ahead);
      if constexpr (kCount) {
        for (std::size_t k = 0; k < kSteps; ++k) count(block.row + i + k * kLanes);
      }
      for (std::size_t k = 0; k < kSteps; ++k, i += kLanes) {
        step(block.row + i);
        __builtin_prefetch(block.ahead + i + kPrefetch);
      }
      flush();
    }
    out.ahead_largest = ahead.largest();
  } else {
    for (std::size_t k = 0; i + kLanes <= block.count; i += kLanes) {
      step(block.row + i);
      if constexpr (kCount) count(block.row + i);
      if (++k == kSteps) {
        flush();
        k = 0;
      }
    }
    alignas(64) float space[kLanes];
    const std::size_t rest = block.count - i;
    if (rest > 0) {
      step(padded(block.row + i, rest, space));
      if constexpr (kCount) count(space);
    }
    flush();
    // The padding was counted when the target is -inf.
    if (kCount && rest > 0 && block.target == -__builtin_inff()) out.equal -= kLanes - rest;
  }
  out.s0 = d0.sum();
  if constexpr (kMoments) {
    out.s1 = d1.sum();
    out.s2 = d2.sum();
  }
  if constexpr (kCount) {
    out.above += above.sum();
    out.equal += equal.sum();
  }
}

template <class V>
void pair_sums(const PairBlock& block, PairSums& out) {
  const V shift_a = V::splat(block.shift_a);
  const V shift_b = V::splat(block.shift_b);
  const V centre = V::splat(block.centre);
  V top_a = V::splat(kLowest), top_b = V::splat(kLowest);
  V a0 = V::splat(0), a1 = V::splat(0), b0 = V::splat(0), c1 = V::splat(0), c2 = V::splat(0);
  typename V::Doubles da0, da1, db0, dc1, dc2;
  const auto step = [&](const float* at_a, const float* at_b) __attribute__((always_inline)) {
    const V z = V::load(at_b);
    const V d = V::max(V::splat(kFloor), V::load(at_a) - shift_a);
    const V w = exponential(d);
    a0 = a0 + w;
    a1 = a1 + w * d;
    b0 = b0 + exponential(V::max(V::splat(kFloor), z - shift_b));
    // B's values enter unclamped (blocks with extreme ones do not come here), padding as 0 * kLowest.
    const V e = V::max(V::splat(kLowest), z - centre);
    const V we = w * e;
    c1 = c1 + we;
    c2 = V::fma(we, e, c2);
  };
  const auto flush = [&]() __attribute__((always_inline)) {
    da0.add(a0);
    da1.add(a1);
    db0.add(b0);
    dc1.add(c1);
    dc2.add(c2);
    a0 = a1 = b0 = c1 = c2 = V::splat(0);
  };
  std::size_t i = 0;
  if (block.count == kBlock) {
    for (; i < kBlock;) {
      top_a = largest_of_stretch(block.ahead_a + i, top_a);
      top_b = largest_of_stretch(block.ahead_b + i, top_b);
      for (std::size_t k = 0; k < kSteps; ++k, i += kLanes) {
        step(block.a + i, block.b + i);
        __builtin_prefetch(block.ahead_a + i + kPrefetch);
        __builtin_prefetch(block.ahead_b + i + kPrefetch);
      }
      flush();
    }
    out.ahead_a = top_a.largest();
    out.ahead_b = top_b.largest();
  } else {
    for (std::size_t k = 0; i + kLanes <= block.count; i += kLanes) {
      step(block.a + i, block.b + i);
      if (++k == kSteps) {
        flush();
        k = 0;
      }
    }
    alignas(64) float space_a[kLanes];
    alignas(64) float space_b[kLanes];
    const std::size_t rest = block.count - i;
    if (rest > 0) step(padded(block.a + i, rest, space_a), padded(block.b + i, rest, space_b));
    flush();
  }
  out.a0 = da0.sum();
  out.a1 = da1.sum();
  out.b0 = db0.sum();
  out.cross1 = dc1.sum();
  out.cross2 = dc2.sum();
}

template <class V>
constexpr LoopTable table(const char* name) {
  return {name,
          largest<V>,
          all_at_least<V>,
          find<V>,
          {{sums<V, false, false>, sums<V, false, true>}, {sums<V, true, false>, sums<V, true, true>}},
          pair_sums<V>};
}

}  // namespace
}  // namespace assay::kernel
