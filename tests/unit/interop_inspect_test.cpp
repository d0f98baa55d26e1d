// The Inspect reader on small logs of its own.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/import_box.hpp"
#include "tests/support/import_damage.hpp"
#include "tests/support/zip_bytes.hpp"

namespace assay::test {
namespace {

using host::interop::ImportedRow;
using host::interop::ImportOptions;
using host::interop::ImportSummary;
using Json = nlohmann::ordered_json;

Json sample(const std::string& id, int epoch, const std::string& text, Json scores,
            const std::string& stop = "stop") {
  Json one = Json::object();
  one["id"] = id;
  one["epoch"] = epoch;
  one["input"] = "question " + id;
  one["target"] = "yes";
  one["output"]["model"] = "m-1";
  one["output"]["choices"] =
      Json::array({{{"message", {{"role", "assistant"}, {"content", text}}}, {"stop_reason", stop}}});
  one["scores"] = std::move(scores);
  return one;
}
Json score(Json value) {
  return {{"s", {{"value", std::move(value)}}}};
}
Json log_of(Json samples) {
  Json log = Json::object();
  log["version"] = 2;
  log["status"] = "success";
  log["eval"] = {
      {"task", "t"}, {"model", "org/m-1"}, {"created", "2026-01-02T03:04:05+00:00"}, {"task_version", 7}};
  log["samples"] = std::move(samples);
  return log;
}

struct Loaded {
  ImportBox box;
  ImportSummary summary;
  Result<void> done;
  [[nodiscard]] const ImportBox::Task& task() const {
    INFO((done ? std::string() : done.error().text));
    REQUIRE(done.ok());
    REQUIRE(box.tasks.size() == 1);
    return box.tasks[0];
  }
};
Loaded load_bytes(const std::string& bytes, const ImportOptions& options = {},
                  const std::string& name = "log.json") {
  const ImportFolder folder;
  Loaded loaded;
  loaded.done =
      host::interop::read_inspect(rewrite(folder, name, bytes), options, loaded.box, loaded.summary);
  return loaded;
}
Loaded load(const Json& log, const ImportOptions& options = {}) {
  return load_bytes(log.dump(), options);
}
double value_of(const ImportBox::Task& task, std::size_t row, std::string_view metric) {
  const int column = task.column(metric);
  REQUIRE(column >= 0);
  return task.rows[row].scores[static_cast<std::size_t>(column)];
}

// An archive of the members of a log.
std::vector<ZipPart> archive(const Json& log, std::uint16_t method = 8) {
  Json start = {{"version", 2}, {"eval", log["eval"]}};
  std::vector<ZipPart> parts{zip_part("_journal/start.json", start.dump(), method)};
  int number = 0;
  for (const Json& one : log["samples"]) {
    parts.push_back(zip_part("samples/any name " + std::to_string(number++) + ".json", one.dump(), method));
  }
  Json header = log;
  header.erase("samples");
  parts.push_back(zip_part("header.json", header.dump(), method));
  return parts;
}

}  // namespace

TEST_CASE("values of scores become numbers or stay labels") {
  // As Python writes it: NaN and Infinity are bare.
  const std::string text = R"({"eval": {"task": "t", "model": "m"}, "samples": [
    {"id": 1, "scores": {"s": {"value": "C"}}}, {"id": 2, "scores": {"s": {"value": "I"}}},
    {"id": 3, "scores": {"s": {"value": "P"}}}, {"id": 4, "scores": {"s": {"value": "N"}}},
    {"id": 5, "scores": {"s": {"value": true}}}, {"id": 6, "scores": {"s": {"value": -2.5}}},
    {"id": 7, "scores": {"s": {"value": NaN}}}, {"id": 8, "scores": {"s": {"value": -Infinity}}},
    {"id": 9, "scores": {"s": {"value": "hateful", "answer": "A", "explanation": "why"}}},
    {"id": 10, "scores": {"s": {"value": null}}}, {"id": 11, "scores": {}}, {"id": 12}]})";
  const Loaded loaded = load_bytes(text);
  const ImportBox::Task& task = loaded.task();
  REQUIRE(task.rows.size() == 12);
  const double wanted[] = {1, 0, 0.5, 0, 1, -2.5};
  for (std::size_t i = 0; i < 6; ++i) CHECK(value_of(task, i, "s") == wanted[i]);
  for (std::size_t i = 6; i < 12; ++i) {
    CHECK(std::isnan(value_of(task, i, "s")));
    CHECK(task.rows[i].non_finite == (i == 6 || i == 7));
  }
  CHECK(task.rows[8].notes[0] == "hateful\n\nA\n\nwhy");
  CHECK_FALSE(task.info.values[0].proportion);
  CHECK(task.rows[9].id == "10");
  CHECK(task.rows[0].state == host::interop::kMissing);  // nothing was answered
}

