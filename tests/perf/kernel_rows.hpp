// Rows for the measurements of the fast token statistics, and a plain read to compare with.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace kernel_rows {

inline constexpr std::size_t kVocabulary = 128256;

/// Logits like a language model's: normal around -4 with five likely tokens. `count` rows, one after the
/// other.
inline std::vector<float> make(std::size_t count, std::size_t width = kVocabulary) {
  std::uint64_t state = 20260512;
  const auto uniform = [&state] {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return (static_cast<double>((z ^ (z >> 31U)) >> 12U) + 0.5) * 0x1.0p-52;
  };
  std::vector<float> rows(count * width);
  for (float& z : rows) {
    z = static_cast<float>(-4 + 2.2 * std::sqrt(-2 * std::log(uniform())) *
                                    std::cos(6.283185307179586 * uniform()));
  }
  for (std::size_t i = 0; i < count * 5; ++i) {
    rows[i / 5 * width + static_cast<std::size_t>(uniform() * static_cast<double>(width))] =
        static_cast<float>(8 + 6 * uniform());
  }
  return rows;
}

/// Reads every byte once and does as little as possible with it: the sum of the words in eight chains of the
/// compiler's 32-byte vectors.
#if defined(__x86_64__)
__attribute__((target("avx2")))
#endif
inline std::uint64_t
read_only(std::span<const float> row) {
  using Words = std::uint64_t __attribute__((vector_size(32), aligned(4), may_alias));
  Words sum[8] = {};
  const auto* at = reinterpret_cast<const char*>(row.data());
  const std::size_t bytes = row.size_bytes();
  std::size_t i = 0;
  for (; i + 256 <= bytes; i += 256) {
    for (std::size_t k = 0; k < 8; ++k) sum[k] += *reinterpret_cast<const Words*>(at + i + 32 * k);
  }
  std::uint64_t all = 0;
  for (const Words& words : sum) all += words[0] + words[1] + words[2] + words[3];
  for (; i < bytes; ++i) all += static_cast<unsigned char>(at[i]);
  return all;
}

/// A target inside the row, likely in half of the rows (the largest entry) and arbitrary in the others.
inline std::int64_t target_of(std::span<const float> row, std::size_t number) {
  if (number % 2 == 1) return static_cast<std::int64_t>(number * 7919 % row.size());
  std::size_t top = 0;
  for (std::size_t i = 1; i < row.size(); ++i) top = row[i] > row[top] ? i : top;
  return static_cast<std::int64_t>(top);
}

}  // namespace kernel_rows
