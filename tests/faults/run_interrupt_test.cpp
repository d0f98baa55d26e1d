// Interrupted, killed, or out of room in the middle of a run: what was finished is kept, the database is
// sound.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
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

constexpr int kInterruptedRows = 150'000;

std::int64_t rows_of(const Bench& bench) {
  return bench.number("x.db", "SELECT count(*) FROM result");
}

/// Waits until the run has committed at least `least` rows; false if it ended before.
bool wait_for_rows(const Bench& bench, Child& child, std::int64_t least) {
  while (child.running()) {
    try {
      if (std::filesystem::exists(bench.path("x.db")) && rows_of(bench) >= least) return true;
    } catch (const std::exception&) {
      // The tables are not there yet.
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

void check_sound(const Bench& bench) {
  CHECK(bench.integrity("x.db") == "ok");
  CHECK(bench.texts("x.db", "PRAGMA foreign_key_check").empty());
  CHECK(bench.number("x.db",
                     "SELECT count(*) FROM (SELECT 1 FROM result GROUP BY evaluation, item_id, variant, "
                     "repeat HAVING count(*) > 1)") == 0);
  // Every finished item has its answer and its scores.
  CHECK(bench.number(
            "x.db", "SELECT count(*) FROM result WHERE id NOT IN (SELECT result FROM result_response)") == 0);
  CHECK(bench.number("x.db", "SELECT count(*) FROM result WHERE id NOT IN (SELECT result FROM score)") == 0);
}

}  // namespace

TEST_CASE("interrupt: SIGINT ends with 130, SIGTERM with 143; everything finished is kept and can be read") {
  const int signal = GENERATE(SIGINT, SIGTERM);
  Bench bench;
  bench.long_suite(kInterruptedRows);
  Child child(bench.options({"run", "long.toml", "--db", "x.db", "--json"}, 100));
  REQUIRE(wait_for_rows(bench, child, 2000));
  const auto sent = std::chrono::steady_clock::now();
  child.send(signal);
  const ChildResult result = child.wait();
  const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - sent).count();
  INFO(result.err);
  CHECK(result.code == 128 + signal);
  CHECK(result.signal == 0);
  CHECK(taken < 10);
  CHECK_THAT(result.err, ContainsSubstring("interrupted") && ContainsSubstring("x.db"));
  REQUIRE(Json::accept(result.out));
  const Json tree = Json::parse(result.out);
  CHECK(tree["exit_code"] == 128 + signal);
  const std::int64_t kept = rows_of(bench);
  CHECK(kept >= 2000);
  CHECK(kept < kInterruptedRows);
  CHECK(tree["items_finished"] == kept);
  CHECK(tree["results"][0]["n_missing"] == kInterruptedRows - kept);
  check_sound(bench);
  CHECK(bench.texts("x.db", "SELECT status FROM run") == Words{"interrupted"});
  CHECK(bench.run({"show", "--db", "x.db"}).code == 0);
}

TEST_CASE("interrupt: the message says what is kept and where") {
  Bench bench;
  bench.long_suite(kInterruptedRows);
  Child child(bench.options({"run", "long.toml", "--db", "x.db"}, 100));
  REQUIRE(wait_for_rows(bench, child, 500));
  child.send(SIGINT);
  const ChildResult result = child.wait();
  INFO(result.err);
  CHECK(result.code == 130);
  CHECK_THAT(result.err, ContainsSubstring("finished items are safe in 'x.db'"));
}

TEST_CASE("interrupt: a second signal leaves at once and the database is sound") {
  Bench bench;
  bench.long_suite(kInterruptedRows);
  Child child(bench.options({"run", "long.toml", "--db", "x.db"}, 100));
  REQUIRE(wait_for_rows(bench, child, 500));
  child.send(SIGINT);
  child.send(SIGTERM);
  child.send(SIGINT);
  const ChildResult result = child.wait();
  INFO(result.err);
  CHECK((result.code == 130 || result.code == 143));
  CHECK(result.seconds < 60);
  check_sound(bench);
}

TEST_CASE("interrupt: a signal before the first item leaves nothing broken") {
  Bench bench;
  bench.long_suite(kInterruptedRows);
  const int milliseconds = GENERATE(1, 10, 40, 120);
  Child child(bench.options({"run", "long.toml", "--db", "x.db"}, 100));
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  child.send(SIGINT);
  const ChildResult result = child.wait();
  INFO(result.err);
  // Before the handler is in place the signal itself ends the program.
  CHECK((result.code == 130 || result.signal == SIGINT));
  if (std::filesystem::exists(bench.path("x.db"))) CHECK(bench.integrity("x.db") == "ok");
  bench.write("few.toml", slurp(bench.path("long.toml")));
  CHECK(bench.run({"run", "few.toml", "--db", "x.db", "--limit", "10"}).code == 0);
}

TEST_CASE("kill -9: at any point the database opens, is sound, and loses no committed row (T7)") {
  Bench bench;
  bench.long_suite(kInterruptedRows);
  // Points spread over the run, at rows rather than at times, so that a slow machine is killed at the same
  // places.
  const std::int64_t least = GENERATE(1, 700, 5000, 9001, 20'000);
  Child child(bench.options({"run", "long.toml", "--db", "x.db"}, 100));
  REQUIRE(wait_for_rows(bench, child, least));
  const std::int64_t seen = rows_of(bench);
  child.send(SIGKILL);
  const ChildResult result = child.wait();
  CHECK(result.signal == SIGKILL);
  CHECK(rows_of(bench) >= seen);
  check_sound(bench);
  const ChildResult runs = bench.run({"list", "runs", "--db", "x.db", "--json"});
  CHECK(runs.code == 0);
  CHECK(Json::parse(runs.out)["items"][0]["items"] == rows_of(bench));
  CHECK(bench.run({"show", "--db", "x.db"}).code == 0);
  const ChildResult doctor = bench.run({"doctor", "--db", "x.db"});
  CHECK_THAT(doctor.out, ContainsSubstring("sound"));
  // The same file serves the next run.
  CHECK(bench.run({"run", "long.toml", "--db", "x.db", "--limit", "10"}).code == 0);
  check_sound(bench);
}

TEST_CASE("kill -9: a run whose owner is dead is not shown as running") {
  Bench bench;
  bench.long_suite(kInterruptedRows);
  Child child(bench.options({"run", "long.toml", "--db", "x.db"}, 100));
  REQUIRE(wait_for_rows(bench, child, 500));
  child.send(SIGKILL);
  child.wait();
  const ChildResult runs = bench.run({"list", "runs", "--db", "x.db", "--json"});
  INFO(runs.out);
  CHECK(Json::parse(runs.out)["items"][0]["status"] != "running");
}

TEST_CASE("live: another process reads the state of a run that works") {
  Bench bench;
  bench.long_suite(kInterruptedRows);
  Child child(bench.options({"run", "long.toml", "--db", "x.db"}, 100));
  REQUIRE(wait_for_rows(bench, child, 500));
  const ChildResult show = bench.run({"show", "--db", "x.db", "--json"});
  INFO(show.err);
  CHECK(show.code == 0);
  const Json tree = Json::parse(show.out);
  CHECK(tree["status"] == "running");
  CHECK(tree["items_finished"].get<std::int64_t>() >= 500);
  child.send(SIGINT);
  CHECK(child.wait().code == 130);
}

TEST_CASE("two runs on one database at a time both finish") {
  Bench bench;
  bench.long_suite(kInterruptedRows);
  Child one(bench.options({"run", "long.toml", "--db", "x.db", "--limit", "6000", "--json"}, 100));
  Child two(bench.options({"run", "long.toml", "--db", "x.db", "--limit", "6000-12000", "--json"}, 100));
  const ChildResult first = one.wait();
  const ChildResult second = two.wait();
  INFO(first.err << second.err);
  CHECK(first.code == 0);
  CHECK(second.code == 0);
  CHECK(rows_of(bench) == 12'000);
  check_sound(bench);
}
