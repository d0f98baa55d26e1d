// The batch reader on small files of its own.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/import_box.hpp"
#include "tests/support/import_damage.hpp"

namespace assay::test {
namespace {

using host::interop::ImportOptions;
using host::interop::ImportSummary;
using Json = nlohmann::ordered_json;

std::string request(const std::string& id, const std::string& model = "m") {
  return Json({{"custom_id", id},
               {"method", "POST"},
               {"url", "/v1/chat/completions"},
               {"body",
                {{"model", model},
                 {"messages", {{{"role", "user"}, {"content", "ask " + id}}}},
                 {"max_tokens", 9},
                 {"stop", "END"}}}})
             .dump() +
         "\n";
}
Json body(const std::string& text, const std::string& finish = "stop") {
  return {
      {"model", "m-2"},
      {"created", 1767323045},
      {"choices", {{{"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", finish}}}}};
}
std::string answer(const std::string& id, Json response_body, int status = 200, Json error = nullptr) {
  Json line = {{"id", "x"}, {"custom_id", id}, {"error", std::move(error)}};
  line["response"] =
      status == 0 ? Json(nullptr)
                  : Json({{"status_code", status}, {"request_id", "r"}, {"body", std::move(response_body)}});
  return line.dump() + "\n";
}

struct Batch {
  ImportFolder folder;
  ImportBox box;
  ImportSummary summary;
  Result<void> load(const ImportOptions& options = {}, const std::string& name = "output.jsonl") {
    box = {};
    summary = {};
    return host::interop::read_batch(folder.path / name, options, box, summary);
  }
};

}  // namespace

TEST_CASE("own ids give task, item and repeat back, others stay as they are") {
  Batch batch;
  std::string lines;
  for (const char* id : {"assay:t%3Aone:caf%C3%A9%20%25:2", "assay:other:1:0", "assay:t%3Aone:b:0",
                         "assay:t:bad%2", "assay:t:b:-1", "assay:t:%FF:0", "free"}) {
    lines += answer(id, body("x"));
  }
  batch.folder.file("output.jsonl", lines);
  REQUIRE(batch.load().ok());
  REQUIRE(batch.box.tasks.size() == 3);
  const auto* own = batch.box.task_named("t:one");
  REQUIRE(own != nullptr);
  CHECK(own->info.planned == 2);
  CHECK(own->info.repeats == 3);
  REQUIRE(own->row("café %", 2) != nullptr);
  CHECK(own->row("café %", 2)->source_repeat == 2);
  CHECK(own->row("b") != nullptr);
  CHECK(batch.box.task_named("other")->row("1") != nullptr);
  const auto* foreign = batch.box.task_named("batch");
  REQUIRE(foreign != nullptr);
  CHECK(foreign->rows.size() == 4);
  CHECK(foreign->row("assay:t:bad%2") != nullptr);
  CHECK(foreign->row("free")->source_repeat == -1);
  CHECK(batch.box.runs[0].model == "m-2");
  CHECK(batch.box.runs[0].created == "2026-01-02T03:04:05Z");
}

TEST_CASE("status and errors give the state") {
  Batch batch;
  std::string lines, asked;
  const auto add = [&](const std::string& id, const std::string& line) {
    asked += request(id);
    lines += line;
  };
  add("ok", answer("ok", body("x")));
  add("cut", answer("cut", body("x", "length")));
  add("filter", answer("filter", body("", "content_filter")));
  add("slow", answer("slow", {{"error", {{"code", "overloaded"}, {"message", "later"}}}}, 503));
  add("limit", answer("limit", Json::object(), 429));
  add("wrong", answer("wrong", {{"error", {{"message", "bad key"}}}}, 401));
  add("late", answer("late", nullptr, 0, {{"code", "batch_expired"}, {"message", "too late"}}));
  add("none", answer("none", {{"choices", Json::array()}}));
  Json refusal = body("");
  refusal["choices"][0]["message"] = {
      {"role", "assistant"}, {"content", nullptr}, {"refusal", "I will not."}};
  add("refusal", answer("refusal", refusal));
  batch.folder.file("output.jsonl", lines);
  batch.folder.file("requests.jsonl", asked);
  REQUIRE(batch.load().ok());
  REQUIRE(batch.box.tasks.size() == 1);
  const ImportBox::Task& task = batch.box.tasks[0];
  struct Wanted {
    const char* id;
    int state;
    bool retryable;
    const char* message;
  };
  const Wanted wanted[] = {{"ok", ASSAY_STATE_OK, false, ""},
                           {"cut", ASSAY_STATE_TRUNCATED, false, ""},
                           {"filter", ASSAY_STATE_REFUSED, false, ""},
                           {"slow", ASSAY_STATE_ERROR, true, "overloaded: later"},
                           {"limit", ASSAY_STATE_ERROR, true, "the endpoint answered with status 429"},
                           {"wrong", ASSAY_STATE_ERROR, false, "bad key"},
                           {"late", ASSAY_STATE_ERROR, true, "batch_expired: too late"},
                           {"none", host::interop::kMissing, false, "the response has no choices"},
                           {"refusal", ASSAY_STATE_REFUSED, false, ""}};
  for (const Wanted& one : wanted) {
    INFO(one.id);
    const auto* row = task.row(one.id);
    REQUIRE(row != nullptr);
    CHECK(row->state == one.state);
    CHECK(row->message == one.message);
    CHECK(row->exchanges[0].retryable == one.retryable);
    CHECK(row->input == std::string("ask ") + one.id);
    CHECK(row->exchanges[0].max_tokens == 9);
    CHECK(row->exchanges[0].stop == std::vector<std::string>{"END"});
  }
  CHECK(task.row("refusal")->exchanges[0].texts == std::vector<std::string>{"I will not."});
  CHECK(task.info.complete);
}

TEST_CASE("requests decide the order, what is missing and what is unknown") {
  Batch batch;
  batch.folder.file("out.jsonl", answer("c", body("three")) + answer("x", body("?")) +
                                     answer("a", body("one")) + answer("a", body("again")));
  ImportOptions options;
  options.requests =
      batch.folder.file("asked.jsonl", request("a") + request("b") + request("c") + request("a", "m"));
  REQUIRE(batch.load(options, "out.jsonl").ok());
  const auto& rows = batch.box.tasks.at(0).rows;
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].id == "a");
  CHECK(rows[0].exchanges[0].texts == std::vector<std::string>{"one"});
  CHECK(rows[1].state == host::interop::kMissing);
  CHECK(rows[1].input == "ask b");
  CHECK_FALSE(batch.box.tasks[0].info.complete);
  CHECK(batch.box.warned("W_UNKNOWN_ID") == 1);
  CHECK(batch.box.warned("W_UNANSWERED") == 1);
  REQUIRE(batch.box.warned("W_DUPLICATE") == 1);
  CHECK(batch.box.runs[0].model == "m");
  CHECK(rows[0].exchanges[0].model == "m-2");
}

