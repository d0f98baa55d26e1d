// lm-eval logs of other versions and kinds than the fixtures: lists of arguments, rolling likelihoods,
// repeats, filters without names, tuples, chat, several calls in one folder, damage.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <random>

#include "harness/interop/read_lm_eval.hpp"
#include "tests/support/import_box.hpp"

using namespace assay;
using namespace assay::host::interop;
using test::ImportBox;
using test::ImportFolder;

namespace {

constexpr const char* kTime = "2026-01-01T00-00-00.5";

std::unique_ptr<ImportBox> samples(const std::string& text, const std::string& results = {}) {
  const ImportFolder folder;
  folder.file("samples_t_" + std::string(kTime) + ".jsonl", text);
  if (!results.empty()) folder.file("results_" + std::string(kTime) + ".json", results);
  auto box = std::make_unique<ImportBox>();
  const auto done = read(folder.path, {}, *box);
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.ok());
  return box;
}

const ImportedRow& only(const ImportBox& box) {
  REQUIRE(box.tasks.size() == 1);
  REQUIRE(box.tasks[0].rows.size() == 1);
  return box.tasks[0].rows[0];
}

}  // namespace

TEST_CASE("Python's JSON and floats, to the byte") {
  std::vector<std::string> warnings;
  const auto tree = parse_tolerant(
      R"({"b": [1, 2.0, 1e-5, 1e16, 123456789012345.0, NaN, -Infinity, true, null], "a": {}, "c": [], "é\t\u0001/\"": "x", "n": 123456789012345678901})",
      "", warnings);
  REQUIRE(tree.ok());
  // The output of json.dumps(value, indent=2, ensure_ascii=False) of Python 3.11.
  CHECK(lm_eval::python_json(*tree, true) ==
        "{\n  \"b\": [\n    1,\n    2.0,\n    1e-05,\n    1e+16,\n    123456789012345.0,\n    NaN,\n    "
        "-Infinity,\n"
        "    true,\n    null\n  ],\n  \"a\": {},\n  \"c\": [],\n  \"é\\t\\u0001/\\\"\": \"x\",\n"
        "  \"n\": 123456789012345678901\n}");
  CHECK(lm_eval::python_real(0.0001) == "0.0001");
  CHECK(lm_eval::python_real(0.00001234) == "1.234e-05");
  CHECK(lm_eval::python_real(9999999999999998.0) == "9999999999999998.0");
  CHECK(lm_eval::python_real(-1e22) == "-1e+22");
  CHECK(lm_eval::python_real(5e-324) == "5e-324");
  CHECK(lm_eval::python_real(-0.0) == "-0.0");
}

TEST_CASE("rows of 0.4.0: lists of arguments, numbers as they are, no filter, no hashes") {
  const auto box = samples(
      R"({"doc_id": 3, "doc": {"label": 1}, "target": "x", "arguments": [["c", " a"], ["c", " b"]], "resps": [[[-2.5, false]], [[-1.5, true]]], "filtered_resps": [[-2.5, false], [-1.5, true]], "acc": 1, "other": "text"})"
      "\n");
  const ImportedRow& row = only(*box);
  CHECK(row.id == "3");
  REQUIRE(row.exchanges.size() == 2);
  CHECK(row.exchanges[1].sum_logprob == -1.5);
  CHECK(row.exchanges[1].greedy == 1);
  CHECK(row.exchanges[1].choice_label == 1);
  CHECK(row.exchanges[0].choice_label == 0);
  CHECK(row.scores.at(static_cast<std::size_t>(box->tasks[0].column("acc@none"))) == 1);
  CHECK(row.fields.back() == std::pair<std::string, std::string>{"other@none", "text"});
  CHECK(box->runs[0].model == "unknown");
  CHECK(box->warnings.empty());
}

TEST_CASE("a rolling likelihood scores the whole text; tuples are fields, not scores") {
  const auto box = samples(
      R"({"doc_id": 0, "doc": {"page": "p"}, "target": "t", "arguments": {"gen_args_0": {"arg_0": "whole text"}}, "resps": [["-12.5"]], "filtered_resps": ["-12.5"], "filter": "none", "metrics": ["word_perplexity"], "word_perplexity": [-12.5, 2]})"
      "\n");
  const ImportedRow& row = only(*box);
  CHECK(row.exchanges.at(0).kind == ASSAY_REQUEST_SCORE);
  CHECK(row.exchanges[0].continuation == "whole text");
  CHECK(row.exchanges[0].sum_logprob == -12.5);
  CHECK(box->tasks[0].info.values.empty());
  CHECK(row.fields.back() == std::pair<std::string, std::string>{"word_perplexity@none", "[-12.5,2]"});
}

