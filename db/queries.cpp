#include "db/queries.hpp"

#include <unistd.h>

#include "db/lock.hpp"
#include "db/migrate.hpp"
#include "db/reader_impl.hpp"

namespace assay::host {
namespace {

using sqlite::Connection;
using sqlite::Statement;

/// Collects `make(row)` of every row.
template <class Row, class Make>
Result<std::vector<Row>> collect(Connection& c, std::string_view sql, sqlite::Arguments arguments,
                                 Make make) {
  std::vector<Row> rows;
  Result<void> done = c.each(sql, arguments, [&](const Statement& row) { rows.push_back(make(row)); });
  if (!done) return std::move(done).error();
  return rows;
}

/// Opens the file; a read-only folder without a live log is read as it is.
Result<std::unique_ptr<Connection>> open_connection(const std::filesystem::path& file) {
  Result<std::unique_ptr<Connection>> made = Connection::open(file, sqlite::Mode::kReadOnly, sqlite::kBusyMs);
  if (!made) return made;
  Result<std::optional<std::int64_t>> probe = (*made)->number("SELECT count(*) FROM sqlite_schema");
  if (probe) return made;
  if (probe.error().code != Code::kResourceExhausted) return std::move(probe).error();
  // Only where SQLite cannot make its shared memory: a log file that could be made means that somebody may be
  // writing, and an immutable connection sees neither log nor locks.
  const std::filesystem::path folder =
      file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  if (::access(folder.c_str(), W_OK) == 0 || std::filesystem::exists(file.string() + "-shm"))
    return std::move(probe).error();
  std::error_code missing;
  const std::uintmax_t log = std::filesystem::file_size(file.string() + "-wal", missing);
  if (!missing && log > 0) return std::move(probe).error();
  return Connection::open(file, sqlite::Mode::kImmutable, sqlite::kBusyMs);
}

}  // namespace

Reader::Reader() : impl_(std::make_unique<Impl>()) {}
Reader::~Reader() = default;

Result<std::unique_ptr<Reader>> Reader::open(const std::filesystem::path& file) {
  Result<void> fine = check_file(file, /*may_be_missing=*/false);
  if (!fine) return std::move(fine).error();
  Result<std::unique_ptr<Connection>> made = open_connection(file);
  if (!made) return std::move(made).error();
  Connection& c = **made;
  c.no_checkpoint_on_close();
  Result<void> set = c.execute(
      "PRAGMA query_only = ON; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
      "PRAGMA cache_size = -32768");
  if (!set) return std::move(set).error();
  Result<int> version = check_schema(c, newest_schema());
  if (!version) return std::move(version).error();
  if (*version < newest_schema()) {
    return Error{Code::kData,
                 "the database '" + file.string() + "' has schema version " + std::to_string(*version) +
                     ", this assay reads " + std::to_string(newest_schema()) +
                     "; any command that writes (such as 'assay run') brings it up to date",
                 file.string()};
  }
  std::unique_ptr<Reader> reader(new Reader());
  reader->impl_->connection = std::move(*made);
  return reader;
}

void Reader::interrupt() {
  impl_->connection->interrupt();
}

RunSummary run_from(const Statement& row) {
  RunSummary summary;
  RunRow& run = summary.run;
  run.id = row.integer(0);
  run.uuid = row.string(1);
  run.label = row.string(2);
  run.suite_name = row.string(3);
  run.suite_path = row.string(4);
  run.suite_sha256 = row.string(5);
  run.suite_text = row.string(6);
  run.command_line = row.string(7);
  run.plan_json = row.string(8);
  run.versions_json = row.string(9);
  run.machine_json = row.string(10);
  run.seed = sqlite::as_unsigned(row.integer(11));
  run.repeats = row.integer(12);
  run.started = row.string(13);
  run.ended = row.string(14);
  run.status = row.string(15);
  run.wall_seconds = row.real(16);
  summary.models = row.integer(17);
  summary.recipes = row.integer(18);
  summary.results = row.integer(19);
  run.identity = row.string(20);
  run.options_json = row.string(21);
  run.origin = row.string(22);
  run.source_json = row.string(23);
  return summary;
}

ValueRow value_from(const Statement& row) {
  ValueRow value;
  value.id = row.integer(0);
  value.metric = row.integer(1);
  value.name = row.string(2);
  value.doc = row.string(3);
  value.unit = row.string(4);
  value.denominator = row.string(5);
  value.note = row.string(6);
  value.rule = small(row, 7);
  value.direction = small(row, 8);
  value.headline = row.integer(9) != 0;
  value.no_interval = row.integer(10) != 0;
  value.min = row.real(11);
  value.max = row.real(12);
  return value;
}

Result<std::vector<RunSummary>> Reader::runs() {
  const std::string sql = std::string("SELECT ") + kRunColumns + " FROM run AS r ORDER BY r.id";
  Result<std::vector<RunSummary>> runs = collect<RunSummary>(*impl_->connection, sql, {}, run_from);
  if (runs) mark_abandoned(*impl_->connection, *runs);
  return runs;
}

void mark_abandoned(Connection& connection, std::vector<RunSummary>& runs) {
  for (RunSummary& run : runs) {
    if (run.run.status != "running") continue;
    bool owned = false;
    const Result<void> read = connection.each(
        "SELECT pid, process_start, host, unixepoch() - heartbeat FROM segment WHERE run = ? AND ended IS "
        "NULL",
        {run.run.id}, [&](const Statement& row) {
          const ProcessIdentity process{row.integer(0), row.integer(1), row.string(2)};
          owned = owned || (process.host == this_process().host ? process_alive(process)
                                                                : row.integer(3) < kOwnerSilentSeconds);
        });
    if (read && !owned) run.run.status = "interrupted";
  }
}

Result<std::vector<RunSummary>> Reader::runs_with(const std::string& identity) {
  const std::string sql = std::string("SELECT ") + kRunColumns +
                          " FROM run AS r WHERE r.identity = ? AND r.identity <> '' ORDER BY r.id DESC";
  Result<std::vector<RunSummary>> runs = collect<RunSummary>(*impl_->connection, sql, {identity}, run_from);
  if (runs) mark_abandoned(*impl_->connection, *runs);
  return runs;
}

Result<std::vector<ScoreSetRow>> Reader::score_sets(RowId run) {
  return collect<ScoreSetRow>(
      *impl_->connection,
      "SELECT id, run, label, created, command_line, versions FROM score_set WHERE run = ? ORDER BY id",
      {run}, [](const Statement& row) {
        return ScoreSetRow{row.integer(0), row.integer(1), row.string(2),
                           row.string(3),  row.string(4),  row.string(5)};
      });
}

Result<std::vector<ReportedRow>> Reader::reported(RowId run) {
  return collect<ReportedRow>(
      *impl_->connection,
      "SELECT r.evaluation, r.metric, r.statistic, r.split, r.number, r.text, r.n, coalesce(r.value, 0), "
      "c.name"
      " FROM evaluation AS e JOIN reported AS r ON r.evaluation = e.id JOIN recipe AS c ON c.id = e.recipe"
      " WHERE e.run = ? ORDER BY r.id",
      {run}, [](const Statement& row) {
        return ReportedRow{row.integer(0), row.string(1),        row.string(2),  row.string(3), row.real(4),
                           row.string(5),  or_minus_one(row, 6), row.integer(7), row.string(8)};
      });
}

Result<std::vector<SegmentRow>> Reader::segments(RowId run) {
  return collect<SegmentRow>(
      *impl_->connection, "SELECT started, ended, seconds, pid, host FROM segment WHERE run = ? ORDER BY id",
      {run}, [](const Statement& row) {
        return SegmentRow{row.string(0), row.string(1), row.real(2), row.integer(3), row.string(4)};
      });
}

Result<std::vector<EvaluationRow>> Reader::evaluations(RowId run) {
  return collect<EvaluationRow>(
      *impl_->connection,
      "SELECT id, run, recipe, model, planned_items, status, reason, prompt_hash, n_ok, n_empty, n_refused,"
      " n_truncated, n_unparsed, n_unsupported, n_error, n_timeout, model_name FROM evaluation WHERE run = ? "
      "ORDER BY id",
      {run}, [](const Statement& row) {
        EvaluationRow evaluation;
        evaluation.id = row.integer(0);
        evaluation.run = row.integer(1);
        evaluation.recipe = row.integer(2);
        evaluation.model = row.integer(3);
        evaluation.planned_items = or_minus_one(row, 4);
        evaluation.status = row.string(5);
        evaluation.reason = row.string(6);
        evaluation.prompt_hash = row.string(7);
        for (int s = 0; s < kStateCount; ++s) evaluation.states[s] = row.integer(8 + s);
        evaluation.model_name = row.string(16);
        return evaluation;
      });
}

Result<std::vector<RecipeRow>> Reader::recipes(RowId run) {
  return collect<RecipeRow>(
      *impl_->connection,
      "SELECT id, hash, name, task_id, parts, data_hash, selection FROM recipe WHERE run = ? ORDER BY id",
      {run}, [](const Statement& row) {
        return RecipeRow{row.integer(0), row.string(1), row.string(2), row.string(3),
                         row.string(4),  row.string(5), row.string(6)};
      });
}

Result<std::vector<ModelRow>> Reader::models(RowId run) {
  return collect<ModelRow>(
      *impl_->connection,
      "SELECT id, fingerprint, name, expression, plugin_id, capabilities, identity FROM model"
      " WHERE id IN (SELECT model FROM evaluation WHERE run = ?) ORDER BY id",
      {run}, [](const Statement& row) {
        return ModelRow{row.integer(0), row.string(1), row.string(2),
                        row.string(3),  row.string(4), sqlite::as_unsigned(row.integer(5)),
                        row.string(6)};
      });
}

Result<std::vector<MetricRow>> Reader::metrics(RowId recipe) {
  return collect<MetricRow>(
      *impl_->connection,
      "SELECT id, recipe, name, plugin_id, plugin_version, library_sha256, params, baseline, pool_variants,"
      " coalesce(score_set, 0)"
      " FROM metric WHERE recipe = ? ORDER BY score_set IS NOT NULL, id",
      {recipe}, [](const Statement& row) {
        return MetricRow{row.integer(0),      row.integer(1), row.string(2), row.string(3),
                         row.string(4),       row.string(5),  row.string(6), row.integer(7) != 0,
                         row.integer(8) != 0, row.integer(9)};
      });
}

Result<std::vector<PluginRow>> Reader::plugins(RowId run) {
  return collect<PluginRow>(*impl_->connection,
                            "SELECT plugin_id, version, kind, library_path, library_sha256, build_info FROM "
                            "run_plugin WHERE run = ?"
                            " ORDER BY plugin_id, library_sha256",
                            {run}, [](const Statement& row) {
                              return PluginRow{row.string(0), row.string(1), row.string(2),
                                               row.string(3), row.string(4), row.string(5)};
                            });
}

Result<std::vector<WarningRow>> Reader::warnings(RowId run) {
  return collect<WarningRow>(*impl_->connection,
                             "SELECT code, text, evaluation FROM warning WHERE run = ? ORDER BY id", {run},
                             [](const Statement& row) {
                               return WarningRow{row.string(0), row.string(1), row.integer(2)};
                             });
}

namespace {

AggregateLine aggregate_from(const Statement& row) {
  AggregateLine line;
  int column = 0;
  for (std::string* text :
       {&line.recipe, &line.recipe_hash, &line.model, &line.metric, &line.value, &line.unit, &line.doc}) {
    *text = row.string(column++);
  }
  line.baseline = row.integer(column++) != 0;
  line.headline = row.integer(column++) != 0;
  line.no_interval = row.integer(column++) != 0;
  line.rule = small(row, column++);
  line.direction = small(row, column++);
  AggregateRow& a = line.row;
  a.evaluation = row.integer(column++);
  a.value = row.integer(column++);
  a.variant = row.string(column++);
  a.statistic = row.string(column++);
  for (double* number : {&a.estimate, &a.se, &a.lo, &a.hi}) *number = row.real(column++);
  for (std::string* text : {&a.method, &a.undefined_reason, &a.notes}) *text = row.string(column++);
  for (std::int64_t* count : {&a.n_total, &a.n_scored, &a.n_non_finite, &a.n_missing, &a.clusters}) {
    *count = row.integer(column++);
  }
  a.n_positive = or_minus_one(row, column++);
  a.n_negative = or_minus_one(row, column++);
  for (std::int64_t& count : a.states) count = row.integer(column++);
  a.worst = row.real(column++);
  a.best = row.real(column++);
  a.seed = sqlite::as_unsigned(row.integer(column++));
  a.replicates = row.integer(column++);
  a.denominator = row.string(column++);
  return line;
}

}  // namespace

Result<std::vector<AggregateLine>> Reader::aggregates(RowId run) {
  return collect<AggregateLine>(
      *impl_->connection,
      "SELECT c.name, c.hash, e.model_name, m.name, v.name, v.unit, v.doc, m.baseline, v.headline, "
      "v.no_interval, "
      "v.rule,"
      " v.direction, a.evaluation, a.value, a.variant, a.statistic, a.estimate, a.se, a.lo, a.hi, a.method,"
      " a.undefined_reason, a.notes, a.n_total, a.n_scored, a.n_non_finite, a.n_missing, a.clusters, "
      "a.n_positive,"
      " a.n_negative, a.n_ok, a.n_empty, a.n_refused, a.n_truncated, a.n_unparsed, a.n_unsupported, "
      "a.n_error,"
      " a.n_timeout, a.worst, a.best, a.seed, a.replicates, a.denominator"
      " FROM evaluation AS e JOIN aggregate AS a ON a.evaluation = e.id JOIN recipe AS c ON c.id = e.recipe"
      " JOIN value AS v ON v.id = a.value JOIN metric AS m ON m.id = "
      "v.metric"
      " WHERE e.run = ? ORDER BY c.id, e.id, a.ordinal",
      {run}, aggregate_from);
}

Result<std::vector<std::string>> Reader::integrity() {
  Connection& c = *impl_->connection;
  const Snapshot snapshot(c);
  std::vector<std::string> problems;
  Result<void> done = c.each("PRAGMA integrity_check", {}, [&](const Statement& row) {
    if (row.text(0) != "ok") problems.push_back("the file is damaged: " + row.string(0));
  });
  if (!done) return std::move(done).error();
  done = c.each("PRAGMA foreign_key_check", {}, [&](const Statement& row) {
    problems.push_back("row " + row.string(1) + " of table " + row.string(0) + " points to a row of table " +
                       row.string(2) + " that does not exist");
  });
  if (!done) return std::move(done).error();
  done = c.each(
      "SELECT e.id, e.results, (SELECT count(*) FROM result WHERE id BETWEEN (e.id << 32) AND (e.id << 32) +"
      " 4294967295) AS n FROM evaluation AS e WHERE n <> e.results",
      {}, [&](const Statement& row) {
        problems.push_back("evaluation " + row.string(0) + " counts " + row.string(1) +
                           " results but holds " + row.string(2));
      });
  if (!done) return std::move(done).error();
  return problems;
}

Result<int> Reader::schema_version() {
  Result<std::optional<std::int64_t>> version = impl_->connection->number("PRAGMA user_version");
  if (!version) return std::move(version).error();
  return static_cast<int>(version->value_or(0));
}

}  // namespace assay::host
