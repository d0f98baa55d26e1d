// Submission bundles: a folder with all rows of a run, what its recipes cover, and the SHA-256 of every file,
// so that somebody else can check a row of a leaderboard and import the run.
//
// MANIFEST.json names the files with size and SHA-256; run.json has the run, its models, recipes with their
// parts and the scores; rows.jsonl the rows as `assay export --as jsonl` writes them, mapping.json the
// mapping that imports them. The same run gives the same bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "db/queries.hpp"

namespace assay::host {

struct Bundle {
  std::string digest;              ///< SHA-256 of MANIFEST.json, which stands for the whole bundle
  std::string run;                 ///< run id
  std::vector<std::string> files;  ///< without MANIFEST.json, sorted
  std::int64_t rows = 0;
};

/// Writes a bundle into a new folder. kInvalidArgument: the folder exists and is not empty, or the run is not
/// finished; kResourceExhausted: it cannot be written.
Result<Bundle> write_bundle(Reader& reader, const RunSummary& run, const std::filesystem::path& folder);

/// Checks that every file is there, alone and unchanged, and that each recipe's hash is that of its parts.
/// kNotFound: no bundle there; kData: what is wrong, all of it in one sentence a problem.
Result<Bundle> verify_bundle(const std::filesystem::path& folder);

}  // namespace assay::host
