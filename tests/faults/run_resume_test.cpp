// A run that was cut off is continued: only the missing work is done, and the numbers are those of a run that
// was never interrupted.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

constexpr int kRows = 60'000;

/// Starts the long run, stops it when some rows are there, gives their number.
std::int64_t cut_off(Bench& bench, int signal) {
  Child child(bench.options({"run", "long.toml", "--db", "x.db", "--quiet"}, 100));
  for (int i = 0; i < 5000 && child.running(); ++i) {
    try {
      if (std::filesystem::exists(bench.path("x.db")) &&
          bench.number("x.db", "SELECT count(*) FROM result") > 3000)
        break;
    } catch (const std::exception&) {
      // The tables are not there yet.
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  child.send(signal);
  const ChildResult result = child.wait();
  INFO(result.err);
  CHECK((result.code == 128 + signal || result.signal == signal));
  return bench.number("x.db", "SELECT count(*) FROM result");
}

Json numbers(const std::string& out) {
  Json tree = Json::parse(out);
  for (Json& line : tree["results"]) line.erase("evaluation");
  return tree["results"];
}

Words rows_of(const Bench& bench, const std::string& database) {
  return bench.texts(
      database,
      "SELECT item_id || '|' || variant || '|' || repeat || '|' || state || '|' || value || '|' || "
      "coalesce(quote(number), 'NULL') FROM v_scores ORDER BY item_id, variant, repeat, metric, value");
}

}  // namespace

TEST_CASE("resume: after a kill the identical run does the missing work only and gives the same numbers") {
  Bench bench;
  bench.long_suite(kRows);
  const ChildResult whole = bench.run({"run", "long.toml", "--db", "whole.db", "--json"});
  REQUIRE(whole.code == 0);
  const std::int64_t kept = cut_off(bench, SIGKILL);
  REQUIRE(kept > 0);
  REQUIRE(kept < kRows);
  const ChildResult again = bench.run({"run", "long.toml", "--db", "x.db", "--json"});
  INFO(again.err);
  REQUIRE(again.code == 0);
  CHECK(numbers(again.out) == numbers(whole.out));
  CHECK(rows_of(bench, "x.db") == rows_of(bench, "whole.db"));
  CHECK(bench.number("x.db", "SELECT count(*) FROM run") == 1);
  CHECK(bench.number("x.db", "SELECT count(*) FROM segment") == 2);
  CHECK(bench.texts("x.db", "SELECT status FROM run") == Words{"complete"});
  CHECK(bench.texts("x.db", "SELECT prompt_hash FROM evaluation") ==
        bench.texts("whole.db", "SELECT prompt_hash FROM evaluation"));
  // Each item was asked once, but for what was in flight when the process died.
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == kRows);
  CHECK(Json::parse(again.out)["items_before"] == kept);
  CHECK(bench.integrity("x.db") == "ok");
  // A finished run is not continued: the same command begins a new one, from the stored answers.
  const ChildResult third = bench.run({"run", "long.toml", "--db", "x.db", "--json"});
  REQUIRE(third.code == 0);
  CHECK(bench.number("x.db", "SELECT count(*) FROM run") == 2);
  CHECK(numbers(third.out) == numbers(whole.out));
  CHECK(Json::parse(third.out)["requests_served"] == kRows);
}

TEST_CASE(
    "resume: a label belongs to the command: the same one continues, another one begins a run of its own") {
  Bench bench;
  bench.long_suite(kRows);
  Child child(bench.options({"run", "long.toml", "--db", "x.db", "--label", "nightly", "--quiet"}, 100));
  for (int i = 0; i < 3000 && child.running(); ++i) {
    if (std::filesystem::exists(bench.path("x.db")) &&
        bench.number("x.db", "SELECT count(*) FROM result") > 0)
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  child.send(SIGKILL);
  (void)child.wait();
  CHECK(bench.run({"run", "long.toml", "--db", "x.db", "--label", "other", "--quiet"}).code == 0);
  CHECK(bench.number("x.db", "SELECT count(*) FROM run") == 2);
  CHECK(bench.run({"run", "long.toml", "--db", "x.db", "--label", "nightly", "--quiet"}).code == 0);
  CHECK(bench.number("x.db", "SELECT count(*) FROM run") == 2);
  CHECK(bench.texts("x.db", "SELECT status FROM run ORDER BY id") == Words{"complete", "complete"});
}

TEST_CASE("resume: the verb continues an interrupted run, from another folder too; the message says how") {
  Bench bench;
  bench.long_suite(kRows);
  REQUIRE(cut_off(bench, SIGINT) < kRows);
  std::filesystem::create_directory(bench.path("elsewhere"));
  ChildOptions options = bench.options({"resume", "--db", (bench.path("x.db")).string()}, 100);
  options.folder = bench.path("elsewhere");
  const ChildResult resumed = run_child(options);
  INFO(resumed.err);
  CHECK(resumed.code == 0);
  CHECK_THAT(resumed.out, ContainsSubstring("continued"));
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == kRows);
  CHECK(bench.number("x.db", "SELECT count(*) FROM run") == 1);
  // Everything is answered: resuming once more only scores, which is no error.
  const ChildResult nothing = bench.run({"resume", "latest", "--db", "x.db"});
  INFO(nothing.err);
  CHECK(nothing.code == 0);
  const ChildResult unnamed = bench.run({"resume", "--db", "x.db"});
  CHECK(unnamed.code == 2);
  CHECK_THAT(unnamed.err, ContainsSubstring("every run of the database is finished"));
}

