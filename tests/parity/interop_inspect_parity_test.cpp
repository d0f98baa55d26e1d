// Every Inspect fixture against what an independent reader found in it.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/base/hash.hpp"
#include "tests/support/data.hpp"
#include "tests/support/import_box.hpp"

namespace assay::test {
namespace {

using host::interop::ImportedRow;
using Json = nlohmann::json;

std::string plain(const Json& id) {
  return id.is_string() ? id.get<std::string>() : id.dump();
}

// Equal to 1e-12, where texts stand for what JSON cannot hold.
bool same_number(double found, const Json& expected, const std::string& text = {}) {
  if (expected.is_string()) {
    const std::string name = expected.get<std::string>();
    if (name == "NaN") return std::isnan(found) && (text.empty() || text == "nan");
    return std::isnan(found) && text == (name == "Infinity" ? "inf" : "-inf");
  }
  const double wanted = expected.get<double>();
  return std::abs(found - wanted) <= 1e-12 * std::max(1.0, std::abs(wanted));
}

std::string output_of(const ImportedRow& row) {
  return row.exchanges.empty() || row.exchanges[0].texts.empty() ? std::string() : row.exchanges[0].texts[0];
}

ImportBox load(const std::filesystem::path& path, host::interop::ImportSummary& summary) {
  ImportBox box;
  const auto done = host::interop::read_inspect(path, {}, box, summary);
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.ok());
  REQUIRE(box.runs.size() == 1);
  REQUIRE(box.tasks.size() == 1);
  return box;
}
ImportBox load(const std::filesystem::path& path) {
  host::interop::ImportSummary summary;
  return load(path, summary);
}

void check_rows(const Json& expected, const ImportBox::Task& task) {
  REQUIRE(task.rows.size() == expected.size());
  for (const Json& wanted : expected) {
    const std::string id = plain(wanted["id"]);
    const auto source_repeat = wanted["repeat"].get<std::int64_t>();
    INFO("id " << id << ", epoch " << source_repeat);
    const ImportedRow* row = task.row(id, static_cast<std::uint32_t>(source_repeat - 1));
    REQUIRE(row != nullptr);
    CHECK(row->source_repeat == source_repeat);
    CHECK(state_name(row->state) == wanted["state"].get<std::string>());
    CHECK(host::sha256_hex(output_of(*row)) == wanted["output_sha256"].get<std::string>());
    std::size_t scored = 0;
    for (const auto& [metric, value] : wanted["scores"].items()) {
      const int column = task.column(metric);
      REQUIRE(column >= 0);
      CHECK(same_number(row->scores[static_cast<std::size_t>(column)], value));
      CHECK(row->non_finite == value.is_string());
      if (!value.is_string()) ++scored;
    }
    // No number where the log has none.
    std::size_t found = 0;
    for (const double score : row->scores) found += std::isnan(score) ? 0U : 1U;
    CHECK(found == scored);
  }
}

void check_log(const std::filesystem::path& path, const Json& expected) {
  INFO(path.filename().string());
  const ImportBox box = load(path);
  const ImportBox::Task& task = box.tasks[0];
  CHECK(task.info.name == expected["task"].get<std::string>());
  CHECK(task.info.status == expected["status"].get<std::string>());
  CHECK(box.runs[0].model == expected["model"].get<std::string>());
  CHECK(box.runs[0].created == expected["created"].get<std::string>());
  CHECK(task.info.complete == (expected["status"] == "success"));
  CHECK(box.warned("W_REPORTED") == 0);

  REQUIRE(task.rows.size() == expected["samples_in_file"].get<std::size_t>());
  if (expected.contains("rows")) check_rows(expected["rows"], task);

  if (expected.contains("recorded")) {
    const Json& metrics = expected["recorded"]["metrics"];
    CHECK(task.info.reported.size() == metrics.size());
    for (const auto& [name, value] : metrics.items()) {
      INFO(name);
      const auto* reported = task.number(name, name.substr(name.rfind('/') + 1));
      REQUIRE(reported != nullptr);
      CHECK(same_number(reported->number, value, reported->text));
      CHECK(reported->text.empty() == !value.is_string());
    }
    const auto total = expected["recorded"]["total_samples"].get<std::int64_t>();
    const auto completed = expected["recorded"]["completed_samples"].get<std::int64_t>();
    if (!task.rows.empty()) CHECK(task.info.planned == total);
    CHECK(box.warned("W_INCOMPLETE") == (completed < total ? 1 : 0) + (task.info.complete ? 0 : 1));
    const Json run = Json::parse(box.runs[0].config_json);
    CHECK(run["results"]["completed_samples"] == completed);
  }
  std::size_t models = 0;
  const Json usage = box.runs[0].usage_json.empty() ? Json::object() : Json::parse(box.runs[0].usage_json);
  for (const auto& [model, tokens] : expected["recorded_token_usage"].items()) {
    ++models;
    REQUIRE(usage.contains(model));
    CHECK(usage[model]["input_tokens"] == tokens[0]);
    CHECK(usage[model]["output_tokens"] == tokens[1]);
    CHECK(usage[model]["total_tokens"] == tokens[2]);
  }
  CHECK(usage.size() == models);

  if (!expected.contains("mean_of_finite_scores")) return;
  for (const auto& [metric, wanted] : expected["mean_of_finite_scores"].items()) {
    const auto column = static_cast<std::size_t>(task.column(metric));
    double sum = 0;
    std::size_t n = 0;
    for (const ImportedRow& row : task.rows) {
      if (std::isnan(row.scores[column])) continue;
      sum += row.scores[column];
      ++n;
    }
    CHECK(n == wanted["n"].get<std::size_t>());
    CHECK(same_number(sum / static_cast<double>(n), wanted["mean"]));
  }
}

// Two rows are the same in all that matters for scoring and for showing.
void check_same(const ImportedRow& a, const ImportedRow& b) {
  INFO(a.id << "/" << a.repeat);
  CHECK(a.id == b.id);
  CHECK(a.repeat == b.repeat);
  CHECK(a.state == b.state);
  CHECK(a.input == b.input);
  CHECK(a.targets == b.targets);
  CHECK(a.choices == b.choices);
  CHECK(a.fields == b.fields);
  CHECK(a.scores == b.scores);
  CHECK(a.notes == b.notes);
  REQUIRE(a.exchanges.size() == b.exchanges.size());
  for (std::size_t i = 0; i < a.exchanges.size(); ++i) {
    CHECK(a.exchanges[i].texts == b.exchanges[i].texts);
    CHECK(a.exchanges[i].messages == b.exchanges[i].messages);
    CHECK(a.exchanges[i].finish == b.exchanges[i].finish);
    CHECK(a.exchanges[i].tokens_in == b.exchanges[i].tokens_in);
    CHECK(a.exchanges[i].tokens_total == b.exchanges[i].tokens_total);
  }
}

void check_pair(const std::filesystem::path& first, const std::filesystem::path& second) {
  const ImportBox a = load(first), b = load(second);
  REQUIRE(a.tasks[0].rows.size() == b.tasks[0].rows.size());
  REQUIRE_FALSE(a.tasks[0].rows.empty());
  for (std::size_t i = 0; i < a.tasks[0].rows.size(); ++i) check_same(a.tasks[0].rows[i], b.tasks[0].rows[i]);
}

}  // namespace

