// The portable multiply-add with one rounding, against the C library's.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>

#include "harness/sdk/kernel/portable.hpp"
#include "kernel_support.hpp"

using namespace kernel_tests;  // NOLINT: a test

namespace {

void check(const float (&a)[16], const float (&b)[16], const float (&c)[16]) {
  using V = assay::kernel::Portable;
  const V out = V::fma(V::load(a), V::load(b), V::load(c));
  float got[16];
  std::memcpy(got, out.part, sizeof(got));
  for (int i = 0; i < 16; ++i) {
    INFO(a[i] << " * " << b[i] << " + " << c[i]);
    REQUIRE(got[i] == std::fma(a[i], b[i], c[i]));
  }
}

}  // namespace

TEST_CASE("kernel fma: random products and sums") {
  Numbers numbers(21);
  for (int round = 0; round < 20000; ++round) {
    float a[16], b[16], c[16];
    for (int i = 0; i < 16; ++i) {
      a[i] = static_cast<float>(std::abs(numbers.normal()));
      b[i] = static_cast<float>(std::abs(numbers.cauchy()));
      c[i] = static_cast<float>(std::abs(numbers.cauchy()));
    }
    check(a, b, c);
  }
}

TEST_CASE("kernel fma: sums that are rounded twice wrongly when taken through double") {
  Numbers numbers(22);
  int wrong = 0;
  for (int round = 0; round < 2000; ++round) {
    float a[16], b[16], c[16];
    for (int i = 0; i < 16; ++i) {
      // c + half a unit in its last place, minus or plus less than a double resolves.
      const float x = 1 + std::ldexp(static_cast<float>(1 + numbers.below(8)), -20);
      const float y = 2 - x;
      const bool above = numbers.below(2) == 0;
      const int exponent = static_cast<int>(numbers.below(40)) - 20;
      c[i] = std::ldexp(1 + std::ldexp(static_cast<float>(numbers.below(1U << 22U)), -23), exponent);
      a[i] = std::ldexp(above ? x * x : x, exponent - 12);
      b[i] = std::ldexp(y, -12);
      const double twice = static_cast<double>(a[i]) * b[i] + c[i];
      wrong += static_cast<float>(twice) != std::fma(a[i], b[i], c[i]) ? 1 : 0;
    }
    check(a, b, c);
  }
  CHECK(wrong > 1000);  // the cases are what they claim to be
}
