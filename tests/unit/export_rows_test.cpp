// Rows as JSON lines and CSV: exactly what was stored, in the order of the task.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <random>

#include "tests/unit/export_support.hpp"

using namespace assay::host;
using namespace assay::test;
using assay::Code;

namespace {

/// RFC 4180 by a small automaton of its own: fields of all lines; an absent field is nullopt.
std::vector<std::vector<std::optional<std::string>>> csv_rows(const std::string& text) {
  std::vector<std::vector<std::optional<std::string>>> rows(1);
  std::optional<std::string> field;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        *field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        *field += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
      field = std::string();
    } else if (c == ',' || c == '\r') {
      rows.back().push_back(std::exchange(field, std::nullopt));
    } else if (c == '\n') {
      rows.emplace_back();
    } else {
      field = field.value_or("") + c;
    }
  }
  rows.pop_back();
  return rows;
}

void fill_rows(ExportBox& box) {
  // Stored out of order, on purpose.
  box.item(2, "q2", R"({"id":"q2","text":"third","label":-1,"requests":[{"name":"a"}]})", 6).message =
      box.batch.keep("the endpoint said \"no\"");
  box.exchange("a", R"({"kind":"generate","prompt":"third?"})", "", 6);
  box.batch.score(box.value(0), kNone, 6);

  box.item(0, "q0",
           "{\"id\":\"q0\",\"text\":\"tab\\there, \\\"quoted\\\"\\nand \\u0001 \\u00e9\\ud83c\\udf28\","
           "\"label\":-1,\"targets\":[\"=1+1\"],\"requests\":[{\"name\":\"a\"}]}");
  box.exchange("a", R"({"kind":"generate","prompt":"P0"})",
               R"({"choices":[{"finish":"stop","text":"=SUM(A1)\r\n,\""}]})", 0, 1, true);
  box.batch.score(box.value(0), 0.1, 0, "parsed: 0.1");
  box.batch.score(box.value(2), 1);

  auto& grouped = box.item(
      1, "q1", R"({"id":"q1","label":1,"targets":["a","b"],"requests":[{"name":"a"},{"name":"b"}]})");
  grouped.variant = box.batch.keep("v");
  grouped.group = box.batch.keep("g");
  grouped.label = 1;
  grouped.repeat = 3;
  box.exchange(
      "a",
      R"({"kind":"generate","messages":[{"content":"be brief","role":"system"},{"content":"second","role":"user"}],"prompt":""})",
      R"({"choices":[{"finish":"stop","text":"x"},{"finish":"length","text":""}]})");
  box.exchange("b", R"({"kind":"generate","prompt":"again"})",
               R"({"choices":[{"finish":"stop","text":"y"}]})");
  box.batch.score(box.value(0), kNone, 0);
  box.close();
}

}  // namespace

