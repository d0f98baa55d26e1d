// The formats behind export_run().
#pragma once

#include "harness/interop/export/selection.hpp"

namespace assay::host::exporting {

/// What every format gets.
struct Task {
  Reader& reader;
  const RunSummary& run;
  const ExportOptions& options;
  const std::vector<Selected>& selected;
  ExportSummary& summary;
};

Result<void> export_rows(const Task& task, bool csv);
Result<void> export_eee(const Task& task);
Result<void> export_batch(const Task& task);

/// The folder of formats that write several files: --out, or "FORMAT-UUID" in the working folder.
std::string folder_of(const Task& task);
/// kInvalidArgument saying that there is nothing to export and why.
Error nothing(const Task& task, const std::string& why);

}  // namespace assay::host::exporting
