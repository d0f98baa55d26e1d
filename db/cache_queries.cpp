// Questions about the table `response` as a cache.
#include <algorithm>

#include "db/cache.hpp"
#include "db/cache_impl.hpp"
#include "db/reader_impl.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

using sqlite::Connection;
using sqlite::Statement;

constexpr std::int64_t kEvaluationsSearched = 500;  ///< newest first
constexpr std::size_t kCandidatesMax = 400;
constexpr std::int64_t kNeighbourIds = 20'000;  ///< ids before and behind a response
constexpr std::int64_t kNeighboursMax = 200;
constexpr std::size_t kFingerprintPrefixMin = 4;

/// Columns of a response `p` of model `m`, in the order keyed_from expects.
constexpr char kKeyedColumns[] =
    "p.id, lower(hex(p.key)), m.name, m.fingerprint, m.identity, p.request, p.kind, p.state,"
    " p.key_head IS NOT NULL, p.created";
constexpr int kKeyedCount = 10;

KeyedResponse keyed_from(const Statement& row) {
  KeyedResponse response;
  response.response = row.integer(0);
  response.key = row.string(1);
  response.model = row.string(2);
  response.fingerprint = row.string(3);
  response.identity = row.string(4);
  response.request = row.string(5);
  response.kind = small(row, 6);
  response.state = small(row, 7);
  response.servable = row.integer(8) != 0;
  response.created = row.integer(9);
  return response;
}

Result<void> responses_of(Connection& c, RowId result, std::vector<KeyedResponse>& out) {
  static const std::string kSql =
      std::string("SELECT ") + kKeyedColumns +
      ", u.uuid, t.name, r.item_id, r.variant, n.name, n.role, u.id, r.id, r.repeat, l.cached"
      " FROM result AS r JOIN evaluation AS e ON e.id = r.evaluation JOIN run AS u ON u.id = e.run"
      " JOIN recipe AS t ON t.id = e.recipe JOIN result_response AS l ON l.result = r.id"
      " JOIN request_name AS n ON n.id = l.request_name JOIN response AS p ON p.id = l.response"
      " JOIN model AS m ON m.id = p.model WHERE r.id = ? ORDER BY l.ordinal";
  return c.each(kSql, {result}, [&](const Statement& row) {
    KeyedResponse response = keyed_from(row);
    int column = kKeyedCount;
    for (std::string* text : {&response.run_uuid, &response.recipe, &response.item_id, &response.variant,
                              &response.name, &response.role}) {
      *text = row.string(column++);
    }
    response.run = row.integer(column++);
    response.result = row.integer(column++);
    response.repeat = static_cast<std::uint32_t>(row.integer(column++));
    response.cached = row.integer(column) != 0;
    out.push_back(std::move(response));
  });
}

void add(CacheCount& to, const CacheCount& from) {
  to.servable += from.servable;
  to.records += from.records;
  to.failed += from.failed;
  to.bytes += from.bytes;
  to.token_bytes += from.token_bytes;
  if (from.oldest >= 0 && (to.oldest < 0 || from.oldest < to.oldest)) to.oldest = from.oldest;
  if (from.newest > to.newest) to.newest = from.newest;
}

}  // namespace

Result<CacheStats> Reader::cache_stats() {
  Connection& c = *impl_->connection;
  const Snapshot snapshot(c);
  CacheStats stats;
  std::vector<RowId> ids;
  const std::string sql = std::string("SELECT model, kind, count(key_head), count(*) - count(key_head),") +
                          " count(*) FILTER (WHERE state IN (6, 7)), total(" + kResponseBytes +
                          "), total(length(tokens)), min(created), max(created) FROM response"
                          " GROUP BY model, kind";
  std::vector<std::pair<RowId, CacheCount>> by_model;
  std::vector<std::pair<RowId, CacheCount>> by_kind;
  const auto place = [](std::vector<std::pair<RowId, CacheCount>>& list, RowId id) -> CacheCount& {
    for (auto& [known, count] : list) {
      if (known == id) return count;
    }
    return list.emplace_back(id, CacheCount()).second;
  };
  Result<void> done = c.each(sql, {}, [&](const Statement& row) {
    CacheCount count;
    count.servable = row.integer(2);
    count.records = row.integer(3);
    count.failed = row.integer(4);
    count.bytes = static_cast<std::int64_t>(row.real(5));
    count.token_bytes = static_cast<std::int64_t>(row.real(6));
    count.oldest = row.integer(7);
    count.newest = row.integer(8);
    add(place(by_model, row.integer(0)), count);
    add(place(by_kind, row.integer(1)), count);
    add(stats.all, count);
  });
  if (!done) return std::move(done).error();
  for (const auto& [id, count] : by_model) {
    done = c.each("SELECT name, fingerprint, plugin_id FROM model WHERE id = ?", {id},
                  [&, &counted = count](const Statement& row) {
                    stats.models.push_back({row.string(0), row.string(1), row.string(2), counted});
                  });
    if (!done) return std::move(done).error();
  }
  std::stable_sort(stats.models.begin(), stats.models.end(), [](const auto& a, const auto& b) {
    return a.count.servable + a.count.records > b.count.servable + b.count.records;
  });
  for (const auto& [id, count] : by_kind) {
    std::string name = "kind " + std::to_string(id);
    done = c.each("SELECT name FROM request_kind WHERE id = ?", {id},
                  [&](const Statement& row) { name = row.string(0); });
    if (!done) return std::move(done).error();
    stats.kinds.emplace_back(std::move(name), count);
  }
  done =
      c.each("SELECT count(*), coalesce(sum(cached), 0) FROM result_response", {}, [&](const Statement& row) {
        stats.uses = row.integer(0);
        stats.served = row.integer(1);
      });
  if (!done) return std::move(done).error();
  return stats;
}