TEST_CASE("Inspect fixtures read as expected", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  const auto folder = root / "interop" / "inspect";
  std::ifstream in(root / "interop" / "expected.json");
  const Json expected = Json::parse(in)["inspect"];
  std::size_t logs = 0;
  for (const auto& [name, wanted] : expected.items()) {
    if (wanted.contains("readable")) continue;
    check_log(folder / name, wanted);
    ++logs;
  }
  CHECK(logs == expected.size() - 1);  // all but the one that must be refused
}

TEST_CASE("a log in two containers gives the same rows", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  const auto folder = root / "interop" / "inspect";
  check_pair(folder / "log_formats.eval", folder / "log_formats.json");
  check_pair(folder / "log_streaming.eval", folder / "log_streaming.zstd.eval");
}

TEST_CASE("an interrupted log holds rows of the whole one", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  const auto folder = root / "interop" / "inspect";
  const ImportBox part = load(folder / "interrupted_6of10.eval");
  const ImportBox whole = load(folder / "2025-02-11T15-18-04-05-00_popularity_mj7khqpMM4GBCfVQozKgzB.eval");
  REQUIRE(part.tasks[0].rows.size() == 6);
  REQUIRE(whole.tasks[0].rows.size() == 10);
  for (const ImportedRow& row : part.tasks[0].rows) {
    const ImportedRow* other = whole.tasks[0].row(row.id, row.repeat);
    REQUIRE(other != nullptr);
    check_same(row, *other);
  }
  CHECK(part.tasks[0].info.planned == 10);
  CHECK_FALSE(part.tasks[0].info.complete);
  CHECK(whole.tasks[0].info.complete);
}

