// Detectors: outcomes, orientation and edge cases of the formulas.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "detection_metrics.hpp"
#include "tests/unit/generic_fakes.hpp"

using namespace assay;

namespace {
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
}

TEST_CASE("LRR without a spread of ranks has no value", "[detection]") {
  const std::vector<double> l = {-1, -2};
  const detection::Score score = detection::lrr(l, std::vector<double>{1, 1});
  CHECK(std::isnan(score.value));
  CHECK(score.reason.starts_with("zero_denominator"));
  CHECK(detection::lrr(l, std::vector<double>{1, 2}).value > 0);
  CHECK(detection::lrr(l, std::vector<double>{1, 2}, true).value < 0);
}

TEST_CASE("a negative variance counts as zero", "[detection]") {
  const std::vector<double> l = {-1, -2};
  const std::vector<double> mu = {-2, -2};
  CHECK(detection::fastdetect_one_model(l, mu, std::vector<double>{-1e-18, 4}).value == 0.5);
  CHECK(detection::fastdetect_one_model(l, mu, std::vector<double>{-1e-18, 0})
            .reason.starts_with("zero_denominator"));
}

TEST_CASE("GLTR bins count ranks from zero", "[detection]") {
  const std::vector<double> ranks = {1, 10, 11, 12, 100, 101, 1000, 1001};
  CHECK(detection::gltr_bins(ranks) == std::array<std::size_t, 4>{2, 3, 2, 1});
  CHECK(detection::gltr_frac10(ranks).value == 3.0 / 8.0);  // ranks 1, 10 and 11
}

TEST_CASE("Lastde needs enough tokens and bins", "[detection]") {
  detection::LastdeSettings settings;
  const std::vector<double> l = {-1, -3, -2, -5, -1, -4, -2};
  CHECK(detection::lastde(l, settings).reason.starts_with("too_short"));  // 8 tokens are needed
  const std::vector<double> enough = {-1, -3, -2, -5, -1, -4, -2, -6};
  CHECK(std::isfinite(detection::lastde(enough, settings).value));
  settings.epsilon = 0.1;  // not even two bins
  CHECK(detection::lastde(enough, settings).reason.starts_with("too_short"));
}

TEST_CASE("detectors refuse short texts and absent statistics with a reason", "[detection]") {
  test::FakeRecord record;
  record.scored("text", "abc", {{ASSAY_STAT_LOGPROB, {kNaN, -2}}, {ASSAY_STAT_RANK, {kNaN, 3}}});
  detection::Likelihood likelihood;
  CHECK(test::score(likelihood, record).values[0] == -2);
  REQUIRE(test::set_number(likelihood, "min_tokens", 2));
  const test::Scored too_short = test::score(likelihood, record);
  CHECK(std::isnan(too_short.values[0]));
  CHECK(too_short.outcome.note.starts_with("too_short"));
  detection::MeanRank rank;
  CHECK(test::score(rank, record).values[0] == -3);
  detection::FastDetect fastdetect;
  const test::Scored missing = test::score(fastdetect, record);
  CHECK(missing.outcome.state == State::kUnsupported);
  CHECK(missing.outcome.note.starts_with("missing_capability"));
}

TEST_CASE("a token with half a record is not used", "[detection]") {
  test::FakeRecord record;
  record.scored("text", "abc", {{ASSAY_STAT_LOGPROB, {-1, -2}}, {ASSAY_STAT_RANK, {kNaN, 3}}});
  detection::Lrr lrr;
  const test::Scored scored = test::score(lrr, record);
  CHECK(std::isnan(scored.values[0]));
  CHECK(scored.outcome.state == State::kUnsupported);
}

TEST_CASE("recorded scores keep or turn their direction as declared", "[detection]") {
  test::FakeRecord record;
  record.classified(0.75);
  detection::Recorded recorded;
  CHECK(test::score(recorded, record).values[0] == 0.75);
  assay_value no{};
  REQUIRE(test::set(recorded, "higher_is_machine", no));
  CHECK(test::score(recorded, record).values[0] == -0.75);
  test::FakeRecord missing;
  missing.classified(kNaN);
  CHECK(std::isnan(test::score(recorded, missing).values[0]));
}

TEST_CASE("Lastde reads its settings from the parameters", "[detection]") {
  std::vector<double> l;
  for (int i = 0; i < 40; ++i) l.push_back(-1.0 - std::fmod(7.3 * i, 3.1));
  test::FakeRecord record;
  record.scored("text", "abc", {{ASSAY_STAT_LOGPROB, l}});
  detection::Lastde lastde;
  REQUIRE(test::set(lastde, "aggregator", "exp_range"));
  REQUIRE(test::set_number(lastde, "scales", 15));
  REQUIRE(test::set_number(lastde, "epsilon", 1));
  REQUIRE(lastde.configure().ok());
  detection::LastdeSettings settings;
  settings.epsilon = 1;
  settings.scales = 15;
  settings.aggregator = detection::Aggregator::kExpRange;
  CHECK(test::score(lastde, record).values[0] == detection::lastde(l, settings).value);
}
