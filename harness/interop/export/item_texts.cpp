#include "harness/interop/export/item_texts.hpp"

#include <simdjson.h>

#include <algorithm>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"

namespace assay::host::exporting {
namespace {

using simdjson::SUCCESS;
using Object = simdjson::dom::object;
using Array = simdjson::dom::array;

std::string_view text_of(const Object& tree, const char* key) {
  std::string_view text;
  return tree[key].get(text) == SUCCESS ? text : std::string_view();
}

std::int64_t integer_of(const Object& tree, const char* key, std::int64_t otherwise) {
  std::int64_t number = otherwise;
  return tree[key].get(number) == SUCCESS ? number : otherwise;
}

double number_of(const Object& tree, const char* key) {
  double number = 0;
  return tree[key].get(number) == SUCCESS ? number : 0;
}

Result<Object> parse(simdjson::dom::parser& parser, std::string_view text, const char* what) {
  Object tree;
  if (const auto failure = parser.parse(text.data(), text.size()).get(tree); failure != SUCCESS) {
    return Error{Code::kData,
                 std::string("its stored ") + what + " is damaged: " + simdjson::error_message(failure),
                 {}};
  }
  return tree;
}

}  // namespace

struct ItemTextReader::Impl {
  simdjson::dom::parser body_parser, parser;
  ItemTexts texts;
  std::vector<std::pair<std::string, int>> labels;  ///< of the item's requests that have one, by name
  std::vector<std::string> right;                   ///< choices with label 1

  Result<void> read_body(std::string_view body) {
    Result<Object> tree = parse(body_parser, body, "item");
    if (!tree) return std::move(tree).error();
    texts.input = text_of(*tree, "text");
    Array list;
    if ((*tree)["targets"].get(list) == SUCCESS) {
      for (const simdjson::dom::element one : list) {
        std::string_view text;
        if (one.get(text) == SUCCESS) texts.targets.emplace_back(text);
      }
    }
    if ((*tree)["fields"].get(list) == SUCCESS) {
      for (const simdjson::dom::element one : list) {
        Object field;
        if (one.get(field) == SUCCESS && text_of(field, "key").starts_with("choice/"))
          texts.choices.emplace_back(text_of(field, "text"));
      }
    }
    if ((*tree)["requests"].get(list) == SUCCESS) {
      for (const simdjson::dom::element one : list) {
        Object request;
        if (one.get(request) != SUCCESS) continue;
        const auto label = static_cast<int>(integer_of(request, "label", -1));
        if (label >= 0) labels.emplace_back(text_of(request, "name"), label);
      }
    }
    return {};
  }

  Result<void> read_request(const WholeResponse& response, bool first, bool gather_choices) {
    Result<Object> tree = parse(parser, response.request, "request");
    if (!tree) return std::move(tree).error();
    if (first) texts.prompt = text_of(*tree, "prompt");
    if (first && texts.input.empty()) {
      texts.input = texts.prompt;
      Array messages;
      if ((*tree)["messages"].get(messages) == SUCCESS) {
        for (const simdjson::dom::element one : messages) {
          Object message;
          if (one.get(message) == SUCCESS && text_of(message, "role") == "user")
            texts.input = text_of(message, "content");
        }
      }
      if (texts.input.empty()) texts.input = text_of(*tree, "continuation");
    }
    const auto label = std::find_if(labels.begin(), labels.end(),
                                    [&](const auto& one) { return one.first == response.name; });
    if (label == labels.end() || response.kind != ASSAY_REQUEST_SCORE) return {};
    const std::string_view choice = text_of(*tree, "continuation");
    if (gather_choices) texts.choices.emplace_back(choice);
    if (label->second == 1) right.emplace_back(choice);
    return {};
  }

  Result<void> read_answer(const WholeResponse& response) {
    Result<Object> tree = parse(parser, response.answer, "answer");
    if (!tree) return std::move(tree).error();
    Array choices;
    if ((*tree)["choices"].get(choices) != SUCCESS) return {};
    Generated& generated = texts.outputs.emplace_back();
    generated.name = response.name;
    for (const simdjson::dom::element one : choices) {
      Object choice;
      if (one.get(choice) == SUCCESS) generated.samples.emplace_back(text_of(choice, "text"));
    }
    return {};
  }

  Result<void> read(const WholeItem& item, RowId model) {
    texts = ItemTexts();
    labels.clear();
    right.clear();
    if (!item.body.empty()) {
      if (Result<void> done = read_body(item.body); !done) return done;
    }
    const bool gather_choices = texts.choices.empty();
    bool first = true, stored = true;
    for (const WholeResponse& response : item.responses) {
      if (!own(response, model)) continue;
      if (Result<void> done = read_request(response, first, gather_choices); !done) return done;
      first = false;
      texts.tokens_in += response.tokens_in;
      texts.tokens_out += response.tokens_out;
      texts.latency_ns += response.total_ns;
      if (!response.message.empty() && texts.error.empty()) texts.error = response.message;
      if (!servable(response.state) || response.answer.empty()) continue;
      texts.answered = true;
      stored = stored && response.cached;
      if (response.kind != ASSAY_REQUEST_GENERATE) continue;
      if (Result<void> done = read_answer(response); !done) return done;
    }
    texts.cached = texts.answered && stored;
    if (texts.targets.empty()) texts.targets = right;
    if (!item.line.message.empty()) texts.error = item.line.message;
    return {};
  }
};

ItemTextReader::ItemTextReader() : impl_(std::make_unique<Impl>()) {}
ItemTextReader::~ItemTextReader() = default;

Result<const ItemTexts*> ItemTextReader::read(const WholeItem& item, RowId model) {
  if (Result<void> done = impl_->read(item, model); !done)
    return std::move(done).error().within("item '" + printable(item.line.item_id) + "'");
  return &impl_->texts;
}

Result<GenerateRequest> read_generate(std::string_view request_json) {
  thread_local simdjson::dom::parser parser;
  Result<Object> tree = parse(parser, request_json, "request");
  if (!tree) return std::move(tree).error();
  GenerateRequest request;
  request.prompt = text_of(*tree, "prompt");
  Array list;
  if ((*tree)["messages"].get(list) == SUCCESS) {
    for (const simdjson::dom::element one : list) {
      Object message;
      if (one.get(message) == SUCCESS)
        request.messages.emplace_back(text_of(message, "role"), text_of(message, "content"));
    }
  }
  if ((*tree)["stop"].get(list) == SUCCESS) {
    for (const simdjson::dom::element one : list) {
      std::string_view text;
      if (one.get(text) == SUCCESS) request.stop.emplace_back(text);
    }
  }
  request.max_tokens = integer_of(*tree, "max_tokens", 0);
  request.n = integer_of(*tree, "n", 1);
  request.top_k = integer_of(*tree, "top_k", 0);
  if (const auto at = (*tree)["temperature"]; at.error() == SUCCESS)
    request.temperature = number_of(*tree, "temperature");
  request.top_p = number_of(*tree, "top_p");
  request.min_p = number_of(*tree, "min_p");
  request.seed = text_of(*tree, "seed");
  return request;
}

}  // namespace assay::host::exporting
