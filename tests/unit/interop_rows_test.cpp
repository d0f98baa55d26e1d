// Plain rows: what is accepted, what is rejected and why, states, columns, tables, mapping files, detection.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <random>

#include "harness/base/hash.hpp"
#include "tests/support/import_box.hpp"

using namespace assay;
using namespace assay::host::interop;
using test::ImportBox;
using test::ImportFolder;

namespace {

struct Read {
  ImportBox box;
  ImportSummary summary;
  Error error;
  bool ok = false;
  const ImportBox::Task& task() const {
    REQUIRE(box.tasks.size() == 1);
    return box.tasks.front();
  }
  const ImportedRow& row(std::string_view id, std::uint32_t repeat = 0) const {
    const ImportedRow* const found = task().row(id, repeat);
    REQUIRE(found != nullptr);
    return *found;
  }
};

std::unique_ptr<Read> run(const std::filesystem::path& file, const ImportOptions& options = {}) {
  auto out = std::make_unique<Read>();
  auto done = read(file, options, out->box);
  out->ok = done.ok();
  if (done) {
    out->summary = *done;
  } else {
    out->error = done.error();
  }
  return out;
}

std::unique_ptr<Read> rows(const std::string& text, ImportOptions options = {},
                           const std::string& name = "a.jsonl") {
  const ImportFolder folder;
  if (options.format.empty() && name.ends_with(".jsonl")) options.format = "jsonl";
  return run(folder.file(name, text), options);
}

std::unique_ptr<Read> mapped(const std::string& text, const std::string& mapping, ImportOptions options = {},
                             const std::string& mapping_name = "map.json") {
  const ImportFolder folder;
  options.map = folder.file(mapping_name, mapping);
  return run(folder.file("a.jsonl", text), options);
}

std::string failure(const Read& read, Code code = Code::kData) {
  REQUIRE_FALSE(read.ok);
  CHECK(read.error.code == code);
  CHECK(read.box.tasks.empty());
  return read.error.text;
}

}  // namespace

TEST_CASE("the usual names need no mapping") {
  const auto read =
      rows(R"({"id": 1, "prompt": "p", "output": "o", "target": ["a", "b"], "score": 0.5, "cluster": "c"}
{"uid": "2", "question": "q", "prediction": "", "reference": "r", "score": 1, "extra": {"x": [1]}}
)");
  REQUIRE(read->ok);
  CHECK(read->summary.rows == 2);
  CHECK(read->box.runs.front().model == "unknown");
  CHECK(read->box.runs.front().format == "jsonl");
  const ImportedRow& first = read->row("1");
  CHECK(first.input == "p");
  CHECK(first.targets == std::vector<std::string>{"a", "b"});
  CHECK(first.group == "c");
  CHECK(first.exchanges.front().prompt == "p");
  CHECK(first.exchanges.front().texts == std::vector<std::string>{"o"});
  CHECK(first.state == ASSAY_STATE_OK);
  CHECK(first.scores == std::vector<double>{0.5});
  const ImportedRow& second = read->row("2");
  CHECK(second.state == ASSAY_STATE_EMPTY);
  CHECK(second.targets == std::vector<std::string>{"r"});
  CHECK(second.fields == std::vector<std::pair<std::string, std::string>>{{"extra", R"({"x":[1]})"}});
  REQUIRE(read->task().info.values.size() == 1);
  CHECK(read->task().info.values[0].metric == "score");
  CHECK_FALSE(read->task().info.values[0].proportion);
  CHECK(read->task().info.name == "a");
}

TEST_CASE("a column is a proportion only when every number of the whole file is 0 or 1") {
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    text += "{\"id\": " + std::to_string(i) + ", \"acc\": " + (i % 2 == 0 ? "true" : "0") +
            ", \"score\": " + (i == 2999 ? "0.25" : "1.0") + "}\n";
  }
  const auto read = rows(text);
  REQUIRE(read->ok);
  const int acc = read->task().column("acc"), score = read->task().column("score");
  REQUIRE((acc >= 0 && score >= 0));
  CHECK(read->task().info.values[static_cast<std::size_t>(acc)].proportion);
  CHECK_FALSE(read->task().info.values[static_cast<std::size_t>(score)].proportion);
  CHECK(read->row("0").exchanges.empty());
  CHECK(read->row("0").state == ASSAY_STATE_OK);
}

