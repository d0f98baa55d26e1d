// TruthfulQA without data: traps of the two file forms, what is asked of a model, ties and missing scores.
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <fstream>

#include "plugins/metrics/truthfulqa/truthfulqa_metrics.hpp"
#include "plugins/tasks/truthfulqa_mc/csv.hpp"
#include "plugins/tasks/truthfulqa_mc/truthfulqa_mc.hpp"
#include "tests/support/plugin_params.hpp"
#include "tests/support/record_box.hpp"

using namespace assay;              // NOLINT: a test
using namespace assay::truthfulqa;  // NOLINT
using Catch::Matchers::ContainsSubstring;
using test::RecordBox;

namespace {

std::string file(std::string_view content, const char* name) {
  const auto folder = std::filesystem::temp_directory_path() / ("assay_tqa_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto path = folder / name;
  std::ofstream(path, std::ios::binary) << content;
  return path.string();
}

}  // namespace

TEST_CASE("truthfulqa: a JSON text that is true and false keeps its place and takes the last label") {
  const std::string path = file(R"([{"question":"q?","mc1_targets":{"b":0,"a":1},)"
                                R"("mc2_targets":{"Unknown.":1,"x":1,"y":0,"Unknown.":0,"":0,"  ":1}}])",
                                "dup.json");
  const auto kept = read_questions(path, Format::kAuto, true);
  REQUIRE(kept.ok());
  const auto& mc2 = kept->list[0].mc2;
  REQUIRE(mc2.size() == 5);
  CHECK(mc2[0].text == "Unknown.");
  CHECK_FALSE(mc2[0].truth);
  CHECK(kept->empty_mc2 == 2);
  const auto dropped = read_questions(path, Format::kAuto, false);
  REQUIRE(dropped.ok());
  CHECK(dropped->list[0].mc2.size() == 3);
  CHECK(dropped->empty_mc2 == 2);
}

TEST_CASE("truthfulqa: rows that cannot be used are reported with their line, not guessed") {
  const std::string path = file(
      "{\"question\":\"ok?\",\"mc1_targets\":{\"a\":1,\"b\":0},\"mc2_targets\":{\"a\":1,\"b\":0}}\n"
      "{\"question\":\"two true\",\"mc1_targets\":{\"a\":1,\"b\":1},\"mc2_targets\":{\"a\":1}}\n"
      "{\"question\":\"label\",\"mc1_targets\":{\"a\":2},\"mc2_targets\":{\"a\":1}}\n"
      "not json\n"
      "{\"mc1_targets\":{}}\n",
      "rows.jsonl");
  const auto read = read_questions(path, Format::kJson, false);
  REQUIRE(read.ok());
  CHECK(read->list.size() == 1);
  REQUIRE(read->problems.size() == 4);
  CHECK_THAT(read->problems[0], ContainsSubstring(":2: ") && ContainsSubstring("exactly one true"));
  CHECK_THAT(read->problems[2], ContainsSubstring(":4: "));
  const auto none = read_questions(file("[]", "empty.json"), Format::kAuto, false);
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().code == Code::kData);
}

TEST_CASE("truthfulqa: tables with quotes, line breaks, CRLF and a byte order mark") {
  const std::string path = file(
      "\xEF\xBB\xBFType,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\r\n"
      "A,Law,\"What,\r\nthen \"\"so\"\"?\",Yes,\"Yes; No way. ;; \",\"No; Never?\",s\r\n"
      "A,Law,short row\r\n",
      "t.csv");
  const auto read = read_questions(path, Format::kAuto, false);
  REQUIRE(read.ok());
  REQUIRE(read->list.size() == 1);
  const Question& q = read->list[0];
  CHECK(q.question == "What,\r\nthen \"so\"?");
  CHECK(q.category == "Law");
  REQUIRE(q.mc2.size() == 4);
  CHECK(q.mc2[1].text == "No way.");
  CHECK(q.mc2[3].text == "Never?.");
  REQUIRE(q.mc1.size() == 3);
  CHECK(q.mc1[0].text == "Yes.");
  CHECK_FALSE(read->has_pairs);
  REQUIRE(read->problems.size() == 1);
  CHECK_THAT(read->problems[0], ContainsSubstring(":4: "));
  CHECK_THAT(read_csv_rows("a,\"b\nc").error().text, ContainsSubstring("line 1"));
  CHECK_THAT(read_csv_rows("a,\"b\"c").error().text, ContainsSubstring("closing quote"));
}

