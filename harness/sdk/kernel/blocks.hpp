// The inner loops of the kernel behind one table a instruction set. Everything above them (running maximum,
// rescaling, top-k, errors) is compiled once and is the same for all.
//
// A row is worked off in blocks that fit the first-level cache twice. While one block is summed, the largest
// entry of the next is found, so that memory is read once, ahead of its use, and the shift of every block is
// known before its exponentials. All tables give the same bits: 16 lanes counted from the start of the row,
// the same operations with the same roundings in the same order; multiply-add has one rounding everywhere,
// which the portable loops emulate where the processor lacks it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace assay::kernel {

/// Entries of a block; only a row's last one may be shorter.
inline constexpr std::size_t kBlock = 2048;
/// The running maximum starts here, so that -inf - maximum is never NaN.
inline constexpr float kLowest = -3.40282347e+38F;

/// One block of one row.
struct Block {
  const float* row;    ///< its first entry, any alignment
  std::size_t count;   ///< 1 .. kBlock
  float shift;         ///< d = entry - shift; at least every entry, finite
  float target;        ///< counted against; unused by the loops that do not count
  const float* ahead;  ///< kBlock entries (when count is kBlock) whose largest is wanted; may be `row`
};

/// Sums over a block, e^d being 0 below d = -87.7.
struct BlockSums {
  double s0 = 0;  ///< e^d; NaN exactly when an entry is NaN
  double s1 = 0;  ///< d e^d
  double s2 = 0;  ///< d^2 e^d
  std::uint64_t above = 0, equal = 0;
  float ahead_largest = kLowest;  ///< as LoopTable::largest of `ahead`, when count is kBlock
};

/// One block of two rows: weights from A, values from B.
struct PairBlock {
  const float* a;
  const float* b;
  std::size_t count;
  float shift_a, shift_b;  ///< as Block::shift
  float centre;            ///< e = entry of B - centre; finite
  const float* ahead_a;
  const float* ahead_b;
};

struct PairSums {
  double a0 = 0;      ///< e^dA
  double a1 = 0;      ///< dA e^dA
  double b0 = 0;      ///< e^dB
  double cross1 = 0;  ///< e e^dA
  double cross2 = 0;  ///< e^2 e^dA
  float ahead_a = kLowest, ahead_b = kLowest;
};

struct LoopTable {
  const char* name;
  /// Largest entry, at least kLowest. With NaN entries any value.
  float (*largest)(const float* row, std::size_t count);
  /// Whether every entry is at least `floor`.
  bool (*all_at_least)(const float* row, std::size_t count, float floor);
  /// Index of the first entry equal to `value`, or `count`.
  std::size_t (*find)(const float* row, std::size_t count, float value);
  /// [with s1 and s2][with above and equal]
  void (*sums[2][2])(const Block& block, BlockSums& out);
  void (*pair_sums)(const PairBlock& block, PairSums& out);
};

extern const LoopTable kPortableLoops;  ///< baseline x86-64 (SSE2) and every other architecture
#if defined(__x86_64__)
extern const LoopTable kAvx2Loops;
extern const LoopTable kAvx512Loops;
#endif

}  // namespace assay::kernel
