// lm-eval fixtures against what an independent reader found in them.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/support/data.hpp"
#include "tests/support/import_box.hpp"

using namespace assay;
using namespace assay::host::interop;
using nlohmann::json;
using test::ImportBox;

namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

json lm_eval_expectations(const std::filesystem::path& root) {
  return json::parse(bytes_of(root / "interop/expected.json")).at("lm_eval");
}

bool same(double got, double wanted) {
  return std::abs(got - wanted) <= 1e-12 * std::max(1.0, std::abs(wanted));
}

/// Key of the results file -> what the reader made of it, over all tasks of the box.
const ReportedNumber* reported(const ImportBox::Task& task, std::string key) {
  std::string statistic = "value";
  for (const std::string end : {"_stderr,none", "_stderr,flip", "_stderr"}) {
    if (!key.ends_with(end)) continue;
    key = key.substr(0, key.size() - end.size()) + end.substr(7);
    statistic = "stderr";
    break;
  }
  if (key == "sample_len") statistic = "count";
  return task.number(key, statistic);
}

struct MeanAndError {
  int n = 0;
  double mean = 0, error = 0;  ///< standard error with n - 1
};
MeanAndError mean_and_error(const ImportBox::Task& task, std::size_t i) {
  MeanAndError out;
  for (const auto& row : task.rows) {
    if (!std::isnan(row.scores.at(i))) ++out.n, out.mean += row.scores[i];
  }
  out.mean /= out.n;
  for (const auto& row : task.rows) {
    if (!std::isnan(row.scores[i])) out.error += (row.scores[i] - out.mean) * (row.scores[i] - out.mean);
  }
  out.error = std::sqrt(out.error / (out.n - 1) / out.n);
  return out;
}

void check_results(const ImportBox& box, const json& wanted) {
  CHECK(box.runs.front().model ==
        (wanted["model"].is_null() ? "unknown" : wanted["model"].get<std::string>()));
  CHECK(box.tasks.size() == wanted["results"].size());
  for (const auto& [name, numbers] : wanted["results"].items()) {
    const ImportBox::Task* const task = box.task_named(name);
    REQUIRE(task != nullptr);
    CHECK(task->info.reported.size() == numbers.size());
    for (const auto& [key, value] : numbers.items()) {
      CAPTURE(name, key);
      const ReportedNumber* const number = reported(*task, key);
      REQUIRE(number != nullptr);
      if (value.is_number()) {
        CHECK(same(number->number, value.get<double>()));
        CHECK(number->text.empty());
      } else {
        CHECK(std::isnan(number->number));
        CHECK(number->text == value.get<std::string>());
      }
      if (key != "sample_len" && wanted["n"].contains(name))
        CHECK(number->n == wanted["n"][name].get<std::int64_t>());
    }
  }
}

void check_samples(const ImportBox::Task& task, const json& wanted) {
  CHECK(task.rows.size() == wanted["distinct_doc_ids"].get<std::size_t>());
  std::set<std::string> filters;
  for (const ImportedValue& value : task.info.values)
    filters.insert(value.metric.substr(value.metric.find('@') + 1));
  CHECK(json(filters) == wanted["filters"]);
  CHECK(task.info.values.size() == wanted["metrics"].size());
  for (const auto& [key, numbers] : wanted["metrics"].items()) {
    std::string metric = key;
    metric.replace(metric.find(','), 1, "@");
    const int i = task.column(metric);
    CAPTURE(metric);
    REQUIRE(i >= 0);
    const MeanAndError column = mean_and_error(task, static_cast<std::size_t>(i));
    CHECK(column.n == numbers["n"].get<int>());
    CHECK(same(column.mean, numbers["mean"].get<double>()));
    CHECK(same(column.error, numbers["stderr"].get<double>()));
  }
  for (const json& one : wanted.value("loglikelihoods", json::array())) {
    const ImportedRow* const row = task.row(one["doc_id"].dump());
    REQUIRE(row != nullptr);
    REQUIRE(row->exchanges.size() == one["ll"].size());
    for (std::size_t i = 0; i < row->exchanges.size(); ++i) {
      const ImportedExchange& choice = row->exchanges[i];
      CHECK(choice.name == "choice/" + std::to_string(i));
      CHECK(choice.kind == ASSAY_REQUEST_SCORE);
      CHECK(choice.answered);
      const double number = std::stod(one["ll"][i].get<std::string>());
      CHECK((std::isnan(number) ? std::isnan(choice.sum_logprob) : choice.sum_logprob == number));
      CHECK(choice.greedy == (one["greedy"][i].get<bool>() ? 1 : 0));
    }
  }
}

}  // namespace

TEST_CASE("every lm-eval fixture reads as expected, alone") {
  ASSAY_NEEDS_DATA(root);
  const json all = lm_eval_expectations(root);
  std::size_t results = 0, samples = 0;
  for (const auto& [name, wanted] : all.items()) {
    CAPTURE(name);
    const auto file = root / "interop" / name;
    CHECK(*detect_format(file) == "lm-eval");
    ImportBox box;
    const auto done = read(file, {}, box);
    REQUIRE(done.ok());
    CHECK(box.warnings.empty());  // all recorded hashes verify
    if (wanted.contains("results")) {
      check_results(box, wanted);
      ++results;
    } else {
      REQUIRE(box.tasks.size() == 1);
      check_samples(box.tasks.front(), wanted);
      ++samples;
    }
  }
  CHECK(results == 7);
  CHECK(samples == 3);
}

