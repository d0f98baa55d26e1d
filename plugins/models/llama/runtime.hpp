// libllama as the process sees it: initialised once, its log led to the host, its version checked against the
// headers this plugin was compiled with.
//
// Thread rule: any thread.
#pragma once

#include <string>

#include "assay/plugin.h"
#include "assay/sdk/result.hpp"

namespace assay::llama {

/// Prepares the library on the first call; `host` (may be null) receives its log from then on. Errors:
/// kUnsupported when the library loaded is another than the one compiled for, or brings no processor back
/// end.
Result<void> start_library(const assay_host* host);

/// A line of this plugin in the host's log.
void log_warning(const std::string& text);

/// Version and build of the library in use.
std::string library_version();

/// The last error line libllama logged on this thread since it was last taken; empty if there was none.
std::string take_last_error();

}  // namespace assay::llama
