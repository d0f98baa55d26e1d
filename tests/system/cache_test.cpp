// Which answers are the same and which are not: the key of a stored answer, and `assay cache explain`.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <set>

#include "tests/support/asking/ask.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

/// Responses behind the results of run number `run` (its id), item by item, repeat by repeat.
Words responses_of(const Asker& bench, int run) {
  return bench.texts("x.db",
                     "SELECT l.response FROM result AS r JOIN result_response AS l ON l.result = r.id JOIN "
                     "evaluation AS e ON e.id = r.evaluation WHERE e.run = " +
                         std::to_string(run) + " ORDER BY r.position, r.repeat, l.ordinal");
}

}  // namespace

TEST_CASE("cache: the same run again asks nothing and gives the same numbers") {
  Asker bench;
  const Json first = bench.asked();
  CHECK(first["requests"] == 4);
  CHECK(first["requests_served"] == 0);
  const Json second = bench.asked();
  CHECK(second["run"] != first["run"]);
  CHECK(second["requests_served"] == 4);
  CHECK(second["results"] == first["results"]);
  CHECK(responses_of(bench, 1) == responses_of(bench, 2));
  CHECK(bench.explained("2")["served"] == true);
}

TEST_CASE("cache: no answer of model A is reported for model B (T1)") {
  Asker bench;
  const std::string other = "other=ngram(order=2, train=\"other.txt\")";
  bench.asked();
  const Json b = bench.asked({"--model", other});
  CHECK(b["requests_served"] == 0);
  CHECK(bench.asked({"--model", other})["requests_served"] == 4);
  // The same name for another model does not make it the same model.
  CHECK(bench.asked({"--model", "words=ngram(order=3, train=\"train.txt\")"})["requests_served"] == 0);
  CHECK(bench.number("x.db",
                     "SELECT count(*) FROM result AS r JOIN evaluation AS e ON e.id = r.evaluation JOIN "
                     "result_response AS l ON l.result = r.id JOIN response AS p ON p.id = l.response WHERE "
                     "p.model <> e.model") == 0);
  CHECK(bench.number("x.db", "SELECT count(*) FROM response") == 12);
  // The last model differs from the first in the order alone; what the model holds follows from it.
  const Words parts = parts_of(bench.explained("1"));
  CHECK(std::find(parts.begin(), parts.end(), "model > plugin > params > order") != parts.end());
  for (const std::string& part : parts) CHECK(part.starts_with("model > "));
}

TEST_CASE("cache: another kind of model is named as such, not by its parameters") {
  Asker bench;
  bench.set("ASSAY_TEST_MOOD", "0.5");
  bench.asked();
  bench.asked({"--model", "test.moody"});
  CHECK(parts_of(bench.explained("1")) == Words{"model > plugin > id"});
}

TEST_CASE("cache: a change of one field asks everything again, and explain names the field (T2)") {
  struct Case {
    std::string set, part, text;
  };
  const Case test = GENERATE(Case{"temperature=0.5", "temperature", "temperature: 0.5 here, 1 there"},
                             Case{"max_tokens=7", "max_tokens", "max_tokens: 7 here, 12 there"},
                             Case{"stop=[\"\\n\"]", "stop", "stop: [\"\\n\"] here, none there"},
                             Case{"top_p=0.9", "top_p", "top_p: 0.9 here, none there"},
                             Case{"top_k=3", "top_k", "top_k: 3 here, none there"});
  Asker bench;
  bench.asked();
  const Words changed = {"--set", "task.ask.params." + test.set};
  INFO(test.set);
  CHECK(bench.asked(changed)["requests_served"] == 0);
  const Json request = bench.explained("3");
  CHECK(request["served"] == false);
  CHECK(request["key_fits"] == true);
  CHECK(parts_of(request) == Words{test.part});
  CHECK(request["nearest"]["differs"][0]["text"] == test.text);
  CHECK_THAT(bench.ask({"cache", "explain", "3"}).out, ContainsSubstring(test.text));
  // Both sets of answers are kept.
  CHECK(bench.asked()["requests_served"] == 4);
  CHECK(bench.asked(changed)["requests_served"] == 4);
}

