// What gates decided, and what repeated measurements gave: rows in and questions out.
#include "db/reader_impl.hpp"
#include "db/store_impl.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {

using sqlite::Connection;
using sqlite::Statement;

Result<void> Store::add_gate_results(std::span<const GateResultRow> rows) {
  const std::string now = utc_now();
  return impl_->transact([&](Connection& c) -> Result<void> {
    for (const GateResultRow& row : rows) {
      Result<std::int64_t> added = c.run(
          "INSERT INTO gate_result (created, baseline, candidate, policy, policy_sha256, recipe, task, model,"
          " metric, value, variant, statistic, rule, verdict, waived, signal, delta, lo, hi, p)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          {row.created.empty() ? now : row.created,
           row.baseline,
           row.candidate,
           row.policy,
           row.policy_sha256,
           row.recipe,
           row.task,
           row.model,
           row.metric,
           row.value,
           row.variant,
           row.statistic,
           row.rule,
           row.verdict,
           row.waived,
           row.signal,
           row.delta,
           row.lo,
           row.hi,
           row.p});
      if (!added) return std::move(added).error();
    }
    return {};
  });
}

Result<std::vector<GateResultRow>> Reader::gate_results(const std::string& recipe_hash) {
  std::vector<GateResultRow> rows;
  Result<void> done = impl_->connection->each(
      "SELECT id, created, baseline, candidate, policy, policy_sha256, recipe, task, model, metric, value,"
      " variant, statistic, rule, verdict, waived, signal, delta, lo, hi, p FROM gate_result"
      " WHERE recipe = ? ORDER BY id DESC",
      {recipe_hash}, [&](const Statement& row) {
        GateResultRow& one = rows.emplace_back();
        one.id = row.integer(0);
        one.created = row.string(1);
        one.baseline = row.integer(2);
        one.candidate = row.integer(3);
        one.policy = row.string(4);
        one.policy_sha256 = row.string(5);
        one.recipe = row.string(6);
        one.task = row.string(7);
        one.model = row.string(8);
        one.metric = row.string(9);
        one.value = row.string(10);
        one.variant = row.string(11);
        one.statistic = row.string(12);
        one.rule = row.string(13);
        one.verdict = row.string(14);
        one.waived = row.integer(15) != 0;
        one.signal = row.integer(16) != 0;
        one.delta = row.real(17);
        one.lo = row.real(18);
        one.hi = row.real(19);
        one.p = row.real(20);
      });
  if (!done) return std::move(done).error();
  return rows;
}

Result<std::vector<RepeatedScore>> Reader::repeated_scores(const std::string& recipe_hash,
                                                           const std::string& fingerprint) {
  std::vector<RepeatedScore> rows;
  Result<void> done = impl_->connection->each(
      "WITH e AS MATERIALIZED (SELECT e.id, e.run, r.identity, EXISTS (SELECT 1 FROM result_response AS l"
      "   WHERE l.result BETWEEN (e.id << 32) AND (e.id << 32) + 4294967295 AND l.cached = 1) AS cached"
      "  FROM recipe AS c JOIN evaluation AS e ON e.recipe = c.id JOIN model AS m ON m.id = e.model"
      "  JOIN run AS r ON r.id = e.run WHERE c.hash = ? AND m.fingerprint = ? AND r.identity <> ''"
      "  AND e.status = 'complete' ORDER BY e.id DESC LIMIT 20)"
      " SELECT e.run, e.identity, e.cached, t.name, v.name, a.variant, a.statistic, a.estimate"
      " FROM e JOIN aggregate AS a ON a.evaluation = e.id JOIN value AS v ON v.id = a.value"
      " JOIN metric AS t ON t.id = v.metric ORDER BY e.id, a.ordinal",
      {recipe_hash, fingerprint}, [&](const Statement& row) {
        rows.push_back({row.integer(0), row.string(1), row.integer(2) != 0, row.string(3), row.string(4),
                        row.string(5), row.string(6), row.real(7)});
      });
  if (!done) return std::move(done).error();
  return rows;
}

}  // namespace assay::host
