// Choice of the instruction set, for tests and benchmarks; everybody else gets the best one by itself.
#pragma once

#include <cstdint>
#include <span>

#include "assay/sdk/kernel.hpp"

namespace assay::kernel {

enum class InstructionSet { kPortable, kAvx2, kAvx512 };

/// Whether this processor and this build have it.
[[nodiscard]] bool available(InstructionSet which);

/// "portable", "avx2", "avx512".
[[nodiscard]] const char* name_of(InstructionSet which);

/// The one that the public functions use: the last available.
[[nodiscard]] InstructionSet best();

/// As the public functions, on a chosen instruction set. Precondition: available(which).
Result<TokenStatistics> stats_from_logits_on(InstructionSet which, std::span<const float> logits,
                                             std::int64_t target, std::uint32_t want,
                                             std::span<TopToken> top);
Result<CrossStatistics> cross_stats_from_logits_on(InstructionSet which, std::span<const float> a,
                                                   std::span<const float> b, std::int64_t target,
                                                   std::size_t vocab_limit);

}  // namespace assay::kernel
