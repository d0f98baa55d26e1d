// The rows around the results: runs, models, recipes, metrics, evaluations, aggregates, warnings.
#include <sys/random.h>

#include <algorithm>

#include "db/layout.hpp"
#include "db/store_impl.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

using sqlite::Connection;
using sqlite::Statement;

std::string random_uuid() {
  Digest bytes{};
  if (getrandom(bytes.data(), 16, 0) != 16) return {};
  return hex(bytes).substr(0, 32);
}

Error unknown(const char* what, RowId id) {
  return {Code::kInvalidArgument,
          "the database has no " + std::string(what) + " with id " + std::to_string(id),
          {}};
}

/// Fails when an UPDATE found no row.
Result<void> expect_row(Result<std::int64_t> changed, const char* what, RowId id) {
  if (!changed) return std::move(changed).error();
  if (*changed == 0) return unknown(what, id);
  return {};
}

Result<RowId> open_segment(Connection& c, RowId run) {
  const ProcessIdentity self = this_process();
  Result<std::int64_t> done = c.run(
      "INSERT INTO segment (run, started, ended, seconds, heartbeat, pid, process_start, host)"
      " VALUES (?, ?, NULL, 0.0, unixepoch(), ?, ?, ?)",
      {run, utc_now(), self.pid, self.start, self.host});
  if (!done) return std::move(done).error();
  return c.last_row();
}

struct Owner {
  RowId segment = 0;
  ProcessIdentity process;
  std::int64_t silent_seconds = 0;
  [[nodiscard]] bool alive() const {
    if (process.host != this_process().host) return silent_seconds < kOwnerSilentSeconds;
    return process_alive(process);
  }
};

/// Closes the segments that dead processes left open; kUnavailable if a living one owns the run.
Result<void> take_over(Connection& c, RowId run) {
  std::vector<Owner> owners;
  Result<void> read = c.each(
      "SELECT id, pid, process_start, host, unixepoch() - heartbeat FROM segment WHERE run = ? AND ended IS "
      "NULL",
      {run}, [&](const Statement& row) {
        owners.push_back({row.integer(0), {row.integer(1), row.integer(2), row.string(3)}, row.integer(4)});
      });
  if (!read) return read;
  for (const Owner& owner : owners) {
    if (owner.alive()) {
      return Error{Code::kUnavailable,
                   "run " + std::to_string(run) + " in '" + c.path() + "' is being worked on by process " +
                       std::to_string(owner.process.pid) + " on " + owner.process.host +
                       "; wait for it to end, or end it, before resuming",
                   c.path()};
    }
    Result<std::int64_t> ended = c.run(
        "UPDATE segment SET ended = strftime('%Y-%m-%dT%H:%M:%SZ', heartbeat, 'unixepoch') WHERE id = ?",
        {owner.segment});
    if (!ended) return std::move(ended).error();
  }
  return {};
}

}  // namespace

Result<RowId> Store::begin_run(const RunRow& run) {
  if (run.label == "latest" || run.label.starts_with("latest~") || run.label.starts_with("latest:")) {
    return Error{
        Code::kInvalidArgument,
        "the label '" + run.label + "' is refused because 'latest' names the newest run; choose another",
        "label"};
  }
  const std::string uuid = run.uuid.empty() ? random_uuid() : run.uuid;
  const std::string started = run.started.empty() ? utc_now() : run.started;
  RowId id = 0;
  Result<void> done = impl_->transact([&](Connection& c) -> Result<void> {
    Result<std::int64_t> added = c.run(
        "INSERT INTO run (uuid, label, suite_name, suite_path, suite_sha256, suite_text, command_line, plan, "
        "versions, machine, seed, repeats, started, identity, options, origin, source, status)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), 'running')",
        {uuid, run.label, run.suite_name, run.suite_path, run.suite_sha256, run.suite_text, run.command_line,
         run.plan_json, run.versions_json, run.machine_json, sqlite::as_stored(run.seed), run.repeats,
         started, run.identity, run.options_json, run.origin, run.source_json});
    if (!added) return std::move(added).error();
    id = c.last_row();
    Result<RowId> segment = open_segment(c, id);
    if (!segment) return std::move(segment).error();
    impl_->open_runs.push_back({id, *segment, Clock::now()});
    return {};
  });
  if (!done) return std::move(done).error();
  return id;
}

