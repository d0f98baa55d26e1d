// POPE without data: tolerant loading, the item that is asked, parsers and treatments through the metric.
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "plugins/metrics/pope/pope_metrics.hpp"
#include "plugins/tasks/pope/pope.hpp"
#include "tests/support/plugin_params.hpp"
#include "tests/support/record_box.hpp"

using namespace assay;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using test::RecordBox;

namespace {

constexpr std::size_t kWidth = 2;

std::string file(std::string_view content) {
  const auto path =
      std::filesystem::temp_directory_path() / ("assay_pope_" + std::to_string(::getpid()) + ".jsonl");
  std::ofstream(path, std::ios::binary) << content;
  return path.string();
}

/// Custom values over answers given as (gold, text).
std::vector<double> figures(pope::Score& metric,
                            const std::vector<std::pair<int, std::string_view>>& answers) {
  std::vector<double> values;
  std::vector<std::int32_t> labels;
  for (const auto& [gold, text] : answers) {
    RecordBox box;
    box.label(gold).generated("answer", {text});
    const auto scored = box.score(metric, kWidth);
    REQUIRE(scored.outcome.state == State::kOk);
    values.insert(values.end(), scored.values.begin(), scored.values.end());
    labels.push_back(gold);
  }
  assay_sample raw{};
  raw.struct_size = sizeof raw;
  raw.item_count = answers.size();
  raw.value_count = kWidth;
  raw.values = values.data();
  raw.labels = labels.data();
  std::vector<std::uint32_t> picks(answers.size());
  std::iota(picks.begin(), picks.end(), 0U);
  std::vector<double> out(5, kMissing);
  REQUIRE(metric.aggregate(Sample(&raw), picks, out).ok());
  return out;
}

}  // namespace

TEST_CASE("pope: lists are read tolerantly and honestly") {
  const auto read = pope::read_questions(file(
      "{\"question_id\":1,\"image\":\"i\",\"text\":\"Is there a dog in the imange?\",\"label\":\"Yes\"}\n"
      "{\"question_id\":1,\"image\":\"i\",\"text\":\"Is there a dog in the imange?\",\"label\":\"yes\"}\n"
      "{\"question_id\":1,\"image\":\"i\",\"text\":\"Is there a cat?\",\"label\":\"no\"}\n"
      "{\"question_id\":\"x2\",\"image\":\"i\",\"question\":\"Is there a cat?\",\"label\":\" NO \"}\n"
      "{\"question_id\":3,\"text\":\"?\",\"label\":\"maybe\"}\n"
      "{\"question_id\":4}\n"));
  REQUIRE(read.ok());
  REQUIRE(read->list.size() == 2);
  CHECK(read->list[0].yes);
  CHECK(read->list[1].id == "x2");
  CHECK_FALSE(read->list[1].yes);
  CHECK(read->misspelt == 1);
  CHECK(read->identical == 1);
  REQUIRE(read->problems.size() == 3);
  CHECK_THAT(read->problems[0], ContainsSubstring(":3: ") && ContainsSubstring("used before"));
  CHECK_THAT(read->problems[1], ContainsSubstring("maybe"));
  CHECK_FALSE(pope::read_questions(file("{}\n")).ok());
}

TEST_CASE("pope: an item names its split and carries label, image and question") {
  pope::PopeTask task;
  test::give(
      task, "data",
      file("{\"question_id\":7,\"image\":\"a.jpg\",\"text\":\"Is there a dog?\",\"label\":\"yes\"}\n"));
  test::give(task, "split", "random");
  test::ready(task);
  test::Arena arena;
  Call call = arena.call();
  REQUIRE(task.open(call).ok());
  CHECK(task.count() == 1);
  assay_item item{};
  ItemWriter writer(item, arena.call());
  REQUIRE(task.item(0, writer).ok());
  writer.finish();
  CHECK(view(item.id) == "7");
  CHECK(view(item.variant) == "random");
  CHECK(view(item.group) == "a.jpg");
  CHECK(item.label == 1);
  REQUIRE(item.request_count == 1);
  CHECK(item.requests[0].kind == ASSAY_REQUEST_GENERATE);
  CHECK(item.requests[0].max_tokens == 10);
  CHECK(view(item.requests[0].prompt) == "Is there a dog?");
}

TEST_CASE("pope: figures over parsed answers, by hand") {
  pope::Score metric;
  // TP 2 ("maybe" and the empty answer are yes for this parser), FP 1, TN 1, FN 1
  const auto f =
      figures(metric, {{1, "Yes."}, {1, "maybe"}, {0, ""}, {0, "No, never."}, {1, "It is not there."}});
  CHECK(f[pope::kPrecision] == 2.0 / 3.0);
  CHECK(f[pope::kRecall] == 2.0 / 3.0);
  CHECK(std::abs(f[pope::kF1] - 2.0 / 3.0) < 1e-15);
  CHECK(f[pope::kYesRatio] == 0.6);
  CHECK(f[pope::kUnknownCount] == 0);
}

TEST_CASE("pope: nothing answered yes leaves precision and F1 undefined") {
  pope::Score metric;
  const auto f = figures(metric, {{1, "no"}, {0, "no"}});
  CHECK(std::isnan(f[pope::kPrecision]));
  CHECK(std::isnan(f[pope::kF1]));
  CHECK(f[pope::kRecall] == 0);
}

TEST_CASE("pope: without answers every figure is undefined, the count of unknown ones too") {
  pope::Score metric;
  for (const double value : figures(metric, {})) CHECK(std::isnan(value));
}

TEST_CASE("pope: an unknown answer is treated as the treatment says") {
  const std::vector<std::pair<int, std::string_view>> answers = {
      {1, "yes"}, {1, "I am not sure"}, {0, "hard to say"}, {0, "no"}};
  for (const auto& [treatment, item_value, recall, precision] :
       {std::tuple{"unknown_as_wrong", 0.0, 0.5, 1.0},
        {"unknown_as_yes", 1.0, 1.0, 2.0 / 3.0},
        {"unknown_as_no", 0.0, 0.5, 1.0},
        {"unknown_excluded", kMissing, 1.0, 1.0}}) {
    INFO(treatment);
    pope::Score metric;
    test::give(metric, "variant", "three_way");
    test::give(metric, "treatment", treatment);
    const auto f = figures(metric, answers);
    CHECK(f[pope::kRecall] == recall);
    CHECK(f[pope::kPrecision] == precision);
    CHECK(f[pope::kUnknownCount] == 2);
    RecordBox box;
    box.label(1).generated("answer", {"I am not sure"});
    const auto scored = box.score(metric, kWidth);
    if (std::isnan(item_value)) {
      CHECK(std::isnan(scored.values[pope::kAccuracy]));
    } else {
      CHECK(scored.values[pope::kAccuracy] == item_value);
    }
    CHECK(scored.outcome.note == "unknown");
  }
}

TEST_CASE("pope: an item without label or text has no value") {
  pope::Score metric;
  RecordBox unlabelled;
  unlabelled.generated("answer", {"yes"});
  CHECK(unlabelled.score(metric, kWidth).outcome.state == State::kUnsupported);
  RecordBox silent;
  silent.label(1).generated("answer", {});
  CHECK(silent.score(metric, kWidth).outcome.state == State::kUnsupported);
}
