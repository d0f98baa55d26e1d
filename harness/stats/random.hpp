// Counter-based random numbers: Philox4x32 with 10 rounds, and the project's numbered streams.
//
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A value depends only
// on (seed, stream, b, i), so results do not depend on threads or on the order of work (specs/statistics.md
// section 2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace assay::stats {

/// Numbers of the streams; part of every stored result.
inline constexpr std::uint32_t kStreamBootstrap = 1;  ///< bootstrap units; positives in two-sample statistics
inline constexpr std::uint32_t kStreamSigns = 2;      ///< sign flips of the permutation test
inline constexpr std::uint32_t kStreamSelect = 3;     ///< shuffling for item selection
inline constexpr std::uint32_t kStreamFewShot = 4;    ///< few-shot choice
inline constexpr std::uint32_t kStreamTies = 5;       ///< random tie-breaking
inline constexpr std::uint32_t kStreamNegatives = 6;  ///< bootstrap units of negatives

/// One block of the generator: four output words of a counter and a key.
std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key);

/// The i-th 64-bit value of replicate b in a stream.
std::uint64_t random_u64(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t i);

/// floor(u64 * n / 2^64): a number in 0 .. n-1. Requires 0 < n < 2^32.
std::uint32_t random_index(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t i,
                           std::uint32_t n);

/// (u64 >> 11) * 2^-53: uniform on [0, 1).
double random_uniform(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t i);

/// The draws i = 0 .. out.size()-1 of replicate b: the same values as random_index, computed in blocks of
/// lanes.
void random_indices(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::uint32_t n,
                    std::span<std::uint32_t> out);

/// The values i = 0 .. out.size()-1 of replicate b: the same values as random_u64.
void random_u64s(std::uint64_t seed, std::uint32_t stream, std::uint32_t b, std::span<std::uint64_t> out);

/// A permutation of 0 .. n-1: Fisher-Yates from the end, exchange i with index(seed, stream, 0, i, i + 1).
std::vector<std::uint32_t> random_permutation(std::uint64_t seed, std::uint32_t n,
                                              std::uint32_t stream = kStreamSelect);

/// The seed of one task: the first 8 bytes, little endian, of SHA-256 over
/// "assay.seed.v1|<seed decimal>|<purpose>|<task id>". Purposes: bootstrap, permutation, select, fewshot,
/// ties.
std::uint64_t task_seed(std::uint64_t seed, std::string_view purpose, std::string_view task);

}  // namespace assay::stats
