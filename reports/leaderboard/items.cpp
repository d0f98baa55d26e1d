// Items of one recipe over all its evaluations, and values by item.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "assay/plugin.h"
#include "db/answer_value.hpp"
#include "reports/leaderboard/detail.hpp"

namespace assay::host::leaderboard_detail {
namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

std::optional<std::size_t> column_of(const MetricTable& table, const std::string& name) {
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (table.values[table.columns[c]].name == name) return c;
  }
  return std::nullopt;
}

// Numbers items by id and variant over many evaluations.
class Dictionary {
 public:
  explicit Dictionary(Items& items) : items_(items) {}

  std::uint32_t number(const ItemView& item, bool& changed) {
    key_.assign(item.item_id);
    key_ += '\0';
    key_ += item.variant;
    const auto [at, fresh] = known_.try_emplace(key_, static_cast<std::uint32_t>(items_.ids.size()));
    if (fresh) {
      items_.ids.emplace_back(item.item_id);
      items_.variants.emplace_back(item.variant);
      items_.groups.emplace_back(item.group);
      items_.labels.push_back(item.label);
      items_.contents.push_back(item.content);
      return at->second;
    }
    std::uint64_t& content = items_.contents[at->second];
    if (content == 0) content = item.content;
    changed = item.content != 0 && item.content != content;
    return at->second;
  }

 private:
  Items& items_;
  std::unordered_map<std::string, std::uint32_t> known_;
  std::string key_;
};

struct Place {
  std::int64_t position = 0;
  RowId result = 0;
  std::uint32_t repeat = 0, item = 0;
};

Result<void> load_sheet(Reader& reader, const Chosen& chosen, Dictionary& dictionary, Sheet& sheet) {
  std::vector<Place> places;
  std::vector<std::uint32_t> changed;
  places.reserve(static_cast<std::size_t>(chosen.evaluation.results()));
  Result<void> done = reader.each_item(chosen.evaluation.id, [&](const ItemView& item) {
    bool differs = false;
    const std::uint32_t number = dictionary.number(item, differs);
    if (differs) changed.push_back(number);
    places.push_back({item.position, item.result, item.repeat, number});
    return true;
  });
  if (!done) return done;
  std::sort(changed.begin(), changed.end());
  sheet.changed = std::unique(changed.begin(), changed.end()) - changed.begin();
  // The order of Reader::metric_table: position, repeat, place in the file.
  const auto before = [](const Place& a, const Place& b) {
    return std::tie(a.position, a.repeat, a.result) < std::tie(b.position, b.repeat, b.result);
  };
  if (!std::is_sorted(places.begin(), places.end(), before)) std::sort(places.begin(), places.end(), before);
  sheet.item_of_row.reserve(places.size());
  for (const Place& place : places) sheet.item_of_row.push_back(place.item);
  return {};
}

// Tokens and time of the answers. A token count of 0 means that it was not recorded.
Result<void> load_usage(Reader& reader, const Chosen& chosen, Sheet& sheet) {
  std::int64_t in = 0, out = 0, asked = 0;
  double seconds = 0;
  Result<void> done =
      reader.each_whole(chosen.evaluation.id, {}, true, [&](const WholeItem& item) -> Result<bool> {
        for (const WholeResponse& response : item.responses) {
          in += response.tokens_in;
          out += response.tokens_out;
          if (response.cached) continue;
          ++asked;
          seconds += static_cast<double>(response.total_ns) * 1e-9;
        }
        return true;
      });
  if (!done) return done;
  if (in != 0) sheet.tokens_in = in;
  if (out != 0) sheet.tokens_out = out;
  if (asked != 0 && seconds > 0) sheet.seconds = seconds;
  return {};
}

