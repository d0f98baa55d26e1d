// `assay.llama` against the trainer of the organisms: the same token ids and the same log-probabilities for
// 200 texts, recorded by benchmarks/organisms/reference_logprobs.py. The model lies in the repository.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/places.hpp"
#include "tests/unit/llama_support.hpp"

using namespace assay;              // NOLINT: a test
using namespace assay::llama_test;  // NOLINT: a test

TEST_CASE("llama parity: the trainer of an organism and libllama agree token by token") {
  const fs::path source = assay::test::source_dir();
  const auto model = made((source / "benchmarks/organisms/full.gguf").string());
  std::ifstream recorded(source / "tests/parity/organism_logprobs.jsonl");
  int texts = 0, tokens = 0;
  double worst = 0, worst_loss = 0;
  for (std::string line; std::getline(recorded, line); ++texts) {
    const auto row = nlohmann::json::parse(line);
    const auto expected = row["logprobs"].get<std::vector<double>>();
    const auto answer = scored(*model, "", row["text"].get<std::string>(), ASSAY_CAP_LOGPROB);
    INFO(row["id"] << " " << answer.error());
    REQUIRE(answer.done.ok());
    REQUIRE(answer.ids() == row["tokens"].get<std::vector<std::int32_t>>());
    const std::vector<double> seen = answer.logprobs();
    double sum = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      worst = std::max(worst, std::abs(seen[i] - expected[i]));
      sum += seen[i] - expected[i];
    }
    worst_loss = std::max(worst_loss, std::abs(sum) / static_cast<double>(seen.size()));
    tokens += static_cast<int>(seen.size());
  }
  CHECK(texts == 200);
  CHECK(tokens > 15'000);
  INFO("largest difference of a token " << worst << ", of a text's loss " << worst_loss);
  // The acceptance of an organism is 1e-3; measured with one build: 3e-5 a token, 1e-6 a loss.
  CHECK(worst < 1e-3);
  CHECK(worst_loss < 1e-4);
}
