// Wrong suites, options and model expressions: each is one sentence with place and remedy, code 2, nothing
// written.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using Json = nlohmann::json;

namespace {

/// One line of diagnosis, nothing on stdout, no database.
void check_refused(const Bench& bench, const ChildResult& result, int code) {
  CHECK(result.code == code);
  CHECK(result.signal == 0);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, StartsWith("assay: "));
  CHECK(lines(result.err).size() == 1);
  CHECK(control_character(result.err) == std::string::npos);
  CHECK_FALSE(std::filesystem::exists(bench.path("x.db")));
}

/// A change of the small suite and what the message must hold. Lines of the small suite: 1 [suite], 2 name,
/// 3 [[model]], 4 name, 5 expr, 6 [[task]], 7 plugin, 8 name, 9 params, 10 metrics.
struct Edit {
  std::string from, to;
  Words parts;
};

}  // namespace

TEST_CASE("bad suite: the message has file, line, column, what is wrong and the nearest name") {
  const Edit edit = GENERATE(
      Edit{"metrics = ", "metrcis = ", {"bad.toml:10:", "metrcis", "did you mean 'metrics'"}},
      Edit{"[[task]]", "[[tsak]]", {"bad.toml:6:", "tsak", "did you mean 'task'"}},
      Edit{"name = \"small\"", "nmae = \"small\"", {"bad.toml:2:", "nmae", "did you mean 'name'"}},
      Edit{"expr = ", "exrp = ", {"bad.toml:5:", "exrp", "did you mean 'expr'"}},
      Edit{"data = ", "dtaa = ", {"bad.toml:9:", "dtaa", "did you mean 'data'"}},
      Edit{"assay.jsonl", "assay.jsnl", {"bad.toml:6:", "assay.jsnl", "did you mean 'assay.jsonl'"}},
      Edit{"assay.exact_match", "assay.exact_mach", {"bad.toml:10:", "did you mean 'assay.exact_match'"}},
      Edit{"name = \"small\"", "name = 3", {"bad.toml:2:8", "text"}},
      Edit{"name = \"small\"", "name = \"small\"\nseed = \"x\"", {"bad.toml:3:8", "seed", "whole number"}},
      Edit{"name = \"small\"", "name = \"small\"\nseed = -1", {"bad.toml:3:8", "seed"}},
      Edit{"name = \"small\"", "name = \"small\"\nrepeats = 0", {"bad.toml:3:11", "repeats", "1"}},
      Edit{"metrics = [\"assay.exact_match\"]", "metrics = \"assay.exact_match\"", {"bad.toml:10:", "list"}},
      Edit{"metrics = [\"assay.exact_match\"]", "metrics = []", {"bad.toml:", "qa", "metrics"}},
      Edit{"metrics = [\"assay.exact_match\"]", "metrics = [3]", {"bad.toml:10:", "metric"}},
      Edit{"{ data = \"items.jsonl\" }",
           "{ data = \"items.jsonl\", mode = \"chose\" }",
           {"bad.toml:9:", "mode", "chose", "did you mean 'choice'"}},
      Edit{"{ data = \"items.jsonl\" }",
           "{ data = \"items.jsonl\", max_tokens = -4 }",
           {"bad.toml:9:", "max_tokens", "-4", "0 to"}},
      Edit{"{ data = \"items.jsonl\" }",
           "{ data = \"items.jsonl\", max_tokens = \"4\" }",
           {"bad.toml:9:", "max_tokens", "whole number"}},
      Edit{"{ data = \"items.jsonl\" }", "{ }", {"bad.toml:", "data", "required"}},
      Edit{"params = { data = \"items.jsonl\" }", "params = 3", {"bad.toml:9:", "table"}},
      Edit{"[[task]]", "[task]", {"bad.toml:6:", "[[task]]"}});
  Bench bench;
  bench.small_suite(3);
  bench.variant("bad.toml", edit.from, edit.to);
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db"});
  INFO(edit.to << "\n" << result.err);
  check_refused(bench, result, 2);
  for (const std::string& part : edit.parts) CHECK_THAT(result.err, ContainsSubstring(part));
}