Result<void> Store::resume_run(RowId run) {
  return impl_->transact([&](Connection& c) -> Result<void> {
    for (const Impl::OpenRun& open : impl_->open_runs) {
      if (open.run == run) return {};
    }
    Result<void> known =
        expect_row(c.run("UPDATE run SET status = 'running', ended = NULL WHERE id = ?", {run}), "run", run);
    if (!known) return known;
    Result<void> free = take_over(c, run);
    if (!free) return free;
    Result<RowId> segment = open_segment(c, run);
    if (!segment) return std::move(segment).error();
    impl_->open_runs.push_back({run, *segment, Clock::now()});
    return {};
  });
}

Result<void> Store::add_plugins(RowId run, std::span<const PluginRow> plugins) {
  return impl_->transact([&](Connection& c) -> Result<void> {
    for (const PluginRow& plugin : plugins) {
      Result<std::int64_t> added = c.run(
          "INSERT INTO run_plugin (run, plugin_id, library_sha256, version, kind, library_path, build_info)"
          " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          {run, plugin.id, plugin.library_sha256, plugin.version, plugin.kind, plugin.library_path,
           plugin.build_info});
      if (!added) return std::move(added).error();
    }
    return {};
  });
}

Result<RowId> Store::add_model(const ModelRow& model, bool* fresh) {
  std::optional<RowId> id;
  Result<void> done = impl_->transact([&](Connection& c) -> Result<void> {
    Result<std::int64_t> added = c.run(
        "INSERT INTO model (fingerprint, name, expression, plugin_id, capabilities, identity)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO NOTHING",
        {model.fingerprint, model.name, model.expression, model.plugin_id,
         sqlite::as_stored(model.capabilities), model.identity_json});
    if (!added) return std::move(added).error();
    if (fresh != nullptr) *fresh = *added == 1;
    Result<std::optional<std::int64_t>> found =
        c.number("SELECT id FROM model WHERE fingerprint = ?", {model.fingerprint});
    if (!found) return std::move(found).error();
    id = *found;
    return {};
  });
  if (!done) return std::move(done).error();
  return id.value_or(0);
}

Result<RowId> Store::add_recipe(RowId run, const RecipeRow& recipe) {
  std::optional<RowId> id;
  Result<void> done = impl_->transact([&](Connection& c) -> Result<void> {
    Result<std::int64_t> added = c.run(
        "INSERT INTO recipe (run, hash, name, task_id, parts, data_hash, selection) VALUES (?, ?, ?, ?, ?, "
        "?, ?)"
        " ON CONFLICT (run, name, hash) DO NOTHING",
        {run, recipe.hash, recipe.name, recipe.task_id, recipe.parts_json, recipe.data_hash,
         recipe.selection_json});
    if (!added) return std::move(added).error();
    Result<std::optional<std::int64_t>> found = c.number(
        "SELECT id FROM recipe WHERE run = ? AND name = ? AND hash = ?", {run, recipe.name, recipe.hash});
    if (!found) return std::move(found).error();
    id = *found;
    return {};
  });
  if (!done) return std::move(done).error();
  return id.value_or(0);
}

namespace {

Result<void> insert_values(Connection& c, RowId metric, std::span<ValueRow> values) {
  int ordinal = 0;
  for (ValueRow& value : values) {
    Result<std::int64_t> added = c.run(
        "INSERT INTO value (metric, ordinal, name, doc, unit, denominator, note, rule, direction, headline,"
        " no_interval, min, max) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {metric, ordinal++, value.name, value.doc, value.unit, value.denominator, value.note, value.rule,
         value.direction, value.headline, value.no_interval, value.min, value.max});
    if (!added) return std::move(added).error();
    value.id = c.last_row();
    value.metric = metric;
  }
  return {};
}

