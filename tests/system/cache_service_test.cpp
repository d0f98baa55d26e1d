// Which stored answers are served: options, failures, damage; `assay cache stats` and `assay cache prune`.
#include <signal.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <thread>

#include "tests/support/asking/ask.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;

namespace {

const std::string kMoody = "moody=test.moody";

/// A run of the model that answers with `mood`, whatever it said before.
Json moody(Asker& bench, const std::string& mood, Words words = {}, int code = 0) {
  bench.set("ASSAY_TEST_MOOD", mood);
  words.insert(words.end(), {"--model", kMoody});
  return bench.asked(std::move(words), code);
}

double estimate(const Json& run) {
  return run["results"][0]["estimate"].get<double>();
}

/// The file is sound, and no row points to one that is gone.
void check_sound(const Bench& bench) {
  CHECK(bench.integrity("x.db") == "ok");
  CHECK(bench.texts("x.db", "PRAGMA foreign_key_check").empty());
}

std::int64_t responses(const Bench& bench) {
  return bench.number("x.db", "SELECT count(*) FROM response");
}

}  // namespace

TEST_CASE("cache: without options the first answer of a moody model is everybody's answer") {
  Asker bench;
  CHECK(estimate(moody(bench, "0.25")) == 0.25);
  const Json second = moody(bench, "0.75");
  CHECK(second["requests_served"] == 4);
  CHECK(estimate(second) == 0.25);
}

TEST_CASE("cache: --no-cache asks everything and leaves what is stored as it was") {
  Asker bench;
  moody(bench, "0.25");
  const Json ignoring = moody(bench, "0.75", {"--no-cache"});
  CHECK(ignoring["requests_served"] == 0);
  CHECK(estimate(ignoring) == 0.75);
  CHECK(responses(bench) == 8);  // a record of its own for each other answer
  CHECK(estimate(moody(bench, "0.5")) == 0.25);
  // An answer equal to the stored one needs no second row.
  CHECK(moody(bench, "0.25", {"--no-cache"})["requests_served"] == 0);
  CHECK(responses(bench) == 8);
  const Json request = bench.explained("1");
  CHECK(request["served"] == false);
  CHECK(request["servable"] == true);
}

TEST_CASE("cache: --refresh-cache asks everything, and new answers take the place of the stored ones") {
  Asker bench;
  moody(bench, "0.25", {"--label", "before"});
  const Json refreshed = moody(bench, "0.75", {"--refresh-cache"});
  CHECK(refreshed["requests_served"] == 0);
  CHECK(estimate(refreshed) == 0.75);
  const Json after = moody(bench, "0.5");
  CHECK(after["requests_served"] == 4);
  CHECK(estimate(after) == 0.75);
  // The earlier run keeps the answers that it was scored from.
  const Json item = bench.json({"show", "before", "--item", "1"})["items"][0];
  CHECK_THAT(item["responses"][0]["answer"].get<std::string>(), ContainsSubstring("0.25"));
  const Json request = bench.json({"cache", "explain", "1", "--run", "before"})["items"][0]["requests"][0];
  CHECK(request["servable"] == false);
  CHECK(request["nearest"]["differs"].empty());
}

TEST_CASE("cache: --no-cache and --refresh-cache exclude each other") {
  Asker bench;
  const ChildResult result = bench.ask({"run", "ask.toml", "--no-cache", "--refresh-cache"});
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("--refresh-cache"));
}

TEST_CASE("cache: a failed request is a record and never an answer") {
  Asker bench;
  const Json failed = moody(bench, "fail", {}, 5);
  CHECK(failed["results"][0]["states"]["error"] == 4);
  const Json good = moody(bench, "0.25");
  CHECK(good["requests_served"] == 0);
  CHECK(good["results"][0]["states"]["ok"] == 4);
  const Json request = bench.explained("1");
  CHECK(request["nearest"]["state"] == "error");
  CHECK(request["nearest"]["differs"].empty());
  CHECK_THAT(request["nearest"]["why"].get<std::string>(), ContainsSubstring("never served"));
  // A failure does not displace an answer either.
  CHECK(moody(bench, "fail", {"--refresh-cache"}, 5)["results"][0]["states"]["error"] == 4);
  CHECK(moody(bench, "fail")["requests_served"] == 4);
}

TEST_CASE("cache: an empty answer is an answer") {
  Asker bench;
  CHECK(moody(bench, "")["results"][0]["states"]["empty"] == 4);
  const Json second = moody(bench, "0.5");
  CHECK(second["requests_served"] == 4);
  CHECK(second["results"][0]["states"]["empty"] == 4);
}