TEST_CASE("bad suite: what is not TOML is named with its place") {
  struct Text {
    std::string bytes, place;
  };
  const Text text = GENERATE(
      Text{"[suite]\nname = \"x\"\nx = = 3\n", "bad.toml:3:"}, Text{"[suite\nname = \"x\"\n", "bad.toml:1:"},
      Text{"[suite]\nname = \"unfinished\n", "bad.toml:2:"},
      Text{"[suite]\nname = \"\xff\"\n", "bad.toml:2:"}, Text{std::string("\0\0\0", 3), "bad.toml:1:"},
      Text{"[suite]\nname=\"a\"\nname=\"b\"\n", "bad.toml:3:"}, Text{"", "bad.toml"},
      Text{"[suite]\nname = \"x\"\n", "bad.toml"});
  Bench bench;
  bench.write("bad.toml", text.bytes);
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db"});
  INFO(result.err);
  check_refused(bench, result, 2);
  CHECK_THAT(result.err, ContainsSubstring(text.place));
}

TEST_CASE("bad suite: two tasks or two models of one name are refused with both places") {
  Bench bench;
  bench.small_suite(3);
  const std::string suite = slurp(bench.path("small.toml"));
  const std::string what = GENERATE("[[task]]", "[[model]]");
  const std::size_t at = suite.find(what);
  const std::size_t end = what == "[[task]]" ? suite.size() : suite.find("[[task]]");
  bench.write("bad.toml", suite + suite.substr(at, end - at));
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db"});
  INFO(result.err);
  check_refused(bench, result, 2);
  CHECK_THAT(result.err, ContainsSubstring("bad.toml:11:1") && ContainsSubstring("twice"));
  CHECK_THAT(result.err, ContainsSubstring(what == "[[task]]" ? "bad.toml:6:1" : "bad.toml:3:1"));
}

TEST_CASE("bad suite: an expectation of a task, model or metric that is not there is an error of the plan") {
  Bench bench;
  bench.small_suite(3);
  const Edit edit =
      GENERATE(Edit{"", "task = \"qb\"\nmetric = \"assay.exact_match\"", {"qb", "did you mean 'qa'"}},
               Edit{"", "task = \"qa\"\nmetric = \"assay.exact_mach\"", {"assay.exact_mach"}},
               Edit{"", "task = \"qa\"\nmetric = \"assay.exact_match\"\nmodel = \"scrpt\"", {"scrpt"}});
  bench.write("bad.toml",
              slurp(bench.path("small.toml")) + "[[expect]]\n" + edit.to + "\nmin = 0\nwhy = \"w\"\n");
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db"});
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("bad.toml:11:1"));
  for (const std::string& part : edit.parts) CHECK_THAT(result.err, ContainsSubstring(part));
}

TEST_CASE("bad suite: an expectation that does not hold ends in code 10 and is printed with its reason") {
  Bench bench;
  bench.small_suite(10, 3, 10);
  bench.write("expect.toml",
              slurp(bench.path("small.toml")) +
                  "[[expect]]\ntask = \"qa\"\nmetric = \"assay.exact_match\"\nmin = 0.9\nwhy = \"the "
                  "answers are in the file\"\n");
  const ChildResult result = bench.run({"run", "expect.toml", "--db", "x.db"});
  INFO(result.out << result.err);
  CHECK(result.code == 10);
  CHECK_THAT(result.out, ContainsSubstring("the answers are in the file") && ContainsSubstring("0.3"));
}

TEST_CASE("bad suite: a suite that is absent or a folder") {
  Bench bench;
  const std::string file = GENERATE("none.toml", ".");
  const ChildResult result = bench.run({"run", file, "--db", "x.db"});
  INFO(result.err);
  check_refused(bench, result, 2);
  CHECK_THAT(result.err, ContainsSubstring("'" + file + "'"));
}

