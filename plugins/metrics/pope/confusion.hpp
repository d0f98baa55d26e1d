// Counts of yes/no answers and the figures of POPE made from them (RUCAIBox/POPE : evaluate.py, with
// undefined values left undefined).
#pragma once

#include <cstdint>

namespace assay::pope {

/// What an answer says.
enum class Answer : std::uint8_t { kNo, kYes, kUnknown };

/// How unknown answers count (hallucination.md 7.3).
enum class Treatment : std::uint8_t {
  kAsYes,
  kAsNo,
  kExcluded,  ///< as if the question had not been asked
  kAsWrong,   ///< in the denominator of accuracy; on a yes item a missed one
};

struct Confusion {
  std::int64_t tp = 0, fp = 0, tn = 0, fn = 0;
  std::int64_t unknown_on_yes = 0, unknown_on_no = 0;

  void add(bool gold_yes, Answer answer);
  [[nodiscard]] std::int64_t unknown() const { return unknown_on_yes + unknown_on_no; }
};

/// Positive class yes; NaN: undefined (denominator 0).
struct Figures {
  double accuracy, precision, recall, f1, yes_ratio;
};
Figures figures(const Confusion& counts, Treatment treatment);

}  // namespace assay::pope
