// The HELM reader on small run folders of its own.
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

Json stat(const std::string& name, const std::string& split, double mean,
          const std::string& perturbation = {}) {
  Json one = {{"name", {{"name", name}, {"split", split}}}, {"count", 1}, {"sum", mean}, {"mean", mean}};
  if (!perturbation.empty()) one["name"]["perturbation"] = {{"name", perturbation}, {"computed_on", "worst"}};
  return one;
}
Json entry(const std::string& id, int trial, Json stats, const std::string& perturbation = {}) {
  Json one = {{"instance_id", id}, {"train_trial_index", trial}, {"stats", std::move(stats)}};
  if (!perturbation.empty()) one["perturbation"] = {{"name", perturbation}};
  return one;
}
Json state(const std::string& id, const std::string& text) {
  Json one = Json::object();
  one["instance"] = {{"id", id}, {"split", "test"}, {"input", {{"text", "question " + id}}}};
  one["instance"]["references"] = {{{"output", {{"text", "wrong"}}}, {"tags", Json::array()}},
                                   {{"output", {{"text", "right"}}}, {"tags", {"correct"}}}};
  one["train_trial_index"] = 0;
  one["request"] = {{"model", "org/m"},
                    {"prompt", "prompt " + id},
                    {"max_tokens", 5},
                    {"temperature", 0},
                    {"stop_sequences", {"\n"}}};
  one["result"] = {
      {"success", true},
      {"completions",
       {{{"text", text}, {"logprob", -1.5}, {"tokens", {{{"text", text}, {"logprob", -1.5}}}}}}}};
  return one;
}

struct Run {
  Json spec = {{"name", "scene:subject=x,model=org_m"},
               {"adapter_spec", {{"method", "multiple_choice_joint"}, {"model", "org/m"}}},
               {"metric_specs", {{{"args", {{"names", {"score", "other"}}}}}}},
               {"groups", {"g"}}};
  Json stats, instances, states;  // null: no such file
  ImportBox box;
  ImportSummary summary;
  Result<void> done;

  const ImportBox::Task& load(const ImportOptions& options = {}) {
    const ImportFolder folder;
    folder.file("run_spec.json", spec.dump());
    if (!stats.is_null()) folder.file("stats.json", stats.dump());
    if (!instances.is_null()) folder.file("per_instance_stats.json", instances.dump());
    if (!states.is_null()) folder.file("scenario_state.json", Json({{"request_states", states}}).dump());
    box = {};
    done = host::interop::read_helm(folder.path, options, box, summary);
    INFO((done ? std::string() : done.error().text));
    REQUIRE(done.ok());
    REQUIRE(box.tasks.size() == 1);
    return box.tasks[0];
  }
};

double score_of(const ImportBox::Task& task, const host::interop::ImportedRow* row, std::string_view metric) {
  REQUIRE(row != nullptr);
  return row->scores.at(static_cast<std::size_t>(task.column(metric)));
}

}  // namespace

TEST_CASE("instances, trials, splits and perturbations are rows of their own") {
  Run run;
  run.instances = {
      entry("id1", 0, {stat("num_x", "test", 1), stat("score", "test", 1)}),
      entry("id1", 1, {stat("score", "test", 0.5)}), entry("id1", 0, {stat("score", "test", 0)}, "typos"),
      entry("id2", 0,
            {stat("score", "valid", 0), {{"name", {{"name", "absent"}}}, {"count", 0}, {"sum", 0}}})};
  run.stats = {stat("score", "test", 0.75), stat("score", "valid", 0.25),
               stat("score", "test", 0.1, "robustness"), stat("derived", "test", 3)};
  const ImportBox::Task& task = run.load();
  REQUIRE(task.rows.size() == 4);
  CHECK(task.info.name == "scene:subject=x");
  CHECK(run.box.runs[0].suite == "scene:subject=x,model=org_m");
  CHECK(run.box.runs[0].model == "org/m");
  CHECK(task.info.repeats == 2);
  CHECK(task.info.values[0].metric == "score");  // asked for by the specification, so before the bookkeeping
  CHECK_FALSE(task.info.values[0].proportion);
  CHECK_FALSE(task.info.values[1].proportion);  // a count of 1 is no proportion
  CHECK(task.column("absent") == -1);
  CHECK(score_of(task, task.row("id1", 0, "test"), "score") == 1);
  CHECK(score_of(task, task.row("id1", 1, "test"), "score") == 0.5);
  CHECK(score_of(task, task.row("id1~typos", 0, "typos"), "score~typos") == 0);
  CHECK(std::isnan(score_of(task, task.row("id1~typos", 0, "typos"), "score")));
  CHECK(score_of(task, task.row("id2", 0, "valid"), "score") == 0);
  CHECK(std::isnan(score_of(task, task.row("id2", 0, "valid"), "num_x")));
  CHECK(task.row("id1~typos", 0, "typos")->group == "id1");
  CHECK(task.row("id1", 0, "test")->group == "id1");
  CHECK(task.number("score", "mean", "test")->value == 0);
  CHECK(task.number("score~robustness.worst", "mean", "test")->value == -1);
  CHECK(task.number("derived", "mean", "test")->value == -1);
  // The mean of the originals in "test" is 0.75; that of "valid" is 0 and not 0.25.
  REQUIRE(run.box.warned("W_REPORTED") == 1);
  CHECK(run.box.warnings[0].second.find("'valid'") != std::string::npos);
}

