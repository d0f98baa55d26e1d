// JSON for configuration-sized trees (nlohmann-json behind forward declarations) and its canonical form.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "assay/sdk/result.hpp"

namespace assay::host {

using Json = nlohmann::json;

/// Parses strict JSON; nesting above 64 levels, trailing text and duplicate keys are errors (kData).
Result<Json> parse_json(std::string_view text, std::string_view what);
/// Canonical bytes for hashes: sorted keys, no white space, shortest round-trip numbers, UTF-8, null for
/// a number that is not finite.
std::string canonical(const Json& value);

}  // namespace assay::host
