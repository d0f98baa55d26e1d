// `assay import` of the real program: what other harnesses recorded is stored and shown as they recorded it.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/data.hpp"
#include "tests/support/fixtures/bench.hpp"

using namespace assay::test;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

Json expected(const fs::path& root) {
  return Json::parse(slurp(root / "interop" / "expected.json"));
}

Json json_of(Bench& bench, Words words) {
  words.emplace_back("--json");
  const ChildResult done = bench.run(words);
  INFO(done.err);
  REQUIRE(done.code == 0);
  REQUIRE(Json::accept(done.out));
  return Json::parse(done.out);
}

/// Imports into a database of its own and gives `show latest --json`.
Json imported(Bench& bench, const fs::path& log, const std::string& database, Words more = {}) {
  Words words = {"import", log.string(), "--db", database, "--quiet"};
  words.insert(words.end(), more.begin(), more.end());
  const ChildResult done = bench.run(words);
  INFO(log.string() << ": " << done.err);
  REQUIRE(done.code == 0);
  return json_of(bench, {"show", "latest", "--db", database});
}

/// Rows by task, id and repeat, from `show --items`.
std::map<std::string, std::string> states(Bench& bench, const std::string& database) {
  std::map<std::string, std::string> found;
  const Json shown = json_of(bench, {"show", "latest", "--items", "--limit", "0", "--db", database});
  for (const Json& item : shown["items"]) {
    const std::string key = item["item"].get<std::string>() + "#" + std::to_string(item["repeat"].get<int>());
    CHECK(found.emplace(key, item["state"]).second);
  }
  return found;
}

std::map<std::string, Json> rows(Bench& bench, const std::string& database) {
  std::map<std::string, Json> found;
  const ChildResult done = bench.run({"export", "latest", "--as", "jsonl", "--db", database});
  if (done.code != 0) return found;
  for (const std::string& line : lines(done.out)) {
    Json row = Json::parse(line);
    const std::string key = row["id"].get<std::string>() + "#" + std::to_string(row["repeat"].get<int>());
    found.emplace(key, std::move(row));
  }
  return found;
}

bool close(const Json& found, const Json& wanted) {
  if (!wanted.is_number()) return found.is_null();  // NaN and infinities as text
  return found.is_number() && std::abs(found.get<double>() - wanted.get<double>()) <=
                                  1e-12 * std::max(1.0, std::abs(wanted.get<double>()));
}

/// The number that the log states; null when it is none, a text "absent" when it is not there.
Json reported(const Json& shown, const std::string& task, const std::string& metric,
              const std::string& statistic, const std::string& split = {}) {
  for (const Json& one : shown["reported"]) {
    if ((task.empty() || one["task"] == task) && one["metric"] == metric && one["split"] == split &&
        (statistic.empty() || one["statistic"] == statistic))
      return one["number"];
  }
  return "absent";
}

std::string id_text(const Json& id) {
  return id.is_string() ? id.get<std::string>() : id.dump();
}

/// Every row of every table, as SQL sees it.
std::map<std::string, Words> dump(const Bench& bench, const std::string& database) {
  std::map<std::string, Words> all;
  for (const std::string& table :
       bench.texts(database, "SELECT name FROM sqlite_master WHERE type = 'table'")) {
    std::string columns;
    for (const std::string& column :
         bench.texts(database, "SELECT name FROM pragma_table_info('" + table + "')"))
      columns += (columns.empty() ? "quote(\"" : " || '|' || quote(\"") + column + "\")";
    all[table] = bench.texts(database, "SELECT " + columns + " FROM \"" + table + "\" ORDER BY 1");
  }
  return all;
}

std::int64_t runs(const Bench& bench, const std::string& database) {
  return bench.number(database, "SELECT count(*) FROM run");
}

/// Rows of two tasks and two models, taking turns.
std::string many_rows(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    text += R"({"id":"q)" + n + R"(","task":"t)" + std::to_string(i % 2) + R"(","model":"m)" +
            std::to_string(i / 2 % 2) + R"(","input":"question )" + n + R"( of many","output":"answer )" + n +
            R"(","target":"answer )" + std::to_string(i % 3 == 0 ? i : i + 1) + R"(","em":)" +
            (i % 3 == 0 ? "1" : "0") + "}\n";
  }
  return text;
}
constexpr const char* kManyMap =
    R"({"id":"id","task":"task","model":"model","input":"input","output":"output","target":"target","metric:em":"em"})";

}  // namespace

