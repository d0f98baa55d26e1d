// A stored run as files: rows as JSON lines or CSV, Every Eval Ever records, or the input of a batch
// endpoint. Only the database is read. What is written depends on the database and the options alone: no
// clock, no random numbers, so two exports are equal byte for byte.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "assay/sdk/result.hpp"
#include "db/queries.hpp"

namespace assay::host::exporting {

struct ExportOptions {
  std::string format;  ///< jsonl, csv, eee, batch
  std::string task;    ///< pattern with * and ?; empty: all
  std::string model;   ///< name of one model of the run; empty: all
  /// jsonl, csv: a file; eee, batch: a folder, made when it is not there. Empty: standard output for jsonl
  /// and csv, "FORMAT-UUID" in the working folder for the others. "-": standard output (not for eee; batch
  /// only when one file is enough).
  std::string out;
  std::string mapping;  ///< jsonl, csv: also write a mapping file that imports the rows again; may be empty
  bool only_missing = false;  ///< batch: only what has no answer

  std::string organisation = "unknown";  ///< eee: who ran the evaluation
  std::string relationship = "other";    ///< eee: first_party, third_party, collaborative, other
  std::string developer;  ///< eee: who made the model; empty: what stands before a '/' of its name

  /// batch with only_missing: the input of the batch that the run was imported from; its lines without an
  /// answer are written as they are. For what the database cannot know: requests that never came back.
  std::string requests;
  std::string endpoint_model;       ///< batch: the name written into the requests; empty: the model's name
  bool chat = false;                ///< batch: prompts become one user message
  std::int64_t lines_max = 50'000;  ///< batch: lines of one file
  std::int64_t bytes_max = 200'000'000;  ///< batch: bytes of one file
};

struct ExportSummary {
  std::vector<std::string> files;  ///< paths as written; "-" is standard output
  std::int64_t rows = 0;           ///< lines that stand for an item
  std::vector<std::string> notes;  ///< sentences: what was left out, with its number
};

/// The names of the formats.
const std::vector<std::string>& formats();

/// Exports. kInvalidArgument: unknown format, task or model, an option that does not fit the format, nothing
/// to export; kResourceExhausted: a file cannot be written (the file at hand is removed, files finished
/// before it stay); kData: a damaged database. One thread at a time per reader.
Result<ExportSummary> export_run(Reader& reader, const RunSummary& run, const ExportOptions& options);

}  // namespace assay::host::exporting
