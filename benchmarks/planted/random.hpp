// The random source of the planted worlds: integers only, so that every machine draws the same bytes.
//
// Sources: xoshiro256** 1.0 and SplitMix64 (Blackman and Vigna, prng.di.unimi.it). Thread rule: one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/sdk/sampling.hpp"

namespace assay::planted {

class Random {
 public:
  /// A stream of its own for every (seed, purpose): drawing more in one place changes nothing elsewhere.
  Random(std::uint64_t seed, std::string_view purpose);

  std::uint64_t next() { return generator_.next(); }
  /// Uniform in 0 .. n - 1, unbiased (values of the last, incomplete block are drawn again). Precondition: n
  /// > 0.
  std::uint64_t below(std::uint64_t n);
  bool coin() { return (next() >> 63) != 0; }

  template <class T>
  const T& pick(const std::vector<T>& pool) {
    return pool[static_cast<std::size_t>(below(pool.size()))];
  }
  /// Fisher and Yates.
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(i))]);
  }

 private:
  Xoshiro256 generator_;
};

}  // namespace assay::planted
