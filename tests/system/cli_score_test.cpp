// Metrics over stored answers: the same numbers as a run that had them, with nothing but the database.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

const fs::path kBuild = assay::test::build_dir();
const fs::path kPlugins = kBuild / "lib/assay/plugins";

Json json_of(const ChildResult& result, int code = 0) {
  INFO(result.out << result.err);
  REQUIRE(result.code == code);
  REQUIRE(Json::accept(result.out));
  return Json::parse(result.out);
}

/// The planted membership suite without expectations, with these metrics and baselines.
std::string planted(const std::string& metrics, const std::string& baselines) {
  std::string text = slurp(assay::test::source_dir() / "benchmarks/suites/mia-planted.toml");
  text = text.substr(0, text.find("[[expect]]"));
  const std::size_t begin = text.find("metrics = ["), end = text.find("roles = ");
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  return text.substr(0, begin) + "metrics = [" + metrics + "]\nbaselines = [" + baselines + "]\n" +
         text.substr(end);
}

/// A program folder with the metric libraries and no model and no task.
fs::path metrics_only(const Bench& bench) {
  const fs::path root = bench.path("bare");
  fs::create_directories(root / "bin");
  fs::create_directories(root / "lib/assay/plugins");
  fs::create_directories(root / "share/assay");
  for (const char* name : {"assay", "assay-worker"}) fs::copy(kBuild / "bin" / name, root / "bin" / name);
  for (const char* name : {"metric_mia.so", "metric_blind.so"})
    fs::copy(kPlugins / name, root / "lib/assay/plugins" / name);
  bench.write("bare/share/assay/registry.toml", "");
  return root / "bin/assay";
}

/// What a number is called, and all that is said of it but the recipe it belongs to.
std::map<std::string, std::string> numbers(const Json& results, const std::string& metric = {}) {
  std::map<std::string, std::string> out;
  for (Json one : results) {
    if (!metric.empty() && one["metric"] != metric) continue;
    std::string name;
    for (const char* key : {"task", "model", "metric", "value", "variant", "statistic"})
      name += one[key].get<std::string>() + "|";
    one.erase("recipe");
    out[name] = one.dump();
  }
  return out;
}

