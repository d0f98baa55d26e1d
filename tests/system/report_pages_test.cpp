// `assay compare --html`, `assay leaderboard --html` and `--site`: pages of real runs, read back with parsers
// that are not ours and with a browser, with hostile answers, ids, labels and names.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdio>
#include <regex>

#include "tests/support/fixtures/pages.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;

namespace {

/// Two complete runs of the small suite in x.db: `first` and then `second` of 40 items right.
void two_runs(Bench& bench, int first, int second) {
  bench.small_suite(40, first, 40);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--label", "before"}).code == 0);
  bench.small_suite(40, second, 40);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--label", "after"}).code == 0);
}

/// Two runs whose items and answers are hostile, and whose names were made hostile in the database.
void hostile_runs(Bench& bench) {
  hostile_run(bench);
  std::string answers = slurp(bench.path("answers.jsonl"));
  // Other answers, still hostile: every item changes.
  for (std::size_t at = answers.find("\"text\":\""); at != std::string::npos;
       at = answers.find("\"text\":\"", at + 9))
    answers.insert(at + 8, "other ");
  bench.write("answers.jsonl", answers);
  REQUIRE(bench.run({"run", "hostile.toml", "--db", "x.db"}).code == 0);
  const std::string name =
      "'</bdi></td><script>document.title=''pwned''</script><img src=x "
      "onerror=\"document.title=''pwned''\">'";
  bench.execute("x.db", "UPDATE evaluation SET model_name = " + name + "; UPDATE model SET name = " + name +
                            "; UPDATE recipe SET name = " + name + "; UPDATE metric SET name = " + name +
                            "; UPDATE run SET suite_name = " + name);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

/// The page without its content policy, so that only escaping protects it, and with a script of the test.
std::string unguarded(const std::string& page, const std::string& script) {
  const std::size_t from = page.find("<meta http-equiv=\"Content-Security-Policy\""),
                    to = page.find("/>", from);
  REQUIRE(from != std::string::npos);
  std::string out = page.substr(0, from) + page.substr(to + 2);
  return replaced(std::move(out), "</body>", "<script>" + script + "</script></body>");
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

std::string title_of(const std::string& dom) {
  const std::size_t from = dom.find("<title>") + 7;
  return dom.substr(from, dom.find("</title>") - from);
}

}  // namespace

TEST_CASE("report: a comparison becomes one sound file with the numbers of the JSON, the same every time") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  two_runs(bench, 36, 20);
  const ChildResult text =
      bench.run({"compare", "before", "after", "--db", "x.db", "--margin", "0.05", "--html", "a.html"});
  INFO(text.err);
  REQUIRE(text.code == 0);
  CHECK_THAT(text.out, ContainsSubstring("regressed"));  // the file comes beside the text, not in its place
  const std::string page = slurp(bench.path("a.html"));
  CHECK(page ==
        bench.run({"compare", "before", "after", "--db", "x.db", "--margin", "0.05", "--html", "-"}).out);
  const Json read = contents(bench, "a.html");
  sound(read);
  CHECK(read["plots"] == 1);
  const Json tree = Json::parse(
      bench.run({"compare", "before", "after", "--db", "x.db", "--margin", "0.05", "--json"}).out);
  const Json& value = tree["tasks"][0]["values"][0];
  char number[64];
  std::snprintf(number, sizeof number, "%.4f to %.4f", value["lo"].get<double>(), value["hi"].get<double>());
  CHECK_THAT(page, ContainsSubstring(number));
  CHECK_THAT(page, ContainsSubstring("The candidate is worse on 1 of 1 compared value"));
  CHECK(value["verdict"] == "regressed");
}

TEST_CASE("report: a leaderboard becomes one sound file, and every link in it arrives") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  two_runs(bench, 36, 20);
  const ChildResult text = bench.run({"leaderboard", "--db", "x.db", "--html", "a.html"});
  INFO(text.err);
  REQUIRE(text.code == 0);
  const std::string page = slurp(bench.path("a.html"));
  CHECK(page == bench.run({"leaderboard", "--db", "x.db", "--html", "-"}).out);
  const Json read = contents(bench, "a.html");
  sound(read);
  for (const Json& link : read["links"]) {
    CAPTURE(link);
    CHECK(std::find(read["ids"].begin(), read["ids"].end(), link.get<std::string>().substr(1)) !=
          read["ids"].end());
  }
  // The same name with other answers: two rows, and a history that says what happened.
  CHECK_THAT(page, ContainsSubstring(">0.9000</a>"));
  CHECK_THAT(page, ContainsSubstring(">0.5000</a>"));
  CHECK_THAT(page, ContainsSubstring("<bdi>regressed</bdi>"));
}

