// kill -9 at random points of real runs, continued until they are done: the numbers and the rows are those of
// a run that nobody disturbed.
//
// ASSAY_KILLS=200 kills more often than a CI run does; ASSAY_KILL_SEED=N repeats the points of a run, as far
// as the machine's timing allows.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

constexpr const char* kOutOfOrder =
    "f=faulty(seed=5, slow=0.3, slow_ms=12, shuffle=true, empty=0.05, truncated=0.05, transient=0.2, "
    "transient_max=2)";

struct Case {
  std::string suite;
  Words options;
};

/// Small versions of the planted suites, on their own models and on one that answers out of order. Each runs
/// for a fraction of a second and ends with code 0.
std::vector<Case> cases() {
  return {{"mia-planted", {"--model", kOutOfOrder, "--limit", "250", "--backoff", "1ms"}},
          {"detection-planted", {"--limit", "150", "--threads", "1"}},
          {"unlearning-planted", {"--model", kOutOfOrder, "--limit", "100", "--backoff", "1ms"}},
          {"hallucination-planted", {"--limit", "60"}}};
}

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Without what may differ between a whole run and a continued one: identity, place, time, and what was done
/// in the last segment.
Json timeless(Json tree) {
  for (const char* key : {"run", "seconds", "seconds_all", "database", "resumed", "items_before", "requests",
                          "requests_served"})
    tree.erase(key);
  return tree;
}

