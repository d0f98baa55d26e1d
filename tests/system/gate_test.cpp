// `assay gate` with real runs: exit codes, files for build servers, memory of earlier gates.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/data.hpp"
#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using Json = nlohmann::json;

namespace {

constexpr int kItems = 100;
const std::string kRule = "[[rule]]\ntask = \"qa\"\nkind = \"no_regression\"\n";

std::string policy(const std::string& head = {}, const std::string& rules = kRule) {
  return "[policy]\nname = \"nightly\"\n" + head + "\n" + rules;
}

/// A run in x.db in which the model "script" is right for the first `right` items.
void add_run(Bench& bench, const std::string& label, int right, int answered = kItems) {
  bench.small_suite(kItems, right, answered);
  const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db", "--label", label});
  INFO(run.out << run.err);
  REQUIRE((run.code == 0 || run.code == 5));
}

ChildResult gate(Bench& bench, const std::string& text, Words more = {}, const std::string& baseline = "base",
                 const std::string& candidate = "cand") {
  bench.write("p.toml", text);
  Words words = {"gate", baseline, candidate, "--policy", "p.toml", "--db", "x.db"};
  words.insert(words.end(), more.begin(), more.end());
  return bench.run(words);
}

Json json_gate(Bench& bench, const std::string& text, int code, const std::string& baseline = "base",
               const std::string& candidate = "cand") {
  const ChildResult result = gate(bench, text, {"--json"}, baseline, candidate);
  INFO(result.out << result.err);
  CHECK(result.code == code);
  REQUIRE(lines(result.out).size() == 1);
  const Json tree = Json::parse(result.out, nullptr, false);
  REQUIRE(tree.is_object());
  CHECK(tree["schema"] == "assay-gate/1");
  CHECK(tree["exit_code"] == code);
  return tree;
}

std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("gate: equal runs pass") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 80);
  const ChildResult result = gate(bench, policy());
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  CHECK_THAT(result.out, StartsWith("gate 'nightly' passed: 1 check ("));
  CHECK(control_character(result.out) == std::string::npos);
  const Json tree = json_gate(bench, policy(), 0);
  REQUIRE(tree["checks"].size() == 1);
  CHECK(tree["checks"][0]["verdict"] == "pass");
  CHECK(tree["checks"][0]["delta"] == 0);
  CHECK(tree["checks"][0]["n"] == kItems);
  CHECK(tree["counts"]["pass"] == 1);
  // The run itself is a candidate too.
  CHECK(gate(bench, policy(), {}, "base", "base").code == 0);
}

TEST_CASE("gate: a planted regression fails with 10, or with the code that was asked for") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 60);
  const Json tree = json_gate(bench, policy(), 10);
  const Json& check = tree["checks"][0];
  CHECK(check["verdict"] == "fail");
  CHECK(check["delta"] == Approx(-0.2));
  CHECK(check["flips"]["right_to_wrong"] == 20);
  CHECK(check["flips"]["wrong_to_right"] == 0);
  CHECK(check["adjusted_p"] == Approx(2 / 1048576.0));  // 2 * 2^-20, a family of one
  CHECK(check["baseline"] == Approx(0.8));
  CHECK(check["candidate"] == Approx(0.6));
  CHECK(tree["codes"] == Json::array({10}));
  CHECK(gate(bench, policy(), {"--regression-exit-code", "100"}).code == 100);
  const ChildResult explained = gate(bench, policy(), {"--explain"});
  CHECK_THAT(explained.out, ContainsSubstring("mcnemar.exact"));
  CHECK_THAT(explained.out, ContainsSubstring("p.toml:4"));
  const ChildResult quiet = gate(bench, policy(), {"--quiet"});
  CHECK(lines(quiet.out).size() == 1);
  // The other way round it is an improvement.
  CHECK(gate(bench, policy(), {}, "cand", "base").code == 0);
  CHECK(gate(bench, policy({}, "[[rule]]\ntask = \"qa\"\nkind = \"improved\"\n"), {}, "cand", "base").code ==
        0);
}