TEST_CASE("JSON lines hold what was stored, in task order, and null for what is not there", "[export]") {
  ExportBox box;
  fill_rows(box);
  const std::string text = box.rows("jsonl");
  CHECK(text.find("NaN") == std::string::npos);
  const std::vector<Json> rows = json_lines(text);
  REQUIRE(rows.size() == 3);

  CHECK(rows[0]["task"] == "task one");
  CHECK(rows[0]["model"] == "toy");
  CHECK(rows[0]["id"] == "q0");
  CHECK(rows[0]["input"] == "tab\there, \"quoted\"\nand \x01 \xC3\xA9\xF0\x9F\x8C\xA8");
  CHECK(rows[0]["output"] == "=SUM(A1)\r\n,\"");
  CHECK(rows[0]["target"] == "=1+1");
  CHECK(rows[0]["state"] == "ok");
  CHECK(rows[0]["error"].is_null());
  CHECK(rows[0]["variant"].is_null());
  CHECK(rows[0]["label"].is_null());
  CHECK(rows[0]["cached"] == true);
  CHECK(rows[0]["prompt_tokens"] == 3);
  CHECK(rows[0]["completion_tokens"] == 5);
  CHECK(rows[0]["latency_ms"] == 7);
  CHECK(rows[0]["metric:demo.metric"] == 0.1);
  CHECK(rows[0]["note:demo.metric"] == "parsed: 0.1");
  CHECK_FALSE(rows[0].contains("state:demo.metric"));
  CHECK(rows[0]["metric:demo.metric.hit"] == 1);
  CHECK_FALSE(rows[0].contains("metric:demo.metric.curve"));  // a number of the whole task

  CHECK(rows[1]["id"] == "q1");
  CHECK(rows[1]["variant"] == "v");
  CHECK(rows[1]["group"] == "g");
  CHECK(rows[1]["label"] == 1);
  CHECK(rows[1]["repeat"] == 3);
  CHECK(rows[1]["input"] == "second");  // no text of its own: the last message of the user
  CHECK(rows[1]["target"] == Json::array({"a", "b"}));
  CHECK(rows[1]["output"] == Json::array({"x", ""}));
  CHECK(rows[1]["output:b"] == "y");
  CHECK(rows[1]["prompt_tokens"] == 6);
  CHECK(rows[1]["metric:demo.metric"].is_null());
  CHECK(rows[1]["state:demo.metric"] == "non_finite");
  CHECK(rows[1]["state:demo.metric.hit"] == "not_scored");

  CHECK(rows[2]["id"] == "q2");
  CHECK(rows[2]["state"] == "error");
  CHECK(rows[2]["error"] == "the endpoint said \"no\"");
  CHECK(rows[2]["message"].is_null());
  CHECK(rows[2]["output"].is_null());
  CHECK(rows[2]["state:demo.metric"] == "error");
  CHECK(rows[2]["state:demo.metric.hit"] == "error");
}

TEST_CASE("CSV holds the same as the JSON lines, byte for byte", "[export]") {
  ExportBox box;
  fill_rows(box);
  const std::vector<Json> rows = json_lines(box.rows("jsonl"));
  const auto table = csv_rows(box.rows("csv"));
  REQUIRE(table.size() == 4);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    REQUIRE(table[r + 1].size() == table[0].size());
    for (std::size_t c = 0; c < table[0].size(); ++c) {
      const std::string name = table[0][c].value();
      const std::optional<std::string>& cell = table[r + 1][c];
      INFO("row " << r << ", field " << name);
      if (name == "other_outputs" || name.starts_with("state:")) continue;  // CSV has its own shape for these
      if (!rows[r].contains(name) || rows[r][name].is_null()) {
        CHECK_FALSE(cell.has_value());
      } else if (rows[r][name].is_string()) {
        CHECK(cell.value() == rows[r][name].get<std::string>());
      } else {
        CHECK(Json::parse(cell.value()) == rows[r][name]);
      }
    }
  }
  const auto column = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(table[0].begin(), table[0].end(), name) - table[0].begin());
  };
  CHECK(table[2][column("other_outputs")] == R"({"b":["y"]})");
  CHECK(table[1][column("state:demo.metric")] == "ok");
  CHECK(table[2][column("state:demo.metric")] == "non_finite");
}

TEST_CASE("The right choices stand for targets that an item does not have", "[export]") {
  ExportBox box;
  box.item(
      0, "mc",
      R"({"id":"mc","text":"2+2?","label":-1,"requests":[{"name":"choice/0","label":0},{"name":"choice/1","label":1}]})");
  box.exchange("choice/0", R"({"continuation":" 5","kind":"score","prompt":"2+2?"})",
               R"({"mean_logprob":-2})", 0, 2);
  box.exchange("choice/1", R"({"continuation":" 4","kind":"score","prompt":"2+2?"})",
               R"({"mean_logprob":-1})", 0, 2);
  box.close();
  const std::vector<Json> rows = json_lines(box.rows("jsonl"));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["target"] == " 4");
  CHECK(rows[0]["output"].is_null());
}

