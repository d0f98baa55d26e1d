// `assay cache explain`: what the key of a stored answer is made of, and which parts keep another stored
// answer from being the same.
#pragma once

#include <cstdint>
#include <string>

#include "db/queries.hpp"
#include "harness/cli/common.hpp"

namespace assay::host::cli {

/// Unix seconds as RFC 3339 UTC; empty for a negative number.
std::string moment_text(std::int64_t seconds);

/// Explains the requests of an item of `run`, in the task called `task` (empty: in all). Gives the exit code.
int cache_explain(const Globals& globals, Reader& reader, const RunSummary& run, const std::string& item,
                  const std::string& task);

}  // namespace assay::host::cli
