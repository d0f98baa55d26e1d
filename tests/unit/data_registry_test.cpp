// The registry file and the resolution of names to checked files.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/data/data.hpp"
#include "tests/support/data.hpp"
#include "tests/support/places.hpp"

namespace fs = std::filesystem;
using namespace assay;
using namespace assay::host;
using Catch::Matchers::ContainsSubstring;

namespace {

/// A folder of its own for every test.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "assay-data-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  fs::path put(const std::string& name, const std::string& bytes) const {
    REQUIRE(write_file(path_ / name, bytes).ok());
    return path_ / name;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// ASSAY_DATA as the test wants it; the value of before comes back, because other tests read it.
class DataVariable {
 public:
  DataVariable() : before_(environment("ASSAY_DATA")) { ::unsetenv("ASSAY_DATA"); }
  ~DataVariable() {
    if (before_.empty())
      ::unsetenv("ASSAY_DATA");
    else
      ::setenv("ASSAY_DATA", before_.c_str(), 1);
  }
  DataVariable(const DataVariable&) = delete;
  DataVariable& operator=(const DataVariable&) = delete;
  static void set(const fs::path& value) { ::setenv("ASSAY_DATA", value.c_str(), 1); }

 private:
  std::string before_;
};

std::string entry(const std::string& name, const std::string& file, const std::string& bytes) {
  return "[[data]]\nname = \"" + name + "\"\ntitle = \"t\"\nlicence = \"MIT\"\nsource = \"s\"\nfile = \"" +
         file + "\"\nsha256 = \"" + sha256_hex(bytes) + "\"\nbytes = " + std::to_string(bytes.size()) + "\n";
}

DataOptions options_of(const Scratch& scratch) {
  DataOptions options;
  options.cache = scratch.path() / "cache";
  options.use_environment = false;
  return options;
}

std::string load_error(const Scratch& scratch, const std::string& text) {
  const auto registry = DataRegistry::load(scratch.put("r.toml", text));
  REQUIRE_FALSE(registry.ok());
  CHECK(registry.error().code == Code::kInvalidArgument);
  return registry.error().text;
}

}  // namespace

TEST_CASE("the registry of the tree is well formed and complete") {
  const auto registry = DataRegistry::load(assay::test::source_dir() / "benchmarks" / "registry.toml");
  if (!registry.ok()) FAIL(registry.error().text);
  CHECK(registry->sets().size() >= 60);
  for (const char* name : {"wikimia/32", "gutenberg", "detection/xsum_gpt-4", "tofu/forget10_perturbed",
                           "pope/random", "truthfulqa/v2_mc", "planted/mia", "planted/biographies-small"})
    CHECK(registry->find(name).ok());
  for (const DataSet& set : registry->sets())
    for (const DataFile& file : set.files)
      if (!file.url.empty()) CHECK(file.url.compare(0, 34, "https://raw.githubusercontent.com/") == 0);
}

TEST_CASE("every file of the mirror has the registry's bytes") {
  ASSAY_NEEDS_DATA(root);
  const Scratch scratch;
  const auto registry = DataRegistry::load(assay::test::source_dir() / "benchmarks" / "registry.toml");
  REQUIRE(registry.ok());
  DataOptions options = options_of(scratch);
  options.mirror = root;
  int seen = 0;
  for (const DataSet& set : registry->sets()) {
    if (set.kind == DataKind::kGenerated) continue;
    INFO(set.name);
    const auto found = registry->resolve(set.name, options);
    if (!found.ok()) FAIL(found.error().text);
    CHECK(found->origin == DataOrigin::kMirror);
    CHECK(fs::file_size(found->path) == found->file->bytes);
    if (found->file->rows != 0 && found->path.extension() == ".jsonl") {
      const auto bytes = read_file(found->path, std::size_t{1} << 26);
      REQUIRE(bytes.ok());
      CHECK(static_cast<std::uint64_t>(std::count(bytes->begin(), bytes->end(), '\n')) == found->file->rows);
    }
    ++seen;
  }
  CHECK(seen >= 50);
}