// Items in the order of id and variant, so that the order of storage decides no sum and no resample.
void sort_items(Roster& roster) {
  Items& items = roster.items;
  std::vector<std::uint32_t> order(items.ids.size()), place(order.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tie(items.ids[a], items.variants[a]) < std::tie(items.ids[b], items.variants[b]);
  });
  const auto arrange = [&](auto& list) {
    std::remove_reference_t<decltype(list)> sorted;
    sorted.reserve(list.size());
    for (const std::uint32_t i : order) sorted.push_back(std::move(list[i]));
    list = std::move(sorted);
  };
  arrange(items.ids);
  arrange(items.variants);
  arrange(items.groups);
  arrange(items.labels);
  arrange(items.contents);
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<std::uint32_t>(i);
  for (Sheet& sheet : roster.sheets) {
    sheet.present.assign(order.size(), false);
    for (std::uint32_t& item : sheet.item_of_row) {
      item = place[item];
      sheet.present[item] = true;
    }
  }
}

}  // namespace

Result<Roster> load_roster(Reader& reader, const std::vector<const Chosen*>& evaluations, bool usage) {
  Roster roster;
  roster.sheets.resize(evaluations.size());
  Dictionary dictionary(roster.items);
  for (std::size_t e = 0; e < evaluations.size(); ++e) {
    Result<void> done = load_sheet(reader, *evaluations[e], dictionary, roster.sheets[e]);
    if (done && usage) done = load_usage(reader, *evaluations[e], roster.sheets[e]);
    if (!done) return std::move(done).error();
  }
  sort_items(roster);
  return roster;
}

std::vector<std::string> unit_names(const Items& items, const std::string& recipe) {
  std::vector<std::string> units;
  units.reserve(items.ids.size());
  std::uint64_t content = 0;
  for (std::size_t i = 0; i < items.ids.size(); ++i) {
    // The variants of an id are neighbours, and the first of them speaks for all.
    if (i == 0 || items.ids[i] != items.ids[i - 1]) content = items.contents[i];
    if (!items.groups[i].empty())
      units.push_back("group " + items.groups[i]);
    else
      units.push_back((content != 0 ? std::to_string(content) : recipe) + " " + items.ids[i]);
  }
  return units;
}

bool is_per_token(const MetricTable& table, const std::string& value) {
  return std::any_of(table.values.begin(), table.values.end(),
                     [&](const ValueRow& row) { return row.name == value && per_token(row); });
}

Result<Column> load_column(const MetricTable& table, const MetricRow& metric, const std::string& value,
                           const std::string& variant, const Roster& roster, std::size_t sheet) {
  const std::vector<std::uint32_t>& item_of_row = roster.sheets[sheet].item_of_row;
  if (table.labels.size() != item_of_row.size()) {
    return Error{Code::kUnavailable,
                 "a run is being written while the leaderboard reads it; try again when it has ended",
                 {}};
  }
  const std::size_t n = roster.items.ids.size();
  Column out;
  const std::optional<std::size_t> column = column_of(table, value);
  if (!column) return out;
  const ValueRow& row = table.values[table.columns[*column]];
  const bool ratio = row.rule == ASSAY_RULE_RATIO;
  const std::optional<std::size_t> below = ratio ? column_of(table, row.denominator) : std::nullopt;
  const bool all = metric.pool_variants || table.variant_names.size() <= 1;
  out.numbers.assign(n, kNoNumber);
  if (ratio) out.denominators.assign(n, kNoNumber);
  std::vector<double> sums(n, 0.0);
  std::vector<std::uint32_t> counts(n, 0);
  for (std::size_t r = 0; r < item_of_row.size(); ++r) {
    if (!all && table.variant_names[table.variants[r]] != variant) continue;
    const std::uint32_t item = item_of_row[r];
    // The denominator is that of the first answer, as in run/aggregate.cpp.
    if (below && std::isnan(out.denominators[item]) && table.repeats[r] == 0)
      out.denominators[item] = table.numbers[r * table.columns.size() + *below];
    const double x = answer_value(table, r, *column, row).x;
    if (!std::isnan(x)) sums[item] += x, ++counts[item];
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (counts[i] != 0) out.numbers[i] = counts[i] == 1 ? sums[i] : sums[i] / counts[i];
    if (row.rule == ASSAY_RULE_AUROC && roster.items.labels[i] < 0) out.numbers[i] = kNoNumber;
    if (ratio && !std::isfinite(out.denominators[i])) out.numbers[i] = kNoNumber;
  }
  return out;
}

}  // namespace assay::host::leaderboard_detail
