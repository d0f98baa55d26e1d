// The constants of Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") and the
// halves of its products. Internal to assay_stats.
#pragma once

#include <cstdint>

namespace assay::stats::detail {

inline constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
inline constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
inline constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
inline constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
inline constexpr int kRounds = 10;

inline std::uint32_t low(std::uint64_t x) {
  return static_cast<std::uint32_t>(x);
}
inline std::uint32_t high(std::uint64_t x) {
  return static_cast<std::uint32_t>(x >> 32U);
}

}  // namespace assay::stats::detail
