// The canonical form of a request and the content address of its response.
#pragma once

#include <string>
#include <string_view>

#include "assay/plugin.h"
#include "harness/base/hash.hpp"

namespace assay::host {

inline constexpr std::uint32_t kKeyFormat = 1;  ///< version of the content address

/// Canonical JSON of a request: sorted keys, no white space, only what can change the answer. For models
/// keyed by item it also holds task, item, variant and request name. Appends to `out`.
void append_request_json(const assay_request& request, bool keyed_by_item, std::string& out);

/// Content address: SHA-256 over the length-prefixed fields key format, model fingerprint, canonical request.
Digest response_key(std::string_view fingerprint, std::string_view request_json);

/// JSON of an answer (texts, finish reasons, values, series, distributions) as stored; stored_answer.hpp
/// reads it back. Token statistics are stored apart (db/blob.hpp). Appends to `out`.
void append_answer_json(const assay_response& response, std::string& out);

/// Appends `text` as a JSON string.
void append_json_string(std::string_view text, std::string& out);
/// Appends the shortest number that reads back with the same bits; "NaN", "Infinity" or "-Infinity" as a text
/// when it is not finite.
void append_json_number(double value, std::string& out);

}  // namespace assay::host
