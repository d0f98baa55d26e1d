// Databases that cannot be used: foreign, newer, locked, read-only, out of room. What was committed stays.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

void check_sentence(const ChildResult& result, const std::string& file) {
  CHECK(result.signal == 0);
  CHECK_FALSE(result.late);
  CHECK_THAT(result.err, ContainsSubstring("assay: ") && ContainsSubstring(file));
  CHECK(control_character(result.err) == std::string::npos);
}

/// Words before the program that make it run as somebody without privileges; empty if nothing is needed.
Words unprivileged() {
  if (::geteuid() != 0) return {};
  return {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"};
}

}  // namespace

TEST_CASE("bad database: a file that is no database is refused and left as it is") {
  Bench bench;
  bench.small_suite(3);
  const std::string bytes = GENERATE(std::string("hello\n"), std::string(10'000, '\x5a'),
                                     std::string("SQLite format 3\0", 16) + std::string(4000, '\x11'));
  bench.write("x.db", bytes);
  const Words words =
      GENERATE(Words{"run", "small.toml"}, Words{"show"}, Words{"show", "--items"}, Words{"list", "runs"});
  Words all = words;
  all.insert(all.end(), {"--db", "x.db"});
  const ChildResult result = bench.run(all);
  INFO(result.out << result.err);
  CHECK((result.code == 3 || result.code == 4));
  CHECK(result.out.empty());
  check_sentence(result, "x.db");
  CHECK(slurp(bench.path("x.db")) == bytes);
}

TEST_CASE("bad database: another program's database is refused and left as it is") {
  Bench bench;
  bench.small_suite(3);
  bench.execute("x.db", "CREATE TABLE run (a); INSERT INTO run VALUES (3);");
  const std::string before = slurp(bench.path("x.db"));
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db"});
  INFO(result.err);
  CHECK(result.code == 3);
  check_sentence(result, "x.db");
  CHECK(slurp(bench.path("x.db")) == before);
}

TEST_CASE("bad database: a folder, and a folder that does not exist") {
  Bench bench;
  bench.small_suite(3);
  std::filesystem::create_directories(bench.path("folder.db"));
  const ChildResult folder = bench.run({"run", "small.toml", "--db", "folder.db"});
  CHECK((folder.code >= 2 && folder.code <= 4));
  check_sentence(folder, "folder.db");
  CHECK_THAT(folder.err, ContainsSubstring("folder") && ContainsSubstring("--db"));
  const ChildResult absent = bench.run({"run", "small.toml", "--db", "no/such/x.db"});
  CHECK((absent.code >= 2 && absent.code <= 4));
  check_sentence(absent, "no/such/x.db");
}

TEST_CASE("bad database: show and list runs without a database say how one is made") {
  Bench bench;
  const Words words = GENERATE(Words{"show"}, Words{"list", "runs"});
  const ChildResult result = bench.run(words);
  INFO(result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("assay.db") && ContainsSubstring("--db"));
  CHECK_FALSE(std::filesystem::exists(bench.path("assay.db")));
}

TEST_CASE("bad database: a newer schema is refused with both versions and left as it is") {
  Bench bench;
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.execute("x.db", "PRAGMA user_version = 9999");
  const Words words = GENERATE(Words{"run", "small.toml"}, Words{"show"}, Words{"list", "runs"});
  Words all = words;
  all.insert(all.end(), {"--db", "x.db"});
  const ChildResult result = bench.run(all);
  INFO(result.err);
  CHECK(result.code >= 2);
  check_sentence(result, "x.db");
  CHECK_THAT(result.err, ContainsSubstring("9999") && ContainsSubstring("update assay"));
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == 3);
  CHECK(bench.number("x.db", "PRAGMA user_version") == 9999);
}

TEST_CASE("bad database: a truncated database is refused, or read as far as it is sound") {
  Bench bench;
  bench.small_suite(500);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.execute("x.db", "PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string bytes = slurp(bench.path("x.db"));
  for (const std::size_t part : {2U, 3U, 5U, 9U}) {
    bench.write("cut.db", bytes.substr(0, bytes.size() / part));
    for (const Words& words :
         {Words{"show", "--items"}, Words{"show"}, Words{"run", "small.toml"}, Words{"doctor"}}) {
      Words all = words;
      all.insert(all.end(), {"--db", "cut.db"});
      const ChildResult result = bench.run(all);
      INFO(part << " " << words[0] << "\n" << result.out.substr(0, 500) << result.err);
      CHECK(result.signal == 0);
      CHECK(result.code != 1);
      if (words[0] == "run" || words[0] == "doctor") CHECK(result.code != 0);
    }
  }
}

TEST_CASE("bad database: one that another program holds is code 4 and names it; nothing is lost") {
  Bench bench;
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  // The SQLite lock is held by a process of its own: POSIX locks of one process do not exclude each other.
  ChildOptions options = bench.options({}, 100);
  options.arguments = {"sqlite3", "-cmd", "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE;", "x.db",
                       ".shell sleep 60"};
  std::unique_ptr<Child> holder;
  try {
    holder = std::make_unique<Child>(options);
  } catch (const std::exception&) {
    SKIP("there is no sqlite3 program to hold the lock");
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db"}, 50);
  INFO(result.out << result.err);
  CHECK(result.code == 4);
  check_sentence(result, "x.db");
  CHECK_THAT(result.err, ContainsSubstring("locked"));
  holder.reset();
  CHECK(bench.integrity("x.db") == "ok");
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == 3);
}

TEST_CASE("bad database: a writer that takes its turn is waited for") {
  Bench bench;
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const int descriptor = ::open(bench.path("x.db.lock").c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) SKIP("the program keeps no lock file");
  REQUIRE(::flock(descriptor, LOCK_EX) == 0);
  Child child(bench.options({"run", "small.toml", "--db", "x.db"}, 60));
  std::this_thread::sleep_for(std::chrono::seconds(2));
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == 3);
  ::close(descriptor);
  const ChildResult result = child.wait();
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == 6);
}

