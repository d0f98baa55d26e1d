// What a score is a score of: how each state entered its denominator, bounds, and numbers that are none
// (T10, T11, T16).
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "tests/support/asking/ask.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Answers of the model "script" by item id: a text, or a finish reason behind '!', or nothing at all.
void script(const Bench& bench, const std::vector<std::optional<std::string>>& answers) {
  std::string text =
      R"({"format":"assay.replay/1","model":"script","capabilities":["generate"],"key_mode":"item"})"
      "\n";
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i]) continue;
    const std::size_t mark = answers[i]->find('!');
    const std::string finish = mark == std::string::npos ? "stop" : answers[i]->substr(mark + 1);
    text += R"({"key":")" + std::to_string(i) + R"(","text":")" + answers[i]->substr(0, mark) +
            R"(","finish_reason":")" + finish + "\"}\n";
  }
  bench.write("answers.jsonl", text);
}

const std::string kScript = "script=replay(path=\"answers.jsonl\")";

Json scripted(Asker& bench, std::size_t items, int code, Words words = {}) {
  words.insert(words.end(), {"--model", kScript, "--set", "task.ask.params.items=" + std::to_string(items)});
  return bench.asked(std::move(words), code);
}

const Json& value(const Json& run, const std::string& name) {
  for (const Json& row : run["results"]) {
    if (row["value"] == name && row["statistic"] != "pr_auc" && !holds(row["statistic"], "@")) return row;
  }
  FAIL("the run has no value " << name);
  return run;
}

std::int64_t total(const Json& counts) {
  std::int64_t sum = 0;
  for (const auto& [key, count] : counts.items()) sum += count.get<std::int64_t>();
  return sum;
}

/// 2 answers with a number, 1 empty, 2 refused, 3 cut off (two with a number), 1 without a record.
const std::vector<std::optional<std::string>> kMixed = {
    "0.5",         "1",           "",        "!content_filter", "!content_filter",
    "0.25!length", "0.75!length", "!length", std::nullopt};

}  // namespace

TEST_CASE("states: four outcomes, four counts, and the way of each into every score (T11)") {
  Asker bench;
  script(bench, kMixed);
  const Json run = scripted(bench, 9, 5);
  const Json expected = {{"ok", 2},       {"empty", 1},       {"refused", 2}, {"truncated", 3},
                         {"unparsed", 0}, {"unsupported", 0}, {"error", 1},   {"timeout", 0}};
  for (const Json& row : run["results"]) {
    INFO(row.dump());
    CHECK(row["states"] == expected);
    REQUIRE(row["denominator"].is_object());
    CHECK(total(row["denominator"]["in"]) == row["n_scored"]);
    CHECK(total(row["denominator"]["in"]) + total(row["denominator"]["out"]) == row["n_total"]);
  }
  // A score between 0 and 1 counts an answer without a number as the worst; a failure stays out.
  const Json& bounded = value(run, "number");
  CHECK(bounded["denominator"] == Json{{"in", {{"ok", 2}, {"truncated", 3}, {"empty", 1}, {"refused", 2}}},
                                       {"as_worst", {{"truncated", 1}, {"empty", 1}, {"refused", 2}}},
                                       {"out", {{"error", 1}}}});
  CHECK(bounded["estimate"].get<double>() == Approx(2.5 / 8).epsilon(1e-12));
  // Without bounds there is no worst value, and a ranking has no place for an answer without a number.
  const Json left_out = {{"in", {{"ok", 2}, {"truncated", 2}}},
                         {"as_worst", Json::object()},
                         {"out", {{"truncated", 1}, {"empty", 1}, {"refused", 2}, {"error", 1}}}};
  CHECK(value(run, "free")["denominator"] == left_out);
  CHECK(value(run, "free")["estimate"].get<double>() == Approx(2.5 / 4).epsilon(1e-12));
  CHECK(value(run, "ranked")["denominator"] == left_out);
  CHECK(bench.json({"show"})["results"] == run["results"]);
  const std::string shown = bench.ask({"show"}).out;
  CHECK_THAT(shown, ContainsSubstring(
                        "script: 2 ok, 1 empty, 2 refused, 3 truncated, 1 error - in the scores: 2 ok, 2 "
                        "truncated; as the worst value: 1 empty, 2 refused, 1 truncated; out: 1 error"));
}

TEST_CASE("states: when everything is scored one short line says so") {
  Asker bench;
  script(bench, {"0.5", "1", "0", "0.25"});
  scripted(bench, 4, 0);
  CHECK_THAT(bench.ask({"show"}).out, ContainsSubstring("\n  script: 4 ok, all in the scores\n"));
}

