// Runs with planted rows, written through the store, for the tests of comparisons.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "db/testing/fixture.hpp"
#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "tests/support/numbers.hpp"

namespace assay::test {

using host::Json;
using host::RowId;

struct PlantedItem {
  std::string id;
  std::vector<double> scores;  ///< one a metric
  std::string variant, group;
  int label = -1, state = 0, score_state = 0;
  std::uint32_t repeat = 0;
  std::string prompt, answer;  ///< empty: "ask ID", "says ID"
  std::uint64_t content = 0;   ///< 0: from id and variant
  bool asked = true;
};

struct PlantedMetric {
  std::string name = "m.hit", plugin = "m.hit", version = "1.0.0", library = "l", params = "{}";
  int rule = ASSAY_RULE_PROPORTION, direction = ASSAY_HIGHER_IS_BETTER;
  double min = 0, max = 1;
  bool pool = false;
  bool headline = true;
  std::vector<std::string> customs = {};  ///< names of custom values beside the value of each item
  bool customs_without_interval = false;
};

struct PlantedTask {
  std::string name = "task";
  std::vector<PlantedMetric> metrics = {PlantedMetric()};
  std::vector<PlantedItem> items;
  Json parts = {{"repeats", 1}, {"seed", 1}, {"roles", Json::object()}};
  std::string parameters = R"("max_tokens":12,"temperature":0)";  ///< of every request
  std::string kind = "generate";
  int kind_number = ASSAY_REQUEST_GENERATE;
  std::string judge;  ///< fingerprint of the model that answers a second request in the role judge
  std::string model = "toy";
  bool backwards = false;  ///< rows are stored last item first
};

/// A database, and runs in it by number.
class Runs {
 public:
  Runs() {
    auto opened = host::Store::open(folder_.file("c.db"));
    REQUIRE(text_of(opened) == "");
    store_ = *std::move(opened);
  }

  /// The run's name for compare().
  std::string plant(const std::vector<PlantedTask>& tasks) {
    host::RunRow row;
    row.suite_name = "planted";
    row.seed = 1;
    row.started = "2026-01-01T00:00:00.000Z";
    const RowId run = id(store_->begin_run(row));
    for (const PlantedTask& task : tasks) plant_task(run, task);
    REQUIRE(text_of(store_->end_run(run, "complete", 1)) == "");
    return std::to_string(run);
  }
  std::string plant(const PlantedTask& task) { return plant(std::vector<PlantedTask>{task}); }

  Result<host::Comparison> try_compare(const std::string& a, const std::string& b,
                                       const host::CompareOptions& options = {}) {
    auto reader = host::Reader::open(folder_.file("c.db"));
    REQUIRE(text_of(reader) == "");
    return host::compare_runs(**reader, a, b, options);
  }
  host::Comparison compare(const std::string& a, const std::string& b,
                           const host::CompareOptions& options = {}) {
    auto result = try_compare(a, b, options);
    REQUIRE(text_of(result) == "");
    return *std::move(result);
  }
  /// Two runs with one task.
  host::Comparison compare(const PlantedTask& a, const PlantedTask& b,
                           const host::CompareOptions& options = {}) {
    const std::string x = plant(a), y = plant(b);
    return compare(x, y, options);
  }

 private:
  static RowId id(const Result<RowId>& made) {
    REQUIRE(text_of(made) == "");
    return *made;
  }
  RowId model(const std::string& name) {
    host::ModelRow row;
    row.name = name;
    row.fingerprint = host::sha256_hex(name);
    return id(store_->add_model(row));
  }

