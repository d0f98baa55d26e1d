// Comparisons ask metric plugins for their custom statistics through here: reports load no plugins.
#pragma once

#include "harness/cli/common.hpp"
#include "reports/compare/compare.hpp"

namespace assay::host::cli {

/// Finds plugins when it is first asked, so that a comparison without custom statistics scans nothing.
CustomSource custom_source(const Globals& globals);

}  // namespace assay::host::cli
