// UTF-8 decoding, Unicode classes, lower-casing, NFC and white space.
#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

#include "assay/text/utf8.hpp"

using namespace assay::text;
using Views = std::vector<std::string_view>;

TEST_CASE("strict UTF-8 check", "[text][utf8]") {
  CHECK(is_valid_utf8(""));
  CHECK(is_valid_utf8("plain ascii text, longer than eight bytes"));
  CHECK(is_valid_utf8("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"));
  CHECK(is_valid_utf8("\xEF\xBF\xBF"));      // U+FFFF is a code point
  CHECK(is_valid_utf8("\xF4\x8F\xBF\xBF"));  // U+10FFFF
  for (const std::string_view bad :
       {std::string_view("\x80"), std::string_view("\xC0\xAF"), std::string_view("\xC1\xBF"),
        std::string_view("\xE0\x9F\xBF"), std::string_view("\xED\xA0\x80"),
        std::string_view("\xF0\x8F\xBF\xBF"), std::string_view("\xF4\x90\x80\x80"),
        std::string_view("\xF5\x80\x80\x80"), std::string_view("\xC3"), std::string_view("\xE2\x82"),
        std::string_view("eight bytes and then \xFF")}) {
    CHECK_FALSE(is_valid_utf8(bad));
  }
}

TEST_CASE("ill-formed bytes decode to one replacement per maximal part", "[text][utf8]") {
  // The example of the Unicode standard, table 3-8.
  const std::string_view bytes = "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64";
  CHECK(to_code_points(bytes) ==
        U"a\uFFFD\uFFFD\uFFFD"
        U"b\uFFFD"
        U"c\uFFFD\uFFFD"
        U"d");
  CHECK(count_code_points(bytes) == 10);
  CHECK(count_code_points("") == 0);
  CHECK(count_code_points("0123456789 caf\xC3\xA9") == 15);
}

TEST_CASE("encoding is the inverse of decoding", "[text][utf8]") {
  for (const char32_t c :
       {U'\x00', U'\x7F', U'\x80', U'\x7FF', U'\x800', U'\xFFFD', U'\x10000', U'\x10FFFF'}) {
    std::string out;
    append_utf8(out, c);
    const CodePoint back = decode_at(out, 0);
    CHECK(back.valid);
    CHECK(back.value == c);
    CHECK(back.length == out.size());
  }
  std::string surrogate;
  append_utf8(surrogate, char32_t{0xD800});
  append_utf8(surrogate, char32_t{0x110000});
  CHECK(surrogate == "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("white space is the Unicode property", "[text][utf8]") {
  std::size_t n = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) n += is_white_space(c) ? 1U : 0U;
  CHECK(n == 25);  // PropList.txt: White_Space has 25 code points
  CHECK(is_white_space(0x85));
  CHECK(is_white_space(0x3000));
  CHECK_FALSE(is_white_space(0x200B));
  CHECK_FALSE(is_white_space(0x1C));
  CHECK(is_white_space(0x1C, SpaceSet::kPython));
}

TEST_CASE("general categories", "[text][utf8]") {
  CHECK(is_letter(U'\u4E2D'));
  CHECK_FALSE(is_letter(U'\u0301'));
  CHECK(is_number(U'\u00B2'));
  CHECK(is_number(U'\u2163'));
  CHECK(is_punctuation(U'_'));
  CHECK(is_punctuation(U'\u2019'));
  CHECK_FALSE(is_punctuation(U'$'));
  CHECK(is_symbol(U'$'));
  CHECK(is_symbol(U'\u20AC'));
  CHECK(is_word_character(U'_'));
  int ascii = 0;
  for (int c = 0; c < 128; ++c) ascii += is_ascii_punctuation(static_cast<char>(c)) ? 1 : 0;
  CHECK(ascii == 32);
}