TEST_CASE("an archive without directory is refused, and salvaged on demand", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  const auto path = root / "interop" / "inspect" / "truncated_no_central_directory.eval";
  ImportBox box;
  host::interop::ImportSummary summary;
  const auto done = host::interop::read_inspect(path, {}, box, summary);
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().code == Code::kData);
  CHECK(done.error().text.find("truncated_no_central_directory.eval") != std::string::npos);
  CHECK(done.error().text.find("--salvage") != std::string::npos);
  CHECK(box.runs.empty());

  host::interop::ImportOptions options;
  options.salvage = true;
  ImportBox saved;
  REQUIRE(host::interop::read_inspect(path, options, saved, summary).ok());
  REQUIRE(saved.tasks.size() == 1);
  const ImportBox whole = load(root / "interop" / "inspect" / "mmlu-summary-choices.eval");
  REQUIRE(saved.tasks[0].rows.size() == 1);
  check_same(saved.tasks[0].rows[0], whole.tasks[0].rows[0]);
  CHECK(saved.warned("W_SALVAGED") == 1);
  CHECK(saved.tasks[0].info.status == "started");
}

TEST_CASE("the header-only log has the recorded numbers and no rows", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  const ImportBox box = load(root / "interop" / "inspect" / "data_with_llm_scoring.json");
  const ImportBox::Task& task = box.tasks[0];
  CHECK(task.rows.empty());
  const auto* error = task.number("simpleqa_scorer/stderr", "stderr");
  const auto* mean = task.number("simpleqa_scorer/accuracy", "accuracy");
  REQUIRE(error != nullptr);
  REQUIRE(mean != nullptr);
  CHECK(mean->n == 1000);
  CHECK(mean->value == 0);
  // Standard error of a proportion with n - 1.
  CHECK(std::abs(std::sqrt(0.431 * 0.569 / 999) - error->number) < 1e-12);
}

TEST_CASE("the log with control sequences keeps the error and names the missing samples", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  const ImportBox box = load(root / "interop" / "inspect" / "data_cvebench_empty_choices.json");
  const ImportBox::Task& task = box.tasks[0];
  REQUIRE(task.rows.size() == 1);
  CHECK(task.rows[0].message == "RuntimeError('No services started.')");
  CHECK_FALSE(task.rows[0].exchanges[0].answered);
  CHECK(task.info.planned == 80);
  REQUIRE(box.warned("W_INCOMPLETE") == 1);
  CHECK(box.warnings[0].second.find("78 of 80") != std::string::npos);
}

TEST_CASE("a pooled log needs no events and resolves its texts", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  const ImportBox box = load(root / "interop" / "inspect" / "log_message_deduplication.eval");
  CHECK(box.warned("W_ATTACHMENT") == 0);
  const ImportedRow& row = box.tasks[0].rows[0];
  CHECK(row.targets == std::vector<std::string>{"42.7"});
  CHECK(row.exchanges[0].messages.size() == 11);
  for (const auto& [role, text] : row.exchanges[0].messages)
    CHECK(text.find("attachment://") == std::string::npos);
}

}  // namespace assay::test
