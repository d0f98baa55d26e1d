// The suite of the organisms through the real program: every expectation holds, and so do the orders that no
// single bound can state. Needs the llama model plugin; the models lie in the repository.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// The estimate of the one result with these properties.
double estimate(const Json& tree, const std::map<std::string, std::string>& wanted) {
  double found = std::nan("");
  int count = 0;
  for (const Json& row : tree["results"]) {
    bool fits = true;
    for (const auto& [key, value] : wanted) fits = fits && row[key] == value;
    if (!fits || !row["estimate"].is_number()) continue;
    found = row["estimate"].get<double>();
    ++count;
  }
  INFO(Json(wanted).dump());
  CHECK(count == 1);
  return found;
}

}  // namespace

TEST_CASE("organisms: what is known of the tiny transformers is found, and nothing else") {
  const fs::path plugin = assay::test::build_dir() / "lib/assay/plugins/model_llama.so";
  if (!fs::exists(plugin))
    SKIP("the llama model plugin was not built (" << plugin << "): libllama is missing");
  Bench bench;
  bench.set("ASSAY_DATA", "");
  const std::string suite = (assay::test::source_dir() / "benchmarks/suites/organisms.toml").string();
  const ChildResult result = bench.run({"run", suite, "--db", "x.db", "--json", "--offline"}, 290);
  INFO(result.err);
  CHECK(result.code == 0);
  REQUIRE(Json::accept(result.out));
  const Json tree = Json::parse(result.out);
  REQUIRE(tree.contains("expectations"));
  CHECK_FALSE(tree["expectations"].empty());
  for (const Json& one : tree["expectations"]) {
    INFO(one.dump());
    CHECK(one["held"] == true);
  }

  {
    INFO("a trap that was injected more often is not told from its twins less well");
    const auto auroc = [&](const std::string& group) {
      return estimate(tree, {{"task", "traps"},
                             {"model", "traps"},
                             {"metric", "mia.ref@diff"},
                             {"variant", group},
                             {"statistic", "auroc"}});
    };
    // One null standard error of an AUROC of 10 against 10 texts is 0.132; a fall within it is no fall.
    const double error = std::sqrt(21.0 / 1200.0);
    CHECK(auroc("k4") >= auroc("k1") - error);
    CHECK(auroc("k16") >= auroc("k4") - error);
    CHECK(auroc("k64") >= auroc("k16") - error);
    CHECK(auroc("k64") > auroc("k1"));
  }

  const auto forgetting = [&](const std::string& model, const std::string& metric, const std::string& variant,
                              const std::string& value) {
    return estimate(tree, {{"task", "forgetting"},
                           {"model", model},
                           {"metric", metric},
                           {"variant", variant},
                           {"value", value}});
  };

  {
    INFO("the forget set is remembered by full, less by npo, not by ga");
    for (const auto& [metric, value] :
         std::map<std::string, std::string>{{"unlearning.rouge@rougeL", "score"},
                                            {"unlearning.prob", "score"},
                                            {"unlearning.exact_memorization", "em"}}) {
      INFO(metric);
      const double full = forgetting("full", metric, "base/forget", value);
      const double npo = forgetting("npo", metric, "base/forget", value);
      CHECK(full > npo);
      CHECK(npo > forgetting("retain-2", metric, "base/forget", value));
      CHECK(npo > forgetting("ga", metric, "base/forget", value));
    }
    const auto privleak = [&](const std::string& model) {
      return forgetting(model, "unlearning.privleak@openunlearning", "", "privleak");
    };
    CHECK(privleak("full") < privleak("npo"));
    CHECK(privleak("npo") < privleak("retain-2"));
    CHECK(privleak("retain-2") < privleak("ga"));
  }

  {
    INFO("forget quality: both unlearned organisms are farther from retain than a second seed is");
    const auto log10_p = [&](const std::string& model, const std::string& variant) {
      return forgetting(model, "tofu.forget_quality@" + variant, "", "log10_p");
    };
    for (const char* variant : {"tofu-2024", "openunlearning-2025"}) {
      const double floor = log10_p("retain-2", variant);
      for (const char* model : {"full", "npo", "ga"}) CHECK(log10_p(model, variant) < floor);
      CHECK(log10_p("full", variant) < log10_p("npo", variant));
    }
    // The epsilon of one variant matters only where the probabilities of all answers have collapsed.
    CHECK(log10_p("full", "tofu-2024") == log10_p("full", "openunlearning-2025"));
    CHECK(log10_p("ga", "tofu-2024") < log10_p("ga", "openunlearning-2025") - 1);
  }
}