  void plant_task(RowId run, const PlantedTask& task) {
    host::RecipeRow recipe;
    recipe.name = task.name;
    recipe.task_id = "test.task";
    recipe.parts_json = host::canonical(task.parts);
    recipe.hash = host::sha256_hex(recipe.parts_json + task.name);
    const RowId recipe_row = id(store_->add_recipe(run, recipe));
    std::vector<RowId> values;
    for (const PlantedMetric& metric : task.metrics) {
      host::MetricRow row;
      row.recipe = recipe_row;
      row.name = metric.name;
      row.plugin_id = metric.plugin;
      row.plugin_version = metric.version;
      row.library_sha256 = metric.library;
      row.params_json = metric.params;
      row.pool_variants = metric.pool;
      std::vector<host::ValueRow> one(1 + metric.customs.size());
      for (std::size_t c = 0; c < metric.customs.size(); ++c) {
        host::ValueRow& custom = one[1 + c];
        custom.name = metric.customs[c];
        custom.rule = ASSAY_RULE_CUSTOM;
        custom.direction = metric.direction;
        custom.headline = true;
        custom.no_interval = metric.customs_without_interval;
        custom.note = metric.customs_without_interval ? "a p-value" : "";
      }
      one[0].name = "score";
      one[0].rule = metric.rule;
      one[0].direction = metric.direction;
      one[0].headline = metric.headline;
      one[0].min = metric.min;
      one[0].max = metric.max;
      id(store_->add_metric(row, one));
      values.push_back(one[0].id);
    }
    host::EvaluationRow evaluation;
    evaluation.run = run;
    evaluation.recipe = recipe_row;
    evaluation.model = model(task.model);
    evaluation.planned_items = static_cast<std::int64_t>(task.items.size());
    evaluation.id = id(store_->begin_evaluation(evaluation));
    const RowId judge = task.judge.empty() ? 0 : model(task.judge);
    BatchBuilder batch;
    std::map<std::string, std::int64_t> positions;
    for (const PlantedItem& item : task.items)
      positions.emplace(item.id + "|" + item.variant, static_cast<std::int64_t>(positions.size()));
    for (std::size_t i = 0; i < task.items.size(); ++i) {
      const PlantedItem& item = task.items[task.backwards ? task.items.size() - 1 - i : i];
      const std::string key = task.name + task.model + std::to_string(run) + "|" + item.id + "|" +
                              item.variant + "|" + std::to_string(item.repeat);
      auto& row =
          batch.result(evaluation.id, positions.at(item.id + "|" + item.variant), item.id, item.state);
      row.variant = batch.keep(item.variant);
      row.group = batch.keep(item.group);
      row.label = item.label;
      row.repeat = item.repeat;
      row.content = item.content != 0 ? item.content : host::fast_key(item.id + "|" + item.variant).low;
      if (item.asked) ask(batch, evaluation.model, key, "", task, item);
      if (judge != 0) ask(batch, judge, key + "|judge", "judge", task, item);
      for (std::size_t m = 0; m < values.size(); ++m)
        batch.score(values[m], m < item.scores.size() ? item.scores[m] : kNaN, item.score_state);
    }
    REQUIRE(text_of(store_->submit(batch.done())) == "");
    evaluation.status = "complete";
    REQUIRE(text_of(store_->end_evaluation(evaluation)) == "");
  }

  static void ask(BatchBuilder& batch, RowId model, const std::string& key, const std::string& role,
                  const PlantedTask& task, const PlantedItem& item) {
    const std::string answer = item.answer.empty() ? "says " + item.id : item.answer;
    const std::int64_t at = batch.response(
        model, key, host::canonical(Json{{"choices", {{{"finish", "stop"}, {"text", answer}}}}}));
    auto& row = batch.batch().responses.back();
    row.kind = task.kind_number;
    const std::string prompt = item.prompt.empty() ? "ask " + item.id : item.prompt;
    row.request = batch.keep("{\"kind\":\"" + task.kind + "\"" + (task.parameters.empty() ? "" : ",") +
                             task.parameters + ",\"prompt\":" + Json(prompt).dump() + "}");
    batch.link("answer", role, at);
  }

  TempFolder folder_;
  std::unique_ptr<host::Store> store_;
};

/// Items "i000" ...: score(i) of each.
inline PlantedTask numbered(int n, const std::function<double(int)>& score) {
  PlantedTask task;
  for (int i = 0; i < n; ++i) {
    PlantedItem item;
    item.id = "i" + std::string(i < 10 ? "00" : i < 100 ? "0" : "") + std::to_string(i);
    item.scores = {score(i)};
    task.items.push_back(item);
  }
  return task;
}

/// The only value of the only task.
inline const host::ComparedValue& only_value(const host::Comparison& comparison) {
  REQUIRE(comparison.tasks.size() == 1);
  REQUIRE(comparison.tasks[0].values.size() == 1);
  return comparison.tasks[0].values[0];
}

/// Names of the parts in a state, of the task and of its values.
inline std::vector<std::string> parts_in(const host::Comparison& comparison, host::PartState state) {
  std::vector<std::string> names;
  for (const host::ComparedTask& task : comparison.tasks) {
    for (const host::ComparedPart& part : task.parts) {
      if (part.state == state) names.push_back(part.name);
    }
    for (const host::ComparedValue& value : task.values) {
      for (const host::ComparedPart& part : value.differing) {
        if (part.state == state) names.push_back(part.name);
      }
    }
  }
  return names;
}

/// 63 of 100 right before; 3 flips to the worse and 14 to the better after.
inline double before(int i) {
  return i < 63 ? 1 : 0;
}
inline double after(int i) {
  return i < 60 || (i >= 63 && i < 77) ? 1 : 0;
}

inline PlantedTask mean_task(int n, const std::function<double(int)>& score,
                             int direction = ASSAY_HIGHER_IS_BETTER) {
  PlantedTask task = numbered(n, score);
  task.metrics[0].rule = ASSAY_RULE_MEAN;
  task.metrics[0].direction = direction;
  task.metrics[0].min = task.metrics[0].max = kNaN;
  return task;
}

// A fixed zigzag without a trend: -1, 0.5, 1, -0.5 and so on.
inline double wave(int i) {
  static constexpr double kSteps[] = {-1, 0.5, 1, -0.5, 0.25, -0.25};
  return kSteps[i % 6];
}

}  // namespace assay::test
