#include "assay/text/parsers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "assay/text/utf8.hpp"
#include "contains.hpp"

namespace assay::text {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower_letter(char c) {
  return c >= 'a' && c <= 'z';
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::string without(std::string_view text, std::string_view characters) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (characters.find(c) == std::string_view::npos) out.push_back(c);
  }
  return out;
}

// Maximal runs of a-z; with `apostrophes` a run may go on once behind an apostrophe ("isn't").
std::vector<std::string_view> letter_words(std::string_view text, bool apostrophes) {
  std::vector<std::string_view> out;
  const auto run_end = [text](std::size_t i) {
    while (i < text.size() && is_lower_letter(text[i])) ++i;
    return i;
  };
  for (std::size_t i = 0; i < text.size();) {
    if (!is_lower_letter(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = run_end(i);
    if (apostrophes && end + 1 < text.size() && text[end] == '\'' && is_lower_letter(text[end + 1])) {
      end = run_end(end + 1);
    }
    out.push_back(text.substr(i, end - i));
    i = end;
  }
  return out;
}

// True if bytes [begin, end) of the text touch no letter, number or low line.
bool is_whole_word(std::string_view text, std::size_t begin, std::size_t end) {
  if (end < text.size()) {
    const CodePoint next = decode_at(text, end);
    if (next.valid && is_word_character(next.value)) return false;
  }
  for (std::size_t back = 1; back <= 4 && back <= begin; ++back) {
    const CodePoint before = decode_at(text, begin - back);
    if (before.valid && before.length == back) return !is_word_character(before.value);
  }
  return true;
}

bool has_whole_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    if (is_whole_word(text, at, at + word.size())) return true;
  }
  return false;
}

constexpr std::array<std::string_view, 17> kHedges{
    "not sure",         "unsure",          "unclear",     "not clear",    "cannot tell", "can't tell",
    "cannot determine", "can't determine", "cannot say",  "can't say",    "unable to",   "do not know",
    "don't know",       "no idea",         "hard to say", "hard to tell", "uncertain"};
constexpr std::array<std::string_view, 6> kNegations{"no", "not", "none", "nothing", "cannot", "nope"};

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

std::optional<SimpleQaGrade> grade_of(char c) {
  switch (c) {
    case 'A':
      return SimpleQaGrade::kCorrect;
    case 'B':
      return SimpleQaGrade::kIncorrect;
    case 'C':
      return SimpleQaGrade::kNotAttempted;
    default:
      return std::nullopt;
  }
}

// Removes every `lead` that is followed by at least one digit, together with the digits.
std::string remove_with_digits(std::string_view text, std::string_view lead) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + lead.size();
    if (text.substr(i, lead.size()) == lead && end < text.size() && is_digit(text[end])) {
      while (end < text.size() && is_digit(text[end])) ++end;
      i = end;
    } else {
      out.push_back(text[i++]);
    }
  }
  return out;
}

std::string needle_form(std::string_view text) {
  return without(text, "\r\n. ");
}

}  // namespace

YesNo parse_pope_first_sentence(std::string_view text) {
  const std::string sentence = without(text.substr(0, text.find('.')), ",");
  for (const std::string_view word : split_at(sentence)) {
    if (word == "No" || word == "not" || word == "no") return YesNo::kNo;
  }
  return YesNo::kYes;
}

YesNo parse_pope_opera(std::string_view text) {
  const std::string line = without(text, ".,");
  for (const std::string_view word : split_at(line)) {
    if (word == "NO" || word == "No" || word == "not" || word == "no" || word.ends_with("n't"))
      return YesNo::kNo;
  }
  return YesNo::kYes;
}

YesNo parse_pope_three_way(std::string_view text) {
  const std::string low = replace_all(lower(text), "\xE2\x80\x99", "'");
  const auto words = letter_words(low, /*apostrophes=*/true);
  if (words.empty()) return YesNo::kUnknown;
  for (const std::string_view hedge : kHedges) {
    if (contains(low, hedge)) return YesNo::kUnknown;
  }
  const std::string_view first = words.front();
  if (first == "yes" || first == "yeah" || first == "yep") return YesNo::kYes;
  if (first == "no" || first == "nope") return YesNo::kNo;
  bool yes = false;
  bool no = false;
  for (const std::string_view word : words) {
    yes = yes || word == "yes";
    no = no || is_one_of(word, kNegations) || word.ends_with("n't");
  }
  if (yes != no) return yes ? YesNo::kYes : YesNo::kNo;
  if (yes) return YesNo::kUnknown;
  const std::string_view start = trim(low);
  const bool asserts =
      start.starts_with("there's") || start.starts_with("there is") || start.starts_with("there are");
  return asserts ? YesNo::kYes : YesNo::kUnknown;
}

std::optional<YesNo> parse_halueval_substring(std::string_view text) {
  const std::string line = without(text, ".");
  const bool yes = contains(line, "Yes");
  const bool no = contains(line, "No");
  if (yes == no) return std::nullopt;
  return yes ? YesNo::kYes : YesNo::kNo;
}

std::optional<YesNo> parse_halueval_substring_first_line(std::string_view text) {
  return parse_halueval_substring(first_line(text));
}

std::optional<YesNo> parse_yes_no_word_first(std::string_view text) {
  const std::string low = lower(text);
  for (const std::string_view word : letter_words(low, /*apostrophes=*/false)) {
    if (word == "yes") return YesNo::kYes;
    if (word == "no") return YesNo::kNo;
  }
  return std::nullopt;
}

