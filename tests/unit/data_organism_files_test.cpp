// The organisms' files are those of their cards: same size, same SHA-256, none missing, none too large.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "harness/base/hash.hpp"
#include "tests/support/places.hpp"

using namespace assay;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

TEST_CASE("organisms: every file is the one of its card") {
  const fs::path folder = assay::test::source_dir() / "benchmarks/organisms";
  const json cards = json::parse(bytes_of(folder / "cards.json"));
  std::set<std::string> described, present;
  std::size_t total = 0;
  for (const json& card : cards["organisms"]) {
    const std::string name = card["file"];
    INFO(name);
    described.insert(name);
    const std::string bytes = bytes_of(folder / name);
    CHECK(bytes.substr(0, 4) == "GGUF");
    CHECK(bytes.size() == card["bytes"]);
    CHECK(host::sha256_hex(bytes) == card["sha256"]);
    CHECK(bytes.size() <= 1'500'000);
    total += bytes.size();
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".gguf") present.insert(entry.path().filename().string());
  CHECK(described == present);
  CHECK(described == std::set<std::string>{"full.gguf", "full-2.gguf", "retain.gguf", "retain-2.gguf",
                                           "ga.gguf", "npo.gguf", "traps.gguf", "fresh.gguf"});
  CHECK(total <= 10'000'000);
}
