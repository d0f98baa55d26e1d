#include "db/insert.hpp"

#include <sqlite3.h>

#include "db/layout.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kRowsAtOnce = 16;
constexpr std::size_t kNamesKept =
    4096;  ///< names of requests remembered; there are few unless a task misbehaves

constexpr int kItemColumns = 3, kResultColumns = 12, kResponseColumns = 16, kLinkColumns = 5,
              kScoreColumns = 5;

/// "HEAD VALUES (?, ...), (?, ...) TAIL". The heads say OR FAIL, because SQLite would otherwise copy every
/// page a statement of many rows touches, to be able to undo that one statement; here the whole transaction
/// is undone.
std::string insert_sql(const char* head, int columns, std::size_t rows, const char* tail) {
  std::string row = "(?";
  for (int i = 1; i < columns; ++i) row += ", ?";
  row += ')';
  std::string sql = std::string(head) + " VALUES " + row;
  for (std::size_t i = 1; i < rows; ++i) sql += ", " + row;
  return sql + tail;
}

void bind_result(sqlite::Statement& statement, int at, const ResultRow& row, RowId id) {
  statement.bind(at + 1, id);
  statement.bind(at + 2, row.evaluation);
  statement.bind(at + 3, row.position);
  statement.bind(at + 4, std::int64_t{row.repeat});
  statement.bind(at + 5, std::int64_t{row.state});
  if (row.label == -1) {
    statement.bind_null(at + 6);
  } else {
    statement.bind(at + 6, std::int64_t{row.label});
  }
  statement.bind(at + 7, row.variant);
  statement.bind_or_null(at + 8, row.group);
  statement.bind(at + 9, sqlite::as_stored(row.content));
  statement.bind(at + 10, row.item_id);
  statement.bind_or_null(at + 11, row.message);
  if (row.item == 0) {
    statement.bind_null(at + 12);
  } else {
    statement.bind(at + 12, row.item);
  }
}

void bind_response(sqlite::Statement& statement, int at, const ResponseRow& row, std::uint64_t place,
                   std::int64_t now) {
  if (servable(row.state)) {
    statement.bind(at + 1, sqlite::as_stored(place));
  } else {
    statement.bind_null(at + 1);
  }
  statement.bind(at + 2, row.model);
  statement.bind(at + 3, std::int64_t{row.kind});
  statement.bind(at + 4, std::int64_t{row.state});
  statement.bind(at + 5, std::int64_t{row.code});
  statement.bind(at + 6, row.tokens_in);
  statement.bind(at + 7, row.tokens_out);
  statement.bind(at + 8, row.total_ns);
  statement.bind(at + 9, row.attempts);
  statement.bind(at + 10, now);
  statement.bind_blob(at + 11, {reinterpret_cast<const char*>(row.key.data()), row.key.size()});
  statement.bind_or_null(at + 12, row.provider_id);
  statement.bind_or_null(at + 13, row.message);
  statement.bind_or_null(at + 14, row.answer);
  statement.bind_blob_or_null(at + 15, row.tokens);
  statement.bind(at + 16, row.request);
}

