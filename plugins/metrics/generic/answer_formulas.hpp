// Scores of free answers and of multiple choice. Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace assay::generic {

enum class Normaliser : std::uint8_t {
  kNone,   ///< as it is
  kStrip,  ///< without white space at both ends
  kSquad,  ///< lower case, no ASCII punctuation, no articles, single blanks (rajpurkar/SQuAD-explorer)
};
std::string normalise(std::string_view text, Normaliser normaliser, bool fold_case);

/// What a tie for the best score means.
enum class Ties : std::uint8_t {
  kFirst,       ///< the first of the best is taken (argmax of EleutherAI/lm-evaluation-harness)
  kFractional,  ///< the share of true choices among the best
  kWrong,       ///< 0
};
/// Value of an item whose choices have these scores and truths, in [0, 1]. Precondition: equal sizes, not
/// empty, all scores are numbers.
double choice_value(std::span<const double> scores, std::span<const std::uint8_t> truths, Ties ties);

}  // namespace assay::generic
