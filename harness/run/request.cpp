#include "harness/run/request.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "assay/sdk/abi.hpp"

namespace assay::host {
namespace {

void append_integer(std::int64_t value, std::string& out) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

// Writes `"key":` with a comma where needed.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  std::string& key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void text(std::string_view name, std::string_view value) { append_json_string(value, key(name)); }
  void integer(std::string_view name, std::int64_t value) { append_integer(value, key(name)); }
  void number(std::string_view name, double value) { append_json_number(value, key(name)); }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

void append_numbers(const double* values, std::size_t count, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i != 0) out += ',';
    append_json_number(values[i], out);
  }
  out += ']';
}

void append_row(const assay_row& row, std::string& out) {
  Object object(out);
  object.key("data") += '[';
  for (std::uint32_t v = 0; v < row.vocabulary; ++v) {
    if (v != 0) out += ',';
    append_json_number(row.dtype == ASSAY_F64 ? static_cast<const double*>(row.data)[v]
                                              : static_cast<double>(static_cast<const float*>(row.data)[v]),
                       out);
  }
  out += ']';
  object.integer("dtype", row.dtype);
  object.integer("form", row.form);
  object.integer("member", row.member);
  object.integer("position", row.position);
  object.integer("target", row.target);
  object.end();
}

const char* kind_text(int kind) {
  switch (kind) {
    case ASSAY_REQUEST_GENERATE:
      return "generate";
    case ASSAY_REQUEST_SCORE:
      return "score";
    case ASSAY_REQUEST_ROWS:
      return "rows";
    case ASSAY_REQUEST_CLASSIFY:
      return "classify";
    default:
      return "embed";
  }
}

const char* finish_text(int finish) {
  switch (finish) {
    case ASSAY_FINISH_STOP:
      return "stop";
    case ASSAY_FINISH_LENGTH:
      return "length";
    case ASSAY_FINISH_FILTER:
      return "filter";
    default:
      return "none";
  }
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text.substr(plain, i - plain));
    plain = i + 1;
    switch (byte) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        out += "\\u00";
        out += kHex[byte >> 4U];
        out += kHex[byte & 15U];
    }
  }
  out.append(text.substr(plain));
  out += '"';
}

void append_json_number(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    return;
  }
  char buffer[32];
  char* const end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
  // Readers that tell whole numbers apart would lose the sign of -0 and refuse what exceeds 64 bits.
  const bool special = value == 0 ? std::signbit(value) : std::abs(value) >= 9007199254740992.0;
  if (special && std::find(buffer, end, 'e') == end && std::find(buffer, end, '.') == end) out += ".0";
}

void append_request_json(const assay_request& r, bool keyed_by_item, std::string& out) {
  Object object(out);
  if (r.continuation.len != 0) object.text("continuation", view(r.continuation));
  if (r.flags != 0) object.integer("flags", r.flags);
  if (keyed_by_item) object.text("item", view(r.item));
  if (r.join != 0) object.integer("join", r.join);
  object.text("kind", kind_text(r.kind));
  if (r.kind == ASSAY_REQUEST_GENERATE) object.integer("max_tokens", r.max_tokens);
  if (r.message_count != 0) {
    object.key("messages") += '[';
    for (std::size_t i = 0; i < r.message_count; ++i) {
      if (i != 0) out += ',';
      Object message(out);
      message.text("content", view(r.messages[i].content));
      message.text("role", view(r.messages[i].role));
      message.end();
    }
    out += ']';
  }
  if (r.min_p != 0) object.number("min_p", r.min_p);
  if (r.n > 1) object.integer("n", r.n);
  if (keyed_by_item) object.text("name", view(r.name));
  object.text("prompt", view(r.prompt));
  if (r.repeat != 0) object.integer("repeat", r.repeat);
  if (r.seed != 0) object.text("seed", std::to_string(r.seed));
  if (r.stop.count != 0) {
    object.key("stop") += '[';
    for (std::size_t i = 0; i < r.stop.count; ++i) {
      if (i != 0) out += ',';
      append_json_string(view(r.stop.items[i]), out);
    }
    out += ']';
  }
  if (keyed_by_item) object.text("task", view(r.task));
  // Only requests of imported logs can lack it: greedy would be a claim that the log does not make.
  if (r.kind == ASSAY_REQUEST_GENERATE && !std::isnan(r.temperature))
    object.number("temperature", r.temperature);
  if (r.top_k != 0) object.integer("top_k", r.top_k);
  if (r.top_p != 0 && r.top_p != 1) object.number("top_p", r.top_p);
  if (keyed_by_item) object.text("variant", view(r.variant));
  if (r.want != 0) object.integer("want", static_cast<std::int64_t>(r.want));
  object.end();
}

Digest response_key(std::string_view fingerprint, std::string_view request_json) {
  thread_local Sha256 state;
  return state.number(kKeyFormat).field(fingerprint).field(request_json).finish();
}

void append_answer_json(const assay_response& response, std::string& out) {
  Object object(out);
  if (response.choice_count != 0) {
    object.key("choices") += '[';
    for (std::size_t i = 0; i < response.choice_count; ++i) {
      const assay_choice& choice = *element(response.choices, response.choice_size, i);
      if (i != 0) out += ',';
      Object one(out);
      one.text("finish", finish_text(choice.finish));
      if (!std::isnan(choice.mean_logprob)) one.number("mean_logprob", choice.mean_logprob);
      one.text("text", view(choice.text));
      one.end();
    }
    out += ']';
  }
  if (response.flags != 0) object.integer("flags", response.flags);
  if (!std::isnan(response.mean_logprob)) object.number("mean_logprob", response.mean_logprob);
  if (response.row_count != 0) {
    object.key("rows") += '[';
    for (std::size_t i = 0; i < response.row_count; ++i) {
      if (i != 0) out += ',';
      append_row(*element(response.rows, response.row_size, i), out);
    }
    out += ']';
  }
  if (response.scored_count != 0) object.integer("scored", response.scored_count);
  if (response.series_count != 0) {
    Object series(object.key("series"));
    for (std::size_t i = 0; i < response.series_count; ++i) {
      append_json_string(view(response.series[i].name), i == 0 ? out : (out += ','));
      out += ':';
      append_numbers(response.series[i].values, response.series[i].count, out);
    }
    series.end();
  }
  if (response.value_count != 0) append_numbers(response.values, response.value_count, object.key("values"));
  object.end();
}

}  // namespace assay::host
