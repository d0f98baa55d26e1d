// Numbering of clusters (documents, questions, authors) by first appearance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace assay::stats {

/// Which cluster each item belongs to, and the members of each cluster in item order.
struct Clusters {
  std::vector<std::uint32_t> of_item;  ///< cluster number of item i
  std::vector<std::uint32_t> members;  ///< item numbers, cluster after cluster
  std::vector<std::uint32_t> start;    ///< members of cluster c: members[start[c]] .. members[start[c+1]-1]

  [[nodiscard]] std::size_t items() const { return of_item.size(); }
  [[nodiscard]] std::uint32_t count() const {
    return start.empty() ? 0U : static_cast<std::uint32_t>(start.size() - 1);
  }
  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t c) const {
    return std::span<const std::uint32_t>(members).subspan(start[c], start[c + 1] - start[c]);
  }
};

/// Clusters from ids; numbers follow the first appearance. An empty id is a cluster of its own.
Clusters make_clusters(std::span<const std::string> ids);
/// Clusters from numbers, renumbered by first appearance.
Clusters make_clusters(std::span<const std::uint32_t> ids);
/// n clusters of one item each: the bootstrap units of ungrouped items.
Clusters singletons(std::size_t n);

}  // namespace assay::stats