TEST_CASE("bad suite: an absent suite is answered with where suites are to be found") {
  Bench bench;
  const ChildResult result = bench.run({"run", "mia-wikimai.toml", "--db", "x.db"});
  INFO(result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("list suites") || ContainsSubstring("benchmarks/suites"));
}

TEST_CASE("bad model: every wrong expression is answered with the column or the nearest name") {
  const Edit edit = GENERATE(
      Edit{"", "replay(path=\"answers.jsonl\"", {"column 28", "','"}},
      Edit{"", "replay(pth=\"answers.jsonl\")", {"column 12", "pth", "did you mean 'path'"}},
      Edit{"", "replay()", {"path", "required"}},
      Edit{"", "replai(path=\"answers.jsonl\")", {"replai", "did you mean 'replay'"}},
      Edit{"", "nonsuch(order=3)", {"nonsuch", "ngram", "replay"}},
      Edit{"", "ngram(order=99)", {"column 13", "order", "99", "1 to 16"}},
      Edit{"", "ngram(order=\"x\")", {"column 13", "whole number"}}, Edit{"", "ngram(order=)", {"column 13"}},
      Edit{"", "", {"column 1", "name of a model"}}, Edit{"", "()", {"column 1"}},
      Edit{"", "ngram(order=2,order=3)", {"column 20", "twice"}}, Edit{"", "ngram(order=2))", {"column 15"}},
      Edit{"", "ngram(estimator=\"mnk\")", {"column 17", "did you mean 'mkn'"}},
      Edit{"", "ngram(order=2\xff)", {"column 14"}},
      Edit{"", "ngram(order=99999999999999999999)", {"column 13", "order"}},
      Edit{"", "ngram(beta=nan)", {"column 12", "beta"}},
      Edit{"", "ngram(order=2.5)", {"column 13", "order"}},
      Edit{"", "guard(of=replai)", {"column 10", "replai", "did you mean 'replay'"}});
  Bench bench;
  bench.small_suite(3);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--model", edit.to});
  INFO(edit.to << "\n" << result.err);
  check_refused(bench, result, 2);
  for (const std::string& part : edit.parts) CHECK_THAT(result.err, ContainsSubstring(part));
}

TEST_CASE("bad model: errors inside wrappers have a place too") {
  const Edit edit = GENERATE(
      Edit{"", "guard(of=guard(of=guard(of=guard(of=guard(of=ngram)))))", {"column", "4"}},
      Edit{"", "ensemble(of=[])", {"column", "of"}}, Edit{"", "guard(of=[ngram, ngram])", {"column", "of"}});
  Bench bench;
  bench.small_suite(3);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--model", edit.to});
  INFO(result.err);
  check_refused(bench, result, 2);
  for (const std::string& part : edit.parts) CHECK_THAT(result.err, ContainsSubstring(part));
}

