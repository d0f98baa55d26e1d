// The command line as such: help, versions, typing errors, machine output, colours, exit codes.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using Json = nlohmann::json;

namespace {

const Words kVerbs = {"run",   "plan",   "resume",  "import", "export", "score",
                      "cache", "show",   "compare", "gate",   "report", "leaderboard",
                      "list",  "plugin", "data",    "doctor", "help"};

/// stdout is exactly one line with one JSON object.
Json only_object(const ChildResult& result) {
  INFO("stdout: " << result.out << "\nstderr: " << result.err);
  REQUIRE(lines(result.out).size() == 1);
  const Json tree = Json::parse(result.out, nullptr, false);
  REQUIRE(tree.is_object());
  return tree;
}

}  // namespace

TEST_CASE("cli: --version names the program and its libraries") {
  Bench bench;
  const ChildResult result = bench.run({"--version"});
  CHECK(result.code == 0);
  CHECK(result.err.empty());
  CHECK_THAT(result.out, StartsWith("assay "));
  for (const char* part : {"sqlite", "compiler", "abi", "commit"})
    CHECK_THAT(result.out, ContainsSubstring(part));
}

TEST_CASE("cli: --version with --json is one object") {
  Bench bench;
  const ChildResult result = bench.run({"--version", "--json"});
  CHECK(result.code == 0);
  CHECK(only_object(result).contains("assay"));
}

TEST_CASE("cli: every verb has a page of help with a worked example") {
  Bench bench;
  const std::string verb =
      GENERATE("run", "plan", "resume", "import", "export", "score", "cache", "show", "compare", "gate",
               "report", "leaderboard", "list", "plugin", "data", "doctor", "help");
  const ChildResult page = bench.run({"help", verb});
  const ChildResult option = bench.run({verb, "--help"});
  INFO(verb << "\n" << page.out << page.err);
  CHECK(page.code == 0);
  CHECK(option.code == 0);
  CHECK(page.out == option.out);
  CHECK_THAT(page.out, ContainsSubstring("usage: assay " + verb));
  CHECK_THAT(page.out, ContainsSubstring("example:\n  assay " + verb));
}

TEST_CASE("cli: the general help lists every verb and every exit code") {
  Bench bench;
  const ChildResult result = bench.run({"help"});
  CHECK(result.code == 0);
  for (const std::string& verb : kVerbs) CHECK_THAT(result.out, ContainsSubstring("\n  " + verb + " "));
  const std::size_t codes = result.out.find("Exit codes");
  REQUIRE(codes != std::string::npos);
  const std::string table = result.out.substr(codes);
  for (const char* code : {"0", "1", "2", "3", "4", "5", "10", "11", "12", "130"})
    CHECK_THAT(table, ContainsSubstring(code));
  CHECK(bench.run({"--help"}).out == result.out);
}

TEST_CASE("cli: an example in the help names a suite that exists") {
  Bench bench;
  const std::string verb = GENERATE("run", "plan");
  const ChildResult page = bench.run({"help", verb});
  const std::size_t at = page.out.find("benchmarks/suites/");
  REQUIRE(at != std::string::npos);
  const std::string file = page.out.substr(at, page.out.find_first_of(" \n", at) - at);
  INFO(file);
  CHECK(std::filesystem::exists(assay::test::source_dir() / file));
}

TEST_CASE("cli: no verb at all is a usage error that shows the help") {
  Bench bench;
  const ChildResult result = bench.run({});
  CHECK(result.code == 2);
  CHECK(holds(result.out + result.err, "usage: assay"));
}

TEST_CASE("cli: typing errors are answered with the nearest name and code 2") {
  struct Case {
    Words words;
    std::string wrong, meant;
  };
  const Case test =
      GENERATE(Case{{"rnu", "small.toml"}, "rnu", "run"},
               Case{{"run", "small.toml", "--limt", "5"}, "--limt", "--limit"},
               Case{{"run", "small.toml", "--jsn"}, "--jsn", "--json"},
               Case{{"show", "--itms"}, "--itms", "--items"}, Case{{"help", "rnu"}, "rnu", "run"},
               Case{{"list", "modles"}, "modles", "models"}, Case{{"plugin", "lst"}, "lst", "list"},
               Case{{"plugin", "help", "ngrm"}, "ngrm", "ngram"}, Case{{"data", "verfy"}, "verfy", "verify"},
               Case{{"data", "path", "wikimia/33"}, "wikimia/33", "wikimia/32"});
  Bench bench;
  bench.small_suite(3);
  const ChildResult result = bench.run(test.words);
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, ContainsSubstring(test.wrong));
  CHECK_THAT(result.err, ContainsSubstring("did you mean '" + test.meant + "'"));
}