TEST_CASE("bad database: one that cannot be written is code 4, and can still be read") {
  Bench bench;
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.execute("x.db", "PRAGMA wal_checkpoint(TRUNCATE)");
  namespace fs = std::filesystem;
  for (const char* leftover : {"x.db.lock", "x.db-wal", "x.db-shm"}) fs::remove(bench.path(leftover));
  fs::permissions(bench.path("x.db"), fs::perms(0444));
  fs::permissions(bench.folder(), fs::perms(0555));
  const auto as_nobody = [&](const Words& words) {
    // The output files of a Child are made by the test, which may be refused in the locked folder.
    ChildOptions options = bench.options(words);
    Words all = unprivileged();
    all.insert(all.end(), options.arguments.begin(), options.arguments.end());
    options.arguments = all;
    options.out = fs::temp_directory_path() / ("assay-ro-out-" + std::to_string(::getpid()));
    options.err = fs::temp_directory_path() / ("assay-ro-err-" + std::to_string(::getpid()));
    const ChildResult result = run_child(options);
    fs::remove(options.out);
    fs::remove(options.err);
    return result;
  };
  bench.set("XDG_CACHE_HOME", "/nonexistent/cache");
  if (as_nobody({"--version"}).code != 0) {
    fs::permissions(bench.folder(), fs::perms(0755));
    SKIP("the program cannot be run without privileges here");
  }
  const ChildResult run = as_nobody({"run", "small.toml", "--db", "x.db"});
  INFO(run.out << run.err);
  CHECK(run.code == 4);
  check_sentence(run, "x.db");
  CHECK_THAT(run.err, ContainsSubstring("--db"));
  const ChildResult show = as_nobody({"show", "--db", "x.db"});
  INFO(show.out << show.err);
  CHECK(show.code == 0);
  CHECK_THAT(show.out, ContainsSubstring("assay.exact_match"));
  fs::permissions(bench.folder(), fs::perms(0755));
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == 3);
}

TEST_CASE("bad database: when room runs out the code is 4 and committed rows are safe (T9)") {
  Bench bench;
  bench.small_suite(6000);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--limit", "100"}).code == 0);
  REQUIRE(bench.number("x.db", "SELECT count(*) FROM result") == 100);
  // Blocks of 512 bytes: what the database has now and a little more.
  const auto blocks = static_cast<long>(std::filesystem::file_size(bench.path("x.db")) / 512);
  const long room = GENERATE(0, 60, 400, 1200);
  const ChildResult result =
      bench.run_other({"sh", "-c", "ulimit -f " + std::to_string(blocks + room) + "; exec \"$@\"", "sh",
                       assay_program().string(), "run", "small.toml", "--db", "x.db"});
  INFO(result.out << result.err);
  CHECK(result.code == 4);
  check_sentence(result, "x.db");
  CHECK_THAT(result.err, ContainsSubstring("full") || ContainsSubstring("limit"));
  CHECK(bench.integrity("x.db") == "ok");
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") >= 100);
  CHECK(bench.number("x.db",
                     "SELECT count(*) FROM (SELECT 1 FROM result GROUP BY evaluation, item_id, variant, "
                     "repeat HAVING count(*) > 1)") == 0);
  // With room again, the same file serves the next run.
  const ChildResult again = bench.run({"run", "small.toml", "--db", "x.db", "--limit", "50"});
  INFO(again.err);
  CHECK(again.code == 0);
}

TEST_CASE("bad database: a run that failed is not shown as running") {
  Bench bench;
  bench.small_suite(6000);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--limit", "10"}).code == 0);
  const auto blocks = static_cast<long>(std::filesystem::file_size(bench.path("x.db")) / 512);
  const ChildResult result =
      bench.run_other({"sh", "-c", "ulimit -f " + std::to_string(blocks + 400) + "; exec \"$@\"", "sh",
                       assay_program().string(), "run", "small.toml", "--db", "x.db"});
  REQUIRE(result.code == 4);
  const ChildResult list = bench.run({"list", "runs", "--db", "x.db", "--json"});
  INFO(list.out);
  const Json listed = Json::parse(list.out);
  REQUIRE_FALSE(listed["items"].empty());
  for (const Json& run : listed["items"]) CHECK(run["status"] != "running");
}
