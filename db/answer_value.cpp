#include "db/answer_value.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "assay/plugin.h"
#include "harness/base/json.hpp"

namespace assay::host {
namespace {

// Leaving such an answer out would flatter the model.
bool model_caused(int state) {
  return state == ASSAY_STATE_EMPTY || state == ASSAY_STATE_REFUSED || state == ASSAY_STATE_TRUNCATED ||
         state == ASSAY_STATE_UNPARSED;
}

}  // namespace

AnswerValue answer_value(const MetricTable& table, std::size_t row, std::size_t column,
                         const ValueRow& value) {
  const double x = table.numbers[row * table.columns.size() + column];
  if (std::isfinite(x)) return {x, false};
  const bool averaged = value.rule == ASSAY_RULE_PROPORTION || value.rule == ASSAY_RULE_MEAN;
  if (averaged && value.min == 0 && value.max == 1 && model_caused(table.score_states[row]))
    return {value.direction == ASSAY_LOWER_IS_BETTER ? value.max : value.min, true};
  return {std::numeric_limits<double>::quiet_NaN(), false};
}

std::string tokenizer_of(const ModelRow& model) {
  const Result<Json> identity = parse_json(model.identity_json, "the identity of a model");
  if (!identity || !identity->is_object()) return {};
  const auto at = identity->find("tokenizer");
  return at != identity->end() && at->is_string() ? at->get<std::string>() : std::string();
}

bool other_tokenizer(const ModelRow& a, const ModelRow& b) {
  const std::string x = tokenizer_of(a), y = tokenizer_of(b);
  return !x.empty() && !y.empty() && x != y;
}

bool per_token(const ValueRow& value) {
  return value.rule == ASSAY_RULE_EXP_MEAN ||
         (value.rule == ASSAY_RULE_RATIO && value.denominator == "tokens");
}

}  // namespace assay::host
