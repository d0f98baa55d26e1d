// `assay compare` on runs of the real program: changed prompts (T3, T4), a run against its equal, a planted
// regression, exit codes, and agreement with the numbers that the runs printed.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <map>

#include "tests/support/asking/ask.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

Words with_items(int items, Words words) {
  words.insert(words.end(), {"--set", "task.ask.params.items=" + std::to_string(items)});
  return words;
}

std::map<std::string, std::string> states(const Json& parts) {
  std::map<std::string, std::string> out;
  for (const Json& part : parts) out[part["part"]] = part["state"];
  return out;
}

/// Answers of the model "script" by item id: a text, or a finish reason behind '!', or nothing for "-".
void script(const Bench& bench, const std::string& file, const Words& answers) {
  std::string text =
      R"({"format":"assay.replay/1","model":"script","capabilities":["generate"],"key_mode":"item"})"
      "\n";
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i] == "-") continue;
    const std::size_t mark = answers[i].find('!');
    text += R"({"key":")" + std::to_string(i) + R"(","text":")" + answers[i].substr(0, mark) +
            R"(","finish_reason":")" + (mark == std::string::npos ? "stop" : answers[i].substr(mark + 1)) +
            "\"}\n";
  }
  bench.write(file, text);
}

}  // namespace

TEST_CASE("compare: other few-shot examples are not comparable, and the prompt is named (T3)") {
  Asker bench;
  const Words shots = {"--set", "task.ask.params.shots=3"};
  Words first = with_items(20, shots), second = with_items(20, shots);
  second.insert(second.end(), {"--set", "task.ask.params.shots_seed=2"});
  bench.asked(first);
  bench.asked(second);
  const Json tree = bench.json({"compare", "latest~1", "latest"}, 12);
  CHECK(tree["schema"] == "assay-compare/1");
  CHECK(tree["exit_code"] == 12);
  CHECK(tree["comparable"] == false);
  const Json& task = tree["tasks"][0];
  const auto parts = states(task["parts"]);
  CHECK(parts.at("prompt") == "differs");
  CHECK(parts.at("items") == "note");
  CHECK(parts.at("generation") == "same");
  CHECK(task["baseline"]["version"] != task["candidate"]["version"]);
  for (const Json& value : task["values"]) {
    CHECK(value["verdict"] == "NOT COMPARABLE");
    CHECK(value["delta"].is_null());
  }
  const ChildResult text = bench.ask({"compare", "latest~1", "latest"});
  CHECK(text.code == 12);
  CHECK_THAT(text.out, ContainsSubstring("NOT COMPARABLE"));
  CHECK_THAT(text.out, ContainsSubstring("prompt"));
}

TEST_CASE("compare: one other character of the template is not comparable (T4)") {
  Asker bench;
  bench.asked(with_items(20, {"--set", "task.ask.params.template=\"question {i}\""}));
  bench.asked(with_items(20, {"--set", "task.ask.params.template=\"question  {i}\""}));
  const Json tree = bench.json({"compare", "latest~1", "latest"}, 12);
  CHECK(states(tree["tasks"][0]["parts"]).at("prompt") == "differs");
  const Json& task = tree["tasks"][0];
  const ChildResult text = bench.ask({"compare", "latest~1", "latest"});
  CHECK_THAT(text.out, ContainsSubstring(task["baseline"]["version"].get<std::string>()));
  CHECK_THAT(text.out, ContainsSubstring(task["candidate"]["version"].get<std::string>()));
  // Numbers on request, and never a verdict.
  const ChildResult forced = bench.ask({"compare", "latest~1", "latest", "--force"});
  CHECK(forced.code == 0);
  CHECK_THAT(forced.out, ContainsSubstring("FORCED"));
  CHECK_THAT(forced.out, !ContainsSubstring("inconclusive"));
}

TEST_CASE("compare: another temperature, stop string or length is not comparable") {
  Asker bench;
  const std::string set = GENERATE("temperature=0.5", "stop=[\"7\"]", "max_tokens=11", "top_k=3");
  bench.asked(with_items(10, {}));
  bench.asked(with_items(10, {"--set", "task.ask.params." + set}));
  const Json tree = bench.json({"compare", "latest~1", "latest"}, 12);
  const auto parts = states(tree["tasks"][0]["parts"]);
  CHECK(parts.at("generation") == "differs");
  CHECK(parts.at("prompt") == "same");
  for (const Json& part : tree["tasks"][0]["parts"]) {
    if (part["part"] == "generation")
      CHECK_THAT(part["text"].get<std::string>(), ContainsSubstring(set.substr(0, set.find('='))));
  }
}

