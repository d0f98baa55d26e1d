// `assay export` of the real program: rows, Every Eval Ever records, batch input; and back again by `assay
// import`.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/support/data.hpp"
#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> rows;
  for (const std::string& line : lines(text)) rows.push_back(Json::parse(line));
  return rows;
}

std::vector<fs::path> files_of(const fs::path& folder, const std::string& ending) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().string().ends_with(ending)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Runs the validator; the test is skipped when it has nothing to validate with.
ChildResult validate(Bench& bench, const fs::path& schema, const std::vector<fs::path>& files) {
  Words words = {"python3", (assay::test::source_dir() / "tests/support/check_schema.py").string(),
                 schema.string()};
  for (const fs::path& file : files) words.push_back(file.string());
  ChildResult done = bench.run_other(words);
  if (done.code == 77 || done.code == 127)
    SKIP("python3-jsonschema is absent: scripts/install-deps installs it");
  return done;
}

/// What must survive a round trip, of every row.
Json kept(const std::string& text) {
  Json rows = Json::array();
  for (const Json& row : json_lines(text)) {
    Json one;
    for (const auto& [key, value] : row.items()) {
      const bool score = key.starts_with("metric:");
      if (score || key == "id" || key == "repeat" || key == "group" || key == "state" || key == "error" ||
          key == "input" || key == "output" || key == "target" || key == "model") {
        one[key] = value;
      }
    }
    rows.push_back(one);
  }
  return rows;
}

/// Imports a row file with its mapping into a database of its own and exports it again.
std::string again(Bench& bench, const std::string& file, const std::string& to) {
  const ChildResult imported =
      bench.run({"import", file, "--as", "jsonl", "--map", file + ".map", "--db", to + ".db", "--quiet"});
  INFO(imported.err);
  REQUIRE((imported.code == 0 || imported.code == 5));
  const ChildResult exported = bench.run(
      {"export", "latest", "--db", to + ".db", "--as", "jsonl", "--out", to, "--mapping", to + ".map"});
  INFO(exported.err);
  REQUIRE(exported.code == 0);
  return slurp(bench.path(to));
}

}  // namespace

TEST_CASE("rows hold what was planted, in the order of the items", "[export]") {
  Bench bench;
  bench.small_suite(12, 7, 10);
  REQUIRE(bench.run({"run", "small.toml", "--quiet"}).code == 5);  // two items have no answer
  const ChildResult done = bench.run({"export", "latest", "--as", "jsonl"});
  REQUIRE(done.code == 0);
  const std::vector<Json> rows = json_lines(done.out);  // nothing else on standard output
  REQUIRE(rows.size() == 12);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string n = std::to_string(i);
    const Json& row = rows[i];
    INFO(row.dump());
    CHECK(row["task"] == "qa");
    CHECK(row["model"] == "script");
    CHECK(row["id"] == "q" + n);
    CHECK(row["input"] == "question " + n);
    CHECK(row["target"] == "a" + n);
    if (i < 10) {
      CHECK(row["state"] == "ok");
      CHECK(row["output"] == (i < 7 ? "a" + n : "no"));
      CHECK(row.at("metric:assay.exact_match") == (i < 7 ? 1 : 0));
    } else {
      CHECK(row["state"] == "error");
      CHECK(row["output"].is_null());
      CHECK(row["error"].is_string());
      CHECK(row.at("metric:assay.exact_match").is_null());
    }
  }
  // The same as a table, with a header and CRLF.
  const ChildResult table = bench.run({"export", "latest", "--as", "csv"});
  REQUIRE(table.code == 0);
  CHECK(std::count(table.out.begin(), table.out.end(), '\n') == 13);
  CHECK(holds(table.out, "\r\nqa,script,q3,,,,0,ok,,,question 3,a3,a3,"));
}