Result<void> match_values(Connection& c, const MetricRow& metric, RowId id, std::span<ValueRow> values) {
  std::size_t count = 0;
  bool same = true;
  Result<void> read =
      c.each("SELECT id, name FROM value WHERE metric = ? ORDER BY ordinal", {id}, [&](const Statement& row) {
        if (count < values.size() && values[count].name == row.text(1)) {
          values[count].id = row.integer(0);
          values[count].metric = id;
        } else {
          same = false;
        }
        ++count;
      });
  if (!read) return read;
  if (same && count == values.size()) return {};
  return Error{Code::kInvalidArgument,
               "metric '" + metric.name + "' is recorded in '" + c.path() +
                   "' with other values than its plugin gives now; start a new run",
               metric.name};
}

}  // namespace

Result<RowId> Store::add_metric(const MetricRow& metric, std::span<ValueRow> values) {
  RowId id = 0;
  Result<void> done = impl_->transact([&](Connection& c) -> Result<void> {
    Result<std::int64_t> added = c.run(
        "INSERT INTO metric (recipe, name, plugin_id, plugin_version, library_sha256, params, baseline,"
        " pool_variants, score_set) VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0)) ON CONFLICT (recipe, name) "
        "DO "
        "NOTHING",
        {metric.recipe, metric.name, metric.plugin_id, metric.plugin_version, metric.library_sha256,
         metric.params_json, metric.baseline, metric.pool_variants, metric.score_set});
    if (!added) return std::move(added).error();
    if (*added == 1) {
      id = c.last_row();
      return insert_values(c, id, values);
    }
    Result<std::optional<std::int64_t>> found =
        c.number("SELECT id FROM metric WHERE recipe = ? AND name = ?", {metric.recipe, metric.name});
    if (!found) return std::move(found).error();
    id = found->value_or(0);
    return match_values(c, metric, id, values);
  });
  if (!done) return std::move(done).error();
  return id;
}

Result<RowId> Store::begin_evaluation(const EvaluationRow& evaluation) {
  RowId id = 0;
  const sqlite::Argument planned =
      evaluation.planned_items < 0 ? sqlite::Argument(nullptr) : sqlite::Argument(evaluation.planned_items);
  const std::string status = evaluation.status.empty() ? "running" : evaluation.status;
  Result<void> done = impl_->transact([&](Connection& c) {
    return c.each(
        "INSERT INTO evaluation (run, recipe, model, model_name, planned_items, status, reason, prompt_hash)"
        " VALUES (?1, ?2, ?3, coalesce(nullif(?4, ''), (SELECT name FROM model WHERE id = ?3), ''), ?5, ?6, "
        "?7, ?8)"
        " ON CONFLICT (recipe, model, model_name) DO UPDATE SET status = excluded.status, reason = "
        "excluded.reason,"
        " planned_items = coalesce(excluded.planned_items, planned_items) RETURNING id",
        {evaluation.run, evaluation.recipe, evaluation.model, evaluation.model_name, planned, status,
         evaluation.reason, evaluation.prompt_hash},
        [&](const Statement& row) { id = row.integer(0); });
  });
  if (!done) return std::move(done).error();
  return id;
}

Result<RowId> Store::add_item_set(const std::string& hash, const std::string& name) {
  RowId id = 0;
  Result<void> done = impl_->transact([&](Connection& c) -> Result<void> {
    Result<std::int64_t> added =
        c.run("INSERT INTO item_set (hash, name) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING", {hash, name});
    if (!added) return std::move(added).error();
    Result<std::optional<std::int64_t>> found = c.number("SELECT id FROM item_set WHERE hash = ?", {hash});
    if (!found) return std::move(found).error();
    id = found->value_or(0);
    return {};
  });
  if (!done) return std::move(done).error();
  return id;
}

Result<RowId> Store::add_score_set(const ScoreSetRow& set) {
  RowId id = 0;
  Result<void> done = impl_->transact([&](Connection& c) -> Result<void> {
    Result<std::int64_t> added = c.run(
        "INSERT INTO score_set (run, label, created, command_line, versions) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (run, label) DO NOTHING",
        {set.run, set.label, set.created.empty() ? utc_now() : set.created, set.command_line,
         set.versions_json});
    if (!added) return std::move(added).error();
    if (*added == 1) {
      id = c.last_row();
      return {};
    }
    return Error{Code::kInvalidArgument,
                 "run " + std::to_string(set.run) + " has a score set '" + set.label +
                     "' already; choose another label with --as",
                 "label"};
  });
  if (!done) return std::move(done).error();
  return id;
}