TEST_CASE("texts under a usual name of a metric are no scores, and are kept") {
  const auto read = rows(
      "{\"id\": 1, \"output\": \"x\", \"correct\": \"B\"}\n{\"id\": 2, \"output\": \"y\", \"correct\": 1}\n");
  REQUIRE(read->ok);
  CHECK(read->task().info.values.empty());
  CHECK(read->row("1").fields == std::vector<std::pair<std::string, std::string>>{{"correct", "B"}});
}

TEST_CASE("scores: booleans, null, NaN, infinities, texts of numbers") {
  const auto read = mapped(R"({"id": 1, "m": true}
{"id": 2, "m": null}
{"id": 3, "m": NaN}
{"id": 4, "m": -Infinity}
{"id": 5, "m": "0.5"}
{"id": 6}
{"id": 7, "m": 1e999}
)",
                           R"({"id": "id", "metric:em": "m"})");
  REQUIRE(read->ok);
  const auto score = [&](const char* id) { return read->row(id).scores.at(0); };
  CHECK(score("1") == 1);
  CHECK(score("5") == 0.5);
  for (const char* const id : {"2", "3", "4", "6", "7"}) CHECK(std::isnan(score(id)));
  for (const char* const id : {"3", "4", "7"}) CHECK(read->row(id).non_finite);
  for (const char* const id : {"1", "2", "5", "6"}) CHECK_FALSE(read->row(id).non_finite);
  CHECK(read->row("2").state == kMissing);
}

TEST_CASE("states follow from error and text; a stated state wins") {
  const auto read = mapped(R"({"id": 1, "o": "x"}
{"id": 2, "o": ""}
{"id": 3, "o": null}
{"id": 4}
{"id": 5, "o": null, "e": "timeout"}
{"id": 6, "o": "x", "e": {"code": 7}}
{"id": 7, "o": "x", "e": false}
{"id": 8, "o": "x", "s": "truncated"}
{"id": 9, "o": null, "e": "too slow", "s": "timeout"}
{"id": 10, "s": "missing"}
)",
                           R"({"id": "id", "output": "o", "error": "e", "state": "s"})");
  REQUIRE(read->ok);
  const auto state = [&](const char* id) { return read->row(id).state; };
  CHECK(state("1") == ASSAY_STATE_OK);
  CHECK(state("2") == ASSAY_STATE_EMPTY);
  CHECK(state("3") == ASSAY_STATE_EMPTY);
  CHECK(state("4") == ASSAY_STATE_EMPTY);
  CHECK(state("5") == ASSAY_STATE_ERROR);
  CHECK(read->row("5").message == "timeout");
  CHECK(state("6") == ASSAY_STATE_ERROR);
  CHECK(read->row("6").exchanges.front().error == R"({"code":7})");
  CHECK(read->row("6").exchanges.front().texts == std::vector<std::string>{"x"});
  CHECK(state("7") == ASSAY_STATE_OK);
  CHECK(state("8") == ASSAY_STATE_TRUNCATED);
  CHECK(read->row("8").exchanges.front().finish == ASSAY_FINISH_LENGTH);
  CHECK(state("9") == ASSAY_STATE_TIMEOUT);
  CHECK(state("10") == kMissing);
  CHECK(failure(*mapped("{\"id\": 1, \"s\": \"fine\"}\n", R"({"id": "id", "state": "s"})"))
            .find("unknown state") != std::string::npos);
}

