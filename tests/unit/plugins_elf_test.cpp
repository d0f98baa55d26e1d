// The ELF reader: facts of libraries built by this project, and no crash on damaged ones.
#include <elf.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <random>
#include <string>

#include "assay/plugin.h"
#include "harness/base/files.hpp"
#include "harness/plugins/elf.hpp"
#include "tests/support/places.hpp"

namespace {

using assay::host::AbiMarker;
using assay::host::ElfReading;
using assay::host::ElfVerdict;
using assay::host::read_elf;

std::string library(const std::string& name) {
  const auto bytes =
      assay::host::read_file(assay::test::build_dir() / "tests/plugins" / (name + ".so"), 1U << 26U);
  REQUIRE(bytes.ok());
  return *bytes;
}

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

}  // namespace

TEST_CASE("elf: a good library exports the entry and the markers and nothing else") {
  const std::vector<std::string> expected = {"assay_abi_1_0", "assay_kind_metric", "assay_kind_model",
                                             "assay_kind_task", "assay_plugin_entry"};
  for (const char* name : {"test_good_cpp", "test_good_c", "test_sysv_hash"}) {
    INFO(name);
    const ElfReading reading = read_elf(library(name));
    REQUIRE(reading.verdict == ElfVerdict::kOk);
    CHECK(sorted(reading.facts.exports) == expected);
    CHECK(reading.facts.has_entry);
    CHECK(reading.facts.abi == std::vector<AbiMarker>{{1, 0}});
    CHECK(reading.facts.build_id.size() == 40);
    CHECK_FALSE(reading.facts.needs_unstable);
  }
}

TEST_CASE("elf: a kind is present when the value of its marker is 1") {
  const ElfReading both = read_elf(library("test_good_cpp"));
  CHECK(both.facts.has_kind(ASSAY_MODEL));
  CHECK_FALSE(both.facts.has_kind(ASSAY_TASK));
  CHECK(both.facts.has_kind(ASSAY_METRIC));
  const ElfReading metric = read_elf(library("test_good_c"));
  CHECK_FALSE(metric.facts.has_kind(ASSAY_MODEL));
  CHECK(metric.facts.has_kind(ASSAY_METRIC));
  const ElfReading task = read_elf(library("test_wrong_kind"));
  CHECK(task.facts.has_kind(ASSAY_TASK));
  CHECK_FALSE(task.facts.has_kind(ASSAY_METRIC));
}

TEST_CASE("elf: the ABI is read from the marker's name") {
  CHECK(read_elf(library("test_abi_too_new")).facts.abi == std::vector<AbiMarker>{{2, 0}});
  CHECK(read_elf(library("test_abi_minor_too_new")).facts.abi == std::vector<AbiMarker>{{1, 7}});
  CHECK(read_elf(library("test_abi_too_old")).facts.abi == std::vector<AbiMarker>{{0, 9}});
  CHECK(read_elf(library("test_no_marker")).facts.abi.empty());
  CHECK_FALSE(read_elf(library("test_no_entry")).facts.has_entry);
  CHECK(read_elf(library("test_unstable")).facts.needs_unstable);
}

TEST_CASE("elf: section headers are not needed") {
  std::string bytes = library("test_good_c");
  const ElfReading before = read_elf(bytes);
  put(bytes, offsetof(Elf64_Ehdr, e_shoff), Elf64_Off{0});
  put(bytes, offsetof(Elf64_Ehdr, e_shnum), Elf64_Half{0});
  const ElfReading after = read_elf(bytes);
  REQUIRE(after.verdict == ElfVerdict::kOk);
  CHECK(after.facts.exports == before.facts.exports);
  CHECK(after.facts.kinds == before.facts.kinds);
}

TEST_CASE("elf: what is not a library for this machine is told apart") {
  const std::string good = library("test_good_c");
  CHECK(read_elf("").verdict == ElfVerdict::kDamaged);
  CHECK(read_elf("\x7f"
                 "EL")
            .verdict == ElfVerdict::kDamaged);
  CHECK(read_elf("#!/bin/sh\n").verdict == ElfVerdict::kNotElf);
  CHECK(read_elf("/* GNU ld script */ INPUT(libc.so.6)").verdict == ElfVerdict::kNotElf);

  std::string bytes = good;
  bytes[EI_CLASS] = ELFCLASS32;
  CHECK(read_elf(bytes).verdict == ElfVerdict::kWrongMachine);
  bytes = good;
  bytes[EI_DATA] = bytes[EI_DATA] == ELFDATA2LSB ? ELFDATA2MSB : ELFDATA2LSB;
  CHECK(read_elf(bytes).verdict == ElfVerdict::kWrongMachine);
  bytes = good;
  put(bytes, offsetof(Elf64_Ehdr, e_machine), Elf64_Half{EM_S390});
  CHECK(read_elf(bytes).verdict == ElfVerdict::kWrongMachine);
  bytes = good;
  put(bytes, offsetof(Elf64_Ehdr, e_type), Elf64_Half{ET_REL});
  CHECK(read_elf(bytes).verdict == ElfVerdict::kNotShared);
  bytes = good;
  put(bytes, offsetof(Elf64_Ehdr, e_phoff), ~Elf64_Off{0});
  CHECK(read_elf(bytes).verdict == ElfVerdict::kDamaged);
  bytes = good;
  put(bytes, offsetof(Elf64_Ehdr, e_shoff), ~Elf64_Off{0} - 32);
  CHECK(read_elf(bytes).verdict == ElfVerdict::kDamaged);
}

TEST_CASE("elf: every truncation is noticed") {
  for (const char* name : {"test_good_c", "test_good_cpp"}) {
    const std::string good = library(name);
    std::size_t noticed = 0, tried = 0;
    // Every 64 bytes; less often only in libraries of megabytes, as sanitizers make them.
    const std::size_t step = std::max<std::size_t>(64, good.size() / 4096);
    for (std::size_t size = 0; size < good.size(); size += step) {
      // A copy of its own, so that a checker of addresses sees a read beyond the end.
      const std::string part(good.data(), size);
      ++tried;
      if (read_elf(part).verdict == ElfVerdict::kDamaged) ++noticed;
    }
    INFO(name << ", " << good.size() << " bytes");
    CHECK(noticed == tried);
  }
}

TEST_CASE("elf: mutated bytes never crash the reader") {
  const std::string good = library("test_good_c");
  std::size_t damaged = 0, unharmed = 0;
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    std::string bytes = good;
    const std::size_t changes = 1 + random() % 8;
    for (std::size_t i = 0; i < changes; ++i) {
      // Every second change hits the headers and tables at the beginning of the file.
      const std::size_t where =
          random() % (i % 2 == 0 ? std::min<std::size_t>(bytes.size(), 2048) : bytes.size());
      bytes[where] = static_cast<char>(random() & 0xffU);
    }
    const ElfReading reading = read_elf(bytes);
    if (reading.verdict == ElfVerdict::kOk) {
      ++unharmed;
      CHECK(reading.reason.empty());
    } else {
      ++damaged;
      CHECK_FALSE(reading.reason.empty());
    }
  }
  // Both outcomes occur: the mutations reach the tables, and the reader does not refuse everything.
  CHECK(damaged > 100);
  CHECK(unharmed > 100);
}
