// Standard errors as recorded by lm-evaluation-harness in its own test data.
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "harness/stats/proportion.hpp"
#include "tests/support/data.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;

namespace {

using assay::test::real;

// from_chars, because std::stod would read the point of the locale.
}  // namespace

TEST_CASE("standard errors recorded by lm-evaluation-harness are reproduced", "[parity][statistics]") {
  ASSAY_NEEDS_DATA(root);
  std::ifstream file(root / "statistics" / "recorded_stderr.tsv");
  std::string line;
  std::getline(file, line);
  int rows = 0;
  while (std::getline(file, line)) {
    std::vector<std::string> field;
    std::stringstream stream(line);
    for (std::string part; std::getline(stream, part, '\t');) field.push_back(part);
    REQUIRE(field.size() == 9);
    INFO(line);
    const double n = real(field[3]);
    const double x = real(field[4]);
    CHECK(std::fabs(x / n - real(field[5])) <= 1e-12);
    CHECK(std::fabs(proportion_se(x, n) - real(field[6])) <= 1e-12);
    const Interval w = wilson(x, n, 0.95);
    CHECK(std::fabs(w.lo - real(field[7])) <= 1e-10);
    CHECK(std::fabs(w.hi - real(field[8])) <= 1e-10);
    ++rows;
  }
  CHECK(rows == 33);
}
