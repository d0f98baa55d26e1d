#include "reports/markdown.hpp"

#include <fmt/format.h>

#include "harness/base/strings.hpp"

namespace assay::host {

std::string markdown_text(const std::string& raw, std::size_t bytes_max) {
  std::string out;
  for (const char c : printable(raw, bytes_max)) {
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
      case '\n':
        out += ' ';
        break;
      case '|':
      case '`':
      case '*':
      case '_':
      case '[':
      case ']':
      case '\\':
      case '#':
      case '~':
      case '@':
        out += fmt::format("&#{};", static_cast<int>(c));
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace assay::host
