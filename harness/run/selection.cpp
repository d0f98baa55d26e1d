#include "harness/run/selection.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "assay/sdk/abi.hpp"
#include "harness/base/limits.hpp"
#include "harness/stats/random.hpp"

namespace assay::host {
namespace {

// Number of items, counted by fetching when the task does not know.
Result<std::uint64_t> count_items(const TaskInstance& task) {
  const std::int64_t known = task.count();
  if (known >= 0) return static_cast<std::uint64_t>(known);
  std::uint64_t total = 0;
  for (;;) {
    std::vector<assay_item> items;
    if (Result<void> got = task.fetch(total, limits::kFetchItems, items, std::make_shared<Arena>(), nullptr);
        !got) {
      return std::move(got).error();
    }
    total += items.size();
    if (items.size() < limits::kFetchItems) return total;
  }
}

Result<Positions> by_id(const std::vector<std::string>& wanted, const TaskInstance& task) {
  std::unordered_map<std::string_view, std::vector<std::uint64_t>> found;
  for (const std::string& id : wanted) found.emplace(id, std::vector<std::uint64_t>());
  std::uint64_t at = 0;
  for (;;) {
    const auto arena = std::make_shared<Arena>();
    std::vector<assay_item> items;
    if (Result<void> got = task.fetch(at, limits::kFetchItems, items, arena, nullptr); !got)
      return std::move(got).error();
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (const auto hit = found.find(view(items[i].id)); hit != found.end()) hit->second.push_back(at + i);
    }
    at += items.size();
    if (items.size() < limits::kFetchItems) break;
  }
  Positions out;
  for (const std::string& id : wanted) {
    const auto& hits = found[id];
    if (!hits.empty()) out.found_ids.push_back(id);
    out.list.insert(out.list.end(), hits.begin(), hits.end());
  }
  return out;
}

}  // namespace

Result<Positions> select_positions(const Selection& selection, const TaskInstance& task, std::uint64_t seed,
                                   const std::string& task_name) {
  if (!selection.items.empty()) return by_id(selection.items, task);
  Positions out;
  if (!selection.shuffle && selection.share >= 1.0) {
    out.all = true;
    out.first = selection.first;
    out.last = selection.last;
    return out;
  }
  Result<std::uint64_t> total = count_items(task);
  if (!total) return std::move(total).error();
  if (*total > UINT32_MAX) {
    return Error{Code::kResourceExhausted,
                 "task '" + task_name + "' has more than 2^32 items, too many to shuffle or take a share of",
                 {}};
  }
  std::vector<std::uint64_t> order(*total);
  for (std::uint64_t i = 0; i < *total; ++i) order[i] = i;
  if (selection.shuffle) {
    const std::vector<std::uint32_t> shuffled =
        stats::random_permutation(stats::task_seed(seed, "select", task_name),
                                  static_cast<std::uint32_t>(*total), stats::kStreamSelect);
    order.assign(shuffled.begin(), shuffled.end());
  }
  std::uint64_t last = std::min<std::uint64_t>(selection.last, *total);
  if (selection.share < 1.0) {
    last = static_cast<std::uint64_t>(std::ceil(static_cast<double>(*total) * selection.share));
  }
  const std::uint64_t first = std::min<std::uint64_t>(selection.first, last);
  out.list.assign(order.begin() + static_cast<std::ptrdiff_t>(first),
                  order.begin() + static_cast<std::ptrdiff_t>(last));
  return out;
}

}  // namespace assay::host
