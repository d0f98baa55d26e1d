#include "harness/stats/clusters.hpp"

#include <numeric>
#include <string_view>
#include <unordered_map>

namespace assay::stats {
namespace {

// Lists the members by counting sort, which keeps the item order inside a cluster.
void list_members(Clusters& clusters, std::uint32_t count) {
  clusters.start.assign(std::size_t{count} + 1, 0);
  for (const std::uint32_t c : clusters.of_item) ++clusters.start[c + 1];
  std::partial_sum(clusters.start.begin(), clusters.start.end(), clusters.start.begin());
  clusters.members.resize(clusters.of_item.size());
  std::vector<std::uint32_t> next(clusters.start.begin(), clusters.start.end() - 1);
  for (std::uint32_t i = 0; i < clusters.of_item.size(); ++i) {
    clusters.members[next[clusters.of_item[i]]++] = i;
  }
}

}  // namespace

Clusters make_clusters(std::span<const std::string> ids) {
  Clusters clusters;
  clusters.of_item.reserve(ids.size());
  std::unordered_map<std::string_view, std::uint32_t> number;  // looked up only, never iterated
  std::uint32_t count = 0;
  for (const std::string& id : ids) {
    if (id.empty()) {
      clusters.of_item.push_back(count++);
      continue;
    }
    const auto [at, fresh] = number.try_emplace(id, count);
    if (fresh) ++count;
    clusters.of_item.push_back(at->second);
  }
  list_members(clusters, count);
  return clusters;
}

Clusters make_clusters(std::span<const std::uint32_t> ids) {
  Clusters clusters;
  clusters.of_item.reserve(ids.size());
  std::unordered_map<std::uint32_t, std::uint32_t> number;  // looked up only, never iterated
  for (const std::uint32_t id : ids) {
    const auto fresh = static_cast<std::uint32_t>(number.size());
    clusters.of_item.push_back(number.try_emplace(id, fresh).first->second);
  }
  list_members(clusters, static_cast<std::uint32_t>(number.size()));
  return clusters;
}

Clusters singletons(std::size_t n) {
  Clusters clusters;
  clusters.of_item.resize(n);
  std::iota(clusters.of_item.begin(), clusters.of_item.end(), 0U);
  clusters.members = clusters.of_item;
  clusters.start.resize(n + 1);
  std::iota(clusters.start.begin(), clusters.start.end(), 0U);
  return clusters;
}

}  // namespace assay::stats
