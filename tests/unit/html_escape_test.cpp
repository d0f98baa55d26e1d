// Text of data never becomes markup, and nothing of it is lost that is text.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <string>

#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"

using namespace assay::host::html;  // NOLINT: a test

TEST_CASE("html: the five characters of markup become references") {
  CHECK(text("<script>alert(\"1\" & '2')</script>") ==
        "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
  CHECK(text("]]>") == "]]&gt;");
  CHECK(text("&amp;") == "&amp;amp;");
  CHECK(attribute("a\" onload=\"x\ny\tz") == "a&quot; onload=&quot;x y z");
  CHECK(text("line\n\tnext") == "line\n\tnext");
}

TEST_CASE("html: terminal sequences and control characters are stripped, their neighbours kept") {
  struct Case {
    std::string raw, clean;
  };
  const Case one = GENERATE(
      Case{"\x1b[31mred\x1b[0m", "red"}, Case{"\x1b[38;5;200mx", "x"}, Case{"\x1b]0;title\x07shown", "shown"},
      Case{"\x1b]8;;http://x\x1b\\link", "link"}, Case{"\x1b]never ended", "never ended"}, Case{"\x1b", ""},
      Case{"\x1b[", ""}, Case{"\x1b[12", ""}, Case{"a\x1b[\xC3\xA9", "a\xC3\xA9"},
      Case{"\x1b"
           "cx",
           "x"},
      Case{"a\x08\x07\x7f"
           "b",
           "ab"},
      Case{std::string("a\0b", 3), "ab"},
      Case{"a\xC2\x9B"
           "31mb",
           "a31mb"},
      Case{"a\r\nb\rc", "a\nb\nc"});
  CHECK(cleaned(one.raw) == one.clean);
}

TEST_CASE("html: bytes that are no text become U+FFFD, one each") {
  CHECK(cleaned("a\xFF"
                "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(cleaned("\xEF\xBF\xBE") == "\xEF\xBF\xBD");  // U+FFFE
  CHECK(cleaned("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80") == "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST_CASE("html: characters that turn the direction of reading are shown by number") {
  CHECK(cleaned("a\xE2\x80\xAE"
                "b") == "a[U+202E]b");           // override
  CHECK(cleaned("\xE2\x80\x8F") == "[U+200F]");  // mark
  CHECK(cleaned("\xE2\x81\xA6x\xE2\x81\xA9") == "[U+2066]x[U+2069]");
  CHECK(cleaned("\xD8\xB9\xD8\xB1") == "\xD8\xB9\xD8\xB1");  // Arabic text stays
}

TEST_CASE("html: shortening cuts between characters and says what is missing") {
  CHECK(shortened("abc", 3) == "abc");
  CHECK(shortened("abcd", 3) == "abc [... 1 more characters]");
  CHECK(shortened("\xC3\xA9\xC3\xA9\xC3\xA9", 2) == "\xC3\xA9\xC3\xA9 [... 1 more characters]");
  CHECK(shortened("", 0).empty());
}

TEST_CASE("html: a text's own first line feed survives in a block") {
  CHECK(quoted("\nsecond", 100) == "<pre dir=\"auto\">\n\nsecond</pre>\n");
}

TEST_CASE("html: every byte string gives text without markup and without control characters") {
  // A fixed generator: all pairs of awkward pieces.
  const std::string pieces[] = {"<",     ">",      "&",    "\"",   "'",        "\x1b[",
                                "\x1b]", "\x1b",   "\x07", "\xFF", "\xE2\x80", "\xE2\x80\xAE",
                                "]]>",   "</pre>", "<!--", "\r",   "\xF0\x9F", "\xED\xA0\x80",
                                "m",     ";"};
  for (const std::string& a : pieces) {
    for (const std::string& b : pieces) {
      for (const std::string& c : pieces) {
        const std::string out = attribute(a + b + c);
        CAPTURE(a, b, c, out);
        REQUIRE(out.find_first_of("<>\"'") == std::string::npos);
        for (const char byte : out) REQUIRE((static_cast<unsigned char>(byte) >= 0x20 && byte != 0x7F));
      }
    }
  }
}
