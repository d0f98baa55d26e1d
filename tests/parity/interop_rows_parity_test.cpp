// Plain rows: the fixtures against expected.json.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/data.hpp"
#include "tests/support/import_box.hpp"

using namespace assay;
using namespace assay::host::interop;
using nlohmann::json;
using test::ImportBox;

namespace {
json rows_expectations(const std::filesystem::path& root) {
  std::ifstream in(root / "interop/expected.json");
  return json::parse(in).at("generic_jsonl");
}

struct Column {
  int n = 0, missing = 0;
  double mean = 0;
};
Column column_of(const ImportBox::Task& task, const std::string& metric) {
  const int i = task.column(metric);
  REQUIRE(i >= 0);
  Column out;
  for (const auto& row : task.rows) {
    const double score = row.scores.at(static_cast<std::size_t>(i));
    if (std::isnan(score)) {
      ++out.missing;
    } else {
      ++out.n, out.mean += score;
    }
  }
  out.mean /= out.n;
  return out;
}
}  // namespace

TEST_CASE("the clean rows, with and without their mapping") {
  ASSAY_NEEDS_DATA(root);
  const json wanted = rows_expectations(root).at("clean.jsonl");
  const auto folder = root / "interop/generic_jsonl";
  for (const bool with_map : {true, false}) {
    CAPTURE(with_map);
    ImportOptions options;
    if (with_map) options.map = folder / "mapping.json";
    ImportBox box;
    const auto done = read(folder / "clean.jsonl", options, box);
    REQUIRE(done.ok());
    CHECK(box.warnings.empty());
    CHECK(done->format == "jsonl");
    CHECK(done->rows == wanted["rows"].get<std::int64_t>());
    const auto& task = box.tasks.front();
    std::vector<std::string> ids, kinds;
    std::set<std::string> clusters;
    for (const auto& row : task.rows) {
      ids.push_back(row.id);
      clusters.insert(row.group);
      CHECK(row.state == ASSAY_STATE_OK);
    }
    CHECK(json(ids) == wanted["ids"]);
    CHECK(clusters.size() == wanted["clusters"].get<std::size_t>());
    const Column score = column_of(task, "score");
    CHECK(score.n == wanted["metrics"]["score"]["n"].get<int>());
    CHECK(std::abs(score.mean - wanted["metrics"]["score"]["mean"].get<double>()) <= 1e-12);
    CHECK(task.row("q2")->targets == std::vector<std::string>{"Lima", "lima"});
    CHECK(task.row("q3")->targets == std::vector<std::string>{"N\u2019Djamena"});
    CHECK(task.row("q4")->exchanges.front().texts.front() == "snow \U0001F328");
  }
}

TEST_CASE("the messy rows: which are taken, which are not and why") {
  ASSAY_NEEDS_DATA(root);
  const json wanted = rows_expectations(root).at("messy.jsonl");
  const auto folder = root / "interop/generic_jsonl";
  ImportOptions options;
  options.map = folder / "messy_mapping.json";
  ImportBox strict;
  const auto refused = read(folder / "messy.jsonl", options, strict);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kData);
  CHECK(strict.runs.empty());

  options.skip_bad_lines = true;
  ImportBox box;
  const auto done = read(folder / "messy.jsonl", options, box);
  REQUIRE(done.ok());
  const auto& task = box.tasks.front();
  CHECK(done->rows == static_cast<std::int64_t>(wanted["accepted_line_numbers"].size()));
  CHECK(task.rows.size() == wanted["accepted_line_numbers"].size());
  CHECK(done->rejected == static_cast<std::int64_t>(wanted["rejected"].size()));
  for (const auto& [line, reason] : wanted["rejected"].items()) {
    const std::string beginning = "messy.jsonl:" + line + ": " + reason.get<std::string>();
    CAPTURE(beginning);
    bool found = false;
    for (const std::string& text : done->rejections) found = found || text.starts_with(beginning);
    CHECK(found);
  }
  for (const auto& [line, id] : wanted["id_as_text"].items()) {
    const ImportedRow* const row = task.row(id.get<std::string>());
    REQUIRE(row != nullptr);
    const std::string state = row->state == ASSAY_STATE_OK      ? "ok"
                              : row->state == ASSAY_STATE_EMPTY ? "empty"
                              : row->state == ASSAY_STATE_ERROR ? "error"
                                                                : "another";
    CHECK(state == wanted["states"][line].get<std::string>());
  }
  for (const auto& [metric, numbers] : wanted["metrics"].items()) {
    const Column column = column_of(task, metric);
    CHECK(column.n == numbers["n_scored"].get<int>());
    CHECK(column.missing == numbers["n_missing"].get<int>());
    CHECK(std::abs(column.mean - numbers["mean"].get<double>()) <= 1e-12);
  }
  CHECK(task.row("3")->non_finite);
  CHECK(task.row("3")->message == "timeout");
}
