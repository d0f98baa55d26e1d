#include "assay/text/bleu.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "assay/text/utf8.hpp"
#include "token_ids.hpp"

namespace assay::text {
namespace {

constexpr std::size_t kMaxOrder = 4;
using Ngram = std::array<TokenId, kMaxOrder>;  // unused places hold 0; orders are never mixed

std::vector<Ngram> sorted_ngrams(const std::vector<TokenId>& tokens, std::size_t n) {
  std::vector<Ngram> out;
  for (std::size_t i = 0; i + n <= tokens.size(); ++i) {
    Ngram gram{};
    std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(i), n, gram.begin());
    out.push_back(gram);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::size_t common(const std::vector<Ngram>& a, const std::vector<Ngram>& b) {
  std::vector<Ngram> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both.size();
}

// One left-to-right pass over pairs of characters without overlap: `splits` decides, `write` puts blanks.
template <class Splits, class Write>
std::u32string pair_pass(const std::u32string& in, Splits&& splits, Write&& write) {
  std::u32string out;
  out.reserve(in.size() + in.size() / 4);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (i + 1 < in.size() && splits(in[i], in[i + 1])) {
      write(out, in[i], in[i + 1]);
      ++i;
    } else {
      out.push_back(in[i]);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> bleu_intl_tokens(std::string_view text) {
  std::u32string line = to_code_points(trim_end(text, SpaceSet::kPython));
  line = pair_pass(
      line, [](char32_t a, char32_t b) { return is_punctuation(b) && !is_number(a); },
      [](std::u32string& out, char32_t a, char32_t b) {
        out.append({a, U' ', b, U' '});
      });
  line = pair_pass(
      line, [](char32_t a, char32_t b) { return is_punctuation(a) && !is_number(b); },
      [](std::u32string& out, char32_t a, char32_t b) {
        out.append({U' ', a, U' ', b});
      });
  std::string spaced;
  for (const char32_t c : line) {
    const bool symbol = is_symbol(c);
    if (symbol) spaced.push_back(' ');
    append_utf8(spaced, c);
    if (symbol) spaced.push_back(' ');
  }
  std::vector<std::string> out;
  for (const std::string_view piece : split_white_space(spaced, SpaceSet::kPython)) out.emplace_back(piece);
  return out;
}

double bleu_intl_exp(std::string_view hypothesis, std::string_view reference) {
  const auto hypothesis_tokens = bleu_intl_tokens(hypothesis);
  const auto reference_tokens = bleu_intl_tokens(reference);
  TokenIds ids;
  const auto h = ids.ids(hypothesis_tokens);
  const auto r = ids.ids(reference_tokens);
  if (h.size() < kMaxOrder) return 0.0;  // a precision without any n-gram stays 0, and so does the product
  double smoothing = 1.0;
  double log_sum = 0.0;
  bool any_match = false;
  for (std::size_t n = 1; n <= kMaxOrder; ++n) {
    const std::size_t matches = common(sorted_ngrams(h, n), sorted_ngrams(r, n));
    const auto total = static_cast<double>(h.size() - n + 1);
    any_match = any_match || matches > 0;
    if (matches == 0) smoothing *= 2.0;
    log_sum +=
        std::log(matches == 0 ? 100.0 / (smoothing * total) : 100.0 * static_cast<double>(matches) / total);
  }
  if (!any_match) return 0.0;
  const auto h_size = static_cast<double>(h.size());
  const auto r_size = static_cast<double>(r.size());
  const double brevity = h_size >= r_size ? 1.0 : std::exp(1.0 - r_size / h_size);
  return brevity * std::exp(log_sum / static_cast<double>(kMaxOrder));
}

}  // namespace assay::text
