// JSON as other harnesses write it (Python's json module above all): bare NaN and infinities, byte-order
// mark, CRLF, duplicate keys, lone surrogates, whole numbers beyond 2^53.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::host::interop {

/// Order of keys as in the file (hashes of other harnesses depend on it).
using Tree = nlohmann::ordered_json;

/// Parses one JSON text. NaN, Infinity and -Infinity become numbers of that kind; integers that no int64 or
/// uint64 holds exactly become texts; the last of duplicate keys wins and lone surrogates become U+FFFD, each
/// with one sentence added to `warnings`. kData with `where` ("file.jsonl:12") and the byte offset for
/// invalid UTF-8, truncated text, trailing garbage, nesting above 512.
Result<Tree> parse_tolerant(std::string_view text, const std::string& where,
                            std::vector<std::string>& warnings);

/// The first byte that is not valid UTF-8; npos if there is none.
std::size_t invalid_utf8_at(std::string_view text);

/// A number, or a text that holds one ("-2.5", "nan", "-inf", "1e3"); nothing for everything else. Booleans
/// are numbers only with `booleans` ("True", "False" texts too).
bool read_number(const Tree& value, double& number, bool booleans = false);

/// Text of an id or a target: texts as they are, numbers in their shortest form (1, not 1.0 when written 1),
/// everything else as compact JSON.
std::string plain_text(const Tree& value);

}  // namespace assay::host::interop
