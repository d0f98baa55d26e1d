// Another harness's log as a run of this database: items, answers and recorded scores as rows, the aggregates
// it states kept as reported, and aggregates computed from the rows beside them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/interop/imported.hpp"

namespace assay::host {

struct ImportRunOptions {
  std::filesystem::path database;
  StoreOptions store;
  interop::ImportOptions read;
  std::string label, command_line;
  bool again = false;    ///< import the same source once more
  bool dry_run = false;  ///< read and check only
};

struct ImportResult {
  interop::ImportSummary summary;
  std::string uuid;      ///< of the run; empty for a dry run
  bool known = false;    ///< the same source was imported before: `uuid` is that run, nothing was written
  bool resumed = false;  ///< an import that was cut off was brought to its end
  std::vector<WarningRow> warnings;
  std::vector<AggregateLine> table;   ///< computed from the rows
  std::vector<ReportedRow> reported;  ///< as the log states them
};

/// Reads `path` twice: once to see that all of it can be read, then into the database, so that a damaged file
/// leaves the database as it was. kData with file and line for damage, kNotFound, kInvalidArgument; storing
/// fails as Store does. An import that is cut off is continued by the next import of the same file.
Result<ImportResult> import_run(const std::filesystem::path& path, const ImportRunOptions& options);

}  // namespace assay::host
