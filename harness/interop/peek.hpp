// Looking into foreign JSON without trusting it: whatever is absent, null or of another type reads as absent.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/interop/imported.hpp"
#include "harness/interop/tolerant_json.hpp"

namespace assay::host::interop {

/// The member `key` of an object; nullptr when `tree` is no object, or the member is absent or null.
inline const Tree* peek(const Tree& tree, std::string_view key) {
  if (!tree.is_object()) return nullptr;
  for (const auto& [name, value] : tree.items()) {
    if (name == key) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}
/// The same along a path of members.
template <class... Keys>
const Tree* peek(const Tree& tree, std::string_view key, Keys... rest) {
  const Tree* inner = peek(tree, key);
  return inner == nullptr ? nullptr : peek(*inner, rest...);
}

/// A text or a number as text; everything else is "".
inline std::string peek_text(const Tree& tree, std::string_view key) {
  const Tree* value = peek(tree, key);
  return value != nullptr && (value->is_string() || value->is_number()) ? plain_text(*value) : std::string();
}
/// A whole number, or -1.
inline std::int64_t peek_count(const Tree& tree, std::string_view key) {
  const Tree* value = peek(tree, key);
  double number = 0;
  if (value == nullptr || !value->is_number() || !read_number(*value, number)) return -1;
  return number >= 0 && number < 9e15 && number == std::floor(number) ? static_cast<std::int64_t>(number)
                                                                      : -1;
}
/// A finite number, or kAbsent.
inline double peek_real(const Tree& tree, std::string_view key) {
  const Tree* value = peek(tree, key);
  double number = kAbsent;
  if (value == nullptr || !value->is_number() || !read_number(*value, number)) return kAbsent;
  return std::isfinite(number) ? number : kAbsent;
}
/// A text or a list of texts.
inline std::vector<std::string> peek_texts(const Tree& tree, std::string_view key) {
  std::vector<std::string> texts;
  const Tree* value = peek(tree, key);
  if (value == nullptr) return texts;
  if (value->is_array()) {
    for (const Tree& one : *value) texts.push_back(plain_text(one));
  } else {
    texts.push_back(plain_text(*value));
  }
  return texts;
}

/// One line of JSON; numbers that are not finite become null.
inline std::string compact(const Tree& tree) {
  return tree.dump(-1, ' ', false, Tree::error_handler_t::replace);
}

/// Content of a chat message: a text, or the text parts of a list joined without separator.
inline std::string content_text(const Tree* content) {
  std::string text;
  if (content == nullptr) return text;
  if (content->is_string()) return content->get_ref<const std::string&>();
  if (!content->is_array()) return text;
  for (const Tree& part : *content) {
    if (part.is_string()) text += part.get_ref<const std::string&>();
    const std::string type = peek_text(part, "type");
    if (type.empty() || type == "text" || type == "output_text") {
      if (const Tree* inner = peek(part, "text"); inner != nullptr && inner->is_string()) {
        text += inner->get_ref<const std::string&>();
      }
    }
  }
  return text;
}

using Messages = std::vector<std::pair<std::string, std::string>>;

inline Messages chat_messages(const Tree& list) {
  Messages messages;
  if (!list.is_array()) return messages;
  for (const Tree& one : list)
    messages.emplace_back(peek_text(one, "role"), content_text(peek(one, "content")));
  return messages;
}
/// A conversation as one text: the only message as it is, several with their roles.
inline std::string conversation(const Messages& messages) {
  if (messages.size() == 1) return messages.front().second;
  std::string text;
  for (const auto& [role, content] : messages) {
    if (!text.empty()) text += "\n\n";
    text += role;
    text += ": ";
    text += content;
  }
  return text;
}

inline int finish_of(std::string_view reason) {
  if (reason == "content_filter") return ASSAY_FINISH_FILTER;
  if (reason == "length" || reason == "max_tokens" || reason == "model_length") return ASSAY_FINISH_LENGTH;
  if (reason == "stop" || reason == "endoftext" || reason == "stop_sequence") return ASSAY_FINISH_STOP;
  return ASSAY_FINISH_NONE;
}

/// The state of an exchange, by the rule that holds for every format: error, missing, refused, truncated,
/// empty, ok.
inline int state_of(const ImportedExchange& exchange) {
  if (!exchange.error.empty()) return ASSAY_STATE_ERROR;
  if (!exchange.answered) return kMissing;
  if (exchange.finish == ASSAY_FINISH_FILTER) return ASSAY_STATE_REFUSED;
  if (exchange.finish == ASSAY_FINISH_LENGTH) return ASSAY_STATE_TRUNCATED;
  if (exchange.kind == ASSAY_REQUEST_GENERATE && (exchange.texts.empty() || exchange.texts.front().empty())) {
    return ASSAY_STATE_EMPTY;
  }
  return ASSAY_STATE_OK;
}

/// True when two recorded numbers differ by more than 1e-9 of the larger.
inline bool disagree(double recorded, double computed) {
  return std::abs(recorded - computed) > 1e-9 * std::max(std::abs(recorded), std::abs(computed));
}

/// Counts a row that cannot be used: an error that ends the import, or with --skip-bad-lines a line of the
/// summary.
inline Result<void> reject(const ImportOptions& options, ImportSummary& summary, Error error) {
  if (!options.skip_bad_lines) return error;
  ++summary.rejected;
  if (summary.rejections.size() < 20) summary.rejections.push_back(std::move(error.text));
  return {};
}

}  // namespace assay::host::interop
