#include "assay/text/refusal.hpp"

#include <algorithm>
#include <array>

#include "assay/text/utf8.hpp"
#include "contains.hpp"
#include "token_ids.hpp"

namespace assay::text {
namespace {

constexpr std::array<std::string_view, 7> kRefusalStarts{
    "i do not know", "i don't know", "i'm sorry", "i am sorry", "i cannot", "i can't", "as an ai"};

constexpr std::array<std::string_view, 20> kAbstentionPhrases{"i don't know",
                                                              "i do not know",
                                                              "i'm not sure",
                                                              "i am not sure",
                                                              "i cannot",
                                                              "i can't",
                                                              "i'm unable",
                                                              "i am unable",
                                                              "unable to answer",
                                                              "no information",
                                                              "not enough information",
                                                              "insufficient information",
                                                              "cannot be determined",
                                                              "can't be determined",
                                                              "i have no comment",
                                                              "i'm sorry",
                                                              "i am sorry",
                                                              "i apologize",
                                                              "as an ai",
                                                              "not mentioned in"};

// The text without punctuation and white space at its ends.
std::string_view strip_ends(std::string_view text) {
  std::size_t first = text.size();
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text, i);
    if (!(c.valid && (is_punctuation(c.value) || is_white_space(c.value)))) {
      first = std::min(first, i);
      end = i + c.length;
    }
    i += c.length;
  }
  return first < end ? text.substr(first, end - first) : std::string_view();
}

// The text without punctuation and white space at its end.
std::string without_trailing_punctuation(const std::string& text) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text, i);
    i += c.length;
    if (!(c.valid && (is_punctuation(c.value) || is_white_space(c.value)))) end = i;
  }
  return text.substr(0, end);
}

std::optional<double> ratio(std::size_t part, std::size_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::optional<double> harmonic(std::optional<double> p, std::optional<double> r) {
  if (!p || !r) return std::nullopt;
  if (*p + *r == 0.0) return 0.0;
  return 2.0 * *p * *r / (*p + *r);
}

}  // namespace

std::string normalise_refusal(std::string_view text) {
  std::string out = lower(text);
  out = replace_all(out, "\xE2\x80\x98", "'");
  out = replace_all(out, "\xE2\x80\x99", "'");
  return collapse_white_space(out);
}

bool is_empty_output(std::string_view text) {
  return trim(text).empty();
}

RefusalDetector::RefusalDetector(std::span<const std::string> lines) {
  for (const std::string& line : lines) {
    std::string phrase = without_trailing_punctuation(normalise_refusal(line));
    if (!phrase.empty()) phrases_.push_back(std::move(phrase));
  }
  std::sort(phrases_.begin(), phrases_.end());
  phrases_.erase(std::unique(phrases_.begin(), phrases_.end()), phrases_.end());
}

RefusalDetector RefusalDetector::from_text(std::string_view file_text) {
  std::vector<std::string> lines;
  for (const std::string_view line : split_at(file_text, '\n')) lines.emplace_back(line);
  return RefusalDetector(lines);
}

bool RefusalDetector::is_refusal(std::string_view output) const {
  const std::string text = normalise_refusal(output);
  const std::string_view view(text);
  return std::any_of(kRefusalStarts.begin(), kRefusalStarts.end(),
                     [view](std::string_view start) { return view.starts_with(start); }) ||
         std::any_of(phrases_.begin(), phrases_.end(),
                     [view](const std::string& phrase) { return contains(view, phrase); });
}

Gibberish gibberish_ngram4(std::string_view generation) {
  Gibberish out;
  const std::string text = lower(generation);
  const auto words = split_white_space(text);
  out.words = words.size();
  if (words.size() >= 4) {
    TokenIds ids;
    const auto numbers = ids.ids(words);
    std::vector<std::array<TokenId, 4>> grams;
    grams.reserve(numbers.size() - 3);
    for (std::size_t i = 0; i + 4 <= numbers.size(); ++i) {
      grams.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]});
    }
    const auto all = static_cast<double>(grams.size());
    std::sort(grams.begin(), grams.end());
    grams.erase(std::unique(grams.begin(), grams.end()), grams.end());
    out.unique4 = static_cast<double>(grams.size()) / all;
  }
  std::size_t letters = 0;
  for_each_code_point(generation, [&](char32_t c, std::string_view, bool) {
    if (is_white_space(c)) return;
    ++out.visible;
    if (is_letter(c)) ++letters;
  });
  out.letter_share = ratio(letters, out.visible);
  const bool repeats = out.words >= 8 && out.unique4 < 0.5;
  out.flagged = repeats || (out.visible >= 8 && *out.letter_share < 0.5);
  return out;
}

ExactAbstention::ExactAbstention(std::span<const std::string> answers) {
  for (const std::string& answer : answers) answers_.push_back(lower(trim(answer)));
  std::sort(answers_.begin(), answers_.end());
}

bool ExactAbstention::abstained(std::string_view answer) const {
  return std::binary_search(answers_.begin(), answers_.end(), lower(trim(answer)));
}

bool abstained_factscore_generic(std::string_view answer) {
  return answer.starts_with("I'm sorry") || contains(answer, "provide more");
}

bool abstained_phrases_v1(std::string_view answer) {
  const std::string text = lower(answer);
  for (const std::string_view phrase : kAbstentionPhrases) {
    if (contains(text, phrase)) return true;
  }
  const std::string_view core = strip_ends(text);
  return core == "unknown" || core == "n/a" || core == "none";
}

void AbstentionCounts::add(bool answerable, bool abstains, bool is_correct) {
  const auto one = [](bool b) { return static_cast<std::size_t>(b); };
  ++items;
  abstained += one(abstains);
  unanswerable += one(!answerable);
  abstained_unanswerable += one(abstains && !answerable);
  correct += one(is_correct);
  correct_attempted += one(is_correct && !abstains);
}

AbstentionRates abstention_rates(const AbstentionCounts& c) {
  AbstentionRates r;
  r.abstention_rate = ratio(c.abstained, c.items);
  r.abstention_precision = ratio(c.abstained_unanswerable, c.abstained);
  r.abstention_recall = ratio(c.abstained_unanswerable, c.unanswerable);
  r.abstention_f1 = harmonic(r.abstention_precision, r.abstention_recall);
  r.false_abstention_rate = ratio(c.abstained - c.abstained_unanswerable, c.items - c.unanswerable);
  r.hallucination_rate_unanswerable = ratio(c.unanswerable - c.abstained_unanswerable, c.unanswerable);
  r.accuracy_given_attempted = ratio(c.correct_attempted, c.items - c.abstained);
  r.overall_correct = ratio(c.correct, c.items);
  r.reliability = ratio(c.correct + c.abstained_unanswerable, c.items);
  return r;
}

}  // namespace assay::text
