// Blocks of Philox values; the vector paths behind random_indices() and random_u64s(). Internal to
// assay_stats.
//
// All paths give the same bits; they differ in speed only. Tests compare them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace assay::stats::detail {

/// Values per block: eight counters, two 64-bit values each.
inline constexpr std::size_t kBlockValues = 16;

/// Where a block begins: the values i = 2 * first .. 2 * first + 15 of (seed, stream, b).
struct BlockAt {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  std::uint32_t b = 0;
  std::uint32_t first = 0;  ///< counter word 0 of the first lane
};

/// Plain C++, on every machine.
void block_u64_portable(const BlockAt& at, std::uint64_t* out);
void block_index_portable(const BlockAt& at, std::uint32_t n, std::uint32_t* out);

/// True when this machine has the AVX2 path (x86-64 only, found at run time).
bool has_avx2_blocks();
/// The AVX2 path; equals the portable one where it does not exist.
void block_index_avx2(const BlockAt& at, std::uint32_t n, std::uint32_t* out);

}  // namespace assay::stats::detail