/// Everything that a run leaves but times, row by row, ordered and to the last bit.
Words all_rows(const Bench& bench, const std::string& database) {
  const char* const kQueries[] = {
      "SELECT 'result|' || c.name || '|' || e.model_name || '|' || r.item_id || '|' || r.variant || '|' || "
      "r.repeat || '|' || r.position || '|' || r.state || '|' || ifnull(r.label, '-') || '|' || r.content || "
      "'|' || ifnull(r.grp, '-') || '|' || ifnull(r.message, '-') AS line FROM result r JOIN evaluation e ON "
      "e.id = r.evaluation JOIN recipe c ON c.id = e.recipe ORDER BY line",
      "SELECT 'answer|' || c.name || '|' || e.model_name || '|' || r.item_id || '|' || r.variant || '|' || "
      "r.repeat || '|' || l.ordinal || '|' || n.name || '|' || n.role || '|' || hex(p.key) || '|' || p.state "
      "|| '|' || p.attempts || '|' || p.tokens_in || '|' || p.tokens_out || '|' || p.request || '|' || "
      "ifnull(p.answer, '-') || '|' || ifnull(hex(p.tokens), '-') AS line FROM result_response l JOIN result "
      "r ON r.id = l.result JOIN evaluation e ON e.id = r.evaluation JOIN recipe c ON c.id = e.recipe JOIN "
      "response p ON p.id = l.response JOIN request_name n ON n.id = l.request_name ORDER BY line",
      "SELECT 'score|' || c.name || '|' || e.model_name || '|' || m.name || '|' || v.name || '|' || "
      "r.item_id "
      "|| '|' || r.variant || '|' || r.repeat || '|' || s.state || '|' || ifnull(printf('%!.17g', s.number), "
      "'-') || '|' || ifnull(s.note, '-') AS line FROM score s JOIN result r ON r.id = s.result JOIN "
      "evaluation e ON e.id = r.evaluation JOIN recipe c ON c.id = e.recipe JOIN value v ON v.id = s.value "
      "JOIN metric m ON m.id = v.metric ORDER BY line",
      "SELECT 'aggregate|' || c.name || '|' || e.model_name || '|' || m.name || '|' || v.name || '|' || "
      "a.variant || '|' || a.statistic || '|' || a.ordinal || '|' || ifnull(printf('%!.17g', a.estimate), "
      "'-') || '|' || ifnull(printf('%!.17g', a.lo), '-') || '|' || ifnull(printf('%!.17g', a.hi), '-') || "
      "'|' || a.n_total || '|' || a.n_scored || '|' || a.n_missing AS line FROM aggregate a JOIN evaluation "
      "e "
      "ON e.id = a.evaluation JOIN recipe c ON c.id = e.recipe JOIN value v ON v.id = a.value JOIN metric m "
      "ON m.id = v.metric ORDER BY line",
      "SELECT 'evaluation|' || c.name || '|' || model_name || '|' || planned_items || '|' || results || '|' "
      "|| n_ok || '|' || n_empty || '|' || n_truncated || '|' || status || '|' || reason || '|' || "
      "prompt_hash AS line FROM evaluation e JOIN recipe c ON c.id = e.recipe ORDER BY line",
      "SELECT 'run|' || status || '|' || suite_sha256 || '|' || seed FROM run",
      "SELECT 'responses|' || count(*) || '|' || count(DISTINCT key) FROM response",
      "SELECT 'items|' || count(*) FROM item"};
  Words out;
  for (const char* query : kQueries) {
    const Words part = bench.texts(database, query);
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

/// A case that is run, killed, and continued.
class Victim {
 public:
  Victim(Bench& bench, const Case& what, std::mt19937_64& random)
      : bench_(bench), what_(what), random_(random) {}

  /// Without disturbance: what all others must come to.
  void learn() {
    const ChildResult result = bench_.run(command("whole.db"), 100);
    INFO(what_.suite << ": " << result.err);
    REQUIRE(result.code == 0);
    seconds_ = result.seconds;
    expected_ = timeless(Json::parse(result.out));
    rows_ = all_rows(bench_, "whole.db");
    items_ = bench_.number("whole.db", "SELECT count(*) FROM result");
    REQUIRE(items_ > 50);
  }

  /// One run that is killed up to `kills` times before it may end; the number of kills that struck.
  int run(int kills) {
    for (const char* tail : {"", "-wal", "-shm", ".lock"})
      std::filesystem::remove(bench_.path("x.db" + std::string(tail)));
    uuid_.clear();
    begun_ = 0;
    int struck = 0;
    for (int k = 0; k < kills && !done(); ++k) struck += kill_once(k) ? 1 : 0;
    finish();
    return struck;
  }

 private:
  [[nodiscard]] Words command(const std::string& database) const {
    const std::string file =
        (assay::test::source_dir() / "benchmarks/suites" / (what_.suite + ".toml")).string();
    Words words{"run", file, "--db", database, "--json", "--offline"};
    words.insert(words.end(), what_.options.begin(), what_.options.end());
    return words;
  }

  /// By turns the same command again, `resume`, and `resume RUN`; `resume` needs a run to be there.
  Words next_command() {
    const std::uint64_t way = turn_++ % 4;
    if (uuid_.empty() || way % 2 == 0) return command("x.db");
    Words words{"resume", "--db", "x.db", "--json", "--offline"};
    if (way == 3) words.insert(words.begin() + 1, uuid_.substr(0, 8));
    return words;
  }

  [[nodiscard]] std::int64_t rows_now() const {
    if (!std::filesystem::exists(bench_.path("x.db"))) return 0;
    try {
      return bench_.number("x.db", "SELECT count(*) FROM result");
    } catch (const std::exception&) {
      return 0;  // the tables are not there yet
    }
  }

  // False when the run was done before the signal came.
  bool kill_once(int number) {
    const Words words = next_command();
    const std::int64_t before = rows_now();
    Child child(bench_.options(words, 100));
    std::int64_t seen = before;
    if (random_() % 2 == 0) {
      const auto after = std::chrono::microseconds(
          static_cast<std::int64_t>(std::uniform_real_distribution<>(0, 1.05)(random_) * seconds_ * 1e6));
      const auto end = std::chrono::steady_clock::now() + after;
      while (child.running() && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    } else {
      // At rows rather than at times, so that the middle of the work is hit on any machine.
      const std::int64_t least =
          before + 1 +
          static_cast<std::int64_t>(random_() %
                                    static_cast<std::uint64_t>(std::max<std::int64_t>(1, items_ - before)));
      while (child.running() && seen < least) {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        seen = std::max(seen, rows_now());
      }
    }
    child.send(SIGKILL);
    const ChildResult result = child.wait();
    INFO(what_.suite << ", kill " << number << ", " << seen << " rows seen: " << words[0] << " "
                     << result.err);
    if (result.signal != SIGKILL) {
      CHECK(result.code == 0);
      if (std::filesystem::exists(bench_.path("x.db"))) note_run();
      return false;
    }
    if (!std::filesystem::exists(bench_.path("x.db"))) return true;
    CHECK(bench_.integrity("x.db") == "ok");
    CHECK(rows_now() >= seen);
    note_run();
    return true;
  }

  // The signal may come after the last commit; then there is nothing to continue, only to print again.
  [[nodiscard]] bool done() const {
    return !uuid_.empty() && bench_.texts("x.db", "SELECT status FROM run") == Words{"complete"};
  }

  // Which run it is; there is never another one.
  void note_run() {
    Words runs;
    try {
      runs = bench_.texts("x.db", "SELECT uuid FROM run");
      begun_ = bench_.number("x.db", "SELECT count(*) FROM segment");
    } catch (const std::exception&) {
      return;  // killed before the tables were there
    }
    if (runs.empty()) return;
    CHECK(runs.size() == 1);
    CHECK((uuid_.empty() || uuid_ == runs.front()));
    uuid_ = runs.front();
  }

  void finish() {
    Words words = next_command();
    if (done()) words = {"resume", "--db", "x.db", "--json", "--offline", uuid_};
    const ChildResult result = bench_.run(words, 100);
    INFO(what_.suite << ": " << words[0] << " " << result.err);
    CHECK(result.code == 0);
    REQUIRE(Json::accept(result.out));
    const Json tree = Json::parse(result.out);
    if (!uuid_.empty()) CHECK(tree["run"] == uuid_);
    // Only the differences are printed.
    CHECK(Json::diff(expected_, timeless(tree)).dump(1) == "[]");
    const Words rows = all_rows(bench_, "x.db");
    CHECK(rows.size() == rows_.size());
    for (std::size_t i = 0; i < rows.size() && i < rows_.size(); ++i) {
      if (rows[i] == rows_[i]) continue;
      CHECK(rows[i] == rows_[i]);
      break;
    }
    CHECK(bench_.integrity("x.db") == "ok");
    CHECK(bench_.texts("x.db", "PRAGMA foreign_key_check").empty());
    CHECK(bench_.number("x.db",
                        "SELECT count(*) FROM (SELECT 1 FROM result GROUP BY evaluation, item_id, variant, "
                        "repeat HAVING count(*) > 1)") == 0);
    check_times();
  }

  // Every segment that began is there, and the run's time is their sum.
  void check_times() {
    CHECK(bench_.number("x.db", "SELECT count(*) FROM run") == 1);
    CHECK(bench_.number("x.db", "SELECT count(*) FROM segment") >= begun_ + (uuid_.empty() ? 1 : 0));
    CHECK(bench_.number("x.db", "SELECT count(*) FROM segment WHERE seconds < 0") == 0);
    CHECK(bench_.texts("x.db", "SELECT printf('%.9f', wall_seconds) FROM v_runs") ==
          bench_.texts("x.db", "SELECT printf('%.9f', total(seconds)) FROM segment"));
  }

  Bench& bench_;
  const Case& what_;
  std::mt19937_64& random_;
  double seconds_ = 0;
  Json expected_;
  Words rows_;
  std::int64_t items_ = 0, begun_ = 0;
  std::string uuid_;
  std::uint64_t turn_ = 0;
};

}  // namespace

TEST_CASE("kill -9: continued runs end with the numbers and the rows of an undisturbed one (T7)") {
  const std::uint64_t seed = number_of("ASSAY_KILL_SEED", std::random_device{}() % 1'000'000);
  const auto wanted = static_cast<int>(number_of("ASSAY_KILLS", 25));
  std::cout << "kill test: ASSAY_KILL_SEED=" << seed << "\n";
  INFO("ASSAY_KILL_SEED=" << seed);
  std::mt19937_64 random(seed);
  const std::vector<Case> all = cases();
  int struck = 0;
  for (std::size_t c = 0; c < all.size(); ++c) {
    Bench bench;
    bench.set("ASSAY_DATA", "");
    Victim victim(bench, all[c], random);
    victim.learn();
    const int share = wanted * static_cast<int>(c + 1) / static_cast<int>(all.size());
    int idle = 0;
    while (struck < share && idle < 20) {
      const int now = victim.run(1 + static_cast<int>(random() % 3));
      struck += now;
      idle = now == 0 ? idle + 1 : 0;
    }
  }
  std::cout << "kill test: " << struck << " kills\n";
  CHECK(struck >= wanted);
}

TEST_CASE("kill -9: the same command says that it continues the run, and a finished run begins anew") {
  Bench bench;
  bench.set("ASSAY_DATA", "");
  const std::string suite = (assay::test::source_dir() / "benchmarks/suites/mia-planted.toml").string();
  const Words words{"run",       suite,       "--db",
                    "x.db",      "--offline", "--limit",
                    "300",       "--model",   "f=faulty(slow=1, slow_ms=40)",
                    "--threads", "2"};
  Child child(bench.options(words, 100));
  std::int64_t rows = 0;
  while (child.running() && rows < 20) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    try {
      if (std::filesystem::exists(bench.path("x.db")))
        rows = bench.number("x.db", "SELECT count(*) FROM result");
    } catch (const std::exception&) {
      rows = 0;  // the tables are not there yet
    }
  }
  child.send(SIGKILL);
  REQUIRE(child.wait().signal == SIGKILL);
  const Words first = bench.texts("x.db", "SELECT uuid FROM run");
  REQUIRE(first.size() == 1);

  const ChildResult second = bench.run(words);
  INFO(second.out << second.err);
  CHECK(second.code == 0);
  CHECK_THAT(second.out + second.err, ContainsSubstring("continued"));
  CHECK_THAT(second.out, ContainsSubstring(first.front().substr(0, 8)));
  CHECK(bench.texts("x.db", "SELECT uuid FROM run") == first);
  CHECK(bench.number("x.db", "SELECT count(*) FROM segment") == 2);
  CHECK(bench.number("x.db", "SELECT count(*) FROM result") == 300);

  // Nothing is left to be continued: another run, answered from the database.
  const ChildResult third = bench.run(words);
  INFO(third.out << third.err);
  CHECK(third.code == 0);
  CHECK(third.out.find("continued") == std::string::npos);
  CHECK(bench.texts("x.db", "SELECT uuid FROM run").size() == 2);
  CHECK(bench.number("x.db", "SELECT count(DISTINCT key) FROM response") ==
        bench.number("x.db", "SELECT count(*) FROM response"));
}