TEST_CASE("dictionaries and lists give one column a key") {
  const Loaded loaded = load(log_of({sample("a", 1, "x", score({{"tone", "C"}, {"length", 12}})),
                                     sample("b", 1, "x", score(Json::array({0, false, "odd"})))}));
  const ImportBox::Task& task = loaded.task();
  CHECK(value_of(task, 0, "s.tone") == 1);
  CHECK(value_of(task, 0, "s.length") == 12);
  CHECK(value_of(task, 1, "s.0") == 0);
  CHECK(value_of(task, 1, "s.1") == 0);
  CHECK(std::isnan(value_of(task, 1, "s.2")));
  CHECK(std::isnan(value_of(task, 1, "s.tone")));
  CHECK(task.column("s") == -1);
  CHECK(task.info.values[static_cast<std::size_t>(task.column("s.tone"))].proportion);
  CHECK_FALSE(task.info.values[static_cast<std::size_t>(task.column("s.length"))].proportion);
}

TEST_CASE("the first rule that fits gives the state") {
  Json failed = sample("e", 1, "half an answer", score("I"), "max_tokens");
  failed["error"] = {{"message", "TimeoutError: slow"}};
  Json silent = sample("m", 1, "", Json::object());
  silent["output"]["choices"] = Json::array();
  Json nothing = sample("n", 1, "", Json::object());
  nothing.erase("output");
  Json blocked = sample("f", 1, "", score("I"), "content_filter");
  blocked["output"]["error"] = "blocked by policy";
  Json broken = sample("p", 1, "", score("I"), "unknown");
  broken["output"]["error"] = "bad gateway";
  const Loaded loaded = load(
      log_of({failed, silent, nothing, blocked, broken, sample("l", 1, "cut", score("C"), "model_length"),
              sample("0", 1, "", score("N")), sample("o", 1, "fine", score("C"), "tool_calls")}));
  const ImportBox::Task& task = loaded.task();
  using host::interop::kMissing;
  const int wanted[] = {ASSAY_STATE_ERROR,   kMissing,          kMissing,
                        ASSAY_STATE_REFUSED, ASSAY_STATE_ERROR, ASSAY_STATE_TRUNCATED,
                        ASSAY_STATE_EMPTY,   ASSAY_STATE_OK};
  REQUIRE(task.rows.size() == 8);
  for (std::size_t i = 0; i < 8; ++i) {
    INFO(task.rows[i].id);
    CHECK(task.rows[i].state == wanted[i]);
  }
  // Nothing is lost by the state.
  CHECK(task.rows[0].message == "TimeoutError: slow");
  CHECK(task.rows[0].exchanges[0].texts[0] == "half an answer");
  CHECK(value_of(task, 0, "s") == 0);
  CHECK(value_of(task, 3, "s") == 0);
  CHECK(task.rows[4].message == "bad gateway");
}

