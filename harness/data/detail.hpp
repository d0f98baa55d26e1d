// Shared by the files of this folder only.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/data/data.hpp"

namespace assay::host::detail {

/// options.cache or the default.
std::filesystem::path cache_folder(const DataOptions& options);
/// <cache>/<sha256>/<name>: two files with one name never meet.
std::filesystem::path cache_path(const DataOptions& options, const DataFile& file);

/// A place where a file may lie.
struct Place {
  std::filesystem::path path;
  DataOrigin origin = DataOrigin::kCache;
};
/// The places in search order. Error: a mirror that is given but is no folder.
Result<std::vector<Place>> places(const DataFile& file, const DataOptions& options);

/// SHA-256 of a file, remembered in <cache>/verified.json by path, size and modification time. A cache that
/// cannot be written costs time and nothing else.
Result<std::string> remembered_sha256(const std::filesystem::path& path, const DataOptions& options);

/// Makes the files of a generated set in the cache and checks them.
Result<void> generate(const DataSet& set, const DataOptions& options);
/// The first place that holds the file, checked; nothing when no place does.
Result<std::optional<ResolvedFile>> look_up(const DataSet& set, const DataFile& file,
                                            const DataOptions& options);

/// One transfer into `part`.
struct Fetch {
  std::string url;
  std::filesystem::path part;
  std::uint64_t bytes = 0;        ///< expected size; a byte more ends the transfer
  std::uint64_t resume_from = 0;  ///< bytes of `part` that are kept
  int stall_seconds = 60;
  std::function<bool(std::uint64_t done)> progress;
};
/// Outcome of one attempt.
struct Fetched {
  bool resumed = false;  ///< the server continued from resume_from; otherwise the file was begun anew
};
/// One attempt, no retries. kUnavailable and kRateLimited mean that another attempt may succeed; `part` then
/// holds what arrived.
Result<Fetched> fetch_once(const Fetch& fetch);

}  // namespace assay::host::detail
