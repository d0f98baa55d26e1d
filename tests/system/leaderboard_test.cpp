// `assay leaderboard` on real runs of the real program.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/data.hpp"
#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;  // NOLINT: a test
using Json = nlohmann::json;

namespace {

/// Model NAME answers the items of the small suite rightly below `right`; its run goes into x.db.
void run_model(const Bench& files, Bench& bench, const std::string& name, int count, int right) {
  std::ostringstream answers;
  answers << R"({"format":"assay.replay/1","model":")" << name
          << R"(","capabilities":["generate"],"key_mode":"item"})"
          << "\n";
  for (int i = 0; i < count; ++i) {
    answers << R"({"key":"q)" << i << R"(","text":")" << (i < right ? "a" + std::to_string(i) : "no")
            << R"(","finish_reason":"stop"})"
            << "\n";
  }
  files.write(name + ".jsonl", answers.str());
  const ChildResult result = bench.run(
      {"run", "small.toml", "--db", "x.db", "--model", name + "=replay(path=\"" + name + ".jsonl\")"});
  INFO(result.out << result.err);
  REQUIRE(result.code == 0);
}

Json board_json(Bench& bench, Words more = {}) {
  Words words = {"leaderboard", "--db", "x.db", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  const ChildResult result = bench.run(words);
  INFO(result.out << result.err);
  REQUIRE(result.code == 0);
  return Json::parse(result.out);
}

/// Scores of both classes of one recorded detector.
struct Recorded {
  std::vector<double> real, samples;
  double auroc = 0;
};

double psi(double x, double y) {
  return x > y ? 1 : x == y ? 0.5 : 0;
}

/// Two-sided p of DeLong's paired test (DeLong, DeLong, Clarke-Pearson 1988), straight from its definition.
double delong_p(const Recorded& a, const Recorded& b) {
  const std::size_t m = a.samples.size(), n = a.real.size();
  const auto placements = [&](const Recorded& r, std::vector<double>& up, std::vector<double>& down) {
    up.assign(m, 0);
    down.assign(n, 0);
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const double v = psi(r.samples[i], r.real[j]);
        up[i] += v / static_cast<double>(n);
        down[j] += v / static_cast<double>(m);
      }
    }
  };
  std::vector<double> up_a, down_a, up_b, down_b;
  placements(a, up_a, down_a);
  placements(b, up_b, down_b);
  const auto variance_of_difference = [](const std::vector<double>& x, const std::vector<double>& y) {
    const auto count = static_cast<double>(x.size());
    double mean = 0, sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) mean += (x[i] - y[i]) / count;
    for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(x[i] - y[i] - mean, 2);
    return sum / (count - 1) / count;
  };
  double area_a = 0, area_b = 0;
  for (std::size_t i = 0; i < m; ++i)
    area_a += up_a[i] / static_cast<double>(m), area_b += up_b[i] / static_cast<double>(m);
  const double se = std::sqrt(variance_of_difference(up_a, up_b) + variance_of_difference(down_a, down_b));
  return std::erfc(std::abs(area_a - area_b) / se / std::sqrt(2.0));
}

}  // namespace

