// Runs by seed, disturbed and continued, compared with what must be there (tests/support/simulation.hpp).
//
// ASSAY_SIM_SEEDS=10000 takes more seeds than a CI run does; ASSAY_SIM_SEED=N takes one.
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "db/testing/fixture.hpp"
#include "tests/support/places.hpp"
#include "tests/support/simulation.hpp"

using namespace assay::test;  // NOLINT: a test
using namespace assay::host;  // NOLINT
using assay::Result;
namespace fs = std::filesystem;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 100;
#else
constexpr std::uint64_t kSeeds = 500;
#endif

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A folder in memory where there is such a thing: the simulation's faults are its own, not the disk's.
class Scratch {
 public:
  Scratch() {
    const fs::path memory = "/dev/shm";
    std::error_code ignored;
    const fs::path parent = ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
    std::string name = (parent / "assay-simulation-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    fs::create_directories(path_ / "cache", ignored);
    ::setenv("XDG_CACHE_HOME", (path_ / "cache").c_str(), 1);
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] fs::path run() const { return path_ / "run"; }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string reproduce(std::uint64_t seed) {
  return fmt::format("ASSAY_SIM_SEED={} {} 'simulation: disturbed runs end with what must be there'", seed,
                     (assay::test::build_dir() / "tests" / "faults_simulation").string());
}

}  // namespace

TEST_CASE("simulation: disturbed runs end with what must be there") {
  const Scratch scratch;
  const bool one = std::getenv("ASSAY_SIM_SEED") != nullptr;
  const std::uint64_t first = one ? number_of("ASSAY_SIM_SEED", 1) : 1;
  const std::uint64_t last = one ? first : number_of("ASSAY_SIM_SEEDS", kSeeds);
  SimulationReport total;
  int failures = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seed = first; seed <= last && failures < 10; ++seed) {
    const SimulationPlan plan = plan_of(seed);
    const SimulationReport report = simulate(plan, scratch.run());
    total.segments += report.segments;
    total.failed_segments += report.failed_segments;
    total.interrupted += report.interrupted;
    total.crashes += report.crashes;
    total.resumed += report.resumed;
    total.partial += report.partial;
    total.items += report.items;
    total.errors += report.errors;
    for (int i = 0; i < kDisturbances; ++i) total.faults[i] += report.faults[i];
    if (report.problems.empty()) continue;
    ++failures;
    std::string text = fmt::format("seed {} of {} items in {} segments; again with\n  {}\n", seed,
                                   report.items, report.segments, reproduce(seed));
    constexpr std::size_t kShown = 12;
    for (std::size_t i = 0; i < report.problems.size() && i < kShown; ++i)
      text += "  " + report.problems[i] + "\n";
    if (report.problems.size() > kShown)
      text += fmt::format("  ... {} problems in all\n", report.problems.size());
    FAIL_CHECK(text);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cout << fmt::format(
      "simulation: seeds {} to {}, {} items ({} failed by plan), {} segments: {} resumed a run, {} were "
      "interrupted, {} lost the database, {} of these by a crash; {} left a part of the items; {:.1f} s\n",
      first, last, total.items, total.errors, total.segments, total.resumed, total.interrupted,
      total.failed_segments, total.crashes, total.partial, seconds);
  // A simulation in which nothing happens proves nothing.
  if (!one && last >= 100) {
    const auto enough = static_cast<std::int64_t>(last / 25);
    CHECK(total.interrupted > enough);
    CHECK(total.crashes > enough);
    CHECK(total.resumed > enough);
    CHECK(total.partial > enough);
    CHECK(total.errors > enough);
    for (int i = 1; i < kDisturbances; ++i) {
      INFO("disturbance " << i);
      CHECK(total.faults[i] > 0);
    }
  }
}

TEST_CASE("simulation: the checks see every kind of damage") {
  const Scratch scratch;
  SimulationPlan plan;
  // A seed with items in all states that the damage below needs, and without disturbances.
  for (std::uint64_t seed = 1; plan.items.empty() || plan.repeats != 1 || plan.truth.fail == 0 ||
                               plan.truth.transient == 0 || plan.truth.slow > 0 || plan.truth.late > 0;
       ++seed)
    plan = plan_of(seed);
  plan.segments = {Segment{}};
  REQUIRE(simulate(plan, scratch.run()).problems.empty());
  const fs::path database = scratch.run() / "x.db";
  const auto execute = [&](const std::string& sql) {
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(database.c_str(), &raw) == SQLITE_OK);
    char* error = nullptr;
    const int code = sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, &error);
    INFO(sql << ": " << (error == nullptr ? "" : error));
    CHECK(code == SQLITE_OK);
    (void)sqlite3_free(error);
    const int changed = sqlite3_total_changes(raw);
    (void)sqlite3_close(raw);
    return changed;
  };
  const auto problems = [&] {
    std::vector<std::string> found;
    check_database(plan, database, found);
    return found;
  };
  const std::string pick = "(SELECT result FROM score WHERE number IS NOT NULL ORDER BY result LIMIT 1)";
  const char* const kDamages[] = {
      "DELETE FROM score WHERE result = @",
      "UPDATE score SET number = number + 0.001 WHERE result = @",
      "UPDATE score SET number = NULL WHERE result = @",
      "DELETE FROM result_response WHERE result = @",
      "UPDATE result_response SET response = (SELECT max(id) FROM response WHERE id <> response) WHERE "
      "result = @",
      "UPDATE result SET state = 1 - state WHERE id = @",
      "UPDATE result SET item_id = 'nobody' WHERE id = @",
      "UPDATE result SET repeat = 1 WHERE id = @",
      "INSERT INTO result (id, evaluation, position, repeat, state, label, variant, content, item_id) SELECT "
      "id + 100000, evaluation, position, repeat + 1, state, label, variant, content, item_id FROM result "
      "WHERE id = @",
      "UPDATE response SET answer = replace(answer, 'text', 'txt') WHERE kind = 1 AND state = 0",
      "UPDATE response SET attempts = attempts + 1 WHERE state = 0",
      "INSERT INTO response (model, kind, state, code, tokens_in, tokens_out, total_ns, attempts, created, "
      "key, answer, request) SELECT model, kind, state, code, 0, 0, 0, 1, 0, key, answer, request FROM "
      "response WHERE state = 0 LIMIT 1",
      "UPDATE evaluation SET n_ok = n_ok - 1",
      "UPDATE aggregate SET estimate = estimate + 0.0001 WHERE statistic = 'auroc'",
      "UPDATE aggregate SET n_scored = n_scored - 1",
      "DELETE FROM aggregate",
      "UPDATE run SET status = 'failed'",
  };
  const fs::path whole = scratch.path() / "whole.db";
  fs::copy_file(database, whole);
  for (const std::string damage : kDamages) {
    INFO(damage);
    std::string sql = damage;
    if (const std::size_t at = sql.find('@'); at != std::string::npos) sql.replace(at, 1, pick);
    CHECK(execute(sql) > 0);
    CHECK_FALSE(problems().empty());
    for (const char* tail : {"-wal", "-shm"}) fs::remove(database.string() + tail);
    fs::copy_file(whole, database, fs::copy_options::overwrite_existing);
    CHECK(problems().empty());
  }
}

