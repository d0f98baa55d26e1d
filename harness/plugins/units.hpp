// Durations and sizes as people write them. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "assay/sdk/result.hpp"

namespace assay::host {

/// "250ms", "10s", "1.5m": nanoseconds. Units ns, us, ms, s, m, h; a unit is required. Not negative.
Result<std::int64_t> parse_duration(std::string_view text);
/// "1024", "64KiB", "1GiB", "5MB": bytes. Units B, KiB, MiB, GiB, TiB (powers of 1024), kB, MB, GB, TB (of
/// 1000).
Result<std::int64_t> parse_size(std::string_view text);
/// The shortest of the above that is exact: 250000000 is "250ms".
std::string duration_text(std::int64_t ns);
/// 65536 is "64KiB".
std::string size_text(std::int64_t bytes);

}  // namespace assay::host