TEST_CASE("leaderboard: models of several runs in one table, ranked by what the items can tell") {
  Bench bench;
  bench.small_suite(60);
  // The suite's own model takes no part when --model names others.
  run_model(bench, bench, "strong", 60, 55);
  run_model(bench, bench, "weak", 60, 10);
  run_model(bench, bench, "near", 60, 53);
  const Json tree = board_json(bench);
  CHECK(tree["schema"] == "assay-leaderboard/1");
  REQUIRE(tree["boards"].size() == 1);
  const Json& board = tree["boards"][0];
  CHECK(board["task"] == "qa");
  REQUIRE(board["rows"].size() == 3);
  const Json& rows = board["rows"];
  CHECK(rows[0]["model"] == "strong");
  CHECK(rows[1]["model"] == "near");
  CHECK(rows[2]["model"] == "weak");
  // Two flips cannot tell near from strong (exact p 0.5).
  CHECK(rows[0]["rank_worst"] == 2);
  CHECK(rows[1]["rank_best"] == 1);
  CHECK(rows[1]["delta_p"] == 0.5);
  CHECK(rows[2]["rank_best"] == 3);
  CHECK(rows[0]["letter"] == rows[1]["letter"]);
  CHECK(rows[0]["letter"] != rows[2]["letter"]);
  // The scores are those that the runs print.
  for (const Json& row : rows) {
    const ChildResult shown = bench.run({"show", row["run"].get<std::string>(), "--db", "x.db", "--json"});
    const Json run = Json::parse(shown.out);
    bool found = false;
    for (const Json& line : run["results"]) found = found || line["estimate"] == row["estimate"];
    CHECK(found);
    CHECK(row["tokens_in"].is_null());
    CHECK(row["cost"].is_null());
  }
  const ChildResult text = bench.run({"leaderboard", "--db", "x.db"});
  CHECK(text.code == 0);
  CHECK(text.err.empty());
  CHECK(control_character(text.out) == std::string::npos);
  for (const char* part : {"strong", "1-2", "3 paired tests", "Holm"}) CHECK(holds(text.out, part));
  const ChildResult markdown = bench.run({"leaderboard", "--db", "x.db", "--markdown"});
  CHECK(holds(markdown.out, "| strong |"));
  CHECK_FALSE(holds(markdown.out, "**strong**"));
  const ChildResult csv = bench.run({"leaderboard", "--db", "x.db", "--csv", "out.csv", "--quiet"});
  CHECK(csv.code == 0);
  std::ifstream file(bench.path("out.csv"));
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  CHECK(std::count(bytes.begin(), bytes.end(), '\n') == 4);
  CHECK(bench.run({"leaderboard", "--db", "x.db", "--csv", "-"}).out == bytes);
}

TEST_CASE("leaderboard: a changed recipe makes another table, and history marks it") {
  Bench bench;
  bench.small_suite(20);
  run_model(bench, bench, "a", 20, 15);
  run_model(bench, bench, "a", 20, 12);
  bench.variant("small.toml", "[suite]\n", "[suite]\nseed = 99\n");
  run_model(bench, bench, "b", 20, 20);
  const Json tree = board_json(bench);
  REQUIRE(tree["boards"].size() == 2);
  CHECK(tree["boards"][0]["recipe"] != tree["boards"][1]["recipe"]);
  // Model a answered from another file the second time, so it is another model of the same name.
  for (const Json& board : tree["boards"]) {
    for (const Json& row : board["rows"]) CHECK((row["model"] == "b") == (board["rows"].size() == 1));
  }
  const ChildResult history = bench.run({"leaderboard", "--db", "x.db", "--history", "assay.exact_match"});
  INFO(history.out << history.err);
  CHECK(history.code == 0);
  CHECK(holds(history.out, "0.7500"));
  CHECK(board_json(bench, {"--model", "b"})["boards"].size() == 1);
  CHECK(board_json(bench, {"--run", "latest"})["boards"].size() == 1);
}

TEST_CASE("leaderboard: wrong use is code 2 with a sentence") {
  Bench bench;
  bench.small_suite(5);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const Words words =
      GENERATE(Words{"--since", "yesterday"}, Words{"--since", "2026/11/02"}, Words{"--suite", "smal"},
               Words{"--metric", "nope"}, Words{"--run", "nope"}, Words{"--history", "nope"},
               Words{"--json", "--markdown"}, Words{"--history", "x", "--csv", "f"},
               Words{"--markdown", "--csv", "-"}, Words{"--since", "2099"});
  Words all = {"leaderboard", "--db", "x.db"};
  all.insert(all.end(), words.begin(), words.end());
  const ChildResult result = bench.run(all);
  INFO(words[0] << "\n" << result.out << result.err);
  CHECK(result.code == 2);
  CHECK(holds(result.err, "assay: "));
  CHECK(bench.run({"leaderboard", "--db", "none.db"}).code == 2);
  CHECK_FALSE(std::filesystem::exists(bench.path("none.db")));
}

