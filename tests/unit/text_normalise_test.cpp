// Normalisers, exact match, token F1 and substring rules.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>

#include <string>
#include <vector>

#include "assay/text/normalise.hpp"

using namespace assay::text;
using Catch::Matchers::WithinAbs;
using Golds = std::vector<std::string>;

TEST_CASE("squad normaliser", "[text][normalise]") {
  CHECK(normalise_squad("").empty());
  CHECK(normalise_squad("The  Theatre, an A-list!") == "theatre alist");
  CHECK(normalise_squad("twenty-one") == "twentyone");
  CHECK(normalise_squad("1990\u20131994 \u201Cquoted\u201D") == "1990\u20131994 \u201Cquoted\u201D");
  CHECK(normalise_squad("the\u2013dog") == "\u2013dog");  // a dash that is kept ends the word
  CHECK(normalise_squad("the_dog") == "thedog");          // punctuation goes before articles do
  CHECK(normalise_squad("\u00E0 la") == "\u00E0 la");
  CHECK(normalise_squad("a\xFF the\xC3") == "\xFF \xC3");
}

TEST_CASE("answer normaliser", "[text][normalise]") {
  CHECK(normalise_answer("  \u00BFQUE\u0301  pasa?! ") == "qu\u00E9 pasa");
  CHECK(normalise_answer("foo .") == "foo");
  CHECK(normalise_answer("a.b.") == "a.b");
  CHECK(normalise_answer("...").empty());
  CHECK(normalise_answer("").empty());
}

TEST_CASE("F1 variants differ where a side is empty or says yes", "[text][normalise]") {
  CHECK(token_f1("", "", F1Variant::kSquad2) == 1.0);
  CHECK(token_f1("", "", F1Variant::kSquad1) == 0.0);
  CHECK(token_f1("x", "", F1Variant::kSquad2) == 0.0);
  CHECK(token_f1("yes it is", "yes", F1Variant::kHotpot) == 0.0);
  CHECK(token_f1("noanswer", "no answer", F1Variant::kHotpot) == 0.0);
  CHECK_THAT(token_f1("x x y", "x z", F1Variant::kSquad2),
             WithinAbs(2.0 * (1.0 / 3) * 0.5 / (1.0 / 3 + 0.5), 1e-15));
}

TEST_CASE("several golds, and none", "[text][normalise]") {
  const Golds golds{"Paris", "City of Light"};
  CHECK(exact_match_max("the paris", golds) == true);
  CHECK(token_f1_max("city of love", golds).value() > 0.6);
  CHECK(substring_norm_any("It is the City of Light!", golds) == true);
  CHECK(substring_norm_any("anything", Golds{"the"}) == true);
  CHECK(substring_raw_lower_cap_any("old pARIS", golds) == false);
  CHECK(substring_raw_lower_cap_any("Usa today", Golds{"USA"}) == true);
  CHECK(substring_raw_lower_cap_any("\u00C9cole", Golds{"\u00C9COLE"}) == true);
  CHECK_FALSE(exact_match_max("x", {}).has_value());
  CHECK_FALSE(token_f1_max("x", {}).has_value());
  CHECK_FALSE(substring_norm_any("x", {}).has_value());
  CHECK_FALSE(substring_raw_lower_cap_any("x", {}).has_value());
}

TEST_CASE("scorers in place of ROUGE", "[text][normalise]") {
  CHECK(contains_answer("He was born in  PARIS, France.", "paris") == true);
  CHECK(contains_answer("He was born in Rome.", "paris") == false);
  CHECK_FALSE(contains_answer("text", "...").has_value());
  CHECK(exact_answer("Paris.", "paris"));
  CHECK_FALSE(exact_answer("The Paris", "paris"));
  CHECK(bag_of_words_f1("paris", "Paris.") == 1.0);
  CHECK(bag_of_words_f1("", "") == 1.0);
  CHECK(bag_of_words_f1("", "a") == 0.0);
}
