// What stored rows mean for a score: the one home of the rule "no value counts as the worst one", and of what
// values of two tokenizers can say together.
//
// An answer that the model caused to have no value (empty, refused, truncated, unparsed) counts as the worst
// value where the score is an average of values from 0 to 1; whatever else has no finite value stays out
// (specs/statistics.md section 3, policy `missing`).
#pragma once

#include <cstddef>

#include "db/queries.hpp"

namespace assay::host {

struct AnswerValue {
  double x = 0;           ///< finite, or NaN: stays out
  bool as_worst = false;  ///< x stands in for a value that the answer lacks
};
/// The value of row `row` in per-item column `column` (index into MetricTable::columns) by the rule of
/// `value`.
AnswerValue answer_value(const MetricTable& table, std::size_t row, std::size_t column,
                         const ValueRow& value);

/// The model's tokenizer (64 hex digits over vocabulary and merges) as its identity keeps it; empty: unknown.
std::string tokenizer_of(const ModelRow& model);
/// Both tokenizers are known and they differ.
bool other_tokenizer(const ModelRow& a, const ModelRow& b);
/// The value is an amount per token, so that models with other tokenizers have another unit.
bool per_token(const ValueRow& value);

}  // namespace assay::host
