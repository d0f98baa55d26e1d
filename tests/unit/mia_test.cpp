// Membership-inference metrics: which request is attacked, what is missing, edge cases of the formulas.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "mia_metrics.hpp"
#include "tests/unit/generic_fakes.hpp"

using namespace assay;
using Catch::Matchers::WithinRel;

namespace {
const std::vector<double> kLogprob = {-1, -4, -2, -3, -0.5};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
}  // namespace

TEST_CASE("kept tokens are counted in double precision", "[mia]") {
  CHECK(mia::kept_count(90, 0.7) == 62);  // 0.7 * 90 = 62.99999999999999
  CHECK(mia::kept_count(4, 0.2) == 0);
  CHECK(mia::kept_count(5, 0.2) == 1);
}

TEST_CASE("Min-K variants differ exactly where nothing is kept and in the count", "[mia]") {
  const std::vector<double> short_text = {-1, -4, -2, -3};
  CHECK(mia::mink(short_text, 0.2, mia::MinkVariant::kGuard).value == -4);
  const mia::Score none = mia::mink(short_text, 0.2, mia::MinkVariant::kShi);
  CHECK(std::isnan(none.value));
  CHECK(none.reason.starts_with("too_short"));
  // Five tokens with the unscored one: one token is kept.
  CHECK(mia::mink(short_text, 0.2, mia::MinkVariant::kDcpddCount).value == -4);
  CHECK(mia::mink(kLogprob, 0.4, mia::MinkVariant::kShi).value == -3.5);
  CHECK(mia::maxk(kLogprob, 0.4).value == -0.75);
  CHECK(mia::mink(kLogprob, 1.0, mia::MinkVariant::kGuard).value == mia::loss(kLogprob).value);
}

TEST_CASE("texts without scored tokens have no score", "[mia]") {
  const std::vector<double> none;
  CHECK(std::isnan(mia::loss(none).value));
  CHECK(std::isnan(mia::mink(none, 0.2, mia::MinkVariant::kGuard).value));
  CHECK(std::isnan(mia::maxk(none, 0.2).value));
  CHECK(std::isnan(mia::minkpp(none, none, none, 0.2, mia::MinkppVariant::kFloor).value));
  CHECK(std::isnan(mia::surp(none, none, 40, 2).value));
  CHECK(std::isnan(mia::gapk(none, none, none, 0.2, 3).value));
}

TEST_CASE("SURP without a selected token has no score, or -100 as its source says", "[mia]") {
  const std::vector<double> high(5, 9.0);
  CHECK(std::isnan(mia::surp(kLogprob, high, 40, 2).value));
  CHECK(mia::surp(kLogprob, high, 40, 2, true).value == -100);
  const std::vector<double> low(5, 0.1);
  CHECK(mia::surp(kLogprob, low, 40, 2).value == -3.5);
}

TEST_CASE("reference and lower-case comparisons", "[mia]") {
  CHECK(mia::reference(-2, -3, mia::ReferenceVariant::kDiff).value == 1);
  CHECK_THAT(mia::reference(-2, -3, mia::ReferenceVariant::kRatio).value, WithinRel(-2.0 / 3.0, 1e-15));
  CHECK_THAT(mia::reference(-2, -3, mia::ReferenceVariant::kPplRatio).value,
             WithinRel(-std::exp(-1.0), 1e-15));
  CHECK(std::isnan(mia::reference(-2, 0, mia::ReferenceVariant::kRatio).value));
  CHECK(mia::lowercase(-2, -3, false).value == 1.5);
  CHECK_THAT(mia::lowercase(-2, -3, true).value, WithinRel(-2.0 / 3.0, 1e-15));
}

TEST_CASE("the first token of a model without begin-of-text is left out of every array", "[mia]") {
  test::FakeRecord record;
  record.text("abc").scored("text", "abc",
                            {{ASSAY_STAT_LOGPROB, {kNaN, -2, -4}},
                             {ASSAY_STAT_MEAN_LP, {kNaN, -3, -3}},
                             {ASSAY_STAT_VAR_LP, {kNaN, 1, 4}}});
  mia::Loss loss;
  CHECK(test::score(loss, record).values[0] == -3);
  mia::Minkpp minkpp;
  REQUIRE(test::set_number(minkpp, "k", 1.0));
  CHECK(test::score(minkpp, record).values[0] == (1.0 - 0.5) / 2);
}

TEST_CASE("the attacked request is `text`, or the first one of the model under test", "[mia]") {
  test::FakeRecord record;
  record.text("abc")
      .scored("reference", "abc", {{ASSAY_STAT_LOGPROB, {-9}}}, -1, "reference")
      .scored("answer", "abc", {{ASSAY_STAT_LOGPROB, {-2}}});
  mia::Loss loss;
  CHECK(test::score(loss, record).values[0] == -2);
  mia::Reference reference;
  CHECK(test::score(reference, record).values[0] == 7);
  mia::Lowercase lowercase;
  const test::Scored missing = test::score(lowercase, record);
  CHECK(std::isnan(missing.values[0]));
  CHECK(missing.outcome.state == State::kUnsupported);
}

TEST_CASE("an absent statistic is unsupported, never approximated", "[mia]") {
  test::FakeRecord record;
  record.text("abc").scored("text", "abc", {{ASSAY_STAT_LOGPROB, {-2, -4}}});
  mia::Minkpp minkpp;
  mia::Surp surp;
  mia::Gapk gapk;
  for (Metric* metric :
       {static_cast<Metric*>(&minkpp), static_cast<Metric*>(&surp), static_cast<Metric*>(&gapk)}) {
    const test::Scored scored = test::score(*metric, record);
    CHECK(std::isnan(scored.values[0]));
    CHECK(scored.outcome.state == State::kUnsupported);
    CHECK(scored.outcome.note.starts_with("missing_capability"));
  }
}

TEST_CASE("a non-finite score is missing with a reason", "[mia]") {
  test::FakeRecord record;
  record.text("abc").scored("text", "abc",
                            {{ASSAY_STAT_LOGPROB, {-2, -std::numeric_limits<double>::infinity()}}});
  mia::Mink mink;
  const test::Scored scored = test::score(mink, record);
  CHECK(std::isnan(scored.values[0]));
  CHECK(scored.outcome.note.starts_with("non_finite"));
}

TEST_CASE("zlib divides by bytes, or by bytes per character", "[mia]") {
  CHECK(mia::zlib(-2, 50).value == -0.04);
  CHECK(mia::zlib(-2, 50, 100).value == -4);
  test::FakeRecord record;
  record.text("hello hello hello").scored("text", "hello hello hello", {{ASSAY_STAT_LOGPROB, {-2, -4}}});
  mia::Zlib zlib;
  const auto length = text::zlib_length("hello hello hello");
  REQUIRE(length.ok());
  CHECK(test::score(zlib, record).values[0] == -3.0 / static_cast<double>(*length));
}