TEST_CASE("a folder pairs results and samples; groups are not counted twice") {
  ASSAY_NEEDS_DATA(root);
  ImportBox box;
  const auto done = read(root / "interop/lm_eval/synthetic", {}, box);
  REQUIRE(done.ok());
  CHECK(box.warnings.empty());
  CHECK(done->rows == 7);
  const ImportedRun& run = box.runs.front();
  CHECK(run.model == "example-org/syn-model-a");
  CHECK(run.created == "2026-09-21T14:13:20.250Z");
  CHECK(run.harness_version == "lm_eval 0.4.13.dev0");
  REQUIRE(box.tasks.size() == 3);
  CHECK(box.task_named("syn_group")->rows.empty());
  const ImportBox::Task& facts = *box.task_named("syn_facts");
  CHECK(facts.info.planned == 4);
  CHECK(facts.info.version == "1.0");
  CHECK(facts.rows.size() == 4);
  for (const char* const metric : {"acc@none", "acc_norm@none", "acc@flip", "acc_norm@flip"}) {
    const int i = facts.column(metric);
    REQUIRE(i >= 0);
    const ImportedValue& value = facts.info.values[static_cast<std::size_t>(i)];
    CHECK(value.direction == ASSAY_HIGHER_IS_BETTER);
    CHECK(value.proportion);
    std::string key = metric;
    key[key.find('@')] = ',';
    CHECK(facts.number(key, "value")->value == i);
    CHECK(facts.number(key, "stderr")->value == -1);
  }
  // The question, the choices, and which of them is right.
  const ImportedRow& paris = *facts.row("2");
  CHECK(paris.input == "Question: Capital of France?\nAnswer:");
  CHECK(paris.choices == std::vector<std::string>{" Lyon", " Paris", " Nice", " Metz"});
  CHECK(paris.targets == std::vector<std::string>{"1"});
  for (std::size_t i = 0; i < 4; ++i) CHECK(paris.exchanges[i].choice_label == (i == 1 ? 1 : 0));
  CHECK(paris.state == ASSAY_STATE_OK);
  CHECK(paris.scores[static_cast<std::size_t>(facts.column("acc@none"))] == 0);
  CHECK(paris.scores[static_cast<std::size_t>(facts.column("acc_norm@none"))] == 1);
  CHECK(facts.row("3")->state == ASSAY_STATE_OK);
}

TEST_CASE("ten rows of five thousand are no difference, but the plan is five thousand") {
  ASSAY_NEEDS_DATA(root);
  ImportBox box;
  REQUIRE(read(root / "interop/lm_eval/real", {}, box).ok());
  CHECK(box.warnings.empty());
  const ImportBox::Task& task = *box.task_named("math_perturbed_full");
  CHECK(task.info.planned == 5000);
  REQUIRE(task.rows.size() == 10);
  CHECK(task.number("exact_match,none", "value")->n == 5000);
  // The texts, compared with the file read by another parser.
  std::istringstream lines(
      bytes_of(root / "interop/lm_eval/real/samples_math_perturbed_full_2026-01-21T03-44-18.458309.jsonl"));
  std::size_t rows = 0;
  for (std::string line; std::getline(lines, line); ++rows) {
    const json sample = json::parse(line);
    const ImportedRow* const row = task.row(sample["doc_id"].dump());
    REQUIRE(row != nullptr);
    const ImportedExchange& answer = row->exchanges.at(0);
    CHECK(answer.kind == ASSAY_REQUEST_GENERATE);
    CHECK(answer.prompt == sample["arguments"]["gen_args_0"]["arg_0"].get<std::string>());
    CHECK(answer.texts == sample["resps"][0].get<std::vector<std::string>>());
    CHECK(answer.stop == std::vector<std::string>{"Problem:", "\n\n"});
    CHECK(answer.max_tokens == 512);
    CHECK(answer.temperature == 0);
    CHECK(row->targets.at(0) == sample["target"].get<std::string>());
    CHECK(row->scores.at(0) == sample["exact_match"].get<double>());
  }
  CHECK(rows == 10);
}

TEST_CASE("changed logs are noticed: hashes, task hashes, means") {
  ASSAY_NEEDS_DATA(root);
  const auto source = root / "interop/lm_eval/synthetic";
  const std::string results = "results_2026-09-01T10-00-00.000001.json",
                    facts = "samples_syn_facts_2026-09-01T10-00-00.000001.jsonl";
  const auto changed = [&](const std::string& file, const std::string& from, const std::string& to,
                           std::size_t from_place = 0) {
    const test::ImportFolder folder;
    for (const std::string& name : {results, facts}) {
      std::string bytes = bytes_of(source / name);
      if (name == file) {
        const std::size_t at = bytes.find(from, from_place);
        REQUIRE(at != std::string::npos);
        bytes.replace(at, from.size(), to);
      }
      folder.file(name, bytes);
    }
    auto box = std::make_unique<ImportBox>();
    REQUIRE(read(folder.path, {}, *box).ok());
    return box;
  };
  CHECK(changed(facts, "naïve", "naive")->warned("W_HASH") == 1);                    // the document
  CHECK(changed(facts, "2+2=?\\nAnswer", "2+3=?\\nAnswer")->warned("W_HASH") == 1);  // a prompt
  CHECK(changed(facts, "\"target\": \"1\"", "\"target\": \"0\"")->warned("W_HASH") == 1);
  CHECK(changed(results, "572cbd06", "572cbd07")->warned("W_HASH") == 1);
  const auto mean = changed(results, "\"acc,none\": 0.5", "\"acc,none\": 0.5000001");
  CHECK(mean->warned("W_REPORTED") == 1);
  CHECK(mean->task_named("syn_facts")->number("acc,none", "value")->number == 0.5000001);
  CHECK(changed(facts, "\"acc_norm\": 1.0", "\"acc_norm\": 0.0")->warned("W_REPORTED") == 1);
  // A file that does not hold all rows cannot contradict a mean.
  CHECK(changed(results, "\"effective\": 4", "\"effective\": 5")->warnings.empty());
}
