// Every Eval Ever records: numbers, samples and their hashes. The schemas are checked in tests/system.
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "tests/support/data.hpp"
#include "tests/unit/export_support.hpp"

using namespace assay::host;
using namespace assay::test;
using assay::Code;

namespace {

exporting::ExportOptions eee_options(ExportBox& box, const std::string& folder = "eee") {
  exporting::ExportOptions options;
  options.format = "eee";
  options.out = box.folder.file(folder).string();
  return options;
}

AggregateRow aggregate(const ExportBox& box, std::size_t value, const std::string& statistic,
                       double estimate) {
  AggregateRow row;
  row.evaluation = box.small->evaluation;
  row.value = box.value(value);
  row.statistic = statistic;
  row.estimate = estimate;
  row.se = 0.125;
  row.lo = 0.25;
  row.hi = 0.75;
  row.method = "mean.cluster_t";
  row.n_total = 4;
  row.n_scored = 2;
  row.states[0] = 3;
  row.states[6] = 1;
  row.worst = row.best = kNone;
  return row;
}

/// Four items: scored, failed, unscored, scored. Stored in another order than their ids have.
void fill_eee(ExportBox& box) {
  box.item(0, "z",
           R"({"id":"z","text":"What is 2 + 2?","label":-1,"targets":["4"],"requests":[{"name":"a"}]})");
  box.exchange("a",
               R"({"kind":"generate","max_tokens":8,"prompt":"Q: What is 2 + 2?\nA:","temperature":0.5})",
               R"({"choices":[{"finish":"stop","text":"The answer is 4."}]})");
  box.batch.score(box.value(0), 1, 0, "4");
  box.item(1, "m", R"({"id":"m","text":"b","label":-1,"requests":[{"name":"a"}]})", 6).message =
      box.batch.keep("broken pipe");
  box.exchange("a", R"({"kind":"generate","max_tokens":8,"prompt":"b","temperature":0.5})", "", 6);
  box.batch.score(box.value(0), kNone, 6);
  box.item(2, "k", R"({"id":"k","text":"c","label":-1,"requests":[]})");
  box.batch.score(box.value(0), kNone, 0);
  box.item(3, "a", R"({"id":"a","text":"d","label":-1,"requests":[{"name":"a"}]})").group =
      box.batch.keep("g");
  box.exchange("a", R"({"kind":"generate","max_tokens":8,"prompt":"d","temperature":0.5})",
               R"({"choices":[{"finish":"stop","text":""}]})");
  box.batch.score(box.value(0), 0.25);
  box.close();
}

struct Pair {
  Json aggregate;
  std::vector<Json> samples;
  std::string samples_text, name;
};

std::vector<Pair> pairs_of(const exporting::ExportSummary& summary) {
  std::vector<Pair> pairs;
  for (const std::string& file : summary.files) {
    if (!file.ends_with(".json")) continue;
    Pair pair;
    pair.aggregate = Json::parse(slurp(file));
    pair.name = std::filesystem::path(file).stem().string();
    pair.samples_text = slurp(file.substr(0, file.size() - 5) + "_samples.jsonl");
    pair.samples = json_lines(pair.samples_text);
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace

TEST_CASE("An aggregate says the number, its interval, and what was not scored", "[export]") {
  ExportBox box;
  fill_eee(box);
  AggregateRow undefined = aggregate(box, 0, "mean", kNone);
  undefined.variant = "empty variant";
  undefined.undefined_reason = "no item was scored";
  const AggregateRow rows[] = {aggregate(box, 0, "mean", 0.625), undefined, aggregate(box, 2, "mean", 0.5)};
  REQUIRE(text_of(box.store->put_aggregates(box.small->evaluation, rows)) == "");
  auto options = eee_options(box);
  options.organisation = "Some Lab";
  const auto done = box.run(options);
  REQUIRE(text_of(done) == "");
  const std::vector<Pair> pairs = pairs_of(*done);
  REQUIRE(pairs.size() == 1);  // `hit` is no headline
  const Json& tree = pairs[0].aggregate;
  CHECK(tree["schema_version"] == "0.3.0");
  CHECK(tree["source_metadata"]["source_organization_name"] == "Some Lab");
  CHECK(tree["eval_library"]["additional_details"]["undefined_metrics"] ==
        "demo.metric@empty variant (mean): no item was scored");
  REQUIRE(tree["evaluation_results"].size() == 1);
  const Json& result = tree["evaluation_results"][0];
  CHECK(result["evaluation_result_id"] == "small.task one.demo.metric");
  CHECK(result["score_details"]["score"] == 0.625);
  const Json& uncertainty = result["score_details"]["uncertainty"];
  CHECK(uncertainty["standard_error"] == Json::parse(R"({"value":0.125,"method":"mean.cluster_t"})"));
  CHECK(uncertainty["confidence_interval"]["lower"] == 0.25);
  CHECK(uncertainty["confidence_interval"]["upper"] == 0.75);
  CHECK(uncertainty["num_samples"] == 2);
  CHECK(result["score_details"]["details"]["state.error"] == "1");
  CHECK(result["score_details"]["details"]["state.ok"] == "3");
  CHECK(result["score_details"]["details"]["samples_left_out"] == "1");
  CHECK(result["metric_config"]["lower_is_better"] == false);
  CHECK(result["metric_config"]["score_type"] == "continuous");
  CHECK(result["metric_config"]["min_score"] == 0);
  CHECK(result["metric_config"]["max_score"] == "Infinity");
  CHECK(result["generation_config"]["generation_args"] ==
        Json::parse(R"({"temperature":0.5,"max_tokens":8})"));
  const Json& details = tree["detailed_evaluation_results"];
  CHECK(details["total_rows"] == 3);
  CHECK(details["checksum"] == sha256_hex(pairs[0].samples_text));
  CHECK(details["file_path"] == "data/small/unknown/toy/" + pairs[0].name + "_samples.jsonl");
}

TEST_CASE("Samples are ordered by id; failures have score 0, other items without score are left out",
          "[export]") {
  ExportBox box;
  fill_eee(box);
  const AggregateRow row = aggregate(box, 0, "mean", 0.625);
  REQUIRE(text_of(box.store->put_aggregates(box.small->evaluation, {&row, 1})) == "");
  const auto done = box.run(eee_options(box));
  REQUIRE(text_of(done) == "");
  CHECK(done->rows == 3);
  const std::vector<Pair> pairs = pairs_of(*done);
  REQUIRE(pairs.size() == 1);
  const std::vector<Json>& samples = pairs[0].samples;
  REQUIRE(samples.size() == 3);
  CHECK(samples[0]["sample_id"] == "a");
  CHECK(samples[1]["sample_id"] == "m");
  CHECK(samples[2]["sample_id"] == "z");
  CHECK(samples[0]["evaluation"]["score"] == 0.25);
  CHECK(samples[0]["metadata"]["group"] == "g");
  CHECK(samples[0]["output"]["raw"] == Json::array({""}));
  CHECK(samples[1]["evaluation"] == Json::parse(R"({"score":0,"is_correct":false})"));
  CHECK(samples[1]["error"] == "error: broken pipe");
  CHECK(samples[1]["output"]["raw"] == Json::array());
  CHECK(samples[2]["input"]["raw"] == "What is 2 + 2?");
  CHECK(samples[2]["input"]["formatted"] == "Q: What is 2 + 2?\nA:");
  CHECK(samples[2]["input"]["reference"] == Json::array({"4"}));
  CHECK(samples[2]["answer_attribution"][0]["extracted_value"] == "4");
  CHECK(samples[2]["token_usage"] == Json::parse(R"({"input_tokens":3,"output_tokens":5,"total_tokens":8})"));
  CHECK_FALSE(samples[2].contains("error"));
  const std::string result =
      pairs[0].aggregate["evaluation_results"][0]["evaluation_result_id"].get<std::string>();
  for (const Json& sample : samples) CHECK(sample["evaluation_result_id"] == result);
  // The unordered lines waited in a file of their own; it is gone.
  for (const auto& entry : std::filesystem::directory_iterator(box.folder.file("eee")))
    CHECK((entry.path().extension() == ".json" || entry.path().string().ends_with("_samples.jsonl")));
}

TEST_CASE("The hash of a sample is that of the published example", "[export]") {
  ASSAY_NEEDS_DATA(root);
  const Json example = json_lines(slurp(root / "interop/eee/example_v0.3.0_samples.jsonl")).at(0);
  ExportBox box;
  box.item(0, "x",
           Json({{"id", "x"},
                 {"text", example["input"]["raw"]},
                 {"label", -1},
                 {"targets", example["input"]["reference"]},
                 {"requests", Json::array()}})
               .dump());
  box.batch.score(box.value(0), 1);
  box.close();
  const AggregateRow row = aggregate(box, 0, "mean", 1);
  REQUIRE(text_of(box.store->put_aggregates(box.small->evaluation, {&row, 1})) == "");
  const auto done = box.run(eee_options(box));
  REQUIRE(text_of(done) == "");
  CHECK(pairs_of(*done)[0].samples[0]["sample_hash"] == example["sample_hash"]);
}

TEST_CASE("Text beyond ASCII is hashed in ASCII escapes", "[export]") {
  ExportBox box;
  box.item(
      0, "x",
      "{\"id\":\"x\",\"text\":\"a\xC3\xA9\\u007f\xF0\x9F\x8C\xA8\\\"\\n\",\"label\":-1,\"requests\":[]}");
  box.batch.score(box.value(0), 1);
  box.close();
  const AggregateRow row = aggregate(box, 0, "mean", 1);
  REQUIRE(text_of(box.store->put_aggregates(box.small->evaluation, {&row, 1})) == "");
  const auto done = box.run(eee_options(box));
  REQUIRE(text_of(done) == "");
  CHECK(pairs_of(*done)[0].samples[0]["sample_hash"] ==
        sha256_hex(R"({"raw":"a\u00e9\u007f\ud83c\udf28\"\n","reference":[]})"));
}

TEST_CASE("Two exports are equal byte for byte, and a run without numbers gives none", "[export]") {
  ExportBox box;
  fill_eee(box);
  auto refused = box.run(eee_options(box));
  CHECK(code_of(refused) == Code::kInvalidArgument);
  CHECK(text_of(refused).find("nothing to export") != std::string::npos);
  const AggregateRow row = aggregate(box, 0, "mean", 0.625);
  REQUIRE(text_of(box.store->put_aggregates(box.small->evaluation, {&row, 1})) == "");
  const auto one = box.run(eee_options(box, "one")), two = box.run(eee_options(box, "two"));
  REQUIRE(text_of(one) == "");
  REQUIRE(text_of(two) == "");
  REQUIRE(one->files.size() == two->files.size());
  for (std::size_t i = 0; i < one->files.size(); ++i) {
    const std::filesystem::path a = one->files[i], b = two->files[i];
    CHECK(a.filename() == b.filename());
    CHECK(slurp(a) == slurp(b));
    CHECK_FALSE(slurp(a).empty());
  }
}
