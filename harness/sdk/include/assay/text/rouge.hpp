// ROUGE in the flavours that published numbers use. They are different metrics: never mix their values.
//
// The reference always comes first: recall divides by the reference, precision by the hypothesis. Values
// are shares in [0, 1]. Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::text {

struct RougeScore {
  double precision = 0.0;
  double recall = 0.0;
  double f = 0.0;  ///< 2PR/(P+R), 0 if P+R = 0
};

enum class RougeKind { kRouge1, kRouge2, kRougeL };

/// Tokens of google-research/google-research : rouge/tokenize.py (unlearning.md 3.1): lower-case, every
/// character outside a-z and 0-9 separates, and with `stem` tokens of more than 3 characters are replaced
/// by their Porter stem. Of all non-ASCII characters only U+212A (k) and U+0130 (i) lower-case to ASCII.
std::vector<std::string> rouge_tokens(std::string_view text, bool stem);

/// ROUGE-N from tokens: clipped n-gram overlap; a text without n-grams scores 0. Precondition: n >= 1.
RougeScore rouge_n(std::span<const std::string> reference, std::span<const std::string> hypothesis,
                   std::size_t n);
/// ROUGE-L from tokens on the whole text; 0 if either side is empty.
RougeScore rouge_l(std::span<const std::string> reference, std::span<const std::string> hypothesis);

/// `rouge.google` of two texts (unlearning.md 3.1).
RougeScore rouge_google(std::string_view reference, std::string_view hypothesis, RougeKind kind, bool stem);

/// Summary-level ROUGE-L (hallucination.md 5.5): " . " becomes a line break, lines are compared pairwise,
/// and per reference line the union of the LCS positions over all hypothesis lines counts, each token no
/// more often than it occurs in both texts.
RougeScore rouge_l_summary(std::string_view reference, std::string_view hypothesis, bool stem = false);

/// Result of `rouge.pypi`.
struct RougePypi {
  RougeScore score;
  bool empty = false;  ///< one side has no sentence (note `empty`); the score is then 0
};

/// `rouge.pypi`: ROUGE-L of pltrdy/rouge : rouge/rouge_score.py with its default settings
/// (unlearning.md 3.3). Distinct words only, case-sensitive, sentences end at ".".
RougePypi rouge_pypi_l(std::string_view reference, std::string_view hypothesis);

}  // namespace assay::text
