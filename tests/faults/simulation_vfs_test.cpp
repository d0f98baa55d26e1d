// The fault layer under SQLite, and the store on top of it.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <memory>
#include <optional>
#include <string>

#include "db/sqlite.hpp"
#include "db/testing/fixture.hpp"
#include "tests/support/fault_vfs.hpp"

using namespace assay::host;  // NOLINT: a test
using assay::Code;
using assay::Result;
using assay::test::BatchBuilder;
using assay::test::code_of;
using assay::test::FaultPlan;
using assay::test::FaultVfs;
using assay::test::SmallRun;
using assay::test::TempFolder;
using assay::test::text_of;

namespace {

/// No faults before, none after, whatever happens in between.
class Faults {
 public:
  Faults() : vfs_(FaultVfs::instance()) {
    vfs_.reset();
    vfs_.real_time(false);
  }
  ~Faults() {
    vfs_.reset();
    vfs_.real_time(true);
  }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
  FaultVfs* operator->() { return &vfs_; }

 private:
  FaultVfs& vfs_;
};

using Database = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;

/// A connection; one that could not be opened answers every statement with that failure.
Database open(const std::filesystem::path& file) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open(file.c_str(), &raw);
  REQUIRE(raw != nullptr);
  CHECK(code == sqlite3_errcode(raw));
  return {raw, &sqlite3_close};
}

int execute(const Database& database, const std::string& sql) {
  const int before = sqlite3_errcode(database.get()) & 0xff;
  if (before == SQLITE_CANTOPEN || before == SQLITE_IOERR) return before;
  return sqlite3_exec(database.get(), sql.c_str(), nullptr, nullptr, nullptr);
}