TEST_CASE("texts come from completion, choices, parts and attachments") {
  const std::string hash = "0123456789abcdef0123456789abcdef";
  Json parts = sample("a", 1, "", score("C"));
  parts["output"]["choices"][0]["message"]["content"] =
      Json::array({{{"type", "reasoning"}, {"reasoning", "hm"}},
                   {{"type", "text"}, {"text", "one "}},
                   {{"type", "image"}, {"image", "data"}},
                   {{"type", "text"}, {"text", "two"}}});
  Json stated = sample("b", 1, "from the choice", score("C"));
  stated["output"]["completion"] = "as stated";
  Json attached = sample("c", 1, "before attachment://" + hash + " after", score("C"));
  attached["input"] = "attachment://" + hash + "beef";  // further digits belong to the text
  attached["target"] = Json::array({"attachment://ffff", "t"});
  attached["attachments"] = {{hash, "LONG"}};
  Json chat = sample("d", 1, "answer", score("C"));
  chat["input"] =
      Json::array({{{"role", "system"}, {"content", "be brief"}}, {{"role", "user"}, {"content", "hello"}}});
  chat["messages"] = chat["input"];
  chat["messages"].push_back({{"role", "assistant"}, {"content", "answer"}});
  const Loaded loaded = load(log_of({parts, stated, attached, chat}));
  const ImportBox::Task& task = loaded.task();
  CHECK(task.rows[0].exchanges[0].texts[0] == "one two");
  CHECK(task.rows[0].exchanges[0].prompt == "question a");
  CHECK(task.rows[1].exchanges[0].texts[0] == "as stated");
  CHECK(task.rows[2].exchanges[0].texts[0] == "before LONG after");
  CHECK(task.rows[2].input == "LONGbeef");
  CHECK(task.rows[2].targets == std::vector<std::string>{"attachment://ffff", "t"});
  CHECK(loaded.box.warned("W_ATTACHMENT") == 1);
  CHECK(task.rows[3].input == "system: be brief\n\nuser: hello");
  REQUIRE(task.rows[3].exchanges[0].messages.size() == 2);
  CHECK(task.rows[3].exchanges[0].messages[1] == std::pair<std::string, std::string>("user", "hello"));
}

TEST_CASE("events are left out unread, and damage in them does not hide damage elsewhere") {
  Json one = sample("a", 1, "x", score("C"));
  one["events"] =
      Json::array({{{"event", "model \"quoted\" ]"}, {"nested", Json::array({1, Json::array({2})})}}});
  CHECK(load(log_of({one})).task().rows.size() == 1);
  // What is not read is not judged, but brackets that do not close are.
  const std::string text = log_of({one}).dump();
  const std::size_t at = text.find("\"nested\"");
  std::string odd = text;
  odd.replace(at, 8, "'nested'");
  CHECK(load_bytes(odd).done.ok());
  std::string open = text;
  open.replace(open.find("[1,[2]]"), 7, "[1,[2] ");
  const Loaded refused = load_bytes(open);
  REQUIRE_FALSE(refused.done.ok());
  CHECK(refused.done.error().code == Code::kData);
}

TEST_CASE("epochs are repeats and the recorded mean is over questions") {
  Json log = log_of({sample("b", 2, "x", score("C")), sample("a", 1, "x", score("I")),
                     sample("b", 1, "x", score("C")), sample("a", 2, "x", score("C"))});
  log["eval"]["config"] = {{"epochs", 2}};
  log["eval"]["dataset"] = {{"samples", 100}, {"sample_ids", {"a", "b"}}};
  log["results"] = {{"total_samples", 4},
                    {"completed_samples", 4},
                    {"scores",
                     {{{"name", "s"},
                       {"scorer", "s"},
                       {"metrics", {{"accuracy", {{"value", 0.75}}}, {"stderr", {{"value", 0.25}}}}}}}}};
  const Loaded loaded = load(log);
  const ImportBox::Task& task = loaded.task();
  CHECK(task.info.repeats == 2);
  CHECK(task.info.planned == 4);
  // In the order of the data set, whatever was finished first.
  REQUIRE(task.rows.size() == 4);
  const char* ids[] = {"a", "a", "b", "b"};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(task.rows[i].id == ids[i]);
    CHECK(task.rows[i].repeat == i % 2);
    CHECK(task.rows[i].source_repeat == static_cast<std::int64_t>(i % 2) + 1);
  }
  CHECK(task.number("s/accuracy", "accuracy")->value == 0);
  CHECK(task.number("s/stderr", "stderr")->value == -1);
  CHECK(task.info.version == "7");
  CHECK(loaded.box.warnings.empty());
}

TEST_CASE("a recorded mean that the rows contradict is a warning when the log is whole") {
  Json log = log_of({sample("a", 1, "x", score("C")), sample("b", 1, "x", score("I"))});
  const auto with = [&](int total, double mean, const char* reducer) {
    log["results"] = {
        {"total_samples", total},
        {"completed_samples", total},
        {"scores", {{{"name", "s"}, {"reducer", reducer}, {"metrics", {{"accuracy", {{"value", mean}}}}}}}}};
    return load(log).box.warned("W_REPORTED");
  };
  CHECK(with(2, 0.5, "mean") == 0);
  CHECK(with(2, 0.5 + 1e-12, "mean") == 0);
  CHECK(with(2, 0.5 + 1e-8, "mean") == 1);
  CHECK(with(2, 1.0, "max") == 0);    // not the mean of the rows
  CHECK(with(50, 0.9, "mean") == 0);  // not all rows are here
}

