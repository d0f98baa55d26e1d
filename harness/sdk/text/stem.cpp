#include "assay/text/stem.hpp"

#include <array>
#include <span>
#include <utility>

namespace assay::text {
namespace {

// Walks over the letters of a word and tells for each whether it is a consonant. A y is a consonant at the
// start and after a vowel, hence the memory of one letter.
class LetterKinds {
 public:
  bool next_is_consonant(char c) {
    bool consonant = true;
    if (c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u') {
      consonant = false;
    } else if (c == 'y') {
      consonant = first_ || !previous_;
    }
    first_ = false;
    previous_ = consonant;
    return consonant;
  }

 private:
  bool first_ = true;
  bool previous_ = true;
};

struct Shape {
  int measure = 0;  // number of vowel-consonant borders
  bool has_vowel = false;
  bool last = true;  // consonant flags of the last three letters
  bool before_last = true;
  bool third_last = true;
};

Shape shape_of(std::string_view stem) {
  LetterKinds kinds;
  Shape s;
  for (std::size_t i = 0; i < stem.size(); ++i) {
    const bool consonant = kinds.next_is_consonant(stem[i]);
    if (!consonant) s.has_vowel = true;
    s.third_last = s.before_last;
    s.before_last = s.last;
    s.last = consonant;
    if (i > 0 && consonant && !s.before_last) ++s.measure;
  }
  return s;
}

int measure(std::string_view stem) {
  return shape_of(stem).measure;
}

bool ends_with_double_consonant(std::string_view word) {
  return word.size() >= 2 && word.back() == word[word.size() - 2] && shape_of(word).last;
}

// Consonant-vowel-consonant with a last letter other than w, x, y; or a two-letter vowel-consonant word.
bool ends_cvc(std::string_view word) {
  const Shape s = shape_of(word);
  if (word.size() == 2) return !s.before_last && s.last;
  if (word.size() < 3 || !s.third_last || s.before_last || !s.last) return false;
  const char c = word.back();
  return c != 'w' && c != 'x' && c != 'y';
}

struct Rule {
  std::string_view suffix;
  std::string_view replacement;
};

// The first rule whose suffix matches decides: it applies if `allowed(stem)`, otherwise nothing changes.
template <class Allowed>
void apply_first(std::string& word, std::span<const Rule> rules, Allowed&& allowed) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    const std::string_view stem(word.data(), word.size() - rule.suffix.size());
    if (!allowed(stem)) return;
    word.resize(stem.size());
    word.append(rule.replacement);
    return;
  }
}

bool positive_measure(std::string_view stem) {
  return measure(stem) > 0;
}

void step_1a(std::string& word) {
  static constexpr std::array<Rule, 4> kRules{{{"sses", "ss"}, {"ies", "i"}, {"ss", "ss"}, {"s", ""}}};
  if (word.size() == 4 && word.ends_with("ies")) {
    word.pop_back();
    return;
  }
  apply_first(word, kRules, [](std::string_view) { return true; });
}

void finish_1b(std::string& stem) {
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) {
    stem.push_back('e');
  } else if (ends_with_double_consonant(stem)) {
    if (stem.back() != 'l' && stem.back() != 's' && stem.back() != 'z') stem.pop_back();
  } else if (measure(stem) == 1 && ends_cvc(stem)) {
    stem.push_back('e');
  }
}

void step_1b(std::string& word) {
  if (word.ends_with("ied")) {
    word.resize(word.size() - (word.size() == 4 ? 1 : 2));
    return;
  }
  if (word.ends_with("eed")) {
    if (measure(std::string_view(word).substr(0, word.size() - 3)) > 0) word.pop_back();
    return;
  }
  for (const std::string_view suffix : {std::string_view("ed"), std::string_view("ing")}) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view stem(word.data(), word.size() - suffix.size());
    if (!shape_of(stem).has_vowel) continue;
    word.resize(stem.size());
    finish_1b(word);
    return;
  }
}

void step_1c(std::string& word) {
  if (word.size() <= 2 || word.back() != 'y') return;
  if (shape_of(std::string_view(word).substr(0, word.size() - 1)).last) word.back() = 'i';
}

void step_2(std::string& word) {
  static constexpr std::array<Rule, 21> kRules{
      {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
       {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
       {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
       {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
       {"fulli", "ful"}}};
  while (word.ends_with("alli") && measure(std::string_view(word).substr(0, word.size() - 4)) > 0) {
    word.resize(word.size() - 2);
  }
  if (word.ends_with("logi")) {  // no other suffix of the list ends in "logi"; the l counts to the stem
    if (measure(std::string_view(word).substr(0, word.size() - 3)) > 0) word.pop_back();
    return;
  }
  apply_first(word, kRules, positive_measure);
}

void step_3(std::string& word) {
  static constexpr std::array<Rule, 7> kRules{{{"icate", "ic"},
                                               {"ative", ""},
                                               {"alize", "al"},
                                               {"iciti", "ic"},
                                               {"ical", "ic"},
                                               {"ful", ""},
                                               {"ness", ""}}};
  apply_first(word, kRules, positive_measure);
}

void step_4(std::string& word) {
  static constexpr std::array<std::string_view, 19> kSuffixes{
      "al",  "ance", "ence", "er",  "ic",  "able", "ible", "ant", "ement", "ment",
      "ent", "ion",  "ou",   "ism", "ate", "iti",  "ous",  "ive", "ize"};
  for (const std::string_view suffix : kSuffixes) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view stem(word.data(), word.size() - suffix.size());
    const bool ending_ok = suffix != "ion" || stem.ends_with('s') || stem.ends_with('t');
    if (ending_ok && measure(stem) > 1) word.resize(stem.size());
    return;
  }
}

void step_5(std::string& word) {
  if (word.ends_with('e')) {
    const std::string_view stem(word.data(), word.size() - 1);
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_cvc(stem))) word.pop_back();
  }
  if (word.ends_with("ll") && measure(std::string_view(word).substr(0, word.size() - 1)) > 1) word.pop_back();
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kIrregular{{{"sky", "sky"},
                                                                                    {"skies", "sky"},
                                                                                    {"dying", "die"},
                                                                                    {"lying", "lie"},
                                                                                    {"tying", "tie"},
                                                                                    {"news", "news"},
                                                                                    {"innings", "inning"},
                                                                                    {"inning", "inning"},
                                                                                    {"outings", "outing"},
                                                                                    {"outing", "outing"},
                                                                                    {"cannings", "canning"},
                                                                                    {"canning", "canning"},
                                                                                    {"howe", "howe"},
                                                                                    {"proceed", "proceed"},
                                                                                    {"exceed", "exceed"},
                                                                                    {"succeed", "succeed"}}};

}  // namespace

std::string porter_stem(std::string_view word) {
  for (const auto& [form, stem] : kIrregular) {
    if (word == form) return std::string(stem);
  }
  std::string out(word);
  if (out.size() <= 2) return out;
  step_1a(out);
  step_1b(out);
  step_1c(out);
  step_2(out);
  step_3(out);
  step_4(out);
  step_5(out);
  return out;
}

}  // namespace assay::text
