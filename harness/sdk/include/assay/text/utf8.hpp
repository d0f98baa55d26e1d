// UTF-8 and Unicode basics shared by every text metric: decoding, classes, lower-casing, NFC, white space.
//
// Every function takes any bytes. Ill-formed bytes never stop a function: decoding yields U+FFFD once per
// maximal ill-formed part (Unicode 15, section 3.9, "best practice"), and functions that return text copy
// such bytes unchanged. Thread rule: all functions are pure and may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::text {

/// What decoding yields in place of ill-formed bytes.
inline constexpr char32_t kReplacementCharacter = 0xFFFD;

/// One decoded code point.
struct CodePoint {
  char32_t value = kReplacementCharacter;  ///< kReplacementCharacter when the bytes are ill-formed
  std::uint32_t length = 1;                ///< bytes consumed, 1..4
  bool valid = false;                      ///< false for ill-formed bytes
};

/// Decodes the code point that starts at byte `offset`. Precondition: offset < text.size().
CodePoint decode_at(std::string_view text, std::size_t offset);

/// Calls f(char32_t value, std::string_view bytes, bool valid) for every code point in text order.
template <class F>
void for_each_code_point(std::string_view text, F&& f) {
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text, i);
    f(c.value, text.substr(i, c.length), c.valid);
    i += c.length;
  }
}

/// Appends the UTF-8 form of a code point; surrogates and values above U+10FFFF append U+FFFD.
void append_utf8(std::string& out, char32_t value);

/// Strict check of RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_valid_utf8(std::string_view text);
/// True if every byte is below 0x80.
bool is_ascii(std::string_view text);
/// Number of code points; a maximal ill-formed part counts as one.
std::size_t count_code_points(std::string_view text);
/// The text as code points, U+FFFD for ill-formed parts.
std::u32string to_code_points(std::string_view text);
/// The inverse of to_code_points for well-formed text.
std::string to_utf8(std::u32string_view code_points);

/// Which characters count as white space.
enum class SpaceSet : std::uint8_t {
  kUnicode,  ///< the Unicode property White_Space (25 code points)
  kPython,   ///< Python's str.isspace: White_Space and U+001C..U+001F
};

/// Unicode property White_Space: U+0009..U+000D, U+0020, U+0085, U+00A0, U+1680, U+2000..U+200A, U+2028,
/// U+2029, U+202F, U+205F, U+3000.
bool is_white_space(char32_t c, SpaceSet set = SpaceSet::kUnicode);
/// General category L*.
bool is_letter(char32_t c);
/// General category N*.
bool is_number(char32_t c);
/// General category P*.
bool is_punctuation(char32_t c);
/// General category S*.
bool is_symbol(char32_t c);
/// L*, N* or the low line: what neighbours decide about "a whole word" (the class \w of Python's re).
bool is_word_character(char32_t c);
/// One of the 32 ASCII punctuation characters (Python's string.punctuation).
bool is_ascii_punctuation(char c);

/// Normalisation form C (UAX #15). Work is linear up to the sorting of each run of combining marks.
std::string nfc(std::string_view text);

/// Lower case as Python's str.lower gives it: full mappings (U+0130 becomes two code points) and the final
/// sigma rule of the Unicode standard, table 3-17.
std::string lower(std::string_view text);
/// Lower-cases A-Z only; every other byte is kept.
std::string lower_ascii(std::string_view text);

/// The text without white space at both ends; a view into the argument.
std::string_view trim(std::string_view text, SpaceSet set = SpaceSet::kUnicode);
/// The text without white space at its end; a view into the argument.
std::string_view trim_end(std::string_view text, SpaceSet set = SpaceSet::kUnicode);
/// Every run of white space becomes one U+0020, and both ends are trimmed.
std::string collapse_white_space(std::string_view text, SpaceSet set = SpaceSet::kUnicode);
/// Pieces between runs of white space, never empty ones (str.split() of Python); views into the argument.
std::vector<std::string_view> split_white_space(std::string_view text, SpaceSet set = SpaceSet::kUnicode);
/// Pieces between single occurrences of `separator`, empty ones included; "" gives one empty piece
/// (str.split(separator) of Python). Views into the argument.
std::vector<std::string_view> split_at(std::string_view text, char separator = ' ');
/// Every occurrence of `from`, found left to right without overlap, replaced by `to`. An empty `from`
/// changes nothing.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace assay::text
