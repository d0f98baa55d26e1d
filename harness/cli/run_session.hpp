// Running a prepared session and saying what came of it: shared by `run` and `resume`.
#pragma once

#include "harness/cli/common.hpp"

namespace assay::host::cli {

/// Executes with signals handled and progress shown, prints the result, gives the exit code. `execution`
/// lacks the database, the stop flag and the progress callback; the rest is the caller's.
int run_session(const Globals& globals, Session& session, ExecuteOptions& execution);

}  // namespace assay::host::cli
