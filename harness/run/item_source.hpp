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
  /// `keep_all`: token statistics are asked for beyond what the metrics need.
  ItemSource(std::uint64_t seed, std::int64_t repeats, bool keep_all, const std::atomic<int>* stop)
      : seed_(seed), repeats_(static_cast<std::size_t>(repeats)), keep_all_(keep_all), stop_(stop) {}

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
  /// Fills what the host adds to a task's request to `model`: names, repeat, wanted statistics, the seed of
  /// samples. Of a scored continuation all statistics are asked for that the model gives in one pass, so that
  /// a metric of later days can be computed and another metric in the suite does not make it another request.
  void complete(const LiveEvaluation& evaluation, const ModelInstance& model, const assay_item& item,
                std::uint32_t repeat, assay_request& request) const;
  /// Adds a request of the target to the hash of all prompts. What is wanted of the answer is no part of a
  /// prompt.
  void add_prompt(LiveEvaluation& evaluation, assay_request request);

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
  bool keep_all_;
  const std::atomic<int>* stop_;
  std::string scratch_;
};

}  // namespace assay::host
