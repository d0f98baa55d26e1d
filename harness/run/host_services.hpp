// What the host offers to plugins: other models (through slots) and the log.
#pragma once

#include "assay/plugin.h"

namespace assay::host {

/// The function behind assay_host::get_extension: assay.host.models/1 and assay.host.log/1; NULL for others.
/// `ctx` is unused. Any thread.
const void* host_extension(void* ctx, assay_str id) noexcept;

}  // namespace assay::host
