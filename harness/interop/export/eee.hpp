// Every Eval Ever 0.3.0: names and rules that the aggregate file and its samples share.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>

#include "harness/interop/export/formats.hpp"

namespace assay::host::exporting::eee {

using OrderedJson = nlohmann::ordered_json;

/// A file pair: one task, one model, the headline value of one metric.
struct Record {
  const Selected& of;
  const MetricRow& metric;
  const ValueRow& value;
  std::string uuid;  ///< version 4 in form, made from run, task, model and value
  std::string evaluation_id, model_id, developer;
  std::string name;                         ///< evaluation_name: suite.task
  std::vector<const AggregateLine*> lines;  ///< aggregates with a finite estimate
  std::vector<const ReportedRow*> beside;   ///< what the source of an import stated about the same values
  bool reported = false;  ///< `lines` are the source's own statements, not computed from rows
  [[nodiscard]] bool per_item() const;
  /// Of an aggregate: suite.task.metric, @variant, and the statistic when it is a companion.
  [[nodiscard]] std::string result_id(const std::string& variant, const std::string& statistic) const;
};

/// The end of the range of a value that is the right answer, and how that is decided.
struct Correctness {
  enum class Rule { kBest, kHalf, kUnbounded } rule = Rule::kUnbounded;
  double low = 0, high = 0;
  bool lower_is_better = false;
  [[nodiscard]] bool correct(double score) const;
  [[nodiscard]] const char* text() const;  ///< for the metadata of a sample
};
Correctness correctness(const ValueRow& value);

/// What writing the samples found out.
struct Samples {
  std::string checksum;  ///< SHA-256 of the file
  std::int64_t rows = 0;
  std::int64_t left_out = 0;  ///< items without a score that did not fail
  bool same_settings = true;  ///< all generations were asked for with the same settings
  OrderedJson settings;       ///< generation_args; null when nothing was generated
};

/// A record without numbers.
Record record_of(const Task& task, const Selected& of, const MetricRow& metric, const ValueRow& value);
/// Writes the aggregate file, and the samples where there are any. `undefined`: the task's numbers that are
/// none.
Result<void> write_pair(const Task& task, const Record& record, const std::string& undefined);
/// Writes a record for each number that the source of an import stated about a task whose rows give none.
Result<void> write_reported(const Task& task, const Selected& of, const std::vector<ReportedRow>& reported);

/// Writes the samples file, ordered by sample id, variant and repeat.
Result<Samples> write_samples(Reader& reader, const Record& record, const std::string& path);

}  // namespace assay::host::exporting::eee