TEST_CASE("one bad line ends the import, with its place, unless bad lines are skipped") {
  const std::string text =
      "\xEF\xBB\xBF{\"id\": 1, \"output\": \"a\"}\r\n"
      "\r\n"
      "{\"id\": \"1\", \"output\": \"again\"}\r\n"
      "{\"output\": \"no id\"}\n"
      "{\"id\": 3, \"output\": \"bad \xC3(\"}\n"
      "[1, 2]\n"
      "{\"id\": 4, \"output\": \"b\"} x\n"
      "{\"id\": 5, \"output\": \"b\"}\n"
      "{\"id\": 6, \"output\": \"c";
  const auto strict = rows(text);
  CHECK(failure(*strict).starts_with("a.jsonl:3: duplicate id 1"));
  CHECK(strict->error.text.find("--skip-bad-lines") != std::string::npos);
  ImportOptions options;
  options.skip_bad_lines = true;
  const auto read = rows(text, options);
  REQUIRE(read->ok);
  CHECK(read->summary.rows == 2);
  CHECK(read->summary.rejected == 6);
  REQUIRE(read->summary.rejections.size() == 6);
  const char* const wanted[] = {"a.jsonl:3: duplicate id 1",           "a.jsonl:4: missing id",
                                "a.jsonl:5: invalid UTF-8 at byte 25", "a.jsonl:6: expected an object",
                                "a.jsonl:7: trailing garbage",         "a.jsonl:9: truncated JSON"};
  for (std::size_t i = 0; i < 6; ++i) {
    CAPTURE(read->summary.rejections[i]);
    CHECK(read->summary.rejections[i].starts_with(wanted[i]));
  }
  CHECK(read->row("1").exchanges.front().texts.front() == "a");
  CHECK(read->row("5").exchanges.front().texts.front() == "b");
}

TEST_CASE("ids: numbers and texts are one, large numbers keep their digits, lines can be numbered") {
  const auto read =
      rows("{\"id\": 9007199254740993}\n{\"id\": 123456789012345678901}\n{\"id\": \"x\\u0000y\"}\n");
  REQUIRE(read->ok);
  CHECK(read->task().rows[0].id == "9007199254740993");
  CHECK(read->task().rows[1].id == "123456789012345678901");
  CHECK(read->task().rows[2].id == std::string("x\0y", 3));
  ImportOptions options;
  options.number_lines = true;
  const auto numbered = rows("{\"output\": \"a\"}\n\n{\"output\": \"b\"}\n", options);
  REQUIRE(numbered->ok);
  CHECK(numbered->row("3").exchanges.front().texts.front() == "b");
}

TEST_CASE("repeats of an id are rows of their own") {
  const auto read =
      mapped("{\"id\": 1, \"r\": 0}\n{\"id\": 1, \"r\": 2}\n", R"({"id": "id", "repeat": "r"})");
  REQUIRE(read->ok);
  CHECK(read->task().info.repeats == 3);
  CHECK(read->row("1", 2).source_repeat == 2);
  CHECK(failure(*mapped("{\"id\": 1, \"r\": -1}\n", R"({"id": "id", "repeat": "r"})")).find("repeat") !=
        std::string::npos);
}

TEST_CASE("duplicate keys and lone surrogates are warnings, on the fast way too") {
  const auto read = mapped(
      "{\"id\": 1, \"o\": \"a\", \"o\": \"b\"}\n{\"id\": 2, \"o\": \"\\ud800\"}\n{\"id\": 3, \"m\": {\"o\": "
      "1, \"o\": 2}}\n",
      R"({"id": "id", "output": "o", "metric:m": "/m/o"})");
  REQUIRE(read->ok);
  CHECK(read->box.warned("W_JSON") == 3);
  CHECK(read->row("1").exchanges.front().texts.front() == "b");
  CHECK(read->row("2").exchanges.front().texts.front() == "\xEF\xBF\xBD");
  CHECK(read->row("3").scores.at(0) == 2);
}

