#include "assay/text/normalise.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "assay/text/utf8.hpp"
#include "contains.hpp"

namespace assay::text {
namespace {

bool is_article(std::string_view word) {
  return word == "a" || word == "an" || word == "the";
}

std::string delete_ascii_punctuation(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (!is_ascii_punctuation(c)) out.push_back(c);
  }
  return out;
}

// Articles become a blank. A word is a maximal run of word characters.
std::string blank_articles(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t start = 0;
  const auto finish = [&](std::size_t end) {
    const std::string_view word = text.substr(start, end - start);
    out.append(is_article(word) ? std::string_view(" ") : word);
  };
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text, i);
    if (!c.valid || !is_word_character(c.value)) {
      finish(i);
      out.append(text.substr(i, c.length));
      start = i + c.length;
    }
    i += c.length;
  }
  finish(text.size());
  return out;
}

double f1_of(std::vector<std::string_view> a, std::vector<std::string_view> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  std::vector<std::string_view> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  if (common.empty()) return 0.0;
  const auto same = static_cast<double>(common.size());
  const double precision = same / static_cast<double>(a.size());
  const double recall = same / static_cast<double>(b.size());
  return 2.0 * precision * recall / (precision + recall);
}

double f1_of_normalised(const std::string& prediction, const std::string& gold, F1Variant variant) {
  const auto is_special = [](const std::string& s) { return s == "yes" || s == "no" || s == "noanswer"; };
  if (variant == F1Variant::kHotpot && prediction != gold && (is_special(prediction) || is_special(gold))) {
    return 0.0;
  }
  auto p = split_white_space(prediction);
  auto g = split_white_space(gold);
  if (variant == F1Variant::kSquad2 && (p.empty() || g.empty())) return p.empty() && g.empty() ? 1.0 : 0.0;
  return f1_of(std::move(p), std::move(g));
}

// The first code point in title case, the rest in lower case (str.capitalize of Python).
std::string capitalised(std::string_view text) {
  if (text.empty()) return {};
  const CodePoint first = decode_at(text, 0);
  // Lower-casing the whole text first lets a final sigma see the letters before it.
  const std::string low = lower(text);
  const std::size_t low_first = lower(text.substr(0, first.length)).size();
  std::string out;
  if (first.valid) {
    append_utf8(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(first.value))));
  } else {
    out.append(text.substr(0, first.length));
  }
  return out.append(low, low_first);
}

}  // namespace

std::string normalise_squad(std::string_view text) {
  return collapse_white_space(blank_articles(delete_ascii_punctuation(lower(text))));
}

std::string normalise_answer(std::string_view text) {
  const std::string base = collapse_white_space(lower(nfc(text)));
  std::size_t first = base.size();  // first code point that is kept
  std::size_t end = 0;              // one past the last one
  for (std::size_t i = 0; i < base.size();) {
    const CodePoint c = decode_at(base, i);
    const bool stripped = c.valid && (is_punctuation(c.value) || is_white_space(c.value));
    if (!stripped) {
      first = std::min(first, i);
      end = i + c.length;
    }
    i += c.length;
  }
  return first < end ? base.substr(first, end - first) : std::string();
}

bool exact_match(std::string_view prediction, std::string_view gold) {
  return normalise_squad(prediction) == normalise_squad(gold);
}

double token_f1(std::string_view prediction, std::string_view gold, F1Variant variant) {
  return f1_of_normalised(normalise_squad(prediction), normalise_squad(gold), variant);
}

std::optional<bool> exact_match_max(std::string_view prediction, std::span<const std::string> golds) {
  if (golds.empty()) return std::nullopt;
  const std::string p = normalise_squad(prediction);
  return std::any_of(golds.begin(), golds.end(),
                     [&](const std::string& g) { return normalise_squad(g) == p; });
}

std::optional<double> token_f1_max(std::string_view prediction, std::span<const std::string> golds,
                                   F1Variant variant) {
  if (golds.empty()) return std::nullopt;
  const std::string p = normalise_squad(prediction);
  double best = 0.0;
  for (const std::string& g : golds) best = std::max(best, f1_of_normalised(p, normalise_squad(g), variant));
  return best;
}

std::optional<bool> substring_norm_any(std::string_view prediction, std::span<const std::string> golds) {
  if (golds.empty()) return std::nullopt;
  const std::string p = normalise_squad(prediction);
  return std::any_of(golds.begin(), golds.end(),
                     [&](const std::string& g) { return contains(p, normalise_squad(g)); });
}

std::optional<bool> substring_raw_lower_cap_any(std::string_view prediction,
                                                std::span<const std::string> golds) {
  if (golds.empty()) return std::nullopt;
  return std::any_of(golds.begin(), golds.end(), [&](const std::string& g) {
    return contains(prediction, g) || contains(prediction, lower(g)) || contains(prediction, capitalised(g));
  });
}

std::optional<bool> contains_answer(std::string_view output, std::string_view gold) {
  const std::string g = normalise_answer(gold);
  if (g.empty()) return std::nullopt;
  return contains(normalise_answer(output), g);
}

bool exact_answer(std::string_view output, std::string_view gold) {
  return normalise_answer(output) == normalise_answer(gold);
}

double bag_of_words_f1(std::string_view output, std::string_view gold) {
  return f1_of_normalised(normalise_answer(output), normalise_answer(gold), F1Variant::kSquad2);
}

}  // namespace assay::text
