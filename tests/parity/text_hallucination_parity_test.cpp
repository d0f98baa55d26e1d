// Text functions against the golden vectors of the hallucination topic (hallucination.md 18, H1).
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "assay/text/bleu.hpp"
#include "assay/text/edit.hpp"
#include "assay/text/ngram_words.hpp"
#include "assay/text/normalise.hpp"
#include "assay/text/parsers.hpp"
#include "assay/text/refusal.hpp"
#include "assay/text/rouge.hpp"
#include "tests/support/data.hpp"

using namespace assay::text;
using nlohmann::json;
using Strings = std::vector<std::string>;

namespace {

std::vector<json> golden(const std::filesystem::path& root, const std::string& family) {
  std::ifstream in(root / "hallucination/golden" / (family + ".jsonl"));
  REQUIRE(in.good());
  std::vector<json> out;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) out.push_back(json::parse(line));
  }
  REQUIRE_FALSE(out.empty());
  return out;
}

// Golden reals: null is "no value", infinities are strings.
bool matches(std::optional<double> got, const json& want) {
  if (want.is_null()) return !got.has_value();
  if (!got) return false;
  if (want.is_string()) return want == "Infinity" && *got == std::numeric_limits<double>::infinity();
  const double w = want.get<double>();
  return std::abs(*got - w) <= 1e-12 * std::max(1.0, std::abs(w));
}

std::string name(YesNo answer) {
  return answer == YesNo::kYes ? "yes" : answer == YesNo::kNo ? "no" : "unknown";
}
std::string halueval_name(std::optional<YesNo> answer) {
  return !answer ? "failed" : *answer == YesNo::kYes ? "Yes" : "No";
}
std::string letter(SimpleQaGrade grade) {
  return grade == SimpleQaGrade::kCorrect ? "A" : grade == SimpleQaGrade::kIncorrect ? "B" : "C";
}
std::string grade_name(std::optional<SimpleQaGrade> grade) {
  if (!grade) return "unscored";
  return *grade == SimpleQaGrade::kCorrect     ? "correct"
         : *grade == SimpleQaGrade::kIncorrect ? "incorrect"
                                               : "not_attempted";
}
std::string class_name(FactClass c) {
  return c == FactClass::kTrue ? "true" : c == FactClass::kFalse ? "false" : "unknown";
}

}  // namespace

TEST_CASE("golden bleu_rouge and tqa_gen", "[parity][text][rouge][bleu]") {
  ASSAY_NEEDS_DATA(root);
  for (const json& row : golden(root, "bleu_rouge")) {
    INFO(row.at("case"));
    const std::string h = row.at("input").at("hypothesis");
    const std::string r = row.at("input").at("reference");
    const json& want = row.at("expected");
    CHECK(bleu_intl_tokens(h) == want.at("intl_tokens").get<Strings>());
    CHECK(matches(bleu_intl_exp(h, r), want.at("bleu_intl_exp")));
    CHECK(matches(100.0 * rouge_google(r, h, RougeKind::kRouge1, false).f, want.at("rouge1_f1_x100")));
    CHECK(matches(100.0 * rouge_google(r, h, RougeKind::kRouge2, false).f, want.at("rouge2_f1_x100")));
    CHECK(matches(100.0 * rouge_l_summary(r, h).f, want.at("rougeLsum_f1_x100")));
  }
  for (const json& row : golden(root, "tqa_gen")) {
    INFO(row.at("case"));
    const std::string answer = row.at("input").at("answer");
    Strings right = row.at("input").at("true");
    const Strings wrong = row.at("input").at("false");
    if (std::find(right.begin(), right.end(), "I have no comment.") == right.end()) {
      right.push_back("I have no comment.");
    }
    const auto check = [&](const std::string& key, auto&& score) {
      double best_right = 0.0;
      double best_wrong = 0.0;
      for (const std::string& r : right) best_right = std::max(best_right, score(r));
      for (const std::string& r : wrong) best_wrong = std::max(best_wrong, score(r));
      CHECK(matches(best_right, row.at("expected").at(key).at("max")));
      CHECK(matches(best_right - best_wrong, row.at("expected").at(key).at("diff")));
    };
    check("bleu", [&](const std::string& r) { return bleu_intl_exp(answer, r); });
    check("rouge1",
          [&](const std::string& r) { return 100.0 * rouge_google(r, answer, RougeKind::kRouge1, false).f; });
    check("rougeLsum", [&](const std::string& r) { return 100.0 * rouge_l_summary(r, answer).f; });
  }
}