TEST_CASE("leaderboard: tokens and seconds are summed over the stored answers") {
  Bench bench;
  bench.small_suite(10);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.execute("x.db", "UPDATE response SET tokens_in = 3, tokens_out = 2, total_ns = 500000000");
  const Json tree = board_json(bench);
  const Json& row = tree["boards"][0]["rows"][0];
  CHECK(row["tokens_in"] == 30);
  CHECK(row["tokens_out"] == 20);
  CHECK(row["seconds"] == 5.0);
  const Json without = board_json(bench, {"--no-usage"});
  CHECK(without["boards"][0]["rows"][0]["tokens_in"].is_null());
}

TEST_CASE("leaderboard: a bundle is checked file by file, and its rows make the run again") {
  Bench bench;
  bench.small_suite(12, 9, 12);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const ChildResult made =
      bench.run({"leaderboard", "bundle", "latest", "--out", "b", "--db", "x.db", "--json"});
  INFO(made.out << made.err);
  REQUIRE(made.code == 0);
  const Json bundle = Json::parse(made.out);
  CHECK(bundle["rows"] == 12);
  const ChildResult sound = bench.run({"leaderboard", "verify", "b", "--json"});
  INFO(sound.out << sound.err);
  REQUIRE(sound.code == 0);
  CHECK(Json::parse(sound.out)["digest"] == bundle["digest"]);
  // Written again, it is the same bytes; over an existing one it is refused.
  CHECK(Json::parse(
            bench.run({"leaderboard", "bundle", "--out", "c", "--db", "x.db", "--json"}).out)["digest"] ==
        bundle["digest"]);
  CHECK(bench.run({"leaderboard", "bundle", "--out", "b", "--db", "x.db"}).code == 2);
  const ChildResult import =
      bench.run({"import", "b/rows.jsonl", "--map", "b/mapping.json", "--db", "again.db"});
  INFO(import.out << import.err);
  CHECK(import.code == 0);
  CHECK(bench.number("again.db", "SELECT count(*) FROM result") == 12);
  const auto refused = [&](const std::string& part) {
    const ChildResult result = bench.run({"leaderboard", "verify", "c"});
    INFO(result.out << result.err);
    CHECK(result.code == 3);
    CHECK(holds(result.err, part));
  };
  const auto read = [&](const std::string& name) {
    std::ifstream file(bench.path(name));
    return std::string((std::istreambuf_iterator<char>(file)), {});
  };
  const std::string rows = read("c/rows.jsonl"), manifest = read("c/MANIFEST.json"), run = read("c/run.json");
  bench.write("c/rows.jsonl", rows.substr(0, rows.size() - 1) + " ");
  refused("'rows.jsonl' was changed");
  bench.write("c/rows.jsonl", rows);
  bench.write("c/more.txt", "x");
  refused("'more.txt' is not listed");
  std::filesystem::remove(bench.path("c/more.txt"));
  std::filesystem::remove(bench.path("c/run.json"));
  refused("'run.json' is missing");
  bench.write("c/run.json", run);
  CHECK(bench.run({"leaderboard", "verify", "c"}).code == 0);
  Json wrong = Json::parse(manifest);
  wrong["files"]["../x.db"] = wrong["files"]["rows.jsonl"];
  bench.write("c/MANIFEST.json", wrong.dump());
  refused("no file of the folder");
  for (const std::string& damage :
       {std::string("{"), std::string("[]"), std::string("{\"schema\":\"assay-bundle/1\"}"),
        manifest.substr(0, manifest.size() / 2)}) {
    bench.write("c/MANIFEST.json", damage);
    CHECK(bench.run({"leaderboard", "verify", "c"}).code == 3);
  }
  CHECK(bench.run({"leaderboard", "verify", "none"}).code == 2);
  CHECK(bench.run({"leaderboard", "verify"}).code == 2);
  CHECK(bench.run({"leaderboard", "verfy", "b"}).code == 2);
}

