// Planted truth: every expectation of every planted suite holds, and a seed decides every number.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Json = nlohmann::json;

namespace {

Json run_json(Bench& bench, const Words& words) {
  const ChildResult result = bench.run(words, 280);
  INFO(result.err);
  CHECK(result.code == 0);
  REQUIRE(Json::accept(result.out));
  return Json::parse(result.out);
}

/// Without what may differ between two runs: identity, place and time.
Json timeless(Json tree) {
  for (const char* key : {"run", "seconds", "database"}) tree.erase(key);
  return tree;
}

}  // namespace

TEST_CASE("planted suites: code 0, every expectation holds, twice the same numbers, no data mirror") {
  const std::string name = GENERATE("quickstart", "mia-planted", "detection-planted", "unlearning-planted",
                                    "hallucination-planted");
  const std::filesystem::path file = assay::test::source_dir() / "benchmarks/suites" / (name + ".toml");
  if (!std::filesystem::exists(file)) SKIP("the suite " << name << " does not exist yet");
  Bench bench;
  bench.set("ASSAY_DATA", "");
  const Json first = run_json(bench, {"run", file.string(), "--db", "a.db", "--json", "--offline"});
  INFO(name);
  REQUIRE(first.contains("expectations"));
  CHECK_FALSE(first["expectations"].empty());
  for (const Json& one : first["expectations"]) {
    INFO(one.dump());
    CHECK(one["held"] == true);
  }
  CHECK_FALSE(first["results"].empty());
  const Json second =
      run_json(bench, {"run", file.string(), "--db", "b.db", "--json", "--offline", "--threads", "1"});
  CHECK(timeless(first) == timeless(second));
}

TEST_CASE("planted suites: another seed gives other samples but the same data and the same recipe parts") {
  Bench bench;
  bench.set("ASSAY_DATA", "");
  const std::string file = (assay::test::source_dir() / "benchmarks/suites/mia-planted.toml").string();
  const Json one = run_json(bench, {"run", file, "--db", "a.db", "--json"});
  const Json two = run_json(bench, {"run", file, "--db", "a.db", "--json", "--seed", "99"});
  REQUIRE(one["results"].size() == two["results"].size());
  for (std::size_t i = 0; i < one["results"].size(); ++i) {
    const Json& a = one["results"][i];
    const Json& b = two["results"][i];
    // Scores of texts depend on no seed; only intervals by resampling may.
    CHECK(a["n_total"] == b["n_total"]);
    if (a["statistic"] == "auroc" && a["metric"].get<std::string>().rfind("mia.", 0) == 0)
      CHECK(a["estimate"] == b["estimate"]);
  }
}
