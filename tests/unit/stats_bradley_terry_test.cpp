// Bradley-Terry: closed forms, separation, and the error against a bootstrap of the same data.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "harness/stats/bradley_terry.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/summary.hpp"
#include "tests/support/numbers.hpp"

using namespace assay::stats;
using assay::test::near;

namespace {}  // namespace

TEST_CASE("Bradley-Terry: two models have the logit of their wins", "[stats][bradley_terry]") {
  const std::vector<double> wins = {0, 30, 10, 0};
  const BradleyTerry fit = bradley_terry(wins, 2);
  REQUIRE(fit.strength.size() == 2);
  CHECK(near(fit.strength[0] - fit.strength[1], std::log(3.0)));
  CHECK(near(fit.strength[0] + fit.strength[1], 0));
  // var(logit) = 1 / (n p q); the strength is half the difference.
  CHECK(near(fit.se[0], 0.5 / std::sqrt(40 * 0.75 * 0.25)));
}

TEST_CASE("Bradley-Terry: planted strengths without noise come back", "[stats][bradley_terry]") {
  // Wins in exactly the planted proportions, of pairs that met unequally often, one pair never.
  const std::vector<double> truth = {1.2, 0.3, -0.4, -1.1};
  std::vector<double> wins(16, 0.0);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      if (i == j || (i + j == 3 && (i == 0 || j == 0))) continue;
      const double met = 10.0 + 7.0 * static_cast<double>(i + j);
      wins[i * 4 + j] = met / (1 + std::exp(truth[j] - truth[i]));
    }
  }
  const BradleyTerry fit = bradley_terry(wins, 4);
  REQUIRE(fit.strength.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(near(fit.strength[i], truth[i]));
  CHECK(fit.iterations < 20);
}

TEST_CASE("Bradley-Terry: far apart, and still found", "[stats][bradley_terry]") {
  const std::vector<double> wins = {0, 1e6, 1, 0};
  const BradleyTerry fit = bradley_terry(wins, 2);
  REQUIRE(fit.strength.size() == 2);
  CHECK(near(fit.strength[0] - fit.strength[1], std::log(1e6), 1e-8));
}

TEST_CASE("Bradley-Terry: without a maximum there is no number, and the split is named",
          "[stats][bradley_terry]") {
  const auto undefined = [](const std::vector<double>& wins, std::size_t m) {
    const BradleyTerry fit = bradley_terry(wins, m);
    CHECK(fit.strength.empty());
    CHECK(fit.se.empty());
    CHECK_FALSE(fit.undefined.empty());
    return fit.never_won;
  };
  using List = std::vector<std::size_t>;
  // Model 2 loses everything; model 0 wins everything; two pairs that never met; nobody met.
  CHECK(undefined({0, 5, 4, 3, 0, 6, 0, 0, 0}, 3) == List{2});
  CHECK(undefined({0, 5, 4, 0, 0, 6, 0, 2, 0}, 3) == List{1, 2});
  CHECK(undefined({0, 5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 2, 0}, 4).size() == 2);
  CHECK(undefined({0, 0, 0, 0}, 2).size() == 1);
  CHECK(undefined({0}, 1).empty());
  // Half a win is enough to connect them.
  CHECK(bradley_terry(std::vector<double>{0, 5, 4, 3, 0, 6, 0.5, 0, 0}, 3).strength.size() == 3);
}

