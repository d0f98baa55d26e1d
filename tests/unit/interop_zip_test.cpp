// The archive reader on archives written byte by byte.
#include <catch2/catch_test_macros.hpp>
#include <random>
#include <string>

#include "harness/interop/zip.hpp"
#include "tests/support/import_box.hpp"
#include "tests/support/import_damage.hpp"
#include "tests/support/zip_bytes.hpp"

namespace assay::test {
namespace {

using host::interop::ZipFile;
using host::interop::ZipMember;

std::string lines(int count) {
  std::mt19937 random(7);
  std::string text;
  for (int i = 0; i < count; ++i) text += "line " + std::to_string(random()) + "\n";
  return text;
}

// The error of reading the first member, or "".
std::string first_error(const ImportFolder& folder, const std::vector<ZipPart>& parts) {
  const auto zip = ZipFile::open(folder.file("a.zip", zip_bytes(parts)));
  REQUIRE(zip.ok());
  REQUIRE_FALSE(zip->members().empty());
  const auto bytes = zip->read(zip->members().front());
  if (bytes) return {};
  CHECK(bytes.error().code == Code::kData);
  CHECK(bytes.error().text.find("a.zip") != std::string::npos);
  return bytes.error().text;
}
bool says(const std::string& text, std::string_view word) {
  return text.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("stored, deflated and zstd members give back their bytes") {
  const ImportFolder folder;
  const std::string text = lines(30000);  // more than one chunk of every decoder
  std::vector<ZipPart> parts;
  for (const int method : {0, 8, 93}) {
    parts.push_back(zip_part("m" + std::to_string(method), text, static_cast<std::uint16_t>(method)));
    parts.push_back(zip_part("empty" + std::to_string(method), "", static_cast<std::uint16_t>(method)));
  }
  parts.push_back(zip_part("folder/", "", 0));
  const auto path = folder.file("a.zip", zip_bytes(parts));
  const auto check = [&](const Result<ZipFile>& zip) {
    REQUIRE(zip.ok());
    REQUIRE(zip->members().size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
      const ZipMember& member = zip->members()[i];
      CHECK(member.name == parts[i].name);
      const auto bytes = zip->read(member);
      INFO(member.name << (bytes ? std::string() : ": " + bytes.error().text));
      REQUIRE(bytes.ok());
      CHECK(*bytes == (i % 2 == 0 ? text : std::string()));
    }
  };
  check(ZipFile::open(path));
  check(ZipFile::salvage(path));
  check(ZipFile::salvage(folder.file("b.zip", zip_bytes(parts, false))));
}

TEST_CASE("names are data, whatever they say") {
  const ImportFolder folder;
  const std::vector<std::string> names{"../../etc/passwd", "/etc/passwd", "a\\..\\b",
                                       "samples/../x",     "same",        "same"};
  std::vector<ZipPart> parts;
  for (const std::string& name : names) parts.push_back(zip_part(name, name));
  const auto zip = ZipFile::open(folder.file("a.zip", zip_bytes(parts)));
  REQUIRE(zip.ok());
  REQUIRE(zip->members().size() == names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    CHECK(zip->members()[i].name == names[i]);
    CHECK(*zip->read(zip->members()[i]) == names[i]);
  }
}

TEST_CASE("a wrong checksum, a wrong size and damaged data are refused") {
  const ImportFolder folder;
  const std::string text = lines(100);
  for (const int method : {0, 8, 93}) {
    INFO(method);
    const ZipPart good = zip_part("m", text, static_cast<std::uint16_t>(method));
    CHECK(first_error(folder, {good}).empty());
    ZipPart bad = good;
    bad.crc ^= 1U;
    CHECK(says(first_error(folder, {bad}), "checksum"));
    bad = good;
    bad.size += 1;
    CHECK_FALSE(first_error(folder, {bad}).empty());
    bad.size -= 2;
    CHECK_FALSE(first_error(folder, {bad}).empty());
    if (method == 0) continue;
    CHECK(says(first_error(folder, {bad}), "larger than the archive states"));
    bad = good;
    bad.data.resize(bad.data.size() - 3);
    CHECK(says(first_error(folder, {bad}), "end too early"));
    bad = good;
    bad.data[0] = static_cast<char>(0xFF);
    CHECK(says(first_error(folder, {bad}), "damaged"));
  }
}

TEST_CASE("a member that grows more than 200 times or beyond 2 GiB is refused before it is unpacked") {
  const ImportFolder folder;
  const std::string zeros(std::size_t{4} << 20, '\0');
  for (const int method : {8, 93}) {
    CHECK(says(first_error(folder, {zip_part("bomb", zeros, static_cast<std::uint16_t>(method))}),
               "200 times"));
  }
  // A lie about the size does not help.
  ZipPart liar = zip_part("bomb", zeros);
  liar.size = 1000;
  CHECK(says(first_error(folder, {liar}), "larger than the archive states"));
  ZipPart huge = zip_part("huge", "x", 0);
  huge.size = (std::uint64_t{2} << 30) + 1;
  CHECK(says(first_error(folder, {huge}), "limit"));
}

TEST_CASE("encrypted members and unknown methods are named") {
  const ImportFolder folder;
  ZipPart locked = zip_part("m", "secret", 0);
  locked.flags = 1;
  CHECK(says(first_error(folder, {locked}), "encrypted"));
  ZipPart odd = zip_part("m", "text", 0);
  odd.method = 14;
  CHECK(says(first_error(folder, {odd}), "method 14"));
}

TEST_CASE("an archive without directory is refused with the remedy") {
  const ImportFolder folder;
  const std::string whole = zip_bytes({zip_part("one", lines(50)), zip_part("two", lines(60))});
  for (const std::string& bytes :
       {whole.substr(0, whole.size() - 30), std::string("PK"), std::string("no archive"), std::string()}) {
    const auto zip = ZipFile::open(folder.file("a.zip", bytes));
    if (zip) {
      CHECK(zip->members().empty());  // libzip takes an empty file as an empty archive
      continue;
    }
    CHECK(zip.error().code == Code::kData);
    CHECK(says(zip.error().text, "--salvage"));
  }
  CHECK(ZipFile::open(folder.path / "absent.zip").error().code == Code::kNotFound);
  CHECK(ZipFile::open(folder.path).error().code == Code::kData);
  CHECK(ZipFile::salvage(folder.path / "absent.zip").error().code == Code::kNotFound);
  CHECK(ZipFile::salvage(folder.file("none.zip", "no archive")).error().code == Code::kData);
}

TEST_CASE("salvage finds the complete members and those with sizes behind the data") {
  const ImportFolder folder;
  std::vector<ZipPart> parts{zip_part("one", lines(50)), zip_part("two", lines(60), 93),
                             zip_part("three", lines(70))};
  parts[1].flags = 8;
  const std::string bytes = zip_bytes(parts, false);
  const auto zip = ZipFile::salvage(folder.file("a.zip", "garbage" + bytes.substr(0, bytes.size() - 5)));
  REQUIRE(zip.ok());
  REQUIRE(zip->members().size() == 2);
  CHECK(*zip->read(zip->members()[0]) == lines(50));
  CHECK(*zip->read(zip->members()[1]) == lines(60));
}

TEST_CASE("no truncation and no flipped byte of an archive does more than fail") {
  const ImportFolder folder;
  const std::string whole =
      zip_bytes({zip_part("a", lines(3), 0), zip_part("b", lines(5), 8), zip_part("c", lines(7), 93)});
  int good = 0, refused = 0;
  const auto open_all = [&](const std::string& bytes) {
    const auto path = rewrite(folder, "a.zip", bytes);
    for (const auto& zip : {ZipFile::open, ZipFile::salvage}) {
      const auto opened = zip(path);
      if (!opened) {
        ++refused;
        continue;
      }
      for (const ZipMember& member : opened->members()) {
        if (const auto read = opened->read(member)) {
          ++good;
          CHECK((*read == lines(3) || *read == lines(5) || *read == lines(7)));  // the checksum holds
        } else {
          ++refused;
        }
      }
    }
  };
  for (std::size_t size = 0; size < whole.size(); ++size) open_all(whole.substr(0, size));
  std::mt19937 random(11);
  for (int i = 0; i < 400; ++i) {
    std::string bytes = whole;
    for (int flips = 0; flips < 1 + i % 3; ++flips) {
      bytes[random() % bytes.size()] ^= static_cast<char>(1U << (random() % 8));
    }
    open_all(bytes);
  }
  CHECK(good > 100);
  CHECK(refused > 100);
}

}  // namespace assay::test