TEST_CASE("cli: no suggestion repeats what was written") {
  Bench bench;
  const Words words = GENERATE(Words{"data", "get"}, Words{"data", "path"}, Words{"plugin", "help"});
  const ChildResult result = bench.run(words);
  INFO(result.err);
  CHECK(result.code == 2);
  CHECK_FALSE(holds(result.err, "did you mean '" + words.back() + "'"));
}

TEST_CASE("cli: usage errors leave no database behind") {
  Bench bench;
  bench.small_suite(3);
  const Words words =
      GENERATE(Words{"run"}, Words{"run", "small.toml", "extra"}, Words{"run", "small.toml", "--db"},
               Words{"run", "small.toml", "--seed", "x"}, Words{"run", "small.toml", "--seed", "-1"},
               Words{"run", "small.toml", "--repeats", "0"},
               Words{"run", "small.toml", "--color", "sometimes"}, Words{"run", "small.toml", "--limit", "0"},
               Words{"run", "small.toml", "--limit", "-3"}, Words{"run", "small.toml", "--limit", "abc"},
               Words{"run", "small.toml", "--limit", "5-5"}, Words{"run", "small.toml", "--limit", "9-5"},
               Words{"run", "small.toml", "--limit", "0%"}, Words{"run", "small.toml", "--limit", "150%"},
               Words{"run", "small.toml", "--items", ","}, Words{"run", "small.toml", "--items", "@nofile"});
  const ChildResult result = bench.run(words);
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, StartsWith("assay: "));
  CHECK_FALSE(std::filesystem::exists(bench.path("assay.db")));
}

TEST_CASE("cli: a number of threads that no machine has is refused, not tried") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  SKIP("sanitizers need more address space than this test allows the program");
#endif
  Bench bench;
  bench.small_suite(3);
  const std::string count = GENERATE("-1", "100000000", "x");
  // The address space is bounded so that a defect here cannot harm the machine that runs the test.
  const ChildResult result =
      bench.run_other({"sh", "-c", "ulimit -v 4000000; exec \"$@\"", "sh", assay_program().string(), "run",
                       "small.toml", "--threads", count},
                      20);
  INFO(result.out << result.err);
  CHECK_FALSE(result.late);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("--threads"));
}

TEST_CASE("cli: --json prints one object on stdout and nothing else") {
  Bench bench;
  bench.small_suite(5);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const Words words = GENERATE(
      Words{"run", "small.toml", "--db", "x.db"}, Words{"plan", "small.toml"},
      Words{"run", "small.toml", "--dry-run"}, Words{"show", "--db", "x.db"},
      Words{"show", "--db", "x.db", "--items"}, Words{"show", "--db", "x.db", "--item", "q1"},
      Words{"compare", "latest", "latest", "--db", "x.db"},
      Words{"report", "--db", "x.db", "--html", "r.html"}, Words{"leaderboard", "--db", "x.db"},
      Words{"list", "suites"}, Words{"list", "tasks"}, Words{"list", "metrics"}, Words{"list", "models"},
      Words{"list", "plugins"}, Words{"list", "runs", "--db", "x.db"}, Words{"plugin", "list"},
      Words{"plugin", "help", "assay.ngram"}, Words{"data", "list"}, Words{"doctor", "--db", "x.db"});
  Words with = words;
  with.emplace_back("--json");
  const ChildResult result = bench.run(with);
  INFO(words[0] << " " << words[1]);
  CHECK(result.code == 0);
  const Json tree = only_object(result);
  CHECK(tree.contains("schema"));
  CHECK(control_character(result.out) == std::string::npos);
  // The global option may stand before the verb as well.
  Words before = {"--json"};
  before.insert(before.end(), words.begin(), words.end());
  CHECK(bench.run(before).code == 0);
}

TEST_CASE("cli: --json of the data verbs is one object too") {
  Bench bench;
  const Words words = GENERATE(Words{"data", "path", "planted/mia", "--json"},
                               Words{"data", "verify", "planted/mia", "--json"},
                               Words{"data", "get", "planted/mia", "--json"});
  const ChildResult list = bench.run({"data", "list", "--json"});
  const Json tree = only_object(list);
  const Json& sets = tree["sets"];
  std::string name;
  for (const Json& set : sets) {
    if (set["name"].get<std::string>().rfind("planted/mia", 0) == 0) name = set["name"];
  }
  REQUIRE_FALSE(name.empty());
  Words real = words;
  real[2] = name;
  const ChildResult result = bench.run(real);
  CHECK(result.code == 0);
  only_object(result);
}

