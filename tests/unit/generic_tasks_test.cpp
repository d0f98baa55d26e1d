// Tasks over files of JSON rows: kept rows, reported rows, requests.
#include <zlib.h>

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "jsonl_task.hpp"
#include "labelled_texts.hpp"
#include "recorded_scores.hpp"
#include "tests/unit/generic_fakes.hpp"
#include "text_pairs.hpp"

using namespace assay;
using jsonl::JsonlTask;

namespace {

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(bytes.size() + 128, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::vector<std::string> prompts_of(const std::string& file) {
  JsonlTask task;
  test::set(task, "data", file);
  test::OpenTask opened;
  REQUIRE(task.configure().ok());
  REQUIRE(opened.open(task).ok());
  std::vector<std::string> prompts;
  for (std::int64_t i = 0; i < task.count(); ++i) {
    const auto item = opened.item(task, static_cast<std::uint64_t>(i));
    REQUIRE(item.ok());
    prompts.emplace_back(view(item->requests[0].prompt));
  }
  return prompts;
}

const std::string kTwoRows = R"({"prompt":"one","target":"1"})"
                             "\n"
                             R"({"prompt":"two","target":["2","II"]})"
                             "\n";

}  // namespace

TEST_CASE("rows come from lines, arrays and gzip, with and without a byte order mark", "[generic][jsonl]") {
  const test::Scratch scratch;
  const std::vector<std::string> expected = {"one", "two"};
  CHECK(prompts_of(scratch.write("a.jsonl", kTwoRows)) == expected);
  CHECK(prompts_of(scratch.write("b.jsonl", "\xEF\xBB\xBF" + kTwoRows)) == expected);
  CHECK(prompts_of(scratch.write("c.jsonl.gz", gzip(kTwoRows))) == expected);
  CHECK(prompts_of(scratch.write("d.jsonl.gz", gzip(kTwoRows.substr(0, 30)) + gzip(kTwoRows.substr(30)))) ==
        expected);
  CHECK(prompts_of(scratch.write("e.json", R"([ {"prompt":"one","target":"1, ] \" }"},
      {"prompt":"two","target":["2"]} ])")) == expected);
  CHECK(prompts_of(scratch.write("f.jsonl", "\r\n" + kTwoRows.substr(0, kTwoRows.size() - 1))) == expected);
}

TEST_CASE("answers are greedy and single unless the parameters say otherwise", "[generic][jsonl]") {
  const test::Scratch scratch;
  const std::string file = scratch.write("a.jsonl", kTwoRows);
  const auto request = [&](const std::vector<std::pair<std::string, double>>& parameters) {
    JsonlTask task;
    test::set(task, "data", file);
    for (const auto& [name, number] : parameters) {
      assay_value value{};
      value.struct_size = sizeof value;
      value.is_set = 1;
      value.number = number;
      value.integer = static_cast<std::int64_t>(number);
      for (ParamBase* param : task.params()) {
        if (param->key() == name) param->accept(value);
      }
    }
    test::OpenTask opened;
    REQUIRE(task.configure().ok());
    REQUIRE(opened.open(task).ok());
    const auto item = opened.item(task, 0);
    REQUIRE(item.ok());
    REQUIRE(item->request_count == 1);
    const assay_request& only = item->requests[0];
    CHECK(only.seed == 0);  // the host fills it in
    CHECK(only.kind == ASSAY_REQUEST_GENERATE);
    return std::tuple(only.temperature, only.top_p, int(only.top_k), int(only.n), int(only.max_tokens));
  };
  CHECK(request({}) == std::tuple(0.0, 1.0, 0, 1, 64));
  CHECK(request({{"temperature", 0.7}}) == std::tuple(0.7, 1.0, 0, 1, 64));
  CHECK(request({{"temperature", 1}, {"top_p", 0.9}, {"top_k", 40}, {"samples", 5}, {"max_tokens", 8}}) ==
        std::tuple(1.0, 0.9, 40, 5, 8));
}

TEST_CASE("the last row may end at the border of a memory page", "[generic][jsonl]") {
  const test::Scratch scratch;
  for (const std::size_t size : {4096U, 8192U}) {
    std::string row = R"({"prompt":"","target":"x"})";
    row.insert(11, size - row.size(), 'y');
    REQUIRE(row.size() == size);
    CHECK(prompts_of(scratch.write("page.jsonl", row))[0].size() == size - 26);
  }
}