TEST_CASE("exported records are valid against the published schemas, and the validator finds faults",
          "[export]") {
  ASSAY_NEEDS_DATA(root);
  const fs::path eee = root / "interop" / "eee";
  const fs::path aggregates = eee / "schemas" / "eval.schema.json";
  const fs::path samples = eee / "schemas" / "instance_level_eval.schema.json";
  Bench bench;
  const ChildResult older = validate(bench, aggregates, {eee / "older_v0.2.0_aggregate.json"});
  INFO(older.out + older.err);
  CHECK(older.code == 1);
  CHECK(lines(older.out).size() == 4);
  CHECK(validate(bench, samples, {eee / "example_v0.3.0_samples.jsonl"}).code == 0);

  const fs::path suite = assay::test::source_dir() / "benchmarks/suites/quickstart.toml";
  REQUIRE(bench.run({"run", suite.string(), "--limit", "60", "--db", "quick.db", "--quiet"}, 300).code >= 0);
  bench.small_suite(12, 7, 10);
  REQUIRE(bench.run({"run", "small.toml", "--db", "small.db", "--quiet"}).code == 5);
  for (const std::string name : {"quick", "small"}) {
    const ChildResult done = bench.run({"export", "latest", "--db", name + ".db", "--as", "eee", "--out",
                                        name, "--organisation", "Müller & Söhne"});
    INFO(name << ": " << done.err);
    REQUIRE(done.code == 0);
    const std::vector<fs::path> all = files_of(bench.path(name), ".json"),
                                rows = files_of(bench.path(name), "_samples.jsonl");
    REQUIRE(all.size() >= (name == "quick" ? 10U : 1U));
    REQUIRE_FALSE(rows.empty());
    const ChildResult whole = validate(bench, aggregates, all);
    INFO(whole.out + whole.err);
    CHECK(whole.code == 0);
    const ChildResult single = validate(bench, samples, rows);
    INFO(single.out + single.err);
    CHECK(single.code == 0);
    for (const fs::path& file : all) {
      const Json tree = Json::parse(slurp(file));
      CHECK(tree["source_metadata"]["source_organization_name"] == "Müller & Söhne");
      if (!tree.contains("detailed_evaluation_results")) continue;
      const fs::path beside = bench.path(name) / (file.stem().string() + "_samples.jsonl");
      const std::vector<Json> written = json_lines(slurp(beside));
      CHECK(tree["detailed_evaluation_results"]["total_rows"] == written.size());
      std::set<std::string> results;
      for (const Json& one : tree["evaluation_results"])
        results.insert(one["evaluation_result_id"].get<std::string>());
      CHECK(results.size() == tree["evaluation_results"].size());
      std::size_t strangers = 0, disorder = 0;
      for (std::size_t i = 0; i < written.size(); ++i) {
        if (!results.contains(written[i]["evaluation_result_id"].get<std::string>())) ++strangers;
        if (i > 0 && written[i]["sample_id"] < written[i - 1]["sample_id"]) ++disorder;
      }
      CHECK(strangers == 0);
      CHECK(disorder == 0);
    }
  }
  // The planted score: 7 of 10 answered are right; the two failures stand as failures.
  const Json tree = Json::parse(slurp(files_of(bench.path("small"), ".json").at(0)));
  CHECK(tree["evaluation_results"][0]["score_details"]["details"]["state.error"] == "2");
  CHECK(tree["detailed_evaluation_results"]["total_rows"] == 12);
}

TEST_CASE("two exports of a run are equal byte for byte", "[export]") {
  Bench bench;
  bench.small_suite(12, 7, 10);
  REQUIRE(bench.run({"run", "small.toml", "--quiet"}).code == 5);
  for (const std::string format : {"jsonl", "csv", "eee", "batch"}) {
    INFO(format);
    REQUIRE(bench.run({"export", "latest", "--as", format, "--out", "one-" + format}).code == 0);
    REQUIRE(bench.run({"export", "latest", "--as", format, "--out", "two-" + format}).code == 0);
    const fs::path one = bench.path("one-" + format), two = bench.path("two-" + format);
    if (fs::is_regular_file(one)) {
      CHECK(slurp(one) == slurp(two));
      continue;
    }
    const auto files = files_of(one, "");
    REQUIRE_FALSE(files.empty());
    for (const fs::path& file : files) CHECK(slurp(file) == slurp(two / file.filename()));
  }
}

