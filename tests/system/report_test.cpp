// `assay report`: one HTML file of a real run, read back with parsers that are not ours, and with hostile
// answers.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdio>

#include "tests/support/fixtures/pages.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;

TEST_CASE("report: a run becomes one sound file, the same every time") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  bench.small_suite(30, 20, 25);
  CHECK(bench.run({"run", "small.toml", "--db", "x.db"}).code == 5);
  const ChildResult made = bench.run({"report", "--db", "x.db", "--html", "a.html"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  CHECK_THAT(made.out, ContainsSubstring("a.html"));
  REQUIRE(bench.run({"report", "latest", "--db", "x.db", "--html", "b.html"}).code == 0);
  const std::string page = slurp(bench.path("a.html"));
  CHECK(page == slurp(bench.path("b.html")));
  CHECK(page == bench.run({"report", "--db", "x.db", "--html", "-"}).out);
  const Json read = contents(bench, "a.html");
  sound(read);
  CHECK(read["plots"] == 1);
  // The score, its interval and what was not scored, as `show` says them.
  const Json row = Json::parse(bench.run({"show", "--db", "x.db", "--json"}).out)["results"][0];
  char text[64];
  std::snprintf(text, sizeof text, "%.4f", row["estimate"].get<double>());
  CHECK_THAT(page, ContainsSubstring(text));
  std::snprintf(text, sizeof text, "%.4f to %.4f", row["lo"].get<double>(), row["hi"].get<double>());
  CHECK_THAT(page, ContainsSubstring(text));
  CHECK_THAT(page, ContainsSubstring("script: 3 of 25 items in state ok"));
  CHECK_THAT(page, ContainsSubstring("script: 3 of 5 items in state error"));
  CHECK_THAT(page, ContainsSubstring("<strong>incomplete</strong>"));
}

TEST_CASE("report: hostile texts are shown as what they are and never become markup") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  hostile_run(bench);
  REQUIRE(bench.run({"report", "--db", "x.db", "--html", "h.html", "--samples", "50"}).code == 0);
  const std::string bytes = slurp(bench.path("h.html"));
  const std::size_t control = [&] {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) return i;
    }
    return std::string::npos;
  }();
  CHECK(control == std::string::npos);
  CHECK_FALSE(holds(bytes, "\xE2\x80\xAE"));
  const Json page = contents(bench, "h.html");
  sound(page);
  for (const Hostile& one : hostile()) {
    INFO(one.clean);
    CHECK(shown(page, one.clean));  // the answer, the question and the target
  }
  CHECK(shown(page, "</h1><script>x</script>"));  // the label
}

TEST_CASE("report: in a browser no text of the data runs, and the page's own script does") {
  Bench bench;
  if (!has_browser(bench)) SKIP("no chromium");
  hostile_run(bench);
  REQUIRE(bench.run({"report", "--db", "x.db", "--html", "h.html"}).code == 0);
  const ChildResult dom = browse(bench, "h.html");
  INFO(dom.err);
  REQUIRE(dom.code == 0);
  CHECK_THAT(dom.out, ContainsSubstring("<title>small, run "));
  CHECK_FALSE(holds(dom.out, "<title>pwned"));
  CHECK_FALSE(holds(dom.out, "<img"));
  CHECK_FALSE(holds(dom.out, "onload=alert(1)></"));
  CHECK_THAT(dom.out, ContainsSubstring("<button type=\"button\">metric</button>"));
}

TEST_CASE("report: ROC curves of the quick start have the recorded areas and stay within the size") {
  Bench bench;
  const std::string suite = (assay::test::source_dir() / "benchmarks/suites/quickstart.toml").string();
  const ChildResult run = bench.run({"run", suite, "--db", "x.db", "--quiet"}, 300);
  INFO(run.err);
  REQUIRE(run.code == 0);
  REQUIRE(bench.run({"report", "--db", "x.db", "--html", "q.html"}).code == 0);
  const std::string page = slurp(bench.path("q.html"));
  CHECK(page.size() < 2'000'000);
  CHECK_FALSE(holds(page, "not drawn: the values"));
  CHECK_FALSE(holds(page, "left out to keep this file small"));
  CHECK_THAT(page, ContainsSubstring("membership: ROC of mia.loss"));
  // One curve for every model and variant of the membership scores.
  const std::int64_t curves = bench.number("x.db",
                                           "SELECT count(*) FROM v_aggregates WHERE metric LIKE 'mia.loss%' "
                                           "AND statistic = 'auroc' AND headline = 1");
  CHECK(curves == 8);
  std::size_t seen = 0;
  for (const char* model : {"saw-members", "never-saw"}) {
    for (const char* variant : {"k1", "k4", "k16", "k64"})
      if (holds(page, std::string("<bdi>") + model + ", " + variant + ": AUROC ")) ++seen;
  }
  CHECK(seen == 8);
}

TEST_CASE("report: a damaged item is shown as damaged and loses nothing else") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.execute("x.db", "UPDATE response SET answer = '{\"choices\": [<broken' WHERE id = 1");
  const ChildResult made = bench.run({"report", "--db", "x.db", "--html", "d.html"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  sound(contents(bench, "d.html"));
  const std::string page = slurp(bench.path("d.html"));
  CHECK_THAT(page, ContainsSubstring("its stored answer is damaged"));
  CHECK_THAT(page, ContainsSubstring("[&lt;broken"));
  CHECK_THAT(page, ContainsSubstring(">\na1</pre>"));
  CHECK_THAT(page, ContainsSubstring(">\na2</pre>"));
}

TEST_CASE("report: what is missing or wrong on the command line is named, and no file is left") {
  Bench bench;
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  struct Case {
    Words words;
    int code;
    std::string said;
  };
  const Case one =
      GENERATE(Case{{"report", "--db", "x.db"}, 2, "--html FILE"},
               Case{{"report", "nosuch", "--db", "x.db", "--html", "o.html"}, 2, "nosuch"},
               Case{{"report", "--db", "x.db", "--html", "o.html", "--samples", "-1"}, 2, "--samples"},
               Case{{"report", "--db", "none.db", "--html", "o.html"}, 2, "none.db"},
               Case{{"report", "--db", "x.db", "--html", "items.jsonl/o.html"}, 4, "items.jsonl"});
  const ChildResult result = bench.run(one.words);
  INFO(result.out << result.err);
  CHECK(result.code == one.code);
  CHECK_THAT(result.err, ContainsSubstring(one.said));
  CHECK_FALSE(std::filesystem::exists(bench.path("o.html")));
}