TEST_CASE("pointers, tokens, time, log-probabilities, model") {
  const auto read = mapped(
      R"({"meta": {"a/b": [{"id": "x"}]}, "o": ["t0", "t1"], "in": 3, "out": 4, "ms": 250, "lp": [-1, null, -0.5], "who": "m1"}
{"meta": {"a/b": [{"id": "y"}]}, "o": "t", "who": "m2"}
)",
      "id = \"/meta/a~1b/0/id\"\noutput = \"o\"\nprompt_tokens = \"in\"\ncompletion_tokens = \"out\"\n"
      "latency_ms = \"ms\"\nlogprobs = \"lp\"\nmodel = \"who\"\n",
      {}, "map.toml");
  REQUIRE(read->ok);
  CHECK(read->box.runs.front().model == "m1");
  REQUIRE(read->box.tasks.size() == 2);  // an evaluation for each model
  CHECK(read->box.tasks[0].info.model == "m1");
  CHECK(read->box.tasks[1].info.model == "m2");
  CHECK(read->box.tasks[1].info.name == read->box.tasks[0].info.name);
  REQUIRE(read->box.tasks[1].row("y") != nullptr);
  const ImportedExchange& answer = read->box.tasks[0].rows.front().exchanges.front();
  CHECK(answer.texts == std::vector<std::string>{"t0", "t1"});
  CHECK(answer.tokens_in == 3);
  CHECK(answer.tokens_out == 4);
  CHECK(answer.seconds == 0.25);
  REQUIRE(answer.token_logprobs.size() == 3);
  CHECK(answer.token_logprobs[0] == -1);
  CHECK(std::isnan(answer.token_logprobs[1]));
  CHECK(answer.model.empty());
}

TEST_CASE("tasks and models of one file come apart, whatever the order of the rows") {
  std::string text;
  std::mt19937 random(3);
  constexpr int kRows = 3000;
  std::vector<std::vector<int>> wanted(6);
  for (int i = 0; i < kRows; ++i) {
    const int task = static_cast<int>(random() % 3), model = static_cast<int>(random() % 2);
    wanted[static_cast<std::size_t>(2 * task + model)].push_back(i);
    // Blocks beyond the buffer of the file, so that going back reads the file again.
    const std::string filler(i % 50 == 0 ? 60'000 : 10, 'x');
    text += "{\"id\": " + std::to_string(i / 2) + ", \"r\": " + std::to_string(i % 2) + ", \"o\": \"" +
            std::to_string(i) + filler + "\", \"t\": \"task" + std::to_string(task) +
            "\", \"m\": " + (model == 0 ? "\"a\"" : "\"b\"") + (task == 2 ? ", \"s\": 0.5" : "") + "}\n";
    if (i % 100 == 7) text += "broken\n";
  }
  ImportOptions options;
  options.skip_bad_lines = true;
  const auto read = mapped(
      text, R"({"id": "id", "repeat": "r", "output": "o", "task": "t", "model": "m", "metric:s": "s"})",
      options);
  REQUIRE(read->ok);
  CHECK(read->summary.rows == kRows);
  CHECK(read->summary.rejected == kRows / 100);
  REQUIRE(read->box.tasks.size() == 6);
  for (const auto& task : read->box.tasks) {
    const int t = task.info.name.back() - '0', m = task.info.model == "a" ? 0 : 1;
    const auto& rows = wanted[static_cast<std::size_t>(2 * t + m)];
    REQUIRE(task.rows.size() == rows.size());
    CHECK(task.info.values.size() == (t == 2 ? 1 : 0));  // only the columns that the task has
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string n = std::to_string(rows[i]);
      if (!task.rows[i].exchanges.front().texts.front().starts_with(n + "x")) ++wrong;
      if (task.rows[i].id != std::to_string(rows[i] / 2)) ++wrong;
    }
    CHECK(wrong == 0);
  }
  for (std::size_t i = 1; i < 6; ++i)  // the models of a task follow each other
    CHECK((read->box.tasks[i].info.name == read->box.tasks[i - 1].info.name) == (i % 2 == 1));
}

