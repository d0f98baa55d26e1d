// Rows and comparisons for the tests of the fast token statistics.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "assay/sdk/kernel.hpp"
#include "harness/sdk/kernel/instruction_set.hpp"

namespace kernel_tests {

using assay::kernel::InstructionSet;

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kMax = std::numeric_limits<float>::max();

/// SplitMix64 with the few distributions the rows need.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(bits() % limit); }
  /// In (0, 1).
  double uniform() { return (static_cast<double>(bits() >> 12U) + 0.5) * 0x1.0p-52; }
  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(6.283185307179586 * uniform()); }
  double cauchy() { return std::tan(3.141592653589793 * (uniform() - 0.5)); }

 private:
  std::uint64_t state_;
};

/// The instruction sets of this machine (kernel_row_test.cpp reports the others as skipped).
inline std::vector<InstructionSet> sets_here() {
  std::vector<InstructionSet> out;
  for (const InstructionSet which :
       {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (assay::kernel::available(which)) out.push_back(which);
  }
  return out;
}

/// Equal to the last bit, or both NaN.
inline bool same(double a, double b) {
  return a == b ? std::signbit(a) == std::signbit(b) : std::isnan(a) && std::isnan(b);
}

inline bool same(const assay::TokenStatistics& a, const assay::TokenStatistics& b) {
  return same(a.logprob, b.logprob) && same(a.entropy, b.entropy) && same(a.mean_lp, b.mean_lp) &&
         same(a.var_lp, b.var_lp) && same(a.top1_logprob, b.top1_logprob) && a.rank == b.rank &&
         a.ties == b.ties && a.top1 == b.top1;
}

inline bool same(const assay::CrossStatistics& a, const assay::CrossStatistics& b) {
  return same(a.mean_lp, b.mean_lp) && same(a.second_lp, b.second_lp) && same(a.var_lp, b.var_lp) &&
         same(a.entropy_a, b.entropy_a) && same(a.logprob_a, b.logprob_a) && same(a.logprob_b, b.logprob_b);
}

/// Half a unit in the last place of a float, as a relative error.
inline constexpr double kRounding = 0x1.0p-24;

/// A value the kernel rounded to float against the exact one, with the header's bound.
inline void check_within(double got, double wanted, double bound, const char* what) {
  INFO(what << ": " << got << " against " << wanted << ", bound " << bound);
  const volatile float rounded = static_cast<float>(got);
  CHECK(static_cast<double>(rounded) == got);
  if (!std::isfinite(static_cast<float>(wanted))) {
    CHECK(got == static_cast<double>(static_cast<float>(wanted)));
    return;
  }
  CHECK(std::abs(got - wanted) <= bound + kRounding * std::abs(wanted) * 1.0001);
}

/// Rows that are hard in some respect, of any width.
struct Shape {
  const char* name;
  std::vector<float> (*make)(std::size_t width, Numbers& numbers);
};

template <class Each>
std::vector<float> filled(std::size_t width, Each each) {
  std::vector<float> row(width);
  for (std::size_t i = 0; i < width; ++i) row[i] = static_cast<float>(each(i));
  return row;
}

inline const std::vector<Shape>& shapes() {
  using N = Numbers;
  static const std::vector<Shape> kShapes = {
      {"equal", [](std::size_t w, N&) { return filled(w, [](std::size_t) { return 3.7; }); }},
      {"one-hot, 1e4 above",
       [](std::size_t w, N& n) {
         auto row = filled(w, [](std::size_t) { return -1e4; });
         row[n.below(w)] = 1e4F;
         return row;
       }},
      {"+-1e4 at random",
       [](std::size_t w, N& n) {
         return filled(w, [&](std::size_t) { return n.below(2) == 0 ? 1e4 : -1e4; });
       }},
      {"subnormal",
       [](std::size_t w, N& n) { return filled(w, [&](std::size_t) { return 1e-40 * n.normal(); }); }},
      {"largest and lowest floats",
       [](std::size_t w, N& n) {
         return filled(w, [&](std::size_t) { return n.below(3) == 0 ? kMax : -kMax; });
       }},
      {"lowest float only", [](std::size_t w, N&) { return filled(w, [](std::size_t) { return -kMax; }); }},
      {"half -inf",
       [](std::size_t w, N& n) {
         auto row = filled(w, [&](std::size_t) { return n.below(2) == 0 ? -kInfinity : 3 * n.normal(); });
         row[n.below(w)] = 1;
         return row;
       }},
      {"all -inf but one",
       [](std::size_t w, N& n) {
         auto row = filled(w, [](std::size_t) { return -kInfinity; });
         row[n.below(w)] = -4.5F;
         return row;
       }},
      {"ascending ramp",
       [](std::size_t w, N&) {
         return filled(w, [&](std::size_t i) { return 1e-3 * static_cast<double>(i); });
       }},
      {"descending ramp",
       [](std::size_t w, N&) {
         return filled(w, [&](std::size_t i) { return -1e-3 * static_cast<double>(i); });
       }},
      {"steep ramp",
       [](std::size_t w, N&) {
         return filled(w, [&](std::size_t i) { return 0.7 * static_cast<double>(i); });
       }},
      {"plateau and one, 8 above",
       [](std::size_t w, N& n) {
         auto row = filled(w, [](std::size_t) { return 0.1; });
         row[n.below(w)] = 8.1F;
         return row;
       }},
      {"plateau and one, 12 above",
       [](std::size_t w, N& n) {
         auto row = filled(w, [](std::size_t) { return -11.9; });
         row[n.below(w)] = 0.1F;
         return row;
       }},
      {"normal", [](std::size_t w, N& n) { return filled(w, [&](std::size_t) { return 3 * n.normal(); }); }},
      {"narrow",
       [](std::size_t w, N& n) { return filled(w, [&](std::size_t) { return 0.01 * n.normal(); }); }},
      {"few values",
       [](std::size_t w, N& n) {
         return filled(w, [&](std::size_t) { return 0.5 * static_cast<double>(n.below(9)); });
       }},
      {"heavy-tailed",
       [](std::size_t w, N& n) { return filled(w, [&](std::size_t) { return n.cauchy(); }); }},
      {"like a model's",
       [](std::size_t w, N& n) {
         auto row = filled(w, [&](std::size_t) { return -4 + 2.2 * n.normal(); });
         for (int i = 0; i < 5; ++i) row[n.below(w)] = static_cast<float>(10 + 3 * n.normal());
         return row;
       }},
  };
  return kShapes;
}

}  // namespace kernel_tests