TEST_CASE("compare: the same n-gram model with the same seed and with another one") {
  Asker bench;
  bench.asked(with_items(300, {}));
  bench.asked(with_items(300, {"--no-cache"}));
  bench.asked(with_items(300, {"--seed", "2"}));
  const Json same = bench.json({"compare", "latest~2", "latest~1"});
  CHECK(same["tasks"][0]["identical_answers"] == 1.0);
  for (const Json& value : same["tasks"][0]["values"]) {
    CHECK(value["delta"] == 0.0);
    CHECK(value["verdict"] == "inconclusive");
  }
  // Another seed gives other answers of the same model: nothing but noise.
  const Json other = bench.json({"compare", "latest~1", "latest"});
  CHECK(other["tasks"][0]["identical_answers"].get<double>() < 0.9);
  CHECK(states(other["tasks"][0]["parts"]).at("generation") != "differs");
  for (const Json& value : other["tasks"][0]["values"]) {
    CHECK(value["delta"] != 0.0);
    CHECK(value["verdict"] == "inconclusive");
  }
}

TEST_CASE("compare: a planted regression is found, with its items") {
  Bench bench;
  bench.small_suite(100, 90, 100);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.small_suite(100, 70, 100);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const ChildResult result =
      bench.run({"compare", "latest~1", "latest", "--db", "x.db", "--json", "--top-flips", "30"});
  INFO(result.out << result.err);
  REQUIRE(result.code == 0);
  const Json tree = Json::parse(result.out);
  const Json& value = tree["tasks"][0]["values"][0];
  CHECK(value["verdict"] == "regressed");
  CHECK(value["flips"] == Json{{"a", 70}, {"b", 20}, {"c", 0}, {"d", 10}, {"churn", 0.2}});
  CHECK(value["p"].get<double>() == Approx(2.0 / (1 << 20)).epsilon(1e-12));
  REQUIRE(value["changed"].size() == 20);
  for (const Json& item : value["changed"]) {
    const std::string id = item["item"];
    CHECK(item["prompt"] == "question " + id.substr(1));
    CHECK(item["baseline_answer"] == "a" + id.substr(1));
    CHECK(item["candidate_answer"] == "no");
  }
  const ChildResult back = bench.run({"compare", "latest", "latest~1", "--db", "x.db"});
  CHECK_THAT(back.out, ContainsSubstring("improved"));
  const ChildResult markdown = bench.run({"compare", "latest~1", "latest", "--db", "x.db", "--markdown"});
  CHECK(markdown.code == 0);
  CHECK_THAT(markdown.out, ContainsSubstring("> [!CAUTION]"));
  CHECK_THAT(markdown.out, ContainsSubstring("**regressed**"));
  CHECK(control_character(markdown.out) == std::string::npos);
  CHECK(control_character(back.out) == std::string::npos);
}

TEST_CASE("compare: the output is the same bytes every time") {
  Bench bench;
  bench.small_suite(60, 50, 60);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.small_suite(60, 40, 60);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const std::string form = GENERATE("--json", "--markdown", "--quiet");
  const Words words = {"compare", "latest~1", "latest", "--db", "x.db", form};
  const std::string first = bench.run(words).out;
  CHECK_FALSE(first.empty());
  CHECK(first == bench.run(words).out);
}

TEST_CASE("compare: its numbers are those of the runs, whatever states their answers are in") {
  Asker bench;
  script(
      bench, "a.jsonl",
      {"0.5", "1", "", "!content_filter", "nan", "0.25!length", "0.75!length", "!length", "-", "0.1", "0.3"});
  script(
      bench, "b.jsonl",
      {"0.5", "1", "", "!content_filter", "nan", "0.5!length", "0.25!length", "!length", "-", "0.6", "0.2"});
  const auto run = [&](const std::string& file) {
    Words words =
        with_items(11, {"run", "ask.toml", "--model", "script=replay(path=\"" + file + "\")", "--json"});
    const ChildResult result = bench.ask(words);
    INFO(result.out << result.err);
    REQUIRE(result.code == 5);
    return Json::parse(result.out);
  };
  const Json a = run("a.jsonl"), b = run("b.jsonl");
  const Json tree = bench.json({"compare", "latest~1", "latest", "--all-values"});
  std::size_t checked = 0;
  for (const Json& value : tree["tasks"][0]["values"]) {
    const auto stored = [&](const Json& run_tree) -> const Json& {
      for (const Json& row : run_tree["results"]) {
        if (row["metric"] == value["metric"] && row["value"] == value["value"] &&
            row["statistic"] != "pr_auc" && !holds(row["statistic"], "@"))
          return row;
      }
      FAIL("the run has no value " << value["value"]);
      return run_tree;
    };
    INFO(value["value"]);
    if (value["baseline"].is_null()) continue;
    ++checked;
    CHECK(value["baseline"].get<double>() == Approx(stored(a)["estimate"].get<double>()).epsilon(1e-12));
    CHECK(value["candidate"].get<double>() == Approx(stored(b)["estimate"].get<double>()).epsilon(1e-12));
    CHECK(value["pairs"] == stored(a)["n_scored"]);
  }
  CHECK(checked >= 3);
}