Result<void> Store::add_scores(std::span<const LateScore> scores) {
  return impl_->transact([&](Connection& c) -> Result<void> {
    for (const LateScore& score : scores) {
      const sqlite::Argument note =
          score.note.empty() ? sqlite::Argument(nullptr) : sqlite::Argument(score.note);
      Result<std::int64_t> added = c.run(
          "INSERT INTO score (value, result, number, state, note) VALUES (?, ?, ?, ?, ?)"
          " ON CONFLICT (value, result) DO NOTHING",
          {score.value, score.result, score.number, score.state, note});
      if (!added) return std::move(added).error();
    }
    return {};
  });
}

Result<void> Store::add_reported(std::span<const ReportedRow> rows) {
  return impl_->transact([&](Connection& c) -> Result<void> {
    for (const ReportedRow& row : rows) {
      const sqlite::Argument n = row.n < 0 ? sqlite::Argument(nullptr) : sqlite::Argument(row.n);
      Result<std::int64_t> added = c.run(
          "INSERT INTO reported (evaluation, metric, statistic, split, number, text, n, value)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, 0))",
          {row.evaluation, row.metric, row.statistic, row.split, row.number, row.text, n, row.value});
      if (!added) return std::move(added).error();
    }
    return {};
  });
}

Result<void> Store::end_evaluation(const EvaluationRow& evaluation) {
  return impl_->transact([&](Connection& c) {
    const sqlite::Argument planned =
        evaluation.planned_items < 0 ? sqlite::Argument(nullptr) : sqlite::Argument(evaluation.planned_items);
    return expect_row(
        c.run("UPDATE evaluation SET status = ?, reason = ?, prompt_hash = ?,"
              " planned_items = coalesce(?, planned_items) WHERE id = ?",
              {evaluation.status, evaluation.reason, evaluation.prompt_hash, planned, evaluation.id}),
        "evaluation", evaluation.id);
  });
}

Result<std::int64_t> Store::drop_failed(RowId evaluation) {
  std::int64_t dropped = 0;
  const RowId first = evaluation << kEvaluationShift, last = first + kResultsPerEvaluationMax;
  Result<void> done = impl_->execute([&](Connection& c) -> Result<void> {
    // A deleted result would make SQLite look for its scores by a full scan, so its check is off while the
    // same transaction deletes all of them here.
    Result<void> step = c.execute("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE");
    const char* const deletions[] = {
        "DELETE FROM score WHERE value IN (SELECT v.id FROM value AS v JOIN metric AS m ON m.id = v.metric"
        " JOIN evaluation AS e ON e.recipe = m.recipe WHERE e.id = ?1) AND result BETWEEN ?2 AND ?3 AND "
        "result IN"
        " (SELECT id FROM result WHERE id BETWEEN ?2 AND ?3 AND state IN (6, 7))",
        "DELETE FROM result_response WHERE result BETWEEN ?2 AND ?3 AND result IN"
        " (SELECT id FROM result WHERE id BETWEEN ?2 AND ?3 AND state IN (6, 7)) AND ?1 > 0",
        "DELETE FROM result WHERE id BETWEEN ?2 AND ?3 AND state IN (6, 7) AND ?1 > 0",
        "UPDATE evaluation SET n_error = 0, n_timeout = 0 WHERE id = ?1 AND ?2 > 0 AND ?3 > 0"};
    for (std::size_t i = 0; i < std::size(deletions) && step; ++i) {
      Result<std::int64_t> count = c.run(deletions[i], {evaluation, first, last});
      if (!count) {
        step = std::move(count).error();
      } else if (i == 2) {
        dropped = *count;
      }
    }
    if (step) step = c.execute("COMMIT");
    if (!step) (void)c.execute("ROLLBACK");
    Result<void> on = c.execute("PRAGMA foreign_keys = ON");
    return step ? std::move(on) : std::move(step);
  });
  if (!done) return std::move(done).error();
  return dropped;
}

