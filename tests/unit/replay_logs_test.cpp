// Recorded logs of other projects, read as they were published: values of single rows, and the AUROC that
// each detector run reports about itself, recomputed from the answers.
#include <simdjson.h>

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>

#include "plugins/models/replay/recording.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/data.hpp"
#include "tests/unit/replay_support.hpp"

using namespace assay;          // NOLINT: a test
using namespace assay::replay;  // NOLINT: a test of this namespace
namespace fs = std::filesystem;

namespace {

using replay_test::Answer;
using replay_test::ask;

assay_request request(assay_request_kind kind, std::string_view variant, std::string_view item,
                      std::string_view name) {
  assay_request r{};
  r.struct_size = sizeof r;
  r.kind = kind;
  r.variant = str(variant);
  r.item = str(item);
  r.name = str(name);
  return r;
}

double loss(const Recording& recording, std::string_view variant, std::string_view name,
            const test::Arena& arena) {
  const Answer answer = ask(recording, request(ASSAY_REQUEST_SCORE, variant, "0", name), arena);
  REQUIRE(answer.done.ok());
  return -answer.raw.mean_logprob;
}

/// Mann-Whitney by counting pairs, ties one half.
double auroc(const std::vector<double>& positive, const std::vector<double>& negative) {
  double wins = 0;
  for (const double p : positive) {
    for (const double n : negative) wins += p > n ? 1.0 : p == n ? 0.5 : 0.0;
  }
  return wins / (static_cast<double>(positive.size()) * static_cast<double>(negative.size()));
}

std::vector<double> scores(const Recording& recording, std::string_view variant, const std::string& side,
                           std::size_t count) {
  test::Arena arena;
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string item = side + "/" + std::to_string(i);
    const Answer answer = ask(recording, request(ASSAY_REQUEST_CLASSIFY, variant, item, "score"), arena);
    REQUIRE(answer.done.ok());
    REQUIRE(answer.view().values().size() == 1);
    out.push_back(answer.view().values()[0]);
  }
  const std::string beyond = side + "/" + std::to_string(count);
  CHECK(ask(recording, request(ASSAY_REQUEST_CLASSIFY, variant, beyond, "score"), arena).done.error().key ==
        "no_record");
  return out;
}

}  // namespace

TEST_CASE("replay logs: a TOFU log answers generation and scoring requests with the recorded numbers") {
  ASSAY_NEEDS_DATA(root);
  auto opened = open_tofu_log((root / "unlearning/runs/tofu/llama2-7b_full.json").string());
  REQUIRE(opened.ok());
  const Recording& log = **opened;
  CHECK(log.capabilities() == (ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN));
  test::Arena arena;
  CHECK(loss(log, "retain", "gold", arena) == 0.011960741132497787);
  CHECK(loss(log, "retain", "para", arena) == 1.5780802965164185);
  CHECK(loss(log, "retain", "pert/0", arena) == 1.7119972705841064);
  CHECK(loss(log, "real_authors", "pert/2", arena) == 6.858039379119873);
  const Answer gold = ask(log, request(ASSAY_REQUEST_SCORE, "retain", "0", "gold"), arena);
  CHECK(gold.raw.scored_count == 36);
  const Answer text = ask(log, request(ASSAY_REQUEST_GENERATE, "real_authors", "0", "answer"), arena);
  REQUIRE(text.done.ok());
  CHECK(text.view().text() == "The play 'Romeo and Juliet' was written by William Shakespeare.");
  CHECK(text.view().series("rougeL_recall")[0] == 1.0);
  for (const auto& [variant, item, name] : {std::tuple{"retain", "300", "gold"},
                                            {"forget_paraphrased", "0", "gold"},
                                            {"retain", "0", "pert/5"},
                                            {"retain", "0", "other"}}) {
    const Answer missing = ask(log, request(ASSAY_REQUEST_SCORE, variant, item, name), arena);
    REQUIRE_FALSE(missing.done.ok());
    CHECK(missing.done.error().key == "no_record");
  }
}

TEST_CASE("replay logs: a log without texts gives series and no choice") {
  ASSAY_NEEDS_DATA(root);
  auto opened =
      open_tofu_log((root / "unlearning/runs/dp2/Llama2__grad_ascent_5e-05_forget10_1.json.gz").string());
  REQUIRE(opened.ok());
  test::Arena arena;
  const Answer text = ask(**opened, request(ASSAY_REQUEST_GENERATE, "retain", "0", "answer"), arena);
  REQUIRE(text.done.ok());
  CHECK(text.view().samples() == 0);
  CHECK(text.view().series("rouge1_recall")[0] == 0.0);
  const Answer gold = ask(**opened, request(ASSAY_REQUEST_SCORE, "retain", "0", "gold"), arena);
  CHECK(gold.raw.mean_logprob == -50.0);
  CHECK(gold.raw.scored_count == 0);
}

TEST_CASE("replay logs: every log of the mirror loads") {
  ASSAY_NEEDS_DATA(root);
  std::size_t logs = 0;
  for (const char* folder : {"tofu", "wpu", "dp2"}) {
    for (const auto& entry : fs::directory_iterator(root / "unlearning/runs" / folder)) {
      INFO(entry.path().string());
      CHECK(open_tofu_log(entry.path().string()).ok());
      ++logs;
    }
  }
  CHECK(logs >= 19);
}

TEST_CASE("replay logs: recorded detector scores reproduce the AUROC each run reports") {
  ASSAY_NEEDS_DATA(root);
  std::size_t runs = 0;
  for (const auto& entry : fs::directory_iterator(root / "detection/scores")) {
    if (entry.path().extension() != ".jsonl") continue;
    auto opened = open_detector_scores(entry.path().string(), {});
    REQUIRE(opened.ok());
    simdjson::dom::parser parser;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      const simdjson::dom::element record = parser.parse(line);
      std::string variant{std::string_view(record["file"])};
      INFO(variant);
      variant.resize(variant.size() - std::string_view(".json").size());
      const auto human = scores(**opened, variant, "human", simdjson::dom::array(record["real"]).size());
      const auto machine =
          scores(**opened, variant, "machine", simdjson::dom::array(record["samples"]).size());
      CHECK(std::abs(auroc(machine, human) - double(record["roc_auc"])) < 1e-12);
      ++runs;
    }
  }
  CHECK(runs == 305);
}

TEST_CASE("replay logs: native result files, singly and as a folder") {
  ASSAY_NEEDS_DATA(root);
  const fs::path folder = root / "detection/native_results";
  auto all = open_detector_scores(folder.string(), {});
  REQUIRE(all.ok());
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    auto one = open_detector_scores(entry.path().string(), {});
    REQUIRE(one.ok());
    simdjson::dom::parser parser;
    const simdjson::dom::element record = parser.load(entry.path().string());
    const std::string variant = entry.path().stem().string();
    const auto human = scores(**one, variant, "human", 150);
    const auto machine = scores(**one, variant, "machine", 150);
    CHECK(scores(**all, variant, "human", 150) == human);
    CHECK(std::abs(auroc(machine, human) - double(record["metrics"]["roc_auc"])) < 1e-12);
    ++files;
  }
  CHECK(files == 4);
  CHECK_FALSE(open_detector_scores(folder.string(), "no such run").ok());
}