TEST_CASE("golden qa_em_f1, qa_multi and alce_str_em", "[parity][text][normalise]") {
  ASSAY_NEEDS_DATA(root);
  for (const json& row : golden(root, "qa_em_f1")) {
    INFO(row.at("case"));
    const std::string p = row.at("input").at("pred");
    const std::string g = row.at("input").at("gold");
    const json& want = row.at("expected");
    CHECK(normalise_squad(p) == want.at("norm_pred"));
    CHECK(normalise_squad(g) == want.at("norm_gold"));
    CHECK(exact_match(p, g) == (want.at("em") == 1));
    CHECK(matches(token_f1(p, g, F1Variant::kSquad2), want.at("f1_squad2")));
    CHECK(matches(token_f1(p, g, F1Variant::kSquad1), want.at("f1_squad1")));
    CHECK(matches(token_f1(p, g, F1Variant::kHotpot), want.at("f1_hotpot")));
  }
  for (const json& row : golden(root, "qa_multi")) {
    INFO(row.at("case"));
    const std::string p = row.at("input").at("pred");
    const Strings golds = row.at("input").at("golds");
    const json& want = row.at("expected");
    CHECK(exact_match_max(p, golds) == (want.at("em_max") == 1));
    CHECK(matches(token_f1_max(p, golds), want.at("f1_squad2_max")));
    CHECK(substring_norm_any(p, golds) == (want.at("substring_norm_any") == 1));
    CHECK(substring_raw_lower_cap_any(p, golds) == (want.at("substring_raw_lower_cap_any") == 1));
  }
  for (const json& row : golden(root, "alce_str_em")) {
    INFO(row.at("case"));
    double hits = 0.0;
    double pairs = 0.0;
    for (const json& golds : row.at("input").at("short_answers")) {
      const bool hit =
          substring_norm_any(row.at("input").at("output").get<std::string>(), golds.get<Strings>()).value();
      hits += hit ? 1.0 : 0.0;
      pairs += 1.0;
    }
    CHECK(matches(hits / pairs, row.at("expected").at("str_em")));
    CHECK((hits == pairs) == (row.at("expected").at("str_hit") == 1));
  }
}

TEST_CASE("golden parsers of yes/no answers", "[parity][text][parsers]") {
  ASSAY_NEEDS_DATA(root);
  for (const json& row : golden(root, "pope_parse")) {
    INFO(row.at("case"));
    const std::string text = row.at("input").at("text");
    const json& want = row.at("expected");
    CHECK(name(parse_pope_first_sentence(text)) == want.at("first_sentence"));
    CHECK(name(parse_pope_opera(text)) == want.at("opera"));
    CHECK(name(parse_pope_three_way(text)) == want.at("three_way"));
  }
  for (const json& row : golden(root, "halueval_parse")) {
    INFO(row.at("case"));
    const std::string text = row.at("input").at("text");
    const json& want = row.at("expected");
    CHECK(halueval_name(parse_halueval_substring(text)) == want.at("substring_cs"));
    CHECK(halueval_name(parse_halueval_substring_first_line(text)) == want.at("substring_cs_firstline"));
    CHECK(halueval_name(parse_yes_no_word_first(text)) == want.at("word_ci_first"));
  }
  for (const json& row : golden(root, "halueval2_item")) {
    INFO(row.at("case"));
    const Strings judgements = row.at("input").at("judgements");
    Strings classes;
    double hallucinated = 0.0;
    for (const std::string& j : judgements) {
      classes.push_back(class_name(parse_halueval2_class(j)));
      hallucinated += halueval2_is_false(j) ? 1.0 : 0.0;
    }
    CHECK(classes == row.at("expected").at("classes").get<Strings>());
    std::optional<double> share;
    if (!judgements.empty()) share = hallucinated / static_cast<double>(judgements.size());
    CHECK(matches(share, row.at("expected").at("mihr_item")));
  }
}