TEST_CASE("leaderboard: recorded detectors, where Fast-DetectGPT leads as far as DeLong's test says so") {
  ASSAY_NEEDS_DATA(root);
  const std::string cell = GENERATE("xsum_gpt2-xl", "squad_gpt2-xl", "writing_gpt2-xl");
  const Words detectors = {"sampling_discrepancy", "npr", "lrr", "logrank", "likelihood", "rank", "entropy"};
  std::ifstream file(root / "detection/scores/fdgpt_main_scores.jsonl");
  REQUIRE(file.good());
  Bench bench;
  std::string suite =
      "[suite]\nname = \"detectors\"\n[[task]]\nplugin = \"assay.recorded_scores\"\nname = \"texts\"\nparams "
      "= { data = "
      "\"sampling_discrepancy.jsonl\" }\nmetrics = [\"detection.recorded\"]\n";
  std::vector<Recorded> recorded(detectors.size());
  std::size_t seen = 0;
  for (std::string line; std::getline(file, line);) {
    Json record = Json::parse(line);
    for (std::size_t d = 0; d < detectors.size(); ++d) {
      if (record["file"] != "exp_main/results/" + cell + "." + detectors[d] + ".json") continue;
      recorded[d] = {record["real"], record["samples"], record["roc_auc"]};
      // Under one name, so that all detectors judge the same items.
      record["file"] = "exp_main/results/" + cell + ".json";
      bench.write(detectors[d] + ".jsonl", record.dump() + "\n");
      suite += "[[model]]\nname = \"" + detectors[d] + "\"\nexpr = 'replay(path=\"" + detectors[d] +
               ".jsonl\", format=\"detector_scores\")'\n";
      ++seen;
    }
  }
  REQUIRE(seen == detectors.size());
  bench.write("detectors.toml", suite);
  const ChildResult run = bench.run({"run", "detectors.toml", "--db", "x.db"});
  INFO(run.out << run.err);
  REQUIRE(run.code == 0);
  const Json tree = board_json(bench);
  REQUIRE(tree["boards"].size() == 1);
  const Json& rows = tree["boards"][0]["rows"];
  REQUIRE(rows.size() == detectors.size());
  // By the areas recorded with the runs.
  std::vector<std::size_t> order(detectors.size());
  for (std::size_t d = 0; d < order.size(); ++d) order[d] = d;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return recorded[a].auroc > recorded[b].auroc; });
  // Holm by hand over all pairs.
  struct Pair {
    double p;
    std::size_t better, worse;
  };
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::size_t j = i + 1; j < order.size(); ++j)
      pairs.push_back({delong_p(recorded[order[i]], recorded[order[j]]), i, j});
  }
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.p < b.p; });
  std::vector<std::size_t> best(order.size(), 1), worst(order.size(), order.size());
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    if (!(static_cast<double>(pairs.size() - k) * pairs[k].p < 0.05)) break;
    ++best[pairs[k].worse];
    --worst[pairs[k].better];
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Json& row = rows[i];
    INFO(cell << " " << row.dump());
    CHECK(row["model"] == detectors[order[i]]);
    CHECK(std::abs(row["estimate"].get<double>() - recorded[order[i]].auroc) < 1e-6);
    CHECK(row["rank_best"] == best[i]);
    CHECK(row["rank_worst"] == worst[i]);
    if (i > 0) {
      CHECK(std::abs(row["delta_p"].get<double>() - delong_p(recorded[order[0]], recorded[order[i]])) < 1e-9);
    }
    // Fast-DetectGPT is never behind the detectors that see one forward pass.
    const bool plain = row["model"] != "npr" && row["model"] != "sampling_discrepancy";
    if (plain) CHECK(row["rank_best"].get<int>() > 1);
    if (row["model"] == "sampling_discrepancy") CHECK(row["rank_best"] == 1);
  }
}
