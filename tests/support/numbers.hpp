// What tests of statistics say of numbers.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace assay::test {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Doubles = std::vector<double>;

inline bool near(double a, double b, double tolerance = 1e-10) {
  return std::fabs(a - b) <= tolerance;
}

/// The number that is written, all of it.
inline double real(const std::string& text) {
  double value = std::numeric_limits<double>::quiet_NaN();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  REQUIRE((error == std::errc() && end == text.data() + text.size()));
  return value;
}

inline void check_near(double value, double wanted, double tolerance) {
  INFO(value << " against " << wanted);
  CHECK(std::abs(value - wanted) <= tolerance);
}

}  // namespace assay::test
