// The suites of the tree on real data, through the real program, against recorded values.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/data.hpp"
#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Json = nlohmann::json;

namespace {

std::filesystem::path suite_file(const std::string& name) {
  return assay::test::source_dir() / "benchmarks/suites" / (name + ".toml");
}

/// Runs a suite of the tree and gives its JSON; checks that the code is 0 and every expectation holds.
Json run_suite(Bench& bench, const std::string& name) {
  if (!std::filesystem::exists(suite_file(name))) SKIP("the suite " << name << " does not exist yet");
  const ChildResult result = bench.run({"run", suite_file(name).string(), "--db", "x.db", "--json"}, 280);
  INFO(result.err);
  CHECK(result.code == 0);
  REQUIRE(Json::accept(result.out));
  Json tree = Json::parse(result.out);
  if (tree.contains("expectations")) {
    for (const Json& one : tree["expectations"]) {
      INFO(one.dump());
      CHECK(one["held"] == true);
    }
  }
  CHECK(bench.integrity("x.db") == "ok");
  return tree;
}

/// The one result with these properties.
Json find(const Json& tree, const std::map<std::string, std::string>& wanted) {
  Json found;
  int count = 0;
  for (const Json& row : tree["results"]) {
    bool fits = true;
    for (const auto& [key, value] : wanted) fits = fits && row[key] == value;
    if (fits) found = row, ++count;
  }
  INFO(Json(wanted).dump());
  REQUIRE(count == 1);
  return found;
}

double estimate(const Json& row) {
  return row["estimate"].is_number() ? row["estimate"].get<double>() : std::nan("");
}

bool near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance;
}

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> out(1);
  for (const char c : line) {
    if (c == separator)
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

double number(const std::string& text) {
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

TEST_CASE("suite mia-wikimia: every blind baseline equals the recorded AUROC") {
  ASSAY_NEEDS_DATA(root);
  const Json golden = Json::parse(slurp(root / "mia/wikimia/golden_blind.json"));
  Bench bench;
  const Json tree = run_suite(bench, "mia-wikimia");
  int compared = 0;
  for (const char* length : {"32", "64", "128"}) {
    for (const auto& [metric, key] :
         std::map<std::string, std::string>{{"blind.date@date_max4", "date_max4"},
                                            {"blind.size@zlib_bytes", "zlib_bytes"},
                                            {"blind.size@utf8_bytes", "utf8_bytes"},
                                            {"blind.nb@nb_all", "nb_all"},
                                            {"blind.nb@nb_top34", "nb_top34"}}) {
      const Json row = find(
          tree, {{"task", std::string("wikimia-") + length}, {"metric", metric}, {"statistic", "auroc"}});
      INFO(length << " " << metric);
      CHECK(near(estimate(row), golden[length]["baselines"][key]["auc"].get<double>(), 1e-9));
      CHECK(row["n_total"] == golden[length]["n"]);
      CHECK(row["baseline"] == true);
      ++compared;
    }
  }
  CHECK(compared == 15);
  // A model that never saw the texts finds nothing, which is known before the run: its AUROC lies near 0.5.
  for (const char* length : {"32", "64", "128"}) {
    const Json row = find(
        tree, {{"task", std::string("wikimia-") + length}, {"metric", "mia.loss"}, {"statistic", "auroc"}});
    CHECK(near(estimate(row), 0.5, 3.29 * row["se"].get<double>()));
  }
}

TEST_CASE("suite detection-recorded: every AUROC and area under precision-recall equals the recorded one") {
  ASSAY_NEEDS_DATA(root);
  std::ifstream file(root / "detection/scores/metrics_golden.csv");
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> head = split(line, ',');
  std::map<std::string, std::size_t> column;
  for (std::size_t i = 0; i < head.size(); ++i) column[head[i]] = i;
  Bench bench;
  const Json tree = run_suite(bench, "detection-recorded");
  std::map<std::string, std::map<std::string, std::vector<double>>> found;
  for (const Json& row : tree["results"])
    found[row["variant"].get<std::string>()][row["statistic"].get<std::string>()].push_back(estimate(row));
  std::size_t runs = 0;
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = split(line, ',');
    REQUIRE(cells.size() == head.size());
    std::string variant = cells[column["file"]];
    variant.resize(variant.size() - 5);  // ".json"
    INFO(variant);
    const auto& statistics = found[variant];
    REQUIRE(statistics.count("auroc") == 1);
    REQUIRE(statistics.count("pr_auc") == 1);
    const double auroc = number(cells[column["recorded_roc_auc"]]);
    const double area = number(cells[column["recorded_pr_auc"]]);
    // Runs with the same file name occur in two repositories; then one of the two must fit.
    bool auroc_fits = false;
    bool area_fits = false;
    for (const double value : statistics.at("auroc")) auroc_fits = auroc_fits || near(value, auroc, 1e-9);
    for (const double value : statistics.at("pr_auc")) area_fits = area_fits || near(value, area, 1e-9);
    CHECK(auroc_fits);
    CHECK(area_fits);
    ++runs;
  }
  CHECK(runs == 305);
}

TEST_CASE("suite unlearning-tofu: cells, utility and forget quality of the recorded runs") {
  ASSAY_NEEDS_DATA(root);
  const Json expected = Json::parse(slurp(root / "unlearning/expected/runs.json"));
  Bench bench;
  const Json tree = run_suite(bench, "unlearning-tofu");
  const std::map<std::string, std::string> runs = {{"full", "runs/tofu/llama2-7b_full.json"},
                                                   {"retain90", "runs/tofu/llama2-7b_retain90.json.gz"}};
  const std::map<std::string, std::string> variants = {
      {"tofu-2024", "tofu-2024"}, {"openunlearning-2025", "openunlearning-2025-from-log"}};
  const std::map<std::string, std::string> sections = {{"retain", "Retain"},
                                                       {"real_authors", "Real Authors"},
                                                       {"world_facts", "Real World"},
                                                       {"forget", "Forget"}};
  const std::map<std::string, std::string> cells = {
      {"prob", "Prob. "}, {"rouge", "ROUGE "}, {"truth_ratio", "Truth Ratio "}};
  int compared = 0;
  for (const auto& [model, run] : runs) {
    for (const auto& [variant, key] : variants) {
      const Json& figures = expected[run][key];
      for (const auto& [section, title] : sections) {
        for (const auto& [cell, word] : cells) {
          const Json row = find(
              tree,
              {{"model", model}, {"metric", "tofu.utility@" + variant}, {"value", section + "_" + cell}});
          INFO(model << " " << variant << " " << section << " " << cell);
          CHECK(near(estimate(row), figures[word + title].get<double>(), 1e-9));
          ++compared;
        }
      }
      const Json utility =
          find(tree, {{"model", model}, {"metric", "tofu.utility@" + variant}, {"value", "model_utility"}});
      CHECK(near(estimate(utility), figures["Model Utility"].get<double>(), 1e-9));
    }
    const Json arithmetic = find(
        tree, {{"model", model}, {"metric", "tofu.utility@tofu-2024-arith"}, {"value", "model_utility"}});
    CHECK(near(estimate(arithmetic), expected[run]["variant tofu-2024-arith Model Utility"].get<double>(),
               1e-9));
    for (const auto& [variant, key] : variants) {
      const Json& quality = expected[run]["forget_quality"]["runs/tofu/llama2-7b_retain90.json.gz"][key];
      const std::string metric = "tofu.forget_quality@" + variant;
      const double p =
          estimate(find(tree, {{"model", model}, {"metric", metric}, {"value", "forget_quality"}}));
      const double d = estimate(find(tree, {{"model", model}, {"metric", metric}, {"value", "ks_d"}}));
      const double log10_p =
          estimate(find(tree, {{"model", model}, {"metric", metric}, {"value", "log10_p"}}));
      INFO(model << " " << variant);
      CHECK(near(d, quality["D"].get<double>(), 1e-12));
      CHECK(near(p, quality["p"].get<double>(), 1e-9 * quality["p"].get<double>()));
      CHECK(near(log10_p, quality["log10_p"].get<double>(), 1e-9));
    }
  }
  CHECK(compared == 48);
  const Json& floor =
      expected["_intersect_reference_match"]["wpu retain_forget10 (400) vs llama2-7b_retain90 (300)"];
  const Json row = find(
      tree,
      {{"model", "retain90-wpu"}, {"metric", "tofu.forget_quality@tofu-2024"}, {"value", "forget_quality"}});
  CHECK(near(estimate(row), floor["p"].get<double>(), 1e-9));
}

TEST_CASE("suite hallucination-pope: published confusion matrices give the published figures") {
  ASSAY_NEEDS_DATA(root);
  struct Published {
    std::string data, file, split;
    std::size_t line;
  };
  const Published one = GENERATE(Published{"random_2910", "coco_pope_random_2910.jsonl", "random2910", 0},
                                 Published{"popular", "coco_pope_popular.jsonl", "popular", 1},
                                 Published{"adversarial", "coco_pope_adversarial.jsonl", "adversarial", 2},
                                 Published{"random", "coco_pope_random.jsonl", "random", 3});
  const Json golden =
      Json::parse(lines(slurp(root / "hallucination/golden/pope_confusion.jsonl")).at(one.line));
  const Json& input = golden["input"];
  const Json& expected = golden["expected"];
  // The first TP yes-questions are answered yes, the first FP no-questions too; the others no.
  std::string answers =
      "{\"format\":\"assay.replay/"
      "1\",\"model\":\"made\",\"capabilities\":[\"generate\"],\"key_mode\":\"item\"}\n";
  int yes = 0;
  int no = 0;
  for (const std::string& line : lines(slurp(root / "hallucination/pope" / one.file))) {
    const Json question = Json::parse(line);
    const bool gold = question["label"] == "yes";
    const bool said = gold ? yes++ < input["TP"].get<int>() : no++ < input["FP"].get<int>();
    answers += Json{{"key", std::to_string(question["question_id"].get<int>())},
                    {"text", said ? "Yes, there is one." : "No."},
                    {"finish_reason", "stop"}}
                   .dump() +
               "\n";
  }
  REQUIRE(yes == input["TP"].get<int>() + input["FN"].get<int>());
  REQUIRE(no == input["FP"].get<int>() + input["TN"].get<int>());
  Bench bench;
  bench.write("answers.jsonl", answers);
  bench.write("pope.toml",
              "[suite]\nname = \"pope\"\n[[model]]\nexpr = 'replay(path=\"answers.jsonl\")'\n"
              "[[task]]\nplugin = \"assay.pope\"\nname = \"pope\"\nparams = { data = \"data:pope/" +
                  one.data + "\", split = \"" + one.split +
                  "\" }\nmetrics = [{ id = \"pope.score\", params = { variant = \"first_sentence\" } }, "
                  "{ id = \"pope.score\", params = { variant = \"three_way\" } }]\n");
  const ChildResult result = bench.run({"run", "pope.toml", "--db", "x.db", "--json"});
  INFO(result.err);
  REQUIRE(result.code == 0);
  const Json tree = Json::parse(result.out);
  for (const char* variant : {"first_sentence", "three_way"}) {
    for (const char* value : {"accuracy", "precision", "recall", "f1", "yes_ratio"}) {
      const Json row = find(tree, {{"metric", std::string("pope.score@") + variant}, {"value", value}});
      INFO(one.data << " " << variant << " " << value << " " << row.dump());
      CHECK(row["n_total"] == yes + no);
      if (expected[value].is_null()) {
        CHECK(row["estimate"].is_null());
        CHECK_FALSE(row.value("undefined", std::string()).empty());
      } else {
        CHECK(near(estimate(row), expected[value].get<double>(), 1e-12));
      }
    }
  }
}

TEST_CASE("suite hallucination-pope: all four lists with the rule that always says yes") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  const Json tree = run_suite(bench, "hallucination-pope");
  const std::map<std::string, int> rows = {
      {"pope-random", 3000}, {"pope-random2910", 2910}, {"pope-popular", 3000}, {"pope-adversarial", 3000}};
  for (const auto& [task, count] : rows) {
    const Json row =
        find(tree,
             {{"task", task}, {"model", "text-only"}, {"metric", "blind.always_yes"}, {"value", "accuracy"}});
    INFO(task);
    CHECK(row["n_total"] == count);
    CHECK(near(estimate(row), 1500.0 / count, 1e-12));
  }
  for (const Json& expectation : tree["expectations"]) {
    INFO(expectation.dump());
    CHECK(expectation["held"] == true);  // the published accuracy, F1 and yes ratio of two models, to 1e-12
  }
  CHECK(tree["expectations"].size() == 8);
}

TEST_CASE("suite hallucination-truthfulqa: 817 and 790 questions, chance levels of the data") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  const Json tree = run_suite(bench, "hallucination-truthfulqa");
  for (const Json& row : tree["results"]) {
    const bool first = row["task"].get<std::string>().rfind("truthfulqa-v1", 0) == 0;
    INFO(row.dump());
    CHECK(row["n_total"] == (first ? 817 : 790));
    if (row["estimate"].is_null()) CHECK_FALSE(row.value("undefined", std::string()).empty());
  }
}

TEST_CASE("suite detection-texts: every set has as many human as machine texts, all are scored") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  const Json tree = run_suite(bench, "detection-texts");
  int compared = 0;
  for (const Json& row : tree["results"]) {
    if (row["statistic"] != "auroc") continue;
    INFO(row.dump());
    CHECK(row["n_scored"] == row["n_total"]);
    CHECK(row["estimate"].is_number());
    ++compared;
  }
  CHECK(compared >= 9 * 8);
}