TEST_CASE("scores without samples are imported from the reductions, new and old") {
  const Json reductions = {
      {{"scorer", "s"},
       {"samples",
        {{{"sample_id", 1}, {"value", 0.5}, {"answer", "A"}}, {{"sample_id", "two"}, {"value", "C"}}}}},
      {{"scorer", "other"}, {"samples", {{{"sample_id", "two"}, {"value", 3}}}}}};
  Json fresh = log_of(Json::array());
  fresh["reductions"] = reductions;
  Json older = log_of(nullptr);
  older["results"]["sample_reductions"] = reductions;
  Json zipped = log_of(Json::array());
  std::vector<ZipPart> parts = archive(zipped);
  parts.push_back(zip_part("reductions.json", reductions.dump()));
  for (const Loaded& loaded : {load(fresh), load(older), load_bytes(zip_bytes(parts), {}, "log.eval")}) {
    const ImportBox::Task& task = loaded.task();
    REQUIRE(task.rows.size() == 2);
    CHECK(task.rows[0].id == "1");
    CHECK(value_of(task, 0, "s") == 0.5);
    CHECK(task.rows[0].notes[static_cast<std::size_t>(task.column("s"))] == "A");
    CHECK(std::isnan(value_of(task, 0, "other")));
    CHECK(value_of(task, 1, "s") == 1);
    CHECK(value_of(task, 1, "other") == 3);
    CHECK(task.rows[0].exchanges.empty());
    CHECK(task.rows[0].state == ASSAY_STATE_OK);
  }
}

TEST_CASE("a log with a header alone gives its recorded numbers") {
  Json log = log_of(nullptr);
  log["results"] = {{"total_samples", 1000},
                    {"completed_samples", 1000},
                    {"scores",
                     {{{"name", "s"},
                       {"scored_samples", 990},
                       {"metrics", {{"accuracy", {{"value", 0.4}}}, {"odd", {{"value", nullptr}}}}}}}}};
  const Loaded loaded = load(log);
  const ImportBox::Task& task = loaded.task();
  CHECK(task.rows.empty());
  CHECK(task.number("s/accuracy", "accuracy")->number == 0.4);
  CHECK(task.number("s/accuracy", "accuracy")->n == 990);
  CHECK(std::isnan(task.number("s/odd", "odd")->number));
  CHECK(task.number("s/odd", "odd")->text == "null");
  CHECK(loaded.summary.rows == 0);
}

TEST_CASE("an archive without header is an interrupted run") {
  Json log = log_of({sample("a", 1, "x", score("C"))});
  log["eval"]["dataset"]["sample_ids"] = {"a", "b", "c"};
  std::vector<ZipPart> parts = archive(log, 93);
  parts.pop_back();
  const Loaded loaded = load_bytes(zip_bytes(parts), {}, "log.eval");
  const ImportBox::Task& task = loaded.task();
  CHECK(task.rows.size() == 1);
  CHECK(task.info.planned == 3);
  CHECK(task.info.status == "started");
  CHECK_FALSE(task.info.complete);
  CHECK(loaded.box.warned("W_INCOMPLETE") == 1);
}

TEST_CASE("a sample that was written again replaces the first") {
  Json log = log_of({sample("a", 1, "old", score("I"))});
  std::vector<ZipPart> parts = archive(log);
  parts.push_back(zip_part(parts[1].name, sample("a", 1, "new", score("C")).dump()));
  const Loaded loaded = load_bytes(zip_bytes(parts), {}, "log.eval");
  REQUIRE(loaded.task().rows.size() == 1);
  CHECK(loaded.task().rows[0].exchanges[0].texts[0] == "new");
  CHECK(loaded.box.warned("W_DUPLICATE") == 1);
}

