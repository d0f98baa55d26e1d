// Bit-parallel edit distance and LCS against the plain O(nm) tables.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "assay/text/edit.hpp"

using namespace assay::text;
using Tokens = std::vector<TokenId>;

namespace {

using Table = std::vector<std::vector<std::size_t>>;

Table lcs_table(const Tokens& a, const Tokens& b) {
  Table t(a.size() + 1, std::vector<std::size_t>(b.size() + 1, 0));
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      t[i][j] = a[i - 1] == b[j - 1] ? t[i - 1][j - 1] + 1 : std::max(t[i - 1][j], t[i][j - 1]);
    }
  }
  return t;
}

std::vector<std::pair<std::size_t, std::size_t>> plain_trace(const Tokens& a, const Tokens& b,
                                                             const Table& t) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t i = a.size(), j = b.size(); i > 0 && j > 0;) {
    if (a[i - 1] == b[j - 1]) {
      out.emplace_back(--i, --j);
    } else if (t[i - 1][j] > t[i][j - 1]) {
      --i;
    } else {
      --j;
    }
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::size_t plain_levenshtein(const Tokens& a, const Tokens& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

Tokens random_tokens(std::mt19937& rng, std::size_t length, std::uint32_t alphabet) {
  Tokens out(length);
  for (TokenId& t : out) t = static_cast<TokenId>(rng() % alphabet) * 7919U;
  return out;
}

}  // namespace

TEST_CASE("LCS and Levenshtein equal the O(nm) tables", "[text][edit]") {
  std::mt19937 rng(20240131);
  for (const std::uint32_t alphabet : {1U, 2U, 4U, 30U, 1000U}) {
    for (int round = 0; round < 60; ++round) {
      // Lengths around the borders of a word, and a few of several words.
      const std::size_t n = round % 3 == 0 ? rng() % 400 : 60 + rng() % 10;
      const std::size_t m = round % 2 == 0 ? rng() % 200 : 124 + rng() % 8;
      const Tokens a = random_tokens(rng, n, alphabet);
      const Tokens b = random_tokens(rng, m, alphabet);
      const Table table = lcs_table(a, b);
      REQUIRE(lcs_length(a, b) == table[n][m]);
      REQUIRE(levenshtein(a, b) == plain_levenshtein(a, b));
      std::vector<std::pair<std::size_t, std::size_t>> trace;
      for (const LcsMatch match : lcs_matches(a, b)) trace.emplace_back(match.row, match.column);
      REQUIRE(trace == plain_trace(a, b, table));
    }
  }
}

TEST_CASE("the trace is exact beyond one saved block of rows", "[text][edit]") {
  std::mt19937 rng(7);
  const Tokens a = random_tokens(rng, 5000, 12);  // more than 64 * 64 rows
  const Tokens b = random_tokens(rng, 190, 12);
  const Table table = lcs_table(a, b);
  std::vector<std::pair<std::size_t, std::size_t>> trace;
  for (const LcsMatch match : lcs_matches(a, b)) trace.emplace_back(match.row, match.column);
  CHECK(trace == plain_trace(a, b, table));
}

TEST_CASE("distances of texts", "[text][edit]") {
  CHECK(levenshtein("kitten", "sitting") == 3);
  CHECK(levenshtein("", "abc") == 3);
  CHECK(levenshtein("", "") == 0);
  CHECK(levenshtein("na\u00EFve", "naive") == 1);  // code points, not bytes
  CHECK(levenshtein("\xFF", "\xFE") == 0);         // both decode to U+FFFD
  CHECK(levenshtein_normalised("", "") == 0.0);
  CHECK(levenshtein_normalised("ABCD", "ABDC") == 0.5);
  CHECK(lcs_length("AGCAT", "GAC") == 2);
  const std::vector<std::string_view> a{"the", "cat", "sat"};
  const std::vector<std::string_view> b{"the", "dog", "sat", "down"};
  CHECK(levenshtein(a, b) == 2);
  CHECK(lcs_length(a, b) == 2);
}

TEST_CASE("long inputs stay within linear memory", "[text][edit]") {
  std::mt19937 rng(3);
  const Tokens a = random_tokens(rng, 60000, 20000);
  Tokens b = a;
  for (std::size_t i = 0; i < b.size(); i += 100) b[i] = 1;  // 1 is no multiple of 7919, so it is new
  CHECK(lcs_length(a, b) == 60000 - 600);
  CHECK(levenshtein(a, b) == 600);
  CHECK(lcs_matches(a, b).size() == 60000 - 600);
}