TEST_CASE("simulation: two writers on one file with the same rows double nothing") {
  const Scratch scratch;
  FaultVfs& vfs = FaultVfs::instance();
  vfs.reset();
  const fs::path file = scratch.path() / "two.db";
  constexpr int kItems = 600;
  RowId evaluation = 0, model = 0, value = 0;
  {
    Result<std::unique_ptr<Store>> store = Store::open(file);
    REQUIRE(text_of(store) == "");
    const SmallRun small(**store);
    REQUIRE(small.error.empty());
    evaluation = small.evaluation;
    model = small.model;
    value = small.values[0].id;
  }
  // Each writer submits all items in an order of its own, in batches of other sizes; every answer to an odd
  // item is shared with its neighbour. Locks fail now and then.
  FaultPlan plan;
  plan.seed = 3;
  plan.busy = 0.05;
  vfs.real_time(false);
  vfs.arm(plan);
  std::array<std::string, 2> errors;
  std::atomic<int> ready{0};
  const auto work = [&](int writer) {
    Result<std::unique_ptr<Store>> store = Store::open(file);
    if (!store) {
      errors[static_cast<std::size_t>(writer)] = store.error().text;
      ++ready;
      return;
    }
    ++ready;
    while (ready.load() < 2) std::this_thread::yield();
    const int size = writer == 0 ? 7 : 11;
    for (int at = 0; at < kItems; at += size) {
      BatchBuilder batch;
      for (int k = at; k < std::min(at + size, kItems); ++k) {
        const int i = writer == 0 ? k : kItems - 1 - k;
        const auto response = batch.response(model, "answer " + std::to_string(i / 2), "the same text");
        batch.result(evaluation, i, "item " + std::to_string(i));
        batch.link("answer", "target", response);
        batch.score(value, static_cast<double>(i));
      }
      Result<void> done = (*store)->submit(batch.done());
      if (done && at % 5 == 0) done = (*store)->flush();
      if (!done) errors[static_cast<std::size_t>(writer)] = done.error().text;
    }
    if (const Result<void> done = (*store)->flush(); !done)
      errors[static_cast<std::size_t>(writer)] = done.error().text;
  };
  std::thread one(work, 0), two(work, 1);
  one.join();
  two.join();
  CHECK(vfs.counts().faults > 0);
  vfs.reset();
  vfs.real_time(true);
  CHECK(errors[0] == "");
  CHECK(errors[1] == "");
  Result<std::unique_ptr<Reader>> reader = Reader::open(file);
  REQUIRE(text_of(reader) == "");
  CHECK((*reader)->integrity()->empty());
  const Result<std::vector<ItemLine>> items = (*reader)->items(1, "", "", 0);
  REQUIRE(text_of(items) == "");
  REQUIRE(items->size() == kItems);
  for (int i = 0; i < kItems; ++i) {
    const ItemLine& item = (*items)[static_cast<std::size_t>(i)];
    CHECK(item.position == i);
    CHECK(item.item_id == "item " + std::to_string(i));
    CHECK((*reader)->responses(item.result)->size() == 1);
    const auto scores = (*reader)->scores(item.result);
    REQUIRE(scores->size() == 1);
    CHECK(scores->front().number == static_cast<double>(i));
  }
  const Result<std::vector<EvaluationRow>> evaluations = (*reader)->evaluations(1);
  REQUIRE(text_of(evaluations) == "");
  CHECK(evaluations->front().states[0] == kItems);
  reader->reset();
  std::vector<std::string> problems;
  CHECK(stored_rows(file, problems).size() == kItems);
  CHECK(problems.empty());
}