TEST_CASE("compare: custom statistics come from the metric plugin, and without it every row says so") {
  Bench bench;
  bench.write("facts.toml",
              "[suite]\nname = \"facts\"\nseed = 1\n"
              "[[model]]\nname = \"long\"\nexpr = 'ngram(estimator=\"mkn\", order=10, tokenizer=\"word\", "
              "word_list=\"data:planted/biographies-small/words.txt\", "
              "train=\"data:planted/biographies-small/train.txt\")'\n"
              "[[model]]\nname = \"short\"\nexpr = 'ngram(estimator=\"mkn\", order=3, tokenizer=\"word\", "
              "word_list=\"data:planted/biographies-small/words.txt\", "
              "train=\"data:planted/biographies-small/train.txt\")'\n"
              "[[task]]\nplugin = \"assay.planted_facts\"\nname = \"facts\"\n"
              "params = { data = \"data:planted/biographies-small/probes.jsonl\", samples = 0 }\n"
              "metrics = [\"uncertainty.neg_logp\"]\nmodels = [\"long\", \"short\"]\n");
  const ChildResult run = bench.run({"run", "facts.toml", "--db", "x.db", "--json"});
  INFO(run.out << run.err);
  REQUIRE(run.code == 0);
  const Words words = {"compare", "latest", "latest", "--model", "long=short", "--db", "x.db", "--json"};
  const ChildResult first = bench.run(words), second = bench.run(words);
  INFO(first.out << first.err);
  REQUIRE(first.code == 0);
  CHECK(first.out == second.out);
  // The run's own numbers of both models, by value.
  std::map<std::string, std::map<std::string, double>> stored;
  const Json ran = Json::parse(run.out);
  for (const Json& row : ran["results"]) {
    if (row["statistic"] == "custom" && row["estimate"].is_number())
      stored[row["model"]][row["value"].get<std::string>() + row["variant"].get<std::string>()] =
          row["estimate"];
  }
  std::size_t custom = 0;
  const Json tree = Json::parse(first.out);
  for (const Json& value : tree["tasks"][0]["values"]) {
    if (value["rule"] != "custom") continue;
    ++custom;
    INFO(value);
    const std::string key = value["value"].get<std::string>() + value["variant"].get<std::string>();
    // The same plugin on the same items: what the run stored, to the last bit.
    CHECK(value["baseline"] == stored["long"].at(key));
    CHECK(value["candidate"] == stored["short"].at(key));
    REQUIRE(value["p"].is_number());
    CHECK(value["method"] == "bootstrap.percentile");
    CHECK(value["lo"].get<double>() <= value["delta"].get<double>());
    CHECK(value["hi"].get<double>() >= value["delta"].get<double>());
    CHECK(value["verdict"] != "NOT COMPARABLE");
  }
  CHECK(custom >= 1);
  bench.execute("x.db", "UPDATE metric SET plugin_id = 'no.such'");
  const ChildResult without = bench.run(words);
  INFO(without.out << without.err);
  REQUIRE(without.code == 0);
  std::size_t said = 0;
  const Json bare = Json::parse(without.out);
  for (const Json& value : bare["tasks"][0]["values"]) {
    if (value["rule"] != "custom") continue;
    ++said;
    CHECK(value["p"].is_null());
    CHECK(value["lo"].is_null());
    CHECK(holds(value["undefined"], "'no.such' is not at hand"));
  }
  CHECK(said == custom);
}

TEST_CASE("compare: what it is asked wrongly is answered with code 2") {
  Bench bench;
  bench.small_suite(5);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--label", "mine"}).code == 0);
  const Words words =
      GENERATE(Words{}, Words{"mine"}, Words{"mine", "mien"}, Words{"mine", "mine", "more"},
               Words{"mine", "mine", "--margin", "-1"}, Words{"mine", "mine", "--margin", "x"},
               Words{"mine", "mine", "--alpha", "2"}, Words{"mine", "mine", "--task", "qq"},
               Words{"mine", "mine", "--metric", "nothing"}, Words{"mine", "mine", "--model", "scrip"},
               Words{"mine", "mine", "--model", "=x"}, Words{"mine", "mine", "--top-flips", "-1"},
               Words{"mine", "mine", "--json", "--markdown"});
  Words all = {"compare"};
  all.insert(all.end(), words.begin(), words.end());
  all.insert(all.end(), {"--db", "x.db"});
  const ChildResult result = bench.run(all);
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("assay: "));
}
