#include "blind_rules.hpp"

#include <algorithm>

#include "assay/text/utf8.hpp"
#include "assay/text/zlib_length.hpp"

namespace assay::blind {

double date_max4(std::string_view text, std::int64_t cutoff) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  std::int64_t largest = -1;
  for (std::size_t i = 0; i + 4 <= text.size();) {
    if (!(digit(i) && digit(i + 1) && digit(i + 2) && digit(i + 3))) {
      ++i;
      continue;
    }
    std::int64_t value = 0;
    for (std::size_t j = i; j < i + 4; ++j) value = value * 10 + (text[j] - '0');
    largest = std::max(largest, value);
    i += 4;
  }
  if (largest < 0) return 0.5;
  return largest < cutoff ? 1.0 : 0.0;
}

Result<double> size_of_text(std::string_view text, SizeVariant variant) {
  if (variant == SizeVariant::kUtf8Bytes) return static_cast<double>(text.size());
  if (variant == SizeVariant::kChars) return static_cast<double>(text::count_code_points(text));
  const Result<std::size_t> length = text::zlib_length(text);
  if (!length) return length.error();
  const double bytes = static_cast<double>(*length);
  if (variant == SizeVariant::kZlibBytes) return bytes;
  if (variant == SizeVariant::kNegZlibBytes) return -bytes;
  if (text.empty()) return Error{Code::kData, "zero_denominator: the text is empty", {}};
  return bytes / static_cast<double>(text.size());
}

std::size_t extreme_choice(std::span<const std::string_view> choices, Extreme which) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < choices.size(); ++i) {
    const bool better = which == Extreme::kLongest ? choices[i].size() > choices[best].size()
                                                   : choices[i].size() < choices[best].size();
    if (better) best = i;
  }
  return best;
}

}  // namespace assay::blind
