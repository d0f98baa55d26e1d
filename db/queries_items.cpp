// Questions about single items.
#include <algorithm>
#include <array>

#include "db/reader_impl.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

using sqlite::Connection;
using sqlite::Statement;

const std::array<std::string, kStateCount> kStateNames = {"ok",       "empty",       "refused", "truncated",
                                                          "unparsed", "unsupported", "error",   "timeout"};

/// -1 for all.
Result<int> state_number(const std::string& name) {
  if (name.empty()) return -1;
  const auto found = std::find(kStateNames.begin(), kStateNames.end(), name);
  if (found != kStateNames.end()) return static_cast<int>(found - kStateNames.begin());
  return Error{Code::kInvalidArgument,
               "there is no state '" + name + "'" + did_you_mean(name, kStateNames) + "; states are " +
                   join(kStateNames, ", "),
               "state"};
}

/// An evaluation with the names shown beside its items.
struct Named {
  RowId id = 0;
  std::string recipe, model;
};

Result<std::vector<Named>> named_evaluations(Connection& c, RowId run) {
  std::vector<Named> rows;
  Result<void> done = c.each(
      "SELECT e.id, c.name, e.model_name FROM evaluation AS e JOIN recipe AS c ON c.id = e.recipe"
      " WHERE e.run = ? ORDER BY c.id, e.id",
      {run}, [&](const Statement& row) {
        rows.push_back({row.integer(0), row.string(1), row.string(2)});
      });
  if (!done) return std::move(done).error();
  return rows;
}

ItemLine line_from(const Statement& row, const Named& evaluation) {
  ItemLine line;
  line.recipe = evaluation.recipe;
  line.model = evaluation.model;
  line.result = row.integer(0);
  line.position = row.integer(1);
  line.repeat = static_cast<std::uint32_t>(row.integer(2));
  line.state = small(row, 3);
  line.label = static_cast<int>(or_minus_one(row, 4));
  line.variant = row.string(5);
  line.group = row.string(6);
  line.item_id = row.string(7);
  line.message = row.string(8);
  return line;
}

}  // namespace

const char* state_name(int state) {
  return state >= 0 && state < kStateCount ? kStateNames[static_cast<std::size_t>(state)].c_str() : "unknown";
}

Result<std::vector<ItemLine>> Reader::items(RowId run, const std::string& state, const std::string& task,
                                            std::int64_t limit) {
  Connection& c = *impl_->connection;
  const Result<int> wanted = state_number(state);
  if (!wanted) return wanted.error();
  const Snapshot snapshot(c);
  Result<std::vector<Named>> evaluations = named_evaluations(c, run);
  if (!evaluations) return std::move(evaluations).error();
  std::vector<ItemLine> lines;
  for (const Named& evaluation : *evaluations) {
    if (!task.empty() && !glob_match(task, evaluation.recipe)) continue;
    const std::int64_t room = limit <= 0 ? -1 : limit - static_cast<std::int64_t>(lines.size());
    if (room == 0) break;
    Result<void> done = c.each(
        "SELECT id, position, repeat, state, label, variant, grp, item_id, message FROM result"
        " WHERE id BETWEEN ?1 AND ?2 AND (?3 < 0 OR state = ?3) ORDER BY position, repeat LIMIT ?4",
        {Impl::first(evaluation.id), Impl::last(evaluation.id), *wanted, room},
        [&](const Statement& row) { lines.push_back(line_from(row, evaluation)); });
    if (!done) return std::move(done).error();
  }
  return lines;
}

Result<std::vector<ItemLine>> Reader::find_item(RowId run, const std::string& item_id) {
  Connection& c = *impl_->connection;
  const Snapshot snapshot(c);
  Result<std::vector<Named>> evaluations = named_evaluations(c, run);
  if (!evaluations) return std::move(evaluations).error();
  std::vector<ItemLine> lines;
  for (const Named& evaluation : *evaluations) {
    Result<void> done = c.each(
        "SELECT id, position, repeat, state, label, variant, grp, item_id, message FROM result"
        " WHERE evaluation = ? AND item_id = ? ORDER BY position, repeat",
        {evaluation.id, item_id}, [&](const Statement& row) { lines.push_back(line_from(row, evaluation)); });
    if (!done) return std::move(done).error();
  }
  return lines;
}