TEST_CASE("cache: another seed of the run is another seed of every sampled request") {
  Asker bench;
  bench.asked({"--seed", "1"});
  CHECK(bench.asked({"--seed", "2"})["requests_served"] == 0);
  CHECK(parts_of(bench.explained("0")) == Words{"seed"});
  // At temperature 0 nothing is sampled, so the seed of the run changes no request.
  const Words greedy = {"--set", "task.ask.params.temperature=0", "--seed"};
  Words one = greedy, two = greedy;
  one.emplace_back("1");
  two.emplace_back("2");
  CHECK(bench.asked(one)["requests_served"] == 0);
  CHECK(bench.asked(two)["requests_served"] == 4);
}

TEST_CASE("cache: another few-shot seed is other prompts and another recipe (T3)") {
  Asker bench;
  const auto shots = [](const char* seed) {
    return Words{"--set", "task.ask.params.shots=2", "--set",
                 std::string("task.ask.params.shots_seed=") + seed};
  };
  const Json first = bench.asked(shots("1"));
  const Json second = bench.asked(shots("2"));
  CHECK(second["requests_served"] == 0);
  CHECK(first["results"][0]["recipe"] != second["results"][0]["recipe"]);
  const Json request = bench.explained("1");
  CHECK(parts_of(request) == Words{"prompt"});
  const std::string here = request["request"]["prompt"];
  CHECK(here.starts_with("example "));
  CHECK(request["nearest"]["differs"][0]["there"] != here);
}

TEST_CASE("cache: one character of the template is another prompt everywhere (T4)") {
  Asker bench;
  const std::string form = "Please answer question {i} as briefly as you can, in one number.";
  std::string changed = form;
  const std::size_t at = form.find("briefly");
  changed[at] = 'B';
  const Json first = bench.asked({"--set", "task.ask.params.template=" + form});
  const Json second = bench.asked({"--set", "task.ask.params.template=" + changed});
  CHECK(second["requests_served"] == 0);
  CHECK(first["results"][0]["recipe"] != second["results"][0]["recipe"]);
  CHECK_THAT(bench.ask({"show"}).out,
             ContainsSubstring(second["results"][0]["recipe"].get<std::string>().substr(0, 8)));
  const Json request = bench.explained("3");
  CHECK(parts_of(request) == Words{"prompt"});
  // "{i}" became "3": everything behind it moved two bytes to the front.
  CHECK_THAT(request["nearest"]["differs"][0]["text"].get<std::string>(),
             ContainsSubstring("first difference at byte " + std::to_string(at - 2)) &&
                 ContainsSubstring("\"Briefly") && ContainsSubstring("\"briefly"));
}

TEST_CASE("cache: eight repeats are eight answers, and the same eight in the same order again (T5)") {
  Asker bench;
  const Words eight = {"--repeats", "8", "--limit", "3"};
  const Json first = bench.asked(eight);
  CHECK(first["requests"] == 24);
  CHECK(first["requests_served"] == 0);
  const Words responses = responses_of(bench, 1);
  CHECK(std::set<std::string>(responses.begin(), responses.end()).size() == 24);
  for (const char* item : {"0", "1", "2"}) {
    const Words answers =
        bench.texts("x.db",
                    "SELECT DISTINCT p.answer FROM result AS r JOIN result_response AS l ON "
                    "l.result = r.id JOIN response AS p ON p.id = l.response WHERE r.item_id = '" +
                        std::string(item) + "'");
    INFO(item);
    CHECK(answers.size() >= 2);
  }
  Words again = eight;
  again.insert(again.end(), {"--label", "again"});
  const Json second = bench.asked(again);
  CHECK(second["requests_served"] == 24);
  CHECK(second["results"] == first["results"]);
  CHECK(responses_of(bench, 2) == responses);
  CHECK(bench.number("x.db", "SELECT count(*) FROM result_response WHERE cached = 1") == 24);
  // A single answer is repeat 0 of the eight.
  CHECK(bench.asked({"--limit", "3"})["requests_served"] == 3);
  // In a database without another run the nearest answer is another repeat.
  Asker fresh;
  fresh.asked({"--repeats", "2", "--limit", "1"});
  Words parts = parts_of(fresh.explained("0"));
  std::sort(parts.begin(), parts.end());
  CHECK(parts == Words{"repeat", "seed"});
}

