// What the program does when nothing is wrong: plans, selections, seeds, repeats, stored runs.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

Json json_of(Bench& bench, Words words, int code = 0) {
  words.emplace_back("--json");
  const ChildResult result = bench.run(words);
  INFO(result.out << result.err);
  REQUIRE(result.code == code);
  const Json tree = Json::parse(result.out, nullptr, false);
  REQUIRE(tree.is_object());
  return tree;
}

/// Ids of the items of the latest run in x.db, in the order in which they were done.
Words item_ids(Bench& bench) {
  Words ids;
  const Json tree = json_of(bench, {"show", "--items", "--db", "x.db"});
  for (const Json& item : tree["items"]) ids.push_back(item["item"].get<std::string>());
  return ids;
}

Words ids_of_run(Bench& bench, Words words) {
  words.insert(words.end(), {"--db", "x.db"});
  const ChildResult result = bench.run(words);
  INFO(result.out << result.err);
  REQUIRE(result.code == 0);
  return item_ids(bench);
}

}  // namespace

TEST_CASE("plan: recipes and counts per kind; run --dry-run says the same and writes nothing") {
  Bench bench;
  bench.small_suite(40);
  const Json plan = json_of(bench, {"plan", "small.toml", "--limit", "10", "--repeats", "2"});
  CHECK(plan["schema"] == "assay-plan/1");
  CHECK(plan["suite"] == "small");
  CHECK(plan["repeats"] == 2);
  REQUIRE(plan["tasks"].size() == 1);
  const Json& task = plan["tasks"][0];
  CHECK(task["name"] == "qa");
  CHECK(task["recipe"].get<std::string>().size() == 64);
  CHECK(task["requests_by_kind"]["generate"] == task["requests"]);
  CHECK(task["needs"] == "generate");
  CHECK(json_of(bench, {"run", "small.toml", "--dry-run", "--limit", "10", "--repeats", "2"}) == plan);
  const ChildResult text = bench.run({"plan", "small.toml"});
  CHECK(text.code == 0);
  CHECK_THAT(text.out, ContainsSubstring("40 generate"));
  CHECK_FALSE(std::filesystem::exists(bench.path("assay.db")));
}

TEST_CASE("plan: items and requests are counted with repeats") {
  Bench bench;
  bench.small_suite(40);
  const Json once = json_of(bench, {"plan", "small.toml", "--limit", "10"})["tasks"][0];
  CHECK(once["items"] == 10);
  CHECK(once["requests"] == 10);
  const Json twice = json_of(bench, {"plan", "small.toml", "--limit", "10", "--repeats", "2"})["tasks"][0];
  CHECK(twice["requests"] == 20);
}

TEST_CASE("plan: the recipe version changes with what is measured and with nothing else") {
  Bench bench;
  bench.small_suite(40);
  const auto recipe = [&](const Words& words) {
    Words all = {"plan"};
    all.insert(all.end(), words.begin(), words.end());
    return json_of(bench, all)["tasks"][0]["recipe"].get<std::string>();
  };
  const std::string base = recipe({"small.toml"});
  CHECK(recipe({"small.toml"}) == base);
  bench.variant("titled.toml", "name = \"small\"",
                "name = \"small\"\ntitle = \"another title\"  # and a remark");
  CHECK(recipe({"titled.toml"}) == base);
  CHECK(recipe({"small.toml", "--set", "task.qa.params.max_tokens=8"}) != base);
  CHECK(recipe({"small.toml", "--set", "task.qa.params.stop=[\"\\n\"]"}) != base);
  CHECK(recipe({"small.toml", "--set", "task.qa.params.template={prompt}!"}) != base);
  CHECK(recipe({"small.toml", "--limit", "5"}) != base);
  CHECK(recipe({"small.toml", "--repeats", "2"}) != base);
  bench.write("items.jsonl", slurp(bench.path("items.jsonl")).replace(20, 1, "Q"));
  CHECK(recipe({"small.toml"}) != base);
}

TEST_CASE("run: --set changes what is asked") {
  Bench bench;
  bench.small_suite(4);
  REQUIRE(bench
              .run({"run", "small.toml", "--db", "x.db", "--set", "task.qa.params.max_tokens=7", "--set",
                    "task.qa.params.template=<{prompt}>"})
              .code == 0);
  const Json item = json_of(bench, {"show", "--item", "q2", "--db", "x.db"})["items"][0];
  const std::string request = item["responses"][0]["request"].is_string()
                                  ? item["responses"][0]["request"].get<std::string>()
                                  : item["responses"][0]["request"].dump();
  CHECK_THAT(request, ContainsSubstring("<question 2>"));
  CHECK_THAT(request, ContainsSubstring("\"max_tokens\":7"));
}

