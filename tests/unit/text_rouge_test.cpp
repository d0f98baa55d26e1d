// Stemmer, ROUGE flavours and BLEU.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "assay/text/bleu.hpp"
#include "assay/text/rouge.hpp"
#include "assay/text/stem.hpp"

using namespace assay::text;
using Catch::Matchers::WithinAbs;
using Strings = std::vector<std::string>;

TEST_CASE("Porter stemmer with the NLTK extensions", "[text][stem]") {
  const std::vector<std::pair<std::string, std::string>> cases{{"", ""},
                                                               {"is", "is"},
                                                               {"dying", "die"},
                                                               {"skies", "sky"},
                                                               {"dies", "die"},
                                                               {"flies", "fli"},
                                                               {"died", "die"},
                                                               {"studied", "studi"},
                                                               {"enjoy", "enjoy"},
                                                               {"caresses", "caress"},
                                                               {"agreed", "agre"},
                                                               {"feed", "feed"},
                                                               {"hopping", "hop"},
                                                               {"filing", "file"},
                                                               {"falling", "fall"},
                                                               {"relational", "relat"},
                                                               {"logical", "logic"},
                                                               {"geology", "geolog"},
                                                               {"adoption", "adopt"},
                                                               {"probate", "probat"},
                                                               {"rate", "rate"},
                                                               {"controll", "control"},
                                                               {"proceed", "proceed"},
                                                               {"news", "news"},
                                                               {"syzygy", "syzygi"},
                                                               {"18th", "18th"},
                                                               {"yyyyyyyy", "yyyyyyyi"}};
  for (const auto& [word, stem] : cases) {
    INFO(word);
    CHECK(porter_stem(word) == stem);
  }
}

TEST_CASE("ROUGE tokens", "[text][rouge]") {
  CHECK(rouge_tokens("", true).empty());
  CHECK(rouge_tokens("Caf\u00E9 na\u00EFve", false) == Strings{"caf", "na", "ve"});
  CHECK(rouge_tokens("300 \u212Am \u0130stanbul", false) == Strings{"300", "km", "i", "stanbul"});
  CHECK(rouge_tokens("Running it's", true) == Strings{"run", "it", "s"});
  CHECK(rouge_tokens("goes did", true) == Strings{"goe", "did"});
  CHECK(rouge_tokens("a\xFF"
                     "b\xE2\x84",
                     false) == Strings{"a", "b"});
}

TEST_CASE("ROUGE of tokens, and of nothing", "[text][rouge]") {
  const Strings r{"a", "b", "c", "d"};
  const Strings h{"d", "c", "b", "a", "a"};
  CHECK_THAT(rouge_n(r, h, 1).recall, WithinAbs(1.0, 0));
  CHECK_THAT(rouge_n(r, h, 1).precision, WithinAbs(0.8, 0));
  CHECK(rouge_n(r, h, 2).f == 0.0);
  CHECK_THAT(rouge_l(r, h).recall, WithinAbs(0.25, 0));
  CHECK(rouge_n(Strings{"a", "b", "a", "b", "c"}, Strings{"a", "b", "c", "a", "b"}, 3).recall == 1.0 / 3);
  for (const auto kind : {RougeKind::kRouge1, RougeKind::kRouge2, RougeKind::kRougeL}) {
    CHECK(rouge_google("", "x", kind, true).f == 0.0);
    CHECK(rouge_google("x", "", kind, true).f == 0.0);
    CHECK(rouge_google("\u4E2D\u6587", "\u4E2D\u6587", kind, true).f == 0.0);
  }
  CHECK(rouge_l_summary("", "").f == 0.0);
  CHECK(rouge_pypi_l("", "x").empty);
  CHECK(rouge_pypi_l("x", "...").empty);
  CHECK_FALSE(rouge_pypi_l("x", " ").empty);  // a blank sentence holds one empty word
  CHECK(rouge_pypi_l("a. .", "b. .").score.recall == 0.5);
}

TEST_CASE("summary ROUGE-L counts a token no more often than both texts hold it", "[text][rouge]") {
  // Lines of the reference: "a b" and "a c"; the single a of the hypothesis may count once only.
  const RougeScore s = rouge_l_summary("a b\na c", "a\nb\nc");
  CHECK_THAT(s.precision, WithinAbs(1.0, 0));
  CHECK_THAT(s.recall, WithinAbs(0.75, 0));
  CHECK_THAT(rouge_l_summary("x y . z w", "z w . x y").recall, WithinAbs(1.0, 0));
}

namespace {

// LCS positions (reference, hypothesis) by the plain table and the preference of rouge.pypi or of the
// summary variant.
std::vector<std::pair<std::size_t, std::size_t>> trace(const Strings& r, const Strings& h, bool pypi) {
  std::vector<std::vector<int>> t(r.size() + 1, std::vector<int>(h.size() + 1, 0));
  for (std::size_t i = 1; i <= r.size(); ++i) {
    for (std::size_t j = 1; j <= h.size(); ++j) {
      t[i][j] = r[i - 1] == h[j - 1] ? t[i - 1][j - 1] + 1 : std::max(t[i - 1][j], t[i][j - 1]);
    }
  }
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t i = r.size(), j = h.size(); i > 0 && j > 0;) {
    if (r[i - 1] == h[j - 1]) {
      out.emplace_back(--i, --j);
    } else if (pypi) {
      if (t[i - 1][j] > t[i][j - 1]) {
        --i;
      } else {
        --j;
      }
    } else {
      if (t[i][j - 1] > t[i - 1][j]) {
        --j;
      } else {
        --i;
      }
    }
  }
  return out;
}