/// Calls `chunk(begin, count)` with kRowsAtOnce rows for as long as there are so many, then one by one.
template <class Chunk>
Result<void> in_chunks(std::size_t size, Chunk chunk) {
  std::size_t i = 0;
  for (; i + kRowsAtOnce <= size; i += kRowsAtOnce) {
    Result<void> done = chunk(i, kRowsAtOnce);
    if (!done) return done;
  }
  for (; i < size; ++i) {
    Result<void> done = chunk(i, 1);
    if (!done) return done;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Inserter>> Inserter::create(sqlite::Connection& connection) {
  std::unique_ptr<Inserter> made(new Inserter(connection));
  const struct {
    Insert& target;
    int columns;
    const char *head, *tail;
  } inserts[] = {
      {made->item_, kItemColumns, "INSERT OR FAIL INTO item (id, content, body)",
       " ON CONFLICT (id) DO NOTHING"},
      {made->result_, kResultColumns,
       "INSERT OR FAIL INTO result (id, evaluation, position, repeat, state, label, variant, grp, content, "
       "item_id, "
       "message, item)",
       " ON CONFLICT (evaluation, item_id, variant, repeat) DO NOTHING"},
      {made->response_, kResponseColumns,
       "INSERT OR FAIL INTO response (key_head, model, kind, state, code, tokens_in, tokens_out, total_ns, "
       "attempts,"
       " created, key, provider_id, message, answer, tokens, request)",
       " ON CONFLICT (key_head) DO NOTHING"},
      {made->link_, kLinkColumns,
       "INSERT OR FAIL INTO result_response (result, ordinal, response, request_name, cached)", ""},
      {made->score_, kScoreColumns, "INSERT OR FAIL INTO score (value, result, number, state, note)", ""},
  };
  for (const auto& [target, columns, head, tail] : inserts) {
    Result<sqlite::Statement> one = connection.prepare(insert_sql(head, columns, 1, tail));
    if (!one) return std::move(one).error();
    Result<sqlite::Statement> many = connection.prepare(insert_sql(head, columns, kRowsAtOnce, tail));
    if (!many) return std::move(many).error();
    target.one = std::move(one).value();
    target.many = std::move(many).value();
  }
  const struct {
    sqlite::Statement& target;
    const char* sql;
  } statements[] = {
      {made->result_at_, "SELECT 1 FROM result WHERE id = ?"},
      {made->response_at_, "SELECT 1 FROM response WHERE id = ?"},
      {made->response_by_key_, "SELECT id, key, state, answer, tokens FROM response WHERE key_head = ?"},
      {made->retire_, "UPDATE response SET key_head = NULL WHERE id = ?"},
      {made->name_, "INSERT INTO request_name (name, role) VALUES (?, ?) ON CONFLICT DO NOTHING"},
      {made->name_id_, "SELECT id FROM request_name WHERE name = ? AND role = ?"},
  };
  for (const auto& [target, sql] : statements) {
    Result<sqlite::Statement> statement = connection.prepare(sql);
    if (!statement) return std::move(statement).error();
    target = std::move(statement).value();
  }
  return made;
}

void Inserter::begin(std::int64_t now_seconds) {
  evaluations_.clear();
  last_evaluation_ = 0;
  now_ = now_seconds;
}

void Inserter::forget() {
  names_.clear();
  evaluations_.clear();
  models_.clear();
  values_.clear();
  last_model_ = last_value_ = 0;
}

Result<std::int64_t> Inserter::execute(sqlite::Statement& statement, const char* what) {
  const int code = statement.step_code();
  const std::int64_t changed = connection_.changes();
  if (code != SQLITE_DONE) {
    Error error = connection_.error(code, what);
    statement.reset();
    return error;
  }
  statement.reset();
  return changed;
}

Result<bool> Inserter::exists(sqlite::Statement& statement, RowId id) {
  statement.bind(1, id);
  const int code = statement.step_code();
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    Error error = connection_.error(code, "looking up a row");
    statement.reset();
    return error;
  }
  statement.reset();
  return code == SQLITE_ROW;
}

Result<void> Inserter::check_known(std::unordered_set<RowId>& known, const char* table, RowId id) {
  if (known.contains(id)) return {};
  const Result<std::optional<std::int64_t>> found =
      connection_.number(std::string("SELECT 1 FROM ") + table + " WHERE id = ?", {id});
  if (!found) return found.error();
  if (!found->has_value()) {
    return Error{Code::kInvalidArgument,
                 "rows were not stored because they name " + std::string(table) + " " + std::to_string(id) +
                     ", which the database '" + connection_.path() + "' does not have",
                 table};
  }
  known.insert(id);
  return {};
}

Result<Inserter::Evaluation*> Inserter::evaluation(RowId id) {
  if (last_evaluation_ < evaluations_.size() && evaluations_[last_evaluation_].id == id) {
    return &evaluations_[last_evaluation_];
  }
  for (last_evaluation_ = 0; last_evaluation_ < evaluations_.size(); ++last_evaluation_) {
    if (evaluations_[last_evaluation_].id == id) return &evaluations_[last_evaluation_];
  }
  std::unordered_set<RowId> none;
  Result<void> known = check_known(none, "evaluation", id);
  if (!known) return std::move(known).error();
  const RowId first = id << kEvaluationShift;
  const Result<std::optional<std::int64_t>> last = connection_.number(
      "SELECT max(id) FROM result WHERE id BETWEEN ? AND ?", {first, first + kResultsPerEvaluationMax});
  if (!last) return last.error();
  evaluations_.push_back({id, last->has_value() ? **last - first + 1 : 0, {}});
  return &evaluations_.back();
}

Result<void> Inserter::add(const Batch& batch) {
  // Table by table rather than item by item: each step finds its pages and its statement in the CPU's cache.
  Result<void> done = add_items(batch);
  if (done) done = add_results(batch);
  if (!done) return done;
  mark_links(batch);
  done = add_responses(batch);
  if (done) done = add_links(batch);
  if (done) done = add_scores(batch);
  return done;
}

Result<void> Inserter::add_items(const Batch& batch) {
  return in_chunks(batch.items.size(), [&](std::size_t begin, std::size_t count) -> Result<void> {
    sqlite::Statement& statement = count == 1 ? item_.one : item_.many;
    for (std::size_t i = 0; i < count; ++i) {
      const ItemRow& row = batch.items[begin + i];
      const int at = static_cast<int>(i) * kItemColumns;
      statement.bind(at + 1, row.id);
      statement.bind(at + 2, sqlite::as_stored(row.content));
      statement.bind(at + 3, row.body);
    }
    const Result<std::int64_t> done = execute(statement, "storing items");
    if (!done) return done.error();
    return {};
  });
}

Result<void> Inserter::add_results(const Batch& batch) {
  result_ids_.assign(batch.results.size(), 0);
  return in_chunks(batch.results.size(),
                   [&](std::size_t begin, std::size_t count) { return add_results(batch, begin, count); });
}

Result<void> Inserter::add_results(const Batch& batch, std::size_t begin, std::size_t count) {
  sqlite::Statement& statement = count == 1 ? result_.one : result_.many;
  for (std::size_t i = 0; i < count; ++i) {
    const ResultRow& row = batch.results[begin + i];
    Result<Evaluation*> group = evaluation(row.evaluation);
    if (!group) return std::move(group).error();
    if ((*group)->next > kResultsPerEvaluationMax) {
      return Error{Code::kResourceExhausted,
                   "evaluation " + std::to_string(row.evaluation) + " has reached the limit of " +
                       std::to_string(kResultsPerEvaluationMax + 1) + " results",
                   {}};
    }
    const RowId id = (row.evaluation << kEvaluationShift) + (*group)->next++;
    result_ids_[begin + i] = id;
    bind_result(statement, static_cast<int>(i) * kResultColumns, row, id);
  }
  const Result<std::int64_t> inserted = execute(statement, "storing results");
  if (!inserted) return inserted.error();
  for (std::size_t i = 0; i < count; ++i) {
    const ResultRow& row = batch.results[begin + i];
    if (*inserted != static_cast<std::int64_t>(count)) {
      const Result<bool> there = exists(result_at_, result_ids_[begin + i]);
      if (!there) return there.error();
      if (!*there) {
        result_ids_[begin + i] = 0;  // the item was stored before: the first wins
        continue;
      }
    }
    Result<Evaluation*> group = evaluation(row.evaluation);
    if (!group) return std::move(group).error();
    ++(*group)->states[row.state];
  }
  return {};
}

void Inserter::mark_links(const Batch& batch) {
  linked_.assign(batch.responses.size(), 0);
  for (std::size_t i = 0; i < batch.results.size(); ++i) {
    const ResultRow& row = batch.results[i];
    const std::uint8_t mark = result_ids_[i] == 0 ? 1 : 2;
    for (std::uint32_t l = row.link_begin; l < row.link_end; ++l) {
      const std::int64_t response = batch.links[l].response_in_batch;
      if (response >= 0) linked_[static_cast<std::size_t>(response)] |= mark;
    }
  }
}

Result<void> Inserter::add_responses(const Batch& batch) {
  response_ids_.assign(batch.responses.size(), 0);
  wanted_.clear();
  for (std::size_t i = 0; i < batch.responses.size(); ++i) {
    const ResponseRow& row = batch.responses[i];
    // A failed response has no key to be recognised by: coming once more with a result that is stored
    // already, it is the same failure again.
    if (linked_[i] == 1 && !servable(row.state)) continue;
    if (row.model != last_model_) {
      Result<void> known = check_known(models_, "model", row.model);
      if (!known) return known;
      last_model_ = row.model;
    }
    wanted_.push_back(i);
  }
  return in_chunks(wanted_.size(), [&](std::size_t begin, std::size_t count) {
    return add_responses(batch, wanted_.data() + begin, count);
  });
}

Result<void> Inserter::add_responses(const Batch& batch, const std::size_t* which, std::size_t count) {
  const bool refresh = batch.refresh;
  sqlite::Statement& statement = count == 1 ? response_.one : response_.many;
  for (std::size_t i = 0; i < count; ++i) {
    const ResponseRow& row = batch.responses[which[i]];
    bind_response(statement, static_cast<int>(i) * kResponseColumns, row, key_head(row.key), now_);
  }
  const Result<std::int64_t> inserted = execute(statement, "storing responses");
  if (!inserted) return inserted.error();
  // New rows have rising ids without gaps, in the order in which they were bound.
  RowId next = *inserted == 0 ? 0 : connection_.last_row() - *inserted + 1;
  const bool all = *inserted == static_cast<std::int64_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const ResponseRow& row = batch.responses[which[i]];
    RowId id = next;
    if (!all && servable(row.state)) {
      const Result<RowId> found = find_or_add(row, refresh, (linked_[which[i]] & 2U) != 0);
      if (!found) return found.error();
      id = *found;
    }
    if (id == next) ++next;
    response_ids_[which[i]] = id;
  }
  return {};
}