TEST_CASE("bad model: a very deep or very long expression is refused, not followed") {
  Bench bench;
  bench.small_suite(3);
  std::string deep;
  for (int i = 0; i < 12'000; ++i) deep += "guard(of=";
  const std::string text =
      GENERATE_COPY(deep, std::string(100'000, '['), "ngram(order=" + std::string(100'000, '9') + ")");
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--model", text});
  CHECK(result.code == 2);
  CHECK(result.signal == 0);
  CHECK(result.err.size() < 5000);
}

TEST_CASE("bad suite: deep nesting in TOML is refused, not followed") {
  Bench bench;
  bench.write("bad.toml", "[suite]\nname = " + std::string(100'000, '[') + "\n");
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db"});
  CHECK(result.signal == 0);
  CHECK(result.code == 2);
}

TEST_CASE("bad --set: the path, the value and what was expected") {
  const Edit edit = GENERATE(
      Edit{"", "foo", {"foo", "'='"}}, Edit{"", "suite.sed=3", {"sed", "did you mean 'seed'"}},
      Edit{"", "task.qq.params.mode=choice", {"qq"}}, Edit{"", "suite.name.x=3", {"suite.name.x=3"}},
      Edit{"", "=3", {"=3"}}, Edit{"", "task.qa.params.max_tokens=many", {"max_tokens", "whole number"}},
      Edit{"", "suite.seed=", {"suite.seed"}});
  Bench bench;
  bench.small_suite(3);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--set", edit.to});
  INFO(edit.to << "\n" << result.err);
  check_refused(bench, result, 2);
  for (const std::string& part : edit.parts) CHECK_THAT(result.err, ContainsSubstring(part));
}

TEST_CASE("bad --set: the message names the option, not a place of the file that is not there") {
  Bench bench;
  bench.small_suite(3);
  const ChildResult result =
      bench.run({"run", "small.toml", "--db", "x.db", "--set", "task.qa.params.max_tokens=-1"});
  INFO(result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("--set"));
}

TEST_CASE("capabilities: nothing that the model can serve is code 2 at plan time and names what is missing") {
  Bench bench;
  bench.small_suite(3);
  bench.write("train.txt", "one two three\n");
  // ngram offers no classification, which the recorded scores of detectors need.
  bench.write("bad.toml",
              "[suite]\nname = \"s\"\n[[task]]\nplugin = \"assay.recorded_scores\"\nname = \"r\"\n"
              "params = { data = \"scores.jsonl\" }\nmetrics = [\"detection.recorded\"]\n");
  bench.write("scores.jsonl",
              "{\"file\":\"a\",\"roc_auc\":1,\"pr_auc\":1,\"real\":[0.1,0.2],\"samples\":[0.3,0.4]}\n");
  const std::string verb = GENERATE("run", "plan");
  const ChildResult result =
      bench.run({verb, "bad.toml", "--db", "x.db", "--model", "ngram(train=\"train.txt\")"});
  INFO(result.out << result.err);
  check_refused(bench, result, 2);
  CHECK_THAT(result.err, ContainsSubstring("classify"));
}

TEST_CASE("capabilities: a recording that cannot serve any metric is code 2 and names what is missing") {
  Bench bench;
  bench.small_suite(3);
  bench.variant("bad.toml", "assay.exact_match", "assay.perplexity");
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db"});
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("does not offer"));
}

TEST_CASE(
    "capabilities: with another metric left, the one that cannot be served is marked, with its reason") {
  Bench bench;
  bench.small_suite(3);
  bench.variant("two.toml", "[\"assay.exact_match\"]", "[\"assay.exact_match\", \"assay.perplexity\"]");
  const ChildResult text = bench.run({"run", "two.toml", "--db", "x.db"});
  INFO(text.out << text.err);
  CHECK(text.code == 0);
  CHECK_THAT(text.out, ContainsSubstring("assay.perplexity") && ContainsSubstring("does not offer"));
  const ChildResult json = bench.run({"run", "two.toml", "--db", "x.db", "--json"});
  const Json tree = Json::parse(json.out);
  bool marked = false;
  for (const Json& row : tree["results"]) {
    if (row["metric"] != "assay.perplexity") {
      CHECK(row["estimate"] == 1);
      continue;
    }
    CHECK(row["estimate"].is_null());
    INFO(row.dump());
    marked = holds(row.value("undefined", std::string()), "unsupported") ||
             holds(row.value("undefined", std::string()), "offer");
  }
  CHECK(marked);
  CHECK_THAT(tree["warnings"].dump(), ContainsSubstring("W_UNSUPPORTED"));
}

TEST_CASE("capabilities: --strict makes it an error before anything is asked") {
  Bench bench;
  bench.small_suite(3);
  bench.variant("two.toml", "[\"assay.exact_match\"]", "[\"assay.exact_match\", \"assay.perplexity\"]");
  bench.write("train.txt", "one two three\n");
  const std::string model =
      GENERATE("replay(path=\"answers.jsonl\")",
               "guard(of=ngram(train=\"train.txt\"), names=[\"nobody\"], score_policy=\"block\")");
  const ChildResult result = bench.run({"run", "two.toml", "--db", "x.db", "--strict", "--model", model});
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("assay.perplexity") && ContainsSubstring("offer"));
}
