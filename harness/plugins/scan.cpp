// scan_library(): from a file name to a LibraryRecord, in the process that may die of it (assay-worker).
#include <sys/stat.h>

#include "assay/sdk/abi.hpp"
#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/plugins/library.hpp"
#include "harness/plugins/record.hpp"

namespace assay::host {
namespace {

const void* no_extension(void* /*ctx*/, assay_str /*id*/) noexcept {
  return nullptr;
}

// The host a plugin meets during a scan: it offers nothing.
const assay_host& scan_host() {
  static const assay_host host = [] {
    assay_host made{};
    made.struct_size = sizeof made;
    made.abi_major = ASSAY_ABI_MAJOR;
    made.abi_minor = ASSAY_ABI_MINOR;
    made.version = str("scan");
    made.get_extension = no_extension;
    return made;
  }();
  return host;
}

ScanState state_of(ElfVerdict verdict) {
  switch (verdict) {
    case ElfVerdict::kOk:
      return ScanState::kOk;
    case ElfVerdict::kNotElf:
    case ElfVerdict::kNotShared:
      return ScanState::kNotAPlugin;
    case ElfVerdict::kWrongMachine:
      return ScanState::kWrongMachine;
    case ElfVerdict::kDamaged:
      return ScanState::kBadElf;
  }
  return ScanState::kBadElf;
}

// Everything that can be said without loading the file.
Verdict inspect(LibraryRecord& record, ElfFacts& facts) {
  struct stat kind {};
  if (::stat(record.path.c_str(), &kind) != 0 || !S_ISREG(kind.st_mode)) {
    return {ScanState::kNotAPlugin, "does not exist or is not a regular file"};
  }
  if (const auto stamp = stamp_of(record.path)) {
    record.size = stamp->size;
    record.mtime_ns = stamp->mtime_ns;
  }
  const Result<std::string> bytes = read_file(record.path, limits::kPluginBytesMax);
  if (!bytes) return {ScanState::kBadElf, "cannot be read: " + bytes.error().text};
  record.sha256 = sha256_hex(*bytes);
  ElfReading reading = read_elf(*bytes);
  if (reading.verdict != ElfVerdict::kOk) return {state_of(reading.verdict), reading.reason};
  facts = std::move(reading.facts);
  record.build_id = facts.build_id;
  AbiMarker chosen;
  Verdict verdict = judge_markers(facts, chosen);
  record.abi_major = chosen.major;
  record.abi_minor = chosen.minor;
  return verdict;
}

Verdict examine(LibraryRecord& record) {
  ElfFacts facts;
  if (Verdict verdict = inspect(record, facts); !verdict.ok()) return verdict;
  const assay_entry* entry = nullptr;
  if (Verdict verdict = open_library(record.path, entry); !verdict.ok()) return verdict;
  if (entry->build_info != nullptr) record.build_info = printable(entry->build_info, 1000);
  constexpr std::uint32_t kCompareKinds = 1;  // bit 0 belongs to no kind
  Verdict verdict = start_library(*entry, &scan_host(), facts.kinds | kCompareKinds, record.plugins);
  if (verdict.state != ScanState::kInitFailed && entry->deinit != nullptr) entry->deinit();
  return verdict;
}

}  // namespace

LibraryRecord scan_library(const std::filesystem::path& file) {
  LibraryRecord record;
  record.path = file;
  try {
    std::error_code failure;
    const std::filesystem::path canonical = std::filesystem::canonical(file, failure);
    if (!failure) record.path = canonical;
    Verdict verdict = examine(record);
    record.state = verdict.state;
    if (!verdict.ok()) record.reason = "'" + printable(record.path.string(), 1000) + "' " + verdict.reason;
  } catch (const std::exception& failure) {
    record.state = ScanState::kScanCrashed;
    record.reason = "scanning '" + printable(file.string(), 1000) + "' failed: " + printable(failure.what());
  }
  return record;
}

}  // namespace assay::host
