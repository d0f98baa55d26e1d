#include "harness/run/stored_item.hpp"

#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "assay/sdk/abi.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/request.hpp"

namespace assay::host {
namespace {

void append_text(const char* key, assay_str text, bool& first, std::string& out) {
  if (text.len == 0) return;
  out += first ? "\"" : ",\"";
  first = false;
  out += key;
  out += "\":";
  append_json_string(view(text), out);
}

Error damaged(const std::string& why) {
  return {Code::kData, "a stored item is damaged: " + why, {}};
}

/// Copies texts and arrays into an arena; `failed` when memory is exhausted.
class Keeper {
 public:
  explicit Keeper(Arena& arena) : arena_(arena) {}

  assay_str text(std::string_view from) {
    if (from.empty()) return {};
    auto* memory = array<char>(from.size());
    if (memory == nullptr) return {};
    std::memcpy(memory, from.data(), from.size());
    return {memory, from.size()};
  }
  template <class T>
  T* array(std::size_t n) {
    void* memory = n == 0 ? nullptr : arena_.allocate(n * sizeof(T), alignof(T));
    if (n != 0 && memory == nullptr) {
      failed_ = true;
      return nullptr;
    }
    if (memory != nullptr) std::memset(memory, 0, n * sizeof(T));
    return static_cast<T*>(memory);
  }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  Arena& arena_;
  bool failed_ = false;
};

assay_str text_of(const simdjson::dom::object& tree, std::string_view key, Keeper& keep) {
  std::string_view text;
  return tree[key].get(text) == simdjson::SUCCESS ? keep.text(text) : assay_str{};
}

void restore_targets(const simdjson::dom::object& tree, Keeper& keep, assay_item& out) {
  simdjson::dom::array list;
  if (tree["targets"].get(list) != simdjson::SUCCESS) return;
  auto* targets = keep.array<assay_str>(list.size());
  if (targets == nullptr) return;
  std::size_t n = 0;
  for (const simdjson::dom::element one : list) {
    std::string_view text;
    if (one.get(text) == simdjson::SUCCESS) targets[n++] = keep.text(text);
  }
  out.targets = {targets, n};
}

void restore_fields(const simdjson::dom::object& tree, Keeper& keep, assay_item& out) {
  simdjson::dom::array list;
  if (tree["fields"].get(list) != simdjson::SUCCESS) return;
  auto* fields = keep.array<assay_field>(list.size());
  if (fields == nullptr) return;
  std::size_t n = 0;
  for (const simdjson::dom::element one : list) {
    simdjson::dom::object field;
    if (one.get(field) != simdjson::SUCCESS) continue;
    assay_field& to = fields[n++];
    to.key = text_of(field, "key", keep);
    to.text = text_of(field, "text", keep);
    to.number = std::nan("");
    double number = 0;
    std::string_view special;
    if (field["number"].get(number) == simdjson::SUCCESS) {
      to.number = number;
    } else if (field["number"].get(special) == simdjson::SUCCESS) {
      to.number = parse_double(special).value_or(std::nan(""));
    }
  }
  out.fields = fields;
  out.field_count = n;
}

void restore_requests(const simdjson::dom::object& tree, Keeper& keep, assay_item& out) {
  simdjson::dom::array list;
  if (tree["requests"].get(list) != simdjson::SUCCESS) return;
  auto* requests = keep.array<assay_request>(list.size());
  if (requests == nullptr) return;
  std::size_t n = 0;
  for (const simdjson::dom::element one : list) {
    simdjson::dom::object request;
    assay_request& to = requests[n++];
    to.struct_size = sizeof to;
    to.label = -1;
    if (one.get(request) != simdjson::SUCCESS) continue;
    to.name = text_of(request, "name", keep);
    to.role = text_of(request, "role", keep);
    std::int64_t label = -1;
    if (request["label"].get(label) == simdjson::SUCCESS) to.label = static_cast<std::int32_t>(label);
  }
  out.requests = requests;
  out.request_count = n;
  out.request_size = sizeof(assay_request);
}

}  // namespace

void append_item_json(const assay_item& item, std::string& out) {
  out += '{';
  bool first = true;
  append_text("id", item.id, first, out);
  append_text("variant", item.variant, first, out);
  append_text("group", item.group, first, out);
  append_text("text", item.text, first, out);
  out += first ? "\"label\":" : ",\"label\":";
  out += std::to_string(item.label);
  if (item.targets.count != 0) {
    out += ",\"targets\":[";
    for (std::size_t i = 0; i < item.targets.count; ++i) {
      if (i != 0) out += ',';
      append_json_string(view(item.targets.items[i]), out);
    }
    out += ']';
  }
  if (item.field_count != 0) {
    out += ",\"fields\":[";
    for (std::size_t i = 0; i < item.field_count; ++i) {
      const assay_field& field = item.fields[i];
      out += i == 0 ? "{" : ",{";
      bool start = true;
      append_text("key", field.key, start, out);
      append_text("text", field.text, start, out);
      if (!std::isnan(field.number)) {
        out += start ? "\"number\":" : ",\"number\":";
        if (std::isfinite(field.number)) {
          append_json_number(field.number, out);
        } else {
          out += field.number > 0 ? "\"inf\"" : "\"-inf\"";
        }
      }
      out += '}';
    }
    out += ']';
  }
  out += ",\"requests\":[";
  for (std::size_t i = 0; i < item.request_count; ++i) {
    const assay_request& request = *element(item.requests, item.request_size, i);
    out += i == 0 ? "{" : ",{";
    bool start = true;
    append_text("name", request.name, start, out);
    append_text("role", request.role, start, out);
    if (request.label != -1) {
      out += start ? "\"label\":" : ",\"label\":";
      out += std::to_string(request.label);
    }
    out += '}';
  }
  out += "]}";
}

Result<void> restore_item(std::string_view body, Arena& arena, assay_item& out) {
  thread_local simdjson::dom::parser parser;
  out = {};
  out.struct_size = sizeof out;
  out.label = -1;
  simdjson::dom::object tree;
  if (const auto failure = parser.parse(body.data(), body.size()).get(tree); failure != simdjson::SUCCESS) {
    return damaged(simdjson::error_message(failure));
  }
  Keeper keep(arena);
  out.id = text_of(tree, "id", keep);
  out.variant = text_of(tree, "variant", keep);
  out.group = text_of(tree, "group", keep);
  out.text = text_of(tree, "text", keep);
  std::int64_t label = -1;
  if (tree["label"].get(label) == simdjson::SUCCESS) out.label = static_cast<std::int32_t>(label);
  restore_targets(tree, keep, out);
  restore_fields(tree, keep, out);
  restore_requests(tree, keep, out);
  if (keep.failed()) return Error{Code::kResourceExhausted, "memory for a stored item is exhausted", {}};
  return {};
}

std::uint64_t content_hash(const assay_item& item) {
  thread_local std::string bytes;
  bytes.clear();
  const auto add = [](assay_str text) {
    bytes.append(text.ptr == nullptr ? "" : text.ptr, text.len);
    bytes += '\0';
  };
  add(item.id);
  add(item.variant);
  add(item.text);
  bytes += std::to_string(item.label);
  for (std::size_t i = 0; i < item.targets.count; ++i) add(item.targets.items[i]);
  for (std::size_t i = 0; i < item.request_count; ++i) {
    const assay_request& request = *element(item.requests, item.request_size, i);
    add(request.prompt);
    add(request.continuation);
  }
  return fast_key(bytes).low;
}

}  // namespace assay::host