TEST_CASE("log-probabilities, usage and several choices are kept") {
  Batch batch;
  Json many = body("first");
  many["choices"][0]["logprobs"] = {
      {"content", {{{"token", "a"}, {"logprob", -0.5}}, {{"token", "b"}, {"logprob", -1}}}}};
  many["choices"].push_back(
      {{"message",
        {{"content", {{{"type", "text"}, {"text", "sec"}}, {{"type", "text"}, {"text", "ond"}}}}}}});
  many["usage"] = {{"prompt_tokens", 3},
                   {"completion_tokens", 4},
                   {"total_tokens", 7},
                   {"prompt_tokens_details", {{"cached_tokens", 2}}}};
  Json old = {{"choices",
               {{{"text", "plain"},
                 {"finish_reason", "stop"},
                 {"logprobs", {{"token_logprobs", {nullptr, -2.0}}}}}}}};
  batch.folder.file("output.jsonl", answer("chat", many) + answer("text", old));
  REQUIRE(batch.load().ok());
  const auto& chat = batch.box.tasks.at(0).row("chat")->exchanges[0];
  CHECK(chat.texts == std::vector<std::string>{"first", "second"});
  CHECK(chat.token_logprobs == std::vector<double>{-0.5, -1});
  CHECK(chat.tokens_cached == 2);
  CHECK(chat.tokens_total == 7);
  const auto& text = batch.box.tasks.at(0).row("text")->exchanges[0];
  CHECK(text.texts == std::vector<std::string>{"plain"});
  REQUIRE(text.token_logprobs.size() == 2);
  CHECK(std::isnan(text.token_logprobs[0]));
  CHECK(text.token_logprobs[1] == -2);
}

TEST_CASE("bad lines are refused with their number, or left out and counted") {
  Batch batch;
  batch.folder.file("output.jsonl", "\xEF\xBB\xBF" + answer("a", body("x")) + "\r\n\n{\"id\": 1}\n[]\n" +
                                        answer("b", body("y")) + "{\"custom_id\": \"c\", \"resp");
  const auto strict = batch.load();
  REQUIRE_FALSE(strict.ok());
  CHECK(strict.error().text.find("output.jsonl:4") != std::string::npos);
  ImportOptions options;
  options.skip_bad_lines = true;
  REQUIRE(batch.load(options).ok());
  CHECK(batch.summary.rejected == 3);
  CHECK(batch.summary.rejections.size() == 3);
  CHECK(batch.box.tasks.at(0).rows.size() == 2);

  batch.folder.file("only.jsonl", request("a"));
  const auto input = batch.load({}, "only.jsonl");
  REQUIRE_FALSE(input.ok());
  CHECK(input.error().text.find("--requests") != std::string::npos);
  CHECK(batch.load({}, "absent.jsonl").error().code == Code::kNotFound);
}

TEST_CASE("no truncation and no flipped byte of a batch file does more than fail") {
  Batch batch;
  const std::string asked = request("assay:t:a:0") + request("b");
  const std::string lines =
      answer("b", body("x")) + answer("assay:t:a:0", nullptr, 0, {{"code", "c"}, {"message", "m"}});
  const auto path = batch.folder.file("output.jsonl", lines);
  batch.folder.file("requests.jsonl", asked);
  for (const bool skip : {false, true}) {
    for (const auto& [name, bytes] :
         {std::pair<std::string, std::string>{"output.jsonl", lines}, {"requests.jsonl", asked}}) {
      const DamageCount count = damage(bytes, 400, [&, file = name](const std::string& damaged) {
        rewrite(batch.folder, file, damaged);
        ImportOptions options;
        options.skip_bad_lines = skip;
        return batch.load(options);
      });
      CHECK(count.read > 0);
      CHECK((skip || count.refused > 100));
      batch.folder.file("output.jsonl", lines);
      batch.folder.file("requests.jsonl", asked);
    }
  }
}

}  // namespace assay::test
