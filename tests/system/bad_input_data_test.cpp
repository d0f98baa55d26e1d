// Damaged and missing data: the line is named, the good rows are kept, nothing is scored that is not there.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

TEST_CASE("bad data: rows that cannot be used are named by line, the others are kept") {
  Bench bench;
  bench.small_suite(10);
  const Words rows = lines(slurp(bench.path("items.jsonl")));
  bench.write("items.jsonl", rows[0] + "\n" + rows[1] + "\n" + "{\"id\": \"broken\", \"prompt\": \n" +
                                 rows[3] + "\n{\"id\":\"u\",\"prompt\":\"p\xfe\",\"target\":\"x\"}\n" +
                                 rows[5] + "\n[1,2]\n{\"id\":\"bare\"}\n" + rows[0] + "\n" + rows[9] + "\n");
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--json"});
  INFO(result.out << result.err);
  REQUIRE(Json::accept(result.out));
  const Json tree = Json::parse(result.out);
  CHECK(tree["results"][0]["n_total"] == 5);
  CHECK(tree["results"][0]["estimate"] == 1);
  const std::string warnings = tree["warnings"].dump();
  for (const char* place :
       {"items.jsonl:3:", "items.jsonl:5:", "items.jsonl:7:", "items.jsonl:8:", "items.jsonl:9:"})
    CHECK_THAT(warnings, ContainsSubstring(place));
  CHECK_THAT(warnings, ContainsSubstring("UTF-8"));
  CHECK_THAT(bench.run({"show", "--db", "x.db", "--json"}).out, ContainsSubstring("items.jsonl:3:"));
}

TEST_CASE("bad data: many bad rows are counted and do not flood the terminal") {
  Bench bench;
  bench.small_suite(300);
  std::string text = slurp(bench.path("items.jsonl"));
  for (int i = 0; i < 5000; ++i) text += "{broken\n";
  bench.write("items.jsonl", text);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db"});
  INFO(result.out.substr(0, 5000));
  CHECK(lines(result.out).size() < 40);
  CHECK_THAT(result.out, ContainsSubstring("5000"));
  CHECK_THAT(result.out, ContainsSubstring("items.jsonl:301"));
}

TEST_CASE("bad data: no usable row at all is code 3 with the first reason") {
  Bench bench;
  bench.small_suite(3);
  const std::string bytes = GENERATE(std::string(), std::string("\n\n"), std::string("\xff\xfe\x00\x01", 4),
                                     std::string("[]"), std::string("{\"x\":1}\n"), std::string("garbage\n"));
  bench.write("items.jsonl", bytes);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db"});
  INFO(result.out << result.err);
  CHECK(result.code == 3);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, ContainsSubstring("items.jsonl"));
  CHECK(control_character(result.err) == std::string::npos);
}

TEST_CASE("bad data: a file that is not there") {
  Bench bench;
  bench.small_suite(3);
  bench.variant("bad.toml", "items.jsonl", "nosuch.jsonl");
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db"});
  INFO(result.err);
  CHECK(result.code == 3);
  CHECK_THAT(result.err, ContainsSubstring("bad.toml:9:") && ContainsSubstring("nosuch.jsonl"));
  CHECK_FALSE(std::filesystem::exists(bench.path("x.db")));
}

TEST_CASE("bad data: a known data set that is missing is code 3 and says what to run") {
  Bench bench;
  bench.small_suite(3);
  bench.variant("bad.toml", "items.jsonl", "data:wikimia/32");
  std::filesystem::create_directories(bench.path("empty-mirror"));
  bench.set("ASSAY_DATA", bench.path("empty-mirror").string());
  bench.set("XDG_CACHE_HOME", bench.path("cache").string());
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db", "--offline"});
  INFO(result.err);
  CHECK(result.code == 3);
  CHECK_THAT(result.err, ContainsSubstring("assay data get wikimia/32") && ContainsSubstring("bad.toml:9:"));
}

TEST_CASE("bad data: a data set whose bytes changed is refused with both hashes") {
  Bench bench;
  bench.small_suite(3);
  bench.variant("bad.toml", "items.jsonl", "data:wikimia/32");
  bench.write("mirror/mia/wikimia/WikiMIA_length32.jsonl", "{\"input\":\"x\",\"label\":1}\n");
  bench.set("XDG_CACHE_HOME", bench.path("cache").string());
  bench.set("ASSAY_DATA", "");
  const ChildResult result =
      bench.run({"run", "bad.toml", "--db", "x.db", "--offline", "--data", bench.path("mirror").string()});
  INFO(result.err);
  CHECK(result.code == 3);
  CHECK_THAT(result.err, ContainsSubstring("WikiMIA_length32.jsonl"));
  CHECK_THAT(result.err, ContainsSubstring("SHA-256") && ContainsSubstring("--data"));
}

TEST_CASE("bad data: an unknown data set is code 2 with the nearest name") {
  Bench bench;
  bench.small_suite(3);
  bench.variant("bad.toml", "items.jsonl", "data:wikimia/33");
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db"});
  INFO(result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("wikimia/33") && ContainsSubstring("did you mean 'wikimia/32'"));
  const ChildResult get = bench.run({"data", "get", "wikimia/33"});
  CHECK(get.code == 2);
  CHECK_THAT(get.err, ContainsSubstring("did you mean 'wikimia/32'"));
}

TEST_CASE("bad data: a mirror folder that does not exist is a usage error") {
  Bench bench;
  bench.small_suite(3);
  bench.variant("bad.toml", "items.jsonl", "data:wikimia/32");
  const ChildResult result = bench.run({"run", "bad.toml", "--db", "x.db", "--data", "/nonexistent/mirror"});
  INFO(result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("/nonexistent/mirror"));
}

TEST_CASE("bad data: damaged recordings are code 3 with the line") {
  Bench bench;
  bench.small_suite(3);
  struct Recording {
    std::string bytes;
    Words parts;
  };
  const std::string head =
      "{\"format\":\"assay.replay/"
      "1\",\"model\":\"m\",\"capabilities\":[\"generate\"],\"key_mode\":\"item\"}\n";
  const Recording recording = GENERATE_COPY(
      Recording{"", {"answers.jsonl"}}, Recording{head, {"answers.jsonl", "record"}},
      Recording{head + "{\"key\":\"q0\",\"text\":\"a\"}\n{\"key\":\n", {"answers.jsonl:3"}},
      Recording{head + "{\"key\":\"q0\",\"text\":\"a\"}\n{\"key\":\"q0\",\"text\":\"b\"}\n",
                {"answers.jsonl:3", "q0"}},
      Recording{"{\"format\":\"assay.replay/9\",\"model\":\"m\"}\n{\"key\":\"q0\",\"text\":\"a\"}\n",
                {"answers.jsonl:1", "assay.replay/9"}},
      Recording{"{\"format\":\"assay.replay/"
                "1\",\"model\":\"m\",\"capabilities\":[\"generat\"]}\n{\"key\":\"q0\"}\n",
                {"answers.jsonl:1", "generat"}});
  bench.write("answers.jsonl", recording.bytes);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db"});
  INFO(recording.bytes << "\n" << result.out << result.err);
  CHECK(result.code == 3);
  for (const std::string& part : recording.parts) CHECK_THAT(result.err, ContainsSubstring(part));
}