/// Everything the run itself wrote, row by row.
Words own_rows(const Bench& bench, const std::string& database) {
  const std::string own =
      " IN (SELECT v.id FROM value AS v JOIN metric AS m ON m.id = v.metric"
      " WHERE m.score_set IS NULL)";
  Words rows;
  for (const std::string& query :
       {"SELECT value || '|' || result || '|' || quote(number) || '|' || state || '|' || quote(note) FROM "
        "score"
        " WHERE value" +
            own + " ORDER BY value, result",
        "SELECT evaluation || '|' || value || '|' || variant || '|' || statistic || '|' || quote(estimate) ||"
        " quote(se) || quote(lo) || quote(hi) || n_total || '|' || n_scored FROM aggregate WHERE value" +
            own + " ORDER BY 1",
        std::string(
            "SELECT id || '|' || state || '|' || item_id || '|' || quote(message) FROM result ORDER BY id"),
        std::string("SELECT id || '|' || quote(answer) || quote(tokens) || quote(request) FROM response"
                    " ORDER BY id"),
        std::string(
            "SELECT id || '|' || status || '|' || quote(reason) || n_ok FROM evaluation ORDER BY id")}) {
    const Words part = bench.texts(database, query);
    REQUIRE_FALSE(part.empty());
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

}  // namespace

TEST_CASE("score: without model, task and data, the numbers of a run that had the metric") {
  Bench bench;
  bench.set("ASSAY_DATA", "");
  bench.set("XDG_CACHE_HOME", bench.path("cache").string());  // holds the generated data, deleted below
  bench.write("few.toml", planted("\"mia.loss\"", "\"blind.date\""));
  bench.write("all.toml", planted("\"mia.loss\", \"mia.zlib\", \"mia.mink\", {id = \"mia.mink\", params = "
                                  "{k = 0.35, variant = \"shi\"}}, \"mia.ref\"",
                                  "\"blind.date\", {id = \"blind.nb\", params = {variant = \"nb_all\"}}"));
  const Json direct = json_of(bench.run({"run", "all.toml", "--db", "all.db", "--json", "--offline"}));
  json_of(bench.run({"run", "few.toml", "--db", "few.db", "--json", "--offline"}));
  const Words before = own_rows(bench, "few.db");
  const std::string program = metrics_only(bench).string();
  fs::remove_all(bench.path("cache"));
  for (const char* file : {"few.toml", "all.toml"}) fs::remove(bench.path(file));

  const Json scored = json_of(bench.run_other(
      {program, "score", "--db", "few.db", "--json", "--metric", "mia.zlib", "--metric", "mia.mink",
       "--metric", "mia.mink@shi(k=0.35)", "--metric", "mia.ref", "--metric", "blind.nb@nb_all"}));
  CHECK(scored["schema"] == "assay-score/1");
  CHECK(scored["score_set"] == "score-2");
  REQUIRE(scored["metrics"].size() == 10);  // 5 metrics, 2 models
  for (const Json& one : scored["metrics"]) {
    INFO(one.dump());
    CHECK(one["outcome"] == "computed");
    CHECK(one["items"] == 480);
    CHECK(one["asked"] == 480);
  }
  std::map<std::string, std::string> wanted = numbers(direct["results"]);
  const auto own = [](const auto& entry) {
    return holds(entry.first, "|mia.loss|") || holds(entry.first, "|blind.date@");
  };
  std::erase_if(wanted, own);
  CHECK(wanted.size() == 5 * 2 * 4 * 4);  // metrics, models, groups, statistics
  CHECK(numbers(scored["results"]) == wanted);

  // All rows of the run are as they were, and both kinds are in its table.
  CHECK(own_rows(bench, "few.db") == before);
  const Json shown = json_of(bench.run_other({program, "show", "--db", "few.db", "--json"}));
  CHECK(numbers(shown["results"]) == numbers(direct["results"]));
  CHECK(bench.integrity("few.db") == "ok");
  // The scores of the items, too.
  const std::string items =
      "SELECT o.model_name || '|' || m.name || '|' || r.item_id || '|' || quote(s.number) || s.state FROM "
      "score"
      " AS s JOIN value AS v ON v.id = s.value JOIN metric AS m ON m.id = v.metric JOIN result AS r ON"
      " r.id = s.result JOIN evaluation AS o ON o.id = r.id >> 32 ORDER BY 1";
  CHECK(bench.texts("few.db", items) == bench.texts("all.db", items));
  // Where they come from.
  CHECK(bench.texts("few.db", "SELECT label || ': ' || command_line FROM score_set") ==
        Words{"score-2: assay score latest --metric 'mia.zlib' --metric 'mia.mink' --metric "
              "'mia.mink@shi(k=0.35)' --metric 'mia.ref' --metric 'blind.nb@nb_all'"});
  CHECK(bench.number("few.db", "SELECT count(*) FROM metric WHERE score_set IS NOT NULL") == 5);
}

TEST_CASE("score: what was computed is not computed again; another library gives the same numbers") {
  Bench bench;
  bench.set("ASSAY_DATA", "");
  bench.write("few.toml", planted("\"mia.loss\", \"mia.mink\"", "\"blind.date\""));
  json_of(bench.run({"run", "few.toml", "--db", "x.db", "--json", "--offline"}));
  const Words before = own_rows(bench, "x.db");
  const Json known =
      json_of(bench.run({"score", "--db", "x.db", "--json", "--metric", "mia.mink", "--metric", "mia.mink"}));
  REQUIRE(known["metrics"].size() == 2);
  for (const Json& one : known["metrics"]) CHECK(one["outcome"] == "known");
  CHECK(known["score_set"].is_null());
  CHECK(bench.number("x.db", "SELECT count(*) FROM score_set") == 0);
  const ChildResult text = bench.run({"score", "--db", "x.db", "--metric", "mia.mink"});
  CHECK(text.code == 0);
  CHECK_THAT(text.out, ContainsSubstring("is already computed"));
  CHECK_THAT(text.out, ContainsSubstring("nothing new to compute"));

  // Bytes behind the end of a library change its digest and nothing else.
  fs::copy(kPlugins / "metric_mia.so", bench.path("other.so"));
  std::ofstream(bench.path("other.so"), std::ios::app) << "more";
  const Json again = json_of(bench.run({"score", "--db", "x.db", "--json", "--plugin", "other.so", "--metric",
                                        "mia.mink", "--as", "second opinion"}));
  CHECK(again["score_set"] == "second opinion");
  std::map<std::string, std::string> wanted, found;
  const Json shown = json_of(bench.run({"show", "--db", "x.db", "--json"}));
  for (const auto& [name, number] : numbers(shown["results"], "mia.mink@guard")) wanted[name] = number;
  REQUIRE(wanted.size() == 2 * 4 * 4);
  for (Json one : shown["results"]) {
    if (one["metric"] != "mia.mink@guard [second opinion]") continue;
    one["metric"] = "mia.mink@guard";
    found.merge(numbers(Json::array({one})));
  }
  CHECK(found == wanted);
  CHECK(own_rows(bench, "x.db") == before);

  // A third library: the label is taken, another one is found.
  std::ofstream(bench.path("other.so"), std::ios::app) << "!";
  const ChildResult taken = bench.run(
      {"score", "--db", "x.db", "--plugin", "other.so", "--metric", "mia.mink", "--as", "second opinion"});
  CHECK(taken.code == 2);
  CHECK_THAT(taken.err, ContainsSubstring("score set 'second opinion' already"));
  CHECK(json_of(bench.run({"score", "--db", "x.db", "--json", "--plugin", "other.so", "--metric",
                           "mia.mink"}))["score_set"] == "score-3");
}

TEST_CASE("score: a metric plugin that did not exist when the run was made") {
  const fs::path late = kBuild / "tests/plugins/test_late_metric.so";
  if (!fs::exists(late)) SKIP("build the target assay_test_plugins for " << late);
  Bench bench;
  bench.set("ASSAY_DATA", "");
  bench.write("few.toml", planted("\"mia.loss\"", "\"blind.date\""));
  bench.write("late.toml", planted("\"mia.loss\", \"test.late\"", "\"blind.date\""));
  json_of(bench.run({"run", "few.toml", "--db", "x.db", "--json", "--offline"}));
  const ChildResult unknown = bench.run({"score", "--db", "x.db", "--metric", "test.late"});
  CHECK(unknown.code == 2);
  const Json scored = json_of(
      bench.run({"score", "--db", "x.db", "--json", "--plugin", late.string(), "--metric", "test.late"}));
  const Json direct = json_of(
      bench.run({"run", "late.toml", "--db", "y.db", "--json", "--offline", "--plugin", late.string()}));
  const auto wanted = numbers(direct["results"], "test.late");
  CHECK(wanted.size() == 2 * 4 * (4 + 1));
  CHECK(numbers(scored["results"]) == wanted);
  // The metric found item, request and answer of every record in their places.
  for (const Json& one : scored["results"]) {
    if (one["value"] == "fits") CHECK(one["estimate"] == 1.0);
  }
  CHECK(bench.number("x.db", "SELECT count(*) FROM run_plugin WHERE plugin_id = 'test.late'") == 1);
  // Another parameter is another metric beside the first.
  const Json scaled = json_of(bench.run(
      {"score", "--db", "x.db", "--json", "--plugin", late.string(), "--metric", "test.late(scale=-1)"}));
  CHECK(scaled["score_set"] == "score-3");
  for (const Json& one : scaled["results"]) {
    if (one["value"] != "worst" || one["statistic"] != "auroc") continue;
    const Json& first = *std::find_if(scored["results"].begin(), scored["results"].end(), [&](const Json& o) {
      return o["value"] == "worst" && o["statistic"] == "auroc" && o["model"] == one["model"] &&
             o["variant"] == one["variant"];
    });
    CHECK(std::abs(one["estimate"].get<double>() + first["estimate"].get<double>() - 1) < 1e-12);
  }
}

TEST_CASE("score: what the stored answers do not hold is unsupported, with the reason") {
  Bench bench;
  bench.set("ASSAY_DATA", "");
  bench.write("few.toml", planted("\"mia.loss\"", "\"blind.date\""));
  json_of(bench.run({"run", "few.toml", "--db", "x.db", "--statistics", "needed", "--json", "--offline"}));
  const auto refused = [&](const Words& words, const std::string& reason) {
    Words all = {"score", "--db", "x.db"};
    all.insert(all.end(), words.begin(), words.end());
    const ChildResult result = bench.run(all);
    INFO(result.err);
    CHECK(result.code == 2);
    CHECK_THAT(result.err, ContainsSubstring(reason));
    CHECK(bench.number("x.db", "SELECT count(*) FROM score_set") == 0);
  };
  refused({"--metric", "mia.minkpp"}, "the stored answers hold no moments");
  refused({"--metric", "assay.exact_match"}, "the stored answers hold no generate");
  refused({"--metric", "mia.minc"}, "did you mean");
  refused({"--metric", "mia.mink(k=7)"}, "k");
  refused({"--metric", "mia.mink@guard(variant=\"floor\")"}, "given twice");
  refused({"--metric", "mia.mink", "--task", "planted-x*"}, "has planted-members");
  refused({}, "no metric given");
  refused({"--metric", "mia.mink", "--plugin", "nosuch.so"}, "no such file");
  CHECK(bench.run({"score", "nosuchrun", "--db", "x.db", "--metric", "mia.mink"}).code == 2);
  CHECK(bench.run({"score", "--db", "nosuch.db", "--metric", "mia.mink"}).code == 2);
  CHECK_FALSE(fs::exists(bench.path("nosuch.db")));
  // One that can be computed goes on; the other is named.
  const Json both = json_of(
      bench.run({"score", "--db", "x.db", "--json", "--metric", "mia.mink", "--metric", "mia.minkpp"}));
  std::map<std::string, std::string> outcomes;
  for (const Json& one : both["metrics"]) outcomes[one["metric"]] = one["outcome"];
  CHECK(outcomes == std::map<std::string, std::string>{{"mia.mink@guard", "computed"},
                                                       {"mia.minkpp@floor", "unsupported"}});
  // A run whose items are not stored.
  bench.execute("x.db", "UPDATE result SET item = NULL");
  const ChildResult old = bench.run({"score", "--db", "x.db", "--metric", "mia.zlib"});
  CHECK(old.code == 2);
  CHECK_THAT(old.err, ContainsSubstring("items of the run are not stored"));
}

TEST_CASE("score: states are kept, failed items are not asked, a cut-off scoring is completed") {
  Bench bench;
  bench.small_suite(60, 30, 50);  // 30 right, 20 wrong, 10 without an answer
  CHECK(bench.run({"run", "small.toml", "--db", "x.db"}).code == 5);
  fs::remove(bench.path("answers.jsonl"));
  fs::remove(bench.path("items.jsonl"));
  const Json scored = json_of(bench.run({"score", "--db", "x.db", "--json", "--metric", "assay.token_f1"}));
  REQUIRE(scored["metrics"].size() == 1);
  CHECK(scored["metrics"][0]["items"] == 60);
  CHECK(scored["metrics"][0]["asked"] == 50);
  const Words rows = bench.texts(
      "x.db",
      "SELECT s.value || '|' || s.result || '|' || quote(s.number) || '|' || s.state FROM score AS s JOIN "
      "value"
      " AS v ON v.id = s.value JOIN metric AS m ON m.id = v.metric WHERE m.score_set IS NOT NULL ORDER BY 1");
  CHECK(rows.size() % 60 == 0);
  CHECK(bench.number("x.db",
                     "SELECT count(*) FROM score AS s JOIN result AS r ON r.id = s.result JOIN value AS v ON"
                     " v.id = s.value JOIN metric AS m ON m.id = v.metric WHERE m.score_set IS NOT NULL AND"
                     " s.number IS NULL AND s.state = r.state AND r.state >= 5") > 0);
  // As if the program had been killed half-way through.
  bench.execute(
      "x.db",
      "DELETE FROM aggregate WHERE value IN (SELECT v.id FROM value AS v JOIN metric AS m ON"
      " m.id = v.metric WHERE m.score_set IS NOT NULL);"
      "DELETE FROM score WHERE result & 1 AND value IN (SELECT v.id FROM value AS v JOIN metric AS m"
      " ON m.id = v.metric WHERE m.score_set IS NOT NULL)");
  const Json completed =
      json_of(bench.run({"score", "--db", "x.db", "--json", "--metric", "assay.token_f1"}));
  CHECK(completed["metrics"][0]["outcome"] == "computed");
  CHECK(numbers(completed["results"]) == numbers(scored["results"]));
  CHECK(bench.texts(
            "x.db",
            "SELECT s.value || '|' || s.result || '|' || quote(s.number) || '|' || s.state FROM score AS"
            " s JOIN value AS v ON v.id = s.value JOIN metric AS m ON m.id = v.metric WHERE m.score_set"
            " IS NOT NULL ORDER BY 1") == rows);
  CHECK(bench.number("x.db", "SELECT count(*) FROM score_set") == 1);
}

TEST_CASE("score: damaged answers end it with the item's name; repaired, the same command goes on") {
  Bench bench;
  bench.small_suite(20, 10, 20);
  REQUIRE(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  bench.execute("x.db",
                "CREATE TABLE good AS SELECT id, answer FROM response;"
                "UPDATE response SET answer = '{\"choices\":[{\"fin' WHERE id = 7");
  const Words command = {"score", "--db", "x.db", "--metric", "assay.token_f1", "--as", "mine", "--json"};
  const ChildResult result = bench.run(command);
  CHECK(result.code == 3);
  CHECK_THAT(result.err, ContainsSubstring("a stored answer is damaged"));
  CHECK_THAT(result.err, ContainsSubstring("item 'q"));
  const std::string late =
      " IN (SELECT v.id FROM value AS v JOIN metric AS m ON m.id = v.metric WHERE m.score_set IS NOT NULL)";
  CHECK(bench.number("x.db", "SELECT count(*) FROM aggregate WHERE value" + late) == 0);
  bench.execute("x.db",
                "UPDATE response SET answer = (SELECT g.answer FROM good AS g WHERE g.id = response.id)");
  const Json scored = json_of(bench.run(command));
  CHECK(scored["score_set"] == "mine");
  CHECK(scored["metrics"][0]["asked"] == 20);
  CHECK(bench.number("x.db", "SELECT count(*) FROM score_set") == 1);
  CHECK(bench.number("x.db", "SELECT count(*) FROM score WHERE value" + late) % 20 == 0);
}

TEST_CASE("score: an imported log") {
  Bench bench;
  std::string rows;
  for (int i = 0; i < 40; ++i) {
    rows += Json{{"id", "i" + std::to_string(i)},
                 {"prompt", "question " + std::to_string(i)},
                 {"response", i % 4 == 0 ? "no" : "answer " + std::to_string(i)},
                 {"target", "answer " + std::to_string(i)}}
                .dump() +
            "\n";
  }
  bench.write("log.jsonl", rows);
  json_of(bench.run({"import", "log.jsonl", "--db", "x.db", "--json"}));
  fs::remove(bench.path("log.jsonl"));
  const Json scored =
      json_of(bench.run({"score", "--db", "x.db", "--json", "--metric", "assay.exact_match"}));
  bool any = false;
  for (const Json& one : scored["results"]) {
    if (one["headline"] != true) continue;
    any = true;
    CHECK(one["estimate"] == 0.75);
    CHECK(one["n_scored"] == 40);
  }
  CHECK(any);
}

TEST_CASE("score: every metric of the planted suites, by a copy of its library, gives what the run gave") {
  // Generated texts and samples, candidates, classes, distributions, reference models, fits, custom
  // aggregates.
  const auto [suite, task] =
      GENERATE(table<std::string, std::string>({{"detection-planted", "*"},
                                                {"unlearning-planted", "*"},
                                                {"hallucination-planted", "planted-facts"},
                                                {"hallucination-planted", "planted-choice"}}));
  INFO(suite << " " << task);
  Bench bench;
  bench.set("ASSAY_DATA", "");
  const std::string file = (assay::test::source_dir() / "benchmarks/suites" / (suite + ".toml")).string();
  json_of(bench.run({"run", file, "--db", "x.db", "--json", "--offline", "--limit", "120"}, 280));
  const Words before = own_rows(bench, "x.db");
  Words command = {"score", "--db", "x.db", "--json", "--task", task};
  for (const fs::directory_entry& library : fs::directory_iterator(kPlugins)) {
    const std::string name = library.path().filename().string();
    if (name.rfind("metric_", 0) != 0) continue;
    fs::copy(library.path(), bench.path(name));
    std::ofstream(bench.path(name), std::ios::app) << "other";
    command.insert(command.end(), {"--plugin", name});
  }
  const Words names = bench.texts("x.db",
                                  "SELECT DISTINCT m.name FROM metric AS m JOIN recipe AS c ON"
                                  " c.id = m.recipe WHERE c.name GLOB '" +
                                      task + "'");
  REQUIRE_FALSE(names.empty());
  for (const std::string& name : names) command.insert(command.end(), {"--metric", name});
  const Json scored = json_of(bench.run(command, 280));
  const Json shown = json_of(bench.run({"show", "--db", "x.db", "--json"}));
  const std::map<std::string, std::string> wanted = numbers(shown["results"]);
  std::size_t compared = 0;
  for (Json one : scored["results"]) {
    const auto metric = one["metric"].get<std::string>();
    const std::size_t mark = metric.rfind(" [score-2]");
    REQUIRE(mark != std::string::npos);
    one["metric"] = metric.substr(0, mark);
    const auto found = numbers(Json::array({one}));
    INFO(found.begin()->first);
    REQUIRE(wanted.contains(found.begin()->first));
    CHECK(found.begin()->second == wanted.at(found.begin()->first));
    ++compared;
  }
  CHECK(compared >= 5);
  CHECK(own_rows(bench, "x.db") == before);
}