TEST_CASE("export, import, export gives the same rows", "[export]") {
  Bench bench;
  bench.small_suite(12, 7, 10);
  REQUIRE(bench.run({"run", "small.toml", "--quiet"}).code == 5);
  REQUIRE(bench.run({"export", "latest", "--as", "jsonl", "--out", "qa.jsonl", "--mapping", "qa.jsonl.map"})
              .code == 0);
  const std::string first = slurp(bench.path("qa.jsonl"));
  const std::string second = again(bench, "qa.jsonl", "qa2.jsonl");
  CHECK(kept(second) == kept(first));
  const std::string third = again(bench, "qa2.jsonl", "qa3.jsonl");
  CHECK(kept(third) == kept(second));
}

TEST_CASE("several tasks, models, variants, labels and samples survive export and import, in every way",
          "[export]") {
  Bench bench;
  std::string items;
  for (int i = 0; i < 9; ++i) {
    const std::string n = std::to_string(i);
    items += R"({"id":"q)" + n + R"(","prompt":"the word )" + n + R"(","target":["of","a"],"author":"g)" +
             std::to_string(i % 4) + R"(","form":"f)" + std::to_string(i % 2) + "\"}\n";
  }
  bench.write("items.jsonl", items);
  bench.write("train.txt", "the word of a word of the train of a thought\n");
  bench.write("asked.toml",
              "[suite]\nname = \"asked\"\nrepeats = 2\n"
              "[[model]]\nname = \"n\"\nexpr = 'ngram(order=2, train=\"train.txt\")'\n"
              "[[model]]\nname = \"org/n3\"\nexpr = 'ngram(order=3, train=\"train.txt\")'\n"
              "[[task]]\nplugin = \"assay.jsonl\"\nname = \"sampled\"\nmetrics = [\"assay.exact_match\"]\n"
              "params = { data = \"items.jsonl\", samples = 3, temperature = 1.0, max_tokens = 2, "
              "group_field = \"author\", variant_field = \"form\" }\n"
              "[[task]]\nplugin = \"assay.jsonl\"\nname = \"greedy\"\nmetrics = [\"assay.exact_match\"]\n"
              "params = { data = \"items.jsonl\", max_tokens = 1 }\n");
  Words suites = {"asked.toml"};
  for (const std::string name : {"quickstart", "hallucination-planted", "unlearning-planted", "mia-planted"})
    suites.push_back((assay::test::source_dir() / "benchmarks/suites/").string() + name + ".toml");
  std::set<std::string> seen;
  int number = 0;
  for (const std::string& suite : suites) {
    const std::string name = "suite" + std::to_string(++number), file = name + ".jsonl";
    const ChildResult ran =
        bench.run({"run", suite, "--limit", "40", "--db", name + ".db", "--quiet", "--offline"}, 200);
    INFO(suite << ": " << ran.err);
    REQUIRE((ran.code == 0 || ran.code == 10));  // a few items need not meet the expectations
    REQUIRE(bench
                .run({"export", "latest", "--db", name + ".db", "--as", "jsonl", "--out", file, "--mapping",
                      file + ".map"})
                .code == 0);
    REQUIRE(
        bench.run({"export", "latest", "--db", name + ".db", "--as", "csv", "--out", name + ".csv"}).code ==
        0);
    const std::vector<Json> first = json_lines(slurp(bench.path(file)));
    REQUIRE(first.size() >= 40);
    for (const Json& row : first) {
      for (const auto& [key, value] : row.items()) {
        if (!value.is_null()) seen.insert(key.substr(0, key.find(':')));
      }
      if (row["output"].is_array()) seen.insert("samples");
      if (row["repeat"] == 1) seen.insert("repeats");
    }
    // With the mapping, by the names of the fields, and by those of the table.
    const std::vector<Words> ways = {
        {file, "--as", "jsonl", "--map", file + ".map"}, {file}, {name + ".csv"}};
    for (const Words& way : ways) {
      const std::string back = name + "-" + std::to_string(&way - ways.data());
      Words words = {"import", "--db", back + ".db", "--quiet"};
      words.insert(words.end(), way.begin(), way.end());
      const ChildResult imported = bench.run(words);
      INFO(way.back() << ": " << imported.err);
      REQUIRE(imported.code == 0);
      const ChildResult exported = bench.run({"export", "latest", "--db", back + ".db", "--as", "jsonl"});
      REQUIRE(exported.code == 0);
      const std::vector<Json> second = json_lines(exported.out);
      REQUIRE(second.size() == first.size());
      std::size_t different = 0;
      std::string example;
      for (std::size_t i = 0; i < first.size(); ++i) {
        if (second[i] == first[i]) continue;
        if (different++ == 0) example = first[i].dump() + "\n" + second[i].dump();
      }
      INFO(example);
      CHECK(different == 0);
    }
  }
  for (const char* part : {"variant", "group", "label", "output", "metric", "state", "samples", "repeats"}) {
    INFO(part);
    CHECK(seen.contains(part));
  }
}

