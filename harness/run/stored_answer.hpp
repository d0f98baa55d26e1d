// Stored answers and requests, back in the structs of plugin.h: a metric cannot tell a response that was read
// from the database from the one a model gave.
#pragma once

#include <string_view>

#include "assay/plugin.h"
#include "assay/sdk/result.hpp"
#include "db/store.hpp"
#include "harness/plugins/instance_call.hpp"

namespace assay::host {

/// The response as the model gave it, with the same bits (every NaN is one: absent); everything it points to
/// lies in `arena`. A stored failure comes back with its status and sentence. The time in the queue, the time
/// to the first token and the count of cached tokens are not stored: 0, unknown. Distributions that were
/// stored without their type come back as float64, which holds the same numbers.
/// kData with the reason for bytes that assay did not write, kResourceExhausted without memory; `out` is then
/// unset. Any thread.
Result<void> restore_response(const StoredResponse& stored, Arena& arena, assay_response& out);

/// The inverse of append_request_json, which gives the same bytes again for what comes back (keyed by item
/// when `out.item`, task, variant and name were stored). What a request's JSON does not hold, its role and
/// label, is absent. Errors and thread rule as above.
Result<void> restore_request(std::string_view request_json, Arena& arena, assay_request& out);

}  // namespace assay::host