TEST_CASE("rows without a model belong to the only one that is named, or to --model") {
  const std::string mapping = R"({"id": "id", "model": "m", "output": "o"})";
  const auto one = mapped("{\"id\": 1, \"o\": \"x\"}\n{\"id\": 2, \"o\": \"y\", \"m\": \"a\"}\n", mapping);
  REQUIRE(one->ok);
  CHECK(one->task().info.model == "a");
  CHECK(one->task().rows.at(0).id == "1");
  const auto met = mapped("{\"id\": 1, \"m\": \"a\"}\n{\"id\": 1}\n", mapping);
  CHECK(met->error.text.find("a.jsonl:2: duplicate id 1") != std::string::npos);
  ImportOptions options;
  options.skip_bad_lines = true;
  const auto first = mapped("{\"id\": 1, \"m\": \"a\"}\n{\"id\": 1}\n", mapping, options);
  REQUIRE(first->ok);
  CHECK(first->summary.rows == 1);
  CHECK(first->summary.rejected == 1);
  options.skip_bad_lines = false;
  options.model = "given";
  const auto two =
      mapped("{\"id\": 1, \"m\": \"a\"}\n{\"id\": 1, \"m\": \"b\"}\n{\"id\": 1}\n{\"id\": 1, \"m\": \"a\"}\n",
             mapping, options);
  CHECK(failure(*two).find("a.jsonl:4: duplicate id 1") != std::string::npos);
  const auto three =
      mapped("{\"id\": 1, \"m\": \"a\"}\n{\"id\": 1, \"m\": \"b\"}\n{\"id\": 1}\n", mapping, options);
  REQUIRE(three->ok);
  REQUIRE(three->box.tasks.size() == 3);
  CHECK(three->box.tasks[2].info.model == "given");
}

TEST_CASE("the fields of an exported row are known by their names") {
  const std::string row =
      R"({"task":"qa","model":"m","id":"1","variant":"v","group":"g","label":1,"repeat":2,"state":"unparsed",)"
      R"("error":null,"message":"why","input":"q","target":["a","b"],"output":"x","output:second":["y","z"],)"
      R"("prompt_tokens":3,"completion_tokens":4,"latency_ms":7.25,"cached":true,"metric:em":null,)"
      R"("state:em":"unparsed","note:em":"note","metric:f1":0.5,"metric:late":null,"state:late":"not_scored"})"
      "\n";
  const auto read = rows(row);
  REQUIRE(read->ok);
  CHECK(read->task().info.name == "qa");
  CHECK(read->task().info.model == "m");
  CHECK(read->task().info.repeats == 3);
  const ImportedRow* const one = read->task().row("1", 2, "v");
  REQUIRE(one != nullptr);
  CHECK(one->group == "g");
  CHECK(one->label == 1);
  CHECK(one->state == ASSAY_STATE_UNPARSED);
  CHECK(one->message == "why");
  CHECK(one->targets == std::vector<std::string>{"a", "b"});
  CHECK(one->fields.empty());
  REQUIRE(one->exchanges.size() == 2);
  CHECK(one->exchanges[0].texts == std::vector<std::string>{"x"});
  CHECK(one->exchanges[0].cached);
  CHECK(one->exchanges[0].tokens_out == 4);
  CHECK(one->exchanges[1].name == "second");
  CHECK(one->exchanges[1].texts == std::vector<std::string>{"y", "z"});
  const auto column = [&](const char* metric) {
    const int at = read->task().column(metric);
    REQUIRE(at >= 0);
    return static_cast<std::size_t>(at);
  };
  CHECK(one->score_states[column("em")] == ASSAY_STATE_UNPARSED);
  CHECK(one->notes[column("em")] == "note");
  CHECK(one->scores[column("f1")] == 0.5);
  CHECK(one->score_states[column("f1")] == kUnstated);
  CHECK(one->score_states[column("late")] == kMissing);
  // A file of somebody else in which one of these fields is absent: "label" is a target there.
  const auto other = rows(R"({"id": 1, "task": "t", "label": "yes", "output": "x", "metric:em": 1})"
                          "\n");
  REQUIRE(other->ok);
  CHECK(other->task().info.name == "a");
  CHECK(other->row("1").targets == std::vector<std::string>{"yes"});
  CHECK(other->task().info.values.empty());
  // What has a stated meaning must have its form.
  std::string wrong = row;
  wrong.replace(wrong.find("\"label\":1"), 9, "\"label\":2");
  CHECK(failure(*rows(wrong)).find("the label must be 0, 1 or null, found 2") != std::string::npos);
}