std::int64_t number(const Database& database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  std::int64_t out = -1;
  if (sqlite3_prepare_v2(database.get(), sql, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    out = sqlite3_column_int64(statement, 0);
  (void)sqlite3_finalize(statement);
  return out;
}

std::string integrity(const Database& database) {
  sqlite3_stmt* statement = nullptr;
  std::string out = "cannot be asked";
  if (sqlite3_prepare_v2(database.get(), "PRAGMA integrity_check", -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    out = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  (void)sqlite3_finalize(statement);
  return out;
}

/// Commits rows 1, 2, ... 40, a checkpoint every tenth; stops at the first failure. Gives the number of
/// commits that were acknowledged.
std::int64_t fill(const std::filesystem::path& file, const std::string& synchronous) {
  const Database database = open(file);
  std::int64_t committed = 0;
  if (execute(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = " + synchronous +
                            "; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text TEXT)") !=
      SQLITE_OK)
    return 0;
  for (int i = 1; i <= 40; ++i) {
    const std::string row = "INSERT INTO t VALUES (" + std::to_string(i) + ", hex(randomblob(700)))";
    if (execute(database, row) != SQLITE_OK) break;
    ++committed;
    if (i % 10 == 0 && execute(database, "PRAGMA wal_checkpoint(TRUNCATE)") != SQLITE_OK) break;
  }
  return committed;
}

/// What is there after the crash: rows 1 .. n without a gap in a sound file; gives n.
std::int64_t survivors(const std::filesystem::path& file) {
  const Database database = open(file);
  CHECK(integrity(database) == "ok");
  const std::int64_t rows = number(database, "SELECT count(*) FROM t");
  CHECK((rows <= 0 || number(database, "SELECT max(id) FROM t") == rows));
  return rows < 0 ? 0 : rows;
}

}  // namespace

TEST_CASE("faults: without a plan everything works and is counted") {
  Faults faults;
  const TempFolder folder;
  faults->arm({});
  CHECK(fill(folder.file("x.db"), "FULL") == 40);
  CHECK(survivors(folder.file("x.db")) == 40);
  const auto counts = faults->counts();
  CHECK(counts.writes > 80);
  CHECK(counts.syncs > 40);
  CHECK(counts.locks > 40);
  CHECK(counts.reads > 0);
  CHECK(counts.faults == 0);
  CHECK_FALSE(counts.crashed);
  CHECK(faults->open_files() == 0);
}

TEST_CASE("faults: after a crash nothing works until the restart, and all that was written is there") {
  Faults faults;
  const bool torn = GENERATE(false, true);
  int crashes = 0;
  for (std::int64_t k = 1; k <= 200; k += 3) {
    const TempFolder folder;
    FaultPlan plan;
    plan.seed = static_cast<std::uint64_t>(k);
    plan.crash_after_writes = k;
    plan.torn = torn;
    faults->arm(plan);
    const std::int64_t committed = fill(folder.file("x.db"), "NORMAL");
    INFO("crash after write " << k << ", " << committed << " commits");
    const bool crashed = faults->counts().crashed;
    if (crashed) {
      ++crashes;
      CHECK(faults->counts().dead > 0);
      CHECK(fill(folder.file("x.db"), "NORMAL") == 0);
    }
    CHECK(faults->open_files() == 0);
    faults->reset();
    // The write that crashed may have been the whole of a commit that nobody was told of.
    const std::int64_t rows = survivors(folder.file("x.db"));
    CHECK(rows >= committed);
    CHECK(rows <= committed + 1);
    if (!crashed) CHECK(committed == 40);
  }
  CHECK(crashes > 30);
}

TEST_CASE("faults: power loss takes unsynced writes: nothing under FULL, something under OFF") {
  Faults faults;
  std::int64_t missing_off = 0, lost = 0;
  for (std::int64_t k = 5; k <= 160; k += 3) {
    for (const char* synchronous : {"FULL", "OFF"}) {
      const TempFolder folder;
      FaultPlan plan;
      plan.seed = static_cast<std::uint64_t>(k);
      plan.crash_after_writes = k;
      plan.torn = true;
      plan.lose_unsynced = true;
      faults->arm(plan);
      const std::int64_t committed = fill(folder.file("x.db"), synchronous);
      lost += faults->counts().lost_writes;
      faults->reset();
      INFO(synchronous << ", power loss after write " << k << ", " << committed << " commits");
      if (synchronous == std::string("FULL")) {
        CHECK(survivors(folder.file("x.db")) >= committed);
        continue;
      }
      // Without fsync the file may even be damaged; what matters is that the layer does take writes away.
      const Database database = open(folder.file("x.db"));
      const std::int64_t rows = number(database, "SELECT count(*) FROM t");
      missing_off += rows < committed ? 1 : 0;
    }
  }
  CHECK(lost > 20);
  CHECK(missing_off > 5);
}

TEST_CASE("faults: every kind of failure is reported as what it is, and the same plan fails alike") {
  Faults faults;
  struct Kind {
    const char* name;
    double FaultPlan::*rate;
    int code;
  };
  const Kind kind = GENERATE(
      Kind{"short write", &FaultPlan::short_write, SQLITE_IOERR},
      Kind{"disk full", &FaultPlan::full, SQLITE_FULL}, Kind{"fsync", &FaultPlan::sync_fail, SQLITE_IOERR},
      Kind{"busy", &FaultPlan::busy, SQLITE_BUSY}, Kind{"read", &FaultPlan::read_error, SQLITE_IOERR});
  INFO(kind.name);
  const TempFolder folder;
  REQUIRE(fill(folder.file("x.db"), "FULL") == 40);
  std::int64_t found[2] = {};
  for (std::int64_t& failed : found) {
    FaultPlan plan;
    plan.seed = 5;
    plan.*kind.rate = 1;
    faults->arm(plan);
    {
      const Database database = open(folder.file("x.db"));
      const int code = execute(database, "PRAGMA synchronous = FULL; DELETE FROM t WHERE id > 20");
      CHECK((code & 0xff) == kind.code);
    }
    failed = faults->counts().faults;
    CHECK(failed > 0);
    CHECK(faults->open_files() == 0);
    faults->reset();
    const Database database = open(folder.file("x.db"));
    CHECK(integrity(database) == "ok");
    CHECK(number(database, "SELECT count(*) FROM t") == 40);
  }
  CHECK(found[0] == found[1]);
}

TEST_CASE("faults: a rate fails about as often as it says, after the quiet time") {
  Faults faults;
  const TempFolder folder;
  FaultPlan plan;
  plan.seed = 8;
  plan.quiet = 100;
  plan.busy = 0.2;
  faults->arm(plan);
  {
    const Database database = open(folder.file("x.db"));
    (void)execute(database, "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY)");
    sqlite3_busy_timeout(database.get(), 1000);
    while (faults->counts().locks < 5000)
      (void)execute(database, "INSERT INTO t VALUES ((SELECT ifnull(max(id), 0) + 1 FROM t))");
  }
  const auto counts = faults->counts();
  const double rate = static_cast<double>(counts.faults) / static_cast<double>(counts.locks - 100);
  CHECK(rate > 0.16);
  CHECK(rate < 0.24);
}

TEST_CASE("locks: readers of the same process do not cost the writer its locks") {
  // Closing any descriptor of a file drops all POSIX locks that the process has on it. Without its shared
  // lock another program that opens the database takes itself for the last one, and deletes the log on
  // closing.
  Faults faults;
  const TempFolder folder;
  const std::filesystem::path file = folder.file("x.db");
  Result<std::unique_ptr<Store>> store = Store::open(file);
  REQUIRE(text_of(store) == "");
  const SmallRun small(**store);
  REQUIRE(small.error.empty());
  const auto other_process_may_lock = [&] {
    const pid_t child = fork();
    if (child == 0) {
      // SQLite's range of shared locks (its file format, "pending byte" + 2).
      const int descriptor = ::open(file.c_str(), O_RDWR);
      struct flock range {};
      range.l_type = F_WRLCK;
      range.l_whence = SEEK_SET;
      range.l_start = 0x40000002;
      range.l_len = 510;
      _exit(descriptor >= 0 && fcntl(descriptor, F_GETLK, &range) == 0 ? range.l_type == F_UNLCK : 2);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) != 2);
    return WEXITSTATUS(status) == 1;
  };
  CHECK_FALSE(other_process_may_lock());
  for (int i = 0; i < 2; ++i) {
    Result<std::unique_ptr<Reader>> reader = Reader::open(file);
    REQUIRE(text_of(reader) == "");
    REQUIRE((*reader)->runs().ok());
    CHECK_FALSE(other_process_may_lock());
  }
  CHECK_FALSE(other_process_may_lock());
  store->reset();
  CHECK(other_process_may_lock());
}

TEST_CASE("faults: the store keeps its promise: what flush() acknowledged is there after any crash") {
  Faults faults;
  const bool power = GENERATE(false, true);
  int crashes = 0;
  for (std::int64_t k = 40; k <= 400; k += 9) {
    const TempFolder folder;
    FaultPlan plan;
    plan.seed = static_cast<std::uint64_t>(k);
    plan.crash_after_writes = k;
    plan.torn = true;
    plan.lose_unsynced = power;
    faults->arm(plan);
    std::int64_t safe = 0, submitted = 0;
    {
      StoreOptions options;
      options.durable = power;
      options.lock_wait_ms = 1000;
      Result<std::unique_ptr<Store>> store = Store::open(folder.file("x.db"), options);
      bool alive = store.ok();
      std::optional<SmallRun> made;
      if (alive) made.emplace(**store);
      alive = alive && made->error.empty();
      for (int b = 0; b < 30 && alive; ++b) {
        const SmallRun& small = *made;
        BatchBuilder batch;
        for (int i = 0; i < 3; ++i, ++submitted) {
          const std::string name = "item " + std::to_string(submitted);
          const auto response = batch.response(small.model, name, std::string(500, 'a'));
          batch.result(small.evaluation, submitted, name);
          batch.link("answer", "target", response);
          batch.score(small.values[0].id, static_cast<double>(submitted));
        }
        alive = (*store)->submit(batch.done()).ok() && (*store)->flush().ok();
        if (alive) safe = submitted;
      }
      if (!alive && store) {
        const Result<void> again = (*store)->flush();
        CHECK(code_of(again) == Code::kResourceExhausted);
        CHECK((*store)->committed_results() >= safe);
      }
    }
    crashes += faults->counts().crashed ? 1 : 0;
    CHECK(faults->open_files() == 0);
    faults->reset();
    INFO("crash after write " << k << ", " << safe << " results safe");
    Result<std::unique_ptr<Reader>> reader = Reader::open(folder.file("x.db"));
    if (safe == 0) continue;  // the schema itself may not have been there yet
    REQUIRE(text_of(reader) == "");
    const Result<std::vector<std::string>> problems = (*reader)->integrity();
    REQUIRE(text_of(problems) == "");
    CHECK(problems->empty());
    const Result<std::vector<ItemLine>> items = (*reader)->items(1, "", "", 0);
    REQUIRE(text_of(items) == "");
    CHECK(static_cast<std::int64_t>(items->size()) >= safe);
    CHECK(static_cast<std::int64_t>(items->size()) <= submitted);
  }
  CHECK(crashes > 20);
}