TEST_CASE("Thousands of rows stored in any order come out in task order with their own scores", "[export]") {
  ExportBox box;
  constexpr int kItems = 2300, kRepeats = 2;
  std::vector<int> order(kItems * kRepeats);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  std::mt19937_64 random(20261120);
  std::shuffle(order.begin(), order.end(), random);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const int item = order[i] / kRepeats, repeat = order[i] % kRepeats;
    auto& result = box.batch.result(box.small->evaluation, item, "i" + std::to_string(item));
    result.repeat = static_cast<std::uint32_t>(repeat);
    box.exchange("a", "{\"prompt\":\"p" + std::to_string(order[i]) + "\"}",
                 "{\"choices\":[{\"finish\":\"stop\",\"text\":\"t" + std::to_string(order[i]) + "\"}]}");
    if (order[i] % 3 != 0) box.batch.score(box.value(0), order[i] + 0.5);
    if (i % 100 == 99) box.close();
  }
  box.close();
  const std::vector<Json> rows = json_lines(box.rows("jsonl"));
  REQUIRE(rows.size() == order.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto n = static_cast<int>(i);
    const Json& row = rows[i];
    const bool scored =
        n % 3 == 0 ? row["metric:demo.metric"].is_null() : row["metric:demo.metric"] == n + 0.5;
    const bool texts = row["output"] == "t" + std::to_string(n) && row["input"] == "p" + std::to_string(n);
    const bool placed = row["id"] == "i" + std::to_string(n / kRepeats) && row["repeat"] == n % kRepeats;
    if (!scored || !texts || !placed) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("The mapping file names every metric of the rows", "[export]") {
  ExportBox box;
  fill_rows(box);
  exporting::ExportOptions options;
  options.format = "jsonl";
  options.out = box.folder.file("rows.jsonl").string();
  options.mapping = box.folder.file("map.json").string();
  REQUIRE(text_of(box.run(options)) == "");
  const Json mapping = Json::parse(slurp(options.mapping));
  const Json row = json_lines(slurp(options.out)).front();
  CHECK(mapping["metric:demo.metric"] == "metric:demo.metric");
  CHECK(mapping["metric:demo.metric.hit"] == "metric:demo.metric.hit");
  CHECK(mapping["output:b"] == "output:b");
  for (const auto& [role, field] : mapping.items()) {
    INFO(role);
    // These are written only where there is something to say.
    if (role.starts_with("state:") || role.starts_with("note:") || role.starts_with("output:")) continue;
    CHECK(row.contains(field.get<std::string>()));
  }
}

TEST_CASE("What cannot be exported is refused with the reason", "[export]") {
  ExportBox box;
  exporting::ExportOptions options;
  options.format = "jsonl";
  options.out = box.folder.file("x").string();
  auto refused = box.run(options);
  CHECK(code_of(refused) == Code::kInvalidArgument);
  CHECK(text_of(refused).find("nothing to export") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(options.out));
  fill_rows(box);

  options.format = "json";
  refused = box.run(options);
  CHECK(code_of(refused) == Code::kInvalidArgument);
  CHECK(text_of(refused).find("did you mean 'jsonl'") != std::string::npos);
  options.format = "jsonl";
  options.task = "task on";
  refused = box.run(options);
  CHECK(code_of(refused) == Code::kInvalidArgument);
  CHECK(text_of(refused).find("did you mean 'task one'") != std::string::npos);
  options.task = "task *";
  options.model = "tox";
  refused = box.run(options);
  CHECK(code_of(refused) == Code::kInvalidArgument);
  CHECK(text_of(refused).find("did you mean 'toy'") != std::string::npos);
  options.model = "toy";
  CHECK(text_of(box.run(options)) == "");
  options.out = (box.folder.file("rows.jsonl") / "below").string();
  box.rows("jsonl");  // a file where a folder is wanted
  refused = box.run(options);
  CHECK(code_of(refused) == Code::kResourceExhausted);
  options.out = "/dev/full";  // a device is written to, never replaced
  CHECK(code_of(box.run(options)) == Code::kResourceExhausted);
  CHECK(std::filesystem::is_character_file("/dev/full"));
}

TEST_CASE("A damaged item is named, and no half file stays", "[export]") {
  ExportBox box;
  box.item(0, "fine", R"({"id":"fine","text":"a","label":-1,"requests":[]})");
  box.item(1, "broken", R"({"id":"broken","te)");
  box.close();
  exporting::ExportOptions options;
  options.format = "jsonl";
  options.out = box.folder.file("rows.jsonl").string();
  const auto refused = box.run(options);
  CHECK(code_of(refused) == Code::kData);
  CHECK(text_of(refused).find("'broken'") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(options.out));
  for (const auto& entry : std::filesystem::directory_iterator(box.folder.file("")))
    CHECK(entry.path().string().find(".part.") == std::string::npos);
}
