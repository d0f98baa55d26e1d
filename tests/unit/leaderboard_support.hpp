// Planted runs for the leaderboard: a model with a number for each item, written through the store.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "db/testing/fixture.hpp"
#include "reports/leaderboard/leaderboard.hpp"
#include "tests/support/numbers.hpp"

namespace assay::test {

/// One evaluation to plant. The aggregate is the plain mean of the finite numbers.
struct Planted {
  std::string model = "m";
  std::string weights;          ///< its SHA-256 is the model's fingerprint; empty: the model's name
  std::vector<double> numbers;  ///< by item; NaN: the metric gave no number
  std::string task = "qa";
  std::string recipe = "recipe";  ///< its SHA-256 is the recipe's hash
  std::string started = "2026-11-01T10:00:00.000Z";
  std::string status = "complete";
  std::string suite = "suite";
  std::string prefix = "q";  ///< items are prefix0, prefix1, ...
  std::string uuid;
  int rule = 1;               ///< enum assay_rule
  int direction = 1;          ///< enum assay_direction
  bool reversed = false;      ///< rows are stored from the last item to the first
  std::uint64_t content = 0;  ///< content hash of item i is content + i; 0: none
  std::string origin = "run";
  std::vector<host::ReportedRow> reported;  ///< numbers that a log states
  std::vector<double> model_free;           ///< numbers of a blind rule
};

inline double mean_of(const std::vector<double>& numbers) {
  double sum = 0, n = 0;
  for (const double x : numbers) {
    if (std::isfinite(x)) sum += x, n += 1;
  }
  return n == 0 ? kNaN : sum / n;
}

inline void plant(host::Store& store, const Planted& p) {
  host::RunRow run;
  run.uuid = p.uuid;
  run.suite_name = p.suite;
  run.started = p.started;
  run.seed = 7;
  run.origin = p.origin;
  const auto run_id = store.begin_run(run);
  REQUIRE(text_of(run_id) == "");
  host::ModelRow model;
  model.fingerprint = host::sha256_hex(p.weights.empty() ? p.model : p.weights);
  model.name = p.model;
  const auto model_id = store.add_model(model);
  REQUIRE(text_of(model_id) == "");
  host::RecipeRow recipe;
  recipe.hash = host::sha256_hex(p.recipe);
  recipe.name = p.task;
  const auto recipe_id = store.add_recipe(*run_id, recipe);
  REQUIRE(text_of(recipe_id) == "");
  std::vector<std::vector<host::ValueRow>> values;
  std::vector<const std::vector<double>*> columns = {&p.numbers};
  if (!p.model_free.empty()) columns.push_back(&p.model_free);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    host::MetricRow metric;
    metric.recipe = *recipe_id;
    metric.name = c == 0 ? "test.metric" : "test.blind";
    metric.plugin_version = "1.2.0";
    metric.baseline = c != 0;
    auto& list = values.emplace_back(1);
    list[0].name = "accuracy";
    list[0].rule = p.rule;
    list[0].direction = p.direction;
    list[0].headline = true;
    list[0].min = list[0].max = kNaN;
    REQUIRE(text_of(store.add_metric(metric, list)) == "");
  }
  host::EvaluationRow evaluation;
  evaluation.run = *run_id;
  evaluation.recipe = *recipe_id;
  evaluation.model = *model_id;
  evaluation.model_name = p.model;
  const auto evaluation_id = store.begin_evaluation(evaluation);
  REQUIRE(text_of(evaluation_id) == "");
  BatchBuilder batch;
  const std::size_t n = p.numbers.size();
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t i = p.reversed ? n - 1 - k : k;
    host::ResultRow& row =
        batch.result(*evaluation_id, static_cast<std::int64_t>(i), p.prefix + std::to_string(i));
    row.content = p.content == 0 ? 0 : p.content + i;
    row.label = p.rule == 3 ? static_cast<int>(i % 2) : -1;
    for (std::size_t c = 0; c < columns.size(); ++c) batch.score(values[c][0].id, (*columns[c])[i]);
  }
  REQUIRE(text_of(store.submit(batch.done())) == "");
  std::vector<host::ReportedRow> reported = p.reported;
  for (host::ReportedRow& row : reported) row.evaluation = *evaluation_id;
  if (!reported.empty()) REQUIRE(text_of(store.add_reported(reported)) == "");
  std::vector<host::AggregateRow> rows;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    host::AggregateRow row;
    row.evaluation = *evaluation_id;
    row.value = values[c][0].id;
    row.statistic = "mean";
    row.estimate = mean_of(*columns[c]);
    row.lo = row.estimate - 0.05;
    row.hi = row.estimate + 0.05;
    row.se = 0.02;
    row.worst = row.best = kNaN;
    if (std::isnan(row.estimate)) row.undefined_reason = "nothing is scored";
    for (const double x : *columns[c]) row.n_scored += std::isfinite(x) ? 1 : 0;
    row.n_total = static_cast<std::int64_t>(n);
    rows.push_back(row);
  }
  REQUIRE(text_of(store.put_aggregates(*evaluation_id, rows)) == "");
  evaluation.id = *evaluation_id;
  evaluation.status = p.status;
  REQUIRE(text_of(store.end_evaluation(evaluation)) == "");
  REQUIRE(text_of(store.end_run(*run_id, p.status, 1.0)) == "");
}

/// The leaderboard of planted runs.
inline host::Leaderboard board_of(const std::vector<Planted>& planted,
                                  const host::LeaderboardOptions& options = {}) {
  const TempFolder folder;
  {
    auto store = host::Store::open(folder.file("x.db"));
    REQUIRE(text_of(store) == "");
    for (const Planted& one : planted) plant(**store, one);
  }
  auto reader = host::Reader::open(folder.file("x.db"));
  REQUIRE(text_of(reader) == "");
  auto made = host::build_leaderboard(**reader, options);
  REQUIRE(text_of(made) == "");
  return std::move(*made);
}

/// 0/1 numbers: item i is right unless (i * 7 + shift) mod 10 is below `wrong_of_ten`.
inline std::vector<double> answers(std::size_t n, std::size_t wrong_of_ten, std::size_t shift = 0) {
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = (i * 7 + shift) % 10 < wrong_of_ten ? 0.0 : 1.0;
  return out;
}

inline const host::BoardRow& row_of(const host::Board& board, const std::string& model) {
  for (const host::BoardRow& row : board.rows) {
    if (row.model == model) return row;
  }
  FAIL("no row of " << model);
  return board.rows.front();
}

}  // namespace assay::test
