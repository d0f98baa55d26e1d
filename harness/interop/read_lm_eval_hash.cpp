// Python's JSON, to the byte: the hashes of lm-eval are taken over it.
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "harness/base/strings.hpp"
#include "harness/interop/read_lm_eval.hpp"

namespace assay::host::interop::lm_eval {
namespace {

void write_text(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    static constexpr std::string_view kPlain = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt";
    if (const std::size_t i = kPlain.find(c); i != std::string_view::npos) {
      out += '\\';
      out += kNames[i];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += code.data();
    } else {
      out += c;
    }
  }
  out += '"';
}

bool is_big_number(const std::string& text) {
  const std::string_view digits = std::string_view(text).substr(text.starts_with('-') ? 1 : 0);
  return digits.size() >= 19 && digits.front() != '0' &&
         digits.find_first_not_of("0123456789") == std::string_view::npos;
}

void write(const Tree& value, bool big_numbers, std::size_t depth, std::string& out) {
  const auto line = [&](std::size_t levels) {
    out += '\n';
    out.append(2 * levels, ' ');
  };
  if (value.is_structured()) {
    const bool object = value.is_object();
    out += object ? '{' : '[';
    bool first = true;
    for (const auto& [key, member] : value.items()) {
      if (!first) out += ',';
      first = false;
      line(depth + 1);
      if (object) {
        write_text(key, out);
        out += ": ";
      }
      write(member, big_numbers, depth + 1, out);
    }
    if (!first) line(depth);
    out += object ? '}' : ']';
  } else if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    if (big_numbers && is_big_number(text)) {
      out += text;
    } else {
      write_text(text, out);
    }
  } else if (value.is_number_float()) {
    const double number = value.get<double>();
    out += std::isnan(number)   ? "NaN"
           : std::isinf(number) ? (number > 0 ? "Infinity" : "-Infinity")
                                : python_real(number);
  } else {
    out += value.dump();
  }
}

}  // namespace

std::string python_json(const Tree& value, bool big_numbers) {
  std::string out;
  write(value, big_numbers, 0, out);
  return out;
}

std::string python_real(double value) {
  if (!std::isfinite(value)) return number_text(value);
  std::array<char, 400> buffer{};
  const auto text = [&](std::chars_format format) {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr;
    return std::string(buffer.data(), end);
  };
  std::string scientific = text(std::chars_format::scientific);
  const std::size_t e = scientific.find('e');
  const auto exponent =
      parse_int(std::string_view(scientific).substr(e + (scientific[e + 1] == '+' ? 2 : 1)));
  if (exponent && (*exponent < -4 || *exponent >= 16)) return scientific;
  std::string fixed = text(std::chars_format::fixed);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

}  // namespace assay::host::interop::lm_eval
