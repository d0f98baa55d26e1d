#include "assay/text/utf8.hpp"

#include <cstring>

namespace assay::text {
namespace {

constexpr unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// Length of the ASCII run that starts at `from`, eight bytes at a time.
std::size_t ascii_run(std::string_view text, std::size_t from) {
  std::size_t i = from;
  while (text.size() - i >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) break;
    i += 8;
  }
  while (i < text.size() && byte_at(text, i) < 0x80) ++i;
  return i - from;
}

// Shape of a sequence by its lead byte: number of continuation bytes and the range allowed for the first.
struct Lead {
  std::uint32_t continuation = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
};

Lead lead_of(unsigned char b) {
  if (b >= 0xC2 && b <= 0xDF) return {1, 0x80, 0xBF};
  if (b == 0xE0) return {2, 0xA0, 0xBF};
  if (b == 0xED) return {2, 0x80, 0x9F};
  if (b >= 0xE1 && b <= 0xEF) return {2, 0x80, 0xBF};
  if (b == 0xF0) return {3, 0x90, 0xBF};
  if (b >= 0xF1 && b <= 0xF3) return {3, 0x80, 0xBF};
  if (b == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

}  // namespace

CodePoint decode_at(std::string_view text, std::size_t offset) {
  const unsigned char first = byte_at(text, offset);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = lead_of(first);
  if (lead.continuation == 0) return {};
  char32_t value = first & (0x3FU >> lead.continuation);
  for (std::uint32_t k = 1; k <= lead.continuation; ++k) {
    const unsigned char low = k == 1 ? lead.low : static_cast<unsigned char>(0x80);
    const unsigned char high = k == 1 ? lead.high : static_cast<unsigned char>(0xBF);
    if (offset + k >= text.size()) return {kReplacementCharacter, k, false};
    const unsigned char b = byte_at(text, offset + k);
    if (b < low || b > high) return {kReplacementCharacter, k, false};
    value = (value << 6) | (b & 0x3FU);
  }
  return {value, lead.continuation + 1, true};
}

void append_utf8(std::string& out, char32_t value) {
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) value = kReplacementCharacter;
  const auto tail = [&](unsigned shift) {
    out.push_back(static_cast<char>(0x80 | ((value >> shift) & 0x3F)));
  };
  if (value < 0x80) {
    out.push_back(static_cast<char>(value));
  } else if (value < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (value >> 6)));
    tail(0);
  } else if (value < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (value >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | (value >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    i += ascii_run(text, i);
    if (i == text.size()) break;
    const CodePoint c = decode_at(text, i);
    if (!c.valid) return false;
    i += c.length;
  }
  return true;
}

bool is_ascii(std::string_view text) {
  return ascii_run(text, 0) == text.size();
}

std::size_t count_code_points(std::string_view text) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t run = ascii_run(text, i);
    n += run;
    i += run;
    if (i == text.size()) break;
    i += decode_at(text, i).length;
    ++n;
  }
  return n;
}

std::u32string to_code_points(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for_each_code_point(text, [&](char32_t c, std::string_view, bool) { out.push_back(c); });
  return out;
}

std::string to_utf8(std::u32string_view code_points) {
  std::string out;
  out.reserve(code_points.size());
  for (const char32_t c : code_points) append_utf8(out, c);
  return out;
}

bool is_white_space(char32_t c, SpaceSet set) {
  if (c < 0x80) {
    if ((c >= 0x09 && c <= 0x0D) || c == 0x20) return true;
    return set == SpaceSet::kPython && c >= 0x1C && c <= 0x1F;
  }
  if (c == 0x85 || c == 0xA0 || c == 0x1680) return true;
  if (c < 0x2000) return false;
  return c <= 0x200A || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_ascii_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim_end(std::string_view text, SpaceSet set) {
  std::size_t end = 0;  // one past the last code point that is not white space
  std::size_t i = text.size();
  // Plain ASCII ends need no decoding from the start of the text.
  while (i > 0 && byte_at(text, i - 1) < 0x80 && is_white_space(byte_at(text, i - 1), set)) --i;
  if (i == 0 || byte_at(text, i - 1) < 0x80) return text.substr(0, i);
  // White space is at most three bytes long, so looking back three bytes decides about the last character.
  for (;;) {
    end = i;
    for (std::size_t back = 1; back <= 3 && back <= i; ++back) {
      const CodePoint c = decode_at(text.substr(0, i), i - back);
      if (c.valid && c.length == back && is_white_space(c.value, set)) {
        i -= back;
        break;
      }
    }
    if (i == end || i == 0) return text.substr(0, i);
  }
}

std::string_view trim(std::string_view text, SpaceSet set) {
  std::size_t i = 0;
  while (i < text.size()) {
    const CodePoint c = decode_at(text, i);
    if (!c.valid || !is_white_space(c.value, set)) break;
    i += c.length;
  }
  return trim_end(text.substr(i), set);
}

std::string collapse_white_space(std::string_view text, SpaceSet set) {
  std::string out;
  out.reserve(text.size());
  bool pending = false;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text, i);
    if (c.valid && is_white_space(c.value, set)) {
      pending = !out.empty();
    } else {
      if (pending) out.push_back(' ');
      pending = false;
      out.append(text.substr(i, c.length));
    }
    i += c.length;
  }
  return out;
}

std::vector<std::string_view> split_white_space(std::string_view text, SpaceSet set) {
  std::vector<std::string_view> out;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text, i);
    if (c.valid && is_white_space(c.value, set)) {
      if (i > start) out.push_back(text.substr(start, i - start));
      start = i + c.length;
    }
    i += c.length;
  }
  if (text.size() > start) out.push_back(text.substr(start));
  return out;
}

std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  std::size_t start = 0;
  for (;;) {
    const std::size_t end = text.find(separator, start);
    if (end == std::string_view::npos) break;
    out.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  out.push_back(text.substr(start));
  return out;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  if (from.empty()) return out.append(text);
  std::size_t start = 0;
  for (;;) {
    const std::size_t hit = text.find(from, start);
    if (hit == std::string_view::npos) break;
    out.append(text.substr(start, hit - start)).append(to);
    start = hit + from.size();
  }
  return out.append(text.substr(start));
}

}  // namespace assay::text
