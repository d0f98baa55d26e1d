// Facts about the file that the writer and the readers share (README.md, "How rows are placed").
#pragma once

#include <cstdint>
#include <string_view>

#include "harness/base/hash.hpp"

namespace assay::host {

/// result.id = evaluation << kEvaluationShift | number of the result inside its evaluation.
inline constexpr int kEvaluationShift = 32;
inline constexpr std::int64_t kResultsPerEvaluationMax = (std::int64_t{1} << kEvaluationShift) - 1;
inline constexpr std::int64_t kEvaluationMax = (std::int64_t{1} << (62 - kEvaluationShift)) - 1;
inline constexpr int kStateCount = 8;  ///< values of enum assay_state from ASSAY_STATE_OK on
inline constexpr std::uint64_t kKeyProbesMax =
    64;  ///< keys whose first 8 bytes are equal; chance makes no two

/// The first 8 bytes of a response's key as a number: where the search for its row begins.
std::uint64_t key_head(const Digest& key);
/// True if the stored key is this one.
bool same_key(const Digest& key, std::string_view stored);

}  // namespace assay::host