TEST_CASE("gate: rules on the candidate alone and on a margin") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 80);
  const auto code = [&](const std::string& keys) {
    return gate(bench, policy("on_inconclusive = \"fail\"", "[[rule]]\ntask = \"q*\"\n" + keys)).code;
  };
  // 80 of 100: Wilson's interval is 0.711 to 0.867.
  CHECK(code("kind = \"absolute\"\nmin = 0.8\n") == 0);
  CHECK(code("kind = \"absolute\"\nmin = 0.81\n") == 10);
  CHECK(code("kind = \"absolute\"\nmin = 0.71\nbound = \"lower\"\n") == 0);
  CHECK(code("kind = \"absolute\"\nmin = 0.72\nbound = \"lower\"\n") == 10);
  CHECK(code("kind = \"absolute\"\nmax = 0.86\nbound = \"upper\"\n") == 10);
  // Without a flip among 100, Tango's one-sided limit lies at -0.0263.
  CHECK(code("kind = \"non_inferior\"\nmargin = 0.03\n") == 0);
  CHECK(code("kind = \"non_inferior\"\nmargin = 0.02\n") == 11);
  CHECK(code("kind = \"equivalent\"\nmargin = 0.03\n") == 0);
}

TEST_CASE("gate: too few items are inconclusive, 11 where a decision is demanded") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 79);
  CHECK(gate(bench, policy("min_n = 500")).code == 0);
  const Json tree = json_gate(bench, policy("min_n = 500\non_inconclusive = \"fail\""), 11);
  CHECK(tree["checks"][0]["verdict"] == "inconclusive");
}

TEST_CASE("gate: other data under the same ids end with 12") {
  Bench bench;
  add_run(bench, "base", 80);
  bench.small_suite(kItems, 80, kItems);
  std::string items = file_text(bench.path("items.jsonl"));
  for (std::size_t at = 0; (at = items.find("question", at)) != std::string::npos;)
    items.replace(at, 8, "enquiry");
  bench.write("items.jsonl", items);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--label", "cand"}).code == 0);
  const Json tree = json_gate(bench, policy(), 12);
  CHECK(tree["checks"][0]["verdict"] == "not comparable");
  CHECK(tree["checks"][0]["delta"].is_null());
}

TEST_CASE("gate: missing answers end with 5 unless the policy allows them") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 80, 90);
  const Json tree = json_gate(bench, policy(), 5);
  CHECK_THAT(tree["checks"][0]["incomplete"].get<std::string>(), ContainsSubstring("10 of 100"));
  CHECK(gate(bench, policy("max_missing = 0.1")).code == 0);
}

TEST_CASE("gate: a regression is confirmed by another night, and the same night does not count twice") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "n1", 60);
  const std::string text = policy({}, kRule + "confirm = \"2 of 3\"\n");
  CHECK(gate(bench, text, {}, "base", "n1").code == 0);
  CHECK(gate(bench, text, {}, "base", "n1").code == 0);
  add_run(bench, "n2", 59);
  const Json tree = json_gate(bench, text, 10, "base", "n2");
  CHECK_THAT(tree["checks"][0]["sentence"].get<std::string>(), ContainsSubstring("2 of the last 2"));
  CHECK(bench.number("x.db", "SELECT count(*) FROM gate_result") == 3);
  CHECK(bench.number("x.db", "SELECT count(*) FROM gate_result WHERE signal = 1") == 3);
  CHECK(bench.integrity("x.db") == "ok");
}

TEST_CASE("gate: the noise floor comes from equal runs that asked anew") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 60);
  const std::string text = policy({}, kRule + "noise_floor = true\n");
  const Json unknown = json_gate(bench, text, 10);
  CHECK(unknown["checks"][0]["noise_floor"]["pairs"] == 0);
  CHECK(unknown["checks"][0]["noise_floor"]["band"].is_null());
  for (int i = 0; i < 2; ++i)
    REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--no-cache"}).code == 0);
  const Json known = json_gate(bench, text, 10);
  CHECK(known["checks"][0]["noise_floor"]["pairs"] == 3);  // cand and its two repetitions
  CHECK(known["checks"][0]["noise_floor"]["band"] == 0);
}

