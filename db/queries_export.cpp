// Results with everything that belongs to them, in task order. The order is a small table in memory; the rows
// come in blocks of neighbouring ids, so that nothing is looked up row by row and nothing else is held.
#include <algorithm>

#include "db/reader_impl.hpp"

namespace assay::host {
namespace {

using sqlite::Connection;
using sqlite::Statement;

constexpr std::size_t kBlockRows = 512;  ///< rows whose texts are in memory at once
constexpr std::int64_t kGapMax = 32;     ///< rows read in vain rather than asking once more

/// A result's place in the task's order.
struct Place {
  std::int64_t position = 0;
  std::uint32_t repeat = 0;
  std::uint32_t number = 0;  ///< of the result inside its evaluation
  bool operator<(const Place& other) const {
    if (position != other.position) return position < other.position;
    if (repeat != other.repeat) return repeat < other.repeat;
    return number < other.number;
  }
};

struct Range {
  RowId first = 0, last = 0;
};

/// The ids of a block in ascending order as few ranges.
std::vector<Range> ranges_of(const std::vector<RowId>& ids) {
  std::vector<Range> ranges;
  for (const RowId id : ids) {
    if (!ranges.empty() && id - ranges.back().last <= kGapMax) {
      ranges.back().last = id;
    } else {
      ranges.push_back({id, id});
    }
  }
  return ranges;
}

void assign(std::string& to, std::string_view from) {
  to.assign(from.data(), from.size());
}

/// Reads one block after the other; its memory is used again.
class Blocks {
 public:
  Blocks(Connection& connection, RowId evaluation, std::span<const RowId> values, bool texts)
      : connection_(connection), first_(evaluation << kEvaluationShift), values_(values), texts_(texts) {}

  /// The rows of these places; they stay valid until the next call.
  Result<void> read(std::span<const Place> places) {
    ids_.clear();
    for (const Place& place : places) ids_.push_back(first_ + place.number);
    std::sort(ids_.begin(), ids_.end());
    if (rows_.size() < places.size()) rows_.resize(places.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
      rows_[i].responses.clear();
      rows_[i].scores.assign(values_.size(), {});
    }
    for (const Range& range : ranges_of(ids_)) {
      Result<void> done = read_results(range);
      if (done && texts_) done = read_responses(range);
      for (std::size_t v = 0; v < values_.size() && done; ++v) done = read_scores(range, v);
      if (!done) return done;
    }
    return {};
  }
  [[nodiscard]] const WholeItem& at(const Place& place) const {
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), first_ + place.number);
    return rows_[static_cast<std::size_t>(found - ids_.begin())];
  }

 private:
  WholeItem* find(RowId result) {
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), result);
    if (found == ids_.end() || *found != result) return nullptr;
    return &rows_[static_cast<std::size_t>(found - ids_.begin())];
  }

  Result<void> read_results(const Range& range) {
    return connection_.each(
        "SELECT r.id, r.position, r.repeat, r.state, r.label, r.variant, r.grp, r.item_id, r.message, i.body"
        " FROM result AS r LEFT JOIN item AS i ON ?3 AND i.id = r.item WHERE r.id BETWEEN ?1 AND ?2",
        {range.first, range.last, texts_}, [&](const Statement& row) {
          WholeItem* to = find(row.integer(0));
          if (to == nullptr) return;
          to->line.result = row.integer(0);
          to->line.position = row.integer(1);
          to->line.repeat = static_cast<std::uint32_t>(row.integer(2));
          to->line.state = small(row, 3);
          to->line.label = static_cast<int>(or_minus_one(row, 4));
          assign(to->line.variant, row.text(5));
          assign(to->line.group, row.text(6));
          assign(to->line.item_id, row.text(7));
          assign(to->line.message, row.text(8));
          assign(to->body, row.text(9));
        });
  }

  Result<void> read_responses(const Range& range) {
    return connection_.each(
        "SELECT l.result, l.cached, n.name, n.role, p.model, p.kind, p.state, p.code, p.tokens_in,"
        " p.tokens_out, p.total_ns, p.request, p.answer, p.message FROM result_response AS l"
        " JOIN request_name AS n ON n.id = l.request_name JOIN response AS p ON p.id = l.response"
        " WHERE l.result BETWEEN ? AND ? ORDER BY l.result, l.ordinal",
        {range.first, range.last}, [&](const Statement& row) {
          WholeItem* to = find(row.integer(0));
          if (to == nullptr) return;
          WholeResponse& response = to->responses.emplace_back();
          response.cached = row.integer(1) != 0;
          assign(response.name, row.text(2));
          assign(response.role, row.text(3));
          response.model = row.integer(4);
          response.kind = small(row, 5);
          response.state = small(row, 6);
          response.code = small(row, 7);
          response.tokens_in = row.integer(8);
          response.tokens_out = row.integer(9);
          response.total_ns = row.integer(10);
          assign(response.request, row.text(11));
          assign(response.answer, row.text(12));
          assign(response.message, row.text(13));
        });
  }

  Result<void> read_scores(const Range& range, std::size_t v) {
    return connection_.each(
        "SELECT result, number, state, note FROM score WHERE value = ? AND result BETWEEN ? AND ?",
        {values_[v], range.first, range.last}, [&](const Statement& row) {
          WholeItem* to = find(row.integer(0));
          if (to == nullptr) return;
          WholeScore& score = to->scores[v];
          score.present = true;
          score.number = row.real(1);
          score.state = small(row, 2);
          assign(score.note, row.text(3));
        });
  }

  Connection& connection_;
  RowId first_;
  std::span<const RowId> values_;
  bool texts_;
  std::vector<RowId> ids_;  ///< ascending; rows_ is parallel to it
  std::vector<WholeItem> rows_;
};

}  // namespace

Result<std::vector<ValueRow>> Reader::values(RowId metric) {
  std::vector<ValueRow> rows;
  const std::string sql =
      std::string("SELECT ") + kValueColumns + " FROM value AS v WHERE v.metric = ? ORDER BY v.ordinal";
  Result<void> done =
      impl_->connection->each(sql, {metric}, [&](const Statement& row) { rows.push_back(value_from(row)); });
  if (!done) return std::move(done).error();
  return rows;
}

Result<void> Reader::each_whole(RowId evaluation, std::span<const RowId> values, bool texts,
                                const std::function<Result<bool>(const WholeItem&)>& visit) {
  Connection& c = *impl_->connection;
  const Snapshot snapshot(c);
  std::vector<Place> order;
  Result<void> done = c.each("SELECT id & 4294967295, position, repeat FROM result WHERE id BETWEEN ? AND ?",
                             {Impl::first(evaluation), Impl::last(evaluation)}, [&](const Statement& row) {
                               order.push_back({row.integer(1), static_cast<std::uint32_t>(row.integer(2)),
                                                static_cast<std::uint32_t>(row.integer(0))});
                             });
  if (!done) return done;
  if (!std::is_sorted(order.begin(), order.end())) std::sort(order.begin(), order.end());
  Blocks blocks(c, evaluation, values, texts);
  for (std::size_t at = 0; at < order.size(); at += kBlockRows) {
    const std::span<const Place> block(order.data() + at, std::min(kBlockRows, order.size() - at));
    done = blocks.read(block);
    if (!done) return done;
    for (const Place& place : block) {
      const Result<bool> more = visit(blocks.at(place));
      if (!more) return more.error();
      if (!*more) return {};
    }
  }
  return {};
}

}  // namespace assay::host