TEST_CASE("texts, references and states come from the request states") {
  Run run;
  run.instances = {entry("id1", 0, {stat("score", "test", 1)})};
  Json failed = state("id3", "");
  failed["result"] = {{"success", false}, {"error", "no such model"}, {"completions", Json::array()}};
  Json silent = state("id4", "");
  silent["result"]["completions"] = Json::array();
  Json cut = state("id5", "long");
  cut["result"]["completions"][0]["finish_reason"] = {{"reason", "length"}};
  run.states = {state("id1", " B"), state("id2", ""), failed, silent, cut};
  const ImportBox::Task& task = run.load();
  REQUIRE(task.rows.size() == 5);
  const auto* row = task.row("id1", 0, "test");
  CHECK(score_of(task, row, "score") == 1);
  CHECK(row->input == "question id1");
  CHECK(row->choices == std::vector<std::string>{"wrong", "right"});
  CHECK(row->targets == std::vector<std::string>{"right"});
  CHECK(row->exchanges[0].prompt == "prompt id1");
  CHECK(row->exchanges[0].texts == std::vector<std::string>{" B"});
  CHECK(row->exchanges[0].max_tokens == 5);
  CHECK(row->state == ASSAY_STATE_OK);
  CHECK(task.row("id2", 0, "test")->state == ASSAY_STATE_EMPTY);
  CHECK(task.row("id3", 0, "test")->state == ASSAY_STATE_ERROR);
  CHECK(task.row("id3", 0, "test")->message == "no such model");
  CHECK(task.row("id4", 0, "test")->state == host::interop::kMissing);
  CHECK(task.row("id5", 0, "test")->state == ASSAY_STATE_TRUNCATED);
  CHECK(std::isnan(score_of(task, task.row("id2", 0, "test"), "score")));
}

TEST_CASE("every reference of a separate choice is an exchange of one row") {
  Run run;
  run.spec["adapter_spec"]["method"] = "multiple_choice_separate_calibrated";
  Json list = Json::array();
  for (const int reference : {0, 1}) {
    for (const char* mode : {"original", "calibration"}) {
      Json one = state("id1", "prompt and choice");
      one["reference_index"] = reference;
      one["request_mode"] = mode;
      one["request"]["echo_prompt"] = true;
      one["request"]["max_tokens"] = 0;
      list.push_back(one);
    }
  }
  run.states = list;
  run.instances = {entry("id1", 0, {stat("score", "test", 1)})};
  const ImportBox::Task& task = run.load();
  REQUIRE(task.rows.size() == 1);
  const auto& exchanges = task.rows[0].exchanges;
  REQUIRE(exchanges.size() == 4);
  CHECK(exchanges[0].name == "choice/0");
  CHECK(exchanges[1].name == "choice/0/calibration");
  CHECK(exchanges[2].name == "choice/1");
  CHECK(exchanges[0].choice_label == 0);
  CHECK(exchanges[2].choice_label == 1);
  CHECK(exchanges[2].kind == ASSAY_REQUEST_SCORE);
  CHECK(exchanges[2].sum_logprob == -1.5);
  CHECK(task.rows[0].state == ASSAY_STATE_OK);
}

TEST_CASE("aggregates alone, and folders of another kind") {
  Run run;
  run.stats = {stat("score", "test", 0.5)};
  CHECK(run.load().rows.empty());
  CHECK(run.box.tasks[0].info.reported.size() == 1);

  ImportBox box;
  ImportSummary summary;
  const ImportFolder folder;
  folder.file("run_spec.json", "{}");
  const auto done = host::interop::read_helm(folder.path, {}, box, summary);
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().code == Code::kData);
  CHECK(done.error().text.find("stats.json") != std::string::npos);
  folder.file("stats.json", "{\"a\": 1}");
  CHECK(host::interop::read_helm(folder.path, {}, box, summary).error().code == Code::kData);
  CHECK(host::interop::read_helm(folder.path / "absent", {}, box, summary).error().code == Code::kNotFound);
}

TEST_CASE("no truncation and no flipped byte of a HELM file does more than fail") {
  Run run;
  const Json states = {{"request_states", {state("id1", " B")}}};
  const Json instances = {entry("id1", 0, {stat("score", "test", 1)}, "typos")};
  const Json stats = {stat("score", "test", 0.5), stat("score", "test", 0.5, "worst")};
  const ImportFolder folder;
  const std::vector<std::pair<std::string, std::string>> files{{"run_spec.json", run.spec.dump()},
                                                               {"stats.json", stats.dump()},
                                                               {"per_instance_stats.json", instances.dump()},
                                                               {"scenario_state.json", states.dump()}};
  for (const auto& [name, text] : files) folder.file(name, text);
  for (const auto& [name, text] : files) {
    INFO(name);
    const DamageCount count = damage(text, 300, [&, file = name](const std::string& bytes) {
      rewrite(folder, file, bytes);
      ImportBox box;
      ImportSummary summary;
      return host::interop::read_helm(folder.path, {}, box, summary);
    });
    CHECK(count.refused > text.size() - 1);
    CHECK(count.read > 0);
    folder.file(name, text);
  }
}

}  // namespace assay::test
