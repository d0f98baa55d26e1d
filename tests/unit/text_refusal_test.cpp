// Refusals, abstentions, gibberish and the SelfCheck n-gram model.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>

#include <cmath>
#include <string>
#include <vector>

#include "assay/text/ngram_words.hpp"
#include "assay/text/refusal.hpp"

using namespace assay::text;
using Catch::Matchers::WithinAbs;

TEST_CASE("refusal_rate@string-v1", "[text][refusal]") {
  const auto detector = RefusalDetector::from_text("That\u2019s beyond me!\r\n\n...\nNo clue.\nno  clue");
  CHECK(detector.size() == 2);  // empty lines and lines of punctuation would match everything
  CHECK(detector.is_refusal("Well, THAT'S  beyond me, sadly"));
  CHECK(detector.is_refusal("I can\u2019t say"));
  CHECK(detector.is_refusal("  As an AI model ..."));
  CHECK_FALSE(detector.is_refusal("He said: I cannot"));
  CHECK_FALSE(detector.is_refusal(""));
  CHECK_FALSE(detector.is_refusal("Paris"));
  CHECK(is_empty_output(" \u00A0\n"));
  CHECK_FALSE(is_empty_output("."));
}

TEST_CASE("gibberish@ngram4-v1", "[text][refusal]") {
  CHECK(gibberish_ngram4("").unique4 == 1.0);
  CHECK_FALSE(gibberish_ngram4("").flagged);
  CHECK_FALSE(gibberish_ngram4("").letter_share.has_value());
  const Gibberish loop = gibberish_ngram4("the cat The cat the cat the CAT");
  CHECK(loop.words == 8);
  CHECK_THAT(loop.unique4, WithinAbs(0.4, 1e-15));  // 2 of 5
  CHECK(loop.flagged);
  CHECK_FALSE(gibberish_ngram4("the cat the cat the cat the").flagged);    // 7 words
  CHECK(gibberish_ngram4("1234 ab ??").flagged);                           // 2 of 8
  CHECK_FALSE(gibberish_ngram4("12345 ?").flagged);                        // fewer than 8
  CHECK_FALSE(gibberish_ngram4("\u4E2D\u6587\u4E2D\u6587 1234").flagged);  // exactly one half
}

TEST_CASE("abstention detectors", "[text][refusal]") {
  const ExactAbstention exact(std::vector<std::string>{"I don't know.", "NoAnswer"});
  CHECK(exact.abstained(" noanswer\n"));
  CHECK_FALSE(exact.abstained("I don't know"));
  CHECK(abstained_factscore_generic("I'm sorry, but"));
  CHECK_FALSE(abstained_factscore_generic("i'm sorry"));
  CHECK(abstained_factscore_generic("Could you provide more context?"));
  CHECK(abstained_phrases_v1("There is NO INFORMATION."));
  CHECK(abstained_phrases_v1("\u201CUnknown\u201D."));
  CHECK(abstained_phrases_v1("N/A"));
  CHECK_FALSE(abstained_phrases_v1("none of them"));
  CHECK_FALSE(abstained_phrases_v1(""));
}

TEST_CASE("abstention rates are undefined where nothing is counted", "[text][refusal]") {
  const AbstentionRates none = abstention_rates({});
  CHECK_FALSE(none.abstention_rate.has_value());
  CHECK_FALSE(none.reliability.has_value());
}

TEST_CASE("word tokens", "[text][ngram]") {
  using Strings = std::vector<std::string>;
  CHECK(word_tokens("It's 2nd.", WordTokens::kWhiteSpace) == Strings{"it's", "2nd."});
  CHECK(word_tokens("It's 2nd.", WordTokens::kSimple) == Strings{"it", "'", "s", "2nd", "."});
  CHECK(word_tokens("", WordTokens::kSimple).empty());
}

TEST_CASE("SelfCheck n-gram model: pseudo-counts and empty sentences", "[text][ngram]") {
  WordNgramModel model(1, WordTokens::kWhiteSpace, 1.0);
  model.add_sentence("a a b");
  const std::vector<std::string> sentences{"a z", ""};
  const NgramScores s = model.score(sentences);
  // Two distinct unigrams and the unknown entry: denominator 3 + 3.
  CHECK_THAT(s.sentence_avg[0].value(), WithinAbs(-(std::log(3.0 / 6) + std::log(1.0 / 6)) / 2, 1e-15));
  CHECK_FALSE(s.sentence_avg[1].has_value());
  CHECK_THAT(s.doc_avg_max.value(), WithinAbs(-std::log(1.0 / 6), 1e-15));
  CHECK_FALSE(WordNgramModel(2, WordTokens::kSimple).score({}).doc_avg.has_value());
}
