// The inside of Store: the queue, the writer's thread, and transactions with their turn among processes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "db/insert.hpp"
#include "db/lock.hpp"
#include "db/pending.hpp"
#include "db/sqlite.hpp"
#include "db/store.hpp"

namespace assay::host {

struct Store::Impl {
  using Work = std::function<Result<void>(sqlite::Connection&)>;

  /// A run this store has open.
  struct OpenRun {
    RowId run = 0, segment = 0;
    Clock::time_point started;
  };

  ~Impl();
  Result<void> open(const std::filesystem::path& file, const StoreOptions& store_options);
  void start();

  /// Runs `work` in one transaction on the writer's thread, after everything submitted before, and waits.
  Result<void> transact(const Work& work);
  /// The same outside a transaction, with the turn held.
  Result<void> execute(const Work& work);
  Result<void> flush();
  Result<void> submit(std::shared_ptr<const Batch> batch);
  Result<std::vector<std::optional<StoredResponse>>> find(std::span<const Digest> keys);

  std::atomic<std::int64_t> committed{0};
  std::vector<OpenRun> open_runs;  ///< the writer's thread only

 private:
  enum class Frame { kNone, kTurn, kTransaction };  ///< what surrounds a task
  struct Task {
    const Work* work;  ///< null: only waits for what was submitted before
    Frame frame;
    std::optional<Result<void>> outcome;
  };

  Result<void> enqueue(const Work* work, Frame frame);
  /// `refused`: the work itself was turned down, which is no failure of the writer.
  Result<void> perform(const Task& task, bool& refused);
  /// SQLite's own checks of references: on for everything but batches, whose references Inserter checks.
  Result<void> foreign_keys(bool on);
  Result<void> configure();
  void loop();
  void commit_some(std::unique_lock<std::mutex>& guard);
  void run_task(std::unique_lock<std::mutex>& guard);
  Result<void> write(const std::vector<Pending>& batches);
  Result<void> in_transaction(const Work& work, std::int64_t lock_wait_ms);
  Result<void> beat(sqlite::Connection& connection);
  void close_segments();
  void close();
  void keep_failure(const Error& error);
  Error with_safe_rows(Error error) const;
  [[nodiscard]] bool full(const Pending& next) const;

  StoreOptions options;
  std::filesystem::path path;
  FileLock lock;
  std::unique_ptr<sqlite::Connection> connection;  ///< the writer's thread, once it runs
  std::unique_ptr<Inserter> inserter;
  std::unique_ptr<sqlite::Connection> reader;  ///< the caller's thread; made at the first lookup
  Clock::time_point next_beat{};
  std::optional<bool> checking;  ///< state of foreign_keys

  std::mutex mutex;  ///< guards everything below
  std::condition_variable wake, progress;
  std::deque<Pending> queue;
  std::vector<Pending> in_flight;                 ///< taken from the queue by the writer, not committed yet
  std::size_t queued_rows = 0, queued_bytes = 0;  ///< of `queue`
  std::size_t flying_rows = 0, flying_bytes = 0;  ///< of `in_flight`
  std::deque<Task*> tasks;
  std::optional<Error> failed;
  bool stop = false;
  std::thread thread;
};

}  // namespace assay::host
