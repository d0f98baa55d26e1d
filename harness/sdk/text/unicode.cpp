// The part of utf8.hpp that needs the Unicode character database, taken from utf8proc.
#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "assay/text/utf8.hpp"

namespace assay::text {
namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

constexpr char32_t kCapitalSigma = 0x3A3;
constexpr char32_t kSmallSigma = 0x3C3;
constexpr char32_t kFinalSigma = 0x3C2;
constexpr std::string_view kCapitalSigmaUtf8 = "\xCE\xA3";

struct Range {
  char32_t first;
  char32_t last;
};

template <std::size_t N>
bool in_ranges(const std::array<Range, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](Range r) { return c >= r.first && c <= r.last; });
}

// Word_Break = MidLetter, MidNumLet or Single_Quote (UAX #29), which are Case_Ignorable beside the
// categories below.
constexpr std::array<Range, 16> kMidLetters{{{0x27, 0x27},
                                             {0x2E, 0x2E},
                                             {0x3A, 0x3A},
                                             {0xB7, 0xB7},
                                             {0x387, 0x387},
                                             {0x55F, 0x55F},
                                             {0x5F4, 0x5F4},
                                             {0x2018, 0x2019},
                                             {0x2024, 0x2024},
                                             {0x2027, 0x2027},
                                             {0xFE13, 0xFE13},
                                             {0xFE52, 0xFE52},
                                             {0xFE55, 0xFE55},
                                             {0xFF07, 0xFF07},
                                             {0xFF0E, 0xFF0E},
                                             {0xFF1A, 0xFF1A}}};

// Other_Lowercase and Other_Uppercase of PropList.txt outside the categories that are Case_Ignorable anyway.
constexpr std::array<Range, 7> kOtherCased{{{0xAA, 0xAA},
                                            {0xBA, 0xBA},
                                            {0x2160, 0x217F},
                                            {0x24B6, 0x24E9},
                                            {0x1F130, 0x1F149},
                                            {0x1F150, 0x1F169},
                                            {0x1F170, 0x1F189}}};

bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return in_ranges(kMidLetters, c);
  }
}

bool is_cased(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
      return true;
    default:
      return in_ranges(kOtherCased, c);
  }
}

// True if the first character after `offset` that is not case-ignorable is cased.
bool followed_by_cased(std::string_view text, std::size_t offset) {
  while (offset < text.size()) {
    const CodePoint c = decode_at(text, offset);
    if (!c.valid) return false;
    if (!is_case_ignorable(c.value)) return is_cased(c.value);
    offset += c.length;
  }
  return false;
}

void append_lower(std::string& out, char32_t c) {
  if (c == 0x130) {
    out.append("i\xCC\x87");  // the only unconditional mapping to two code points (SpecialCasing.txt)
    return;
  }
  append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

// Canonical decomposition of one code point, appended to `out`.
void append_decomposed(std::vector<utf8proc_int32_t>& out, char32_t c) {
  std::array<utf8proc_int32_t, 16> buffer{};
  int boundary = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer.data(), 16,
                                         static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE),
                                         &boundary);
  if (n <= 0 || n > 16) {
    out.push_back(static_cast<utf8proc_int32_t>(c));
  } else {
    out.insert(out.end(), buffer.begin(), buffer.begin() + n);
  }
}

utf8proc_propval_t combining_class(utf8proc_int32_t c) {
  return utf8proc_get_property(c)->combining_class;
}

void append_nfc(std::string& out, std::string_view valid) {
  std::vector<utf8proc_int32_t> points;
  points.reserve(valid.size());
  for_each_code_point(valid, [&](char32_t c, std::string_view, bool) { append_decomposed(points, c); });
  // utf8proc's own reordering is quadratic in the length of a run of marks, hence the sort here.
  for (auto it = points.begin(); it != points.end();) {
    const auto run = std::find_if(it, points.end(), [](auto c) { return combining_class(c) != 0; });
    it = std::find_if(run, points.end(), [](auto c) { return combining_class(c) == 0; });
    std::stable_sort(run, it, [](auto a, auto b) { return combining_class(a) < combining_class(b); });
  }
  const auto n = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                                          static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (n < 0) {  // documented for undefined option sets only; the text is then kept as it was
    out.append(valid);
    return;
  }
  for (utf8proc_ssize_t i = 0; i < n; ++i) {
    append_utf8(out, static_cast<char32_t>(points[static_cast<std::size_t>(i)]));
  }
}

}  // namespace

bool is_letter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(char32_t c) {
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool is_symbol(char32_t c) {
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_SM && k <= UTF8PROC_CATEGORY_SO;
}

bool is_word_character(char32_t c) {
  return c == '_' || is_letter(c) || is_number(c);
}

std::string nfc(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  std::string out;
  out.reserve(text.size());
  std::size_t start = 0;  // first byte of the well-formed stretch not yet written
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text, i);
    if (!c.valid) {
      append_nfc(out, text.substr(start, i - start));
      out.append(text.substr(i, c.length));
      start = i + c.length;
    }
    i += c.length;
  }
  append_nfc(out, text.substr(start));
  return out;
}

std::string lower(std::string_view text) {
  if (is_ascii(text)) return lower_ascii(text);
  // Only a capital sigma looks at its neighbours; without one no character needs a class.
  const bool has_sigma = text.find(kCapitalSigmaUtf8) != std::string_view::npos;
  std::string out;
  out.reserve(text.size() + 8);
  bool after_cased = false;  // the last character that is not case-ignorable was cased
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text, i);
    const std::size_t next = i + c.length;
    if (!c.valid) {
      out.append(text.substr(i, c.length));
    } else if (c.value < 0x80) {
      const char b = static_cast<char>(c.value);
      out.push_back(b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
    } else if (c.value == kCapitalSigma) {
      append_utf8(out, after_cased && !followed_by_cased(text, next) ? kFinalSigma : kSmallSigma);
    } else {
      append_lower(out, c.value);
    }
    if (has_sigma && !(c.valid && is_case_ignorable(c.value))) after_cased = c.valid && is_cased(c.value);
    i = next;
  }
  return out;
}

}  // namespace assay::text
