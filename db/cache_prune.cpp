// Taking stored answers out of service. Results are the record and keep what they point to.
#include "db/cache.hpp"
#include "db/cache_impl.hpp"
#include "db/reader_impl.hpp"
#include "db/store_impl.hpp"

namespace assay::host {
namespace {

using sqlite::Connection;
using sqlite::Statement;

// ?1: created before, 0 for any; ?2: models as a JSON array, empty for any; ?3: 1 for unused ones only.
constexpr char kChosen[] =
    "(?1 = 0 OR created < ?1) AND (?2 = '' OR model IN (SELECT value FROM json_each(?2)))"
    " AND (?3 = 0 OR id NOT IN (SELECT response FROM result_response))";

std::string model_list(const PruneFilter& filter) {
  if (filter.models.empty()) return {};
  std::string list;
  for (const RowId model : filter.models) list += (list.empty() ? "[" : ",") + std::to_string(model);
  return list + "]";
}

Result<PruneOutcome> count(Connection& c, const PruneFilter& filter, const std::string& models) {
  static const std::string kSql =
      std::string(
          "SELECT count(*) FILTER (WHERE NOT linked), coalesce(sum(bytes) FILTER (WHERE NOT linked), 0),"
          " count(*) FILTER (WHERE linked AND served), count(*) FILTER (WHERE linked AND NOT served)"
          " FROM (SELECT id IN (SELECT response FROM result_response) AS linked, key_head IS NOT NULL AS"
          " served, ") +
      kResponseBytes + " AS bytes FROM response WHERE " + kChosen + ")";
  PruneOutcome outcome;
  Result<void> done = c.each(kSql, {filter.created_before, models, filter.unused}, [&](const Statement& row) {
    outcome.deleted = row.integer(0);
    outcome.deleted_bytes = row.integer(1);
    outcome.retired = row.integer(2);
    outcome.records = row.integer(3);
  });
  if (!done) return std::move(done).error();
  return outcome;
}

/// A run at work may have looked up an answer that it will point to in a moment.
Result<void> nobody_runs(Connection& c) {
  std::vector<RunSummary> runs;
  const std::string sql =
      std::string("SELECT ") + kRunColumns + " FROM run AS r WHERE r.status = 'running' ORDER BY r.id";
  Result<void> done = c.each(sql, {}, [&](const Statement& row) { runs.push_back(run_from(row)); });
  if (!done) return done;
  mark_abandoned(c, runs);
  for (const RunSummary& run : runs) {
    if (run.run.status != "running") continue;
    return Error{Code::kUnavailable,
                 "run " + run.run.uuid.substr(0, 8) + " is being worked on in '" + c.path() +
                     "' and may use what would be pruned; wait for its end, then prune again",
                 {}};
  }
  return {};
}

Result<void> remove(Connection& c, const PruneFilter& filter, const std::string& models,
                    PruneOutcome& outcome) {
  Result<void> idle = nobody_runs(c);
  if (!idle) return idle;
  Result<PruneOutcome> counted = count(c, filter, models);
  if (!counted) return std::move(counted).error();
  const std::string statements[] = {
      std::string("DELETE FROM response WHERE ") + kChosen +
          " AND id NOT IN (SELECT response FROM result_response)",
      std::string("UPDATE response SET key_head = NULL WHERE key_head IS NOT NULL AND ") + kChosen};
  for (const std::string& sql : statements) {
    Result<std::int64_t> changed = c.run(sql, {filter.created_before, models, filter.unused});
    if (!changed) return std::move(changed).error();
  }
  outcome = *counted;
  return {};
}

}  // namespace

Result<PruneOutcome> Reader::prunable(const PruneFilter& filter) {
  const Snapshot snapshot(*impl_->connection);
  return count(*impl_->connection, filter, model_list(filter));
}

Result<PruneOutcome> Store::prune(const PruneFilter& filter) {
  const std::string models = model_list(filter);
  PruneOutcome outcome;
  bool refused = false;
  Error why;
  Result<void> done = impl_->execute([&](Connection& c) -> Result<void> {
    // Each deleted row would make SQLite look through all links for one that points to it; the statements
    // themselves leave alone what is linked.
    Result<void> step = c.execute("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE");
    if (step) step = remove(c, filter, models, outcome);
    if (step) step = c.execute("COMMIT");
    if (!step) (void)c.execute("ROLLBACK");
    Result<void> on = c.execute("PRAGMA foreign_keys = ON");
    if (!step && step.error().code == Code::kUnavailable) {
      refused = true;  // no failure of the writer
      why = step.error();
      return on;
    }
    return step ? std::move(on) : std::move(step);
  });
  if (refused) return why;
  if (!done) return std::move(done).error();
  return outcome;
}

}  // namespace assay::host
