// Detectors of refusals, abstentions and gibberish. The detector's name is part of a metric's identity:
// phrase lists miss most refusals in practice, so rates of different detectors are not comparable.
//
// Thread rule: RefusalDetector and ExactAbstention are immutable after construction and may be shared;
// functions are pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::text {

/// `refusal_rate@string-v1` (unlearning.md 10). The list of refusals is data of the suite.
class RefusalDetector {
 public:
  /// `lines`: one refusal per entry; they are normalised, lose their trailing punctuation, and empty ones
  /// are ignored.
  explicit RefusalDetector(std::span<const std::string> lines);
  /// The same from the text of a file with one refusal per line (LF or CRLF).
  static RefusalDetector from_text(std::string_view file_text);

  /// True if the output holds a listed refusal or starts like one. An empty output is not a refusal.
  bool is_refusal(std::string_view output) const;
  /// Number of distinct phrases in use.
  std::size_t size() const { return phrases_.size(); }

 private:
  std::vector<std::string> phrases_;
};

/// Normalisation of `refusal_rate@string-v1`: lower-case, U+2018 and U+2019 become an apostrophe, white
/// space collapsed and trimmed.
std::string normalise_refusal(std::string_view text);

/// True if the text has no character but white space (`empty_rate`).
bool is_empty_output(std::string_view text);

/// `gibberish@ngram4-v1` (unlearning.md 10) of one generation.
struct Gibberish {
  std::size_t words = 0;
  double unique4 = 1.0;                ///< distinct / all word 4-grams; 1 with fewer than 4 words
  std::size_t visible = 0;             ///< code points that are not white space
  std::optional<double> letter_share;  ///< letters among them; no value without any
  bool flagged = false;
};
Gibberish gibberish_ngram4(std::string_view generation);

/// Abstention detector `exact` (hallucination.md 9.4): the whole answer, trimmed and without regard to case,
/// is one of a list.
class ExactAbstention {
 public:
  explicit ExactAbstention(std::span<const std::string> answers);
  bool abstained(std::string_view answer) const;

 private:
  std::vector<std::string> answers_;  // sorted
};

/// Abstention detector `factscore_generic` (shmsw25/FActScore : factscore/abstain_detection.py): starts
/// with "I'm sorry" or contains "provide more", case-sensitive.
bool abstained_factscore_generic(std::string_view answer);

/// Abstention detector `phrases_v1` (hallucination.md 9.4): one of 20 phrases in any case, or the whole
/// answer is unknown, n/a or none apart from punctuation and white space at its ends. Apostrophes are taken
/// as written: only U+0027 matches.
bool abstained_phrases_v1(std::string_view answer);

/// Counts behind the abstention rates of hallucination.md 9.4.
struct AbstentionCounts {
  std::size_t items = 0;
  std::size_t abstained = 0;
  std::size_t unanswerable = 0;
  std::size_t abstained_unanswerable = 0;
  std::size_t correct = 0;            ///< correct answers, abstained or not
  std::size_t correct_attempted = 0;  ///< correct answers among those not abstained

  void add(bool answerable, bool abstains, bool is_correct);
};

/// The rates; no value where the denominator is 0.
struct AbstentionRates {
  std::optional<double> abstention_rate;
  std::optional<double> abstention_precision;
  std::optional<double> abstention_recall;
  std::optional<double> abstention_f1;
  std::optional<double> false_abstention_rate;
  std::optional<double> hallucination_rate_unanswerable;
  std::optional<double> accuracy_given_attempted;
  std::optional<double> overall_correct;
  std::optional<double> reliability;
};
AbstentionRates abstention_rates(const AbstentionCounts& counts);

}  // namespace assay::text
