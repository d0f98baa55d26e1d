// Plugin libraries that cannot be loaded: the named file is refused with the reason, the search path is
// survived.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/fixtures/bench.hpp"
#include "tests/support/places.hpp"

using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

/// The first libraries of the program's own plugin folder, to be damaged.
std::filesystem::path own_plugin() {
  return assay::test::build_dir() / "lib/assay/plugins/metric_generic.so";
}

struct Damage {
  std::string name, bytes, reason;
};

Damage damage(int which) {
  const std::string good = slurp(own_plugin());
  REQUIRE(good.size() > 10'000);
  switch (which) {
    case 0:
      return {"truncated.so", good.substr(0, 5000), "truncated"};
    case 1:
      return {"foreign.so", "this is a text\n", "ELF"};
    case 2:
      return {"empty.so", "", "ELF"};
    case 3: {
      std::string other = good;
      other[18] = '\x28';  // e_machine: ARM
      return {"arm.so", other, "machine"};
    }
    default: {
      std::string other = good;
      other[4] = '\x01';  // ELFCLASS32
      return {"narrow.so", other, "64"};
    }
  }
}

}  // namespace

TEST_CASE("bad plugin: --plugin with a file that cannot be loaded is code 2 with the reason") {
  Bench bench;
  bench.small_suite(3);
  const int which = GENERATE(0, 1, 2, 3, 4);
  const Damage damaged = damage(which);
  bench.write(damaged.name, damaged.bytes);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--plugin", damaged.name});
  INFO(damaged.name << "\n" << result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring(damaged.name));
  CHECK_THAT(result.err, ContainsSubstring(damaged.reason));
}

TEST_CASE("bad plugin: --plugin with a file that is not there is code 2") {
  Bench bench;
  bench.small_suite(3);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--plugin", "nosuch.so"});
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring("nosuch.so"));
}

TEST_CASE("bad plugin: a library of another kind is refused by name") {
  Bench bench;
  bench.small_suite(3);
  const std::filesystem::path program = std::filesystem::canonical("/proc/self/exe");
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--plugin", program.string()});
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring(program.filename().string()));
}

TEST_CASE("bad plugin: plugin info says state and reason, code 2, and never crashes") {
  Bench bench;
  const Damage damaged = damage(GENERATE(0, 1, 2, 3, 4));
  bench.write(damaged.name, damaged.bytes);
  const ChildResult result = bench.run({"plugin", "info", damaged.name});
  INFO(damaged.name << "\n" << result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.out + result.err, ContainsSubstring(damaged.name));
  CHECK_THAT(result.out + result.err, ContainsSubstring(damaged.reason));
}

TEST_CASE("bad plugin: rubbish on the search path is survived, listed, and a problem for doctor") {
  Bench bench;
  bench.small_suite(3);
  for (const int which : {0, 1, 2, 3, 4}) {
    const Damage damaged = damage(which);
    bench.write("plugins/" + damaged.name, damaged.bytes);
  }
  bench.set("ASSAY_PLUGIN_PATH", bench.path("plugins").string());
  CHECK(bench.run({"run", "small.toml", "--db", "x.db"}).code == 0);
  const ChildResult list = bench.run({"plugin", "list"});
  CHECK(list.code == 0);
  const ChildResult doctor = bench.run({"doctor"});
  CHECK(doctor.code == 4);
  for (const char* name : {"truncated.so", "foreign.so", "empty.so", "arm.so", "narrow.so"}) {
    CHECK_THAT(list.out, ContainsSubstring(name));
    CHECK_THAT(doctor.out, ContainsSubstring(name));
  }
}

TEST_CASE("bad plugin: bytes of a good library flipped at any place never crash the program") {
  Bench bench;
  const std::string good = slurp(own_plugin());
  for (std::size_t step = 0; step < 24; ++step) {
    std::string bad = good;
    // Headers, program headers, dynamic section, notes and symbol tables come first in the file.
    for (std::size_t at = 16 + step * 7; at < 8192 && at < bad.size(); at += 64 + step)
      bad[at] = static_cast<char>(bad[at] ^ static_cast<char>(0x55 + step));
    bench.write("bad.so", bad);
    const ChildResult result = bench.run({"plugin", "info", "bad.so"}, 30);
    INFO("step " << step << "\n" << result.out << result.err);
    CHECK(result.signal == 0);
    CHECK_FALSE(result.late);
    CHECK((result.code == 0 || result.code == 2));
  }
}

TEST_CASE("bad plugin: plugins built against another ABI are named with both versions") {
  const std::filesystem::path built = assay::test::build_dir() / "tests/plugins";
  const std::string name =
      GENERATE("test_abi_too_new.so", "test_abi_too_old.so", "test_unstable.so", "test_no_marker.so",
               "test_no_entry.so", "test_unresolved.so", "test_init_crashes.so", "test_init_exits.so");
  const std::filesystem::path file = built / name;
  if (!std::filesystem::exists(file))
    SKIP("the test plugins are not built (target assay_test_plugins): " << file);
  Bench bench;
  bench.small_suite(3);
  const ChildResult result = bench.run({"run", "small.toml", "--db", "x.db", "--plugin", file.string()});
  INFO(result.out << result.err);
  CHECK(result.code == 2);
  CHECK_THAT(result.err, ContainsSubstring(name));
}