Result<RowId> Inserter::find_or_add(const ResponseRow& row, bool refresh, bool wanted) {
  const std::uint64_t head = key_head(row.key);
  for (std::uint64_t probe = 0; probe < kKeyProbesMax; ++probe) {
    response_by_key_.bind(1, sqlite::as_stored(head + probe));
    const int code = response_by_key_.step_code();
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
      Error error = connection_.error(code, "looking up a response");
      response_by_key_.reset();
      return error;
    }
    const bool taken = code == SQLITE_ROW;
    const bool same = taken && same_key(row.key, response_by_key_.blob(1));
    const RowId found = taken ? response_by_key_.integer(0) : 0;
    // A result must point to the answer it was scored from. Another answer to the same request (a model that
    // is not deterministic, asked once more) becomes a record of its own and is not served.
    const bool equal = same && response_by_key_.integer(2) == row.state &&
                       response_by_key_.text(3) == row.answer && response_by_key_.blob(4) == row.tokens;
    response_by_key_.reset();
    if (equal || (same && !refresh && !wanted)) return found;
    if (taken && !same) continue;
    if (same && refresh) {
      retire_.bind(1, found);
      const Result<std::int64_t> retired = execute(retire_, "replacing a response");
      if (!retired) return retired.error();
    }
    bind_response(response_.one, 0, row, head + probe, now_);
    if (same && !refresh) response_.one.bind_null(1);
    const Result<std::int64_t> inserted = execute(response_.one, "storing a response");
    if (!inserted) return inserted.error();
    return connection_.last_row();
  }
  return Error{Code::kInternal,
               "more than " + std::to_string(kKeyProbesMax) +
                   " response keys share their first 8 bytes: the keys are not SHA-256 digests",
               {}};
}

