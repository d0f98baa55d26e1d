// Which table of loops runs.
#pragma once

#include <limits>

#include "blocks.hpp"
#include "instruction_set.hpp"

namespace assay::kernel {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

const LoopTable& loops_of(InstructionSet which);

/// best(), asked of the processor once.
inline const LoopTable& best_loops() {
  static const LoopTable& chosen = loops_of(best());
  return chosen;
}

Result<TokenStatistics> row_statistics(const LoopTable& loops, std::span<const float> row,
                                       std::int64_t target, std::uint32_t want, std::span<TopToken> top);
Result<CrossStatistics> cross_statistics(const LoopTable& loops, std::span<const float> a,
                                         std::span<const float> b, std::int64_t target,
                                         std::size_t vocab_limit);

/// What a caller sees: rounded to float. Volatile, because g++ 12 at -O2 vectorises two such roundings beside
/// each other into none.
inline double narrow(double value) {
  const volatile float rounded = static_cast<float>(value);
  return static_cast<double>(rounded);
}

}  // namespace assay::kernel
