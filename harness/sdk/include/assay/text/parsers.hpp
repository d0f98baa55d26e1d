// Parsers of judge and model outputs. A parser's name is part of a metric's identity: the rules below,
// including their odd consequences, are those of the named sources.
//
// std::nullopt means "unscored": the text holds no answer by that rule. Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::text {

/// Answer of a yes/no question.
enum class YesNo : std::uint8_t { kNo, kYes, kUnknown };

// --- POPE, hallucination.md 7.2 ---
/// `first_sentence` (official; RUCAIBox/POPE : evaluate.py): never kUnknown.
YesNo parse_pope_first_sentence(std::string_view text);
/// `opera` (shikiw/OPERA : pope_eval.py): never kUnknown.
YesNo parse_pope_opera(std::string_view text);
/// `three_way`: tells hedges and contradictory answers apart.
YesNo parse_pope_three_way(std::string_view text);

// --- HaluEval, hallucination.md 6.1; no value = `failed` ---
/// `substring_cs` (official; RUCAIBox/HaluEval : evaluation/evaluate.py).
std::optional<YesNo> parse_halueval_substring(std::string_view text);
/// `substring_cs_firstline`: the same on the text before the first line feed.
std::optional<YesNo> parse_halueval_substring_first_line(std::string_view text);
/// `word_ci_first`: first whole word yes or no in any case; also the variant `judge_text` of TruthfulQA.
std::optional<YesNo> parse_yes_no_word_first(std::string_view text);

// --- HaluEval 2.0, hallucination.md 6.2 ---
enum class FactClass : std::uint8_t { kFalse, kTrue, kUnknown };
/// Three-class parse of one judge line.
FactClass parse_halueval2_class(std::string_view judgement);
/// True if the statement counts as hallucinated: it contains "false", case-sensitive.
bool halueval2_is_false(std::string_view judgement);

// --- SimpleQA, hallucination.md 9.3 ---
enum class SimpleQaGrade : std::uint8_t { kCorrect, kIncorrect, kNotAttempted };
/// `first_char` (openai/simple-evals : simpleqa_eval.py): first A, B or C anywhere; none means C.
SimpleQaGrade parse_simpleqa_first_char(std::string_view text);
/// `strict_or_unscored`: first A, B or C standing as a whole word.
std::optional<SimpleQaGrade> parse_simpleqa_strict(std::string_view text);
/// `strict_word`: as strict_or_unscored, none means C.
SimpleQaGrade parse_simpleqa_strict_word(std::string_view text);

// --- Ratings ---
/// Rating 0..6 of MMHal-style judges (hallucination.md 8.3), `strict_or_unscored`: the lower-cased text
/// contains "rating: k" for exactly one k. (`mmhal_strict` takes 0 where there is no value.)
std::optional<int> parse_mmhal_rating(std::string_view text);
/// `last_number` (hallucination.md 16.1): the last decimal number, with sign and fraction.
std::optional<double> parse_last_number(std::string_view text);
/// Grade of the WPU judges (unlearning.md 9.4; UCSB-NLP-Chang/causal_unlearn): exactly one match of colon,
/// blank, double-bracketed digit, as in "Score: [[2]]".
std::optional<int> parse_double_bracket_grade(std::string_view text);

// --- SelfCheck, hallucination.md 11 ---
/// 0 if the trimmed lower-cased answer starts with yes, 1 with no (also not, none), else 0.5.
double parse_selfcheck_prompt(std::string_view text);

// --- FActScore, hallucination.md 10 ---
/// `true_false_text` (shmsw25/FActScore : factscore/factscorer.py): supported or not, never unscored.
bool parse_factscore_text(std::string_view text);
/// `true_false_strict`: exactly one of the whole words true and false in the first line.
std::optional<bool> parse_factscore_strict(std::string_view text);

// --- Entailment words of a judge, hallucination.md 12.2 ---
enum class NliLabel : std::uint8_t { kEntailment, kNeutral, kContradiction };
/// First of entailment, neutral, contradiction that occurs in the first 30 lower-cased characters.
NliLabel parse_nli_word(std::string_view text);

// --- Citations, hallucination.md 15.1 (princeton-nlp/ALCE : eval.py) ---
/// Document indices from 0 of every "[" followed by digits, in order; "[0]" gives -1.
std::vector<std::int64_t> parse_citations(std::string_view text);
/// The sentence as shown to the entailment role: blank+[digits, then [digits, then " |" and "]" removed.
std::string remove_citations(std::string_view text);

// --- Needle in a haystack, hallucination.md 15.2 ---
/// The accepted spellings of "not present" unless the suite lists others.
std::span<const std::string> default_absent_spellings();
/// Line breaks, full stops and blanks removed; an accepted spelling of "not present" becomes "-1".
std::string normalise_needle_answer(std::string_view text, std::span<const std::string> absent_spellings);

}  // namespace assay::text
