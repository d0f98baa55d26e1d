// Metrics that fit any task: answers, choices, perplexity.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <vector>

#include "generic_metrics.hpp"
#include "tests/unit/generic_fakes.hpp"

using namespace assay;
using Catch::Matchers::WithinRel;

namespace {

test::Scored of(Metric& metric, std::string_view answer, const std::vector<std::string_view>& targets,
                Finish finish = Finish::kStop) {
  test::FakeRecord record;
  for (const std::string_view target : targets) record.target(target);
  record.generated(answer, finish);
  return test::score(metric, record);
}

}  // namespace

TEST_CASE("exact match by normal form", "[generic]") {
  generic::ExactMatch metric;
  CHECK(of(metric, " Paris\n", {"London", "Paris"}).values[0] == 1);
  CHECK(of(metric, "paris", {"Paris"}).values[0] == 0);
  assay_value yes{};
  yes.integer = 1;
  REQUIRE(test::set(metric, "fold_case", yes));
  CHECK(of(metric, "PARIS", {"Paris"}).values[0] == 1);
  REQUIRE(test::set(metric, "normalise", "squad"));
  CHECK(of(metric, "The Eiffel-Tower!", {"eiffeltower"}).values[0] == 1);
  REQUIRE(test::set(metric, "normalise", "none"));
  CHECK(of(metric, " Paris", {"Paris"}).values[0] == 0);
}

TEST_CASE("answers that say nothing are states, not zeros", "[generic]") {
  generic::ExactMatch exact;
  generic::TokenF1 f1;
  generic::Contains contains;
  for (Metric* metric :
       {static_cast<Metric*>(&exact), static_cast<Metric*>(&f1), static_cast<Metric*>(&contains)}) {
    const test::Scored empty = of(*metric, " \n", {"Paris"});
    CHECK(std::isnan(empty.values[0]));
    CHECK(empty.outcome.state == State::kEmpty);
    CHECK(of(*metric, "", {"Paris"}, Finish::kFilter).outcome.state == State::kRefused);
    CHECK(of(*metric, "Paris", {}).outcome.state == State::kUnsupported);
  }
  CHECK(of(contains, "It is Paris, I think", {"paris"}).values[0] == 1);
  CHECK(of(contains, "It is Rome", {"paris"}).values[0] == 0);
  CHECK(std::isnan(of(contains, "It is Rome", {" "}).values[0]));
  CHECK_THAT(of(f1, "the city of Paris", {"Paris, city", "Rome"}).values[0], WithinRel(0.8, 1e-12));
}

TEST_CASE("choices are ranked by log-probability, its norms and its ties", "[generic]") {
  // Sums -3 and -4; per character -3/2 and -4/8; tokens 1 and 4.
  const auto record = [](test::FakeRecord& r) -> test::FakeRecord& {
    return r.scored("choice/0", " no", {{ASSAY_STAT_LOGPROB, {-3}}}, 0)
        .scored("choice/1", " probably", {{ASSAY_STAT_LOGPROB, {-1, -1, -1, -1}}}, 1);
  };
  const auto values = [&](const char* normalisation) {
    generic::ChoiceAccuracy metric;
    REQUIRE(test::set(metric, "normalisation", normalisation));
    test::FakeRecord r;
    return test::score(metric, record(r), 3).values;
  };
  CHECK(values("none") == std::vector<double>{0, 0, 1});
  CHECK(values("chars") == std::vector<double>{1, 0, 1});
  CHECK(values("bytes") == std::vector<double>{1, 0, 1});
  CHECK(values("tokens") == std::vector<double>{1, 0, 1});
}

TEST_CASE("ties between choices follow the variant", "[generic]") {
  const std::vector<double> tied = {-2, -1, -1};
  const std::vector<std::uint8_t> last = {0, 0, 1};
  CHECK(generic::choice_value(tied, last, generic::Ties::kFirst) == 0);
  CHECK(generic::choice_value(tied, last, generic::Ties::kFractional) == 0.5);
  CHECK(generic::choice_value(tied, last, generic::Ties::kWrong) == 0);
  const std::vector<std::uint8_t> both = {0, 1, 1};
  CHECK(generic::choice_value(tied, both, generic::Ties::kFirst) == 1);
  CHECK(generic::choice_value(tied, both, generic::Ties::kFractional) == 1);
}

TEST_CASE("a choice without a score, or no truth, leaves the item without value", "[generic]") {
  generic::ChoiceAccuracy metric;
  test::FakeRecord unscored;
  unscored.scored("choice/0", " a", {{ASSAY_STAT_LOGPROB, {kMissing}}}, 1);
  CHECK(std::isnan(test::score(metric, unscored, 3).values[0]));
  test::FakeRecord untrue;
  untrue.scored("choice/0", " a", {{ASSAY_STAT_LOGPROB, {-1}}}, 0);
  CHECK(std::isnan(test::score(metric, untrue, 3).values[0]));
  test::FakeRecord none;
  none.generated("a");
  CHECK(test::score(metric, none, 3).outcome.state == State::kUnsupported);
}

TEST_CASE("perplexity counts tokens and bytes", "[generic]") {
  generic::Perplexity metric;
  test::FakeRecord record;
  record.scored("answer", "four", {{ASSAY_STAT_LOGPROB, {kMissing, -1, -3}}});
  const test::Scored scored = test::score(metric, record, 5);
  CHECK(scored.values[0] == 2);
  CHECK(scored.values[1] == 4);
  CHECK(scored.values[2] == 2);
  CHECK_THAT(scored.values[3], WithinRel(4 / std::log(2.0), 1e-15));
  CHECK(scored.values[4] == 4);
  test::FakeRecord empty;
  empty.scored("answer", "f", {{ASSAY_STAT_LOGPROB, {kMissing}}});
  CHECK(test::score(metric, empty, 5).outcome.state == State::kEmpty);
}
