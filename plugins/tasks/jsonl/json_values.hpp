// Reading values out of one JSON row with simdjson. Include in .cpp files only: simdjson.h is large.
#pragma once

#include <simdjson.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "assay/sdk/result.hpp"

namespace assay::rows {

using Element = simdjson::dom::element;
using Object = simdjson::dom::object;

/// Parses one row that has Content::kPadding readable bytes behind it. The whole row is checked, its UTF-8
/// too. Views into the result live until the parser's next use.
inline Result<Object> parse_object(simdjson::dom::parser& parser, std::string_view row) {
  Element root;
  const auto failed = parser.parse(row.data(), row.size(), false).get(root);
  if (failed == simdjson::UTF8_ERROR) return Error{Code::kData, "the row is not valid UTF-8", {}};
  if (failed) {
    return Error{
        Code::kData, std::string("the row is not valid JSON (") + simdjson::error_message(failed) + ")", {}};
  }
  Object object;
  if (root.get(object) != simdjson::SUCCESS) return Error{Code::kData, "the row is not a JSON object", {}};
  return object;
}

inline std::optional<Element> member(const Object& object, std::string_view key) {
  Element value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

template <class Number>
std::string_view digits_of(Number number, std::string& scratch) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  scratch.assign(buffer, end);
  return scratch;
}

/// A value as text: strings as they are, numbers in their shortest form, true and false. Nothing for lists,
/// objects and null. `scratch` holds the text of values that are not strings.
inline std::optional<std::string_view> text_of(const Element& value, std::string& scratch) {
  switch (value.type()) {
    case simdjson::dom::element_type::STRING:
      return std::string_view(value.get_string().value_unsafe());
    case simdjson::dom::element_type::INT64:
      return digits_of(value.get_int64().value_unsafe(), scratch);
    case simdjson::dom::element_type::UINT64:
      return digits_of(value.get_uint64().value_unsafe(), scratch);
    case simdjson::dom::element_type::DOUBLE:
      return digits_of(value.get_double().value_unsafe(), scratch);
    case simdjson::dom::element_type::BOOL:
      return value.get_bool().value_unsafe() ? "true" : "false";
    default:
      return std::nullopt;
  }
}

inline std::optional<std::string_view> text_member(const Object& object, std::string_view key,
                                                   std::string& scratch) {
  const auto value = member(object, key);
  if (!value) return std::nullopt;
  return text_of(*value, scratch);
}

/// The keys of an object, for messages.
inline std::string keys_of(const Object& object) {
  std::string keys;
  for (const auto field : object) {
    if (!keys.empty()) keys += ", ";
    if (keys.size() > 200) return keys + "...";
    keys += field.key;
  }
  return keys;
}

}  // namespace assay::rows
