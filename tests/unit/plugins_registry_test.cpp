// Discovery, scan states, the cache, names and loading, with the libraries of tests/support/plugins.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "assay/sdk/abi.hpp"
#include "harness/base/files.hpp"
#include "harness/base/process.hpp"
#include "harness/plugins/registry.hpp"
#include "tests/support/places.hpp"

namespace {

namespace fs = std::filesystem;
using assay::host::LibraryRecord;
using assay::host::Registry;
using assay::host::RegistryOptions;
using assay::host::ScanState;
using Catch::Matchers::ContainsSubstring;

const fs::path kPlugins = assay::test::build_dir() / "tests/plugins";
const fs::path kWorker = assay::test::build_dir() / "bin/assay-worker";

// A private folder with its own cache and user data; the environment is restored at the end.
class Sandbox {
 public:
  Sandbox() {
    std::string name = (fs::temp_directory_path() / "assay-plugins-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root = fs::canonical(name);
    set("XDG_CACHE_HOME", (root / "cache").string());
    set("XDG_DATA_HOME", (root / "data").string());
    set("ASSAY_PLUGIN_PATH", "");
  }
  ~Sandbox() {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
    std::error_code ignored;
    fs::remove_all(root, ignored);
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  void set(const char* name, const std::string& value) {
    const char* old = std::getenv(name);
    before_.emplace(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
    ::setenv(name, value.c_str(), 1);
  }
  fs::path copy(const std::string& plugin, const std::string& to) const {
    const fs::path target = root / to;
    fs::create_directories(target.parent_path());
    fs::copy_file(kPlugins / (plugin + ".so"), target, fs::copy_options::overwrite_existing);
    return target;
  }
  // A worker that notes every start, so that the tests see which libraries were really scanned.
  fs::path counting_worker() const {
    const fs::path script = root / "worker.sh";
    std::ofstream(script) << "#!/bin/sh\necho \"$2\" >> '" << (root / "scans").string() << "'\nexec '"
                          << kWorker.string() << "' \"$@\"\n";
    fs::permissions(script, fs::perms::owner_all);
    return script;
  }
  std::size_t scans() const {
    std::ifstream in(root / "scans");
    std::size_t lines = 0;
    for (std::string line; std::getline(in, line);) ++lines;
    return lines;
  }
  fs::path cache_file() const { return root / "cache" / "assay" / "plugins.json"; }

  fs::path root;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

RegistryOptions only(std::vector<fs::path> files) {
  RegistryOptions options;
  options.files = std::move(files);
  options.use_environment = false;
  options.use_program_folders = false;
  options.worker = kWorker;
  return options;
}

std::unique_ptr<Registry> discover(const RegistryOptions& options) {
  auto registry = Registry::discover(options);
  if (!registry) FAIL(registry.error().text);
  return std::move(*registry);
}

LibraryRecord scanned(const std::string& plugin, int limit_ms = 20'000) {
  RegistryOptions options = only({kPlugins / (plugin + ".so")});
  options.use_cache = false;
  options.scan_limit_ms = limit_ms;
  const auto registry = discover(options);
  REQUIRE(registry->libraries().size() == 1);
  return registry->libraries().front();
}

const void* nothing(void* /*ctx*/, assay_str /*id*/) noexcept {
  return nullptr;
}

const assay_host& test_host() {
  static const assay_host host = {sizeof(assay_host),   ASSAY_ABI_MAJOR, ASSAY_ABI_MINOR, 0,
                                  assay::str("a test"), nullptr,         nothing};
  return host;
}

void move_time(const fs::path& file, int seconds) {
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(seconds));
}

}  // namespace

TEST_CASE("scan: good libraries are described completely") {
  const Sandbox sandbox;
  const LibraryRecord record = scanned("test_good_cpp");
  REQUIRE(record.state == ScanState::kOk);
  CHECK(record.reason.empty());
  CHECK(record.path == fs::canonical(kPlugins / "test_good_cpp.so"));
  CHECK(record.size == fs::file_size(record.path));
  CHECK(record.sha256.size() == 64);
  CHECK(record.abi_major == 1);
  CHECK_THAT(record.build_info, ContainsSubstring("assay-sdk 1.0"));
  REQUIRE(record.plugins.size() == 2);
  const auto& metric = record.plugins[0];
  CHECK(metric.id == "test.everything");
  CHECK(metric.kind == ASSAY_METRIC);
  CHECK(metric.doc ==
        "A metric for tests of the loader: gr\xc3\xbc\xc3\x9f"
        "e.");
  REQUIRE(metric.params.size() == 9);
  CHECK(metric.params[1].max == 4096);
  CHECK(metric.params[3].default_json == "\"a \\\"quoted\\\" word\"");
  CHECK(metric.params[5].has(ASSAY_PARAM_REQUIRED));
  CHECK(metric.slots.at(0).min_count == 0);
  CHECK(metric.values.at(2).custom());
  CHECK(record.plugins[1].provides == ASSAY_CAP_GENERATE);
}

TEST_CASE("scan: every way of being broken has its state and a sentence") {
  const Sandbox sandbox;
  struct Case {
    const char* plugin;
    ScanState state;
    const char* words;
  };
  // Libraries refused by their markers kill whoever loads them, so a right answer proves that nothing was
  // loaded.
  const Case cases[] = {
      {"test_abi_too_new", ScanState::kAbiTooNew, "plugin ABI 2.0; this program offers 1.0"},
      {"test_abi_minor_too_new", ScanState::kAbiTooNew, "plugin ABI 1.7"},
      {"test_abi_too_old", ScanState::kAbiTooOld, "plugin ABI 0.9"},
      {"test_unstable", ScanState::kAbiTooNew, "draft"},
      {"test_no_marker", ScanState::kNotAPlugin, "no ABI marker"},
      {"test_no_entry", ScanState::kNotAPlugin, "assay_plugin_entry"},
      // These crash in init: a right answer proves that no function ran before the check of the entry.
      {"test_entry_too_new", ScanState::kAbiTooNew, "plugin ABI 2.0"},
      {"test_entry_too_small", ScanState::kDescriptorInvalid, "struct_size 24"},
      {"test_entry_null", ScanState::kDescriptorInvalid, "missing function"},
      {"test_unresolved", ScanState::kUnresolvedSymbol,
       "undefined symbol: assay_test_function_that_nobody_defines"},
      {"test_init_fails", ScanState::kInitFailed, "code 9"},
      {"test_init_exits", ScanState::kScanCrashed, "exit code 0"},
      {"test_undocumented", ScanState::kDescriptorInvalid, "parameter 'threshold' is not documented"},
      {"test_wrong_kind", ScanState::kDescriptorInvalid, "assay_kind_metric is not 1"},
      {"test_no_plugins", ScanState::kDescriptorInvalid, "announces 0 plugins"},
      {"test_twins", ScanState::kDescriptorInvalid, "two plugins with the id 'test.variant'"},
  };
  for (const Case& expected : cases) {
    INFO(expected.plugin);
    const LibraryRecord record = scanned(expected.plugin);
    CHECK(std::string(scan_state_name(record.state)) == scan_state_name(expected.state));
    CHECK_THAT(record.reason, ContainsSubstring(expected.words));
    CHECK_THAT(record.reason, ContainsSubstring(record.path.string()));
  }
}

TEST_CASE("scan: a crash ends the child only, and is named") {
  const Sandbox sandbox;
  const LibraryRecord record = scanned("test_init_crashes");
  CHECK(record.state == ScanState::kScanCrashed);
  // A sanitizer turns the signal into an exit code and has the last word.
  const bool named = record.reason.find("signal 11 (SIGSEGV)") != std::string::npos ||
                     record.reason.find("ABORTING") != std::string::npos;
  INFO(record.reason);
  CHECK(named);
  CHECK(record.sha256.size() == 64);
}

TEST_CASE("scan: a hanging library ends at the limit") {
  const Sandbox sandbox;
  const auto start = std::chrono::steady_clock::now();
  const LibraryRecord record = scanned("test_init_hangs", 300);
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(record.state == ScanState::kScanTimeout);
  CHECK_THAT(record.reason, ContainsSubstring("within 300 ms"));
  CHECK(took >= std::chrono::milliseconds(300));
  CHECK(took < std::chrono::seconds(20));
}

TEST_CASE("scan: what a plugin prints does not corrupt the answer") {
  const Sandbox sandbox;
  const LibraryRecord record = scanned("test_prints");
  CHECK(record.state == ScanState::kOk);
  CHECK(record.plugins.size() == 1);
  const auto child =
      assay::host::run_child(kWorker, {"--scan", (kPlugins / "test_prints.so").string()}, 20'000);
  REQUIRE(child.ok());
  CHECK(assay::host::parse_json(child->out, "the answer").ok());
  CHECK_THAT(child->err, ContainsSubstring("raw bytes"));
}

TEST_CASE("scan: files that are no libraries") {
  const Sandbox sandbox;
  const fs::path text = sandbox.root / "text.so";
  std::ofstream(text) << "INPUT(libm.so.6)\n";
  const fs::path part = sandbox.copy("test_good_c", "part.so");
  fs::resize_file(part, fs::file_size(part) / 2);
  const fs::path empty = sandbox.root / "empty.so";
  std::ofstream(empty).flush();
  const auto registry = discover(only({text, part, empty, sandbox.root / "absent.so"}));
  REQUIRE(registry->libraries().size() == 4);
  CHECK(registry->libraries()[0].state == ScanState::kNotAPlugin);
  CHECK(registry->libraries()[1].state == ScanState::kBadElf);
  CHECK_THAT(registry->libraries()[1].reason, ContainsSubstring("truncated"));
  CHECK(registry->libraries()[2].state == ScanState::kBadElf);
  CHECK(registry->libraries()[3].state == ScanState::kNotAPlugin);
  CHECK_THAT(registry->libraries()[3].reason, ContainsSubstring("does not exist"));
  CHECK(registry->plugins().empty());
}

TEST_CASE("scan: a stripped library works") {
  const Sandbox sandbox;
  const fs::path file = sandbox.copy("test_good_cpp", "stripped.so");
  const auto before = fs::file_size(file);
  REQUIRE(std::system(("strip --strip-all '" + file.string() + "'").c_str()) == 0);
  REQUIRE(fs::file_size(file) < before);
  const auto registry = discover(only({file}));
  CHECK(registry->libraries().front().reason.empty());
  CHECK(registry->plugins().size() == 2);
}

TEST_CASE("registry: the first of two libraries with one id wins") {
  const Sandbox sandbox;
  const fs::path first = sandbox.copy("test_good_c", "a/one.so"),
                 second = sandbox.copy("test_sysv_hash", "b/two.so");
  const auto registry = discover(only({first, second, first}));
  REQUIRE(registry->libraries().size() == 2);  // the same file counts once
  REQUIRE(registry->plugins().size() == 2);
  CHECK(registry->plugins()[0].state == ScanState::kOk);
  CHECK(registry->plugins()[0].library->path == first);
  CHECK(registry->plugins()[1].state == ScanState::kShadowed);
  CHECK_THAT(registry->plugins()[1].reason, ContainsSubstring(first.string()));
  CHECK(registry->libraries()[1].state == ScanState::kShadowed);
  const auto found = registry->find(ASSAY_METRIC, "variant");
  REQUIRE(found.ok());
  CHECK((*found)->library->path == first);
  CHECK_FALSE(registry->load(registry->plugins()[1], &test_host()).ok());
}

TEST_CASE("registry: search order and refused folders") {
  Sandbox sandbox;
  const fs::path option = sandbox.copy("test_good_c", "option/c.so");
  sandbox.copy("test_good_c", "path/c.so");
  sandbox.copy("test_good_cpp", "path/cpp.so");
  sandbox.copy("test_good_cpp", "data/assay/plugins/cpp.so");
  sandbox.copy("test_changing", "open/changing.so");
  fs::permissions(sandbox.root / "open", fs::perms::all);
  const fs::path writable = sandbox.copy("test_prints", "path/writable.so");
  fs::permissions(writable, fs::perms::others_write, fs::perm_options::add);
  sandbox.set("ASSAY_PLUGIN_PATH",
              (sandbox.root / "path").string() + "::relative/folder:" + (sandbox.root / "open").string());
  RegistryOptions options = only({option});
  options.use_environment = true;
  const auto registry = discover(options);
  std::vector<std::string> order;
  for (const LibraryRecord& library : registry->libraries()) {
    order.push_back(fs::relative(library.path, sandbox.root).string() + " " + scan_state_name(library.state));
  }
  CHECK(order == std::vector<std::string>{"option/c.so OK", "path/c.so SHADOWED", "path/cpp.so OK",
                                          "path/writable.so DISABLED", "data/assay/plugins/cpp.so SHADOWED"});
  std::string warnings;
  for (const std::string& warning : registry->warnings()) warnings += warning + "\n";
  CHECK_THAT(warnings, ContainsSubstring("open' is writable by everybody"));
  CHECK_THAT(warnings, ContainsSubstring("writable.so' is writable by everybody"));
  CHECK_THAT(warnings, ContainsSubstring("relative path 'relative/folder'"));
}

TEST_CASE("registry: names are found or explained") {
  const Sandbox sandbox;
  const fs::path crashing = sandbox.copy("test_init_crashes", "acme-broken_thing.so");
  const auto registry = discover(only({kPlugins / "test_good_cpp.so", kPlugins / "test_good_c.so", crashing,
                                       kPlugins / "test_undocumented.so", kPlugins / "test_abi_too_new.so"}));
  CHECK(registry->find(ASSAY_MODEL, "test.echo").ok());
  CHECK(registry->find(ASSAY_MODEL, "echo").ok());
  CHECK(registry->find(ASSAY_METRIC, "everything").ok());
  const auto text = [&](int kind, const char* name) {
    const auto found = registry->find(kind, name);
    REQUIRE_FALSE(found.ok());
    return found.error().text;
  };
  CHECK_THAT(text(ASSAY_METRIC, "evrything"), ContainsSubstring("did you mean 'everything'?"));
  CHECK_THAT(text(ASSAY_METRIC, "zzzzzzzzzz"), ContainsSubstring("known are everything, variant"));
  CHECK_THAT(text(ASSAY_METRIC, "echo"), ContainsSubstring("'test.echo' is a model plugin"));
  CHECK_THAT(text(ASSAY_TASK, "zzzzzzzzzz"), ContainsSubstring("no task plugins were found at all"));
  CHECK_THAT(text(ASSAY_METRIC, "broken_thing"), ContainsSubstring("SCAN_CRASHED"));
  CHECK_THAT(text(ASSAY_METRIC, "acme.broken_thing"), ContainsSubstring("SCAN_CRASHED"));
  CHECK_THAT(text(ASSAY_METRIC, "abi_too_new"), ContainsSubstring("ABI_TOO_NEW"));
}

TEST_CASE("cache: an unchanged library is scanned once") {
  const Sandbox sandbox;
  const fs::path file = sandbox.copy("test_good_cpp", "one.so");
  RegistryOptions options = only({file});
  options.worker = sandbox.counting_worker();
  const auto cold = discover(options);
  CHECK(sandbox.scans() == 1);
  const auto warm = discover(options);
  CHECK(sandbox.scans() == 1);
  REQUIRE(warm->plugins().size() == cold->plugins().size());
  for (std::size_t i = 0; i < warm->plugins().size(); ++i) {
    CHECK(to_json(*warm->plugins()[i].spec) == to_json(*cold->plugins()[i].spec));
  }
  CHECK(warm->libraries()[0].sha256 == cold->libraries()[0].sha256);
  CHECK(warm->libraries()[0].build_info == cold->libraries()[0].build_info);

  SECTION("another time of modification with the same bytes is no new scan") {
    move_time(file, 60);
    CHECK(discover(options)->plugins().size() == 2);
    CHECK(sandbox.scans() == 1);
    CHECK(discover(options)->libraries()[0].mtime_ns > cold->libraries()[0].mtime_ns);
    CHECK(sandbox.scans() == 1);
  }
  SECTION("other bytes are scanned") {
    sandbox.copy("test_good_c", "one.so");
    move_time(file, 60);
    CHECK(discover(options)->plugins().size() == 1);
    CHECK(sandbox.scans() == 2);
  }
  SECTION("other bytes of the same size are scanned") {
    std::fstream edit(file, std::ios::in | std::ios::out | std::ios::binary);
    edit.seekp(-1, std::ios::end);
    edit.put('\x7f');
    edit.close();
    move_time(file, 60);
    CHECK(discover(options)->libraries()[0].sha256 != cold->libraries()[0].sha256);
    CHECK(sandbox.scans() == 2);
  }
  SECTION("another worker scans again") {
    move_time(options.worker, 60);
    CHECK(discover(options)->plugins().size() == 2);
    CHECK(sandbox.scans() == 2);
  }
  SECTION("a damaged cache is ignored and replaced") {
    for (const char* bytes : {"", "{", "{\"format\": 1}", "{\"format\": 99, \"libraries\": []}", "[1, 2]",
                              "{\"format\": 1, \"libraries\": [{\"record\": 5}]}"}) {
      INFO(bytes);
      const std::size_t before = sandbox.scans();
      REQUIRE(assay::host::write_file(sandbox.cache_file(), bytes).ok());
      CHECK(discover(options)->plugins().size() == 2);
      CHECK(sandbox.scans() == before + 1);
      CHECK(discover(options)->plugins().size() == 2);
      CHECK(sandbox.scans() == before + 1);
    }
  }
  SECTION("without the cache everything is scanned") {
    options.use_cache = false;
    CHECK(discover(options)->plugins().size() == 2);
    CHECK(sandbox.scans() == 2);
  }
}

TEST_CASE("cache: failures of the surroundings are tried again, a timeout is not") {
  const Sandbox sandbox;
  RegistryOptions options = only({kPlugins / "test_init_fails.so"});
  options.worker = sandbox.counting_worker();
  discover(options);
  discover(options);
  CHECK(sandbox.scans() == 2);
  options.files = {kPlugins / "test_undocumented.so"};
  discover(options);
  CHECK(discover(options)->libraries()[0].state == ScanState::kDescriptorInvalid);
  CHECK(sandbox.scans() == 3);
  options.files = {kPlugins / "test_init_hangs.so"};
  options.scan_limit_ms = 200;
  discover(options);
  CHECK(discover(options)->libraries()[0].state == ScanState::kScanTimeout);
  CHECK(sandbox.scans() == 4);
}

TEST_CASE("cache: processes that start together leave a whole cache") {
  const Sandbox sandbox;
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const fs::path own = sandbox.copy("test_good_c", "own" + std::to_string(i) + ".so");
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      bool good = true;
      for (int round = 0; round < 5; ++round) {
        const auto registry = Registry::discover(only({own, kPlugins / "test_good_cpp.so"}));
        good = good && registry.ok() && (*registry)->plugins().size() == 3;
      }
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  const auto bytes = assay::host::read_file(sandbox.cache_file(), 1U << 24U);
  REQUIRE(bytes.ok());
  CHECK(assay::host::parse_json(*bytes, "the cache").ok());
}

TEST_CASE("registry: without a worker nothing can be searched") {
  const Sandbox sandbox;
  RegistryOptions options = only({});
  options.worker = sandbox.root / "absent";
  const auto registry = Registry::discover(options);
  REQUIRE_FALSE(registry.ok());
  CHECK_THAT(registry.error().text, ContainsSubstring("assay-worker"));
}

TEST_CASE("load: the entry of a scanned library, once per process") {
  const Sandbox sandbox;
  const auto registry = discover(only({sandbox.copy("test_good_cpp", "load.so")}));
  const auto echo = registry->find(ASSAY_MODEL, "echo");
  REQUIRE(echo.ok());
  const auto entry = registry->load(**echo, &test_host());
  if (!entry) FAIL(entry.error().text);
  CHECK((*entry)->abi_major == ASSAY_ABI_MAJOR);
  CHECK((*entry)->count() == 2);
  const auto again = registry->load(**registry->find(ASSAY_METRIC, "everything"), &test_host());
  REQUIRE(again.ok());
  CHECK(*again == *entry);
  void* instance = nullptr;
  CHECK((*entry)->create(assay::str("test.echo"), nullptr, nullptr, nullptr, &instance) == ASSAY_OK);
  REQUIRE(instance != nullptr);
  CHECK((*entry)->get_extension(instance, assay::str("assay.model.generate/1")) != nullptr);
  (*entry)->destroy(instance);
}

TEST_CASE("load: threads that ask at once get the same entry") {
  const Sandbox sandbox;
  const auto registry = discover(only({sandbox.copy("test_good_c", "threads.so")}));
  const auto metric = registry->find(ASSAY_METRIC, "variant");
  REQUIRE(metric.ok());
  std::vector<const assay_entry*> entries(8, nullptr);
  std::vector<std::thread> threads;
  for (const assay_entry*& entry : entries) {
    threads.emplace_back([&] {
      if (const auto loaded = registry->load(**metric, &test_host())) entry = *loaded;
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(entries.front() != nullptr);
  for (const assay_entry* entry : entries) CHECK(entry == entries.front());
}

TEST_CASE("load: a library that is not what was scanned is refused") {
  Sandbox sandbox;
  const fs::path file = sandbox.copy("test_changing", "changing.so");
  const auto registry = discover(only({file}));
  const auto found = registry->find(ASSAY_METRIC, "variant");
  REQUIRE(found.ok());
  SECTION("other descriptors") {
    sandbox.set("ASSAY_TEST_TITLE", "Another title");
    const auto entry = registry->load(**found, &test_host());
    REQUIRE_FALSE(entry.ok());
    CHECK_THAT(entry.error().text, ContainsSubstring("CHANGED_SINCE_SCAN"));
    CHECK_THAT(entry.error().text, ContainsSubstring("'test.variant' differently"));
  }
  SECTION("another file") {
    fs::remove(file);
    sandbox.copy("test_good_c", "changing.so");
    const auto entry = registry->load(**found, &test_host());
    REQUIRE_FALSE(entry.ok());
    CHECK_THAT(entry.error().text, ContainsSubstring("was replaced"));
  }
  SECTION("no file") {
    fs::remove(file);
    const auto entry = registry->load(**found, &test_host());
    REQUIRE_FALSE(entry.ok());
    CHECK_THAT(entry.error().text, ContainsSubstring("disappeared"));
  }
  SECTION("only a new time of modification is no change") {
    move_time(file, 60);
    CHECK(registry->load(**found, &test_host()).ok());
  }
}
