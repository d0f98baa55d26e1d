// Small text helpers of the host. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::host {

/// The candidate nearest to `word` by edit distance, if it is near enough to be a likely typing error.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);
/// "; did you mean 'x'?" or "" - the usual tail of a message about an unknown name.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

std::string join(std::span<const std::string> parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trimmed(std::string_view text);
/// Shell-style pattern with '*' and '?', whole-string match.
bool glob_match(std::string_view pattern, std::string_view text);

/// Shortest decimal text that reads back as the same double ("nan", "inf", "-inf" for the others).
std::string number_text(double value);
/// Strict: the whole text must be the number.
std::optional<double> parse_double(std::string_view text);
std::optional<std::int64_t> parse_int(std::string_view text);

/// True if `text` is valid UTF-8 (no overlong forms, surrogates or values above U+10FFFF).
bool valid_utf8(std::string_view text);
/// Replaces invalid bytes by U+FFFD, for text that must be shown in a message.
std::string printable(std::string_view text, std::size_t bytes_max = 200);

/// Time now as RFC 3339 UTC with milliseconds.
std::string utc_now();

}  // namespace assay::host