TEST_CASE("cache: --items 5,9,17 are these three also when everything is stored (T6)") {
  Asker bench;
  const Words many = {"--set", "task.ask.params.items=30"};
  bench.asked(many);
  Words chosen = many;
  chosen.insert(chosen.end(), {"--items", "5,9,17"});
  const Json run = bench.asked(chosen);
  CHECK(run["items_finished"] == 3);
  CHECK(run["requests_served"] == 3);
  std::set<std::string> ids;
  const Json shown = bench.json({"show", "--items"});
  for (const Json& item : shown["items"]) ids.insert(item["item"].get<std::string>());
  CHECK(ids == std::set<std::string>{"17", "5", "9"});
}

TEST_CASE("cache: another build of the model's plugin is another model") {
  Asker bench;
  const fs::path copy = bench.path("model_ngram.so");
  fs::copy_file(assay::test::build_dir() / "lib/assay/plugins/model_ngram.so", copy);
  const Words words = {"--plugin", copy.string()};
  bench.asked(words);
  CHECK(bench.asked(words)["requests_served"] == 4);
  bench.write("model_ngram.so", slurp(copy) + "another build");
  CHECK(bench.asked(words)["requests_served"] == 0);
  const Json request = bench.explained("1");
  CHECK(parts_of(request) == Words{"model > library"});
  CHECK_THAT(request["nearest"]["differs"][0]["text"].get<std::string>(),
             ContainsSubstring("another build of the plugin"));
}

TEST_CASE("cache explain: the fields of the key, and nothing near in a database with one answer") {
  Asker bench;
  bench.asked({"--limit", "1"});
  const Json request = bench.explained("0");
  CHECK(request["nearest"].is_null());
  CHECK(request["request"]["prompt"] == "question 0");
  CHECK(request["request"]["temperature"] == 1);
  CHECK(request["request"]["max_tokens"] == 12);
  CHECK(request["model"]["parts"]["plugin"]["id"] == "assay.ngram");
  CHECK(request["key"].get<std::string>().size() == 64);
  const std::string text = bench.ask({"cache", "explain", "0"}).out;
  for (const char* part : {"asked by the run", "prompt \"question 0\"", "max_tokens 12", "kind \"generate\"",
                           "library ", "order=2", "nothing near is stored"})
    CHECK_THAT(text, ContainsSubstring(part));
}

TEST_CASE("cache explain: an item asked nowhere else is compared with the model's other answers") {
  Asker bench;
  bench.asked({"--limit", "2"});
  const Json request = bench.explained("1");
  Words parts = parts_of(request);
  std::sort(parts.begin(), parts.end());
  CHECK(parts == Words{"prompt", "seed"});  // the item's id is part of what its seed is derived from
  CHECK_FALSE(request["nearest"].contains("run"));
}

TEST_CASE("cache explain: unknown items, tasks and runs are refused with a remedy") {
  Asker bench;
  bench.asked();
  for (const Words& words :
       {Words{"cache", "explain", "99"}, Words{"cache", "explain", "1", "--task", "nope"},
        Words{"cache", "explain", "1", "--run", "nosuch"}, Words{"cache", "explain"}, Words{"cache", "stat"},
        Words{"cache"}, Words{"cache", "stats", "1"}}) {
    const ChildResult result = bench.ask(words);
    INFO(result.out << result.err);
    CHECK(result.code == 2);
    CHECK(result.out.empty());
  }
  CHECK_THAT(bench.ask({"cache", "stat"}).err, ContainsSubstring("did you mean 'stats'"));
  CHECK_THAT(bench.ask({"cache", "explain", "99"}).err, ContainsSubstring("'99'"));
  CHECK(bench.json({"cache", "explain", "1", "--task", "ask", "--run", "latest"})["items"].size() == 1);
}
