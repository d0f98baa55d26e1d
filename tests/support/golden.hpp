// Golden vectors: JSON Lines of {case, input, expected}. Include in .cpp files only: simdjson.h is large.
#pragma once

#include <simdjson.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace assay::test {

using Json = simdjson::dom::element;

/// Calls f(case, input, expected) for every line of the file and returns how many there were.
inline std::size_t for_each_golden(
    const std::filesystem::path& path,
    const std::function<void(const std::string&, Json input, Json expected)>& f) {
  std::ifstream in(path);
  simdjson::dom::parser parser;
  std::size_t cases = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    const Json record = parser.parse(line);
    f(std::string{std::string_view(record["case"])}, record["input"], record["expected"]);
    ++cases;
  }
  return cases;
}

/// A number as golden files write it: null and "NaN" are NaN, "Infinity" and "-Infinity" are texts.
inline double real(Json value) {
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    return std::numeric_limits<double>::quiet_NaN();
  }
  return value.get_double();
}

inline std::vector<double> reals(Json list) {
  std::vector<double> out;
  for (const Json value : list.get_array()) out.push_back(real(value));
  return out;
}

/// |a - b| <= tolerance * max(1, |b|); two NaNs agree.
inline bool close(double a, double b, double tolerance = 1e-9) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

}  // namespace assay::test
