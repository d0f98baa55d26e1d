// `assay.llama` against recorded figures of real small models and against an implementation that shares no
// code with libllama (tests/parity/tools/gguf_logprobs.py). The models are read from ASSAY_MODELS; without
// them every test here is skipped.
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/data.hpp"
#include "tests/support/places.hpp"
#include "tests/unit/llama_support.hpp"

using namespace assay;              // NOLINT: a test
using namespace assay::llama_test;  // NOLINT: a test

#define ASSAY_NEEDS_MODEL(path, name)                                                           \
  const auto path##_root = ::assay::test::models_root();                                        \
  if (!path##_root || !fs::exists(*path##_root / (name)))                                       \
    SKIP("the model " << (name) << " is absent: set ASSAY_MODELS to the folder that holds it"); \
  const std::string path = (*path##_root / (name)).string()

namespace {

constexpr const char* kTrained = "shk-0.23M-mia.gguf";
constexpr const char* kStories = "stories260K-f32.gguf";

struct Doc {
  int id = 0;
  bool member = false;
  std::string text;
};

std::vector<Doc> documents() {
  std::ifstream file(*test::models_root() / "shk-mia-docs.jsonl");
  std::vector<Doc> out;
  for (std::string line; std::getline(file, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row["split"] != "unused") out.push_back({row["id"], row["split"] == "member", row["text"]});
  }
  REQUIRE(out.size() == 408);
  return out;
}

/// Log-probabilities of at most 256 tokens behind BOS.
std::vector<double> first_tokens(LlamaModel& model, const std::string& text) {
  const auto answer = scored(model, "", text, ASSAY_CAP_LOGPROB);
  INFO(answer.error());
  REQUIRE(answer.done.ok());
  std::vector<double> out = answer.logprobs();
  if (out.size() > 256) out.resize(256);
  return out;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

struct Membership {
  double member = 0, nonmember = 0, auc = 0;
};

Membership membership(const std::string& path) {
  const auto model = made(path, {{"context", std::int64_t{1024}}});
  std::vector<double> losses[2];
  for (const Doc& doc : documents())
    losses[doc.member ? 0 : 1].push_back(-mean(first_tokens(*model, doc.text)));
  double wins = 0;
  for (const double member : losses[0]) {
    for (const double other : losses[1]) wins += member < other ? 1 : member == other ? 0.5 : 0;
  }
  return {mean(losses[0]), mean(losses[1]), wins / static_cast<double>(losses[0].size() * losses[1].size())};
}

}  // namespace

TEST_CASE("llama parity: a model trained on the members of a public split is recognised as recorded") {
  ASSAY_NEEDS_MODEL(path, kTrained);
  const Membership seen = membership(path);
  CHECK(std::abs(seen.member - 2.3990) < 1e-3);
  CHECK(std::abs(seen.nonmember - 2.9063) < 1e-3);
  CHECK(std::abs(seen.auc - 0.9263) < 2e-3);
}

TEST_CASE("llama parity: a model that never saw the split is at chance as recorded") {
  ASSAY_NEEDS_MODEL(path, kStories);
  const Membership seen = membership(path);
  CHECK(std::abs(seen.member - 4.8779) < 1e-3);
  CHECK(std::abs(seen.nonmember - 4.9461) < 1e-3);
  CHECK(std::abs(seen.auc - 0.5337) < 2e-3);
}

TEST_CASE("llama parity: token statistics of a story") {
  ASSAY_NEEDS_MODEL(path, kStories);
  const auto model = made(path);
  CHECK(model->cells() == 512);
  const auto answer =
      scored(*model, "",
             "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
             "park. One day, she saw a big dog. The dog was very happy and wanted to play with her.");
  REQUIRE(answer.done.ok());
  CHECK(answer.raw.scored_count == 55);
  CHECK(std::abs(answer.raw.mean_logprob - -0.513870) < 1e-4);
  const double logprobs[] = {-0.2437, -0.0175, -0.0121, -0.0007};
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(answer.logprobs()[i] - logprobs[i]) < 1e-4);
  CHECK(std::abs(answer.stat(ASSAY_STAT_ENTROPY)[0] - 0.8035) < 1e-4);
  CHECK(std::abs(answer.stat(ASSAY_STAT_ENTROPY)[1] - 0.1000) < 1e-4);
  CHECK(std::abs(answer.stat(ASSAY_STAT_VAR_LP)[0] - 1.7703) < 1e-4);
  CHECK(std::abs(answer.stat(ASSAY_STAT_VAR_LP)[1] - 0.4310) < 1e-4);
}

TEST_CASE("llama parity: the fast mode is near the deterministic one, and another") {
  ASSAY_NEEDS_MODEL(path, kStories);
  const char* text =
      "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
      "park. One day, she saw a big dog. The dog was very happy and wanted to play with her.";
  const auto exact = made(path), fast = made(path, {{"mode", std::string("fast")}});
  const auto a = scored(*exact, "", text), b = scored(*fast, "", text);
  REQUIRE(a.done.ok());
  REQUIRE(b.done.ok());
  // specs/model-backends.md 2.5: two builds with default settings gave -0.513808 and -0.513900.
  CHECK(std::abs(b.raw.mean_logprob - -0.513870) < 1e-3);
  CHECK(a.logprobs() != b.logprobs());
}

TEST_CASE("llama parity: choices behind a shared prompt") {
  ASSAY_NEEDS_MODEL(path, kStories);
  const auto model = made(path);
  const char* prompt = "Once upon a time, there was a little girl named Lily. She loved to play with her";
  const std::pair<const char*, double> choices[] = {{" toys and her friends.", -4.776},
                                                    {" quantum tax forms.", -95.00},
                                                    {" dog in the park.", -9.458},
                                                    {" mom.", -10.253}};
  for (const auto& [choice, expected] : choices) {
    const auto answer = scored(*model, prompt, choice);
    REQUIRE(answer.done.ok());
    const double sum = answer.raw.mean_logprob * static_cast<double>(answer.raw.scored_count);
    INFO(choice << " " << sum);
    CHECK(std::abs(sum - expected) < (expected < -50 ? 5e-3 : 1e-3));
  }
}

TEST_CASE("llama parity: every token of 200 texts as PyTorch computes it") {
  ASSAY_NEEDS_MODEL(path, kTrained);
  std::ifstream file(assay::test::source_dir() / "tests/parity/recorded/shk_logprobs.txt");
  REQUIRE(file);
  const auto docs = documents();
  const auto model = made(path, {{"context", std::int64_t{1024}}});
  int rows = 0;
  std::size_t tokens = 0;
  double most = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    std::istringstream in(line);
    int id = 0;
    std::size_t count = 0;
    double expected_mean = 0;
    in >> id >> count >> expected_mean;
    const auto doc = std::find_if(docs.begin(), docs.end(), [&](const Doc& one) { return one.id == id; });
    REQUIRE(doc != docs.end());
    const std::vector<double> values = first_tokens(*model, doc->text);
    INFO("row " << id);
    REQUIRE(values.size() == count);
    CHECK(std::abs(mean(values) - expected_mean) < 1e-5);
    std::string word;
    for (std::size_t i = 0; in >> word; ++i, ++tokens) {
      long units = 0;
      REQUIRE(std::from_chars(word.data(), word.data() + word.size(), units, 36).ptr ==
              word.data() + word.size());
      most = std::max(most, std::abs(values.at(i) - -1e-5 * static_cast<double>(units)));
    }
  }
  CHECK(rows == 200);
  CHECK(tokens == 16000);
  INFO("greatest difference of a log-probability: " << most);
  CHECK(most < 1e-4);
}