TEST_CASE("numbers that only the source states become valid records, marked as reported", "[export]") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  const fs::path schema = root / "interop" / "eee" / "schemas" / "eval.schema.json";
  const auto exported = [&](const fs::path& log, const std::string& name) {
    REQUIRE(bench.run({"import", (root / "interop" / log).string(), "--db", name + ".db", "--quiet"}).code ==
            0);
    const ChildResult done =
        bench.run({"export", "latest", "--db", name + ".db", "--as", "eee", "--out", name});
    INFO(log << ": " << done.err);
    REQUIRE(done.code == 0);
    return files_of(bench.path(name), ".json");
  };
  const auto judged = exported("inspect/data_with_llm_scoring.json", "judged");
  REQUIRE(judged.size() == 1);
  const Json one = Json::parse(slurp(judged[0]));
  REQUIRE(one["evaluation_results"].size() == 1);
  const Json& details = one["evaluation_results"][0]["score_details"];
  CHECK(details["score"] == 0.431);
  CHECK(details["uncertainty"]["standard_error"]["value"] == 0.01566794448817344);
  CHECK(details["uncertainty"]["num_samples"] == 1000);
  CHECK(holds(details["details"]["source"].get<std::string>(), "reported"));
  CHECK_FALSE(one.contains("detailed_evaluation_results"));

  const auto legacy = exported("lm_eval/legacy/lambada-v0-res.json", "legacy");
  REQUIRE(legacy.size() == 2);
  std::set<double> numbers;
  for (const fs::path& file : legacy)
    numbers.insert(Json::parse(slurp(file))["evaluation_results"][0]["score_details"]["score"].get<double>());
  CHECK(numbers == std::set<double>{0.0, 1.6479047769869253});

  // With rows the computed number is the score, and the stated one stands in its details.
  const auto rows = exported("inspect/log_streaming.eval", "rows");
  REQUIRE(rows.size() == 1);
  const Json computed = Json::parse(slurp(rows[0]))["evaluation_results"][0]["score_details"];
  CHECK(computed["score"] == 0.75);
  CHECK(computed["details"]["reported.match/accuracy"] == "0.75");
  CHECK_FALSE(computed["details"].contains("source"));

  std::vector<fs::path> all = judged;
  all.insert(all.end(), legacy.begin(), legacy.end());
  all.insert(all.end(), rows.begin(), rows.end());
  const ChildResult valid = validate(bench, schema, all);
  INFO(valid.out + valid.err);
  CHECK(valid.code == 0);
}

