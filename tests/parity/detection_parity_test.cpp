// Detectors against the golden vectors and the recorded scores (detection.md, section 13).
#include <catch2/catch_test_macros.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "detection_formulas.hpp"
#include "recorded_scores.hpp"
#include "tests/support/data.hpp"

using namespace assay;
using nlohmann::json;

namespace {

double parsed(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

json read_json(const std::filesystem::path& file) {
  std::ifstream in(file);
  REQUIRE(in.good());
  return json::parse(in);
}

bool close(double got, const json& expected, double relative = 1e-9) {
  if (expected.is_null()) return std::isnan(got);
  const double wanted = expected.get<double>();
  return std::abs(got - wanted) <= relative * std::abs(wanted) || got == wanted;
}

struct Stats {
  std::vector<double> l, rank, entropy, mu, var;
};

/// Statistics of one model's rows, computed here from the logits, independently of the program.
Stats stats_of(const json& logits, const std::vector<std::size_t>& ids) {
  Stats s;
  for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
    const auto z = logits[t].get<std::vector<double>>();
    double top = z[0];
    for (const double x : z) top = std::max(top, x);
    double total = 0;
    for (const double x : z) total += std::exp(x - top);
    double mean = 0;
    double second = 0;
    double greater = 0;
    for (const double x : z) {
      const double lp = x - top - std::log(total);
      mean += std::exp(lp) * lp;
      second += std::exp(lp) * lp * lp;
      greater += x > z[ids[t + 1]] ? 1 : 0;
    }
    s.l.push_back(z[ids[t + 1]] - top - std::log(total));
    s.rank.push_back(1 + greater);
    s.entropy.push_back(-mean);
    s.mu.push_back(mean);
    s.var.push_back(second - mean * mean);
  }
  return s;
}

/// Log-probabilities and ranks of a record of GLTR; probabilities rounded to 0 count as 1e-5.
Stats gltr_stats(const std::filesystem::path& root, const std::string& name) {
  Stats s;
  const json record = read_json(root / "detection/gltr" / (name.substr(name.find(':') + 1) + ".json"));
  for (const json& token : record["result"]["real_topk"]) {
    s.rank.push_back(token[0].get<double>() + 1);
    s.l.push_back(std::log(std::max(token[1].get<double>(), 1e-5)));
  }
  return s;
}

}  // namespace

TEST_CASE("detectors from logits equal the golden vectors", "[parity][detection]") {
  ASSAY_NEEDS_DATA(root);
  const json vectors = read_json(root / "detection/golden/formula_vectors.json");
  REQUIRE(vectors["cases"].size() == 6);
  for (const json& c : vectors["cases"]) {
    INFO("T = " << c["T"] << ", V = " << c["V"] << ", seed " << c["seed"]);
    std::vector<std::size_t> ids;
    json logits;
    if (c.contains("ids") && c.contains("score_logits")) {
      ids = c["ids"].get<std::vector<std::size_t>>();
      logits = c["score_logits"];
    } else {  // the larger cases are given by their generator
      auto state = c["seed"].get<std::uint32_t>();
      const auto draw = [&] {
        state = 1664525U * state + 1013904223U;
        return static_cast<double>(state) / 4294967296.0;
      };
      const auto texts = c["T"].get<std::size_t>();
      const auto width = c["V"].get<std::size_t>();
      const double scale = std::pow(10.0, c["decimals"].get<double>());
      for (std::size_t t = 0; t < texts; ++t) ids.push_back(static_cast<std::size_t>(draw() * double(width)));
      for (const bool score : {false, true}) {
        for (std::size_t t = 0; t < texts; ++t) {
          std::vector<double> row;
          for (std::size_t v = 0; v < width; ++v)
            row.push_back(std::nearbyint((6 * draw() - 3) * scale) / scale);
          if (score) logits.push_back(row);
        }
      }
    }
    const Stats s = stats_of(logits, ids);
    const json& e = c["expected"];
    if (e.contains("token_rank_1based")) CHECK(s.rank == e["token_rank_1based"].get<std::vector<double>>());
    CHECK(close(detection::likelihood(s.l).value, e["likelihood"]));
    CHECK(close(detection::rank(s.rank).value, e["rank"]));
    CHECK(close(detection::logrank(s.rank).value, e["logrank"]));
    CHECK(close(detection::entropy(s.entropy).value, e["entropy"]));
    CHECK(close(detection::lrr(s.l, s.rank).value, e["lrr"]));
    if (!e["lrr"].is_null())
      CHECK(detection::lrr(s.l, s.rank, true).value == -detection::lrr(s.l, s.rank).value);
    CHECK(close(detection::fastdetect_one_model(s.l, s.mu, s.var).value, e["fastdetect_analytic_one_model"]));
    const auto bins = detection::gltr_bins(s.rank);
    CHECK(std::vector<std::size_t>(bins.begin(), bins.end()) ==
          e["gltr_bins"].get<std::vector<std::size_t>>());
    CHECK(close(detection::gltr_frac10(s.rank).value, e["gltr_fraction_le10"]));
  }
}

