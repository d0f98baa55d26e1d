// Numbers of expectations read with simdjson.
#pragma once

#include <simdjson.h>

#include <cmath>

namespace assay::test {

/// The number, or NaN for anything else.
inline double number(simdjson::dom::element element) {
  double value = 0;
  return element.get(value) == simdjson::SUCCESS ? value : std::nan("");
}

}  // namespace assay::test