TEST_CASE("bad rows are reported with their line and the others are kept", "[generic][jsonl]") {
  const test::Scratch scratch;
  const std::string file =
      scratch.write("bad.jsonl", kTwoRows +
                                     "{\"prompt\":\"cut\n"
                                     "{\"prompt\":\"\xFF\",\"target\":\"x\"}\n"
                                     "[1]\n\n"
                                     "{\"prompt\":\"no target\"}\n"
                                     "{\"prompt\":\"three\",\"target\":3,\"id\":\"mine\"}\n"
                                     "{\"prompt\":\"four\",\"target\":\"4\",\"id\":\"mine\"}\n");
  JsonlTask task;
  test::set(task, "data", file);
  test::OpenTask opened;
  REQUIRE(task.configure().ok());
  REQUIRE(opened.open(task).ok());
  CHECK(task.count() == 3);
  REQUIRE(task.problems().size() == 5);
  CHECK(task.problems()[0].starts_with(file + ":3: "));
  CHECK(task.problems()[1] == file + ":4: the row is not valid UTF-8");
  CHECK(task.problems()[2] == file + ":5: the row is not a JSON object");
  CHECK(task.problems()[3].starts_with(file + ":7: "));
  CHECK(task.problems()[4] == file + ":9: the row repeats the id of line 8 and is left out");
  const auto third = opened.item(task, 2);
  REQUIRE(third.ok());
  CHECK(view(third->id) == "mine");
  CHECK(view(third->targets.items[0]) == "3");
  CHECK(view(opened.item(task, 1)->id) == "1");
}

TEST_CASE("files that cannot be used say why", "[generic][jsonl]") {
  const test::Scratch scratch;
  const auto failure = [](const std::string& file) {
    JsonlTask task;
    test::set(task, "data", file);
    test::OpenTask opened;
    REQUIRE(task.configure().ok());
    const Result<void> result = opened.open(task);
    REQUIRE_FALSE(result.ok());
    return result.error();
  };
  CHECK(failure(scratch.path() / "absent").code == Code::kNotFound);
  CHECK(failure(scratch.path()).code == Code::kData);
  CHECK(failure(scratch.write("empty", "")).code == Code::kData);
  CHECK(failure(scratch.write("blank", "\n \n")).code == Code::kData);
  CHECK(failure(scratch.write("open.json", R"([{"prompt":"a","target":"b"},)")).text.find("not closed") !=
        std::string::npos);
  CHECK(failure(scratch.write("cut.gz", gzip(kTwoRows).substr(0, 40))).text.find("gzip") !=
        std::string::npos);
  CHECK(failure(scratch.write("other.jsonl", "{\"question\":\"a\"}\n")).text.find("fields: question") !=
        std::string::npos);
}

TEST_CASE("a file of nothing but bad rows keeps a bounded list of sentences", "[generic][jsonl]") {
  const test::Scratch scratch;
  std::string bytes = kTwoRows;
  for (int i = 0; i < 5000; ++i) bytes += "{broken\n";
  JsonlTask task;
  test::set(task, "data", scratch.write("broken.jsonl", bytes));
  test::OpenTask opened;
  REQUIRE(task.configure().ok());
  REQUIRE(opened.open(task).ok());
  CHECK(task.count() == 2);
  REQUIRE(task.problems().size() == 1001);
  CHECK(task.problems().back().find("5000 rows in all") != std::string::npos);
}

TEST_CASE("templates fill fields into prompts", "[generic][jsonl]") {
  const auto parts = jsonl::Template::parse("Q: {question} {{x}}\n");
  REQUIRE(parts.ok());
  REQUIRE(parts->parts.size() == 3);
  CHECK(parts->parts[1].text == "question");
  CHECK(parts->parts[2].text == " {x}\n");
  CHECK_FALSE(jsonl::Template::parse("{question").ok());
  CHECK_FALSE(jsonl::Template::parse("{}").ok());
  CHECK_FALSE(jsonl::Template::parse("a } b").ok());

  const test::Scratch scratch;
  JsonlTask task;
  test::set(task, "data",
            scratch.write("q.jsonl", R"({"q":"who","n":7,"answer":"me","doc":"d1","form":"long"})"));
  test::set(task, "template", "{n}. {q}?");
  test::set(task, "target_field", "answer");
  test::set(task, "group_field", "doc");
  test::set(task, "variant_field", "form");
  test::set_list(task, "stop", {"\n", "Q:"});
  test::OpenTask opened;
  REQUIRE(task.configure().ok());
  REQUIRE(opened.open(task).ok());
  const auto item = opened.item(task, 0);
  REQUIRE(item.ok());
  CHECK(view(item->requests[0].prompt) == "7. who?");
  CHECK(view(item->group) == "d1");
  CHECK(view(item->variant) == "long");
  CHECK(item->requests[0].stop.count == 2);
  CHECK(item->requests[0].kind == ASSAY_REQUEST_GENERATE);
}

