// Bradley-Terry strengths and errors against choix and statsmodels (vectors/bradley_terry.json, written by
// tools/make_bradley_terry_vectors.py).
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/stats/bradley_terry.hpp"
#include "tests/support/places.hpp"

using namespace assay::stats;

namespace {

double worst(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double most = 0;
  for (std::size_t i = 0; i < got.size(); ++i) most = std::max(most, std::fabs(got[i] - expected[i]));
  return most;
}

}  // namespace

TEST_CASE("Bradley-Terry strengths and errors are those of choix and statsmodels", "[parity][statistics]") {
  std::ifstream file(assay::test::source_dir() / "tests/parity/vectors/bradley_terry.json");
  REQUIRE(file);
  const nlohmann::json tree = nlohmann::json::parse(file);
  REQUIRE(tree["cases"].size() == 5);
  for (const nlohmann::json& one : tree["cases"]) {
    INFO(one["name"]);
    const auto scores = one["scores"].get<std::vector<std::vector<double>>>();
    const auto units = one["units"].get<std::vector<std::string>>();
    const auto strength = one["strength"].get<std::vector<double>>();
    std::vector<double> wins;
    for (const nlohmann::json& row : one["wins"]) {
      for (const nlohmann::json& x : row) wins.push_back(x.get<double>());
    }
    const BradleyTerry plain = bradley_terry(wins, scores.size());
    CHECK(plain.se_method == "information");
    CHECK(worst(plain.strength, strength) < 1e-9);
    CHECK(worst(plain.se, one["se_information"].get<std::vector<double>>()) < 1e-9);
    BradleyTerryTask task;
    task.scores.assign(scores.begin(), scores.end());
    task.units = units;
    for (const bool shared : {false, true}) {
      const BradleyTerry grouped = bradley_terry({&task, 1}, shared);
      CHECK(grouped.se_method == "sandwich");
      CHECK(worst(grouped.strength, strength) < 1e-9);
      CHECK(worst(grouped.se, one["se_sandwich"].get<std::vector<double>>()) < 1e-9);
    }
  }
}