TEST_CASE("samples without id are refused, rejected or numbered") {
  Json nameless = sample("", 1, "x", score("C"));
  nameless["id"] = nullptr;
  const Json log = log_of({sample("a", 1, "x", score("C")), nameless});
  const Loaded refused = load(log);
  REQUIRE_FALSE(refused.done.ok());
  CHECK(refused.done.error().text.find("sample 2") != std::string::npos);
  ImportOptions options;
  options.skip_bad_lines = true;
  const Loaded skipped = load(log, options);
  CHECK(skipped.task().rows.size() == 1);
  CHECK(skipped.summary.rejected == 1);
  CHECK(skipped.summary.rejections.size() == 1);
  options.number_lines = true;
  CHECK(load(log, options).task().rows.at(1).id == "2");
}

TEST_CASE("usage, settings and the endpoint's model are kept") {
  Json one = sample("a", 1, "x", score("C"));
  one["output"]["model"] = "m-1-2026";
  one["output"]["usage"] = {
      {"input_tokens", 5}, {"output_tokens", 2}, {"total_tokens", 107}, {"input_tokens_cache_read", 100}};
  one["output"]["time"] = 1.5;
  one["output"]["choices"][0]["logprobs"] = {{"content", {{{"token", "x"}, {"logprob", -0.25}}}}};
  one["metadata"] = {{"subject", "physics"}, {"level", 3}, {"deep", {{"no", 1}}}};
  Json log = log_of({one});
  log["eval"]["model_generate_config"] = {{"temperature", 0.7}, {"max_tokens", 64}, {"stop_seqs", {"\n"}}};
  log["plan"]["config"] = {{"temperature", 0.1}};
  const Loaded loaded = load(log);
  const ImportedRow& row = loaded.task().rows[0];
  const auto& exchange = row.exchanges[0];
  CHECK(exchange.model == "m-1-2026");
  CHECK(exchange.tokens_in == 5);
  CHECK(exchange.tokens_total == 107);
  CHECK(exchange.tokens_cached == 100);
  CHECK(exchange.seconds == 1.5);
  CHECK(exchange.token_logprobs == std::vector<double>{-0.25});
  CHECK(exchange.temperature == 0.1);
  CHECK(exchange.max_tokens == 64);
  CHECK(exchange.stop == std::vector<std::string>{"\n"});
  CHECK(row.fields == decltype(row.fields){{"subject", "physics"}, {"level", "3"}});
}

TEST_CASE("what is no Inspect log is refused with a sentence") {
  for (const char* text :
       {"", "{", "[]", "{}", "{\"eval\": 3}", "null", "{\"eval\": {}, \"samples\": [1]}", "PK\3\4"}) {
    const Loaded loaded = load_bytes(text);
    INFO(text);
    REQUIRE_FALSE(loaded.done.ok());
    CHECK(loaded.done.error().code == Code::kData);
    CHECK(loaded.done.error().text.find("log.json") != std::string::npos);
  }
  ImportBox box;
  ImportSummary summary;
  CHECK(host::interop::read_inspect("/nowhere/x.eval", {}, box, summary).error().code == Code::kNotFound);
}

TEST_CASE("no truncation and no flipped byte of an Inspect log does more than fail") {
  Json one = sample("a", 1, "x", score({{"tone", "C"}, {"n", 2.5}}));
  one["attachments"] = {{"0123456789abcdef0123456789abcdef", "text"}};
  one["input"] = "attachment://0123456789abcdef0123456789abcdef";
  Json log = log_of({one, sample("b", 2, "y", score("C"))});
  log["results"] = {
      {"total_samples", 2},
      {"scores", {{{"name", "tone"}, {"scorer", "s"}, {"metrics", {{"mean", {{"value", 1}}}}}}}}};
  const ImportFolder folder;
  const auto attempt = [&](const std::string& name, bool salvage) {
    return [&folder, name, salvage](const std::string& bytes) {
      ImportBox box;
      ImportSummary summary;
      ImportOptions options;
      options.salvage = options.skip_bad_lines = salvage;
      return host::interop::read_inspect(rewrite(folder, name, bytes), options, box, summary);
    };
  };
  const DamageCount json = damage(log.dump(), 600, attempt("log.json", false));
  CHECK(json.refused > log.dump().size() - 1);  // no truncation is taken for a log
  CHECK(json.read > 0);
  const std::string zip = zip_bytes(archive(log));
  const DamageCount strict = damage(zip, 300, attempt("log.eval", false));
  CHECK(strict.refused > zip.size() - 1);
  const DamageCount saved = damage(zip, 300, attempt("log.eval", true));
  CHECK(saved.read > strict.read);
}

}  // namespace assay::test