Result<std::vector<ItemResponse>> Reader::responses(RowId result) {
  std::vector<ItemResponse> rows;
  Result<void> done = impl_->connection->each(
      "SELECT n.name, n.role, m.name, p.request, p.answer, p.tokens, p.message, p.kind, p.state, p.code, "
      "p.tokens_in,"
      " p.tokens_out, p.total_ns FROM result_response AS l JOIN request_name AS n ON n.id = l.request_name"
      " JOIN response AS p ON p.id = l.response JOIN model AS m ON m.id = p.model WHERE l.result = ?"
      " ORDER BY l.ordinal",
      {result}, [&](const Statement& row) {
        ItemResponse response;
        int column = 0;
        for (std::string* text : {&response.name, &response.role, &response.model, &response.request,
                                  &response.answer, &response.tokens, &response.message}) {
          *text = row.string(column++);
        }
        for (int* number : {&response.kind, &response.state, &response.code}) *number = small(row, column++);
        for (std::int64_t* number : {&response.tokens_in, &response.tokens_out, &response.total_ns}) {
          *number = row.integer(column++);
        }
        rows.push_back(std::move(response));
      });
  if (!done) return std::move(done).error();
  return rows;
}

Result<std::vector<ItemScore>> Reader::scores(RowId result) {
  std::vector<ItemScore> rows;
  Result<void> done = impl_->connection->each(
      "SELECT m.name, v.name, s.note, s.number, s.state FROM evaluation AS e JOIN metric AS m ON m.recipe = "
      "e.recipe"
      " JOIN value AS v ON v.metric = m.id JOIN score AS s ON s.value = v.id AND s.result = ?1"
      " WHERE e.id = ?1 >> 32 ORDER BY m.id, v.ordinal",
      {result}, [&](const Statement& row) {
        rows.push_back({row.string(0), row.string(1), row.string(2), row.real(3), small(row, 4)});
      });
  if (!done) return std::move(done).error();
  return rows;
}

Result<std::vector<ItemKey>> Reader::items_of(RowId item_set) {
  std::vector<ItemKey> keys;
  Result<void> done =
      impl_->connection->each("SELECT id & 4294967295, content FROM item WHERE id BETWEEN ? AND ?",
                              {Impl::first(item_set), Impl::last(item_set)}, [&](const Statement& row) {
                                keys.push_back({row.integer(0), sqlite::as_unsigned(row.integer(1))});
                              });
  if (!done) return std::move(done).error();
  return keys;
}

Result<void> Reader::each_item(RowId evaluation, const std::function<bool(const ItemView&)>& visit,
                               bool bodies) {
  Result<sqlite::Query> query = impl_->connection->query(
      bodies
          ? "SELECT r.id, r.position, r.repeat, r.state, r.label, r.variant, r.grp, r.content, r.item_id,"
            " r.message, r.item, i.body FROM result AS r LEFT JOIN item AS i ON i.id = r.item"
            " WHERE r.id BETWEEN ? AND ?"
          : "SELECT id, position, repeat, state, label, variant, grp, content, item_id, message, item FROM "
            "result WHERE id BETWEEN ? AND ?",
      {Impl::first(evaluation), Impl::last(evaluation)});
  if (!query) return std::move(query).error();
  while (true) {
    const Result<bool> more = query->step();
    if (!more) return more.error();
    if (!*more) return {};
    const Statement& row = **query;
    ItemView view;
    view.result = row.integer(0);
    view.position = row.integer(1);
    view.repeat = static_cast<std::uint32_t>(row.integer(2));
    view.state = small(row, 3);
    view.label = static_cast<int>(or_minus_one(row, 4));
    view.variant = row.text(5);
    view.group = row.text(6);
    view.content = sqlite::as_unsigned(row.integer(7));
    view.item_id = row.text(8);
    view.message = row.text(9);
    view.item = row.is_null(10) ? 0 : row.integer(10);
    if (bodies) view.body = row.text(11);
    if (!visit(view)) return {};
  }
}

}  // namespace assay::host
