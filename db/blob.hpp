// Token statistics as one blob: little-endian, a 16-byte header per array (magic, version, dtype, count),
// arrays as float32 when every value survives the narrowing, else as float64, so that a replay gives the same
// bits.
#pragma once

#include <cstdint>
#include <functional>
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

/// Memory for what is read: `size` bytes aligned to `align`, or NULL when there is none left.
using Allocate = std::function<void*(std::size_t size, std::size_t align)>;
/// Takes one record of a blob; false: the record has no place there, which makes the blob damaged.
using TakeTokens = std::function<bool(std::optional<std::size_t> owner, const assay_tokens& tokens)>;

/// The blob of one record of tokens (statistics, ids, spans, flags). Appends to `out`.
void encode_tokens(const assay_tokens& tokens, std::string& out);
/// The blob of all tokens of a response: its own and those of every choice; nothing when there are none. Each
/// record but the commonest (the only record of an answer, or that of its first choice) begins with its
/// owner.
void encode_tokens(const assay_response& response, std::string& out);
/// The first record. kData for anything that is not a complete, consistent blob; never trusts a size.
Result<StoredTokens> decode_tokens(std::string_view blob);
/// All records, in memory from `allocate`. `owner` is 0 for the response, 1 + i for its choice i, and absent
/// for the commonest (see encode_tokens). An array that was delivered is not NULL even if it has no elements.
/// kData as above, kResourceExhausted when `allocate` gives NULL.
Result<void> decode_tokens(std::string_view blob, const Allocate& allocate, const TakeTokens& take);

}  // namespace assay::host