TEST_CASE("repeats are samples of one answer; a filter's extract is a note; an empty text is empty") {
  const auto box = samples(
      R"({"doc_id": 0, "doc": {}, "target": 7, "arguments": {"gen_args_0": {"arg_0": "q", "arg_1": {"until": "x", "max_gen_toks": 9}}}, "resps": [["so 7", "8"]], "filtered_resps": ["7"], "filter": "first", "metrics": ["em"], "em": true}
{"doc_id": 1, "doc": {}, "target": 7, "arguments": {"gen_args_0": {"arg_0": "q", "arg_1": {}}}, "resps": [[""]], "filtered_resps": [""], "filter": "first", "metrics": ["em"], "em": NaN}
)");
  const ImportedRow& row = box->tasks.at(0).rows.at(0);
  CHECK(row.exchanges.at(0).texts == std::vector<std::string>{"so 7", "8"});
  CHECK(row.exchanges[0].stop == std::vector<std::string>{"x"});
  CHECK(row.notes == std::vector<std::string>{"7"});
  CHECK(row.scores == std::vector<double>{1});
  CHECK(row.targets == std::vector<std::string>{"7"});
  const ImportedRow& empty = box->tasks[0].rows.at(1);
  CHECK(empty.state == ASSAY_STATE_EMPTY);
  CHECK(std::isnan(empty.scores.at(0)));
  CHECK(empty.non_finite);
  CHECK(empty.notes.empty());
}

TEST_CASE("filters that rows do not name come in the order of the results file") {
  const std::string row = R"({"doc_id": 0, "doc": {}, "target": "1", "resps": [["x"]], "em": )";
  const auto box = samples(row + "0}\n" + row + "1}\n",
                           R"({"results": {"t": {"em,strict": 0, "em,flexible": 1}}, "model_name": "m"})");
  const auto& task = box->tasks.at(0);
  REQUIRE(task.rows.size() == 1);
  CHECK(task.rows[0].scores.at(static_cast<std::size_t>(task.column("em@strict"))) == 0);
  CHECK(task.rows[0].scores.at(static_cast<std::size_t>(task.column("em@flexible"))) == 1);
}

TEST_CASE("several right choices, unconditional halves, labelled lists") {
  const auto mc2 = samples(
      R"({"doc_id": 0, "doc": {"mc1_targets": {"choices": ["a", "b"], "labels": [1, 0]}, "mc2_targets": {"choices": ["a", "b", "c"], "labels": [1, 0, 1]}}, "target": "0", "arguments": {"gen_args_0": {"arg_0": "q", "arg_1": " a"}, "gen_args_1": {"arg_0": "q", "arg_1": " b"}, "gen_args_2": {"arg_0": "q", "arg_1": " c"}}, "resps": [[["-1", "False"]], [["-2", "False"]], [["-inf", "False"]]], "filter": "none", "metrics": ["acc"], "acc": 0.5})"
      "\n");
  const ImportedRow& row = only(*mc2);
  CHECK(row.exchanges.at(0).choice_label == 1);
  CHECK(row.exchanges.at(1).choice_label == 0);
  CHECK(row.exchanges.at(2).choice_label == 1);
  CHECK_FALSE(mc2->tasks[0].info.values.at(0).proportion);
  const auto half = samples(
      R"({"doc_id": 0, "doc": {}, "target": "[0]", "arguments": {"gen_args_0": {"arg_0": "q", "arg_1": " a"}, "gen_args_1": {"arg_0": "q", "arg_1": " b"}, "gen_args_2": {"arg_0": "", "arg_1": " a"}, "gen_args_3": {"arg_0": "", "arg_1": " b"}}, "resps": [[["-1", "False"]], [["-2", "False"]], [["-3", "False"]], [["-4", "False"]]], "filter": "none", "metrics": ["acc"], "acc": 1})"
      "\n");
  const ImportedRow& mutual = only(*half);
  CHECK(mutual.choices == std::vector<std::string>{" a", " b"});
  CHECK(mutual.exchanges.at(0).choice_label == 1);
  CHECK(mutual.exchanges.at(3).name == "unconditional/1");
  CHECK(mutual.exchanges.at(3).choice_label == -1);
}