TEST_CASE("gate: the JUnit file is XML whose counts are its elements") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 60);
  const std::string text =
      policy("min_n = 10", kRule + "[[rule]]\ntask = \"qa\"\nkind = \"absolute\"\nmin = 0.5\n" +
                               "[[rule]]\ntask = \"qa\"\nkind = \"non_inferior\"\nmargin = 0.15\n");
  const std::string named =
      "[policy]\nname = \"a <b> & \\\"c\\\" \\u0007 \\uFFFE\"\n" + text.substr(text.find("min_n"));
  const ChildResult result = gate(bench, named, {"--junit", "gate.xml", "--summary", "gate.md"});
  INFO(result.out << result.err);
  CHECK(result.code == 10);
  const ChildResult parsed = bench.run_other(
      {"python3", "-c",
       "import json, xml.etree.ElementTree as E\n"
       "def shape(path):\n"
       "  r = E.parse(path).getroot(); s = list(r)[0]; c = s.findall('testcase')\n"
       "  return dict(root=r.tag, suite=s.tag, name=s.get('name'),\n"
       "    head=[[int(x.get(k)) for k in ('tests','failures','errors','skipped')] for x in (r, s)],\n"
       "    seen=[len(c)] + [len(s.findall('testcase/' + k)) for k in ('failure','error','skipped')],\n"
       "    time=abs(float(s.get('time')) - sum(float(x.get('time')) for x in c)),\n"
       "    props=[p.get('name') for p in s.find('properties')], stamp=s.get('timestamp'),\n"
       "    type=s.find('testcase/failure').get('type'), message=s.find('testcase/failure').get('message'),\n"
       "    attributes=sorted(set(k for x in c for k in x.keys())))\n"
       "print(json.dumps(shape('gate.xml')))\n"});
  INFO(parsed.err << file_text(bench.path("gate.xml")));
  REQUIRE(parsed.code == 0);
  const Json shape = Json::parse(parsed.out);
  CHECK(shape["root"] == "testsuites");
  CHECK(shape["suite"] == "testsuite");
  CHECK(shape["name"] == "a <b> & \"c\" \xEF\xBF\xBD \xEF\xBF\xBD");
  CHECK(shape["head"][0] == Json::array({3, 1, 0, 1}));
  CHECK(shape["head"][1] == shape["head"][0]);
  CHECK(shape["seen"] == shape["head"][0]);
  CHECK(shape["time"] <= 0.003);
  CHECK(shape["type"] == "regression");
  CHECK(shape["stamp"].get<std::string>().size() >= 20);
  CHECK_THAT(shape["message"].get<std::string>(), ContainsSubstring("difference -0.2000"));
  CHECK(shape["attributes"] == Json::array({"classname", "name", "time"}));
  const std::string page = file_text(bench.path("gate.md"));
  CHECK_THAT(page, ContainsSubstring("> [!CAUTION]"));
  CHECK_THAT(page, ContainsSubstring("a &lt;b&gt; &amp;"));
  // The same runs and policy give the same bytes.
  const std::string before = file_text(bench.path("gate.xml"));
  CHECK(gate(bench, named, {"--junit", "gate.xml"}).code == 10);
  CHECK(file_text(bench.path("gate.xml")) == before);
}

TEST_CASE("gate: the JUnit file has the shape of the recorded example") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 60);
  CHECK(gate(bench, policy(), {"--junit", "gate.xml"}).code == 10);
  const ChildResult compared = bench.run_other(
      {"python3", "-c",
       "import sys, xml.etree.ElementTree as E\n"
       "def paths(path):\n"
       "  out = {}\n"
       "  def walk(e, at):\n"
       "    at = at + '/' + e.tag; out.setdefault(at, set()).update(e.keys())\n"
       "    for x in e: walk(x, at)\n"
       "  walk(E.parse(path).getroot(), ''); return out\n"
       "known, ours = paths(sys.argv[1]), paths('gate.xml')\n"
       "extra = {p for p in ours if p not in known} - {'/testsuites/testsuite/testcase/system-out'}\n"
       "wrong = {p: sorted(ours[p] ^ known[p]) for p in ours if p in known and ours[p] != known[p]}\n"
       "props = {p.get('name') for p in E.parse(sys.argv[1]).iter('property')}\n"
       "gone = props - {p.get('name') for p in E.parse('gate.xml').iter('property')}\n"
       "print(extra, wrong, gone); sys.exit(bool(extra or wrong or gone))\n",
       (root / "interop/junit/example.xml").string()});
  INFO(compared.out << compared.err);
  CHECK(compared.code == 0);
}

