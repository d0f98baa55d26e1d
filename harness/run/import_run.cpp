#include "harness/run/import_run.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

#include "harness/base/json.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/aggregate.hpp"
#include "harness/run/import_sink.hpp"
#include "harness/run/provenance.hpp"

namespace assay::host {
namespace {

using interop::ImportedRow;
using interop::ImportedRun;
using interop::ImportedTask;

constexpr int kImporterVersion = 2;

// The first reading: only whether it can be read.
class CheckSink : public interop::ImportSink {
 public:
  Result<void> run(const ImportedRun&) override { return {}; }
  Result<void> task(const ImportedTask&) override { return {}; }
  Result<void> row(ImportedRow&&) override { return {}; }
  void warning(const std::string& code, const std::string& text) override {
    warnings.push_back({code, text, 0});
  }
  std::vector<WarningRow> warnings;
};

Result<RowId> begin(Store& store, const ImportRunOptions& options, const interop::ImportSummary& summary,
                    const std::string& identity, std::string& uuid) {
  RunRow run;
  run.uuid = uuid = new_uuid();
  run.label = options.label;
  run.suite_name = summary.format + " import";
  run.suite_path = summary.source_name;
  run.suite_sha256 = summary.source_sha256;
  run.command_line = options.command_line;
  run.plan_json = "{}";
  run.versions_json = versions_json();
  run.machine_json = "{}";
  run.identity = identity;
  run.origin = "import";
  run.source_json = canonical(Json{{"file", summary.source_name},
                                   {"sha256", summary.source_sha256},
                                   {"format", summary.format},
                                   {"importer", kImporterVersion}});
  return store.begin_run(run);
}

// Recorded numbers, and aggregates computed from the rows.
Result<void> conclude(Store& store, Reader& reader, const std::vector<ImportedEvaluation>& evaluations) {
  for (const ImportedEvaluation& open : evaluations) {
    std::vector<ReportedRow> reported;
    for (const interop::ReportedNumber& from : open.task.reported) {
      ReportedRow row;
      row.evaluation = open.evaluation;
      row.metric = from.metric;
      row.statistic = from.statistic;
      row.split = from.split;
      row.number = from.number;
      row.text = from.text;
      row.n = from.n;
      if (from.value >= 0 && static_cast<std::size_t>(from.value) < open.values.size())
        row.value = open.values[static_cast<std::size_t>(from.value)];
      reported.push_back(std::move(row));
    }
    if (Result<void> ok = store.add_reported(reported); !ok) return ok;
    if (open.rows == open.missing) continue;  // only aggregates: nothing to compute from
    std::vector<AggregateRow> rows;
    for (const MetricRow& metric : open.metrics) {
      AggregateOptions options;
      options.task = open.task.name;
      options.planned = open.task.planned;
      Result<std::vector<AggregateRow>> part =
          aggregate_metric(reader, open.evaluation, metric, nullptr, options);
      if (!part) return std::move(part).error();
      rows.insert(rows.end(), part->begin(), part->end());
    }
    if (Result<void> ok = store.put_aggregates(open.evaluation, rows); !ok) return ok;
  }
  return store.flush();
}

// An import of the same bytes in the same way.
std::string identity_of(const ImportRunOptions& options, const interop::ImportSummary& summary) {
  Sha256 digest;
  digest.field("import").number(kImporterVersion).field(summary.format).field(summary.source_sha256);
  digest.field(options.read.model).number(options.read.skip_bad_lines ? 1 : 0);
  digest.number(options.read.number_lines ? 1 : 0).number(options.read.salvage ? 1 : 0);
  for (const std::filesystem::path* file : {&options.read.map, &options.read.requests}) {
    const Result<std::string> hash = file->empty() ? std::string() : sha256_file(*file);
    digest.field(hash ? *hash : std::string());
  }
  return hex(digest.finish());
}

}  // namespace

Result<ImportResult> import_run(const std::filesystem::path& path, const ImportRunOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  ImportResult result;
  CheckSink check;
  Result<interop::ImportSummary> summary = interop::read(path, options.read, check);
  if (!summary) return std::move(summary).error();
  result.summary = *std::move(summary);
  if (options.dry_run) {
    result.warnings = std::move(check.warnings);
    return result;
  }
  Result<std::unique_ptr<Store>> opened = Store::open(options.database, options.store);
  if (!opened) return std::move(opened).error();
  Store& store = **opened;
  Result<std::unique_ptr<Reader>> reader = Reader::open(options.database);
  if (!reader) return std::move(reader).error();
  const std::string identity = identity_of(options, result.summary);
  Result<std::vector<RunSummary>> before = (*reader)->runs_with(identity);
  if (!before) return std::move(before).error();
  RowId run = 0;
  for (const RunSummary& known : *before) {
    const bool cut_off = known.run.status == "interrupted" || known.run.status == "failed";
    if (options.again && !cut_off) continue;
    result.uuid = known.run.uuid;
    if (!cut_off) {
      result.known = true;
      return result;
    }
    if (Result<void> ok = store.resume_run(known.run.id); !ok) return std::move(ok).error();
    run = known.run.id;
    result.resumed = true;
    break;
  }
  if (run == 0) {
    Result<RowId> begun = begin(store, options, result.summary, identity, result.uuid);
    if (!begun) return std::move(begun).error();
    run = *begun;
  }
  ImportStoreSink sink(store, run, result.summary.source_sha256);
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  Result<interop::ImportSummary> stored = interop::read(path, options.read, sink);
  Result<void> done = stored ? sink.finish() : Result<void>(std::move(stored).error());
  if (done) done = store.flush();
  if (done) done = conclude(store, **reader, sink.evaluations());
  if (done) done = store.add_warnings(run, sink.warnings);
  if (!done) {
    (void)store.end_run(run, "failed", elapsed());
    return std::move(done).error();
  }
  bool whole = true;
  for (const ImportedEvaluation& open : sink.evaluations())
    whole = whole && open.task.complete && open.failed == 0 && open.task.planned == open.rows - open.missing;
  if (Result<void> ok = store.end_run(run, whole ? "complete" : "incomplete", elapsed()); !ok)
    return std::move(ok).error();
  result.warnings = std::move(sink.warnings);
  Result<std::vector<AggregateLine>> table = (*reader)->aggregates(run);
  if (!table) return std::move(table).error();
  result.table = *std::move(table);
  Result<std::vector<ReportedRow>> reported = (*reader)->reported(run);
  if (!reported) return std::move(reported).error();
  result.reported = *std::move(reported);
  return result;
}

}  // namespace assay::host