TEST_CASE("logs of other harnesses survive import, export, import", "[export]") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  int number = 0;
  for (const char* log : {"generic_jsonl/clean.jsonl", "inspect/log_formats.json",
                          "inspect/log_streaming.eval", "inspect/data_cvebench_empty_choices.json"}) {
    INFO(log);
    const std::string name = "log" + std::to_string(++number);
    const ChildResult imported =
        bench.run({"import", (root / "interop" / log).string(), "--db", name + ".db", "--quiet"});
    INFO(imported.err);
    REQUIRE((imported.code == 0 || imported.code == 5));
    const std::string file = name + ".jsonl";
    const ChildResult done = bench.run({"export", "latest", "--db", name + ".db", "--as", "jsonl", "--out",
                                        file, "--mapping", file + ".map"});
    INFO(done.err);
    REQUIRE(done.code == 0);
    const std::string first = slurp(bench.path(file));
    REQUIRE_FALSE(lines(first).empty());
    CHECK(kept(again(bench, file, name + "-again.jsonl")) == kept(first));
  }
}

TEST_CASE("batch input leads back to its items, and only what failed is asked again", "[export]") {
  Bench bench;
  bench.small_suite(12, 7, 10);
  REQUIRE(bench.run({"run", "small.toml", "--quiet"}).code == 5);
  REQUIRE(bench.run({"export", "latest", "--as", "batch", "--out", "-"}).out == [&] {
    REQUIRE(bench.run({"export", "latest", "--as", "batch", "--out", "all"}).code == 0);
    return slurp(bench.path("all") / "script-001.jsonl");
  }());
  const ChildResult done =
      bench.run({"export", "latest", "--as", "batch", "--only", "missing", "--out", "rest", "--json"});
  REQUIRE(done.code == 0);
  const Json told = Json::parse(done.out);
  CHECK(told["schema"] == "assay-export/1");
  CHECK(told["rows"] == 2);
  const std::vector<Json> rest = json_lines(slurp(bench.path("rest") / "script-001.jsonl"));
  REQUIRE(rest.size() == 2);
  CHECK(rest[0]["custom_id"] == "assay:qa:q10:0");
  CHECK(rest[1]["custom_id"] == "assay:qa:q11:0");
  CHECK(holds(rest[0]["body"].dump(), "question 10"));

  // An endpoint answers the whole batch; the answers come back as the items they were asked for.
  std::string answers;
  for (const Json& line : json_lines(slurp(bench.path("all") / "script-001.jsonl"))) {
    const Json body = {{"model", "script"},
                       {"choices",
                        {{{"index", 0},
                          {"message", {{"role", "assistant"}, {"content", line["custom_id"]}}},
                          {"finish_reason", "stop"}}}}};
    answers += Json({{"id", "r"},
                     {"custom_id", line["custom_id"]},
                     {"response", {{"status_code", 200}, {"request_id", "r"}, {"body", body}}},
                     {"error", nullptr}})
                   .dump() +
               "\n";
  }
  bench.write("answers/output.jsonl", answers);
  const ChildResult imported = bench.run({"import", "answers/output.jsonl", "--as", "batch", "--requests",
                                          "all/script-001.jsonl", "--db", "batch.db", "--quiet"});
  INFO(imported.err);
  REQUIRE(imported.code == 0);
  const ChildResult rows = bench.run({"export", "latest", "--db", "batch.db", "--as", "jsonl"});
  REQUIRE(rows.code == 0);
  std::set<std::string> ids;
  for (const Json& row : json_lines(rows.out)) {
    ids.insert(row["id"].get<std::string>());
    CHECK(row["task"] == "qa");
    CHECK(row["output"] == "assay:qa:" + row["id"].get<std::string>() + ":0");
  }
  CHECK(ids.size() == 12);
}