TEST_CASE("multiscale diversity entropy and Lastde equal the golden vectors", "[parity][detection]") {
  ASSAY_NEEDS_DATA(root);
  const json vectors = read_json(root / "detection/golden/mde_vectors.json");
  const std::map<std::string, detection::Aggregator> aggregators = {
      {"Std", detection::Aggregator::kStd},
      {"ExpStd", detection::Aggregator::kExpStd},
      {"Range", detection::Aggregator::kRange},
      {"ExpRange", detection::Aggregator::kExpRange},
      {"Norm2", detection::Aggregator::kNorm2}};
  REQUIRE(vectors["cases"].size() == 17);
  std::size_t undefined = 0;
  for (const json& c : vectors["cases"]) {
    const auto l = vectors["sequences"][c["sequence"].get<std::string>()].get<std::vector<double>>();
    INFO(c["sequence"] << " s " << c["s"] << " E " << c["epsilon"] << " tau " << c["tau_prime"]);
    for (const bool drop : {false, true}) {
      detection::LastdeSettings settings;
      settings.orbit = c["s"];
      settings.scales = c["tau_prime"];
      settings.drop_outside = drop;
      // The fixture gives the number of bins itself (10 for the worked example of seven values).
      settings.epsilon = c["epsilon"].get<double>() / static_cast<double>(l.size());
      if (std::trunc(settings.epsilon * static_cast<double>(l.size())) != c["epsilon"].get<double>()) {
        settings.epsilon = std::nextafter(settings.epsilon, 1e9);
      }
      const std::vector<double> entropies = detection::diversity_entropies(l, settings);
      if (c.contains("undefined")) {
        CHECK(entropies.empty());
        CHECK(detection::lastde(l, settings).reason.starts_with(c["undefined"].get<std::string>()));
        ++undefined;
        continue;
      }
      const json& expected = c["de_per_tau"];
      REQUIRE(entropies.size() == expected.size());
      for (std::size_t i = 0; i < entropies.size(); ++i) CHECK(close(entropies[i], expected[i]));
      for (const auto& [name, aggregator] : aggregators) {
        INFO(name);
        settings.aggregator = aggregator;
        CHECK(close(detection::aggregate(entropies, aggregator), c["agg"][name]));
        CHECK(close(detection::lastde(l, settings).value, c["lastde"][name]));
      }
    }
  }
  CHECK(undefined == 6);
}

TEST_CASE("detectors on the records of GLTR", "[parity][detection]") {
  ASSAY_NEEDS_DATA(root);
  const json expected = read_json(root / "detection/golden/gltr_expected.json");
  REQUIRE(expected["cases"].size() == 3);
  for (const json& c : expected["cases"]) {
    INFO(c["sequence"]);
    const Stats s = gltr_stats(root, c["sequence"]);
    REQUIRE(s.l.size() == c["n"].get<std::size_t>());
    CHECK(close(detection::likelihood(s.l).value, c["likelihood"]));
    CHECK(close(detection::rank(s.rank).value, c["rank"]));
    CHECK(close(detection::logrank(s.rank).value, c["logrank"]));
    CHECK(close(detection::lrr(s.l, s.rank).value, c["lrr"]));
    const auto bins = detection::gltr_bins(s.rank);
    CHECK(std::vector<std::size_t>(bins.begin(), bins.end()) ==
          c["gltr_bins"].get<std::vector<std::size_t>>());
    CHECK(close(detection::gltr_frac10(s.rank).value, c["gltr_fraction_le10"]));
  }
}

