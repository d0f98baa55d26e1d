#include "benchmarks/planted/random.hpp"

namespace assay::planted {

namespace {

// FNV-1a of the purpose, then one SplitMix64 step of the seed, so that near seeds give far states.
std::uint64_t mixed(std::uint64_t seed, std::string_view purpose) {
  std::uint64_t label = 0xCBF29CE484222325U;
  for (const char c : purpose) label = (label ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return split_mix(seed) ^ label;
}

}  // namespace

Random::Random(std::uint64_t seed, std::string_view purpose) : generator_(mixed(seed, purpose)) {}

std::uint64_t Random::below(std::uint64_t n) {
  const std::uint64_t unusable = (0 - n) % n;  // 2^64 mod n values would favour the small remainders
  for (;;) {
    const std::uint64_t x = next();
    if (x >= unusable) return x % n;
  }
}

}  // namespace assay::planted
