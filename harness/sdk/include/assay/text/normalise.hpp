// Normalisers of short answers, exact match, token F1 and substring rules, for one and for several golds.
//
// Thread rule: pure functions. Scores over several golds are std::nullopt when there is no gold at all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace assay::text {

/// Normaliser `squad` (hallucination.md 9.1; rajpurkar/SQuAD-explorer evaluation script): lower-case, delete
/// the 32 ASCII punctuation characters, replace the whole words a, an, the by a blank, collapse white
/// space. "Whole word" is decided as by \b of Python's re: letters, numbers and the low line belong to
/// words, combining marks do not.
std::string normalise_squad(std::string_view text);

/// Normaliser of unlearning.md 3.4: NFC, lower-case, collapse white space, strip punctuation (Unicode P*)
/// and white space from both ends.
std::string normalise_answer(std::string_view text);

/// Equality after `squad`.
bool exact_match(std::string_view prediction, std::string_view gold);

/// How a token F1 treats texts without tokens and yes/no answers (hallucination.md 9.1).
enum class F1Variant : std::uint8_t {
  kSquad2,  ///< a side without tokens: 1 if both have none, else 0 (SQuAD 2, ALCE); the default elsewhere
  kSquad1,  ///< 0 whenever no token is shared, also for two empty texts (LongBench, L-CiteEval)
  kHotpot,  ///< 0 if one side is yes, no or noanswer and the sides differ, else as kSquad1 (HotpotQA)
};

/// Token multiset F1 of the `squad` forms, in [0, 1].
double token_f1(std::string_view prediction, std::string_view gold, F1Variant variant = F1Variant::kSquad2);

/// Largest exact match over the golds: 0 or 1.
std::optional<bool> exact_match_max(std::string_view prediction, std::span<const std::string> golds);
/// Largest token F1 over the golds.
std::optional<double> token_f1_max(std::string_view prediction, std::span<const std::string> golds,
                                   F1Variant variant = F1Variant::kSquad2);
/// True if some `squad`-normalised gold is part of the normalised prediction; a gold that normalises to the
/// empty text always is (hallucination.md 9.2, ALCE str_em).
std::optional<bool> substring_norm_any(std::string_view prediction, std::span<const std::string> golds);
/// True if some gold, as it is, lower-cased, or with only its first letter upper-case, is part of the raw
/// prediction (hallucination.md 9.2). The upper-case form is the simple title-case mapping.
std::optional<bool> substring_raw_lower_cap_any(std::string_view prediction,
                                                std::span<const std::string> golds);

/// `contains` of unlearning.md 3.4: the gold occurs in the output, both through normalise_answer. No value
/// if the gold normalises to the empty text, since that occurs everywhere.
std::optional<bool> contains_answer(std::string_view output, std::string_view gold);
/// `exact` of unlearning.md 3.4: equality after normalise_answer.
bool exact_answer(std::string_view output, std::string_view gold);
/// `f1` of unlearning.md 3.4: bag of words after normalise_answer; 1 if both sides have no word, 0 if one.
double bag_of_words_f1(std::string_view output, std::string_view gold);

}  // namespace assay::text