FactClass parse_halueval2_class(std::string_view judgement) {
  const bool is_true = contains(judgement, "true");
  const bool is_false = contains(judgement, "false");
  if (contains(judgement, "unknown") || is_true == is_false) return FactClass::kUnknown;
  return is_true ? FactClass::kTrue : FactClass::kFalse;
}

bool halueval2_is_false(std::string_view judgement) {
  return contains(judgement, "false");
}

SimpleQaGrade parse_simpleqa_first_char(std::string_view text) {
  for (const char c : text) {
    if (const auto grade = grade_of(c)) return *grade;
  }
  return SimpleQaGrade::kNotAttempted;
}

std::optional<SimpleQaGrade> parse_simpleqa_strict(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto grade = grade_of(text[i]);
    if (grade && is_whole_word(text, i, i + 1)) return grade;
  }
  return std::nullopt;
}

SimpleQaGrade parse_simpleqa_strict_word(std::string_view text) {
  return parse_simpleqa_strict(text).value_or(SimpleQaGrade::kNotAttempted);
}

std::optional<int> parse_mmhal_rating(std::string_view text) {
  const std::string low = lower(text);
  std::optional<int> found;
  for (int k = 0; k <= 6; ++k) {
    std::string phrase = "rating: ";
    phrase.push_back(static_cast<char>('0' + k));
    if (!contains(low, phrase)) continue;
    if (found) return std::nullopt;
    found = k;
  }
  return found;
}

std::optional<double> parse_last_number(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0 && !is_digit(text[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && is_digit(text[begin - 1])) --begin;
  // A point between digits makes these digits a fraction.
  if (begin >= 2 && text[begin - 1] == '.' && is_digit(text[begin - 2])) {
    --begin;
    while (begin > 0 && is_digit(text[begin - 1])) --begin;
  }
  // A hyphen behind a letter or digit joins ("2-3", "GPT-4") and is no sign.
  if (begin > 0 && text[begin - 1] == '-' && is_whole_word(text, begin - 1, text.size())) --begin;
  double value = 0.0;
  const auto parsed = std::from_chars(text.data() + begin, text.data() + end, value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + end || begin == end) return std::nullopt;
  return value;
}

std::optional<int> parse_double_bracket_grade(std::string_view text) {
  std::optional<int> found;
  for (std::size_t at = text.find(": [["); at != std::string_view::npos; at = text.find(": [[", at + 1)) {
    if (at + 7 > text.size() || !is_digit(text[at + 4]) || text.substr(at + 5, 2) != "]]") continue;
    if (found) return std::nullopt;
    found = text[at + 4] - '0';
  }
  return found;
}

double parse_selfcheck_prompt(std::string_view text) {
  const std::string low = lower(trim(text));
  if (low.starts_with("yes")) return 0.0;
  return low.starts_with("no") ? 1.0 : 0.5;
}

bool parse_factscore_text(std::string_view text) {
  const std::string low = lower(text);
  const std::size_t is_true = low.find("true");
  const std::size_t is_false = low.find("false");
  if (is_true != std::string::npos || is_false != std::string::npos) {
    if (is_false == std::string::npos) return true;
    return is_true != std::string::npos && is_true > is_false;
  }
  static constexpr std::array<std::string_view, 4> kDenials{"not", "cannot", "unknown", "information"};
  std::string plain;
  for (const char c : low) {
    if (!is_ascii_punctuation(c)) plain.push_back(c);
  }
  const auto words = split_white_space(plain, SpaceSet::kPython);
  return std::none_of(words.begin(), words.end(), [](std::string_view w) { return is_one_of(w, kDenials); });
}

std::optional<bool> parse_factscore_strict(std::string_view text) {
  const std::string low = lower(first_line(text));
  const bool is_true = has_whole_word(low, "true");
  const bool is_false = has_whole_word(low, "false");
  if (is_true == is_false) return std::nullopt;
  return is_true;
}

NliLabel parse_nli_word(std::string_view text) {
  const std::string low = lower(text);
  std::size_t end = 0;
  for (std::size_t n = 0; n < 30 && end < low.size(); ++n) end += decode_at(low, end).length;
  const std::string_view head = std::string_view(low).substr(0, end);
  if (contains(head, "entailment")) return NliLabel::kEntailment;
  if (contains(head, "neutral")) return NliLabel::kNeutral;
  return contains(head, "contradiction") ? NliLabel::kContradiction : NliLabel::kNeutral;
}

std::vector<std::int64_t> parse_citations(std::string_view text) {
  std::vector<std::int64_t> out;
  for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at + 1)) {
    if (at + 1 >= text.size() || !is_digit(text[at + 1])) continue;
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data() + at + 1, text.data() + text.size(), number);
    // More digits than fit certainly name no document.
    if (parsed.ec != std::errc()) number = std::numeric_limits<std::int64_t>::max();
    out.push_back(number - 1);
  }
  return out;
}

std::string remove_citations(std::string_view text) {
  std::string out = remove_with_digits(text, " [");
  out = remove_with_digits(out, "[");
  out = replace_all(out, " |", "");
  return replace_all(out, "]", "");
}

std::span<const std::string> default_absent_spellings() {
  static const std::array<std::string, 5> kSpellings{"-1", "none", "not found", "not present",
                                                     "not mentioned"};
  return kSpellings;
}

std::string normalise_needle_answer(std::string_view text, std::span<const std::string> absent_spellings) {
  std::string form = needle_form(text);
  const std::string low = lower(form);
  const bool absent = std::any_of(absent_spellings.begin(), absent_spellings.end(),
                                  [&](const std::string& s) { return lower(needle_form(s)) == low; });
  return absent ? "-1" : form;
}

}  // namespace assay::text
