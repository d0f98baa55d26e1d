// All values of one metric in one evaluation, as arrays in task order. One range of `result` and one range of
// `score` per value are read in the order of their ids and merged; nothing is looked up row by row.
#include <algorithm>
#include <limits>
#include <numeric>

#include "assay/plugin.h"
#include "db/reader_impl.hpp"

namespace assay::host {
namespace {

using sqlite::Connection;
using sqlite::Statement;

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

/// Numbers texts by first appearance. Texts are told apart by a 128-bit hash, so none is kept.
class Numbering {
 public:
  std::uint32_t number(std::string_view text) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    const Key128 key = fast_key(text);
    std::size_t at = static_cast<std::size_t>(key.low) & (slots_.size() - 1);
    while (slots_[at].number != kNone) {
      if (slots_[at].key == key) return slots_[at].number;
      at = (at + 1) & (slots_.size() - 1);
    }
    slots_[at] = {key, static_cast<std::uint32_t>(used_)};
    return static_cast<std::uint32_t>(used_++);
  }
  [[nodiscard]] std::size_t size() const { return used_; }

 private:
  struct Slot {
    Key128 key;
    std::uint32_t number = kNone;
  };
  void grow() {
    std::vector<Slot> old(std::max<std::size_t>(64, 2 * slots_.size()));
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number == kNone) continue;
      std::size_t at = static_cast<std::size_t>(slot.key.low) & (slots_.size() - 1);
      while (slots_[at].number != kNone) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

/// Gives numbers anew in the order in which they appear in `numbers`; kNone stays. Returns old -> new.
std::vector<std::uint32_t> renumber(std::vector<std::uint32_t>& numbers, std::size_t count) {
  std::vector<std::uint32_t> names(count, kNone);
  std::uint32_t next = 0;
  for (std::uint32_t& number : numbers) {
    if (number == kNone) continue;
    if (names[number] == kNone) names[number] = next++;
    number = names[number];
  }
  return names;
}

template <class T>
void permute(std::vector<T>& rows, const std::vector<std::uint32_t>& order) {
  std::vector<T> sorted(rows.size());
  for (std::size_t i = 0; i < order.size(); ++i) sorted[i] = rows[order[i]];
  rows = std::move(sorted);
}

/// The results, in the order of their ids.
Result<void> read_items(Connection& c, RowId first, RowId last, MetricTable& table, std::vector<RowId>& ids,
                        std::size_t& group_count) {
  Numbering groups, variants;
  Result<void> done =
      c.each("SELECT id, position, repeat, state, label, variant, grp FROM result WHERE id BETWEEN ? AND ?",
             {first, last}, [&](const Statement& row) {
               ids.push_back(row.integer(0));
               table.positions.push_back(sqlite::as_unsigned(row.integer(1)));
               table.repeats.push_back(static_cast<std::uint32_t>(row.integer(2)));
               table.result_states.push_back(static_cast<std::uint8_t>(row.integer(3)));
               table.labels.push_back(static_cast<std::int32_t>(or_minus_one(row, 4)));
               const std::string_view variant = row.text(5);
               const std::uint32_t number = variants.number(variant);
               if (number == table.variant_names.size()) table.variant_names.emplace_back(variant);
               table.variants.push_back(number);
               const std::string_view group = row.text(6);
               table.groups.push_back(group.empty() ? kNone : groups.number(group));
             });
  group_count = groups.size();
  return done;
}

/// Brings the items into task order, repeats of an item one after the other. Gives the rows in that order.
std::vector<std::uint32_t> sort_items(MetricTable& table, std::size_t group_count) {
  std::vector<std::uint32_t> order(table.positions.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    if (table.positions[a] != table.positions[b]) return table.positions[a] < table.positions[b];
    return table.repeats[a] < table.repeats[b];
  };
  if (!std::is_sorted(order.begin(), order.end(), before)) {
    std::stable_sort(order.begin(), order.end(), before);
    permute(table.positions, order);
    permute(table.repeats, order);
    permute(table.result_states, order);
    permute(table.labels, order);
    permute(table.variants, order);
    permute(table.groups, order);
  }
  (void)renumber(table.groups, group_count);
  const std::vector<std::uint32_t> names = renumber(table.variants, table.variant_names.size());
  std::vector<std::string> sorted(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) sorted[names[i]] = std::move(table.variant_names[i]);
  table.variant_names = std::move(sorted);
  table.items.resize(order.size());
  std::uint64_t item = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && table.positions[i] != table.positions[i - 1]) ++item;
    table.items[i] = item;
  }
  return order;
}