TEST_CASE("mistakes in a registry file are named with their line") {
  const Scratch scratch;
  const std::string good = entry("a/b", "x/y.txt", "hello");
  CHECK_THAT(
      load_error(scratch, good + "licens = \"MIT\"\n"),
      ContainsSubstring("r.toml:9: unknown key 'licens'") && ContainsSubstring("did you mean 'licence'?"));
  CHECK_THAT(load_error(scratch, "[[dat]]\nname = \"x\"\n"), ContainsSubstring("did you mean 'data'?"));
  CHECK_THAT(load_error(scratch, good + good), ContainsSubstring("declared already at"));
  CHECK_THAT(load_error(scratch, entry("a", "../etc/x", "1")), ContainsSubstring("without '..'"));
  CHECK_THAT(load_error(scratch, entry("a", "/etc/x", "1")), ContainsSubstring("relative path"));
  CHECK_THAT(load_error(scratch, good + "url = \"ftp://host/x\"\n"), ContainsSubstring("https://"));
  CHECK_THAT(load_error(scratch, good + "url = \"file:///etc/passwd\"\n"), ContainsSubstring("https://"));
  CHECK_THAT(load_error(scratch, good + "rows = \"7\"\n"),
             ContainsSubstring("r.toml:9: 'rows' must be a whole number"));
  CHECK_THAT(load_error(scratch, good + "seed = 1\n"), ContainsSubstring("kind = \"generated\""));
  CHECK_THAT(load_error(scratch, good + "kind = \"made\"\n"), ContainsSubstring("\"file\" or \"generated\""));
  CHECK_THAT(load_error(scratch, "[[data]]\nname = \"a\"\n"), ContainsSubstring("no 'title'"));
  CHECK_THAT(load_error(scratch, "[[data]\n"), ContainsSubstring("not valid TOML"));
  std::string short_hash = good;
  short_hash.replace(short_hash.find("sha256 = \"") + 10, 64, "abc");
  CHECK_THAT(load_error(scratch, short_hash), ContainsSubstring("64 lower-case hexadecimal"));
  const auto absent = DataRegistry::load(scratch.path() / "none.toml");
  REQUIRE_FALSE(absent.ok());
  CHECK(absent.error().code == Code::kNotFound);
}

TEST_CASE("names are found, parts of sets too, and near misses are answered") {
  const Scratch scratch;
  const std::string two =
      "[[data]]\nname = \"w/two\"\ntitle = \"t\"\nlicence = \"MIT\"\nsource = \"s\"\nfiles = [\n  { file = "
      "\"w/one.txt\", "
      "sha256 = \"" +
      sha256_hex("1") + "\", bytes = 1 },\n  { file = \"w/two.txt\", sha256 = \"" + sha256_hex("2") +
      "\", bytes = 1 },\n]\n";
  const auto registry = DataRegistry::load(scratch.put("r.toml", entry("a/b", "x/y.txt", "hello") + two));
  REQUIRE(registry.ok());
  scratch.put("mirror/x/y.txt", "hello");
  scratch.put("mirror/w/one.txt", "1");
  scratch.put("mirror/w/two.txt", "2");
  DataOptions options = options_of(scratch);
  options.mirror = scratch.path() / "mirror";

  CHECK(registry->resolve("a/b", options)->path == scratch.path() / "mirror/x/y.txt");
  CHECK(registry->resolve("a/b/y.txt", options)->path == scratch.path() / "mirror/x/y.txt");
  CHECK(registry->resolve("w/two/two.txt", options)->sha256 == sha256_hex("2"));
  CHECK(registry->resolve_all("w/two", options)->size() == 2);

  const auto many = registry->resolve("w/two", options);
  REQUIRE_FALSE(many.ok());
  CHECK_THAT(many.error().text,
             ContainsSubstring("2 files") && ContainsSubstring("w/two/one.txt, w/two/two.txt"));
  const auto part = registry->resolve("w/two/tow.txt", options);
  REQUIRE_FALSE(part.ok());
  CHECK_THAT(part.error().text, ContainsSubstring("did you mean 'two.txt'?"));
  const auto near = registry->find("a/c");
  REQUIRE_FALSE(near.ok());
  CHECK(near.error().code == Code::kNotFound);
  CHECK_THAT(near.error().text, ContainsSubstring("did you mean 'a/b'?"));
}

TEST_CASE("places are searched in order: --data, ASSAY_DATA, cache") {
  const Scratch scratch;
  const auto registry = DataRegistry::load(scratch.put("r.toml", entry("a", "x/y.txt", "hello")));
  REQUIRE(registry.ok());
  DataOptions options = options_of(scratch);
  options.use_environment = true;
  const DataVariable variable;

  auto found = registry->resolve("a", options);
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().code == Code::kNotFound);
  CHECK_THAT(found.error().text, ContainsSubstring("data set 'a' is missing") &&
                                     ContainsSubstring("x/y.txt") && ContainsSubstring("no public address") &&
                                     ContainsSubstring("(5 B, MIT)"));

  scratch.put("cache/" + sha256_hex("hello") + "/y.txt", "hello");
  CHECK(registry->resolve("a", options)->origin == DataOrigin::kCache);
  scratch.put("environment/x/y.txt", "hello");
  DataVariable::set(scratch.path() / "environment");
  CHECK(registry->resolve("a", options)->origin == DataOrigin::kEnvironment);
  scratch.put("mirror/x/y.txt", "hello");
  options.mirror = scratch.path() / "mirror";
  CHECK(registry->resolve("a", options)->origin == DataOrigin::kMirror);

  // A mirror without this file is no mistake; a mirror that does not exist is one.
  fs::remove(scratch.path() / "mirror/x/y.txt");
  CHECK(registry->resolve("a", options)->origin == DataOrigin::kEnvironment);
  options.mirror = scratch.path() / "nowhere";
  found = registry->resolve("a", options);
  REQUIRE_FALSE(found.ok());
  CHECK_THAT(found.error().text, ContainsSubstring("--data names") && ContainsSubstring("not a folder"));
}