TEST_CASE("Inspect logs: rows, states, scores and recorded numbers", "[import]") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  int number = 0, checked = 0;
  const Json logs = expected(root)["inspect"];
  for (const auto& [name, want] : logs.items()) {
    const fs::path log = root / "interop" / "inspect" / name;
    const std::string database = "log" + std::to_string(++number) + ".db";
    INFO(name);
    if (!want.value("readable", true)) {
      const ChildResult refused = bench.run({"import", log.string(), "--db", database});
      CHECK(refused.code == 3);
      CHECK(holds(refused.err, name));
      CHECK_FALSE(fs::exists(bench.path(database)));
      continue;
    }
    const Json shown = imported(bench, log, database);
    CHECK(shown["origin"] == "import");
    const auto found = states(bench, database);
    const auto exported = rows(bench, database);
    std::size_t stored = 0;
    const Json wanted = want.value("rows", Json::array());
    for (const Json& row : wanted) {
      if (row["state"] == "missing") continue;
      ++stored;
      const std::string key = id_text(row["id"]) + "#" + std::to_string(row["repeat"].get<int>() - 1);
      INFO(key);
      REQUIRE(found.contains(key));
      CHECK(found.at(key) == row["state"].get<std::string>());
      for (const auto& [metric, score] : row["scores"].items()) {
        CHECK(close(exported.at(key).value("metric:" + metric, Json()), score));
        ++checked;
      }
    }
    CHECK(found.size() == stored);
    if (!want.contains("recorded")) continue;
    for (const auto& [metric, value] : want["recorded"]["metrics"].items()) {
      INFO(metric);
      CHECK(close(reported(shown, want["task"], metric, ""), value));
    }
  }
  CHECK(checked > 30);
}

TEST_CASE("lm-eval: the numbers of every results file, legacy ones too, and of the samples", "[import]") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  int number = 0, checked = 0;
  const Json logs = expected(root)["lm_eval"];
  for (const auto& [name, want] : logs.items()) {
    INFO(name);
    const Json shown = imported(bench, root / "interop" / name, "log" + std::to_string(++number) + ".db",
                                {"--as", "lm-eval"});
    const Json results = want.value("results", Json::object());
    for (const auto& [task, numbers] : results.items()) {
      for (const auto& [key, value] : numbers.items()) {
        const std::size_t comma = key.find(',');
        std::string metric = key.substr(0, comma);
        const std::string filter = comma == std::string::npos ? "" : key.substr(comma);
        const bool error = metric.ends_with("_stderr");
        if (error) metric.resize(metric.size() - 7);
        INFO(task << " " << key);
        CHECK(close(reported(shown, task, metric + filter,
                             metric == "sample_len" ? "count"
                             : error                ? "stderr"
                                                    : "value"),
                    value));
        ++checked;
      }
    }
    if (!want.contains("rows")) continue;
    CHECK(shown["items_finished"] == want["distinct_doc_ids"]);
    for (const auto& [key, value] : want["metrics"].items()) {
      std::string metric = key;
      std::replace(metric.begin(), metric.end(), ',', '@');
      const auto line = std::find_if(shown["results"].begin(), shown["results"].end(),
                                     [&](const Json& one) { return one["metric"] == metric; });
      INFO(metric);
      REQUIRE(line != shown["results"].end());
      CHECK(close((*line)["estimate"], value["mean"]));
      CHECK((*line)["n_scored"] == value["n"]);
      ++checked;
    }
  }
  CHECK(checked > 40);
}

