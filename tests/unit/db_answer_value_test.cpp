// The one rule for answers without a value.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "assay/plugin.h"
#include "db/answer_value.hpp"

using namespace assay::host;

TEST_CASE("db: an answer without a value counts as the worst one only where the model caused it", "[db]") {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  MetricTable table;
  table.columns = {0, 1};
  const auto judged = [&](double number, int state, int rule, int direction, double max) {
    table.numbers = {7, 7, 7, number};  // row 1, column 1
    table.score_states = {ASSAY_STATE_OK, static_cast<std::uint8_t>(state)};
    ValueRow value;
    value.rule = rule;
    value.direction = direction;
    value.min = 0;
    value.max = max;
    return answer_value(table, 1, 1, value);
  };
  const int higher = ASSAY_HIGHER_IS_BETTER, lower = ASSAY_LOWER_IS_BETTER;
  for (int state = 0; state < 8; ++state) {
    const bool own = state == ASSAY_STATE_EMPTY || state == ASSAY_STATE_REFUSED ||
                     state == ASSAY_STATE_TRUNCATED || state == ASSAY_STATE_UNPARSED;
    for (const int rule : {ASSAY_RULE_PROPORTION, ASSAY_RULE_MEAN}) {
      const AnswerValue up = judged(kNaN, state, rule, higher, 1), down = judged(kNaN, state, rule, lower, 1);
      INFO(state);
      CHECK(up.as_worst == own);
      CHECK(down.as_worst == own);
      if (own) {
        CHECK(up.x == 0);
        CHECK(down.x == 1);
      } else {
        CHECK(std::isnan(up.x));
      }
      // Outside 0..1 no number is known to be the worst.
      CHECK(std::isnan(judged(kNaN, state, rule, higher, 100).x));
      CHECK(std::isnan(judged(kNaN, state, rule, higher, kNaN).x));
    }
    for (const int rule : {ASSAY_RULE_AUROC, ASSAY_RULE_RATIO, ASSAY_RULE_EXP_MEAN})
      CHECK(std::isnan(judged(kNaN, state, rule, higher, 1).x));
    // A value is a value in whatever state.
    CHECK(judged(0.25, state, ASSAY_RULE_MEAN, higher, 1).x == 0.25);
    CHECK_FALSE(judged(0.25, state, ASSAY_RULE_MEAN, higher, 1).as_worst);
  }
  CHECK(std::isnan(judged(INFINITY, ASSAY_STATE_OK, ASSAY_RULE_MEAN, higher, 1).x));
  CHECK(judged(-INFINITY, ASSAY_STATE_EMPTY, ASSAY_RULE_MEAN, higher, 1).x == 0);
}