Result<void> Inserter::add_links(const Batch& batch) {
  links_.clear();
  for (std::size_t i = 0; i < batch.results.size(); ++i) {
    if (result_ids_[i] == 0) continue;
    const ResultRow& row = batch.results[i];
    for (std::uint32_t l = row.link_begin; l < row.link_end; ++l) {
      const ResponseLink& link = batch.links[l];
      const Result<RowId> name = request_name(link.name, link.role);
      if (!name) return name.error();
      RowId response = link.response_id;
      if (link.response_in_batch >= 0) {
        response = response_ids_[static_cast<std::size_t>(link.response_in_batch)];
      } else {
        const Result<bool> there = exists(response_at_, response);
        if (!there) return there.error();
        if (!*there) {
          return Error{Code::kInvalidArgument,
                       "item '" + std::string(row.item_id) +
                           "' was not stored because it points to response " + std::to_string(response) +
                           ", which the database '" + connection_.path() + "' does not have",
                       "response"};
        }
      }
      links_.push_back({result_ids_[i], response, *name, std::int64_t{l - row.link_begin},
                        std::int64_t{link.cached ? 1 : 0}});
    }
  }
  return in_chunks(links_.size(), [&](std::size_t begin, std::size_t count) -> Result<void> {
    sqlite::Statement& statement = count == 1 ? link_.one : link_.many;
    for (std::size_t i = 0; i < count; ++i) {
      const LinkRow& row = links_[begin + i];
      const int at = static_cast<int>(i) * kLinkColumns;
      statement.bind(at + 1, row.result);
      statement.bind(at + 2, row.ordinal);
      statement.bind(at + 3, row.response);
      statement.bind(at + 4, row.name);
      statement.bind(at + 5, row.cached);
    }
    const Result<std::int64_t> done = execute(statement, "linking results to responses");
    if (!done) return done.error();
    return {};
  });
}

