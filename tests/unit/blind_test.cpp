// Model-free baselines: the date rule, sizes, naive Bayes over folds, choices.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <deque>
#include <string>
#include <vector>

#include "blind_metrics.hpp"
#include "tests/unit/generic_fakes.hpp"

using namespace assay;

TEST_CASE("the date rule takes non-overlapping runs of four digits", "[blind]") {
  CHECK(blind::date_max4("no year", 2023) == 0.5);
  CHECK(blind::date_max4("in 1999", 2023) == 1.0);
  CHECK(blind::date_max4("in 2023", 2023) == 0.0);
  CHECK(blind::date_max4("12345", 2023) == 1.0);     // 1234; the 5 is left over
  CHECK(blind::date_max4("19992024", 2023) == 0.0);  // 1999, then 2024
  CHECK(blind::date_max4("123", 2023) == 0.5);
  CHECK(blind::date_max4("", 2023) == 0.5);
  CHECK(blind::date_max4("1999 2024 2001", 2023) == 0.0);
}

TEST_CASE("sizes of a text", "[blind]") {
  const std::string text = "\xC3\xA4\xC3\xB6\xC3\xBC";  // three letters of two bytes
  CHECK(*blind::size_of_text(text, blind::SizeVariant::kUtf8Bytes) == 6);
  CHECK(*blind::size_of_text(text, blind::SizeVariant::kChars) == 3);
  const double zlib = *blind::size_of_text(text, blind::SizeVariant::kZlibBytes);
  CHECK(*blind::size_of_text(text, blind::SizeVariant::kNegZlibBytes) == -zlib);
  CHECK(*blind::size_of_text(text, blind::SizeVariant::kZlibOverBytes) == zlib / 6);
  CHECK_FALSE(blind::size_of_text("", blind::SizeVariant::kZlibOverBytes).ok());
}

TEST_CASE("words are runs of ASCII letters and digits", "[blind]") {
  CHECK(blind::words_of("It's 2023, na\xC3\xAFve!") ==
        std::vector<std::string>{"it", "s", "2023", "na", "ve"});
  CHECK(blind::words_of("").empty());
}

namespace {

/// Ten texts; class 1 says "yes", class 0 says "no".
std::vector<blind::NaiveBayes::Scored> separable(blind::NaiveBayesSettings settings, std::size_t rows = 10) {
  blind::NaiveBayes bayes(settings);
  for (std::size_t i = 0; i < rows; ++i) {
    const int label = static_cast<int>(i / 5 % 2);
    bayes.add(i, label == 1 ? "yes yes" : "no", label, i % 2 == 0 ? "a" : "b");
  }
  return bayes.scores();
}

}  // namespace

TEST_CASE("naive Bayes scores by hand", "[blind]") {
  const auto scores = separable({});
  REQUIRE(scores.size() == 10);
  // Every fold trains on four texts of each class: yes 8 of 8 words in class 1, no 4 of 4 in class 0, V = 2.
  const double yes = std::log(9.0 / 10.0) - std::log(1.0 / 6.0);
  const double no = std::log(1.0 / 10.0) - std::log(5.0 / 6.0);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(std::abs(scores[i].score - (i < 5 ? no : 2 * yes)) < 1e-12);
  }
}

TEST_CASE("naive Bayes without a class in the training folds is undefined", "[blind]") {
  blind::NaiveBayes bayes({});
  bayes.add(0, "a", 1, {});
  bayes.add(1, "b", 0, {});
  bayes.add(2, "b", 0, {});
  const auto scores = bayes.scores();
  CHECK(std::isnan(scores[0].score));  // its training folds have no class 1
  CHECK(std::isfinite(scores[1].score));
}

TEST_CASE("naive Bayes by groups keeps a group out of its own training", "[blind]") {
  // Two groups: training on one, testing on the other. By rows, both are in every training set.
  const auto grouped = separable({.vocabulary = 0, .by_group = true}, 20);
  blind::NaiveBayes only_b({});
  CHECK(grouped.size() == 20);
  for (const auto& scored : grouped) CHECK(std::isfinite(scored.score));
  CHECK(grouped[0].score != separable({}, 20)[0].score);
}

TEST_CASE("the metric fits per variant, whatever the order of the portions", "[blind]") {
  std::deque<test::FakeRecord> records(40);
  std::vector<Record> views;
  // Variants alternate row by row, so that the row number modulo 5 is tied to nothing.
  for (std::size_t i = 0; i < records.size(); ++i) {
    const bool first = i % 2 == 0;
    const int label = static_cast<int>(i / 2 % 2);
    records[i]
        .index(i)
        .label(label)
        .variant(first ? "x" : "y")
        .text(label == (first ? 1 : 0) ? "sea sky" : "iron");
    views.push_back(records[i].view_of());
  }
  const auto values_after = [&](std::size_t cut) {
    blind::Words words;
    REQUIRE(words.fit({views.data(), cut}, false).ok());
    REQUIRE(words.fit({views.data() + cut, views.size() - cut}, true).ok());
    std::vector<double> values;
    for (test::FakeRecord& record : records) values.push_back(test::score(words, record).values[0]);
    return values;
  };
  const std::vector<double> values = values_after(7);
  CHECK(values == values_after(33));
  for (std::size_t i = 0; i < values.size(); ++i) {
    REQUIRE(std::isfinite(values[i]));
    CHECK((values[i] > 0) == (i / 2 % 2 == 1));  // each variant learned its own words
  }
  blind::Words unfitted;
  CHECK(std::isnan(test::score(unfitted, records[0]).values[0]));
}

TEST_CASE("a second fit forgets the first", "[blind]") {
  std::deque<test::FakeRecord> records(10);
  std::vector<Record> views;
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].index(i).label(static_cast<int>(i / 5)).text(i < 5 ? "no" : "yes");
    views.push_back(records[i].view_of());
  }
  blind::Words words;
  REQUIRE(words.fit(views, true).ok());
  const double before = test::score(words, records[7]).values[0];
  REQUIRE(words.fit(views, true).ok());
  CHECK(test::score(words, records[7]).values[0] == before);
}

TEST_CASE("choices without a model", "[blind]") {
  std::deque<test::FakeRecord> records(4);
  std::vector<Record> views;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const bool second = i != 0;  // the second position is the true one in three of four items
    records[i].index(i).scored("choice/0", second ? "a long one" : "long true", {}, second ? 0 : 1);
    records[i].scored("choice/1", second ? "short" : "x", {}, second ? 1 : 0);
    views.push_back(records[i].view_of());
  }
  blind::LongestChoice longest;
  CHECK(test::score(longest, records[0]).values[0] == 1);
  CHECK(test::score(longest, records[1]).values[0] == 0);
  REQUIRE(test::set(longest, "variant", "shortest"));
  CHECK(test::score(longest, records[1]).values[0] == 1);
  blind::MajorityChoice majority;
  REQUIRE(majority.fit(views, true).ok());
  CHECK(test::score(majority, records[0]).values[0] == 0);
  CHECK(test::score(majority, records[1]).values[0] == 1);
  test::FakeRecord none;
  none.generated("text");
  CHECK(std::isnan(test::score(longest, none).values[0]));
}
