// Schema versions: numbered SQL files, applied in order, each in one transaction.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "db/sqlite.hpp"

namespace assay::host {

/// "ASSY": PRAGMA application_id of every assay database.
inline constexpr std::int64_t kApplicationId = 0x41535359;

struct Migration {
  int version;
  const char* sql;
};

/// The migrations of this build, in order: 1, 2, ...
std::span<const Migration> migrations();
/// The schema version of this build.
int newest_schema();

/// The file's schema version (0: an empty database). kData for a database of another program, or one written
/// by a newer assay.
Result<int> check_schema(sqlite::Connection& connection, int newest);

/// Brings the file to the last of `steps`. An existing database is copied with VACUUM INTO to
/// "FILE.schema<N>.backup" before it is changed. A step that fails leaves the file as it was before that
/// step.
Result<void> migrate(sqlite::Connection& connection, std::span<const Migration> steps);

/// kNotFound, or kData when the path is a folder or does not begin like an SQLite file. An empty or missing
/// file is fine with `may_be_missing`. Looks at the bytes without opening a database.
Result<void> check_file(const std::filesystem::path& file, bool may_be_missing);

}  // namespace assay::host