TEST_CASE("cache: a damaged stored answer is asked again, with a warning") {
  Asker bench;
  const Json first = bench.asked();
  const std::string bytes = GENERATE("{\"choices\":[{\"fin", "[]", "", "{\"choices\":7}", "\xFF\xFE");
  const std::string where = " WHERE id = (SELECT min(id) FROM response)";
  std::string hex;
  for (const char c : bytes) {
    static constexpr char kDigits[] = "0123456789ABCDEF";
    hex += kDigits[static_cast<unsigned char>(c) >> 4U];
    hex += kDigits[static_cast<unsigned char>(c) & 15U];
  }
  bench.execute("x.db", "UPDATE response SET answer = CAST(x'" + hex + "' AS TEXT)" + where);
  const Json second = bench.asked();
  INFO(bytes << "\n" << second.dump());
  CHECK(second["requests_served"] == 3);
  CHECK(second["results"] == first["results"]);
  REQUIRE(second.contains("warnings"));
  CHECK(second["warnings"][0]["code"] == "W_STORED_ANSWER");
}

TEST_CASE("cache explain: a damaged request or model is said, not hidden") {
  Asker bench;
  bench.asked({"--limit", "1"});
  bench.execute("x.db", "UPDATE response SET request = '{\"kind\":'");
  Json request = bench.explained("0");
  CHECK(request["key_fits"] == false);
  CHECK_THAT(bench.ask({"cache", "explain", "0"}).out, ContainsSubstring("the row is damaged"));
  bench.execute("x.db", "UPDATE model SET identity = '7'");
  request = bench.explained("0");
  CHECK(request["model"]["parts"] == "7");
}

TEST_CASE("cache stats: counts by model and kind, in text and JSON") {
  Asker bench;
  bench.asked();
  bench.asked();
  moody(bench, "fail", {"--limit", "3"}, 5);
  const Json stats = bench.json({"cache", "stats"});
  CHECK(stats["servable"] == 4);
  CHECK(stats["records"] == 3);
  CHECK(stats["failed"] == 3);
  CHECK(stats["uses"] == 11);
  CHECK(stats["served"] == 4);
  CHECK(stats["kinds"]["generate"]["servable"] == 4);
  CHECK(stats["bytes"] ==
        bench.number("x.db",
                     "SELECT sum(length(CAST(request AS BLOB)) + coalesce(length(CAST(answer AS BLOB)), 0) + "
                     "coalesce(length(tokens), 0)) FROM response"));
  REQUIRE(stats["models"].size() == 2);
  CHECK(stats["models"][0]["name"] == "words");
  CHECK(stats["models"][0]["plugin"] == "assay.ngram");
  CHECK(stats["models"][0]["servable"] == 4);
  CHECK(stats["models"][1]["name"] == "moody");
  CHECK(stats["models"][1]["servable"] == 0);
  CHECK(stats["models"][1]["records"] == 3);
  CHECK(stats["oldest"].get<std::string>() <= stats["newest"].get<std::string>());
  const std::string text = bench.ask({"cache", "stats"}).out;
  for (const char* part : {"4 answers in x.db", "3 failed", "words", "moody", "generate"})
    CHECK_THAT(text, ContainsSubstring(part));
}

TEST_CASE("cache stats: a database without answers, and no database") {
  Asker bench;
  CHECK(bench.ask({"cache", "stats"}).code == 2);
  bench.asked();
  bench.execute("x.db", "DELETE FROM score; DELETE FROM result_response; DELETE FROM response");
  const Json stats = bench.json({"cache", "stats"});
  CHECK(stats["servable"] == 0);
  CHECK(stats["bytes"] == 0);
  CHECK(stats["oldest"].is_null());
  CHECK(stats["models"].empty());
}

TEST_CASE("cache prune: needs to be told what, and understands what it is told") {
  Asker bench;
  bench.asked();
  for (const Words& words :
       {Words{"cache", "prune"}, Words{"cache", "prune", "--dry-run"},
        Words{"cache", "prune", "--older-than", "30"}, Words{"cache", "prune", "--older-than", "xd"},
        Words{"cache", "prune", "--older-than", "-3d"}, Words{"cache", "prune", "--older-than", "nand"},
        Words{"cache", "prune", "--older-than", "1e99d"}, Words{"cache", "prune", "--model", "wordz"}}) {
    const ChildResult result = bench.ask(words);
    INFO(result.out << result.err);
    CHECK(result.code == 2);
  }
  CHECK_THAT(bench.ask({"cache", "prune", "--model", "wordz"}).err,
             ContainsSubstring("did you mean 'words'"));
  CHECK(bench.asked()["requests_served"] == 4);
}