Result<std::vector<KeyedResponse>> Reader::keyed_responses(RowId result) {
  std::vector<KeyedResponse> rows;
  Result<void> done = responses_of(*impl_->connection, result, rows);
  if (!done) return std::move(done).error();
  return rows;
}

Result<std::vector<KeyedResponse>> Reader::responses_to_item(const std::string& item_id) {
  Connection& c = *impl_->connection;
  const Snapshot snapshot(c);
  std::vector<RowId> evaluations;
  Result<void> done = c.each("SELECT id FROM evaluation ORDER BY id DESC LIMIT ?", {kEvaluationsSearched},
                             [&](const Statement& row) { evaluations.push_back(row.integer(0)); });
  std::vector<KeyedResponse> rows;
  for (std::size_t i = 0; i < evaluations.size() && done && rows.size() < kCandidatesMax; ++i) {
    std::vector<RowId> results;
    done =
        c.each("SELECT id FROM result WHERE evaluation = ? AND item_id = ? ORDER BY repeat",
               {evaluations[i], item_id}, [&](const Statement& row) { results.push_back(row.integer(0)); });
    for (std::size_t r = 0; r < results.size() && done && rows.size() < kCandidatesMax; ++r)
      done = responses_of(c, results[r], rows);
  }
  if (!done) return std::move(done).error();
  return rows;
}

Result<std::vector<KeyedResponse>> Reader::responses_beside(RowId response) {
  static const std::string kSql =
      std::string("SELECT ") + kKeyedColumns +
      " FROM response AS p JOIN model AS m ON m.id = p.model WHERE p.id BETWEEN ?1 - ?2 AND ?1 + ?2"
      " AND p.id <> ?1 AND p.model = (SELECT model FROM response WHERE id = ?1)"
      " ORDER BY abs(p.id - ?1) LIMIT ?3";
  std::vector<KeyedResponse> rows;
  Result<void> done = impl_->connection->each(kSql, {response, kNeighbourIds, kNeighboursMax},
                                              [&](const Statement& row) { rows.push_back(keyed_from(row)); });
  if (!done) return std::move(done).error();
  return rows;
}

Result<std::vector<ModelRow>> Reader::find_models(const std::string& name) {
  Connection& c = *impl_->connection;
  std::vector<ModelRow> rows;
  const std::string prefix = name.size() >= kFingerprintPrefixMin ? name : "none";
  Result<void> done = c.each(
      "SELECT id, fingerprint, name, expression, plugin_id, capabilities, identity FROM model WHERE name = ?1"
      " OR substr(fingerprint, 1, length(?2)) = ?2 OR id IN (SELECT model FROM evaluation WHERE model_name ="
      " ?1) ORDER BY id",
      {name, prefix}, [&](const Statement& row) {
        rows.push_back({row.integer(0), row.string(1), row.string(2), row.string(3), row.string(4),
                        sqlite::as_unsigned(row.integer(5)), row.string(6)});
      });
  if (!done) return std::move(done).error();
  if (!rows.empty()) return rows;
  std::vector<std::string> names;
  done = c.each("SELECT DISTINCT name FROM model ORDER BY id DESC LIMIT 1000", {},
                [&](const Statement& row) { names.push_back(row.string(0)); });
  if (!done) return std::move(done).error();
  return Error{Code::kNotFound,
               "there is no model '" + printable(name) + "' in '" + c.path() + "'" +
                   did_you_mean(name, names) + "; 'assay cache stats' shows names and fingerprints",
               name};
}

}  // namespace assay::host
