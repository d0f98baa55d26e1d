// One window of the run: the items in flight, their requests deduplicated, and the responses.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "db/store.hpp"
#include "harness/base/hash.hpp"
#include "harness/run/instances.hpp"
#include "harness/run/retry.hpp"
#include "harness/run/workers.hpp"

namespace assay::host {

/// A request that is asked once, whoever needs it.
struct UniqueRequest {
  const ModelInstance* model = nullptr;
  assay_request request{};
  assay_response response{};
  std::string_view json;  ///< canonical form, in the window's arena
  Digest key{};
  bool done = false;                  ///< the response is final
  RowId stored = 0;                   ///< the response row it was restored from; 0: the model was asked
  std::uint32_t item = 0;             ///< the item that asked first
  std::uint32_t next = UINT32_MAX;    ///< next request with the same short key
  std::vector<std::uint32_t> others;  ///< further items that wait for the same answer
};

/// One item of the window. `uses[i]` is the unique request behind request i (target and other roles);
/// `reference` the same for the retain_reference model, when a metric wants it.
struct WindowItem {
  std::size_t evaluation = 0;
  std::uint64_t position = 0;
  std::uint32_t repeat = 0;
  const assay_item* item = nullptr;
  std::vector<std::uint32_t> uses, reference;
  std::uint32_t open = 0;  ///< requests not answered yet
};

/// Asks the requests of a window on worker threads and tells when items are complete.
class Window {
 public:
  Window(Workers& workers, std::atomic<int>* stop, const std::uint32_t* cancel, const RetryPolicy& retry)
      : arena_(std::make_shared<Arena>()), workers_(workers), stop_(stop), cancel_(cancel), retry_(retry) {}

  [[nodiscard]] const std::shared_ptr<Arena>& arena() const { return arena_; }
  std::vector<WindowItem>& items() { return items_; }
  [[nodiscard]] UniqueRequest& unique(std::uint32_t index) { return requests_[index]; }

  /// The unique request equal to `request` for `model`, made if need be; `item` waits for it.
  std::uint32_t add(const ModelInstance* model, const assay_request& request, std::uint32_t item);
  /// Copies text into the arena of the window; empty when memory is exhausted.
  std::string_view keep(std::string_view text);
  /// Asks nothing new from now on; what is being asked is finished. Any thread.
  void halt() { halted_.store(true, std::memory_order_relaxed); }
  /// Requests made so far; valid arguments of unique() are below it.
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(requests_.size()); }
  /// Gives request `index` the stored answer; items that became complete are appended to `complete`. Before
  /// dispatch().
  Result<void> serve(std::uint32_t index, const StoredResponse& stored, std::vector<std::uint32_t>& complete);
  /// Hands everything that has no answer yet to the workers, grouped and ordered.
  void dispatch();
  /// Waits for news; returns items that became complete, and whether the window is finished.
  bool collect(std::vector<std::uint32_t>& complete);

 private:
  void ask(const ModelInstance* model, int kind, const std::vector<std::uint32_t>& batch);
  /// One call of the model for the given requests, with the time limit of one attempt.
  void attempt(const ModelInstance* model, int kind, const std::vector<std::uint32_t>& batch,
               std::uint64_t limit_ns);
  [[nodiscard]] bool stopped() const;

  std::shared_ptr<Arena> arena_;
  Workers& workers_;
  std::atomic<bool> halted_{false};
  std::atomic<int>* stop_;
  const std::uint32_t* cancel_;
  const RetryPolicy& retry_;
  std::vector<WindowItem> items_;
  std::vector<UniqueRequest> requests_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_key_;  ///< short key -> first request of its chain
  std::mutex mutex_;
  std::condition_variable news_;
  std::string scratch_;
  std::vector<std::uint32_t> answered_;
  std::size_t batches_open_ = 0;
};

}  // namespace assay::host
