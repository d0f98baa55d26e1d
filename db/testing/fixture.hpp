// What the database's tests share: a temporary folder, a small run, and batches that own their texts.
#pragma once

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "db/store.hpp"

namespace assay::test {

/// A folder of its own that is removed at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "assay-db-XXXXXX").string();
    path_ = mkdtemp(name.data()) == nullptr ? std::filesystem::path() : std::filesystem::path(name);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// "" or the error's text, for REQUIRE(text_of(x) == "").
template <class T>
std::string text_of(const Result<T>& result) {
  return result.ok() ? std::string() : result.error().text;
}
template <class T>
Code code_of(const Result<T>& result) {
  return result.ok() ? Code::kOk : result.error().code;
}

/// A key that any number of tests can make again.
inline host::Digest key_of(const std::string& text) {
  return host::sha256(text);
}

/// Builds a batch whose texts it keeps.
class BatchBuilder {
 public:
  BatchBuilder()
      : batch_(std::make_shared<host::Batch>()), texts_(std::make_shared<std::deque<std::string>>()) {
    batch_->keep.push_back(texts_);
  }

  std::string_view keep(std::string text) { return texts_->emplace_back(std::move(text)); }

  /// A response; `key_text` is hashed into its key. Returns its index.
  std::int64_t response(host::RowId model, const std::string& key_text, const std::string& answer,
                        int state = 0) {
    host::ResponseRow row;
    row.key = key_of(key_text);
    row.model = model;
    row.kind = 1;
    row.request = keep("{\"prompt\":\"" + key_text + "\"}");
    row.answer = keep(answer);
    row.state = state;
    row.tokens_in = 3;
    row.tokens_out = 5;
    row.total_ns = 7'000'000;
    batch_->responses.push_back(row);
    return static_cast<std::int64_t>(batch_->responses.size()) - 1;
  }

  /// A result without links and scores; change it through the reference.
  host::ResultRow& result(host::RowId evaluation, std::int64_t position, const std::string& item,
                          int state = 0) {
    host::ResultRow row;
    row.evaluation = evaluation;
    row.position = position;
    row.item_id = keep(item);
    row.state = state;
    row.link_begin = row.link_end = static_cast<std::uint32_t>(batch_->links.size());
    row.score_begin = row.score_end = static_cast<std::uint32_t>(batch_->scores.size());
    return batch_->results.emplace_back(row);
  }
  /// Appends to the last result.
  void link(const std::string& name, const std::string& role, std::int64_t in_batch, host::RowId id = 0) {
    batch_->links.push_back({keep(name), keep(role), in_batch, id});
    ++batch_->results.back().link_end;
  }
  void score(host::RowId value, double number, int state = 0, const std::string& note = {}) {
    batch_->scores.push_back({value, number, state, keep(note)});
    ++batch_->results.back().score_end;
  }
  host::Batch& batch() { return *batch_; }
  std::shared_ptr<const host::Batch> done() { return batch_; }

 private:
  std::shared_ptr<host::Batch> batch_;
  std::shared_ptr<std::deque<std::string>> texts_;
};

/// A run with one recipe, one model, one metric of two per-item values and a custom one, and one evaluation.
struct SmallRun {
  host::RowId run = 0, model = 0, recipe = 0, metric = 0, evaluation = 0;
  std::vector<host::ValueRow> values;
  std::string error;  ///< empty when all is well

  explicit SmallRun(host::Store& store, const std::string& label = {}, const std::string& uuid = {}) {
    host::RunRow row;
    row.uuid = uuid;
    row.label = label;
    row.suite_name = "small";
    row.seed = 0xfedcba9876543210U;
    take(run, store.begin_run(row));
    host::ModelRow model_row;
    model_row.fingerprint = std::string(64, 'a');
    model_row.name = "toy";
    model_row.capabilities = std::uint64_t{1} << 63U;
    take(model, store.add_model(model_row));
    host::RecipeRow recipe_row;
    recipe_row.hash = std::string(64, 'b');
    recipe_row.name = "task one";
    take(recipe, store.add_recipe(run, recipe_row));
    host::MetricRow metric_row;
    metric_row.recipe = recipe;
    metric_row.name = "demo.metric";
    values.resize(3);
    values[0].name = "score";
    values[0].rule = 2;
    values[0].direction = 1;
    values[0].headline = true;
    values[0].min = 0;
    values[0].max = std::numeric_limits<double>::quiet_NaN();
    values[1].name = "curve";
    values[1].rule = 6;
    values[2].name = "hit";
    values[2].rule = 1;
    take(metric, store.add_metric(metric_row, values));
    host::EvaluationRow evaluation_row;
    evaluation_row.run = run;
    evaluation_row.recipe = recipe;
    evaluation_row.model = model;
    take(evaluation, store.begin_evaluation(evaluation_row));
  }

 private:
  void take(host::RowId& id, const Result<host::RowId>& made) {
    if (made.ok()) {
      id = *made;
    } else if (error.empty()) {
      error = made.error().text;
    }
  }
};

}  // namespace assay::test
