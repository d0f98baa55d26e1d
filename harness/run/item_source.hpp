// The items of an evaluation as the run meets them: fetched portion by portion, completed requests, and which
// of them the database holds already.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "db/queries.hpp"
#include "harness/run/scoring.hpp"

namespace assay::host {

/// Number of selected items, times repeats; -1 when the task does not know.
std::int64_t planned_items(const LiveTask& live, std::int64_t repeats);

/// Reads the next `n` items of a task's selection from `cursor` on; fewer only at the end.
Result<void> next_items(const LiveTask& live, std::uint64_t& cursor, std::size_t n,
                        std::vector<assay_item>& items, std::vector<std::uint64_t>& positions,
                        const std::shared_ptr<Arena>& arena);

/// Walks through the items of evaluations, over those that have a row already. One thread.
class ItemSource {
 public:
  ItemSource(std::uint64_t seed, std::int64_t repeats, const std::atomic<int>* stop)
      : seed_(seed), repeats_(static_cast<std::size_t>(repeats)), stop_(stop) {}

  /// Learns from the database which items of the evaluation are kept (in its item set) and which are
  /// finished. `states` is increased by the finished ones; gives their number.
  Result<std::int64_t> look_back(LiveEvaluation& live, Store& store, Reader& reader,
                                 std::int64_t (&states)[8]) const;
  /// The next portion with at least one item that is not finished; empty at the end. What is finished as a
  /// whole passes through memory of its own, so that continuing a long run needs no more of it than the run
  /// did.
  Result<void> fetch(LiveEvaluation& evaluation, const std::shared_ptr<Arena>& arena,
                     std::vector<assay_item>& items, std::vector<std::uint64_t>& positions);
  /// True for an item that has a row: it is not run again, but its prompts belong to the hash of all prompts.
  /// kData when it says something else now.
  Result<bool> finished(LiveEvaluation& evaluation, const assay_item& item, std::uint64_t position,
                        std::uint32_t repeat);
  /// Fills what the host adds to a task's request: names, repeat, wanted statistics, the seed of samples.
  void complete(const LiveEvaluation& evaluation, const assay_item& item, std::uint32_t repeat,
                assay_request& request) const;

 private:
  [[nodiscard]] std::size_t place(std::uint64_t position, std::uint32_t repeat) const {
    return static_cast<std::size_t>(position) * repeats_ + repeat;
  }
  [[nodiscard]] bool has_row(const LiveEvaluation& evaluation, std::uint64_t position,
                             std::uint32_t repeat) const {
    const std::size_t at = place(position, repeat);
    return at < evaluation.done.size() && evaluation.done[at] != 0;
  }

  std::uint64_t seed_;
  std::size_t repeats_;
  const std::atomic<int>* stop_;
  std::string scratch_;
};

}  // namespace assay::host