TEST_CASE("golden parsers of grades and ratings", "[parity][text][parsers]") {
  ASSAY_NEEDS_DATA(root);
  for (const json& row : golden(root, "simpleqa_parse")) {
    INFO(row.at("case"));
    const std::string text = row.at("input").at("text");
    const json& want = row.at("expected");
    CHECK(letter(parse_simpleqa_first_char(text)) == want.at("first_char"));
    CHECK(letter(parse_simpleqa_strict_word(text)) == want.at("strict_word"));
    CHECK(grade_name(parse_simpleqa_strict(text)) == want.at("strict_or_unscored"));
  }
  for (const json& row : golden(root, "judge_score_parse")) {
    INFO(row.at("case"));
    const auto rating = parse_mmhal_rating(row.at("input").at("text").get<std::string>());
    const json& want = row.at("expected");
    CHECK(rating.value_or(0) == want.at("mmhal_strict"));
    CHECK(rating.has_value() == want.at("parsed").get<bool>());
    CHECK((rating ? json(*rating) : json(nullptr)) == want.at("strict_or_unscored"));
  }
  for (const json& row : golden(root, "selfcheck_prompt_parse")) {
    INFO(row.at("case"));
    CHECK(parse_selfcheck_prompt(row.at("input").at("text").get<std::string>()) ==
          row.at("expected").at("score"));
  }
  for (const json& row : golden(root, "factscore_parse")) {
    INFO(row.at("case"));
    CHECK(parse_factscore_text(row.at("input").at("text").get<std::string>()) ==
          row.at("expected").at("supported").get<bool>());
  }
  for (const json& row : golden(root, "citation_parse")) {
    INFO(row.at("case"));
    const std::string text = row.at("input").at("text");
    CHECK(json(parse_citations(text)) == row.at("expected").at("doc_indices_zero_based"));
    CHECK(remove_citations(text) == row.at("expected").at("text_without_citations"));
  }
}

TEST_CASE("golden abstention", "[parity][text][refusal]") {
  ASSAY_NEEDS_DATA(root);
  for (const json& row : golden(root, "abstention")) {
    INFO(row.at("case"));
    REQUIRE(row.at("input").at("columns") == json({"answerable", "abstained", "correct"}));
    AbstentionCounts counts;
    for (const json& r : row.at("input").at("rows")) counts.add(r.at(0), r.at(1), r.at(2));
    const AbstentionRates got = abstention_rates(counts);
    const json& want = row.at("expected");
    CHECK(matches(got.abstention_rate, want.at("abstention_rate")));
    CHECK(matches(got.abstention_precision, want.at("abstention_precision")));
    CHECK(matches(got.abstention_recall, want.at("abstention_recall")));
    CHECK(matches(got.abstention_f1, want.at("abstention_f1")));
    CHECK(matches(got.false_abstention_rate, want.at("false_abstention_rate")));
    CHECK(matches(got.hallucination_rate_unanswerable, want.at("hallucination_rate_unanswerable")));
    CHECK(matches(got.accuracy_given_attempted, want.at("accuracy_given_attempted")));
    CHECK(matches(got.overall_correct, want.at("overall_correct")));
    CHECK(matches(got.reliability, want.at("reliability")));
  }
}

TEST_CASE("golden selfcheck_ngram", "[parity][text][ngram]") {
  ASSAY_NEEDS_DATA(root);
  for (const json& row : golden(root, "selfcheck_ngram")) {
    INFO(row.at("case"));
    const json& input = row.at("input");
    WordNgramModel model(input.at("n").get<std::size_t>(), WordTokens::kWhiteSpace);
    for (const std::string sentence : input.at("passage_sentences")) model.add_sentence(sentence);
    for (const json& sample : input.at("samples_sentences")) {
      for (const std::string sentence : sample) model.add_sentence(sentence);
    }
    const NgramScores got = model.score(input.at("eval_sentences").get<Strings>());
    const json& want = row.at("expected");
    REQUIRE(got.sentence_avg.size() == want.at("sent_avg").size());
    for (std::size_t i = 0; i < got.sentence_avg.size(); ++i) {
      CHECK(matches(got.sentence_avg[i], want.at("sent_avg").at(i)));
      CHECK(matches(got.sentence_max[i], want.at("sent_max").at(i)));
    }
    CHECK(matches(got.doc_avg, want.at("doc_avg")));
    CHECK(matches(got.doc_avg_max, want.at("doc_avg_max")));
  }
}

TEST_CASE("golden judge_batch_edit", "[parity][text][edit]") {
  ASSAY_NEEDS_DATA(root);
  for (const json& row : golden(root, "judge_batch_edit")) {
    INFO(row.at("case"));
    const std::string a = row.at("input").at("judge_order");
    const std::string b = row.at("input").at("reference_order");
    CHECK(levenshtein(a, b) == row.at("expected").at("levenshtein").get<std::size_t>());
    CHECK(matches(levenshtein_normalised(a, b), row.at("expected").at("normalised")));
  }
}