TEST_CASE("HELM: recorded means per split, and the rows they come from", "[import]") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  int number = 0, checked = 0;
  const Json logs = expected(root)["helm"];
  for (const auto& [name, want] : logs.items()) {
    const std::string database = "log" + std::to_string(++number) + ".db";
    const Json shown = imported(bench, root / "interop" / "helm" / name, database);
    for (const auto& [key, value] : want["recorded_means"].items()) {
      const std::size_t at = key.find('@');
      INFO(name << " " << key);
      CHECK(close(reported(shown, "", key.substr(0, at), "mean", key.substr(at + 1)), value));
    }
    const auto exported = rows(bench, database);
    for (const Json& row : want["rows"]) {
      const Json& found = exported.at(row["id"].get<std::string>() + "#" + row["trial"].dump());
      for (const auto& [metric, score] : row["scores"].items()) {
        CHECK(close(found["metric:" + metric], score));
        ++checked;
      }
    }
  }
  CHECK(checked > 30);
}

TEST_CASE("rows and batches: states and numbers, and bad lines only by consent", "[import]") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  const fs::path interop = root / "interop";
  const Json clean = imported(bench, interop / "generic_jsonl" / "clean.jsonl", "clean.db");
  CHECK(clean["items_finished"] == 4);
  REQUIRE(clean["results"].size() == 1);
  CHECK(clean["results"][0]["estimate"] == 0.625);
  CHECK(clean["results"][0]["clusters"] == 3);

  const Words messy = {"import", (interop / "generic_jsonl" / "messy.jsonl").string(),
                       "--map",  (interop / "generic_jsonl" / "messy_mapping.json").string(),
                       "--db",   "messy.db"};
  const ChildResult refused = bench.run(messy);
  CHECK(refused.code == 3);
  CHECK(holds(refused.err, "messy.jsonl:5"));
  CHECK_FALSE(fs::exists(bench.path("messy.db")));
  Words consent = messy;
  consent.emplace_back("--skip-bad-lines");
  const ChildResult partly = bench.run(consent);
  CHECK(partly.code == 0);
  const Json wanted = expected(root)["generic_jsonl"]["messy.jsonl"];
  for (const auto& [line, reason] : wanted["rejected"].items()) {
    CHECK(holds(partly.out, "messy.jsonl:" + line + ": " + reason.get<std::string>()));
  }
  const auto found = states(bench, "messy.db");
  CHECK(found.size() == 4);
  for (const auto& [line, id] : wanted["id_as_text"].items())
    CHECK(found.at(id.get<std::string>() + "#0") == wanted["states"][line].get<std::string>());

  const fs::path batch = interop / "openai_batch";
  imported(bench, batch, "batch.db", {"--as", "batch"});
  const auto answers = states(bench, "batch.db");
  const auto exported = rows(bench, "batch.db");
  const Json asked = expected(root)["openai_batch"]["rows"];
  for (const auto& [id, row] : asked.items()) {
    INFO(id);
    if (row["state"] == "missing") {
      CHECK_FALSE(answers.contains(id + "#0"));
      continue;
    }
    CHECK(answers.at(id + "#0") == row["state"].get<std::string>());
    if (row.value("output", Json()).is_string() && row["output"] != "")
      CHECK(exported.at(id + "#0")["output"] == row["output"]);
    if (row.contains("tokens") && row["tokens"][1] != 0)
      CHECK(exported.at(id + "#0")["completion_tokens"] == row["tokens"][1]);
  }
}

TEST_CASE("recorded numbers stand beside computed ones", "[import]") {
  ASSAY_NEEDS_DATA(root);
  Bench bench;
  const fs::path log = root / "interop" / "inspect" / "log_streaming.eval";
  const ChildResult done = bench.run({"import", log.string()});
  REQUIRE(done.code == 0);
  CHECK(holds(done.out, "reported by the log"));
  CHECK(holds(done.out, "computed from the rows"));
  const Json shown = json_of(bench, {"show", "latest"});
  for (const Json& one : shown["reported"]) {
    if (one["metric"] != "match/accuracy") continue;
    CHECK(one["number"] == 0.75);
    CHECK(one["computed"] == 0.75);
  }
  CHECK(shown["results"][0]["estimate"] == 0.75);
  CHECK(std::abs(shown["results"][0]["se"].get<double>() - 0.25) < 1e-12);  // over questions, as recorded
}

