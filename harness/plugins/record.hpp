// LibraryRecord as JSON, and the scan cache made of such records. Internal to harness/plugins.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "harness/plugins/registry.hpp"

namespace assay::host {

Json to_json(const LibraryRecord& record);
Result<LibraryRecord> record_from_json(const Json& tree);
/// The state with the name ("OK" ...), or nothing.
std::optional<ScanState> scan_state_of(const std::string& name);

/// Size and modification time of a file: what tells, without reading it, that it is still the same.
struct FileStamp {
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
/// Nothing if the file cannot be examined.
std::optional<FileStamp> stamp_of(const std::filesystem::path& file);

/// The records of earlier scans, by path. Not thread-safe.
///
/// Every record carries the stamp of the worker that wrote it: another build of the host may judge
/// differently. Failures that depend on the surroundings (a missing library, a crash) are not kept, so that
/// mending the surroundings is enough; a timeout is kept for ten minutes, because trying costs seconds.
class ScanCache {
 public:
  explicit ScanCache(std::filesystem::path file, std::string scanner);

  /// Reads the file; a missing or damaged one counts as empty.
  void load();
  /// The record if the file is unchanged. When only size or time differ the content decides.
  [[nodiscard]] std::optional<LibraryRecord> find(const std::filesystem::path& path, const FileStamp& stamp);
  void store(const LibraryRecord& record);
  /// Writes what is new, together with what other processes have written meanwhile. A cache that cannot be
  /// written is no error: the next process scans again.
  void save();

 private:
  struct Line {
    LibraryRecord record;
    std::string scanner;
    std::int64_t scanned_at = 0;  // seconds since 1970
  };
  using Lines = std::map<std::string, Line>;
  [[nodiscard]] Lines read() const;

  std::filesystem::path file_;
  std::string scanner_;
  Lines lines_;
  std::map<std::string, Line> fresh_;
};

}  // namespace assay::host