TEST_CASE("lower case follows Python's str.lower", "[text][utf8]") {
  CHECK(lower("ASCII Text 09") == "ascii text 09");
  CHECK(lower("\u00C9COLE") == "\u00E9cole");
  CHECK(lower("\u0130stanbul") == "i\u0307stanbul");
  CHECK(lower("\u212A") == "k");
  CHECK(lower("\u1E9E") == "\u00DF");
  // Final sigma: at a word's end, before punctuation, not alone, not before a letter, across a soft hyphen.
  CHECK(lower("\u039F\u0394\u039F\u03A3") == "\u03BF\u03B4\u03BF\u03C2");
  CHECK(lower("\u039F\u03A3\u0391") == "\u03BF\u03C3\u03B1");
  CHECK(lower("\u03A3") == "\u03C3");
  CHECK(lower("A\u03A3.") == "a\u03C2.");
  CHECK(lower("A\u03A3'a") == "a\u03C3'a");
  CHECK(lower("A\u00AD\u03A3 b") == "a\u00AD\u03C2 b");
  CHECK(lower("1\u03A3") == "1\u03C3");
  CHECK(lower("A\xFF\u03A3\xFF") == "a\xFF\u03C3\xFF");
  CHECK(lower_ascii("\u00C9Cole") == "\u00C9cole");
}

TEST_CASE("NFC composes, orders marks and keeps ill-formed bytes", "[text][utf8]") {
  CHECK(nfc("plain") == "plain");
  CHECK(nfc("e\u0301") == "\u00E9");
  CHECK(nfc("q\u0307\u0323") == "q\u0323\u0307");
  CHECK(nfc("\u1112\u1161\u11AB") == "\uD55C");
  CHECK(nfc("\u2126") == "\u03A9");
  CHECK(nfc("e\xFF\u0301") == "e\xFF\u0301");
  CHECK(nfc(std::string("e\u0301\xC3")) == "\u00E9\xC3");
}

TEST_CASE("trim, collapse and split", "[text][utf8]") {
  CHECK(trim("").empty());
  CHECK(trim(" \t\u00A0\u2003 ").empty());
  CHECK(trim("\u3000 a b\u00A0 \u2029") == "a b");
  CHECK(trim_end(" a\xC2") == " a\xC2");
  CHECK(trim_end("\u2003") == "");
  CHECK(collapse_white_space(" a\u00A0\n b  ") == "a b");
  CHECK(collapse_white_space("a\xFF \xFE") == "a\xFF \xFE");
  CHECK(split_white_space("") == Views{});
  CHECK(split_white_space(" a  b\tc\n") == Views{"a", "b", "c"});
  CHECK(split_white_space("a\x1C"
                          "b") == Views{"a\x1C"
                                        "b"});
  CHECK(split_white_space("a\x1C"
                          "b",
                          SpaceSet::kPython) == Views{"a", "b"});
  CHECK(split_at("") == Views{""});
  CHECK(split_at(" a  b") == Views{"", "a", "", "b"});
  CHECK(replace_all("aaa", "aa", "b") == "ba");
  CHECK(replace_all("abc", "", "x") == "abc");
}

TEST_CASE("a megabyte of marks, sigmas or broken bytes is handled in linear time", "[text][utf8]") {
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  std::string marks = "e";
  while (marks.size() < kBytes) marks += "\u0301\u0323";  // in the wrong order throughout
  const std::string composed = nfc(marks);
  CHECK(composed.starts_with("\u1EB9\u0323"));
  CHECK(nfc(composed) == composed);
  std::string sigmas;
  while (sigmas.size() < kBytes) sigmas += "\u03A3''''";
  CHECK(lower(sigmas).size() == sigmas.size());
  const std::string broken(kBytes, '\xE2');
  CHECK(count_code_points(broken) == kBytes);
  CHECK(lower(broken) == broken);
  CHECK(nfc(broken) == broken);
  CHECK(split_white_space(broken).size() == 1);
  CHECK_FALSE(is_valid_utf8(broken));
}