using Lines = std::vector<Strings>;

Lines random_lines(std::mt19937& rng) {
  Lines out(1 + rng() % 5);
  for (Strings& line : out) {
    line.resize(1 + rng() % 9);
    for (std::string& w : line) w = std::string(1, static_cast<char>('a' + rng() % 6));
  }
  return out;
}

std::string join(const Lines& lines, const std::string& end) {
  std::string out;
  for (const Strings& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) out += (i == 0 ? "" : " ") + line[i];
    out += end;
  }
  return out;
}

}  // namespace

TEST_CASE("rouge.pypi and summary ROUGE-L equal their plain definitions", "[text][rouge]") {
  std::mt19937 rng(99);
  for (int round = 0; round < 500; ++round) {
    const Lines r = random_lines(rng);
    const Lines h = random_lines(rng);
    std::set<std::string> united;
    std::set<std::string> all_r;
    std::size_t hits = 0;
    std::size_t r_size = 0;
    std::multiset<std::string> left_r;
    std::multiset<std::string> left_h;
    for (const Strings& line : r) left_r.insert(line.begin(), line.end());
    for (const Strings& line : h) left_h.insert(line.begin(), line.end());
    r_size = left_r.size();
    for (const Strings& line : r) {
      all_r.insert(line.begin(), line.end());
      std::set<std::size_t> positions;
      for (const Strings& other : h) {
        for (const auto& [i, j] : trace(line, other, /*pypi=*/true)) united.insert(line[i]);
        for (const auto& [i, j] : trace(line, other, /*pypi=*/false)) positions.insert(i);
      }
      for (const std::size_t i : positions) {
        const auto x = left_r.find(line[i]);
        const auto y = left_h.find(line[i]);
        if (x == left_r.end() || y == left_h.end()) continue;
        left_r.erase(x);
        left_h.erase(y);
        ++hits;
      }
    }
    const double pypi = rouge_pypi_l(join(r, "."), join(h, ".")).score.recall;
    REQUIRE_THAT(pypi,
                 WithinAbs(static_cast<double>(united.size()) / static_cast<double>(all_r.size()), 1e-15));
    const double summary = rouge_l_summary(join(r, "\n"), join(h, "\n")).recall;
    REQUIRE_THAT(summary, WithinAbs(static_cast<double>(hits) / static_cast<double>(r_size), 1e-15));
  }
}

TEST_CASE("ROUGE of a megabyte", "[text][rouge]") {
  std::mt19937 rng(5);
  std::string big;
  while (big.size() < (std::size_t{1} << 20)) {
    big.append("word").append(std::to_string(rng() % 5000)).append(rng() % 12 == 0 ? ". " : " ");
  }
  const std::string part = big.substr(0, big.find(' ', 100000));
  CHECK(rouge_google(big, part, RougeKind::kRougeL, true).precision == 1.0);
  CHECK(rouge_google(big, part, RougeKind::kRouge2, true).precision == 1.0);
  CHECK_FALSE(rouge_pypi_l(big, part).empty);
  // Very many one-word lines: pairs without a common word must cost nothing.
  std::string lines;
  for (int i = 0; lines.size() < (std::size_t{1} << 20); ++i)
    lines.append("w").append(std::to_string(i)).append("\n");
  CHECK(rouge_l_summary(lines, lines).f == 1.0);
}

TEST_CASE("BLEU tokeniser intl", "[text][bleu]") {
  CHECK(bleu_intl_tokens("It costs $3,000.50 in 1999.\n") ==
        Strings{"It", "costs", "$", "3,000.50", "in", "1999."});
  CHECK(bleu_intl_tokens("\u00ABoui\u00BB, non") == Strings{"\u00AB", "oui", "\u00BB", ",", "non"});
  CHECK(bleu_intl_tokens("").empty());
  CHECK(bleu_intl_tokens("a\u20ACb") == Strings{"a", "\u20AC", "b"});
}

TEST_CASE("BLEU of identical, short and unrelated texts", "[text][bleu]") {
  CHECK_THAT(bleu_intl_exp("a b c d", "a b c d"), WithinAbs(100.0, 1e-9));
  CHECK(bleu_intl_exp("a b c", "a b c") == 0.0);
  CHECK(bleu_intl_exp("", "") == 0.0);
  CHECK(bleu_intl_exp("p q r s t", "a b c d e") == 0.0);
  CHECK_THAT(bleu_intl_exp("a b c d", "a b c d e f"), WithinAbs(100.0 * std::exp(-0.5), 1e-9));
}
