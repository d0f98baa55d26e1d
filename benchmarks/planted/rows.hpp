// JSON Lines files of the planted worlds: rows with their keys in the order in which they were written.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace assay::planted {

using Row = nlohmann::ordered_json;

/// One row per line.
inline std::string lines(const std::vector<Row>& rows) {
  std::string out;
  for (const Row& row : rows) out += row.dump() + "\n";
  return out;
}

/// Leading zeros keep ids in order; numbers above 999 are longer.
inline std::string three_digits(std::uint64_t n) {
  std::string text = std::to_string(n);
  return std::string(text.size() < 3 ? 3 - text.size() : 0, '0') + text;
}

}  // namespace assay::planted
