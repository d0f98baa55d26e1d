#include "sampling.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace assay::ensemble {
namespace {

constexpr std::uint64_t kGamma = 0x9E3779B97F4A7C15ULL;

std::uint64_t split_mix(std::uint64_t& state) {
  std::uint64_t z = (state += kGamma);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

/// Keeps at most top_k of the most probable tokens, of these the fewest that reach top_p of their mass.
void keep_most_probable(std::span<double> p, const Sampling& sampling) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
  std::size_t keep = order.size();
  if (sampling.top_k != 0) keep = std::min<std::size_t>(keep, sampling.top_k);
  if (sampling.top_p < 1) {
    double mass = 0;
    for (std::size_t i = 0; i < keep; ++i) mass += p[order[i]];
    double reached = 0;
    for (std::size_t i = 0; i < keep; ++i) {
      reached += p[order[i]];
      if (reached >= sampling.top_p * mass) keep = i + 1;
    }
  }
  for (std::size_t i = keep; i < order.size(); ++i) p[order[i]] = 0;
}

}  // namespace

std::uint64_t sample_seed(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t state = seed + kGamma * index;
  return split_mix(state);
}

Generator::Generator(std::uint64_t seed) {
  for (std::uint64_t& word : s_) word = split_mix(seed);
}

std::uint64_t Generator::next() {
  const std::uint64_t result = std::rotl(s_[1] * 5U, 7) * 9U;
  const std::uint64_t shifted = s_[1] << 17U;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= shifted;
  s_[3] = std::rotl(s_[3], 45);
  return result;
}

double Generator::uniform() {
  return static_cast<double>(next() >> 11U) * 0x1.0p-53;
}

Result<Sampling> sampling_of(const assay_request& request) {
  const auto wrong = [](const char* name, const char* range) {
    return Error{Code::kInvalidArgument,
                 std::string("the sampling parameter ") + name + " of the request must be " + range,
                 {}};
  };
  if (!(request.temperature >= 0 && request.temperature <= 1e6)) return wrong("temperature", "from 0 to 1e6");
  if (request.top_k < 0) return wrong("top_k", "at least 0");
  if (!(request.top_p >= 0 && request.top_p <= 1)) return wrong("top_p", "from 0 to 1");
  if (!(request.min_p >= 0 && request.min_p <= 1)) return wrong("min_p", "from 0 to 1");
  return Sampling{request.temperature, static_cast<std::uint32_t>(request.top_k),
                  request.top_p == 0 ? 1 : request.top_p, request.min_p};
}

std::size_t draw(std::span<double> p, const Sampling& sampling, Generator& generator) {
  bool changed = false;
  if (sampling.temperature != 1) {
    const double largest = std::log(*std::max_element(p.begin(), p.end()));
    for (double& value : p) value = std::exp((std::log(value) - largest) / sampling.temperature);
    changed = true;
  }
  if (sampling.top_k != 0 || sampling.top_p < 1) {
    keep_most_probable(p, sampling);
    changed = true;
  }
  if (sampling.min_p > 0) {
    const double least = sampling.min_p * *std::max_element(p.begin(), p.end());
    for (double& value : p) value = value < least ? 0 : value;
    changed = true;
  }
  double sum = 0;
  for (const double value : p) sum += value;
  if (changed) {
    for (double& value : p) value /= sum;
    sum = 0;
    for (const double value : p) sum += value;
  }
  const double goal = generator.uniform() * sum;
  double reached = 0;
  std::size_t last = 0;
  for (std::size_t id = 0; id < p.size(); ++id) {
    if (!(p[id] > 0)) continue;
    last = id;
    reached += p[id];
    if (reached > goal) break;
  }
  return last;
}

}  // namespace assay::ensemble
