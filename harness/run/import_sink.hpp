// Puts what a reader of foreign logs finds into the database: models, recipes, evaluations, items, answers
// and recorded scores.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "assay/plugin.h"
#include "db/store.hpp"
#include "harness/interop/imported.hpp"

namespace assay::host {

/// Where one task of the log went.
struct ImportedEvaluation {
  interop::ImportedTask task;
  RowId evaluation = 0, item_set = 0;
  std::vector<RowId> values;  ///< parallel to task.values
  std::vector<MetricRow> metrics;
  std::int64_t rows = 0, missing = 0, failed = 0;
};

/// One thread. Rows go to the store in batches; finish() hands over the last one. A run that holds some of
/// the rows already is completed.
class ImportStoreSink : public interop::ImportSink {
 public:
  /// `run` is a running run of the store; `source_sha256` distinguishes the answers of one log from
  /// another's.
  ImportStoreSink(Store& store, RowId run, std::string source_sha256);
  ~ImportStoreSink() override;

  Result<void> run(const interop::ImportedRun& run) override;
  Result<void> task(const interop::ImportedTask& task) override;
  Result<void> row(interop::ImportedRow&& row) override;
  void warning(const std::string& code, const std::string& text) override;
  Result<void> finish();

  [[nodiscard]] const std::vector<ImportedEvaluation>& evaluations() const { return evaluations_; }
  std::vector<WarningRow> warnings;

 private:
  struct Keep;  // texts and arrays of one batch
  struct Place {
    std::uint64_t content = 0;
    std::size_t evaluation = 0;  ///< that `position` is for
    std::uint32_t position = 0, item = 0;
  };

  Result<void> add_model(const std::string& name);
  Result<void> add_metrics(ImportedEvaluation& open, RowId recipe);
  void add(ImportedEvaluation& open, interop::ImportedRow& from);
  void add_item(const ImportedEvaluation& open, const assay_item& item, ResultRow& result);
  void add_scores(const ImportedEvaluation& open, interop::ImportedRow& from);
  assay_request request_of(const interop::ImportedExchange& from, std::uint32_t repeat);
  void add_exchange(const ImportedEvaluation& open, const interop::ImportedRow& row,
                    const interop::ImportedExchange& from, const assay_request& request);
  void fill_answer(const interop::ImportedExchange& from, ResponseRow& response);
  Result<void> flush();
  Result<void> close_task();

  Store& store_;
  RowId run_ = 0, model_ = 0;
  std::string source_, fingerprint_;
  interop::ImportedRun log_;
  std::vector<ImportedEvaluation> evaluations_;
  std::unordered_map<std::uint64_t, Place> places_;        ///< by hash of id and variant
  std::unordered_map<std::uint64_t, std::uint32_t> more_;  ///< further contents of the same id: kept items
  std::uint32_t next_position_ = 0, next_item_ = 0;
  std::shared_ptr<Batch> batch_;
  std::shared_ptr<Keep> keep_;
  std::deque<std::vector<assay_message>> messages_;
  std::deque<std::vector<assay_str>> stops_;
};

}  // namespace assay::host
