#include "plugins/models/replay/canonical_request.hpp"

#include <openssl/evp.h>

#include <array>
#include <charconv>

#include "plugins/models/replay/request_key.hpp"

namespace assay::replay {
namespace {

void quote(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out += '\\';
      out += c == '\n' ? 'n' : c == '\t' ? 't' : 'r';
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  out += '"';
}

template <class Number>
void number(std::string& out, Number value) {
  std::array<char, 40> buffer{};
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  out.append(buffer.data(), written.ptr);
}

void key(std::string& out, std::string_view name) {
  if (out.back() != '{') out += ',';
  quote(out, name);
  out += ':';
}

template <class Number>
void member(std::string& out, std::string_view name, Number value) {
  key(out, name);
  number(out, value);
}

}  // namespace

std::string canonical_request(const assay_request& request) {
  const bool generates = request.kind == ASSAY_REQUEST_GENERATE;
  std::string out = "{";
  const auto text = [&out](std::string_view name, std::string_view value) {
    key(out, name);
    quote(out, value);
  };
  if (request.continuation.len != 0) text("continuation", view(request.continuation));
  if (request.flags != 0) member(out, "flags", request.flags);
  if (request.join != 0) member(out, "join", request.join);
  text("kind", kind_name(request.kind));
  if (generates) member(out, "max_tokens", request.max_tokens);
  if (request.message_count != 0) {
    key(out, "messages");
    for (std::size_t i = 0; i < request.message_count; ++i) {
      out += i == 0 ? "[{" : ",{";
      text("content", view(request.messages[i].content));
      text("role", view(request.messages[i].role));
      out += '}';
    }
    out += ']';
  }
  if (request.min_p != 0) member(out, "min_p", request.min_p);
  if (request.n > 1) member(out, "n", request.n);
  text("prompt", view(request.prompt));
  if (request.repeat != 0) member(out, "repeat", request.repeat);
  if (request.seed != 0) text("seed", std::to_string(request.seed));
  if (request.stop.count != 0) {
    key(out, "stop");
    for (std::size_t i = 0; i < request.stop.count; ++i) {
      out += i == 0 ? '[' : ',';
      quote(out, view(request.stop.items[i]));
    }
    out += ']';
  }
  if (generates) member(out, "temperature", request.temperature);
  if (request.top_k != 0) member(out, "top_k", request.top_k);
  if (request.top_p != 0 && request.top_p != 1) member(out, "top_p", request.top_p);
  out += '}';
  return out;
}

std::string request_digest(const assay_request& request) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::string text = canonical_request(request);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4U];
    hex += kHex[digest[i] & 15U];
  }
  return hex;
}

}  // namespace assay::replay