TEST_CASE("mapping files are read strictly") {
  const auto why = [](const std::string& mapping, const std::string& name = "map.json") {
    return failure(*mapped("{\"id\": 1}\n", mapping, {}, name), Code::kInvalidArgument);
  };
  CHECK(why(R"({"id": "id", "outptu": "o"})").find("did you mean 'output'") != std::string::npos);
  CHECK(why(R"({"id": 7})").find("name of a field") != std::string::npos);
  CHECK(why(R"({"id": "/a~2"})").find("JSON pointer") != std::string::npos);
  CHECK(why(R"({"output": "o"})").find("--number-lines") != std::string::npos);
  CHECK(why("[1]").find("expected an object") != std::string::npos);
  CHECK(why("{").find("truncated") != std::string::npos);
  CHECK(why("id = \n", "map.toml").starts_with("map.toml:1"));
  const auto absent = mapped("{\"id\": 1}\n", R"({"id": "id", "metric:em": "emm"})");
  REQUIRE(absent->ok);
  CHECK(absent->box.warned("W_MAPPING") == 1);
  CHECK(failure(*mapped("{\"id\": 1, \"m\": \"high\"}\n", R"({"id": "id", "metric:em": "m"})"))
            .find("metric 'em'") != std::string::npos);
}

TEST_CASE("tables: quotes, line breaks, CRLF, byte-order mark, empty cells") {
  const auto read = rows(
      "\xEF\xBB\xBFid,prompt,output,score\r\n"
      "1,\"a, \"\"b\"\"\r\nc\",x,1\r\n"
      "\r\n"
      "2,,,\r\n"
      "3,p,\"\",nan",
      {}, "t.csv");
  REQUIRE(read->ok);
  CHECK(read->summary.format == "csv");
  CHECK(read->row("1").input == "a, \"b\"\r\nc");
  CHECK(read->row("1").scores.at(0) == 1);
  CHECK(read->row("2").state == ASSAY_STATE_EMPTY);
  CHECK(std::isnan(read->row("2").scores.at(0)));
  CHECK_FALSE(read->row("2").non_finite);
  CHECK(read->row("3").non_finite);
  const auto tabs = rows("id\toutput\tlogprobs\n1\ta,b\t[-1, -2]\n", {}, "t.tsv");
  REQUIRE(tabs->ok);
  CHECK(tabs->row("1").exchanges.front().texts.front() == "a,b");
  CHECK(tabs->row("1").exchanges.front().token_logprobs == std::vector<double>{-1, -2});
}

TEST_CASE("tables: bad rows are named by the line they begin on") {
  ImportOptions options;
  options.skip_bad_lines = true;
  const auto read =
      rows("id,output\n1,a\n2,a,b\n3,\"x\ny\"z\n4,\xFF\n5,ok\n6,\"open\n7,lost\n", options, "t.csv");
  REQUIRE(read->ok);
  CHECK(read->summary.rows == 2);
  REQUIRE(read->summary.rejections.size() == 4);
  CHECK(read->summary.rejections[0].starts_with("t.csv:3: 3 fields, but the header has 2"));
  CHECK(read->summary.rejections[1].starts_with("t.csv:4: text after the closing quote"));
  CHECK(read->summary.rejections[2].starts_with("t.csv:6: invalid UTF-8 at byte 2"));
  CHECK(read->summary.rejections[3].starts_with("t.csv:8: truncated"));
  CHECK(failure(*rows("id,id\n1,2\n", {}, "t.csv")).find("twice") != std::string::npos);
  CHECK(failure(*rows("", {}, "t.csv")).find("no header") != std::string::npos);
}

TEST_CASE("lines longer than the buffer are whole, nested ones are bounded") {
  const std::string large(5'000'000, 'x');
  const auto read = rows("{\"id\": 1, \"output\": \"" + large + "\"}\n{\"id\": 2, \"output\": \"" +
                         large.substr(0, 1'500'000) + "\"}\n");
  REQUIRE(read->ok);
  CHECK(read->row("1").exchanges.front().texts.front() == large);
  CHECK(read->row("2").exchanges.front().texts.front().size() == 1'500'000);
  const auto nest = [](std::size_t n) {
    return "{\"id\": 1, \"x\": " + std::string(n, '[') + std::string(n, ']') + "}\n";
  };
  CHECK(rows(nest(500))->ok);
  CHECK(failure(*rows(nest(2000))).find("nesting above 512") != std::string::npos);
}

