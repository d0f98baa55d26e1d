// Texts and numbers in the syntax of JSON and CSV. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace assay::host::exporting {

/// Appends `text` as a JSON string; bytes that are not UTF-8 become U+FFFD.
void append_json(std::string_view text, std::string& out);
/// Appends `text` as a JSON string with ASCII letters only.
void append_json_ascii(std::string_view text, std::string& out);
/// Shortest text that reads back as the same double; null when it is not finite.
void append_json(double number, std::string& out);
void append_json(std::int64_t number, std::string& out);

/// A CSV field by RFC 4180: quoted when it holds a comma, a quote, a line break or is empty (an absent value
/// is nothing at all between its commas). Nothing is put before values that begin with = + - @: data stay
/// exact.
void append_csv(std::string_view text, std::string& out);

/// RFC 3986: everything but letters, digits and - . _ ~ becomes %XX.
std::string percent_encoded(std::string_view text);

/// `text` as part of a file name or path: letters, digits and - . _ stay, everything else becomes '_'; never
/// empty, "." or "..".
std::string file_word(std::string_view text);

/// Seconds since 1970 of an RFC 3339 UTC time; -1 when it is none.
std::int64_t epoch_seconds(std::string_view time);

}  // namespace assay::host::exporting
