#include "db/store.hpp"

#include <ctime>

#include "db/layout.hpp"
#include "db/migrate.hpp"
#include "db/store_impl.hpp"
#include "harness/base/limits.hpp"

namespace assay::host {
namespace {

// A commit starts at half of the promised period, which leaves the other half to the work of committing.
constexpr auto kCommitWait = std::chrono::milliseconds(limits::kCommitPeriodMs / 2);
constexpr auto kHeartbeat = std::chrono::seconds(5);
// One transaction is large enough to touch each page of the key index once for many keys, and small enough to
// stay inside the page cache. The queue holds two of them, so that filling and writing overlap.
constexpr std::size_t kTransactionRows = std::size_t{1} << 13U;
constexpr std::size_t kTransactionBytes = std::size_t{32} << 20U;

constexpr char kFind[] =
    "SELECT key, id, model, kind, state, code, tokens_in, tokens_out, total_ns, attempts, provider_id, "
    "message,"
    " answer, tokens FROM response WHERE key_head = ?";

StoredResponse stored_response(const sqlite::Statement& row) {
  StoredResponse response;
  response.id = row.integer(1);
  response.model = row.integer(2);
  response.kind = static_cast<int>(row.integer(3));
  response.state = static_cast<int>(row.integer(4));
  response.code = static_cast<int>(row.integer(5));
  response.tokens_in = row.integer(6);
  response.tokens_out = row.integer(7);
  response.total_ns = row.integer(8);
  response.attempts = row.integer(9);
  response.provider_id = row.string(10);
  response.message = row.string(11);
  response.answer = row.string(12);
  response.tokens = row.string(13);
  return response;
}

/// Follows the places a key may have until one holds it or none is left.
Result<std::optional<StoredResponse>> find_one(sqlite::Query& query, const Digest& key) {
  const std::uint64_t head = key_head(key);
  for (std::uint64_t probe = 0; probe < kKeyProbesMax; ++probe) {
    query->reset();
    query->bind(1, sqlite::as_stored(head + probe));
    const Result<bool> row = query.step();
    if (!row) return row.error();
    if (!*row) break;
    if (same_key(key, query->blob(0))) return std::optional(stored_response(*query));
  }
  return std::optional<StoredResponse>();
}

/// A database of the newest schema appears under its name as a whole: another program that looks at the
/// folder meanwhile never sees a file whose journal mode is about to change.
Result<void> create_file(const std::filesystem::path& file, std::int64_t wait_ms) {
  const std::filesystem::path making = file.string() + ".new-" + std::to_string(this_process().pid);
  std::error_code ignored;
  for (const char* tail : {"", "-wal", "-shm", "-journal"})
    std::filesystem::remove(making.string() + tail, ignored);
  Result<void> done;
  {
    Result<std::unique_ptr<sqlite::Connection>> made =
        sqlite::Connection::open(making, sqlite::Mode::kReadWrite, wait_ms);
    if (!made) return std::move(made).error();
    done = (*made)->execute("PRAGMA page_size = 8192");
    if (done) done = (*made)->each("PRAGMA journal_mode = WAL", {}, [](const sqlite::Statement&) {});
    if (done) done = migrate(**made, migrations());
  }
  // Closing copies the log into the file; where that fails, the log stays and the file alone is not whole.
  if (done && std::filesystem::exists(making.string() + "-wal", ignored)) {
    done = Error{Code::kResourceExhausted,
                 "the database '" + file.string() + "' could not be written as a whole", file.string()};
  }
  if (done) {
    std::error_code failure;
    std::filesystem::rename(making, file, failure);
    if (!failure) return {};
    done = Error{Code::kResourceExhausted,
                 "the database '" + file.string() + "' cannot be created (" + failure.message() +
                     "); check the folder or choose another file with --db",
                 file.string()};
  }
  for (const char* tail : {"", "-wal", "-shm", "-journal"})
    std::filesystem::remove(making.string() + tail, ignored);
  return done;
}

/// Failures after which nothing more can be written; others are the caller's rows being wrong.
bool lasting(Code code) {
  return code == Code::kResourceExhausted || code == Code::kUnavailable || code == Code::kData ||
         code == Code::kInternal;
}

}  // namespace

Result<void> Store::Impl::open(const std::filesystem::path& file, const StoreOptions& store_options) {
  options = store_options;
  path = file;
  Result<void> fine = check_file(file, /*may_be_missing=*/true);
  if (!fine) return fine;
  Result<FileLock> opened = FileLock::open(file);
  if (!opened) return std::move(opened).error();
  lock = std::move(opened).value();
  lock.tell(options.on_wait);
  Result<void> turn = lock.acquire(options.lock_wait_ms);
  if (!turn) return turn;
  const Turn hold(lock);
  // Looked at again inside the turn: the file may have been made meanwhile.
  fine = check_file(file, /*may_be_missing=*/true);
  if (!fine) return fine;
  std::error_code absent;
  if (const std::uintmax_t size = std::filesystem::file_size(file, absent); absent || size == 0) {
    fine = create_file(file, std::min(sqlite::kBusyMs, options.lock_wait_ms));
    if (!fine) return fine;
  }
  Result<std::unique_ptr<sqlite::Connection>> made = sqlite::Connection::open(
      file, sqlite::Mode::kReadWrite, std::min(sqlite::kBusyMs, options.lock_wait_ms));
  if (!made) return std::move(made).error();
  connection = std::move(made).value();
  Result<int> version = check_schema(*connection, newest_schema());
  if (version && connection->read_only()) {
    return Error{Code::kResourceExhausted,
                 "the database '" + path.string() +
                     "' is read-only; make the file and its folder writable or choose another file with --db",
                 path.string()};
  }
  Result<void> ready = version ? configure() : Result<void>(std::move(version).error());
  if (ready) ready = migrate(*connection, migrations());
  if (!ready) {
    connection.reset();
    return ready;
  }
  Result<std::unique_ptr<Inserter>> prepared = Inserter::create(*connection);
  if (!prepared) return std::move(prepared).error();
  inserter = std::move(prepared).value();
  return {};
}

Result<void> Store::Impl::configure() {
  bool wal = false;
  Result<void> mode = connection->each("PRAGMA journal_mode = WAL", {},
                                       [&](const sqlite::Statement& row) { wal = row.text(0) == "wal"; });
  if (!mode) return mode;
  if (!wal) {
    return Error{Code::kResourceExhausted,
                 "the database '" + path.string() +
                     "' cannot use a write-ahead log on this file system; choose a local disk with --db",
                 path.string()};
  }
  // 64 MiB of pages; a checkpoint every 64 MiB of log, so that a page changed often is copied seldom.
  Result<void> done = connection->execute(
      "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;"
      "PRAGMA cache_size = -20480; PRAGMA wal_autocheckpoint = 8192; PRAGMA journal_size_limit = 134217728");
  if (done) {
    done = connection->execute(options.durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  }
  return done;
}

void Store::Impl::start() {
  next_beat = Clock::now() + kHeartbeat;
  thread = std::thread([this] { loop(); });
}

Store::Impl::~Impl() {
  if (thread.joinable()) {
    {
      const std::lock_guard guard(mutex);
      stop = true;
    }
    wake.notify_all();
    thread.join();
  }
  reader.reset();
  close();
}

void Store::Impl::close() {
  if (!connection) return;
  inserter.reset();
  // Closing checkpoints, which needs the turn; without it the log simply stays for the next process.
  const Result<void> turn = lock.acquire(options.lock_wait_ms);
  if (turn) {
    (void)connection->execute("PRAGMA analysis_limit = 400; PRAGMA optimize");
  } else {
    connection->no_checkpoint_on_close();
  }
  connection.reset();
  lock.release();
}

void Store::Impl::loop() {
  std::unique_lock guard(mutex);
  while (true) {
    const Clock::time_point now = Clock::now();
    const bool urgent = stop || !tasks.empty();
    if (failed && !queue.empty()) {
      queue.clear();
      queued_rows = queued_bytes = 0;
    }
    if (!queue.empty() && (urgent || queued_rows >= limits::kCommitItems ||
                           queued_bytes >= kTransactionBytes || now >= queue.front().arrived + kCommitWait)) {
      commit_some(guard);
      continue;
    }
    if (!tasks.empty()) {
      run_task(guard);
      continue;
    }
    if (stop) break;
    if (!open_runs.empty() && !failed && now >= next_beat) {
      guard.unlock();
      // A missed heartbeat is made up for by the next one, so nobody waits for the turn here.
      const Result<void> beaten =
          in_transaction([this](sqlite::Connection& c) { return beat(c); }, /*lock_wait_ms=*/0);
      if (!beaten) next_beat = Clock::now() + kHeartbeat;
      guard.lock();
      continue;
    }
    Clock::time_point until = now + kHeartbeat;
    if (!open_runs.empty() && !failed) until = std::min(until, next_beat);
    if (!queue.empty()) until = std::min(until, queue.front().arrived + kCommitWait);
    wake.wait_until(guard, until);
  }
  const bool usable = !failed;
  guard.unlock();
  if (usable) close_segments();
}

void Store::Impl::commit_some(std::unique_lock<std::mutex>& guard) {
  do {
    flying_rows += queue.front().rows;
    flying_bytes += queue.front().bytes;
    queued_rows -= queue.front().rows;
    queued_bytes -= queue.front().bytes;
    in_flight.push_back(std::move(queue.front()));
    queue.pop_front();
  } while (!queue.empty() && flying_rows + queue.front().rows <= kTransactionRows &&
           flying_bytes + queue.front().bytes <= kTransactionBytes);
  guard.unlock();
  // Other threads only ask `answers` of these batches, under the mutex; the rows themselves are constant.
  Result<void> written = write(in_flight);
  guard.lock();
  if (!written) keep_failure(written.error());
  std::vector<Pending> done;
  done.swap(in_flight);
  flying_rows = flying_bytes = 0;
  progress.notify_all();
  guard.unlock();
  done.clear();  // frees the texts without holding anybody up
  guard.lock();
}

Result<void> Store::Impl::write(const std::vector<Pending>& batches) {
  std::int64_t inserted = 0;
  Result<void> done = foreign_keys(false);
  if (!done) return done;
  done = in_transaction(
      [&](sqlite::Connection& c) -> Result<void> {
        inserter->begin(static_cast<std::int64_t>(std::time(nullptr)));
        for (const Pending& pending : batches) {
          Result<void> added = inserter->add(*pending.batch);
          if (!added) return added;
        }
        Result<std::int64_t> count = inserter->finish();
        if (!count) return std::move(count).error();
        inserted = *count;
        if (Clock::now() >= next_beat) return beat(c);
        return {};
      },
      options.lock_wait_ms);
  if (done) {
    committed += inserted;
  } else {
    inserter->forget();
  }
  return done;
}

Result<void> Store::Impl::in_transaction(const Work& work, std::int64_t lock_wait_ms) {
  Result<void> done = lock.acquire(lock_wait_ms);
  if (!done) return done;
  const Turn hold(lock);
  done = connection->execute("BEGIN IMMEDIATE");
  if (!done) return done;
  done = work(*connection);
  if (done) done = connection->execute("COMMIT");
  if (!done) (void)connection->execute("ROLLBACK");
  return done;
}

Result<void> Store::Impl::foreign_keys(bool on) {
  if (checking == on) return {};  // a change makes SQLite prepare all statements again
  Result<void> done = connection->execute(on ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF");
  if (done) checking = on;
  return done;
}

Result<void> Store::Impl::perform(const Task& task, bool& refused) {
  if (task.work == nullptr) return {};
  Result<void> done = foreign_keys(true);
  if (!done) return done;
  if (task.frame == Frame::kTransaction) {
    const Work work = [&](sqlite::Connection& c) {
      Result<void> worked = (*task.work)(c);
      refused = !worked && worked.error().code == Code::kUnavailable;  // a run that somebody else owns
      return worked;
    };
    return in_transaction(work, options.lock_wait_ms);
  }
  done = lock.acquire(options.lock_wait_ms);
  if (!done) return done;
  const Turn hold(lock);
  return (*task.work)(*connection);
}

void Store::Impl::run_task(std::unique_lock<std::mutex>& guard) {
  Task& task = *tasks.front();
  if (failed) {
    task.outcome = *failed;
  } else {
    guard.unlock();
    bool refused = false;
    Result<void> done = perform(task, refused);
    if (!done) inserter->forget();
    guard.lock();
    if (!done && !refused && lasting(done.error().code)) {
      keep_failure(done.error());
      done = *failed;
    }
    task.outcome = std::move(done);
  }
  tasks.pop_front();
  progress.notify_all();
}

Result<void> Store::Impl::enqueue(const Work* work, Frame frame) {
  Task task{work, frame, std::nullopt};
  std::unique_lock guard(mutex);
  if (failed) return *failed;
  tasks.push_back(&task);
  wake.notify_one();
  progress.wait(guard, [&] { return task.outcome.has_value(); });
  return std::move(*task.outcome);
}

Result<void> Store::Impl::transact(const Work& work) {
  return enqueue(&work, Frame::kTransaction);
}
Result<void> Store::Impl::execute(const Work& work) {
  return enqueue(&work, Frame::kTurn);
}
Result<void> Store::Impl::flush() {
  return enqueue(nullptr, Frame::kNone);
}

bool Store::Impl::full(const Pending& next) const {
  const std::size_t rows = queued_rows + flying_rows, bytes = queued_bytes + flying_bytes;
  if (rows == 0) return false;  // a batch above the limits is written alone
  return rows + next.rows > 2 * kTransactionRows || bytes + next.bytes > 2 * kTransactionBytes;
}

Result<void> Store::Impl::submit(std::shared_ptr<const Batch> batch) {
  if (!batch) return Error{Code::kInvalidArgument, "an absent batch was handed to the database", {}};
  Result<void> fine = check_batch(*batch);
  if (!fine) return fine;
  Pending pending = make_pending(std::move(batch));
  std::unique_lock guard(mutex);
  progress.wait(guard, [&] { return failed || !full(pending); });
  if (failed) return *failed;
  queued_rows += pending.rows;
  queued_bytes += pending.bytes;
  queue.push_back(std::move(pending));
  // The writer sleeps until the first batch is due or enough rows wait.
  if (queue.size() == 1 || queued_rows >= limits::kCommitItems || queued_bytes >= kTransactionBytes) {
    wake.notify_one();
  }
  return {};
}

void Store::Impl::keep_failure(const Error& error) {
  if (!failed) failed = with_safe_rows(error);
  queue.clear();
  queued_rows = queued_bytes = 0;
  progress.notify_all();
}

Error Store::Impl::with_safe_rows(Error error) const {
  const std::int64_t rows = committed.load();
  error.text += "; " + std::to_string(rows) + (rows == 1 ? " result" : " results") +
                " written before are committed and safe";
  return error;
}

Result<void> Store::Impl::beat(sqlite::Connection& c) {
  next_beat = Clock::now() + kHeartbeat;
  for (const OpenRun& open : open_runs) {
    const std::chrono::duration<double> seconds = Clock::now() - open.started;
    Result<std::int64_t> done = c.run("UPDATE segment SET seconds = ?, heartbeat = unixepoch() WHERE id = ?",
                                      {seconds.count(), open.segment});
    if (!done) return std::move(done).error();
  }
  return {};
}

void Store::Impl::close_segments() {
  if (open_runs.empty()) return;
  // The owner went away without end_run: the run can be resumed at once.
  (void)in_transaction(
      [this](sqlite::Connection& c) -> Result<void> {
        Result<void> done = beat(c);
        for (const OpenRun& open : open_runs) {
          if (!done) return done;
          Result<std::int64_t> ended =
              c.run("UPDATE segment SET ended = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE id = ?", {open.segment});
          if (ended) {
            ended = c.run("UPDATE run SET status = 'interrupted' WHERE id = ? AND status = 'running'",
                          {open.run});
          }
          if (!ended) return std::move(ended).error();
        }
        return done;
      },
      options.lock_wait_ms);
}

Result<std::vector<std::optional<StoredResponse>>> Store::Impl::find(std::span<const Digest> keys) {
  bool pending = false;
  {
    const std::lock_guard guard(mutex);
    if (failed) return *failed;
    for (const Digest& key : keys) {
      for (std::size_t i = 0; i < queue.size() && !pending; ++i) pending = queue[i].answers(key);
      for (std::size_t i = 0; i < in_flight.size() && !pending; ++i) pending = in_flight[i].answers(key);
      if (pending) break;
    }
  }
  if (pending) {
    Result<void> flushed = flush();
    if (!flushed) return std::move(flushed).error();
  }
  if (!reader) {
    Result<std::unique_ptr<sqlite::Connection>> made =
        sqlite::Connection::open(path, sqlite::Mode::kReadOnly, sqlite::kBusyMs);
    if (!made) return std::move(made).error();
    reader = std::move(made).value();
    reader->no_checkpoint_on_close();
    Result<void> set = reader->execute("PRAGMA query_only = ON; PRAGMA cache_size = -16384");
    if (!set) return std::move(set).error();
  }
  std::vector<std::optional<StoredResponse>> found(keys.size());
  // One read transaction for all keys: its locks cost more than a lookup.
  Result<void> done = reader->execute("BEGIN");
  if (!done) return std::move(done).error();
  {
    Result<sqlite::Query> query = reader->query(kFind);
    if (!query) done = std::move(query).error();
    for (std::size_t i = 0; i < keys.size() && done; ++i) {
      Result<std::optional<StoredResponse>> one = find_one(*query, keys[i]);
      if (!one) {
        done = std::move(one).error();
      } else {
        found[i] = std::move(*one);
      }
    }
  }
  Result<void> ended = reader->execute("COMMIT");
  if (!done) return std::move(done).error();
  if (!ended) return std::move(ended).error();
  return found;
}

Store::Store() : impl_(std::make_unique<Impl>()) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& file, const StoreOptions& options) {
  std::unique_ptr<Store> store(new Store());
  Result<void> opened = store->impl_->open(file, options);
  if (!opened) return std::move(opened).error();
  store->impl_->start();
  return store;
}

Result<void> Store::submit(std::shared_ptr<const Batch> batch) {
  return impl_->submit(std::move(batch));
}
Result<void> Store::flush() {
  return impl_->flush();
}
std::int64_t Store::committed_results() const {
  return impl_->committed.load();
}

Result<std::optional<StoredResponse>> Store::find_response(const Digest& key) {
  Result<std::vector<std::optional<StoredResponse>>> found = impl_->find({&key, 1});
  if (!found) return std::move(found).error();
  return std::move(found->front());
}

Result<std::vector<std::optional<StoredResponse>>> Store::find_responses(std::span<const Digest> keys) {
  return impl_->find(keys);
}

}  // namespace assay::host
