// Different outcomes stay different: empty, truncated, refused, wrong and failed items (T10, T11).
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

/// 1 right, 2 wrong, 3 empty, 4 truncated, 5 refused, 6 without a record.
void scripted(const Bench& bench) {
  bench.small_suite(21);
  std::string answers =
      R"({"format":"assay.replay/1","model":"script","capabilities":["generate"],"key_mode":"item"})"
      "\n";
  const auto add = [&](int from, int count, const std::string& rest) {
    for (int i = from; i < from + count; ++i)
      answers += R"({"key":"q)" + std::to_string(i) + "\"," + rest + "}\n";
  };
  add(0, 1, R"("text":"a0","finish_reason":"stop")");
  add(1, 2, R"("text":"something else","finish_reason":"stop")");
  add(3, 3, R"("text":"","finish_reason":"stop")");
  add(6, 4, R"("text":"an answer that was cut o","finish_reason":"length")");
  add(10, 5, R"("text":"","finish_reason":"content_filter")");
  bench.write("answers.jsonl", answers);
}

}  // namespace

TEST_CASE("states: five outcomes, five counts, in run, show and the database (T11)") {
  Bench bench;
  scripted(bench);
  const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db", "--json"});
  INFO(run.out << run.err);
  CHECK(run.code == 5);
  const Json row = Json::parse(run.out)["results"][0];
  CHECK(row["n_total"] == 21);
  CHECK(row["states"]["ok"] == 3);
  CHECK(row["states"]["empty"] == 3);
  CHECK(row["states"]["truncated"] == 4);
  CHECK(row["states"]["refused"] == 5);
  CHECK(row["states"]["error"] == 6);
  // What was scored: right, wrong and cut answers; the others have no value and are counted.
  const ChildResult shown = bench.run({"show", "--db", "x.db", "--json"});
  CHECK(shown.code == 0);
  CHECK(Json::parse(shown.out)["results"][0]["states"] == row["states"]);
  CHECK(Json::parse(shown.out)["status"] == "incomplete");
  for (const auto& [state, count] : std::map<std::string, std::size_t>{
           {"ok", 3}, {"empty", 3}, {"truncated", 4}, {"refused", 5}, {"error", 6}, {"timeout", 0}}) {
    const ChildResult items = bench.run({"show", "--items", "--state", state, "--db", "x.db", "--json"});
    INFO(state);
    CHECK(items.code == 0);
    CHECK(Json::parse(items.out)["items"].size() == count);
    CHECK(bench.number("x.db",
                       "SELECT count(*) FROM result JOIN state ON state.id = result.state WHERE name = '" +
                           state + "'") == static_cast<std::int64_t>(count));
  }
}

TEST_CASE("states: the table says what was not scored, and between which bounds the score lies") {
  Bench bench;
  scripted(bench);
  const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db"});
  CHECK(run.code == 5);
  for (const char* part : {"3 empty", "4 truncated", "5 refused", "6 error"})
    CHECK_THAT(run.out, ContainsSubstring(part));
  CHECK_THAT(run.out, ContainsSubstring("bounds"));
}

TEST_CASE("states: 10 of 100 items in error are counted, not scored, and end in code 5 (T10)") {
  Bench bench;
  bench.small_suite(100, 45, 90);
  const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db", "--json"});
  CHECK(run.code == 5);
  const Json tree = Json::parse(run.out);
  CHECK(tree["exit_code"] == 5);
  const Json row = tree["results"][0];
  CHECK(row["n_total"] == 100);
  CHECK(row["n_scored"] == 90);
  CHECK(row["states"]["error"] == 10);
  CHECK(row["estimate"].get<double>() == 0.5);
  CHECK(row["bounds"][0].get<double>() == Catch::Approx(0.45).epsilon(1e-12));
  CHECK(row["bounds"][1].get<double>() == Catch::Approx(0.55).epsilon(1e-12));
  CHECK_THAT(bench.run({"show", "--items", "--state", "error", "--db", "x.db"}).out,
             ContainsSubstring("no_record"));
}

TEST_CASE("states: without an item in trouble the code is 0, and wrong answers are no trouble") {
  Bench bench;
  bench.small_suite(10, 0, 10);
  const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db", "--json"});
  CHECK(run.code == 0);
  CHECK(Json::parse(run.out)["results"][0]["estimate"] == 0);
  CHECK(Json::parse(run.out)["results"][0]["states"]["ok"] == 10);
}

TEST_CASE("states: --fail-fast stops at the first failed item and keeps what was finished") {
  Bench bench;
  bench.small_suite(9000, 10, 10);
  const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db", "--fail-fast", "--json"});
  INFO(run.err);
  CHECK(run.code != 0);
  CHECK_THAT(run.err, ContainsSubstring("--fail-fast"));
  const std::int64_t kept = bench.number("x.db", "SELECT count(*) FROM result");
  CHECK(kept >= 11);
  CHECK(kept < 9000);
  CHECK(bench.number("x.db", "SELECT count(*) FROM result WHERE state = 0") == 10);
  CHECK(bench.integrity("x.db") == "ok");
  CHECK(bench.texts("x.db", "SELECT status FROM run") != Words{"running"});
}

TEST_CASE("states: thousands of equal failures are one count, not thousands of messages") {
  Bench bench;
  bench.small_suite(9000, 1, 1);
  const ChildResult run = bench.run({"run", "small.toml", "--db", "x.db"});
  INFO(run.err.substr(0, 2000));
  CHECK(run.code != 0);
  CHECK(lines(run.err).size() < 30);
  CHECK(lines(run.out).size() < 40);
}
