// GGUF models through the real program: the four families of suites with one option, bad files, the record of
// a cut.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/data.hpp"
#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"
#include "tests/support/tiny_gguf.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

std::string suite_file(const std::string& name) {
  return (assay::test::source_dir() / "benchmarks/suites" / (name + ".toml")).string();
}

/// The result of `assay run` as JSON; the code must be `code`.
Json run_json(Bench& bench, Words words, int code) {
  words.emplace_back("--json");
  const ChildResult result = bench.run(words, 280);
  INFO(result.out.substr(0, 2000) << result.err);
  REQUIRE(result.code == code);
  REQUIRE(Json::accept(result.out));
  return Json::parse(result.out);
}

const char* const kTexts =
    "{\"id\":\"a\",\"text\":\"the man and the water\",\"label\":1}\n"
    "{\"id\":\"b\",\"text\":\"a garden in the rain\",\"label\":0}\n"
    "{\"id\":\"c\",\"text\":\"the men and the house\",\"label\":1}\n"
    "{\"id\":\"d\",\"text\":\"an end to the ring and the thing, and the man and the water and the garden and "
    "the house "
    "and the street and the town and the river and the hill and the wood and the sea\",\"label\":0}\n";
const char* const kSuite = R"([suite]
name = "tiny"
seed = 1
[[task]]
plugin = "assay.labelled_texts"
name = "texts"
params = { data = "texts.jsonl" }
metrics = ["mia.loss", "mia.mink", "mia.minkpp"]
)";

}  // namespace

TEST_CASE("system llama: every family of suites runs on a GGUF model with one option") {
  ASSAY_NEEDS_DATA(data);
  const auto models = models_root();
  if (!models || !std::filesystem::exists(*models / "stories260K-f32.gguf")) {
    SKIP("the model stories260K-f32.gguf is absent: set ASSAY_MODELS to the folder that holds it");
  }
  const std::string suite =
      GENERATE("mia-wikimia", "detection-texts", "hallucination-truthfulqa", "unlearning-tofu");
  INFO(suite);
  Bench bench;
  // A bare path, as people type it.
  std::filesystem::create_symlink(*models, bench.path("models"));
  const std::string model = "llama(path=models/stories260K-f32.gguf";
  const auto scores = [&](const std::string& option, const std::string& database, int code) {
    const Json tree = run_json(bench,
                               {"run", suite_file(suite), "--model", option, "--data", data.string(),
                                "--limit", "6", "--db", database},
                               code);
    int count = 0;
    for (const Json& row : tree["results"]) {
      if (row.value("baseline", false) || !row["estimate"].is_number()) continue;
      CHECK(std::isfinite(row["estimate"].get<double>()));
      ++count;
    }
    CHECK(bench.integrity(database) == "ok");
    return count;
  };
  const std::string errors =
      "SELECT count(*) FROM result JOIN state ON result.state = state.id WHERE state.name = 'error'";
  CHECK(scores(model + ", overflow=window)", "cut.db", 0) >= 5);
  CHECK(bench.number("cut.db", errors) == 0);
  // The context is 512 tokens of a small vocabulary: without the rule, texts beyond it are errors (code 5),
  // no more.
  const bool too_long = suite == "mia-wikimia" || suite == "detection-texts";
  CHECK(scores(model + ")", "plain.db", too_long ? 5 : 0) >= 5);
  CHECK((bench.number("plain.db", errors) > 0) == too_long);
}

TEST_CASE(
    "system llama: the same run twice gives the same numbers, also without the cache and with other "
    "threads") {
  Bench bench;
  bench.write("tiny.gguf", TinyGguf{}.bytes());
  bench.write("texts.jsonl", kTexts);
  bench.write("tiny.toml", kSuite);
  const Words words = {"run", "tiny.toml", "--model", "llama(path=\"tiny.gguf\", overflow=\"window\")",
                       "--db"};
  const auto values = [&](const std::string& database, const std::string& threads) {
    Words all = words;
    all.insert(all.end(), {database, "--threads", threads});
    Json list = Json::array();
    const Json tree = run_json(bench, all, 0);
    for (const Json& row : tree["results"]) list.push_back(row["estimate"]);
    return list;
  };
  const Json first = values("x.db", "1");
  CHECK(first.size() >= 3);
  CHECK(values("y.db", "1") == first);
  CHECK(values("z.db", "4") == first);
}

TEST_CASE(
    "system llama: a text beyond the context is an item in state error unless the expression says how to "
    "cut") {
  Bench bench;
  TinyGguf tiny;
  tiny.context = 48;
  bench.write("tiny.gguf", tiny.bytes());
  bench.write("texts.jsonl", kTexts);
  bench.write("tiny.toml", kSuite);
  const auto errors = [&](const std::string& model, const std::string& database) {
    bench.run({"run", "tiny.toml", "--model", model, "--db", database});
    return bench.number(
        database,
        "SELECT count(*) FROM result JOIN state ON result.state = state.id WHERE state.name = 'error'");
  };
  CHECK(errors("llama(path=\"tiny.gguf\")", "x.db") == 1);
  CHECK(errors("llama(path=\"tiny.gguf\", overflow=\"window\")", "y.db") == 0);
  CHECK(errors("llama(path=\"tiny.gguf\", overflow=\"truncate_left\")", "z.db") == 0);
}

TEST_CASE("system llama: a bad file ends the run before it begins, with a sentence") {
  Bench bench;
  bench.write("texts.jsonl", kTexts);
  bench.write("tiny.toml", kSuite);
  const std::string whole = TinyGguf{}.bytes();
  std::string twins = whole;
  twins.replace(twins.find("<0x41>"), 6, "<0x42>");
  const auto [name, bytes, part] = GENERATE_COPY(table<std::string, std::string, std::string>(
      {{"cut.gguf", whole.substr(0, whole.size() / 2), "outside of its"},
       {"text.gguf", "this is a text", "does not begin with \"GGUF\""},
       {"twins.gguf", twins, "ends libllama"}}));
  bench.write(name, bytes);
  const ChildResult result =
      bench.run({"run", "tiny.toml", "--model", "llama(path=\"" + name + "\")", "--db", "x.db"});
  INFO(result.code << result.out << result.err);
  CHECK(result.signal == 0);
  CHECK(result.code == 3);
  CHECK_THAT(result.err, ContainsSubstring(name) && ContainsSubstring(part));
}

TEST_CASE("system llama: doctor says that GGUF models can be run, and libllama prints nothing") {
  Bench bench;
  const ChildResult doctor = bench.run({"doctor"});
  CHECK_THAT(doctor.out, ContainsSubstring("llama: GGUF models can be run"));
  bench.write("tiny.gguf", TinyGguf{}.bytes());
  bench.write("texts.jsonl", kTexts);
  bench.write("tiny.toml", kSuite);
  const ChildResult quiet = bench.run({"run", "tiny.toml", "--quiet", "--json", "--model",
                                       "llama(path=\"tiny.gguf\", overflow=\"window\")", "--db", "x.db"});
  INFO(quiet.err);
  CHECK(quiet.code == 0);
  CHECK_FALSE(holds(quiet.err, "llama_"));
  CHECK_FALSE(holds(quiet.err, "ggml"));
  CHECK(Json::accept(quiet.out));
}
