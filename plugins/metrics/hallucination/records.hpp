// What the metrics of this folder read from a record: the greedy answer, the candidates, the samples.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/metric.hpp"

namespace assay::hallucination {

/// A generated text up to the sentence end " .", trimmed.
std::string_view answer_part(std::string_view text);

/// The greedy answer: the request "answer", or the first GENERATE request of one sample.
struct Answer {
  Outcome outcome;        ///< not ok: why there is no answer
  std::string_view text;  ///< answer_part()
  ResponseView response{nullptr};
};
Answer read_answer(const Record& item);

/// Tokens of sample `i` that belong to answer_part(): their log-probabilities, sum and mean. NaN: not
/// delivered.
struct Likelihood {
  double sum = kMissing, mean = kMissing;
};
Likelihood answer_likelihood(const ResponseView& response, std::size_t i);

/// True if the trimmed answer is one of the item's targets, word for word.
bool is_correct(const Record& item, std::string_view answer);

/// Summed log-probabilities of the SCORE requests whose name begins with `prefix`.
struct Choices {
  Outcome outcome;
  std::vector<double> scores;
  std::vector<std::size_t> requests;
  std::size_t gold = 0;  ///< index of the one labelled true

  /// The one highest score; none when two are equal.
  [[nodiscard]] std::optional<std::size_t> chosen() const;
};
void read_choices(const Record& item, std::string_view prefix, Choices& out);

}  // namespace assay::hallucination