/// One column of numbers: scores in the order of result ids, merged with the items' ids.
Result<void> read_column(Connection& c, RowId value, const std::vector<RowId>& ids,
                         const std::vector<std::uint32_t>& place, std::size_t column, MetricTable& table) {
  const std::size_t width = table.columns.size();
  std::size_t at = 0;
  return c.each("SELECT result, number, state FROM score WHERE value = ? AND result BETWEEN ? AND ?",
                {value, ids.front(), ids.back()}, [&](const Statement& row) {
                  const RowId result = row.integer(0);
                  while (at < ids.size() && ids[at] < result) ++at;
                  if (at == ids.size() || ids[at] != result) return;
                  table.numbers[place[at] * width + column] = row.real(1);
                  if (column == 0) table.score_states[place[at]] = static_cast<std::uint8_t>(row.integer(2));
                });
}

}  // namespace

Result<MetricTable> Reader::metric_table(RowId evaluation, RowId metric) {
  Connection& c = *impl_->connection;
  const Snapshot snapshot(c);
  MetricTable table;
  const std::string sql =
      std::string("SELECT ") + kValueColumns + " FROM value AS v WHERE v.metric = ? ORDER BY v.ordinal";
  Result<void> done =
      c.each(sql, {metric}, [&](const Statement& row) { table.values.push_back(value_from(row)); });
  if (!done) return std::move(done).error();
  Result<std::optional<std::int64_t>> belongs = c.number(
      "SELECT e.results FROM evaluation AS e JOIN metric AS m ON m.recipe = e.recipe WHERE e.id = ? AND m.id "
      "= ?",
      {evaluation, metric});
  if (!belongs) return std::move(belongs).error();
  if (!belongs->has_value()) {
    return Error{Code::kNotFound,
                 "evaluation " + std::to_string(evaluation) + " has no metric " + std::to_string(metric),
                 {}};
  }
  for (std::size_t i = 0; i < table.values.size(); ++i) {
    if (table.values[i].rule != ASSAY_RULE_CUSTOM) table.columns.push_back(i);
  }
  std::vector<RowId> ids;
  const auto expected = static_cast<std::size_t>(belongs->value_or(0));
  if (expected >= kNone) {
    return Error{Code::kResourceExhausted,
                 "evaluation " + std::to_string(evaluation) + " has too many results for one table",
                 {}};
  }
  ids.reserve(expected);
  std::size_t group_count = 0;
  done = read_items(c, Impl::first(evaluation), Impl::last(evaluation), table, ids, group_count);
  if (!done) return std::move(done).error();
  const std::vector<std::uint32_t> order = sort_items(table, group_count);
  std::vector<std::uint32_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::uint32_t>(i);
  table.numbers.assign(ids.size() * table.columns.size(), std::numeric_limits<double>::quiet_NaN());
  table.score_states.resize(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    table.score_states[i] = table.result_states[i] == ASSAY_STATE_OK ? kNotScored : table.result_states[i];
  }
  for (std::size_t k = 0; k < table.columns.size() && !ids.empty(); ++k) {
    done = read_column(c, table.values[table.columns[k]].id, ids, place, k, table);
    if (!done) return std::move(done).error();
  }
  return table;
}

}  // namespace assay::host
