#include "reports/html/escape.hpp"

#include <fmt/format.h>

#include "assay/text/utf8.hpp"

namespace assay::host::html {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Marks, embeddings, overrides and isolates of the bidirectional algorithm.
bool changes_direction(char32_t c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

// Code points that XML does not allow or that HTML parsers complain about.
bool no_character(char32_t c) {
  return (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFEU) == 0xFFFE;
}

// Bytes of the terminal sequence at the front of `rest`, which begins with ESC: CSI up to its final byte, the
// strings (OSC, DCS, SOS, PM, APC) up to BEL or ST, anything else with its one byte.
std::size_t sequence_length(std::string_view rest) {
  if (rest.size() < 2) return rest.size();
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  if (rest[1] == '[') {
    std::size_t i = 2;
    while (i < rest.size() && byte(i) >= 0x20 && byte(i) <= 0x3F) ++i;
    return i < rest.size() && byte(i) >= 0x40 && byte(i) <= 0x7E ? i + 1 : i;
  }
  if (rest[1] == ']' || rest[1] == 'P' || rest[1] == 'X' || rest[1] == '^' || rest[1] == '_') {
    for (std::size_t i = 2; i < rest.size(); ++i) {
      if (rest[i] == '\x07') return i + 1;
      if (rest[i] == '\x1b' && i + 1 < rest.size() && rest[i + 1] == '\\') return i + 2;
    }
    return 2;  // never ended: what follows is kept as text
  }
  return byte(1) >= 0x30 && byte(1) <= 0x7E ? 2 : 1;
}

std::string escaped(std::string_view raw, bool spaces) {
  const std::string clean = cleaned(raw);
  std::string out;
  out.reserve(clean.size() + clean.size() / 8);
  for (const char c : clean) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\n':
      case '\t':
        out += spaces ? ' ' : c;
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

std::string cleaned(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] == '\x1b') {
      i += sequence_length(raw.substr(i));
      continue;
    }
    const assay::text::CodePoint point = assay::text::decode_at(raw, i);
    const std::string_view bytes = raw.substr(i, point.length);
    i += point.length;
    if (!point.valid || no_character(point.value)) {
      out += kReplacement;
    } else if (point.value == '\r') {
      if (i >= raw.size() || raw[i] != '\n') out += '\n';
    } else if (point.value == '\n' || point.value == '\t') {
      out += bytes;
    } else if (point.value < 0x20 || (point.value >= 0x7F && point.value <= 0x9F)) {
      continue;
    } else if (changes_direction(point.value)) {
      out += fmt::format("[U+{:04X}]", static_cast<std::uint32_t>(point.value));
    } else {
      out += bytes;
    }
  }
  return out;
}

std::string text(std::string_view raw) {
  return escaped(raw, false);
}

std::string attribute(std::string_view raw) {
  return escaped(raw, true);
}

std::string shortened(std::string_view raw, std::size_t points_max) {
  std::string clean = cleaned(raw);
  std::size_t end = 0, points = 0;
  while (end < clean.size() && points < points_max)
    end += assay::text::decode_at(clean, end).length, ++points;
  if (end == clean.size()) return clean;
  const std::size_t left = assay::text::count_code_points(std::string_view(clean).substr(end));
  clean.resize(end);
  return clean + fmt::format(" [... {} more characters]", left);
}

}  // namespace assay::host::html
