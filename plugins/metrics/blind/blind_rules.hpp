// Baselines that look at one text and nothing else (mia.md, section 4). Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "assay/sdk/result.hpp"

namespace assay::blind {

/// 0.5 without any run of four digits; 1 if the largest of the non-overlapping runs, taken from the left, is
/// below `cutoff`; else 0. Digits are ASCII, word boundaries do not matter: "12345" yields 1234.
double date_max4(std::string_view text, std::int64_t cutoff);

enum class SizeVariant : std::uint8_t { kZlibBytes, kNegZlibBytes, kUtf8Bytes, kChars, kZlibOverBytes };
/// Size of the text; error kData for kZlibOverBytes of the empty text.
Result<double> size_of_text(std::string_view text, SizeVariant variant);

/// Which of several equal-best choices counts.
enum class Extreme : std::uint8_t { kLongest, kShortest };
/// Index of the longest or shortest choice in bytes, the first of equals. Precondition: not empty.
std::size_t extreme_choice(std::span<const std::string_view> choices, Extreme which);

}  // namespace assay::blind
