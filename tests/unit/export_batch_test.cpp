// Batch input: one line a generation, ids that lead back to the item, files within the endpoint's limits.
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "tests/unit/export_support.hpp"

using namespace assay::host;
using namespace assay::test;
using assay::Code;

namespace {

constexpr const char* kAnswer = R"({"choices":[{"finish":"stop","text":"x"}]})";

exporting::ExportOptions batch_options(ExportBox& box) {
  exporting::ExportOptions options;
  options.format = "batch";
  options.out = box.folder.file("batch").string();
  return options;
}

std::vector<Json> lines_of(const exporting::ExportSummary& summary) {
  std::vector<Json> lines;
  for (const std::string& file : summary.files) {
    for (Json& line : json_lines(slurp(file))) lines.push_back(std::move(line));
  }
  return lines;
}

bool noted(const exporting::ExportSummary& summary, const std::string& part) {
  return std::any_of(summary.notes.begin(), summary.notes.end(),
                     [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("Requests become batch lines with everything the endpoint knows", "[export]") {
  ExportBox box;
  box.item(0, "a/b: 1", R"({"id":"a/b: 1","text":"t","label":-1,"requests":[{"name":"answer"}]})").repeat = 2;
  box.exchange(
      "answer",
      R"({"kind":"generate","max_tokens":16,"messages":[{"content":"hi","role":"user"}],"prompt":"","seed":"42","stop":["\n","END"],"temperature":0.5,"top_p":0.9})",
      kAnswer);
  auto& second = box.item(
      1, "q",
      R"({"id":"q","text":"t","label":-1,"requests":[{"name":"one"},{"name":"two"},{"name":"choice"}]})");
  second.variant = box.batch.keep("flip");
  box.exchange(
      "one",
      R"({"kind":"generate","max_tokens":0,"n":3,"prompt":"P \"q\"","seed":"18446744073709551615","temperature":0,"top_k":40})",
      kAnswer);
  box.exchange("two", R"({"kind":"generate","max_tokens":0,"prompt":"Q","temperature":0})", kAnswer);
  box.exchange("choice", R"({"continuation":"c","kind":"score","prompt":"Q"})", "{}", 0, 2);
  box.close();

  auto done = box.run(batch_options(box));
  REQUIRE(text_of(done) == "");
  REQUIRE(done->files.size() == 1);
  CHECK(done->rows == 3);
  const std::vector<Json> lines = lines_of(*done);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] ==
        Json::parse(
            R"({"custom_id":"assay:task%20one:a%2Fb%3A%201:2","method":"POST","url":"/v1/chat/completions",
      "body":{"model":"toy","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"max_tokens":16,"top_p":0.9,
      "stop":["\n","END"],"seed":42}})"));
  CHECK(
      lines[1] ==
      Json::parse(R"({"custom_id":"assay:task%20one:q%40flip%23one:0","method":"POST","url":"/v1/completions",
      "body":{"model":"toy","prompt":"P \"q\"","temperature":0,"n":3}})"));
  CHECK(lines[2]["custom_id"] == "assay:task%20one:q%40flip%23two:0");
  CHECK(noted(*done, "1 requests ask for no text"));
  CHECK(noted(*done, "1 requests lose top_k"));

  auto options = batch_options(box);
  options.chat = true;
  options.endpoint_model = "some/model-1";
  done = box.run(options);
  REQUIRE(text_of(done) == "");
  for (const Json& line : lines_of(*done)) {
    CHECK(line["url"] == "/v1/chat/completions");
    CHECK(line["body"]["model"] == "some/model-1");
    CHECK(line["body"]["messages"].size() == 1);
  }
}

TEST_CASE("Batch files are split at their limits and ids stay unique and short", "[export]") {
  ExportBox box;
  for (int i = 0; i < 25; ++i) {
    // Every id beyond 512 bytes once encoded, all with the same beginning.
    const std::string id = i < 20 ? "q" + std::to_string(i) : std::string(600, '/') + std::to_string(i);
    box.item(i, id, "{\"id\":\"x\",\"text\":\"t\",\"label\":-1,\"requests\":[{\"name\":\"a\"}]}");
    box.exchange("a",
                 "{\"kind\":\"generate\",\"max_tokens\":0,\"prompt\":\"p" + std::to_string(i) +
                     "\",\"temperature\":0}",
                 kAnswer);
  }
  box.close();
  auto options = batch_options(box);
  options.lines_max = 10;
  auto done = box.run(options);
  REQUIRE(text_of(done) == "");
  REQUIRE(done->files.size() == 3);
  CHECK(json_lines(slurp(done->files[0])).size() == 10);
  CHECK(json_lines(slurp(done->files[2])).size() == 5);
  std::set<std::string> ids, prompts;
  for (const Json& line : lines_of(*done)) {
    ids.insert(line["custom_id"].get<std::string>());
    prompts.insert(line["body"]["prompt"].get<std::string>());
    CHECK(line["custom_id"].get<std::string>().size() <= 512);
  }
  CHECK(ids.size() == 25);
  CHECK(prompts.size() == 25);
  CHECK(noted(*done, "5 requests have a hash"));

  options.lines_max = 50'000;
  options.bytes_max = 400;
  done = box.run(options);
  REQUIRE(text_of(done) == "");
  CHECK(lines_of(*done).size() == 25);
  for (const std::string& file : done->files) {
    const std::string text = slurp(file);
    CHECK((text.size() <= 400 || json_lines(text).size() == 1));
  }
  options.out = "-";
  CHECK(code_of(box.run(options)) == Code::kInvalidArgument);
}

TEST_CASE("Only what has no answer is asked again", "[export]") {
  ExportBox box;
  const char* request = R"({"kind":"generate","max_tokens":0,"prompt":"p","temperature":0})";
  for (const int state : {0, 1, 3, 6, 7}) {
    box.item(state, "s" + std::to_string(state),
             R"({"id":"s","text":"t","label":-1,"requests":[{"name":"a"}]})", state);
    box.exchange("a", request, state >= 6 ? "" : kAnswer, state);
  }
  box.close();
  auto options = batch_options(box);
  options.only_missing = true;
  auto done = box.run(options);
  REQUIRE(text_of(done) == "");
  std::set<std::string> ids;
  for (const Json& line : lines_of(*done)) ids.insert(line["custom_id"].get<std::string>());
  CHECK(ids == std::set<std::string>{"assay:task%20one:s6:0", "assay:task%20one:s7:0"});
}

TEST_CASE("Items that were never asked are counted, because their requests are not known", "[export]") {
  ExportBox box;
  EvaluationRow evaluation;
  evaluation.id = box.small->evaluation;
  box.item(0, "q", R"({"id":"q","text":"t","label":-1,"requests":[{"name":"a"}]})");
  box.exchange("a", R"({"kind":"generate","max_tokens":0,"prompt":"p","temperature":0})", kAnswer);
  box.close();
  evaluation.run = box.small->run;
  evaluation.recipe = box.small->recipe;
  evaluation.model = box.small->model;
  evaluation.planned_items = 41;
  evaluation.status = "incomplete";
  REQUIRE(text_of(box.store->end_evaluation(evaluation)) == "");
  auto options = batch_options(box);
  auto done = box.run(options);
  REQUIRE(text_of(done) == "");
  CHECK(noted(*done, "40 planned items have no result"));
  options.only_missing = true;
  const auto refused = box.run(options);
  CHECK(code_of(refused) == Code::kInvalidArgument);
  CHECK(text_of(refused).find("40 items have no result") != std::string::npos);
}
