// Which response keys were met: a Bloom filter, so that a million requests need two megabytes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "harness/base/hash.hpp"

namespace assay::host {

/// Says "perhaps" or "certainly not". Keys are SHA-256 digests, so their own bytes serve as hashes.
class KeyFilter {
 public:
  /// Sized for about `expected` keys (at 16 bits each one in 2000 is a false "perhaps").
  explicit KeyFilter(std::size_t expected)
      : words_(std::bit_ceil(std::max<std::size_t>(expected, 1024) / 4)) {}

  /// Adds the key; true when it was perhaps added before.
  bool add(const Digest& key) {
    bool known = true;
    for (std::size_t probe = 0; probe < 4; ++probe) {
      std::uint64_t hash = 0;
      for (std::size_t i = 0; i < 8; ++i) hash = hash << 8U | key[8 * probe + i];
      std::uint64_t& word = words_[(hash >> 6U) & (words_.size() - 1)];
      const std::uint64_t bit = std::uint64_t{1} << (hash & 63U);
      known = known && (word & bit) != 0;
      word |= bit;
    }
    return known;
  }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace assay::host
