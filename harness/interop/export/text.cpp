#include "harness/interop/export/text.hpp"

#include <charconv>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"

namespace assay::host::exporting {
namespace {

using Json = nlohmann::json;

/// Letters that JSON takes as they are.
bool plain(unsigned char byte) {
  return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

void append_escaped(std::string_view text, bool ascii, std::string& out) {
  bool simple = true;
  for (const char c : text) simple = simple && plain(static_cast<unsigned char>(c));
  if (simple) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  out += Json(text).dump(-1, ' ', ascii, Json::error_handler_t::replace);
}

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

void append_json(std::string_view text, std::string& out) {
  append_escaped(text, false, out);
}

void append_json_ascii(std::string_view text, std::string& out) {
  append_escaped(text, true, out);
}

void append_json(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char buffer[32];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

void append_json(std::int64_t number, std::string& out) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

void append_csv(std::string_view text, std::string& out) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string percent_encoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

std::string file_word(std::string_view text) {
  std::string out;
  for (const char c : text) out += letter_or_digit(c) || c == '-' || c == '.' || c == '_' ? c : '_';
  if (out.empty() || out == "." || out == "..") out = "_";
  return out;
}

std::int64_t epoch_seconds(std::string_view time) {
  // 2026-01-31T12:34:56, then fractions and Z
  if (time.size() < 19 || time[4] != '-' || time[7] != '-' || time[13] != ':' || time[16] != ':') return -1;
  const auto part = [&](std::size_t at, std::size_t n) {
    return static_cast<int>(parse_int(time.substr(at, n)).value_or(-1));
  };
  std::tm parts{};
  parts.tm_year = part(0, 4) - 1900;
  parts.tm_mon = part(5, 2) - 1;
  parts.tm_mday = part(8, 2);
  parts.tm_hour = part(11, 2);
  parts.tm_min = part(14, 2);
  parts.tm_sec = part(17, 2);
  if (parts.tm_year < 0 || parts.tm_mon < 0 || parts.tm_mday < 0 || parts.tm_hour < 0 || parts.tm_min < 0 ||
      parts.tm_sec < 0) {
    return -1;
  }
  return timegm(&parts);
}

}  // namespace assay::host::exporting