TEST_CASE("run: --limit takes a count, positions and a share that is rounded up") {
  Bench bench;
  bench.small_suite(41);
  CHECK(ids_of_run(bench, {"run", "small.toml", "--limit", "3"}) == Words{"q0", "q1", "q2"});
  CHECK(ids_of_run(bench, {"run", "small.toml", "--limit", "10-13"}) == Words{"q10", "q11", "q12"});
  CHECK(ids_of_run(bench, {"run", "small.toml", "--limit", "5%"}) == Words{"q0", "q1", "q2"});
  CHECK(ids_of_run(bench, {"run", "small.toml", "--limit", "100%"}).size() == 41);
  CHECK(ids_of_run(bench, {"run", "small.toml", "--limit", "1000"}).size() == 41);
}

TEST_CASE("run: a selection that leaves nothing to do is refused") {
  Bench bench;
  bench.small_suite(10);
  const Words words = GENERATE(Words{"--limit", "1000-2000"}, Words{"--items", "nope"});
  Words all = {"run", "small.toml", "--db", "x.db"};
  all.insert(all.end(), words.begin(), words.end());
  const ChildResult result = bench.run(all);
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring(words[0]));
}

TEST_CASE("run: --items are exactly these, also from a file and with answers stored before (T6)") {
  Bench bench;
  bench.small_suite(30);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  Words ids = ids_of_run(bench, {"run", "small.toml", "--items", "q5,q9,q17"});
  std::sort(ids.begin(), ids.end());
  CHECK(ids == Words{"q17", "q5", "q9"});
  bench.write("ids.txt", "q3\nq29\n\n");
  ids = ids_of_run(bench, {"run", "small.toml", "--items", "@ids.txt"});
  std::sort(ids.begin(), ids.end());
  CHECK(ids == Words{"q29", "q3"});
}

TEST_CASE("run: an id of --items that no task has is said, not dropped in silence") {
  Bench bench;
  bench.small_suite(30);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--items", "q5,nosuch"});
  INFO(result.out << result.err);
  CHECK(holds(result.out + result.err, "nosuch"));
}

TEST_CASE("run: --shuffle --limit 50 --seed 7 picks the same ids always and everywhere (T20)") {
  Bench bench;
  bench.small_suite(400);
  const Words base = {"run", "small.toml", "--shuffle", "--limit", "50", "--seed", "7"};
  const Words ids = ids_of_run(bench, base);
  REQUIRE(ids.size() == 50);
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == 50);
  CHECK_FALSE(std::is_sorted(ids.begin(), ids.end()));
  CHECK(ids_of_run(bench, base) == ids);
  for (const char* threads : {"1", "2"}) {
    Words words = base;
    words.insert(words.end(), {"--threads", threads});
    CHECK(ids_of_run(bench, words) == ids);
  }
  Words other = base;
  other.back() = "8";
  CHECK(ids_of_run(bench, other) != ids);
}

TEST_CASE("run: reordering the tasks of a suite changes no task's selection (T20)") {
  Bench bench;
  bench.small_suite(200);
  const std::string suite = slurp(bench.path("small.toml"));
  const std::size_t at = suite.find("[[task]]");
  const std::string head = suite.substr(0, at);
  const std::string first = suite.substr(at);
  std::string second = first;
  second.replace(second.find("\"qa\""), 4, "\"qb\"");
  bench.write("ab.toml", head + first + second);
  bench.write("ba.toml", head + second + first);
  const auto selected = [&](const std::string& file) {
    REQUIRE(bench.run({"run", file, "--db", "x.db", "--shuffle", "--limit", "20", "--seed", "7"}).code == 0);
    std::set<std::pair<std::string, std::string>> out;
    const Json tree = json_of(bench, {"show", "--items", "--db", "x.db"});
    for (const Json& item : tree["items"])
      out.emplace(item["task"].get<std::string>(), item["item"].get<std::string>());
    return out;
  };
  const auto forward = selected("ab.toml");
  CHECK(forward.size() == 40);
  CHECK(selected("ba.toml") == forward);
}

TEST_CASE("run: repeats are stored one by one and differ with a sampling model (T5)") {
  Bench bench;
  bench.small_suite(4);
  bench.write("train.txt", "one two three\none three two\none four five six\none seven eight nine ten\n");
  REQUIRE(bench
              .run({"run", "small.toml", "--db", "x.db", "--repeats", "8", "--limit", "2", "--model",
                    "ngram(order=2, train=\"train.txt\")"})
              .code == 0);
  const Json items = json_of(bench, {"show", "--items", "--db", "x.db"})["items"];
  CHECK(items.size() == 16);
  std::set<int> repeats;
  for (const Json& item : items) repeats.insert(item["repeat"].get<int>());
  CHECK(repeats == std::set<int>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == 16);
}

TEST_CASE("run: the number of threads changes no number") {
  Bench bench;
  bench.small_suite(60);
  bench.write("train.txt", "question 1 a1\nquestion 2 a2\nquestion 3 a4\n");
  const auto results = [&](const char* threads) {
    const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db", "--threads", threads, "--json",
                                       "--model", "m=ngram(order=4, train=\"train.txt\")"});
    INFO(run.err);
    REQUIRE(Json::accept(run.out));
    return Json::parse(run.out)["results"];
  };
  const Json one = results("1");
  CHECK_FALSE(one.empty());
  CHECK(results("2") == one);
  CHECK(results("7") == one);
}

