// The page: structure, tables, contrast of its colours in both themes.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <map>
#include <string>

#include "reports/html/page.hpp"
#include "tests/unit/html_support.hpp"

using namespace assay::host::html;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;

namespace {

using assay::test::count;

using Colors = std::map<std::string, std::string>;

/// The variables of the first ":root" at or after `from`.
Colors colors_after(const std::string& css, std::size_t from) {
  Colors out;
  const std::size_t begin = css.find(":root", from), end = css.find('}', begin);
  for (std::size_t at = css.find("--", begin); at < end; at = css.find("--", at + 2)) {
    const std::size_t colon = css.find(':', at), stop = css.find(';', at);
    const std::size_t hash = css.find('#', colon);
    if (hash < stop) out[css.substr(at, colon - at)] = css.substr(hash, 7);
  }
  return out;
}

double channel(double value) {
  return value <= 0.03928 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

struct Rgb {
  double r, g, b;
};

Rgb rgb(const std::string& hex) {
  const auto part = [&](std::size_t at) { return std::stoi(hex.substr(at, 2), nullptr, 16) / 255.0; };
  return {part(1), part(3), part(5)};
}

/// WCAG 2.1 contrast of two colours.
double contrast(const Rgb& a, const Rgb& b) {
  const auto light = [](const Rgb& c) {
    return 0.2126 * channel(c.r) + 0.7152 * channel(c.g) + 0.0722 * channel(c.b);
  };
  const double x = light(a) + 0.05, y = light(b) + 0.05;
  return x > y ? x / y : y / x;
}

Rgb mixed(const Rgb& a, const Rgb& b, double share_of_b) {
  const auto mix = [&](double x, double y) { return x + (y - x) * share_of_b; };
  return {mix(a.r, b.r), mix(a.g, b.g), mix(a.b, b.b)};
}

}  // namespace

TEST_CASE("html: text, links and series can be told from the background in every theme") {
  const std::string css(style());
  const std::size_t dark = css.find("prefers-color-scheme: dark"), print = css.find("@media print");
  REQUIRE(dark != std::string::npos);
  REQUIRE(print != std::string::npos);
  for (const std::size_t from : {std::size_t{0}, dark, print}) {
    const Colors colors = colors_after(css, from);
    REQUIRE(colors.size() >= 23);
    for (const char* text : {"--ink", "--soft", "--link", "--bad", "--good"}) {
      for (const char* ground : {"--bg", "--panel", "--warn-bg"}) {
        CAPTURE(text, ground, from);
        CHECK(contrast(rgb(colors.at(text)), rgb(colors.at(ground))) >= 4.5);
      }
    }
    for (int s = 0; s < 8; ++s) {
      CAPTURE(s, from);
      CHECK(contrast(rgb(colors.at("--s" + std::to_string(s))), rgb(colors.at("--bg"))) >= 4.5);
    }
    CHECK(contrast(rgb(colors.at("--rule")), rgb(colors.at("--bg"))) >= 3.0);
    // Numbers in the cells of a heat map, at every shade.
    for (int share = 0; share <= 100; ++share) {
      const bool upper = share >= 50;
      const Rgb cell =
          upper ? mixed(rgb(colors.at("--heat-mid")), rgb(colors.at("--heat-hi")), (share - 50) / 50.0)
                : mixed(rgb(colors.at("--heat-lo")), rgb(colors.at("--heat-mid")), share / 50.0);
      CAPTURE(share, from);
      CHECK(contrast(cell, rgb(colors.at(upper ? "--on-hi" : "--on-lo"))) >= 4.5);
    }
  }
}

TEST_CASE("html: the printed page has the light colours") {
  const std::string css(style());
  CHECK(colors_after(css, 0) == colors_after(css, css.find("@media print")));
}

TEST_CASE("html: style and script can stand in HTML and in XML as they are") {
  CHECK(style().find_first_of("<&") == std::string_view::npos);
  CHECK(script().find_first_of("<&") == std::string_view::npos);
  CHECK(script().find("]]>") == std::string_view::npos);
  CHECK(style().find("url(") == std::string_view::npos);
  CHECK(style().find("@import") == std::string_view::npos);
}

TEST_CASE("html: a table has a caption, headers with scope, and leaves empty columns out") {
  Table table("Scores & more");
  table.column("name");
  table.column("number", Table::Kind::kNumber);
  table.column("never filled");
  table.row({Cell::of("a<b"), Cell::of(0.25)});
  table.row({Cell::of("c"), Cell::of(std::nan(""))}, "blind");
  const std::string html = table.html();
  CHECK_THAT(html, ContainsSubstring("<caption>Scores &amp; more</caption>"));
  CHECK_THAT(html,
             ContainsSubstring("<th scope=\"col\">name</th><th scope=\"col\" class=\"n\">number</th></tr>"));
  CHECK_THAT(html,
             ContainsSubstring(
                 "<th scope=\"row\"><bdi>a&lt;b</bdi></th><td class=\"n\" data-v=\"0.25\">0.2500</td>"));
  CHECK_THAT(html, ContainsSubstring("<tr class=\"blind\">"));
  CHECK_THAT(html, ContainsSubstring(">n/a</td>"));
  CHECK(count(html, "never filled") == 0);
  CHECK_THAT(html, ContainsSubstring("tabindex=\"0\" role=\"region\""));
}

TEST_CASE("html: a page fetches nothing, names its language and lets the keyboard skip to the content") {
  Page page("A </title><script>x</script>");
  page.lead("<p>lead</p>");
  page.section("One", "<p>1</p>");
  page.section("Two </h2>", "<p>2</p>");
  const std::string html = page.html();
  CHECK(html == page.html());
  CHECK_THAT(html, ContainsSubstring("<title>A &lt;/title&gt;&lt;script&gt;x&lt;/script&gt;</title>"));
  CHECK_THAT(html, ContainsSubstring("<html lang=\"en\""));
  CHECK_THAT(html, ContainsSubstring("<a class=\"skip\" href=\"#main\">"));
  CHECK_THAT(html, ContainsSubstring("default-src 'none'"));
  CHECK_THAT(html, ContainsSubstring("<li><a href=\"#s2\"><bdi>Two &lt;/h2&gt;</bdi></a></li>"));
  CHECK(count(html, "<script") == 1);
  CHECK(count(html, "src=") == 0);
  CHECK(count(html, "<h1>") == 1);
}