TEST_CASE("a log is imported once, more often only on demand, and not at all by a dry run", "[import]") {
  Bench bench;
  bench.write("a.jsonl", many_rows(40));
  bench.write("map.json", kManyMap);
  const Words words = {"import", "a.jsonl", "--map", "map.json"};
  const auto with = [&](const std::string& option) {
    Words more = words;
    more.push_back(option);
    return bench.run(more);
  };
  const ChildResult dry = with("--dry-run");
  CHECK(dry.code == 0);
  CHECK(holds(dry.out, "40 jsonl rows"));
  CHECK_FALSE(fs::exists(bench.path("assay.db")));
  REQUIRE(bench.run(words).code == 0);
  CHECK(runs(bench, "assay.db") == 1);
  CHECK(bench.number("assay.db", "SELECT count(*) FROM result") == 40);
  CHECK(bench.number("assay.db", "SELECT count(*) FROM evaluation") == 4);
  const auto before = dump(bench, "assay.db");
  CHECK(with("--dry-run").code == 0);
  CHECK(dump(bench, "assay.db") == before);
  const ChildResult second = bench.run(words);
  CHECK(second.code == 0);
  CHECK(holds(second.out, "was imported before"));
  CHECK(dump(bench, "assay.db") == before);
  CHECK(with("--again").code == 0);
  CHECK(runs(bench, "assay.db") == 2);
  CHECK(bench.number("assay.db", "SELECT count(*) FROM result") == 80);
  // The same bytes read in another way are another import.
  bench.write("other.json", R"({"id":"id","task":"task","model":"model","output":"output"})");
  CHECK(bench.run({"import", "a.jsonl", "--map", "other.json"}).code == 0);
  CHECK(runs(bench, "assay.db") == 3);
  CHECK(bench.integrity("assay.db") == "ok");
}

TEST_CASE("damaged logs are refused with their place, and nothing is stored", "[import]") {
  ASSAY_NEEDS_DATA(root);
  const fs::path interop = root / "interop";
  Bench bench;
  bench.write("good.jsonl", many_rows(8));
  bench.write("map.json", kManyMap);
  REQUIRE(bench.run({"import", "good.jsonl", "--map", "map.json"}).code == 0);
  const auto before = dump(bench, "assay.db");
  struct Log {
    std::string format;
    fs::path from;
    std::string file;  ///< that is damaged; empty: the log is this file
  };
  const std::string mmlu = "mmlu-subject=philosophy,method=multiple_choice_joint,model=openai_gpt2";
  const std::vector<Log> logs = {
      {"inspect", interop / "inspect" / "log_streaming.eval", ""},
      {"inspect", interop / "inspect" / "log_streaming.zstd.eval", ""},
      {"inspect", interop / "inspect" / "data_arc_sonnet.json", ""},
      {"lm-eval", interop / "lm_eval" / "real", "results_2026-01-21T03-44-18.458309.json"},
      {"lm-eval", interop / "lm_eval" / "real",
       "samples_math_perturbed_full_2026-01-21T03-44-18.458309.jsonl"},
      {"helm", interop / "helm" / mmlu, "scenario_state.json"},
      {"helm", interop / "helm" / mmlu, "per_instance_stats.json"},
      {"helm", interop / "helm" / mmlu, "stats.json"},
      {"helm", interop / "helm" / mmlu, "run_spec.json"},
      {"jsonl", interop / "generic_jsonl" / "clean.jsonl", ""},
      {"batch", interop / "openai_batch" / "output.jsonl", ""}};
  std::uint64_t random = 20261120;
  int number = 0;
  for (const Log& log : logs) {
    const std::string name = "damaged" + std::to_string(++number);
    const fs::path copy = bench.path(name) / log.from.filename();
    fs::create_directories(copy.parent_path());
    fs::copy(log.from, copy, fs::copy_options::recursive);
    const fs::path file = log.file.empty() ? copy : copy / log.file;
    const std::string bytes = slurp(file);
    REQUIRE(bytes.size() > 100);
    for (int attempt = 0; attempt < 5; ++attempt) {
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      std::string damaged = bytes;
      const std::size_t at = bytes.size() / 4 + (random >> 33U) % (bytes.size() / 2);
      if (attempt < 2) {
        std::size_t cut = attempt == 0 ? bytes.size() / 2 : at;
        // The text before a line's end is a whole file of lines.
        while (cut > 1 && (bytes[cut] == '\n' || bytes[cut - 1] == '\n' || bytes[cut] == '\r')) --cut;
        damaged.resize(cut);
      } else {
        for (std::size_t i = 0; i < 3; ++i) damaged[at + i] = '\xFF';  // in no UTF-8 text
      }
      fs::remove(file);
      bench.write(fs::relative(file, bench.folder()).string(), damaged);
      const ChildResult done = bench.run({"import", copy.string(), "--as", log.format});
      INFO(file.string() << ", attempt " << attempt << ", byte " << at << ": " << done.out << done.err);
      CHECK(done.code == 3);
      CHECK(holds(done.err, file.filename().string()));
      CHECK(control_character(done.err) == std::string::npos);
      CHECK(dump(bench, "assay.db") == before);
    }
  }
  bench.write("cut.csv", "id,output\n1,a\n2,\"b\n3,c\n");
  const ChildResult table = bench.run({"import", "cut.csv"});
  CHECK(table.code == 3);
  CHECK(holds(table.err, "cut.csv:3"));
  CHECK(dump(bench, "assay.db") == before);
}