TEST_CASE("states: models that ended alike share a line, others have their own") {
  Asker bench;
  script(bench, {"0.5", "1", "", "0.25"});
  bench.write("same.jsonl", slurp(bench.path("answers.jsonl")) + "\n");
  script(bench, {"0.5", "1", "0", "0.25"});
  bench.asked({"--model", "a=replay(path=\"answers.jsonl\")", "--model", "b=replay(path=\"same.jsonl\")",
               "--model", "c=ngram(order=2, train=\"train.txt\")"});
  const std::string shown = bench.ask({"show"}).out;
  CHECK_THAT(shown, ContainsSubstring("\n  a: 4 ok, all in the scores\n"));
  CHECK_THAT(shown,
             ContainsSubstring("\n  b: 3 ok, 1 empty - in the scores: 3 ok; as the worst value: 1 empty\n"));
}

TEST_CASE("states: 10 of 100 items in error (T10)") {
  Asker bench;
  std::vector<std::optional<std::string>> answers(100);
  for (std::size_t i = 0; i < 90; ++i) answers[i] = i < 45 ? "1" : "0";
  script(bench, answers);
  const Json run = scripted(bench, 100, 5);
  const Json& row = value(run, "number");
  CHECK(row["n_total"] == 100);
  CHECK(row["n_scored"] == 90);
  CHECK(row["estimate"].get<double>() == Approx(0.5).epsilon(1e-12));
  CHECK(row["denominator"]["out"] == Json{{"error", 10}});
  CHECK(row["bounds"][0].get<double>() == Approx(0.45).epsilon(1e-12));
  CHECK(row["bounds"][1].get<double>() == Approx(0.55).epsilon(1e-12));
  CHECK_FALSE(value(run, "free").contains("bounds"));
  CHECK_THAT(bench.ask({"show"}).out, ContainsSubstring("in the scores: 90 ok; out: 10 error") &&
                                          ContainsSubstring("bounds 0.4500 to 0.5500"));
}

TEST_CASE("states: bounds begin above one per cent") {
  Asker bench;
  const std::size_t failed = GENERATE(1U, 2U);
  std::vector<std::optional<std::string>> answers(100);
  for (std::size_t i = 0; i < 100 - failed; ++i) answers[i] = "1";
  script(bench, answers);
  const Json run = scripted(bench, 100, 5);
  for (const char* name : {"number", "ranked"}) {
    INFO(name << " " << failed);
    CHECK(value(run, name).contains("bounds") == (failed == 2));
  }
}

TEST_CASE("states: bounds of an AUROC are those of the worst and the best completion") {
  Asker bench;
  // Item i has the label i mod 2. Two items of each label have no answer.
  const std::vector<std::optional<std::string>> answers = {"0.1",        "0.9",        "0.5", "0.2",
                                                           std::nullopt, std::nullopt, "0.3", "0.6",
                                                           std::nullopt, "0.4",        "0.7", std::nullopt};
  script(bench, answers);
  const Json run = scripted(bench, answers.size(), 5);
  const auto auroc = [&](double positive, double negative) {
    double right = 0, pairs = 0;
    for (std::size_t p = 1; p < answers.size(); p += 2) {
      for (std::size_t n = 0; n < answers.size(); n += 2) {
        const double x = answers[p] ? std::stod(*answers[p]) : positive;
        const double y = answers[n] ? std::stod(*answers[n]) : negative;
        right += x > y ? 1 : x == y ? 0.5 : 0;
        pairs += 1;
      }
    }
    return right / pairs;
  };
  const Json& row = value(run, "ranked");
  REQUIRE(row.contains("bounds"));
  CHECK(row["bounds"][0].get<double>() == Approx(auroc(-9, 9)).epsilon(1e-12));
  CHECK(row["bounds"][1].get<double>() == Approx(auroc(9, -9)).epsilon(1e-12));
  CHECK(row["bounds"][0].get<double>() < row["estimate"].get<double>());
}

TEST_CASE("states: repeats are counted one by one, items once") {
  Asker bench;
  script(bench, {"0.5", "1", "0", "0.25"});  // a replay has an answer for repeat 0 only
  const Json run = scripted(bench, 4, 5, {"--repeats", "2"});
  const Json& row = value(run, "number");
  CHECK(row["n_total"] == 8);
  CHECK(row["n_scored"] == 4);
  CHECK(row["denominator"]["in"] == Json{{"ok", 4}});
  CHECK(row["denominator"]["out"] == Json{{"error", 4}});
  CHECK_FALSE(row.contains("bounds"));  // every item has a value
}