TEST_CASE("Bradley-Terry: the sandwich error is the bootstrap error over units", "[stats][bradley_terry]") {
  // Two tasks of unequal size whose documents they share; items of a document hang together.
  constexpr std::size_t kModels = 3, kUnits = 60;
  std::vector<std::vector<double>> scores[2];
  std::vector<std::string> units[2];
  std::uint32_t draw = 0;
  const auto next = [&] { return random_uniform(9, kStreamSelect, 0, draw++); };
  for (auto& task : scores) task.resize(kModels);
  for (std::size_t u = 0; u < kUnits; ++u) {
    double taste[kModels];
    for (double& x : taste) x = next();
    for (std::size_t t = 0; t < 2; ++t) {
      for (std::size_t k = 0; k < (t == 0 ? 4 : 1 + u % 3); ++k) {
        units[t].push_back("u" + std::to_string(u));
        for (std::size_t m = 0; m < kModels; ++m)
          scores[t][m].push_back(taste[m] + 0.7 * next() + 0.1 * static_cast<double>(m));
      }
    }
  }
  const auto fit = [&](const std::vector<std::size_t>* picks, bool shared) {
    std::vector<std::vector<double>> s[2];
    std::vector<std::string> ids[2];
    std::vector<BradleyTerryTask> tasks(2);
    for (std::size_t t = 0; t < 2; ++t) {
      s[t].resize(kModels);
      std::vector<std::size_t> order(kUnits);
      std::iota(order.begin(), order.end(), std::size_t{0});
      for (const std::size_t u : picks != nullptr ? *picks : order) {
        for (std::size_t i = 0; i < units[t].size(); ++i) {
          if (units[t][i] != "u" + std::to_string(u)) continue;
          ids[t].push_back(units[t][i]);
          for (std::size_t m = 0; m < kModels; ++m) s[t][m].push_back(scores[t][m][i]);
        }
      }
      tasks[t].scores.assign(s[t].begin(), s[t].end());
      tasks[t].units = ids[t];
    }
    return bradley_terry(tasks, shared);
  };
  const BradleyTerry whole = fit(nullptr, true);
  REQUIRE(whole.se.size() == kModels);
  constexpr std::uint32_t kB = 600;
  std::vector<std::vector<double>> replicates(kModels);
  for (std::uint32_t b = 0; b < kB; ++b) {
    std::vector<std::uint32_t> drawn(kUnits);
    random_indices(4, kStreamBootstrap, b, kUnits, drawn);
    const std::vector<std::size_t> picks(drawn.begin(), drawn.end());
    const BradleyTerry one = fit(&picks, true);
    REQUIRE(one.strength.size() == kModels);
    for (std::size_t m = 0; m < kModels; ++m) replicates[m].push_back(one.strength[m]);
  }
  for (std::size_t m = 0; m < kModels; ++m) {
    const double bootstrap = std::sqrt(variance(replicates[m]));
    INFO(whole.se[m] << " and " << bootstrap);
    // Monte Carlo error 1/sqrt(2B) = 2.9 %; the divisor C-1 and curvature another few.
    CHECK(std::fabs(whole.se[m] / bootstrap - 1) < 0.12);
  }
  // Taking the shared documents as two independent samples understates the error: the negative control.
  const BradleyTerry apart = fit(nullptr, false);
  CHECK(apart.strength == whole.strength);
  for (std::size_t m = 0; m < kModels; ++m) CHECK(apart.se[m] < 0.85 * whole.se[m]);
}

TEST_CASE("Bradley-Terry: one unit has no error; the order of items changes nothing",
          "[stats][bradley_terry]") {
  const std::vector<double> a = {1, 0, 1, 1}, b = {0, 1, 1, 0};
  std::vector<std::string> units(4, "same");
  BradleyTerryTask task{{a, b}, units};
  const BradleyTerry one = bradley_terry({&task, 1}, true);
  CHECK(one.strength.size() == 2);
  CHECK(one.se.empty());
  CHECK(one.se_method.empty());
  const std::vector<std::string> own = {"p", "q", "r", "s"}, turned = {"s", "r", "q", "p"};
  const std::vector<double> a2 = {1, 1, 0, 1}, b2 = {0, 1, 1, 0};
  BradleyTerryTask x{{a, b}, own}, y{{a2, b2}, turned};
  CHECK(near(bradley_terry({&x, 1}, false).se[0], bradley_terry({&y, 1}, false).se[0], 1e-14));
}