TEST_CASE("cli: an error with --json is one object with text and code, and the sentence on stderr") {
  Bench bench;
  bench.small_suite(3);
  const Words words = GENERATE(
      Words{"run", "none.toml", "--json"}, Words{"run", "small.toml", "--limt", "--json"},
      Words{"show", "nope", "--json"}, Words{"list", "modles", "--json"}, Words{"--json", "rnu"},
      Words{"rnu", "--json"}, Words{"help", "rnu", "--json"}, Words{"run", "--json", "--color", "x"});
  const ChildResult result = bench.run(words);
  INFO(words[0] << " " << words[1]);
  CHECK(result.code == 2);
  const Json tree = only_object(result);
  CHECK(tree["schema"] == "assay-error/1");
  CHECK(tree["exit_code"] == 2);
  REQUIRE(tree["error"].is_string());
  CHECK_THAT(result.err, ContainsSubstring(tree["error"].get<std::string>()));
}

TEST_CASE("cli: output that goes to no terminal has no control characters") {
  Bench bench;
  bench.small_suite(50, 30, 45);
  const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db"});
  CHECK(run.code == 5);
  for (const ChildResult& result :
       {run, bench.run({"show", "--db", "x.db"}), bench.run({"show", "--db", "x.db", "--items"}),
        bench.run({"list", "metrics"}), bench.run({"doctor"}), bench.run({"rnu"})}) {
    INFO(result.out << result.err);
    CHECK(control_character(result.out) == std::string::npos);
    CHECK(control_character(result.err) == std::string::npos);
  }
}

TEST_CASE("cli: control characters of data never reach the terminal") {
  Bench bench;
  bench.small_suite(3);
  bench.write("items.jsonl",
              "{\"id\":\"\\u001b[31mred\",\"prompt\":\"p\\u0007\\u001b]0;title\",\"target\":\"a\",\"g\":"
              "\"\\u001b[2J\"}\n");
  bench.write("answers.jsonl",
              "{\"format\":\"assay.replay/"
              "1\",\"model\":\"m\",\"capabilities\":[\"generate\"],\"key_mode\":\"item\"}\n"
              "{\"key\":\"\\u001b[31mred\",\"text\":\"\\u001b[1mloud\\u0008\",\"finish_reason\":\"stop\"}\n");
  bench.variant("hostile.toml", "data = \"items.jsonl\"", "data = \"items.jsonl\", group_field = \"g\"");
  REQUIRE(bench.run({"run", "hostile.toml", "--db", "x.db"}).code == 0);
  const Words words =
      GENERATE(Words{"show", "--items"}, Words{"show", "--item", "\x1b[31mred"},
               Words{"show", "--items", "--json"}, Words{"show", "--item", "\x1b[31mred", "--json"});
  Words with = words;
  with.insert(with.end(), {"--db", "x.db", "--color", "never"});
  const ChildResult result = bench.run(with);
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  CHECK(control_character(result.out) == std::string::npos);
}

TEST_CASE("cli: colours on request only, and never with NO_COLOR") {
  Bench bench;
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const ChildResult always = bench.run({"show", "--db", "x.db", "--color", "always"});
  CHECK(holds(always.out, "\x1b["));
  CHECK_FALSE(holds(bench.run({"show", "--db", "x.db", "--color", "never"}).out, "\x1b["));
  CHECK_FALSE(holds(bench.run({"show", "--db", "x.db", "--json", "--color", "always"}).out, "\x1b["));
  bench.set("CLICOLOR_FORCE", "1");
  CHECK(holds(bench.run({"show", "--db", "x.db"}).out, "\x1b["));
  bench.set("NO_COLOR", "1");
  CHECK_FALSE(holds(bench.run({"show", "--db", "x.db"}).out, "\x1b["));
}

TEST_CASE("cli: --quiet prints the result and nothing else") {
  Bench bench;
  bench.small_suite(5);
  const ChildResult loud = bench.run({"run", "small.toml", "--db", "x.db"});
  const ChildResult quiet = bench.run({"run", "small.toml", "--db", "x.db", "--quiet"});
  CHECK(quiet.code == 0);
  CHECK(quiet.err.empty());
  CHECK_THAT(loud.out, StartsWith(quiet.out.substr(0, quiet.out.size() - 1)));
  CHECK_THAT(quiet.out, ContainsSubstring("assay.exact_match"));
}

TEST_CASE("cli: doctor finds nothing wrong with a fresh build") {
  Bench bench;
  const ChildResult result = bench.run({"doctor", "--json"});
  INFO(result.out);
  CHECK(result.code == 0);
  const Json tree = only_object(result);
  REQUIRE(tree["findings"].is_array());
  for (const Json& finding : tree["findings"]) CHECK(finding["level"] != "problem");
}
