// What the tests of pages share: counting, and the check that nothing of the data became markup.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cctype>
#include <set>
#include <string>

namespace assay::test {

inline std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

/// Texts that a model, a file or a person may have written.
inline constexpr char kHostile[] =
    "</td></bdi><script>document.title='pwned'</script><img src=x onerror=\"x\">&'\"";

/// Every tag is one that the pages use, none has a handler, and there is one script.
inline void check_markup(const std::string& page) {
  static const std::set<std::string> kKnown = {
      "!doctype", "html", "head",    "meta",     "title",      "style", "body",   "a",     "header",  "h1",
      "h2",       "h3",   "h4",      "bdi",      "main",       "nav",   "ul",     "li",    "section", "p",
      "div",      "span", "strong",  "table",    "caption",    "thead", "tbody",  "tr",    "th",      "td",
      "dl",       "dt",   "dd",      "details",  "summary",    "pre",   "figure", "desc",  "svg",     "line",
      "circle",   "rect", "polygon", "polyline", "figcaption", "text",  "footer", "script"};
  // The page's own style and script have signs of their own.
  std::string body = page;
  for (const char* element : {"style", "script"}) {
    const std::size_t from = body.rfind(std::string("<") + element + ">"),
                      to = body.find(std::string("</") + element + ">", from);
    REQUIRE(from != std::string::npos);
    REQUIRE(to != std::string::npos);
    body.erase(from, to - from);
  }
  for (std::size_t at = body.find('<'); at != std::string::npos; at = body.find('<', at + 1)) {
    std::size_t begin = at + 1;
    if (body[begin] == '/') ++begin;
    std::size_t end = begin;
    while (end < body.size() &&
           (std::isalnum(static_cast<unsigned char>(body[end])) != 0 || body[end] == '!'))
      ++end;
    std::string name = body.substr(begin, end - begin);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::string tag = body.substr(at, body.find('>', at) - at);
    // Names of attributes, without their values.
    std::string names;
    bool inside = false;
    for (const char c : tag) {
      if (c == '"') inside = !inside;
      if (!inside) names += c;
    }
    CAPTURE(tag);
    CHECK_FALSE(inside);
    CHECK(kKnown.count(name) == 1);
    CHECK(names.find(" on") == std::string::npos);
  }
  CHECK(count(page, "<script") == 1);
  CHECK(count(page, "<h1>") == 1);
}

}  // namespace assay::test