TEST_CASE("gate: mistakes end with 2, a remedy, and nothing stored") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 80);
  const auto says = [&](const ChildResult& result, const std::string& text) {
    INFO(result.out << result.err);
    CHECK(result.code == 2);
    CHECK_THAT(result.err, ContainsSubstring(text));
  };
  says(bench.run({"gate", "base", "--policy", "p.toml", "--db", "x.db"}), "BASELINE and CANDIDATE");
  says(bench.run({"gate", "base", "cand", "--db", "x.db"}), "--policy");
  says(bench.run({"gate", "base", "cand", "--policy", "none.toml", "--db", "x.db"}), "none.toml");
  says(gate(bench, policy({}, "[[rule]]\ntask = \"qb\"\nkind = \"no_regression\"\n")), "did you mean 'qa'");
  says(gate(bench, policy("alhpa = 0.1")), "did you mean 'alpha'");
  says(gate(bench, policy({}, kRule + "[[waive]]\ntask = \"qa\"\nuntil = 2020-01-01\nreason = \"r\"\n")),
       "ended on 2020-01-01");
  says(gate(bench, policy(), {"--regression-exit-code", "0"}), "from 1 to 125");
  says(gate(bench, policy(), {}, "base", "candd"), "candd");
  CHECK(bench.number("x.db", "SELECT count(*) FROM gate_result") == 0);
  const ChildResult none = bench.run({"gate", "a", "b", "--policy", "p.toml", "--db", "none.db"});
  CHECK(none.code == 2);
  CHECK_FALSE(std::filesystem::exists(bench.path("none.db")));
}

TEST_CASE("gate: a report that cannot be written is a failure, with the result printed") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 60);
  const ChildResult result = gate(bench, policy(), {"--junit", "p.toml/gate.xml", "--json"});
  INFO(result.out << result.err);
  CHECK(result.code == 4);
  const Json tree = Json::parse(result.out, nullptr, false);
  REQUIRE(tree.is_object());
  CHECK(tree["codes"] == Json::array({4, 10}));
  REQUIRE(tree["errors"].size() == 1);
  CHECK_THAT(result.err, ContainsSubstring("p.toml/gate.xml"));
}

TEST_CASE("gate: a waiver that is in force is printed and lets the gate pass") {
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 60);
  const std::string text =
      policy({}, kRule + "[[waive]]\ntask = \"qa\"\nuntil = 9999-12-31\nreason = \"template change\"\n");
  const ChildResult result = gate(bench, text);
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  CHECK_THAT(result.out, ContainsSubstring("template change"));
  CHECK_THAT(result.out, ContainsSubstring("1 waived"));
}

TEST_CASE("gate: hostile names reach neither the terminal nor the markup") {
  Bench bench;
  for (const auto& [label, right] : {std::pair<const char*, int>("base", 80), {"cand", 60}}) {
    bench.small_suite(kItems, right, kItems);
    bench.variant("hostile.toml", "name = \"qa\"", "name = \"q|<b>\\u001b[31m*a*\"");
    REQUIRE(bench.run({"run", "hostile.toml", "--db", "x.db", "--label", label}).code == 0);
  }
  const ChildResult result = gate(bench, policy({}, "[[rule]]\ntask = \"*\"\nkind = \"no_regression\"\n"),
                                  {"--junit", "gate.xml", "--summary", "gate.md"});
  INFO(result.out << result.err);
  CHECK(result.code == 10);
  CHECK(control_character(result.out) == std::string::npos);
  CHECK(control_character(file_text(bench.path("gate.md"))) == std::string::npos);
  CHECK_FALSE(holds(file_text(bench.path("gate.md")), "<b>"));
  CHECK_FALSE(holds(file_text(bench.path("gate.md")), "q|"));
  CHECK(bench.run_other({"python3", "-c", "import xml.etree.ElementTree as E; E.parse('gate.xml')"}).code ==
        0);
}