TEST_CASE("resume: changed data are code 12 with the changed part named, and the run stays as it was") {
  Bench bench;
  bench.long_suite(kRows);
  const std::int64_t kept = cut_off(bench, SIGKILL);
  bench.write("texts.jsonl", "{\"id\":\"t0\",\"text\":\"something else\",\"label\":1}\n");
  const ChildResult resumed = bench.run({"resume", "latest", "--db", "x.db"});
  INFO(resumed.err);
  CHECK(resumed.code == 12);
  CHECK_THAT(resumed.err, ContainsSubstring("texts") && ContainsSubstring("data"));
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == kept);
  // As a new run it is another experiment.
  CHECK(bench.run({"run", "long.toml", "--db", "x.db", "--quiet"}).code != 12);
  CHECK(bench.number("x.db", "SELECT count(*) FROM run") == 2);
}

TEST_CASE("resume: a run whose owner is alive is refused with its process named; a run of its own is not") {
  Bench bench;
  bench.long_suite(150'000);
  Child child(bench.options({"run", "long.toml", "--db", "x.db", "--quiet"}, 100));
  for (int i = 0; i < 2000 && child.running(); ++i) {
    try {
      if (std::filesystem::exists(bench.path("x.db")) &&
          bench.number("x.db", "SELECT count(*) FROM result") > 0)
        break;
    } catch (const std::exception&) {
      // The tables are not there yet.
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const ChildResult resumed = bench.run({"resume", "latest", "--db", "x.db"});
  CHECK(resumed.code == 4);
  CHECK_THAT(resumed.err, ContainsSubstring("process " + std::to_string(child.id())));
  const ChildResult other = bench.run({"run", "long.toml", "--db", "x.db", "--limit", "50", "--quiet"});
  CHECK(other.code == 0);
  const ChildResult first = child.wait();
  INFO(first.err);
  CHECK(first.code == 0);
}

TEST_CASE("resume: items that failed are run again when asked for, and only they") {
  Bench bench;
  bench.small_suite(40, 20, 30);
  const ChildResult first = bench.run({"run", "small.toml", "--db", "x.db", "--json"});
  INFO(first.out << first.err);
  CHECK(first.code == 5);
  CHECK(bench.number("x.db", "SELECT count(*) FROM result WHERE state = 6") == 10);
  // Plain resuming keeps the failures: they are results too.
  CHECK(bench.run({"resume", "latest", "--db", "x.db", "--quiet"}).code == 5);
  CHECK(bench.number("x.db", "SELECT count(*) FROM result WHERE state = 6") == 10);
  const ChildResult again = bench.run({"resume", "latest", "--retry-errors", "--db", "x.db", "--json"});
  CHECK(again.code == 5);  // the recording has no answer for them now either
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == 40);
  CHECK(bench.number("x.db", "SELECT count(*) FROM result WHERE state = 6") == 10);
  CHECK(bench.number("x.db", "SELECT count(*) FROM response WHERE key_head IS NULL") ==
        20);  // both failures on record
  CHECK(bench.number("x.db", "SELECT n_error FROM evaluation") == 10);
}

TEST_CASE("lock: a second process says who holds the database, and waits or leaves as asked") {
  Bench bench;
  bench.small_suite(10);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db", "--quiet"}).code == 0);
  const int file = ::open(bench.path("x.db.lock").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(file >= 0);
  REQUIRE(::flock(file, LOCK_EX) == 0);
  const std::string name = "process 4242 on elsewhere (assay)\n";
  REQUIRE(::ftruncate(file, 0) == 0);
  REQUIRE(::pwrite(file, name.data(), name.size(), 0) == static_cast<ssize_t>(name.size()));
  const ChildResult leaves = bench.run({"run", "small.toml", "--db", "x.db", "--wait", "0s"});
  INFO(leaves.err);
  CHECK(leaves.code == 4);
  CHECK(leaves.seconds < 2);
  CHECK_THAT(leaves.err, ContainsSubstring("process 4242 on elsewhere"));
  // Readers need no turn.
  CHECK(bench.run({"show", "--db", "x.db"}).code == 0);
  CHECK(bench.run({"list", "runs", "--db", "x.db"}).code == 0);
  Child waits(bench.options({"run", "small.toml", "--db", "x.db", "--wait", "30s"}));
  for (int i = 0; i < 500 && !holds(waits.error_text(), "waiting for the database"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_THAT(waits.error_text(), ContainsSubstring("process 4242 on elsewhere"));
  REQUIRE(waits.running());
  REQUIRE(::flock(file, LOCK_UN) == 0);
  ::close(file);
  CHECK(waits.wait().code == 0);
  CHECK(bench.number("x.db", "SELECT count(*) FROM run") == 2);
}
