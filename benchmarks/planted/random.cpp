#include "benchmarks/planted/random.hpp"

namespace assay::planted {
namespace {

std::uint64_t split_mix(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

std::uint64_t rotl(std::uint64_t x, int k) {
  return (x << k) | (x >> (64 - k));
}

}  // namespace

Random::Random(std::uint64_t seed, std::string_view purpose) {
  // FNV-1a of the purpose, then one SplitMix64 step of the seed, so that near seeds give far states.
  std::uint64_t label = 0xCBF29CE484222325U;
  for (const char c : purpose) label = (label ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  std::uint64_t mixed = split_mix(seed) ^ label;
  for (std::uint64_t& word : state_) word = split_mix(mixed);
}

std::uint64_t Random::next() {
  const std::uint64_t result = rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotl(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t n) {
  const std::uint64_t unusable = (0 - n) % n;  // 2^64 mod n values would favour the small remainders
  for (;;) {
    const std::uint64_t x = next();
    if (x >= unusable) return x % n;
  }
}

}  // namespace assay::planted