TEST_CASE("recorded LRR is recorded likelihood over recorded log-rank, bit for bit", "[parity][detection]") {
  ASSAY_NEEDS_DATA(root);
  struct File {
    const char* name;
    const char* lrr;         // ending of the LRR runs
    const char* likelihood;  // ending of the run of the same scoring model
    const char* logrank;
    std::size_t texts;
  };
  for (const File& file : {File{"fdgpt_main_scores.jsonl", ".lrr", ".likelihood", ".logrank", 7800},
                           File{"fdgpt_gpt3to4_scores.jsonl", ".t5-11b_gpt-neo-2.7B.lrr",
                                ".gpt-neo-2.7B.likelihood", ".gpt-neo-2.7B.logrank", 1800}}) {
    INFO(file.name);
    std::ifstream in(root / "detection/scores" / file.name);
    REQUIRE(in.good());
    std::map<std::string, json> runs;
    for (std::string line; std::getline(in, line);) {
      json run = json::parse(line);
      std::string name = run["file"];
      name.resize(name.size() - std::string(".json").size());
      runs[name] = std::move(run);
    }
    std::size_t texts = 0;
    for (const auto& [name, run] : runs) {
      if (!name.ends_with(file.lrr)) continue;
      const std::string set = name.substr(0, name.size() - std::string(file.lrr).size());
      if (runs.count(set + file.likelihood) == 0)
        continue;  // another scoring model: other texts of the same set
      for (const char* side : {"real", "samples"}) {
        const auto lrr = run[side].get<std::vector<double>>();
        const auto likelihood = runs.at(set + file.likelihood)[side].get<std::vector<double>>();
        const auto logrank = runs.at(set + file.logrank)[side].get<std::vector<double>>();
        REQUIRE(lrr.size() == likelihood.size());
        std::size_t different = 0;
        for (std::size_t i = 0; i < lrr.size(); ++i) {
          if (detection::lrr_of_means(likelihood[i], logrank[i]).value != lrr[i]) ++different;
        }
        INFO(name << " " << side);
        CHECK(different == 0);
        texts += lrr.size();
      }
    }
    CHECK(texts == file.texts);
  }
}

TEST_CASE("recorded runs are read completely", "[parity][detection]") {
  ASSAY_NEEDS_DATA(root);
  std::ifstream golden(root / "detection/scores/metrics_golden.csv");
  REQUIRE(golden.good());
  struct Row {
    std::size_t human, machine;
    double roc_auc, pr_auc;
  };
  std::map<std::string, std::vector<Row>> expected;
  std::string line;
  std::getline(golden, line);
  std::size_t rows = 0;
  for (; std::getline(golden, line); ++rows) {
    std::vector<std::string> cells;
    std::string cell;
    for (std::istringstream in(line); std::getline(in, cell, ',');) cells.push_back(cell);
    expected[cells[1].substr(0, cells[1].size() - 5)].push_back({static_cast<std::size_t>(parsed(cells[3])),
                                                                 static_cast<std::size_t>(parsed(cells[4])),
                                                                 parsed(cells[5]), parsed(cells[6])});
  }
  CHECK(rows == 305);
  std::size_t runs = 0;
  for (const char* name : {"fdgpt_main_scores", "fdgpt_gpt3to4_scores", "glimpse_xsum_claude3opus_scores",
                           "lastde_scores_numeric"}) {
    const auto file =
        recorded_scores::read_runs((root / "detection/scores" / (std::string(name) + ".jsonl")).string());
    REQUIRE(file.ok());
    CHECK(file->problems.count() == 0);
    for (const recorded_scores::Run& run : file->runs) {
      INFO(run.name);
      REQUIRE(expected.count(run.name) == 1);
      bool found = false;
      for (const Row& row : expected[run.name]) {
        found = found || (row.human == run.human.size() && row.machine == run.machine.size() &&
                          row.roc_auc == run.roc_auc && row.pr_auc == run.pr_auc);
      }
      CHECK(found);
      ++runs;
    }
  }
  CHECK(runs == 305);
}

TEST_CASE("a native result file and the compact line of the same name agree", "[parity][detection]") {
  ASSAY_NEEDS_DATA(root);
  const auto compact =
      recorded_scores::read_runs((root / "detection/scores/fdgpt_gpt3to4_scores.jsonl").string());
  REQUIRE(compact.ok());
  std::size_t compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root / "detection/native_results")) {
    const auto native = recorded_scores::read_runs(entry.path().string());
    REQUIRE(native.ok());
    REQUIRE(native->runs.size() == 1);
    const recorded_scores::Run& run = native->runs.front();
    CHECK(run.name == entry.path().stem().string());
    for (const recorded_scores::Run& other : compact->runs) {
      if (other.name != "exp_gpt3to4/results/" + run.name) continue;
      CHECK(other.human == run.human);
      CHECK(other.machine == run.machine);
      CHECK(other.roc_auc == run.roc_auc);
      CHECK(other.pr_auc == run.pr_auc);
      ++compared;
    }
  }
  CHECK(compared == 4);
}
