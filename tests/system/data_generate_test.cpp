// Planted data on demand: the registry runs assay-planted and believes it only when the hashes agree.
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/process.hpp"
#include "harness/data/data.hpp"
#include "tests/support/places.hpp"

namespace fs = std::filesystem;
using namespace assay;
using namespace assay::host;
using Catch::Matchers::ContainsSubstring;

namespace {

const fs::path kProgram = assay::test::build_dir() / "bin" / "assay-planted";

struct Scratch {
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "assay-generate-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
    options.cache = path / "cache";
    options.use_environment = false;
    options.generators = kProgram;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  fs::path path;
  DataOptions options;
};

DataRegistry tree_registry() {
  auto registry = DataRegistry::load(assay::test::source_dir() / "benchmarks" / "registry.toml");
  if (!registry.ok()) FAIL(registry.error().text);
  return std::move(registry).value();
}

int entries(const fs::path& folder) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder))
    count += entry.path().filename() == "verified.json" ? 0 : 1;
  return count;
}

}  // namespace

TEST_CASE("a generated set is made once, checked, and then found in the cache") {
  const Scratch scratch;
  const DataRegistry registry = tree_registry();
  DataOptions options = scratch.options;
  options.generate = false;
  const auto missing = registry.resolve("planted/unlearning/items.jsonl", options);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == Code::kNotFound);

  const auto made = registry.resolve("planted/unlearning/items.jsonl", scratch.options);
  if (!made.ok()) FAIL(made.error().text);
  CHECK(made->origin == DataOrigin::kGenerated);
  CHECK(*sha256_file(made->path) == made->file->sha256);
  CHECK(entries(scratch.options.cache) ==
        3);  // one folder per file of the set, and no scratch folder is left
  const auto sibling = registry.resolve("planted/unlearning/corpus.jsonl", scratch.options);
  REQUIRE(sibling.ok());
  CHECK(sibling->origin == DataOrigin::kCache);
  options.offline = true;
  CHECK(registry.get("planted/biographies-small", options)->size() == 5);  // making needs no network
}

TEST_CASE("a generator that makes other bytes is not believed") {
  const Scratch scratch;
  const std::string text =
      "[[data]]\nname = \"w\"\ntitle = \"t\"\nlicence = \"project\"\nsource = \"s\"\nkind = \"generated\"\n"
      "generator = \"unlearning\"\nseed = 1\nfiles = [ { file = \"w/items.jsonl\", sha256 = \"" +
      sha256_hex("other") + "\", bytes = 5 } ]\n";
  REQUIRE(write_file(scratch.path / "r.toml", text).ok());
  const auto registry = DataRegistry::load(scratch.path / "r.toml");
  REQUIRE(registry.ok());
  const auto made = registry->resolve("w", scratch.options);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == Code::kData);
  CHECK_THAT(made.error().text,
             ContainsSubstring(sha256_hex("other")) && ContainsSubstring("different versions"));
  CHECK(entries(scratch.options.cache) == 0);
}

TEST_CASE("a generator that cannot run is an error with its words") {
  const Scratch scratch;
  const DataRegistry registry = tree_registry();
  DataOptions options = scratch.options;
  options.generators = scratch.path / "none";
  const auto absent = registry.resolve("planted/unlearning/items.jsonl", options);
  REQUIRE_FALSE(absent.ok());
  CHECK_THAT(absent.error().text, ContainsSubstring("cannot be generated") && ContainsSubstring("none"));
  options.generators = "/bin/false";
  const auto failing = registry.resolve("planted/unlearning/items.jsonl", options);
  REQUIRE_FALSE(failing.ok());
  CHECK_THAT(failing.error().text, ContainsSubstring("exit code 1"));
}

TEST_CASE("assay-planted answers wrong arguments with a sentence and exit code 2") {
  const Scratch scratch;
  const auto run = [](const std::vector<std::string>& arguments) {
    auto child = run_child(kProgram, arguments, 20'000);
    if (!child.ok()) FAIL(child.error().text);
    return std::move(child).value();
  };
  const std::string out = (scratch.path / "out").string();
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"mia", "--out", out},
                                                    {"mia", "--seed", "1"},
                                                    {"mia", "--seed", "x", "--out", out},
                                                    {"mai", "--seed", "1", "--out", out},
                                                    {"mia", "--seed", "1", "--out", out, "--pair", "3"},
                                                    {"mia", "--seed", "1", "--out"},
                                                    {"mia", "seed", "1"}}) {
    const ChildResult child = run(arguments);
    CHECK(child.exit_code == 2);
    CHECK_THAT(child.err, ContainsSubstring("assay-planted: "));
    CHECK_FALSE(fs::exists(out));
  }
  CHECK(run({"unlearning", "--seed", "1", "--out", out}).exit_code == 0);
  CHECK(fs::exists(scratch.path / "out" / "corpus.jsonl"));
}
