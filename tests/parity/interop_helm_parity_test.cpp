// Both HELM fixtures against what an independent reader found in them.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/base/hash.hpp"
#include "tests/support/data.hpp"
#include "tests/support/import_box.hpp"

namespace assay::test {
namespace {

using Json = nlohmann::json;

bool near(double found, double wanted) {
  return std::abs(found - wanted) <= 1e-12 * std::max(1.0, std::abs(wanted));
}

// "exact_match@test" in its parts; the name itself may hold an "@".
std::pair<std::string, std::string> parts(const std::string& name) {
  const std::size_t at = name.rfind('@');
  return {name.substr(0, at), name.substr(at + 1)};
}

void check_folder(const std::filesystem::path& folder, const Json& expected) {
  INFO(folder.filename().string());
  ImportBox box;
  host::interop::ImportSummary summary;
  const auto done = host::interop::read_helm(folder, {}, box, summary);
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.ok());
  REQUIRE(box.tasks.size() == 1);
  const ImportBox::Task& task = box.tasks[0];
  CHECK(box.runs[0].model == expected["model"].get<std::string>());
  CHECK(box.runs[0].suite == expected["name"].get<std::string>());
  CHECK(box.warned("W_REPORTED") == 0);
  const Json config = Json::parse(task.info.config_json);
  CHECK(config["groups"] == expected["groups"]);
  CHECK_FALSE(config["adapter_spec"].contains("model"));
  CHECK(task.info.name.find("model=") == std::string::npos);

  const bool texts = expected["has_scenario_state"].get<bool>();
  REQUIRE(task.rows.size() == expected["rows"].size());
  CHECK(task.info.planned == static_cast<std::int64_t>(task.rows.size()));
  for (const Json& wanted : expected["rows"]) {
    const std::string id = wanted["id"].get<std::string>(), split = wanted["split"].get<std::string>();
    INFO(id);
    const auto trial = wanted["trial"].get<std::uint32_t>();
    const auto* row = task.row(id, trial, split);
    REQUIRE(row != nullptr);
    CHECK(row->source_repeat == trial);
    for (const auto& [metric, value] : wanted["scores"].items()) {
      const int column = task.column(metric);
      REQUIRE(column >= 0);
      CHECK(near(row->scores[static_cast<std::size_t>(column)], value.get<double>()));
    }
    CHECK(row->exchanges.size() == (texts ? 1U : 0U));
    CHECK(row->state == ASSAY_STATE_OK);
    if (!texts) continue;
    const auto& exchange = row->exchanges[0];
    CHECK(exchange.texts == std::vector<std::string>{wanted["completion"].get<std::string>()});
    CHECK(host::sha256_hex(exchange.prompt) == wanted["prompt_sha256"].get<std::string>());
    REQUIRE(row->choices.size() == wanted["n_refs"].get<std::size_t>());
    std::vector<std::string> targets;
    for (const Json& right : wanted["correct_refs"])
      targets.push_back(row->choices[right.get<std::size_t>()]);
    CHECK(row->targets == targets);
  }

  for (const auto& [name, value] : expected["recorded_means"].items()) {
    const auto [metric, split] = parts(name);
    const auto* reported = task.number(metric, "mean", split);
    INFO(name);
    REQUIRE(reported != nullptr);
    CHECK(near(reported->number, value.get<double>()));
  }
  for (const auto& [name, value] : expected["recomputed_means"].items()) {
    const auto [metric, split] = parts(name);
    const auto column = static_cast<std::size_t>(task.column(metric));
    double sum = 0, n = 0;
    for (const auto& row : task.rows) {
      if (row.variant == split && !std::isnan(row.scores[column])) sum += row.scores[column], ++n;
    }
    INFO(name);
    CHECK(near(sum / n, value.get<double>()));
    CHECK(task.number(metric, "mean", split)->value == static_cast<int>(column));
  }
  // Every number of stats.json that has a mean is there, also those of the worst perturbation.
  std::ifstream in(folder / "stats.json");
  const Json stats = Json::parse(in);
  CHECK(stats.size() == expected["stats_entries"].get<std::size_t>());
  std::size_t means = 0;
  for (const Json& one : stats) means += one.contains("mean") ? 1U : 0U;
  CHECK(task.info.reported.size() == means);
  CHECK(task.number("exact_match~robustness.worst", "mean", "test") != nullptr);
  CHECK(task.number("exact_match~robustness.worst", "mean", "test")->value == -1);
}

}  // namespace

TEST_CASE("HELM fixtures read as expected", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  std::ifstream in(root / "interop" / "expected.json");
  const Json expected = Json::parse(in)["helm"];
  REQUIRE(expected.size() == 2);
  for (const auto& [name, wanted] : expected.items()) check_folder(root / "interop" / "helm" / name, wanted);
}

}  // namespace assay::test
