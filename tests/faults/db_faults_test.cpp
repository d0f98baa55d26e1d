// What happens to the database when the world misbehaves: foreign files, locks, full disks, sudden death.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <thread>

#include "db/lock.hpp"
#include "db/sqlite.hpp"
#include "db/testing/fixture.hpp"

using namespace assay::host;
using assay::Code;
using assay::test::BatchBuilder;
using assay::test::code_of;
using assay::test::SmallRun;
using assay::test::TempFolder;
using assay::test::text_of;

namespace {

/// A child process that runs `work` and ends; killed if it is still there at the end.
class Child {
 public:
  template <class Work>
  explicit Child(Work work) {
    int pipes[2];
    if (pipe(pipes) != 0) return;
    id_ = fork();
    if (id_ == 0) {
      (void)close(pipes[0]);
      work(pipes[1]);
      _exit(0);
    }
    (void)close(pipes[1]);
    from_ = pipes[0];
  }
  ~Child() {
    if (id_ > 0) (void)end(SIGKILL);
    if (from_ >= 0) (void)close(from_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Waits for the child's next number; false when it has ended.
  bool next(std::int64_t& value) { return read(from_, &value, sizeof value) == sizeof value; }
  /// Sends a signal (0: none) and waits for the end. The exit status, or 1000 + signal.
  int end(int signal) {
    if (signal != 0) (void)kill(id_, signal);
    int status = 0;
    (void)waitpid(id_, &status, 0);
    id_ = -1;
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  [[nodiscard]] pid_t id() const { return id_; }

 private:
  pid_t id_ = -1;
  int from_ = -1;
};

void tell(int pipe_end, std::int64_t value) {
  [[maybe_unused]] const ssize_t written = write(pipe_end, &value, sizeof value);
}

std::shared_ptr<const Batch> batch_of(const SmallRun& small, std::int64_t first, int rows, std::size_t text) {
  BatchBuilder b;
  for (int i = 0; i < rows; ++i) {
    const std::string name = "item " + std::to_string(first + i);
    const auto response = b.response(small.model, name, std::string(text, 'a'));
    b.result(small.evaluation, first + i, name);
    b.link("answer", "target", response);
    b.score(small.values[0].id, static_cast<double>(first + i));
  }
  return b.done();
}

/// The stored positions are 0 .. n-1, each with its score and response; gives n, or -1.
std::int64_t intact_prefix(const std::filesystem::path& file) {
  auto reader = Reader::open(file);
  if (!reader) return -1;
  const auto problems = (*reader)->integrity();
  if (!problems || !problems->empty()) return -1;
  const auto table = (*reader)->metric_table(1, 1);
  if (!table) return -1;
  for (std::size_t i = 0; i < table->positions.size(); ++i) {
    if (table->positions[i] != i || table->numbers[2 * i] != static_cast<double>(i)) return -1;
  }
  const auto items = (*reader)->items(1, "", "", 0);
  if (!items || items->size() != table->positions.size()) return -1;
  for (const ItemLine& item : *items) {
    const auto responses = (*reader)->responses(item.result);
    if (!responses || responses->size() != 1) return -1;
  }
  return static_cast<std::int64_t>(items->size());
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("files that are no databases are refused in a sentence and left alone", "[db]") {
  TempFolder folder;
  write_text(folder.file("notes.txt"),
             "these are my notes, longer than a database header of one hundred bytes, "
             "so that nobody can say that it was merely too short");
  const auto text = Store::open(folder.file("notes.txt"));
  REQUIRE(code_of(text) == Code::kData);
  CHECK(text.error().text.find("notes.txt") != std::string::npos);
  CHECK(text.error().text.find("not an SQLite database") != std::string::npos);
  CHECK(code_of(Reader::open(folder.file("notes.txt"))) == Code::kData);
  CHECK_FALSE(std::filesystem::exists(folder.file("notes.txt.lock")));
  write_text(folder.file("short"), "x");
  CHECK(code_of(Store::open(folder.file("short"))) == Code::kData);
  CHECK(code_of(Store::open(folder.file("."))) == Code::kData);
  CHECK(code_of(Reader::open(folder.file("."))) == Code::kData);
  CHECK(code_of(Store::open(folder.file("no/such/folder.db"))) == Code::kNotFound);
  CHECK(code_of(Reader::open(folder.file("absent.db"))) == Code::kNotFound);
  CHECK_FALSE(std::filesystem::exists(folder.file("absent.db")));
}

TEST_CASE("a damaged database is an error, not a crash", "[db]") {
  TempFolder folder;
  const std::filesystem::path file = folder.file("a.db");
  {
    auto store = Store::open(file);
    REQUIRE(text_of(store) == "");
    SmallRun small(**store);
    REQUIRE((*store)->submit(batch_of(small, 0, 2000, 200)).ok());
  }
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  REQUIRE(bytes.size() > 100'000);
  int noticed = 0;
  for (int round = 0; round < 40; ++round) {
    std::string damaged = bytes;
    // Every page of a different fortieth of the file is overwritten, the header is kept.
    const std::size_t begin =
        std::max<std::size_t>(4096, bytes.size() / 40 * static_cast<std::size_t>(round));
    for (std::size_t i = begin; i < std::min(bytes.size(), begin + bytes.size() / 40); ++i) {
      damaged[i] = static_cast<char>(i * 31 + static_cast<std::size_t>(round));
    }
    write_text(folder.file("damaged.db"), damaged);
    auto reader = Reader::open(folder.file("damaged.db"));
    if (!reader.ok()) {
      ++noticed;
      continue;
    }
    const auto problems = (*reader)->integrity();
    if (!problems.ok() || !problems->empty()) ++noticed;
    // None of these may crash; what they answer is SQLite's business.
    (void)(*reader)->runs();
    (void)(*reader)->aggregates(1);
    (void)(*reader)->metric_table(1, 1);
    (void)(*reader)->items(1, "", "", 0);
    (void)(*reader)->find_item(1, "item 7");
  }
  CHECK(noticed == 40);
}

TEST_CASE("a lock held by another process is waited for, then named", "[db]") {
  TempFolder folder;
  const std::filesystem::path file = folder.file("a.db");
  StoreOptions options;
  options.lock_wait_ms = 300;
  auto store = Store::open(file, options);
  REQUIRE(text_of(store) == "");
  SmallRun small(**store);
  REQUIRE(small.error == "");
  Child holder([&](int out) {
    auto lock = FileLock::open(file);
    if (!lock || !lock->acquire(1000)) _exit(1);
    tell(out, 1);
    for (;;) pause();
  });
  std::int64_t ready = 0;
  REQUIRE(holder.next(ready));
  const auto start = std::chrono::steady_clock::now();
  const auto blocked = Store::open(file, options);
  REQUIRE(code_of(blocked) == Code::kUnavailable);
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(300));
  CHECK(blocked.error().text.find("process " + std::to_string(holder.id())) != std::string::npos);
  CHECK(blocked.error().text.find("a.db") != std::string::npos);
  // Readers are not held up.
  auto reader = Reader::open(file);
  CHECK((*reader)->runs()->size() == 1);
  // A run that cannot write ends with the same sentence and says what is safe.
  REQUIRE((*store)->submit(batch_of(small, 0, 1, 10)).ok());
  const auto failed = (*store)->flush();
  REQUIRE(code_of(failed) == Code::kUnavailable);
  CHECK(failed.error().text.find("0 results") != std::string::npos);
  CHECK(code_of((*store)->submit(batch_of(small, 1, 1, 10))) == Code::kUnavailable);
  // The lock dies with its holder.
  CHECK(holder.end(SIGKILL) == 1000 + SIGKILL);
  CHECK(text_of(Store::open(file, options)) == "");
}

TEST_CASE("a program that does not know the lock file blocks for a while, then gets an error", "[db]") {
  TempFolder folder;
  const std::filesystem::path file = folder.file("a.db");
  StoreOptions options;
  options.lock_wait_ms = 200;
  auto store = Store::open(file, options);
  REQUIRE(text_of(store) == "");
  auto shell = sqlite::Connection::open(file, sqlite::Mode::kReadWrite, 0);
  REQUIRE((*shell)->execute("BEGIN IMMEDIATE").ok());
  const auto failed = (*store)->begin_run(RunRow{});
  REQUIRE(code_of(failed) == Code::kUnavailable);
  CHECK(failed.error().text.find("locked by another program") != std::string::npos);
  REQUIRE((*shell)->execute("ROLLBACK").ok());
}

TEST_CASE("two processes that write one database take turns and both finish", "[db]") {
  TempFolder folder;
  const std::filesystem::path file = folder.file("a.db");
  REQUIRE(Store::open(file).ok());
  const auto work = [&](int) {
    auto store = Store::open(file);
    if (!store) _exit(1);
    SmallRun small(**store);
    if (!small.error.empty()) _exit(2);
    for (int i = 0; i < 40; ++i) {
      if (!(*store)->submit(batch_of(small, i * 100, 100, 50))) _exit(3);
      if (!(*store)->flush()) _exit(4);
    }
    if (!(*store)->end_run(small.run, "complete", 1)) _exit(5);
    store->reset();
  };
  {
    Child one(work), two(work);
    CHECK(one.end(0) == 0);
    CHECK(two.end(0) == 0);
  }
  auto reader = Reader::open(file);
  REQUIRE(text_of(reader) == "");
  const auto runs = (*reader)->runs();
  REQUIRE(runs->size() == 2);
  CHECK(runs->at(0).results == 4000);
  CHECK(runs->at(1).results == 4000);
  CHECK((*reader)->integrity()->empty());
  // The requests were equal, so the answers are shared.
  auto raw = sqlite::Connection::open(file, sqlite::Mode::kReadOnly, 100);
  CHECK(**(*raw)->number("SELECT count(*) FROM response") == 4000);
}

TEST_CASE("a full disk ends the run with the path, and committed rows stay", "[db]") {
  TempFolder folder;
  const std::filesystem::path file = folder.file("a.db");
  Child child([&](int out) {
    (void)std::signal(SIGXFSZ, SIG_IGN);
    auto store = Store::open(file);
    if (!store) _exit(1);
    SmallRun small(**store);
    if (!small.error.empty()) _exit(2);
    const struct rlimit limit { 2'000'000, 2'000'000 };
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(3);
    for (int i = 0; i < 1000; ++i) {
      auto submitted = (*store)->submit(batch_of(small, i * 10, 10, 100));
      if (submitted) submitted = (*store)->flush();
      if (submitted) {
        tell(out, (*store)->committed_results());
        continue;
      }
      const std::string& text = submitted.error().text;
      const bool right =
          submitted.error().code == Code::kResourceExhausted && text.find("a.db") != std::string::npos &&
          text.find("full") != std::string::npos &&
          text.find(std::to_string((*store)->committed_results()) + " results") != std::string::npos;
      if (!right) std::fprintf(stderr, "%s\n", text.c_str());
      store->reset();  // must neither hang nor crash
      _exit(right ? 42 : 43);
    }
    _exit(4);  // the limit was never reached
  });
  std::int64_t committed = 0;
  while (child.next(committed)) {
  }
  CHECK(child.end(0) == 42);
  CHECK(committed > 0);
  CHECK(intact_prefix(file) == committed);
  // With space again, the run goes on where it stopped.
  auto store = Store::open(file);
  REQUIRE(text_of(store) == "");
  CHECK(text_of((*store)->resume_run(1)) == "");
}

TEST_CASE("a disk that is full from the start is an error of open", "[db]") {
  TempFolder folder;
  Child child([&](int) {
    (void)std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit { 3000, 3000 };
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(3);
    const auto store = Store::open(folder.file("a.db"));
    _exit(!store.ok() && store.error().code == Code::kResourceExhausted ? 42 : 43);
  });
  CHECK(child.end(0) == 42);
  CHECK(text_of(Store::open(folder.file("a.db"))) == "");
}

TEST_CASE("after kill -9 the database opens and holds what was committed", "[db]") {
  for (int point = 0; point < 20; ++point) {
    CAPTURE(point);
    TempFolder folder;
    const std::filesystem::path file = folder.file("a.db");
    Child child([&](int out) {
      auto store = Store::open(file);
      if (!store) _exit(1);
      SmallRun small(**store);
      if (!small.error.empty()) _exit(2);
      tell(out, 0);
      for (std::int64_t i = 0;; ++i) {
        if (!(*store)->submit(batch_of(small, i * 37, 37, 300))) _exit(3);
        if (i % 5 == 4) {
          if (!(*store)->flush()) _exit(4);
          tell(out, (i + 1) * 37);
        }
      }
    });
    std::int64_t promised = 0;
    for (int i = 0; i <= point; ++i) REQUIRE(child.next(promised));
    // Another moment of the cycle each time: while filling, committing, or checkpointing.
    std::this_thread::sleep_for(std::chrono::microseconds(1700 * point));
    REQUIRE(child.end(SIGKILL) == 1000 + SIGKILL);
    const std::int64_t kept = intact_prefix(file);
    CHECK(kept >= promised);
    CHECK(kept % 37 == 0);
    // Resuming: same items again, no duplicate, and the dead owner does not hold the run.
    auto store = Store::open(file);
    REQUIRE(text_of(store) == "");
    REQUIRE(text_of((*store)->resume_run(1)) == "");
    SmallRun again(**store);
    again.evaluation = 1;
    again.values[0].id = 1;
    for (std::int64_t i = 0; i * 37 < kept + 100; ++i)
      REQUIRE((*store)->submit(batch_of(again, i * 37, 37, 300)).ok());
    REQUIRE(text_of((*store)->flush()) == "");
    const std::int64_t total = intact_prefix(file);
    CHECK(total == (kept + 100 + 36) / 37 * 37);
    CHECK((*store)->committed_results() == total - kept);
    auto raw = sqlite::Connection::open(file, sqlite::Mode::kReadOnly, 100);
    CHECK(**(*raw)->number("SELECT count(*) FROM response") == total);
  }
}

TEST_CASE("a run that a living process owns is not resumed", "[db]") {
  TempFolder folder;
  const std::filesystem::path file = folder.file("a.db");
  Child owner([&](int out) {
    auto store = Store::open(file);
    if (!store) _exit(1);
    SmallRun small(**store);
    tell(out, small.run);
    for (;;) pause();
  });
  std::int64_t run = 0;
  REQUIRE(owner.next(run));
  auto store = Store::open(file);
  REQUIRE(text_of(store) == "");
  const auto refused = (*store)->resume_run(run);
  REQUIRE(code_of(refused) == Code::kUnavailable);
  CHECK(refused.error().text.find(std::to_string(owner.id())) != std::string::npos);
  CHECK((*store)->flush().ok());  // the refusal is no failure of the store
  (void)owner.end(SIGKILL);
  CHECK(text_of((*store)->resume_run(run)) == "");
  CHECK(text_of((*store)->end_run(run, "complete", 1.5)) == "");
  auto reader = Reader::open(file);
  const auto segments = (*reader)->segments(run);
  REQUIRE(segments->size() == 2);
  CHECK_FALSE(segments->at(0).ended.empty());
  CHECK(segments->at(1).seconds == 1.5);
  CHECK((*reader)->runs()->front().run.status == "complete");
}

TEST_CASE("a read-only folder is an error when writing and none when reading", "[db]") {
  if (geteuid() == 0) SKIP("root may write everywhere, so read-only folders cannot be tested as root");
  TempFolder folder;
  const std::filesystem::path home = folder.file("home");
  std::filesystem::create_directory(home);
  REQUIRE(Store::open(home / "a.db").ok());
  std::filesystem::remove(home / "a.db.lock");
  REQUIRE(chmod((home / "a.db").c_str(), 0444) == 0);
  REQUIRE(chmod(home.c_str(), 0555) == 0);
  CHECK(code_of(Store::open(home / "a.db")) == Code::kResourceExhausted);
  CHECK(code_of(Store::open(home / "new.db")) == Code::kResourceExhausted);
  CHECK(text_of(Reader::open(home / "a.db")) == "");
  REQUIRE(chmod(home.c_str(), 0755) == 0);
}

TEST_CASE("an unprivileged process cannot write a read-only folder and is told so", "[db]") {
  if (geteuid() != 0) SKIP("only root can give up its rights for this test");
  TempFolder folder;
  const std::filesystem::path home = folder.file("home");
  std::filesystem::create_directory(home);
  REQUIRE(chmod(home.parent_path().c_str(), 0755) == 0);
  REQUIRE(Store::open(home / "a.db").ok());
  std::filesystem::remove(home / "a.db.lock");
  Child child([&](int) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(1);
    const auto store = Store::open(home / "a.db");
    if (store.ok() || store.error().code != Code::kResourceExhausted) _exit(2);
    if (store.error().text.find("a.db") == std::string::npos) _exit(3);
    if (code_of(Store::open(home / "new.db")) != Code::kResourceExhausted) _exit(4);
    auto reader = Reader::open(home / "a.db");
    if (!reader.ok()) _exit(5);
    if (!(*reader)->runs().ok()) _exit(6);
    _exit(42);
  });
  CHECK(child.end(0) == 42);
}
