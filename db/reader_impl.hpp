// The inside of Reader: one read-only connection.
#pragma once

#include "db/layout.hpp"
#include "db/queries.hpp"
#include "db/sqlite.hpp"

namespace assay::host {

struct Reader::Impl {
  std::unique_ptr<sqlite::Connection> connection;

  /// The ids of one evaluation's results.
  static RowId first(RowId evaluation) { return evaluation << kEvaluationShift; }
  static RowId last(RowId evaluation) { return first(evaluation) + kResultsPerEvaluationMax; }
};

/// Makes the questions of a scope see one state of the file.
class Snapshot {
 public:
  explicit Snapshot(sqlite::Connection& connection)
      : connection_(connection), open_(connection.execute("BEGIN").ok()) {}
  ~Snapshot() {
    if (open_) (void)connection_.execute("COMMIT");
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  sqlite::Connection& connection_;
  bool open_;
};

/// Shows runs whose process died as interrupted: their rows still say running, because nobody could say
/// otherwise.
void mark_abandoned(sqlite::Connection& connection, std::vector<RunSummary>& runs);

/// Columns of `run` in the order run_from expects.
inline constexpr char kRunColumns[] =
    "r.id, r.uuid, r.label, r.suite_name, r.suite_path, r.suite_sha256, r.suite_text, r.command_line, r.plan,"
    " r.versions, r.machine, r.seed, r.repeats, r.started, r.ended, r.status,"
    " (SELECT total(seconds) FROM segment WHERE run = r.id),"
    " (SELECT count(DISTINCT model) FROM evaluation WHERE run = r.id),"
    " (SELECT count(*) FROM recipe WHERE run = r.id),"
    " (SELECT coalesce(sum(results), 0) FROM evaluation WHERE run = r.id), r.identity, r.options, r.origin,"
    " coalesce(r.source, '')";
RunSummary run_from(const sqlite::Statement& row);
ValueRow value_from(const sqlite::Statement& row);
inline constexpr char kValueColumns[] =
    "v.id, v.metric, v.name, v.doc, v.unit, v.denominator, v.note, v.rule, v.direction, v.headline, "
    "v.no_interval,"
    " v.min, v.max";

inline int small(const sqlite::Statement& row, int column) {
  return static_cast<int>(row.integer(column));
}
/// A count or label that is NULL when unknown.
inline std::int64_t or_minus_one(const sqlite::Statement& row, int column) {
  return row.is_null(column) ? -1 : row.integer(column);
}

}  // namespace assay::host