TEST_CASE("truthfulqa: the prompt, the continuation and the labels of the requests") {
  const std::string data = file(
      R"([{"question":"q?","mc0_targets":{"a":1,"b":0},"mc1_targets":{"b":0,"a":1},"mc2_targets":{"a":1,"b":0}}])",
      "p.json");
  const std::string primer = file("Q: x\nA: y.\n", "primer.txt");
  TruthfulQaMc task;
  test::give(task, "data", data);
  CHECK_FALSE(task.configure().ok());  // the prompt qa needs its primer
  test::give(task, "primer", primer);
  test::ready(task);
  test::Arena arena;
  Call call = arena.call();
  REQUIRE(task.open(call).ok());
  assay_item item{};
  ItemWriter writer(item, arena.call());
  REQUIRE(task.item(0, writer).ok());
  writer.finish();
  CHECK(view(item.id) == "q0");
  REQUIRE(item.request_count == 6);
  CHECK(view(item.requests[0].prompt) == "Q: x\nA: y.\n\nQ: q?\nA:");
  CHECK(view(item.requests[0].name) == "mc1/0");
  CHECK(view(item.requests[0].continuation) == " b");
  CHECK(item.requests[0].label == 0);
  CHECK(item.requests[1].label == 1);
  CHECK(view(item.requests[5].name) == "mc0/1");
  CHECK(item.requests[5].label == 0);
}

TEST_CASE("truthfulqa: ties lose in mc1, the first of equals wins in mc1_argmax") {
  Mc1 strict, argmax;
  test::give(argmax, "variant", "mc1_argmax");
  RecordBox tie;
  tie.scored("mc1/0", " a", 1, -3).scored("mc1/1", " b", 0, -3);
  CHECK(tie.score(strict, 1).values[0] == 0);
  CHECK(tie.score(argmax, 1).values[0] == 1);
  RecordBox late;
  late.scored("mc1/0", " b", 0, -3).scored("mc1/1", " a", 1, -3);
  CHECK(late.score(argmax, 1).values[0] == 0);
}

TEST_CASE("truthfulqa: the two splits of mc2 differ where lists are not sorted") {
  Mc2 by_label, first_zero;
  test::give(first_zero, "split", "first_zero");
  RecordBox box;
  box.scored("mc2/0", " a", 1, std::log(0.2))
      .scored("mc2/1", " b", 0, std::log(0.3))
      .scored("mc2/2", " c", 1, std::log(0.5));
  CHECK(std::abs(box.score(by_label, 3).values[0] - 0.7) < 1e-15);
  CHECK(std::abs(box.score(first_zero, 3).values[0] - 0.2) < 1e-15);
  CHECK(std::abs(box.score(by_label, 3).values[2] - std::log(0.5 / 0.3)) < 1e-15);
}

TEST_CASE("truthfulqa: a candidate without a score leaves the item without a value, an empty one counts 0") {
  Mc1 metric;
  RecordBox missing;
  missing.scored("mc1/0", " a", 1, -3).scored("mc1/1", " b", 0, kMissing);
  const auto unscored = missing.score(metric, 1);
  CHECK(unscored.outcome.state == State::kUnparsed);
  CHECK(std::isnan(unscored.values[0]));
  CHECK_THAT(unscored.outcome.note, ContainsSubstring("mc1/1"));
  RecordBox blank;
  blank.scored("mc1/0", " a", 1, -3).scored("mc1/1", " ", 0, kMissing);
  CHECK(blank.score(metric, 1).values[0] == 0);
  RecordBox nothing;
  nothing.scored("other", " a", 1, -3);
  CHECK(nothing.score(metric, 1).outcome.state == State::kUnsupported);
}

TEST_CASE("truthfulqa: underflow is undefined for naive sums, not for the log domain") {
  Mc2 lse, naive, dola;
  test::give(naive, "variant", "naive");
  test::give(dola, "variant", "dola");
  RecordBox box;
  box.scored("mc2/0", " a", 1, -2000).scored("mc2/1", " b", 0, -2000);
  CHECK(box.score(lse, 3).values[0] == 0.5);
  const auto undefined = box.score(naive, 3);
  CHECK(undefined.outcome.state == State::kUnparsed);
  CHECK(std::isnan(undefined.values[0]));
  CHECK(box.score(dola, 3).values[0] == 0.5);
}

TEST_CASE("truthfulqa: surface rules share the point among equals") {
  Length length;
  Negation negation;
  Uniform uniform;
  RecordBox box;
  box.scored("mc1/0", " \xC3\xA9\xC3\xA9\xC3\xA9", 0, -1)
      .scored("mc1/1", " It isn\xE2\x80\x99t", 1, -1)
      .scored("mc1/2", " nobody x", 0, -1);
  CHECK(box.score(length, 2).values[0] == 0.5);
  CHECK(box.score(negation, 2).values[0] == 0.5);
  CHECK(std::isnan(box.score(length, 2).values[1]));
  CHECK(box.score(uniform, 2).values[0] == 1.0 / 3.0);
  CHECK(has_negation("They do not"));
  CHECK_FALSE(has_negation("Nottingham, knots"));
}