TEST_CASE("gate: a task that the candidate lost ends with 12") {
  Bench bench;
  bench.small_suite(kItems);
  const std::string task =
      "[[task]]\nplugin = \"assay.jsonl\"\nname = \"second\"\nparams = { data = \"items.jsonl\" }\n"
      "metrics = [\"assay.exact_match\"]\n";
  bench.write("two.toml", file_text(bench.path("small.toml")) + task);
  REQUIRE(bench.run({"run", "two.toml", "--db", "x.db", "--label", "base"}).code == 0);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--label", "cand"}).code == 0);
  const Json tree = json_gate(bench, policy({}, "[[rule]]\ntask = \"*\"\nkind = \"no_regression\"\n"), 12);
  REQUIRE(tree["checks"].size() == 2);
  CHECK(tree["checks"][1]["task"] == "second");
  CHECK(gate(bench, policy()).code == 0);  // a rule that does not name it does not miss it
}

TEST_CASE("gate: models of different names are paired on request") {
  Bench bench;
  add_run(bench, "base", 80);
  bench.small_suite(kItems, 60, kItems);
  bench.write("other.toml", file_text(bench.variant("one.toml", "name = \"script\"", "name = \"tuned\"")) +
                                "[[model]]\nname = \"spare\"\nexpr = 'replay(path=\"answers.jsonl\")'\n");
  REQUIRE(bench.run({"run", "other.toml", "--db", "x.db", "--label", "cand"}).code == 0);
  CHECK(gate(bench, policy()).code == 2);
  CHECK(gate(bench, policy(), {"--model", "script=tuned"}).code == 10);
  CHECK(gate(bench, policy(), {"--model", "script="}).code == 2);
}

TEST_CASE("gate: the examples for nightly jobs are sound, and their policy is one") {
  const std::filesystem::path examples = assay::test::source_dir() / "benchmarks" / "nightly";
  Bench bench;
  add_run(bench, "base", 80);
  add_run(bench, "cand", 80);
  CHECK(gate(bench, file_text(examples / "policy.toml")).code == 0);
  // What the examples run is `assay run` and `assay gate` with options that exist.
  for (const char* name : {"nightly.service", "crontab", "github-actions.yml", "gitlab-ci.yml"}) {
    const std::string text = file_text(examples / name);
    INFO(name);
    CHECK(holds(text, "assay run suite.toml --label"));
    CHECK(holds(text, "assay gate base latest --policy policy.toml --junit gate.xml --summary "));
  }
  if (bench.run_other({"python3", "-c", "import yaml"}).code == 0) {
    for (const char* name : {"github-actions.yml", "gitlab-ci.yml"}) {
      const ChildResult parsed = bench.run_other(
          {"python3", "-c", "import sys, yaml; assert isinstance(yaml.safe_load(open(sys.argv[1])), dict)",
           (examples / name).string()});
      INFO(name << "\n" << parsed.err);
      CHECK(parsed.code == 0);
    }
  } else {
    WARN("python3 has no yaml module: the syntax of the YAML examples was not checked");
  }
  // The shell lines of cron and systemd, run as they are written, in a folder as the README describes it.
  bench.small_suite(kItems, 80, kItems);
  std::filesystem::create_directories(bench.path("home/evaluation"));
  for (const char* name : {"items.jsonl", "answers.jsonl"})
    std::filesystem::copy_file(bench.path(name), bench.path("home/evaluation") / name);
  std::filesystem::copy_file(bench.path("small.toml"), bench.path("home/evaluation/suite.toml"));
  std::filesystem::copy_file(examples / "policy.toml", bench.path("home/evaluation/policy.toml"));
  const std::string tab = file_text(examples / "crontab");
  std::string line = tab.substr(tab.find("0 2 * * * ") + 10);
  for (std::size_t at = 0; (at = line.find("\\%", at)) != std::string::npos;) line.erase(at, 1);
  const std::string program = assay_program().parent_path().string();
  const ChildResult night =
      bench.run_other({"sh", "-c",
                       "export PATH=\"$1:$PATH\" HOME=\"$PWD/home\" ASSAY_DB=nightly.db\n"
                       "(cd home/evaluation && assay run suite.toml --label base --quiet) && eval \"$2\"",
                       "sh", program, line});
  INFO(night.out << night.err << line);
  CHECK(night.code == 0);
  CHECK(std::filesystem::exists(bench.path("home/evaluation/gate.xml")));
  CHECK(std::filesystem::exists(bench.path("home/evaluation/gate.md")));
}