namespace {

Result<void> insert_aggregate(Connection& c, RowId evaluation, const AggregateRow& row,
                              std::int64_t ordinal) {
  const auto optional_count = [](std::int64_t count) {
    return count < 0 ? sqlite::Argument(nullptr) : sqlite::Argument(count);
  };
  const std::int64_t(&n)[8] = row.states;
  Result<std::int64_t> added = c.run(
      "INSERT INTO aggregate (evaluation, value, variant, statistic, ordinal, estimate, se, lo, hi, method,"
      " undefined_reason, notes, n_total, n_scored, n_non_finite, n_missing, clusters, n_positive, "
      "n_negative, n_ok,"
      " n_empty, n_refused, n_truncated, n_unparsed, n_unsupported, n_error, n_timeout, worst, best, seed, "
      "replicates, denominator)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?)",
      {evaluation,
       row.value,
       row.variant,
       row.statistic,
       ordinal,
       row.estimate,
       row.se,
       row.lo,
       row.hi,
       row.method,
       row.undefined_reason,
       row.notes,
       row.n_total,
       row.n_scored,
       row.n_non_finite,
       row.n_missing,
       row.clusters,
       optional_count(row.n_positive),
       optional_count(row.n_negative),
       n[0],
       n[1],
       n[2],
       n[3],
       n[4],
       n[5],
       n[6],
       n[7],
       row.worst,
       row.best,
       sqlite::as_stored(row.seed),
       row.replicates,
       row.denominator});
  if (!added) return std::move(added).error();
  return {};
}

}  // namespace

Result<void> Store::put_aggregates(RowId evaluation, std::span<const AggregateRow> rows) {
  return impl_->transact([&](Connection& c) -> Result<void> {
    for (const AggregateRow& row : rows) {
      Result<std::int64_t> cleared =
          c.run("DELETE FROM aggregate WHERE evaluation = ? AND value = ?", {evaluation, row.value});
      if (!cleared) return std::move(cleared).error();
    }
    Result<std::optional<std::int64_t>> last =
        c.number("SELECT max(ordinal) FROM aggregate WHERE evaluation = ?", {evaluation});
    if (!last) return std::move(last).error();
    std::int64_t ordinal = last->value_or(-1) + 1;
    for (const AggregateRow& row : rows) {
      Result<void> added = insert_aggregate(c, evaluation, row, ordinal++);
      if (!added) return added;
    }
    return {};
  });
}

Result<void> Store::add_warnings(RowId run, std::span<const WarningRow> warnings) {
  return impl_->transact([&](Connection& c) -> Result<void> {
    for (const WarningRow& warning : warnings) {
      const sqlite::Argument where =
          warning.evaluation == 0 ? sqlite::Argument(nullptr) : sqlite::Argument(warning.evaluation);
      Result<std::int64_t> added = c.run(
          "INSERT INTO warning (run, evaluation, code, text) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT "
          "1 FROM "
          "warning WHERE run = ?1 AND evaluation IS ?2 AND code = ?3 AND text = ?4)",
          {run, where, warning.code, warning.text});
      if (!added) return std::move(added).error();
    }
    return {};
  });
}

Result<void> Store::end_run(RowId run, const std::string& status, double segment_seconds) {
  return impl_->transact([&](Connection& c) -> Result<void> {
    const std::string now = utc_now();
    Result<void> known = expect_row(
        c.run("UPDATE run SET status = ?, ended = ? WHERE id = ?", {status, now, run}), "run", run);
    if (!known) return known;
    const auto open = std::find_if(impl_->open_runs.begin(), impl_->open_runs.end(),
                                   [run](const Impl::OpenRun& candidate) { return candidate.run == run; });
    if (open == impl_->open_runs.end()) return {};
    Result<std::int64_t> closed =
        c.run("UPDATE segment SET ended = ?, seconds = ?, heartbeat = unixepoch() WHERE id = ?",
              {now, segment_seconds, open->segment});
    if (!closed) return std::move(closed).error();
    impl_->open_runs.erase(open);
    return {};
  });
}

}  // namespace assay::host