TEST_CASE("an import that was killed is completed by the next one, with equal rows", "[import]") {
  Bench bench;
  bench.write("big.jsonl", many_rows(30'000));
  bench.write("map.json", kManyMap);
  const Words words = {"import", "big.jsonl", "--map", "map.json", "--quiet"};
  const auto into = [&](const std::string& database) {
    Words all = words;
    all.insert(all.end(), {"--db", database});
    return all;
  };
  const ChildResult whole = bench.run(into("whole.db"));
  INFO(whole.err);
  REQUIRE(whole.code == 0);
  const std::string reference = bench.run({"export", "latest", "--as", "jsonl", "--db", "whole.db"}).out;
  REQUIRE(lines(reference).size() == 30'000);
  const Json scores = json_of(bench, {"show", "latest", "--db", "whole.db"})["results"];
  REQUIRE(scores.size() == 4);
  std::uint64_t random = 7;
  int in_the_middle = 0;
  for (int attempt = 0; attempt < 4; ++attempt) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    const std::string database = "killed" + std::to_string(attempt) + ".db";
    Child child(bench.options(into(database)));
    // The moment is a number of stored rows, so that it does not hang on the machine's speed.
    const std::int64_t moment = 1 + static_cast<std::int64_t>((random >> 33U) % 25'000);
    while (child.running()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (fs::exists(bench.path(database)) &&
          bench.number(database, "SELECT count(*) FROM result") >= moment) {
        break;
      }
    }
    child.send(9);
    const ChildResult killed = child.wait();
    INFO("attempt " << attempt << ", killed at " << moment << " rows by signal " << killed.signal);
    const std::int64_t stored = bench.number(database, "SELECT count(*) FROM result");
    if (killed.signal == 9 && stored < 30'000) ++in_the_middle;
    const ChildResult again = bench.run(into(database));
    INFO(again.err);
    REQUIRE(again.code == 0);
    CHECK(runs(bench, database) == 1);
    CHECK(bench.number(database, "SELECT count(*) FROM result") == 30'000);
    CHECK(bench.run({"export", "latest", "--as", "jsonl", "--db", database}).out == reference);
    CHECK(json_of(bench, {"show", "latest", "--db", database})["results"] == scores);
    CHECK(bench.integrity(database) == "ok");
  }
  CHECK(in_the_middle >= 2);
}

TEST_CASE("an imported run is scored like any other", "[import]") {
  Bench bench;
  bench.write("a.jsonl", many_rows(30));
  bench.write("map.json", kManyMap);
  REQUIRE(bench.run({"import", "a.jsonl", "--map", "map.json", "--quiet"}).code == 0);
  const ChildResult scored = bench.run({"score", "latest", "--metric", "assay.exact_match", "--quiet"});
  INFO(scored.out + scored.err);
  REQUIRE(scored.code == 0);
  // What the file says and what is computed from its texts agree in every row.
  const auto found = rows(bench, "assay.db");
  REQUIRE(found.size() == 30);
  for (const auto& [key, row] : found) {
    INFO(row.dump());
    REQUIRE(row.contains("metric:assay.exact_match"));
    CHECK(row["metric:assay.exact_match"] == row["metric:em"]);
  }
}