TEST_CASE("run: the answers of one model are never another's (T1)") {
  Bench bench;
  bench.small_suite(20);
  bench.write("wrong.jsonl", [&] {
    std::string text = slurp(bench.path("answers.jsonl"));
    for (std::size_t at = 0; (at = text.find("\"text\":\"a", at)) != std::string::npos;)
      text.replace(at, 9, "\"text\":\"z");
    return text;
  }());
  const Json good = json_of(bench, {"run", "small.toml", "--db", "x.db"});
  const Json bad =
      json_of(bench, {"run", "small.toml", "--db", "x.db", "--model", "replay(path=\"wrong.jsonl\")"});
  CHECK(good["results"][0]["estimate"] == 1);
  CHECK(bad["results"][0]["estimate"] == 0);
  // The same name for another model must not make it the same model.
  const Json named =
      json_of(bench, {"run", "small.toml", "--db", "x.db", "--model", "script=replay(path=\"wrong.jsonl\")"});
  CHECK(named["results"][0]["estimate"] == 0);
}

TEST_CASE("list runs and show: every run by id, prefix, label, latest and latest~1") {
  Bench bench;
  bench.small_suite(10);
  const std::string first = json_of(bench, {"run", "small.toml", "--db", "x.db", "--label", "base"})["run"];
  const std::string second = json_of(bench, {"run", "small.toml", "--db", "x.db", "--limit", "4"})["run"];
  const Json runs = json_of(bench, {"list", "runs", "--db", "x.db"})["items"];
  REQUIRE(runs.size() == 2);
  CHECK(runs[0]["run"] == first);
  CHECK(runs[0]["items"] == 10);
  CHECK(runs[0]["label"] == "base");
  CHECK(runs[0]["status"] == "complete");
  CHECK(runs[1]["items"] == 4);
  for (const std::string& name : {first, first.substr(0, 8), std::string("base"), std::string("latest~1")})
    CHECK(json_of(bench, {"show", name, "--db", "x.db"})["run"] == first);
  for (const std::string& name : {std::string("latest"), std::string("latest:script"), second})
    CHECK(json_of(bench, {"show", name, "--db", "x.db"})["run"] == second);
  const ChildResult unknown = bench.run({"show", "nosuch", "--db", "x.db"});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, ContainsSubstring("nosuch") && ContainsSubstring("list runs"));
}

TEST_CASE("show: an ambiguous name is refused with the candidates") {
  Bench bench;
  bench.small_suite(2);
  const std::string first = json_of(bench, {"run", "small.toml", "--db", "x.db", "--label", "night"})["run"];
  const std::string second = json_of(bench, {"run", "small.toml", "--db", "x.db", "--label", "night"})["run"];
  const ChildResult result = bench.run({"show", "night", "--db", "x.db"});
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring(first.substr(0, 8)) && ContainsSubstring(second.substr(0, 8)));
}

TEST_CASE("show: what a run printed can be read again") {
  Bench bench;
  bench.small_suite(20, 13, 20);
  const Json run = json_of(bench, {"run", "small.toml", "--db", "x.db"});
  const Json shown = json_of(bench, {"show", "--db", "x.db"});
  CHECK(run["results"] == shown["results"]);
  CHECK(run["results"][0]["estimate"] == 0.65);
  CHECK(run["results"][0]["n_total"] == 20);
  const Json item = json_of(bench, {"show", "--item", "q15", "--db", "x.db"})["items"][0];
  CHECK(item["state"] == "ok");
  CHECK(item["scores"][0]["number"] == 0);
  CHECK(item["scores"][0]["metric"] == "assay.exact_match");
  CHECK_THAT(item["responses"][0].dump(), ContainsSubstring("question 15"));
  const ChildResult missing = bench.run({"show", "--item", "q99", "--db", "x.db"});
  CHECK(missing.code == 2);
  CHECK_THAT(missing.err, ContainsSubstring("q99"));
}

TEST_CASE("show: an unknown task or state of --items is refused with what there is") {
  Bench bench;
  bench.small_suite(2);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const ChildResult state = bench.run({"show", "--items", "--state", "eror", "--db", "x.db"});
  CHECK(state.code == 2);
  CHECK_THAT(state.err, ContainsSubstring("eror") && ContainsSubstring("error"));
  const ChildResult task = bench.run({"show", "--items", "--task", "qu", "--db", "x.db"});
  CHECK(task.code == 2);
  CHECK_THAT(task.err, ContainsSubstring("qu") && ContainsSubstring("qa"));
}

TEST_CASE("list: everything of the source tree's suites is listed and readable") {
  Bench bench;
  const Json suites = json_of(bench, {"list", "suites"})["items"];
  std::size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(assay::test::source_dir() / "benchmarks/suites"))
    files += entry.path().extension() == ".toml" ? 1U : 0U;
  CHECK(suites.size() == files);
  for (const Json& suite : suites) CHECK_FALSE(holds(suite["title"].get<std::string>(), "toml:"));
}