TEST_CASE("states: NaN and infinity among scores are counted and enter nothing, in any order (T16)") {
  const std::vector<std::string> texts = {"0.25", "nan", "0.75", "inf", "-nan", "0.5", "-inf", "1"};
  std::vector<Json> runs;
  for (const std::size_t turn : {0U, 1U, 3U, 6U}) {
    Asker bench;
    std::string items, answers = R"({"format":"assay.replay/1","model":"script","capabilities":["generate"],)"
                                 R"("key_mode":"item"})"
                                 "\n";
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::string id = "q" + std::to_string((i + turn) % texts.size());
      const std::string& text = texts[(i + turn) % texts.size()];
      items += R"({"id":")" + id + R"(","prompt":"p )" + id + R"(","target":"t"})" + "\n";
      answers += R"({"key":")" + id + R"(","text":")" + text + R"(","finish_reason":"stop"})" + "\n";
    }
    bench.write("items.jsonl", items);
    bench.write("answers.jsonl", answers);
    bench.write(
        "numbers.toml",
        "[suite]\nname = \"numbers\"\n[[model]]\nname = \"script\"\nexpr = "
        "'replay(path=\"answers.jsonl\")'\n[[task]]\nplugin = \"assay.jsonl\"\nname = \"ask\"\nparams = { "
        "data = \"items.jsonl\" }\nmetrics = [\"test.number\"]\nbaselines = [\"test.blind_nan\", "
        "\"test.blind_half\"]\n");
    runs.push_back(bench.json({"run", "numbers.toml"}));
    const std::string shown = bench.ask({"show"}).out;
    INFO(shown);
    // The best blind rule is a number, and no number of the table is none.
    CHECK_THAT(shown, ContainsSubstring("0.5000 test.blind_half"));
    CHECK_FALSE(holds(shown, "n/a test.blind_nan"));
    CHECK_FALSE(holds(shown, " nan"));
    CHECK_FALSE(holds(shown, " inf"));
    CHECK_THAT(shown, ContainsSubstring("in the scores: 4 ok; out: 4 without a finite value"));
  }
  const Json& row = value(runs[0], "number");
  CHECK(row["n_total"] == 8);
  CHECK(row["n_scored"] == 4);
  CHECK(row["n_non_finite"] == 4);
  CHECK(row["denominator"]["out"] == Json{{"non_finite", 4}});
  CHECK(row["estimate"].get<double>() == Approx(2.5 / 4).epsilon(1e-12));
  CHECK(row["bounds"][0].get<double>() == Approx(2.5 / 8).epsilon(1e-12));
  CHECK(row["bounds"][1].get<double>() == Approx(6.5 / 8).epsilon(1e-12));
  const Json& free = value(runs[0], "free");
  CHECK(free["estimate"].get<double>() == Approx(2.5 / 4).epsilon(1e-12));
  for (const Json& run : runs) {
    REQUIRE(run["results"].size() == runs[0]["results"].size());
    for (std::size_t i = 0; i < run["results"].size(); ++i) {
      const Json &a = runs[0]["results"][i], &b = run["results"][i];
      INFO(a.dump() << "\n" << b.dump());
      for (const char* key :
           {"metric", "value", "n_total", "n_scored", "n_non_finite", "states", "denominator"})
        CHECK(a[key] == b[key]);
      for (const char* key : {"estimate", "lo", "hi", "se"}) {
        REQUIRE(a[key].is_null() == b[key].is_null());
        if (!a[key].is_null()) CHECK(a[key].get<double>() == Approx(b[key].get<double>()).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("states: a blind rule without a number is never the best one, and stands there as n/a (T16)") {
  Asker bench;
  script(bench, {"0.5", "1", "0", "0.25"});
  bench.write("blind.toml", slurp(bench.path("ask.toml")) + "baselines = [\"test.blind_nan\"]\n");
  const Json run = bench.json({"run", "blind.toml", "--model", kScript});
  const std::string shown = bench.ask({"show"}).out;
  INFO(shown);
  CHECK_FALSE(holds(shown, "best blind rule"));
  bool seen = false;
  for (const Json& row : run["results"]) {
    if (row["metric"] != "test.blind_nan") continue;
    seen = true;
    CHECK(row["estimate"].is_null());
    CHECK(row["n_non_finite"] == 4);
    CHECK(row["n_scored"] == 0);
    CHECK_FALSE(row["undefined"].get<std::string>().empty());
  }
  CHECK(seen);
}
