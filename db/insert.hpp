// Batches into rows: the writer's hot path, inside a transaction that somebody else begins and ends.
//
// Two things make it fast. Rows go in sixteen at a time: most of SQLite's cost for a small row is starting
// and ending the statement. And SQLite's foreign-key checks are off meanwhile (see Store::Impl::write); what
// a row points to is checked here, once for each evaluation, model and value instead of once for each row.
// Thread rule: the writer's thread only.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "db/sqlite.hpp"
#include "db/store.hpp"

namespace assay::host {

class Inserter {
 public:
  static Result<std::unique_ptr<Inserter>> create(sqlite::Connection& connection);

  /// At the beginning of a transaction: numbers and counts start from what the file says.
  void begin(std::int64_t now_seconds);
  Result<void> add(const Batch& batch);
  /// At the end of a transaction: the state counts of the evaluations. Gives the results inserted since
  /// begin().
  Result<std::int64_t> finish();
  /// After a transaction was rolled back: forgets the ids it gave.
  void forget();

 private:
  /// An INSERT for one row and for kRowsAtOnce rows.
  struct Insert {
    sqlite::Statement one, many;
  };
  struct Evaluation {
    RowId id = 0;
    std::int64_t next = 0;  ///< number of the next result inside the evaluation
    std::int64_t states[8] = {};
  };
  struct LinkRow {
    RowId result, response, name;
    std::int64_t ordinal, cached;
  };
  struct ScoreOf {
    RowId result;
    const ScoreRow* score;
  };

  explicit Inserter(sqlite::Connection& connection) : connection_(connection) {}
  Result<Evaluation*> evaluation(RowId id);
  /// kInvalidArgument unless `id` is in `table`; what was found is remembered in `known`.
  Result<void> check_known(std::unordered_set<RowId>& known, const char* table, RowId id);
  Result<void> add_items(const Batch& batch);
  Result<void> add_results(const Batch& batch);
  Result<void> add_results(const Batch& batch, std::size_t begin, std::size_t count);
  void mark_links(const Batch& batch);
  Result<void> add_responses(const Batch& batch);
  Result<void> add_responses(const Batch& batch, const std::size_t* which, std::size_t count);
  Result<RowId> find_or_add(const ResponseRow& row, bool refresh, bool wanted);
  Result<void> add_links(const Batch& batch);
  Result<void> add_scores(const Batch& batch);
  Result<RowId> request_name(std::string_view name, std::string_view role);
  /// One execution; gives the number of inserted rows, which is smaller where rows were there already.
  Result<std::int64_t> execute(sqlite::Statement& statement, const char* what);
  Result<bool> exists(sqlite::Statement& statement, RowId id);

  sqlite::Connection& connection_;
  Insert item_, result_, response_, link_, score_;
  sqlite::Statement result_at_, response_at_, response_by_key_, retire_, name_, name_id_;
  std::vector<Evaluation> evaluations_;  ///< of this transaction; few
  std::size_t last_evaluation_ = 0;
  std::unordered_set<RowId> models_, values_;  ///< known to exist
  RowId last_model_ = 0, last_value_ = 0;
  std::vector<RowId> result_ids_;     ///< per result of the batch; 0: it was stored already
  std::vector<RowId> response_ids_;   ///< per response of the batch; 0: not stored
  std::vector<std::uint8_t> linked_;  ///< per response: bit 0 stored results point to it, bit 1 new ones
  std::vector<std::size_t> wanted_;   ///< responses to store
  std::vector<LinkRow> links_;
  std::vector<ScoreOf> scores_;
  std::unordered_map<std::string, RowId> names_;
  std::string name_key_;
  std::int64_t now_ = 0;
};

}  // namespace assay::host