TEST_CASE("a file with other bytes is refused, and both hashes are named") {
  const Scratch scratch;
  const auto registry = DataRegistry::load(scratch.put("r.toml", entry("a", "x/y.txt", "hello")));
  REQUIRE(registry.ok());
  DataOptions options = options_of(scratch);
  options.mirror = scratch.path() / "mirror";
  scratch.put("mirror/x/y.txt", "jello");
  const auto found = registry->resolve("a", options);
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().code == Code::kData);
  CHECK_THAT(found.error().text,
             ContainsSubstring(sha256_hex("hello")) && ContainsSubstring(sha256_hex("jello")));
  const auto checks = registry->verify("a", options);
  REQUIRE(checks.ok());
  CHECK(checks->front().state == FileCheck::State::kWrong);
  CHECK(checks->front().found_sha256 == sha256_hex("jello"));
}

TEST_CASE("a hash is remembered until size or modification time change, and verify() trusts nothing") {
  const Scratch scratch;
  const auto registry = DataRegistry::load(scratch.put("r.toml", entry("a", "x/y.txt", "hello")));
  REQUIRE(registry.ok());
  DataOptions options = options_of(scratch);
  options.mirror = scratch.path() / "mirror";
  const fs::path file = scratch.put("mirror/x/y.txt", "hello");
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(file, old);
  REQUIRE(registry->resolve("a", options).ok());
  const auto memory = read_file(scratch.path() / "cache/verified.json", 1 << 20);
  REQUIRE(memory.ok());
  CHECK_THAT(*memory, ContainsSubstring(file.string()) && ContainsSubstring(sha256_hex("hello")));

  // Same size, same time, other bytes: only verify() sees it. This shows that resolve() did not hash again.
  std::ofstream(file, std::ios::binary) << "jello";
  fs::last_write_time(file, old);
  CHECK(registry->resolve("a", options).ok());
  CHECK(registry->verify("a", options)->front().state == FileCheck::State::kWrong);
  // Another time: hashed again.
  fs::last_write_time(file, old + std::chrono::seconds(5));
  CHECK_FALSE(registry->resolve("a", options).ok());

  // A damaged memory is no memory.
  scratch.put("cache/verified.json", "{\"version\":1,\"files\":[1,2");
  fs::remove(file);
  scratch.put("mirror/x/y.txt", "hello");
  CHECK(registry->resolve("a", options).ok());
  // A file that was written a moment ago is not remembered: it may change within the clock's resolution.
  CHECK(read_file(scratch.path() / "cache/verified.json", 1 << 20)->find(sha256_hex("hello")) ==
        std::string::npos);
}

TEST_CASE("a cache that cannot be written costs nothing but time") {
  const Scratch scratch;
  const auto registry = DataRegistry::load(scratch.put("r.toml", entry("a", "x/y.txt", "hello")));
  REQUIRE(registry.ok());
  DataOptions options = options_of(scratch);
  options.mirror = scratch.path() / "mirror";
  options.cache = scratch.put("not-a-folder", "x");
  const fs::path file = scratch.put("mirror/x/y.txt", "hello");
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(1));
  CHECK(registry->resolve("a", options).ok());
}

TEST_CASE("the standard registry is found, and ASSAY_REGISTRY adds to it") {
  const Scratch scratch;
  const std::string before = environment("ASSAY_REGISTRY");
  ::setenv("ASSAY_REGISTRY", scratch.put("mine.toml", entry("my/set", "x/y.txt", "hello")).c_str(), 1);
  const auto both = DataRegistry::open();
  ::setenv("ASSAY_REGISTRY", scratch.put("clash.toml", entry("wikimia/32", "x/y.txt", "hello")).c_str(), 1);
  const auto clash = DataRegistry::open();
  before.empty() ? ::unsetenv("ASSAY_REGISTRY") : ::setenv("ASSAY_REGISTRY", before.c_str(), 1);
  if (!both.ok()) FAIL(both.error().text);
  CHECK(both->find("my/set").ok());
  CHECK(both->find("wikimia/32").ok());
  REQUIRE_FALSE(clash.ok());
  CHECK_THAT(clash.error().text, ContainsSubstring("ASSAY_REGISTRY") && ContainsSubstring("clash.toml:1") &&
                                     ContainsSubstring("registry.toml:"));
}

TEST_CASE("sizes are shown in units of 1024") {
  CHECK(size_text(0) == "0 B");
  CHECK(size_text(1023) == "1023 B");
  CHECK(size_text(1024) == "1.0 KiB");
  CHECK(size_text(176087) == "171.9 KiB");
  CHECK(size_text(std::uint64_t{5} << 30) == "5.0 GiB");
}