TEST_CASE("every cut and every flipped byte of a file ends in rows or a sentence") {
  const std::string text =
      "{\"id\": 1, \"prompt\": \"雪\", \"output\": \"a\", \"score\": 0.5}\n"
      "{\"id\": 2, \"output\": null, \"error\": \"e\", \"score\": NaN, \"target\": [1, \"b\"]}\n";
  const std::string table = "id,output,score\n1,\"a\n\"\"b\",1\n2,雪,0.5\n";
  std::mt19937 random(11);
  for (const auto& [source, name] : {std::pair{text, "a.jsonl"}, std::pair{table, "a.csv"}}) {
    for (std::size_t n = 0; n <= source.size(); ++n) {
      const auto read = rows(source.substr(0, n), {}, name);
      if (!read->ok) REQUIRE_FALSE(read->error.text.empty());
    }
    for (int i = 0; i < 400; ++i) {
      std::string damaged = source;
      damaged[random() % damaged.size()] = static_cast<char>(random() & 0xFF);
      const auto read = rows(damaged, {}, name);
      if (!read->ok) REQUIRE_FALSE(read->error.text.empty());
    }
  }
}

TEST_CASE("the format is found by ending and content") {
  const ImportFolder folder;
  const auto format = [&](const std::string& name, const std::string& text) {
    const auto found = detect_format(folder.file(name, text));
    return found ? *found : "?" + found.error().text;
  };
  CHECK(format("a.csv", "x") == "csv");
  CHECK(format("a.jsonl", "\n{\"id\": 1}\n") == "jsonl");
  CHECK(format("b.jsonl", "{\"doc_id\": 1, \"resps\": []}\n") == "lm-eval");
  CHECK(format("c.jsonl", "{\"id\": \"x\", \"custom_id\": \"1\", \"response\": null}\n") == "batch");
  CHECK(format("d.json", "\xEF\xBB\xBF{\"results\": {\"eval\": {\"acc\": 1}}, \"versions\": {}}") ==
        "lm-eval");
  CHECK(
      format("e.json", R"({"version": 2, "status": "success", "eval": {"run_id": "x\"y"}, "results": {}})") ==
      "inspect");
  CHECK(format("f.bin", "PK\x03\x04rest") == "inspect");
  CHECK(format("g.json", R"({"other": {"results": 1}})").find("--as lm-eval|inspect|helm|jsonl|csv|batch") !=
        std::string::npos);
  CHECK(format("stats.json", "[]").find("HELM") != std::string::npos);
  CHECK(format("run/run_spec.json", "{}").starts_with("?"));
  CHECK(*detect_format(folder.path / "run") == "helm");
  folder.file("out/model/results_2026-01-01T00-00-00.json", "{}");
  CHECK(*detect_format(folder.path / "out") == "lm-eval");
  std::filesystem::create_directory(folder.path / "empty");
  CHECK(detect_format(folder.path / "empty").error().code == Code::kInvalidArgument);
  CHECK(detect_format(folder.path / "absent").error().code == Code::kNotFound);
  ImportBox box;
  CHECK(read(folder.path / "absent", {}, box).error().code == Code::kNotFound);
  ImportOptions options;
  options.format = "json";
  CHECK(read(folder.path / "a.csv", options, box).error().text.find("did you mean 'jsonl'") !=
        std::string::npos);
}

TEST_CASE("the source's hash is over all of its bytes, in the order of names") {
  const ImportFolder folder;
  const std::string text = "{\"id\": 1}\n";
  const auto file = folder.file("x.jsonl", text);
  CHECK(run(file)->summary.source_sha256 == host::sha256_hex(text));
  CHECK(run(file)->summary.source_name == "x.jsonl");
  const std::string samples =
      R"({"doc_id": 0, "doc": {}, "target": "1", "resps": [["x"]], "filter": "none", "acc": 1.0})"
      "\n";
  folder.file("run/samples_b_2026-01-01T00-00-00.0.jsonl", samples);
  folder.file("run/samples_a_2026-01-01T00-00-00.0.jsonl", "\n" + samples);
  const auto both = run(folder.path / "run/");
  REQUIRE(both->ok);
  CHECK(both->summary.source_name == "run");
  CHECK(both->summary.source_sha256 == host::sha256_hex("\n" + samples + samples));
}