TEST_CASE("choices are named by number, text or label", "[generic][jsonl]") {
  const test::Scratch scratch;
  const auto truth_of = [&](const std::string& row) {
    JsonlTask task;
    test::set(task, "data", scratch.write("c.jsonl", row));
    test::set(task, "mode", "choice");
    test::OpenTask opened;
    REQUIRE(task.configure().ok());
    if (!opened.open(task)) return -1;
    const auto item = opened.item(task, 0);
    REQUIRE(item.ok());
    int truth = -1;
    for (std::size_t i = 0; i < item->request_count; ++i) {
      const assay_request& request = item->requests[i];
      CHECK(view(request.name) == "choice/" + std::to_string(i));
      CHECK(view(request.continuation).starts_with(' '));
      if (request.label == 1) truth = static_cast<int>(i);
    }
    return truth;
  };
  CHECK(truth_of(R"({"prompt":"p","choices":["a","b","c"],"target":2})") == 2);
  CHECK(truth_of(R"({"prompt":"p","choices":["a","b","c"],"target":"b"})") == 1);
  CHECK(truth_of(R"({"prompt":"p","choices":["2","1","0"],"target":"2"})") == 0);  // the text goes first
  CHECK(truth_of(R"({"prompt":"p","choices":["2","1","0"],"target":2})") == 2);
  CHECK(truth_of(R"({"prompt":"p","choices":["a","b"],"target":"1"})") == 1);
  CHECK(truth_of(R"({"prompt":"p","choices":{"text":["x","y"],"label":["A","B"]},"target":"B"})") == 1);
  CHECK(truth_of(R"({"prompt":"p","choices":["a","b"],"target":7})") == -1);
  CHECK(truth_of(R"({"prompt":"p","choices":["a"],"target":0})") == -1);
  CHECK(truth_of(R"({"prompt":"p","choices":"a","target":0})") == -1);
}