TEST_CASE("what cannot be exported ends with a sentence and its exit code", "[export]") {
  Bench bench;
  bench.small_suite(3);
  REQUIRE(bench.run({"run", "small.toml", "--quiet"}).code == 0);
  ChildResult done = bench.run({"export", "nightly", "--as", "jsonl"});
  CHECK(done.code == 2);
  CHECK(holds(done.err, "no run 'nightly'"));
  done = bench.run({"export", "latest", "--as", "jsnol"});
  CHECK(done.code == 2);
  CHECK(holds(done.err, "did you mean 'jsonl'"));
  done = bench.run({"export", "latest"});
  CHECK(done.code == 2);
  CHECK(holds(done.err, "--as"));
  done = bench.run({"export", "latest", "--as", "jsonl", "--task", "nothing*"});
  CHECK(done.code == 2);
  CHECK(holds(done.err, "the run has qa"));
  done = bench.run({"export", "latest", "--as", "batch", "--only", "mising"});
  CHECK(done.code == 2);
  CHECK(holds(done.err, "did you mean 'missing'"));
  done = bench.run({"export", "latest", "--as", "batch", "--only", "missing"});
  CHECK(done.code == 2);
  CHECK(holds(done.err, "every generation has an answer"));
  done = bench.run({"export", "latest", "--as", "eee", "--out", "-"});
  CHECK(done.code == 2);
  bench.write("file", "x");
  done = bench.run({"export", "latest", "--as", "jsonl", "--out", "file/below"});
  CHECK(done.code == 4);
  CHECK(holds(done.err, "file/below"));
  done = bench.run({"export", "latest", "--as", "csv", "--out", "/dev/full"});
  CHECK(done.code == 4);
  CHECK(slurp(bench.path("file")) == "x");
}

TEST_CASE("an imported batch that is not complete gives the rest of its requests", "[export]") {
  Bench bench;
  std::string requests, answers;
  for (const std::string id : {"assay:qa:a%2Fb:0", "assay:qa:a%2Fb:1", "own-7", "own-8", "own-9"}) {
    const Json body = {{"model", "m"}, {"messages", {{{"role", "user"}, {"content", "question " + id}}}}};
    requests += Json({{"custom_id", id}, {"method", "POST"}, {"url", "/v1/chat/completions"}, {"body", body}})
                    .dump() +
                "\n";
    if (id == "assay:qa:a%2Fb:1" || id == "own-9") continue;  // never came back
    Json answer = {{"id", "r"}, {"custom_id", id}, {"error", nullptr}};
    const Json choice = {
        {"index", 0}, {"message", {{"role", "assistant"}, {"content", "x"}}}, {"finish_reason", "stop"}};
    answer["response"] = {
        {"status_code", id == "own-8" ? 500 : 200}, {"request_id", "r"}, {"body", {{"choices", {choice}}}}};
    if (id == "own-8") answer["response"]["body"] = {{"error", {{"message", "broken"}}}};
    answers += answer.dump() + "\n";
  }
  bench.write("requests.jsonl", requests);
  bench.write("output.jsonl", answers);
  const ChildResult imported =
      bench.run({"import", "output.jsonl", "--as", "batch", "--requests", "requests.jsonl", "--quiet"});
  INFO(imported.err);
  REQUIRE((imported.code == 0 || imported.code == 5));
  const ChildResult done = bench.run({"export", "latest", "--as", "batch", "--only", "missing", "--requests",
                                      "requests.jsonl", "--out", "rest"});
  INFO(done.err);
  REQUIRE(done.code == 0);
  const auto files = files_of(bench.path("rest"), ".jsonl");
  REQUIRE(files.size() == 1);
  const Words all = lines(requests);
  CHECK(lines(slurp(files[0])) == Words{all[1], all[3], all[4]});
}
