// Token statistics as one blob: little-endian, a 16-byte header per array (magic, version, dtype, count),
// arrays as float32 when every value survives the narrowing, else as float64, so that a replay gives the same
// bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assay/plugin.h"
#include "assay/sdk/result.hpp"

namespace assay::host {

/// Owned token statistics, decoded.
struct StoredTokens {
  std::uint32_t flags = 0;
  std::uint64_t vocabulary = 0;
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> begin, end;
  std::vector<double> stats[ASSAY_STAT_COUNT];  ///< empty when not delivered
  std::vector<std::uint64_t> top_offset;
  std::vector<std::int32_t> top_id;
  std::vector<double> top_logprob;
  std::size_t count = 0;
};

/// The blob of one response's tokens (statistics, ids, spans, flags). Appends to `out`.
void encode_tokens(const assay_tokens& tokens, std::string& out);
/// kData for anything that is not a complete, consistent blob; never trusts a size.
Result<StoredTokens> decode_tokens(std::string_view blob);

}  // namespace assay::host