TEST_CASE("cache prune: old answers are no longer served, and stay the record of their results") {
  Asker bench;
  const Json first = bench.asked({"--label", "old"});
  bench.execute("x.db", "UPDATE response SET created = created - 40 * 86400 WHERE id <= 2");
  const Words prune = {"cache", "prune", "--older-than", "30d"};
  Words dry = prune;
  dry.emplace_back("--dry-run");
  for (const Words& words : {dry, prune}) {
    const Json outcome = bench.json(words);
    CHECK(outcome["deleted"] == 0);
    CHECK(outcome["retired"] == 2);
    CHECK(bench.number("x.db", "SELECT count(*) FROM response WHERE key_head IS NULL") ==
          (words == prune ? 2 : 0));
  }
  check_sound(bench);
  CHECK(bench.json({"show", "old"})["results"] == first["results"]);
  CHECK_FALSE(bench.json({"show", "old", "--item", "0"})["items"][0]["responses"][0]["answer"]
                  .get<std::string>()
                  .empty());
  const Json again = bench.asked();
  CHECK(again["requests_served"] == 2);
  CHECK(again["results"] == first["results"]);
  CHECK_THAT(bench.ask(prune).out, ContainsSubstring("2 responses of results were not served anyway"));
}

TEST_CASE("cache prune: what no result points to is deleted") {
  Asker bench;
  bench.asked({"--label", "kept"});
  bench.asked({"--set", "task.ask.params.max_tokens=7"});
  // The second run's results go, as if their items had been dropped.
  bench.execute("x.db", "DELETE FROM result_response WHERE result >> 32 = 2");
  const std::int64_t bytes = bench.number("x.db",
                                          "SELECT sum(length(request) + length(answer) + "
                                          "coalesce(length(tokens), 0)) FROM response WHERE id > 4");
  const Json outcome = bench.json({"cache", "prune", "--unused"});
  CHECK(outcome["deleted"] == 4);
  CHECK(outcome["deleted_bytes"] == bytes);
  CHECK(outcome["retired"] == 0);
  CHECK(responses(bench) == 4);
  check_sound(bench);
  CHECK(bench.asked()["requests_served"] == 4);
  CHECK(bench.json({"cache", "prune", "--unused"})["deleted"] == 0);
}

TEST_CASE("cache prune: one model's answers, by name or fingerprint, and nobody else's") {
  Asker bench;
  const Words other = {"--model", "other=ngram(order=2, train=\"other.txt\")"};
  bench.asked();
  bench.asked(other);
  const bool by_name = GENERATE(true, false);
  const std::string fingerprint =
      bench.texts("x.db", "SELECT fingerprint FROM model WHERE name = 'other'")[0];
  const Json outcome =
      bench.json({"cache", "prune", "--model", by_name ? std::string("other") : fingerprint.substr(0, 8)});
  CHECK(outcome["retired"] == 4);
  CHECK(outcome["models"][0]["fingerprint"] == fingerprint);
  CHECK(bench.asked()["requests_served"] == 4);
  CHECK(bench.asked(other)["requests_served"] == 0);
  check_sound(bench);
}

TEST_CASE("cache prune: refused while a run is being worked on, possible after it died") {
  Asker bench;
  bench.asked();
  bench.set("ASSAY_TEST_MOOD", "slow");
  Child child(bench.options({"run", "ask.toml", "--plugin", asking_library().string(), "--db", "x.db",
                             "--model", kMoody, "--threads", "1", "--set", "task.ask.params.items=2000"}));
  const auto running = [&] {
    return bench.number("x.db", "SELECT count(*) FROM run WHERE status = 'running'") == 1;
  };
  for (int i = 0; i < 600 && child.running() && !running(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  REQUIRE(child.running());
  REQUIRE(running());
  const ChildResult refused = bench.ask({"cache", "prune", "--model", "words"});
  CHECK(refused.code == 4);
  CHECK_THAT(refused.err, ContainsSubstring("is being worked on"));
  CHECK(bench.number("x.db", "SELECT count(*) FROM response WHERE key_head IS NULL") == 0);
  child.send(SIGKILL);
  child.wait();
  CHECK(bench.json({"cache", "prune", "--model", "words"})["retired"] == 4);
  check_sound(bench);
}
