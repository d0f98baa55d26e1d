// Scores over time: which steps are tested, and that their p-values are those of the paired test.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "tests/unit/leaderboard_support.hpp"

using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test
using Catch::Approx;

namespace {

/// Item i is right unless wrong(i).
template <class Wrong>
std::vector<double> scored(std::size_t n, const Wrong& wrong) {
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = wrong(i) ? 0.0 : 1.0;
  return out;
}

/// Two-sided exact McNemar, from the binomial.
double mcnemar(int b, int c) {
  double sum = 0, choose = 1;
  for (int k = 0; k <= std::min(b, c); ++k) {
    sum += choose;
    choose = choose * (b + c - k) / (k + 1);
  }
  return std::min(1.0, 2 * sum / std::pow(2.0, b + c));
}

std::vector<History> histories_of(const std::vector<Planted>& planted) {
  const TempFolder folder;
  {
    auto store = Store::open(folder.file("x.db"));
    REQUIRE(text_of(store) == "");
    for (const Planted& one : planted) plant(**store, one);
  }
  auto reader = Reader::open(folder.file("x.db"));
  REQUIRE(text_of(reader) == "");
  auto made = leaderboard_history(**reader, {});
  REQUIRE(text_of(made) == "");
  return std::move(*made);
}

Planted on_day(int day, std::vector<double> numbers) {
  Planted p;
  p.numbers = std::move(numbers);
  p.started = "2026-11-0" + std::to_string(day) + "T00:00:00.000Z";
  return p;
}

}  // namespace

TEST_CASE("leaderboard: each run of a history is tested against the one before it, with Holm over the steps",
          "[leaderboard]") {
  // From the first run to the second 12 items are lost and 2 are won, then 3 lost and 1 won.
  const auto first = scored(100, [](std::size_t i) { return i < 20; });
  const auto second = scored(100, [](std::size_t i) { return (i >= 2 && i < 32); });
  const auto third = scored(100, [](std::size_t i) { return (i >= 3 && i < 35); });
  std::vector<Planted> planted = {on_day(3, third), on_day(1, first), on_day(2, second)};
  const std::vector<History> made = histories_of(planted);
  REQUIRE(made.size() == 1);
  const std::vector<HistoryPoint>& points = made[0].points;
  REQUIRE(points.size() == 3);
  CHECK_FALSE(points[0].delta);
  CHECK_FALSE(points[0].p);
  CHECK(*points[1].delta == Approx(-0.10));
  CHECK(*points[2].delta == Approx(-0.02));
  const double p1 = mcnemar(12, 2), p2 = mcnemar(3, 1);
  CHECK(*points[1].p == Approx(2 * p1).epsilon(1e-9));
  CHECK(*points[2].p == Approx(std::max(2 * p1, p2)).epsilon(1e-9));
  CHECK(points[1].change == -1);
  CHECK(points[2].change == 0);
}

TEST_CASE("leaderboard: what is lower and better improves when it falls", "[leaderboard]") {
  std::vector<Planted> planted = {on_day(1, scored(100, [](std::size_t i) { return i < 10; })),
                                  on_day(2, scored(100, [](std::size_t i) { return i < 50; }))};
  for (Planted& p : planted) p.direction = 2;
  const std::vector<History> made = histories_of(planted);
  CHECK(made[0].points[1].change == 1);
}

TEST_CASE("leaderboard: other weights under one name are one history, another recipe is not tested",
          "[leaderboard]") {
  std::vector<Planted> planted = {on_day(1, answers(100, 1)), on_day(2, answers(100, 6)),
                                  on_day(3, answers(100, 1))};
  planted[1].weights = "trained on";
  planted[2].recipe = "another";
  const std::vector<History> made = histories_of(planted);
  REQUIRE(made.size() == 1);
  CHECK(made[0].points[1].fingerprint != made[0].points[0].fingerprint);
  CHECK(made[0].points[1].change == -1);
  CHECK_FALSE(made[0].points[2].delta);
  CHECK(made[0].points[2].change == 0);
  const Json tree = history_json(made);
  CHECK(tree["histories"][0]["points"][1]["change"] == "regressed");
  CHECK(tree["histories"][0]["points"][2]["change"].is_null());
  CHECK(history_text(made, false).find("regressed") != std::string::npos);
}
