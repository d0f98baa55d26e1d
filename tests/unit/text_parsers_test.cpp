// Parsers of judge and model outputs: the consequences named in the rules, and odd input.
#include <catch2/catch_test_macros.hpp>

#include <limits>
#include <string>
#include <vector>

#include "assay/text/parsers.hpp"

using namespace assay::text;

TEST_CASE("POPE parsers", "[text][parsers]") {
  for (const std::string_view text : {"", "maybe", "NO", "Nope", "isn't", "\nNo"}) {
    CHECK(parse_pope_first_sentence(text) == YesNo::kYes);
  }
  CHECK(parse_pope_first_sentence("Well, no, it is") == YesNo::kNo);
  CHECK(parse_pope_opera("It isn't.") == YesNo::kNo);
  CHECK(parse_pope_opera("Yes. no") == YesNo::kNo);
  CHECK(parse_pope_three_way("") == YesNo::kUnknown);
  CHECK(parse_pope_three_way("42 !") == YesNo::kUnknown);
  CHECK(parse_pope_three_way("I don\u2019t know") == YesNo::kUnknown);
  CHECK(parse_pope_three_way("It isn\u2019t there") == YesNo::kNo);
  CHECK(parse_pope_three_way("YEAH, not a cat") == YesNo::kYes);
  CHECK(parse_pope_three_way("\t There are dogs") == YesNo::kYes);
  CHECK(parse_pope_three_way("A dog") == YesNo::kUnknown);
  CHECK(parse_pope_three_way("Of course yes, not no") == YesNo::kUnknown);
  CHECK(parse_pope_three_way("nothing there") == YesNo::kNo);
}

TEST_CASE("HaluEval parsers", "[text][parsers]") {
  CHECK(parse_halueval_substring("Ye.s") == YesNo::kYes);  // full stops are deleted first
  CHECK_FALSE(parse_halueval_substring("Yes and No").has_value());
  CHECK(parse_halueval_substring_first_line("Yes\nNo") == YesNo::kYes);
  CHECK(parse_yes_no_word_first("yesterday: NO!") == YesNo::kNo);
  CHECK_FALSE(parse_yes_no_word_first("").has_value());
  CHECK(parse_halueval2_class("unknown, true") == FactClass::kUnknown);
  CHECK(parse_halueval2_class("true") == FactClass::kTrue);
  CHECK(halueval2_is_false("false, because"));
  CHECK_FALSE(halueval2_is_false("False"));
}

TEST_CASE("SimpleQA parsers", "[text][parsers]") {
  CHECK(parse_simpleqa_first_char("NOT_ATTEMPTED") == SimpleQaGrade::kCorrect);
  CHECK(parse_simpleqa_first_char("CORRECT") == SimpleQaGrade::kNotAttempted);
  CHECK_FALSE(parse_simpleqa_strict("NOT_ATTEMPTED").has_value());
  CHECK_FALSE(parse_simpleqa_strict("A_").has_value());
  CHECK_FALSE(parse_simpleqa_strict("\u00E9"
                                    "A")
                  .has_value());
  CHECK(parse_simpleqa_strict("\u2014"
                              "B\u2014") == SimpleQaGrade::kIncorrect);
  CHECK(parse_simpleqa_strict("\xFF"
                              "C") == SimpleQaGrade::kNotAttempted);
  CHECK(parse_simpleqa_strict_word("") == SimpleQaGrade::kNotAttempted);
}

TEST_CASE("ratings and numbers", "[text][parsers]") {
  CHECK(parse_mmhal_rating("Rating: 3/6") == 3);
  CHECK(parse_mmhal_rating("Rating: 10") == 1);
  CHECK(parse_mmhal_rating("Rating: 2 ... rating: 2") == 2);
  CHECK_FALSE(parse_mmhal_rating("rating: 7").has_value());
  CHECK(parse_last_number("from 3 to 4.5 points") == 4.5);
  CHECK(parse_last_number("score -2") == -2.0);
  CHECK(parse_last_number("2-3") == 3.0);
  CHECK(parse_last_number("version 1.2.3") == 2.3);
  CHECK(parse_last_number("7.") == 7.0);
  CHECK_FALSE(parse_last_number("none").has_value());
  CHECK_FALSE(parse_last_number("").has_value());
  CHECK(parse_double_bracket_grade("Score: [[2]]") == 2);
  CHECK_FALSE(parse_double_bracket_grade("Score: [[2]] or: [[3]]").has_value());
  CHECK_FALSE(parse_double_bracket_grade("Score:[[2]]").has_value());
  CHECK_FALSE(parse_double_bracket_grade("Score: [[22]]").has_value());
  CHECK_FALSE(parse_double_bracket_grade("Score: [[2]").has_value());
}

TEST_CASE("FActScore, SelfCheck and entailment words", "[text][parsers]") {
  CHECK(parse_factscore_text("untrue"));
  CHECK(parse_factscore_text(""));
  CHECK_FALSE(parse_factscore_text("True? No, false"));
  CHECK(parse_factscore_text("notable"));
  CHECK(parse_factscore_strict("TRUE.\nfalse") == true);
  CHECK_FALSE(parse_factscore_strict("Untrue").has_value());
  CHECK_FALSE(parse_factscore_strict("true or false").has_value());
  CHECK_FALSE(parse_factscore_strict("").has_value());
  CHECK(parse_selfcheck_prompt("\u00A0NO") == 1.0);
  CHECK(parse_nli_word("It is a Contradiction.") == NliLabel::kContradiction);
  CHECK(parse_nli_word("neutral, not entailment") == NliLabel::kEntailment);
  CHECK(parse_nli_word("123456789012345678901234567890 entailment") == NliLabel::kNeutral);
}

TEST_CASE("citations and needles", "[text][parsers]") {
  using Indices = std::vector<std::int64_t>;
  CHECK(parse_citations("a [1][2] b [x] [3").size() == 3);
  CHECK(parse_citations("[") == Indices{});
  CHECK(parse_citations("[0]") == Indices{-1});
  CHECK(parse_citations("[99999999999999999999]") == Indices{std::numeric_limits<std::int64_t>::max() - 1});
  CHECK(remove_citations("a [1] |b[2] [x]") == "ab [x");
  CHECK(normalise_needle_answer("Not found.\n", default_absent_spellings()) == "-1");
  CHECK(normalise_needle_answer("None", default_absent_spellings()) == "-1");
  CHECK(normalise_needle_answer(" 4 2.", default_absent_spellings()) == "42");
}

TEST_CASE("parsers accept a megabyte of anything", "[text][parsers]") {
  for (const char c : {'\xFF', '[', 'A', ' ', '.', '9', 'n'}) {
    const std::string text(std::size_t{1} << 20, c);
    parse_pope_first_sentence(text);
    parse_pope_opera(text);
    parse_pope_three_way(text);
    parse_yes_no_word_first(text);
    CHECK_FALSE(parse_simpleqa_strict(text).has_value());
    CHECK_FALSE(parse_factscore_strict(text).has_value());
    CHECK_FALSE(parse_mmhal_rating(text).has_value());
    CHECK(parse_citations(text).empty());
    CHECK(remove_citations(text).size() == text.size());
    parse_last_number(text);
  }
}