TEST_CASE("report: a site has an index and a page for every run, and nothing that is not there is linked") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  two_runs(bench, 36, 20);
  bench.write("keep.txt", "mine");
  const ChildResult made = bench.run({"leaderboard", "--db", "x.db", "--site", "public/board"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  const std::string index = slurp(bench.path("public/board/index.html"));
  const Json read = contents(bench, "public/board/index.html");
  std::size_t pages = 0;
  for (const Json& link : read["links"]) {
    const std::string to = link.get<std::string>();
    if (to.starts_with("#")) continue;
    ++pages;
    CAPTURE(to);
    REQUIRE(std::filesystem::exists(bench.path("public/board/" + to)));
    sound(contents(bench, "public/board/" + to));
  }
  CHECK(pages == 2);
  // Again into the same folder: the same site.
  REQUIRE(bench.run({"leaderboard", "--db", "x.db", "--site", "public/board"}).code == 0);
  CHECK(index == slurp(bench.path("public/board/index.html")));
}

TEST_CASE("report: hostile answers, ids and names become no markup in comparisons and leaderboards") {
  Bench bench;
  if (!has_program(bench, "python3")) SKIP("no python3");
  hostile_runs(bench);
  REQUIRE(
      bench.run({"compare", "latest~1", "latest", "--db", "x.db", "--top-flips", "50", "--html", "c.html"})
          .code == 0);
  REQUIRE(bench.run({"leaderboard", "--db", "x.db", "--html", "l.html"}).code == 0);
  for (const char* file : {"c.html", "l.html"}) {
    CAPTURE(file);
    sound(contents(bench, file));
    std::string bytes = slurp(bench.path(file));
    std::replace(bytes.begin(), bytes.end(), '\t', ' ');  // of the answers themselves
    CHECK(control_character(bytes) == std::string::npos);
    CHECK_FALSE(holds(slurp(bench.path(file)), "\xE2\x80\xAE"));
  }
  const Json page = contents(bench, "c.html");
  for (const Hostile& one : hostile()) {
    INFO(one.clean);
    CHECK(shown(page, one.clean));             // the question and the baseline's answer
    CHECK(shown(page, "other " + one.clean));  // the candidate's
  }
}

TEST_CASE("report: in a browser no hostile text runs, with the content policy and without it") {
  Bench bench;
  if (!has_browser(bench)) SKIP("no chromium");
  // The browser does run what is not escaped: otherwise nothing below would mean anything.
  bench.write("control.html", "<!DOCTYPE html><title>plain</title><script>document.title='pwned'</script>");
  const ChildResult control = browse(bench, "control.html");
  INFO(control.err);
  REQUIRE(title_of(control.out) == "pwned");
  hostile_runs(bench);
  REQUIRE(
      bench.run({"compare", "latest~1", "latest", "--db", "x.db", "--top-flips", "50", "--html", "c.html"})
          .code == 0);
  REQUIRE(bench.run({"leaderboard", "--db", "x.db", "--html", "l.html"}).code == 0);
  for (const std::string file : {"c.html", "l.html"}) {
    bench.write("open-" + file, unguarded(slurp(bench.path(file)), "document.body.id='ran'"));
    for (const std::string& name : {file, "open-" + file}) {
      CAPTURE(name);
      const ChildResult dom = browse(bench, name);
      REQUIRE(dom.code == 0);
      CHECK(title_of(dom.out) != "pwned");
      CHECK_FALSE(title_of(dom.out).empty());
      CHECK_FALSE(holds(dom.out, "<img"));
      CHECK(holds(dom.out, "<body id=\"ran\"") == (name != file));
      CHECK_THAT(dom.out, ContainsSubstring("<button type=\"button\">"));
    }
  }
}

TEST_CASE("report: sorting and filtering work in a browser, and without scripts nothing is missing") {
  Bench bench;
  if (!has_browser(bench)) SKIP("no chromium");
  for (const auto& [label, right] :
       {std::pair("b", 20), {"c", 36}, {"a", 9}, {"d", 30}, {"e", 28}, {"f", 2}}) {
    bench.small_suite(40, right, 40);
    REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--label", label}).code == 0);
  }
  REQUIRE(bench.run({"leaderboard", "--db", "x.db", "--html", "l.html"}).code == 0);
  const std::string page = slurp(bench.path("l.html"));
  // Press the head of the score column twice, write down the scores after each; then filter.
  bench.write("s.html", unguarded(page, R"(
    var table = document.querySelector('table.sortable');
    var heads = Array.from(table.tHead.rows[0].cells);
    var at = heads.findIndex(function (h) { return h.textContent === 'score'; });
    var said = [];
    function scores() {
      return Array.from(table.tBodies[0].rows).filter(function (r) { return !r.hidden; })
        .map(function (r) { return r.cells[at].textContent; }).join(' ');
    }
    said.push(scores());
    heads[at].querySelector('button').click();
    said.push(heads[at].getAttribute('aria-sort') + ' ' + scores());
    heads[at].querySelector('button').click();
    said.push(heads[at].getAttribute('aria-sort') + ' ' + scores());
    var input = table.parentElement.previousElementSibling.querySelector('input');
    input.value = '0.5000';
    input.dispatchEvent(new Event('input'));
    said.push(scores());
    document.title = said.join('; ');)"));
  const ChildResult sorted = browse(bench, "s.html");
  REQUIRE(sorted.code == 0);
  CHECK(title_of(sorted.out) ==
        "0.9000 0.7500 0.7000 0.5000 0.2250 0.0500; ascending 0.0500 0.2250 0.5000 0.7000 0.7500 0.9000; "
        "descending 0.9000 0.7500 0.7000 0.5000 0.2250 0.0500; 0.5000");
  // The page as a browser without scripts shows it: the policy that lets the page's own script run is
  // tightened to none.
  const std::size_t hash = page.find("'sha256-");
  bench.write("p.html", page.substr(0, hash) + "'none'" + page.substr(page.find('\'', hash + 1) + 1));
  const ChildResult plain = browse(bench, "p.html");
  REQUIRE(plain.code == 0);
  CHECK_FALSE(holds(plain.out, "<input"));
  CHECK_FALSE(holds(plain.out, "<button"));
  for (const char* part : {"<tr", "<td", "<th", "<figure", "<section"}) {
    CAPTURE(part);
    CHECK(times(plain.out, part) == times(page, part));
  }
  for (const char* score : {">0.9000</a>", ">0.5000</a>", ">0.2250</a>"})
    CHECK_THAT(plain.out, ContainsSubstring(score));
}

TEST_CASE("report: --html and --site name what is wrong, and leave no file") {
  Bench bench;
  two_runs(bench, 30, 20);
  struct Case {
    Words words;
    int code;
    std::string said;
  };
  const Case one = GENERATE(
      Case{{"compare", "before", "after", "--db", "x.db", "--json", "--html", "-"}, 2, "--html -"},
      Case{{"compare", "before", "after", "--db", "x.db", "--markdown", "--html", "-"}, 2, "--html -"},
      Case{{"compare", "before", "after", "--db", "x.db", "--html", "items.jsonl/o.html"}, 4, "items.jsonl"},
      Case{{"compare", "before", "nosuch", "--db", "x.db", "--html", "o.html"}, 2, "nosuch"},
      Case{{"leaderboard", "--db", "x.db", "--csv", "-", "--html", "-"}, 2, "--html -"},
      Case{{"leaderboard", "--db", "x.db", "--history", "*", "--html", "o.html"}, 2, "--history"},
      Case{{"leaderboard", "--db", "x.db", "--task", "none", "--html", "o.html"}, 2, "none"},
      Case{{"leaderboard", "--db", "x.db", "--site", "items.jsonl/site"}, 4, "items.jsonl"});
  const ChildResult result = bench.run(one.words);
  INFO(result.out << result.err);
  CHECK(result.code == one.code);
  CHECK_THAT(result.err, ContainsSubstring(one.said));
  CHECK_FALSE(std::filesystem::exists(bench.path("o.html")));
}