TEST_CASE("a metric that is called a standard error is one only beside its base") {
  const ImportFolder folder;
  ImportBox box;
  REQUIRE(
      read(
          folder.file(
              "r.json",
              R"({"results": {"t": {"odd_stderr,none": 2, "acc,none": 1, "acc_stderr,none": "N/A", "ppl": -Infinity}}, "date": "never"})"),
          {}, box)
          .ok());
  const auto& task = box.tasks.at(0);
  CHECK(task.number("odd_stderr,none", "value")->number == 2);
  CHECK(task.number("acc,none", "stderr")->text == "N/A");
  CHECK(task.number("ppl", "value")->text == "-Infinity");
  CHECK(box.runs[0].created.empty());
  ImportOptions named;
  named.model = "mine";
  ImportBox again;
  REQUIRE(read(folder.path / "r.json", named, again).ok());
  CHECK(again.runs[0].model == "mine");
}

TEST_CASE("a folder of several calls is one run, if model and tasks allow it") {
  const std::string a = R"({"results": {"a": {"acc,none": 1}}, "model_name": "m"})",
                    b = R"({"results": {"b": {"acc,none": 0}}, "model_name": "m"})",
                    other = R"({"results": {"b": {"acc,none": 0}}, "model_name": "n"})";
  const auto two = [&](const std::string& first, const std::string& second, ImportBox& box) {
    const ImportFolder folder;
    folder.file("m/results_2026-01-01T00-00-00.1.json", first);
    folder.file("m/results_2026-01-02T00-00-00.1.json", second);
    return read(folder.path, {}, box);
  };
  ImportBox fine, same, models;
  REQUIRE(two(a, b, fine).ok());
  CHECK(fine.tasks.size() == 2);
  CHECK(fine.warned("W_SEVERAL") == 1);
  CHECK(two(a, a, same).error().code == Code::kInvalidArgument);
  CHECK(two(a, other, models).error().text.find("several models") != std::string::npos);
}

TEST_CASE("every cut and flipped byte of a samples or results file ends in rows or a sentence") {
  const std::string row =
      R"({"doc_id": 0, "doc": {"q": "雪", "gold": 1}, "target": "1", "arguments": {"gen_args_0": {"arg_0": "c", "arg_1": " a"}, "gen_args_1": {"arg_0": "c", "arg_1": " b"}}, "resps": [[["-2.5", "False"]], [["-1", "True"]]], "filtered_resps": [["-2.5", "False"], ["-1", "True"]], "filter": "none", "metrics": ["acc"], "doc_hash": "h", "prompt_hash": "p", "target_hash": "t", "acc": 1.0})";
  const std::string results =
      R"({"results": {"t": {"acc,none": 0.5, "acc_stderr,none": "N/A"}}, "configs": {"t": {"metric_list": [{"metric": "acc", "aggregation": "mean"}]}}, "n-samples": {"t": {"effective": 1}}, "task_hashes": {"t": "x"}, "model_name": "m", "date": 1.5})";
  std::mt19937 random(5);
  const ImportFolder folder;
  const auto attempt = [&](const std::string& samples_text, const std::string& results_text) {
    folder.file("samples_t_" + std::string(kTime) + ".jsonl", samples_text);
    folder.file("results_" + std::string(kTime) + ".json", results_text);
    ImportBox box;
    ImportOptions options;
    options.format = "lm-eval";
    const auto done = read(folder.path, options, box);
    if (!done) REQUIRE_FALSE(done.error().text.empty());
    return done.ok();
  };
  REQUIRE(attempt(row, results));
  for (std::size_t n = 1; n < row.size(); ++n) CHECK_FALSE(attempt(row.substr(0, n), results));
  for (std::size_t n = 0; n < results.size(); ++n) CHECK_FALSE(attempt(row, results.substr(0, n)));
  for (int i = 0; i < 600; ++i) {
    std::string one = row, two = results;
    one[random() % one.size()] = static_cast<char>(random() & 0xFF);
    two[random() % two.size()] = static_cast<char>(random() & 0xFF);
    attempt(i % 2 == 0 ? one : row, i % 2 == 0 ? results : two);
  }
  // Values of other types than expected, one at a time.
  std::vector<std::string> ignored;
  for (const std::string& source : {row, results}) {
    const auto tree = parse_tolerant(source, "", ignored);
    for (const auto& [key, value] : tree->items()) {
      for (const Tree& other : {Tree(), Tree(7), Tree("x"), Tree::array({1, Tree::array()}),
                                Tree::object({{"k", nullptr}}), Tree(true)}) {
        Tree changed = *tree;
        changed[key] = other;
        source == row ? attempt(changed.dump(), results) : attempt(row, changed.dump());
      }
    }
  }
}