TEST_CASE("labelled texts: labels, skipped rows, truncation and extra requests", "[generic][labelled]") {
  const test::Scratch scratch;
  labelled_texts::LabelledTexts task;
  test::set(task, "data", scratch.write("m.jsonl", R"({"input":"One  Two Three","split":"member","doc":1}
{"input":"Four five","split":"nonmember","doc":2}
{"input":"Six","split":"valid","doc":3}
{"input":" ","split":"member","doc":4}
)"));
  for (const auto& [key, value] : {std::pair{"text_field", "input"},
                                   {"label_field", "split"},
                                   {"positive", "member"},
                                   {"negative", "nonmember"},
                                   {"other_labels", "skip"},
                                   {"group_field", "doc"},
                                   {"variant", "length2"}}) {
    REQUIRE(test::set(task, key, value));
  }
  REQUIRE(test::set_number(task, "max_words", 2));
  REQUIRE(test::set_number(task, "reference", 1));
  REQUIRE(test::set_number(task, "lowercase", 1));
  test::OpenTask opened;
  REQUIRE(task.configure().ok());
  REQUIRE(opened.open(task).ok());
  CHECK(task.count() == 2);
  REQUIRE(task.problems().size() == 1);  // the blank text; the third label is skipped in silence, as asked
  const auto first = opened.item(task, 0);
  REQUIRE(first.ok());
  CHECK(view(first->id) == "0");
  CHECK(view(first->text) == "One  Two");
  CHECK(view(first->group) == "1");
  CHECK(view(first->variant) == "length2");
  CHECK(first->label == 1);
  REQUIRE(first->request_count == 3);
  CHECK(view(first->requests[0].continuation) == "One  Two");
  CHECK(view(first->requests[0].prompt).empty());
  CHECK(view(first->requests[1].role) == "reference");
  CHECK(view(first->requests[2].continuation) == "one  two");
  CHECK(opened.item(task, 1)->label == 0);
}

TEST_CASE("labelled texts: unknown labels and a missing class are reported", "[generic][labelled]") {
  const test::Scratch scratch;
  labelled_texts::LabelledTexts task;
  test::set(task, "data",
            scratch.write("m.jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":2}\n"));
  test::OpenTask opened;
  REQUIRE(task.configure().ok());
  REQUIRE(opened.open(task).ok());
  CHECK(task.count() == 1);
  REQUIRE(task.problems().size() == 2);
  CHECK(task.problems()[0].find(":2: the label '2' is neither '1' nor '0'") != std::string::npos);
  CHECK(task.problems()[1].find("no row has the label '0'") != std::string::npos);
}

TEST_CASE("text pairs keep both texts in one group", "[generic][pairs]") {
  const test::Scratch scratch;
  const auto check = [](const std::string& file, const std::string& set) {
    text_pairs::TextPairs task;
    test::set(task, "data", file);
    test::OpenTask opened;
    REQUIRE(opened.open(task).ok());
    REQUIRE(task.count() == 4);
    const auto machine = opened.item(task, 3);
    REQUIRE(machine.ok());
    CHECK(view(machine->id) == "2/machine");
    CHECK(view(machine->group) == "2");
    CHECK(view(machine->text) == "m2");
    CHECK(view(machine->variant) == set);
    CHECK(machine->label == 1);
    CHECK(view(opened.item(task, 2)->id) == "2/human");
    CHECK(opened.item(task, 2)->label == 0);
    CHECK(task.problems().size() == 1);
  };
  check(scratch.write("xsum_gpt2-xl.raw_data.json",
                      "{\n \"original\": [\"h0\", \"\", \"h2\"],\n"
                      " \"sampled\": [\"m0\", \"m1\", \"m2\"]\n}\n"),
        "xsum_gpt2-xl");
  check(scratch.write("mine.jsonl",
                      "{\"human\":\"h0\",\"machine\":\"m0\"}\n{\"human\":\"h1\"}\n"
                      "{\"human\":\"h2\",\"machine\":\"m2\"}\n"),
        "mine");
  const auto unequal = text_pairs::read_pairs(
      scratch.write("u.json", R"({"original":["a","b"],"sampled":["c"]})"), "human", "machine");
  REQUIRE_FALSE(unequal.ok());
  CHECK(unequal.error().code == Code::kData);
}

TEST_CASE("recorded scores become items, those without a number are counted", "[generic][recorded]") {
  const test::Scratch scratch;
  const std::string file =
      scratch.write("s.jsonl", R"({"file":"a/x.json","roc_auc":0.5,"real":[1,null,3],"samples":[4]}
{"file":"a/y.json","real":[1],"samples":["nan",2.5]}
{"file":"a/y.json","real":[1],"samples":[2]}
{"real":[1],"samples":[2]}
)");
  recorded_scores::RecordedScores task;
  test::set(task, "data", file);
  test::OpenTask opened;
  REQUIRE(opened.open(task).ok());
  REQUIRE(task.count() == 5);
  CHECK(task.problems().size() == 4);
  const auto second = opened.item(task, 1);
  REQUIRE(second.ok());
  CHECK(view(second->id) == "human/2");
  CHECK(view(second->variant) == "a/x");
  CHECK(second->label == 0);
  REQUIRE(second->field_count == 1);
  CHECK(second->fields[0].number == 0.5);
  CHECK(second->requests[0].kind == ASSAY_REQUEST_CLASSIFY);
  const auto last = opened.item(task, 4);
  CHECK(view(last->id) == "machine/1");
  CHECK(view(last->variant) == "a/y");
  CHECK(last->field_count == 0);

  recorded_scores::RecordedScores only;
  test::set(only, "data", file);
  test::set_list(only, "runs", {"*/y"});
  REQUIRE(opened.open(only).ok());
  CHECK(only.count() == 2);
  recorded_scores::RecordedScores none;
  test::set(none, "data", file);
  test::set_list(none, "runs", {"*z"});
  CHECK(opened.open(none).error().code == Code::kInvalidArgument);
}

TEST_CASE("patterns of run names", "[generic][recorded]") {
  CHECK(recorded_scores::matches("exp/xsum.lrr", "*.lrr"));
  CHECK(recorded_scores::matches("exp/xsum.lrr", "exp/*s*m.lrr"));
  CHECK(recorded_scores::matches("a", "a*"));
  CHECK_FALSE(recorded_scores::matches("exp/xsum.lrr", "*.rank"));
  CHECK_FALSE(recorded_scores::matches("ab", "a"));
}
