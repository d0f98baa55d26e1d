// The batch fixture against what an independent reader found in it.
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/data.hpp"
#include "tests/support/import_box.hpp"

namespace assay::test {
namespace {

using Json = nlohmann::json;

void check(const ImportBox& box, const Json& expected) {
  REQUIRE(box.tasks.size() == 1);
  const ImportBox::Task& task = box.tasks[0];
  CHECK(box.runs[0].model == "example-model");
  REQUIRE(task.rows.size() == expected["requests"].get<std::size_t>());
  CHECK(task.info.planned == expected["requests"].get<std::int64_t>());
  CHECK_FALSE(task.info.complete);
  std::int64_t in = 0, out = 0;
  for (const auto& [id, wanted] : expected["rows"].items()) {
    INFO(id);
    const auto* row = task.row(id);
    REQUIRE(row != nullptr);
    CHECK(state_name(row->state) == wanted["state"].get<std::string>());
    REQUIRE(row->exchanges.size() == 1);
    const auto& exchange = row->exchanges[0];
    CHECK(row->input == "question " + id.substr(1));
    if (wanted.contains("output")) {
      CHECK(exchange.answered);
      CHECK(exchange.model == "example-model-2026");
      std::vector<std::string> texts;
      if (wanted["output"].is_string()) texts.push_back(wanted["output"].get<std::string>());
      CHECK(exchange.texts == texts);
    }
    if (wanted.contains("tokens")) {
      CHECK(exchange.tokens_in == wanted["tokens"][0]);
      CHECK(exchange.tokens_out == wanted["tokens"][1]);
      in += exchange.tokens_in;
      out += exchange.tokens_out;
    }
    if (wanted.contains("error")) {
      CHECK(exchange.error.find(wanted["error"].get<std::string>()) != std::string::npos);
      CHECK(exchange.retryable == wanted["retryable"].get<bool>());
      CHECK_FALSE(exchange.answered);
    }
  }
  CHECK(in == expected["token_totals_first_answers"][0]);
  CHECK(out == expected["token_totals_first_answers"][1]);
  CHECK(box.warned("W_DUPLICATE") == 1);
  CHECK(box.warned("W_UNKNOWN_ID") == 1);
  CHECK(box.warned("W_UNANSWERED") == 1);
  for (const auto& [code, text] : box.warnings) {
    if (code == "W_DUPLICATE")
      CHECK(text.starts_with(std::to_string(expected["duplicates"].get<int>()) + " "));
    if (code == "W_UNKNOWN_ID") CHECK(text.find("'zz'") != std::string::npos);
    if (code == "W_UNANSWERED") CHECK(text.find("'r7'") != std::string::npos);
  }
}

}  // namespace

TEST_CASE("the batch fixture reads as expected, as a file and as a folder", "[parity]") {
  ASSAY_NEEDS_DATA(root);
  const auto folder = root / "interop" / "openai_batch";
  std::ifstream in(root / "interop" / "expected.json");
  const Json expected = Json::parse(in)["openai_batch"];
  for (const auto& path : {folder / "output.jsonl", folder}) {
    ImportBox box;
    host::interop::ImportSummary summary;
    const auto done = host::interop::read_batch(path, {}, box, summary);
    INFO((done ? std::string() : done.error().text));
    REQUIRE(done.ok());
    CHECK(summary.rows == 7);
    check(box, expected);
  }
}

}  // namespace assay::test