Result<void> Inserter::add_scores(const Batch& batch) {
  scores_.clear();
  for (std::size_t i = 0; i < batch.results.size(); ++i) {
    if (result_ids_[i] == 0) continue;
    const ResultRow& row = batch.results[i];
    for (std::uint32_t s = row.score_begin; s < row.score_end; ++s) {
      const ScoreRow& score = batch.scores[s];
      if (score.value != last_value_) {
        Result<void> known = check_known(values_, "value", score.value);
        if (!known) return known;
        last_value_ = score.value;
      }
      scores_.push_back({result_ids_[i], &score});
    }
  }
  return in_chunks(scores_.size(), [&](std::size_t begin, std::size_t count) -> Result<void> {
    sqlite::Statement& statement = count == 1 ? score_.one : score_.many;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& [result, score] = scores_[begin + i];
      const int at = static_cast<int>(i) * kScoreColumns;
      statement.bind(at + 1, score->value);
      statement.bind(at + 2, result);
      statement.bind(at + 3, score->number);
      statement.bind(at + 4, std::int64_t{score->state});
      statement.bind_or_null(at + 5, score->note);
    }
    const Result<std::int64_t> done = execute(statement, "storing scores");
    if (!done) return done.error();
    return {};
  });
}

Result<RowId> Inserter::request_name(std::string_view name, std::string_view role) {
  name_key_.assign(name);
  name_key_ += '\0';
  name_key_ += role;
  if (const auto known = names_.find(name_key_); known != names_.end()) return known->second;
  name_.bind(1, name);
  name_.bind(2, role);
  const Result<std::int64_t> added = execute(name_, "storing the name of a request");
  if (!added) return added.error();
  name_id_.bind(1, name);
  name_id_.bind(2, role);
  const int code = name_id_.step_code();
  if (code != SQLITE_ROW) {
    Error error = connection_.error(code, "looking up the name of a request");
    name_id_.reset();
    return error;
  }
  const RowId id = name_id_.integer(0);
  name_id_.reset();
  if (names_.size() >= kNamesKept) names_.clear();
  names_.emplace(name_key_, id);
  return id;
}

Result<std::int64_t> Inserter::finish() {
  std::int64_t inserted = 0;
  for (const Evaluation& group : evaluations_) {
    std::int64_t sum = 0;
    for (const std::int64_t count : group.states) sum += count;
    if (sum == 0) continue;
    const std::int64_t(&n)[8] = group.states;
    const Result<std::int64_t> done = connection_.run(
        "UPDATE evaluation SET n_ok = n_ok + ?, n_empty = n_empty + ?, n_refused = n_refused + ?, "
        "n_truncated ="
        " n_truncated + ?, n_unparsed = n_unparsed + ?, n_unsupported = n_unsupported + ?, n_error = n_error "
        "+ ?,"
        " n_timeout = n_timeout + ? WHERE id = ?",
        {n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], group.id});
    if (!done) return done.error();
    inserted += sum;
  }
  return inserted;
}

}  // namespace assay::host
