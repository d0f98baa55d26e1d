#include <algorithm>
#include <cmath>

#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"
#include "harness/interop/read_inspect.hpp"

namespace assay::host::interop::inspect {
namespace {

constexpr std::string_view kReference = "attachment://";
constexpr std::size_t kHashDigits = 32;

// Takes the texts that were moved out of a sample back into it.
class Attachments {
 public:
  Attachments(const Tree* table, std::set<std::string>& unknown) : table_(table), unknown_(unknown) {}

  void resolve(Tree& tree) {
    if (tree.is_string()) {
      auto& text = tree.get_ref<std::string&>();
      if (text.find(kReference) != std::string::npos) text = resolved(text);
    } else if (tree.is_structured()) {
      for (Tree& inner : tree) resolve(inner);
    }
  }

 private:
  const Tree* find(const std::string& hash) const {
    const Tree* found = table_ == nullptr ? nullptr : peek(*table_, hash);
    return found != nullptr && found->is_string() ? found : nullptr;
  }

  std::string resolved(const std::string& text) {
    std::string out;
    std::size_t at = 0;
    for (;;) {
      const std::size_t hit = text.find(kReference, at);
      if (hit == std::string::npos) break;
      const std::size_t begin = hit + kReference.size();
      const std::size_t end = std::min(text.find_first_not_of("0123456789abcdef", begin), text.size());
      std::string hash = text.substr(begin, end - begin);
      const Tree* found = find(hash);
      // Text that follows directly may look like further digits.
      if (found == nullptr && hash.size() > kHashDigits) {
        hash.resize(kHashDigits);
        found = find(hash);
      }
      out.append(text, at, hit - at);
      at = begin + hash.size();
      // A small log with many references to a large text must not fill the memory.
      if (found != nullptr && total_ <= limits::kTextBytesMax) {
        const auto& inner = found->get_ref<const std::string&>();
        total_ += inner.size();
        out += inner;
      } else {
        if (!hash.empty()) unknown_.insert(hash);
        out.append(text, hit, at - hit);
      }
    }
    return out.append(text, at);
  }

  const Tree* table_;
  std::set<std::string>& unknown_;
  std::size_t total_ = 0;
};

void read_value(const Tree* value, Score& score) {
  if (value == nullptr) return;
  if (value->is_boolean() || value->is_number()) {
    read_number(*value, score.number, true);
    if (!std::isfinite(score.number)) score.non_finite = true, score.number = kAbsent;
    return;
  }
  const std::string text = plain_text(*value);
  if (value->is_string() && text.size() == 1) {
    switch (text.front()) {
      case 'C':
        score.number = 1;
        return;
      case 'P':
        score.number = 0.5;
        return;
      case 'I':
      case 'N':
        score.number = 0;
        return;
      default:
        break;
    }
  }
  score.note = text;  // a label is not a number
}

void add_scores(const std::string& scorer, const Tree& score, std::vector<Score>& all) {
  // Old logs and reductions hold the value itself.
  const Tree* value = score.is_object() ? peek(score, "value") : &score;
  const std::size_t first = all.size();
  if (value != nullptr && value->is_object()) {
    for (const auto& [key, inner] : value->items()) {
      all.push_back({scorer + "." + key, kAbsent, false, {}});
      read_value(inner.is_null() ? nullptr : &inner, all.back());
    }
  } else if (value != nullptr && value->is_array()) {
    for (std::size_t i = 0; i < value->size(); ++i) {
      all.push_back({scorer + "." + std::to_string(i), kAbsent, false, {}});
      read_value((*value)[i].is_null() ? nullptr : &(*value)[i], all.back());
    }
  } else {
    all.push_back({scorer, kAbsent, false, {}});
    read_value(value, all.back());
  }
  if (all.size() == first || !score.is_object()) return;
  const std::string answer = peek_text(score, "answer"), explanation = peek_text(score, "explanation");
  for (const std::string& text : {answer, explanation == answer ? std::string() : explanation}) {
    std::string& note = all[first].note;
    if (!text.empty()) note += (note.empty() ? "" : "\n\n") + text;
  }
}

std::string choice_text(const Tree& choice) {
  if (const Tree* message = peek(choice, "message")) return content_text(peek(*message, "content"));
  return {};
}

void read_usage(const Tree& usage, ImportedExchange& exchange) {
  exchange.tokens_in = peek_count(usage, "input_tokens");
  exchange.tokens_out = peek_count(usage, "output_tokens");
  exchange.tokens_total = peek_count(usage, "total_tokens");
  exchange.tokens_cached = peek_count(usage, "input_tokens_cache_read");
}

void read_output(const Tree& sample, const Settings& settings, ImportedExchange& exchange) {
  const Tree* output = peek(sample, "output");
  // Usage of the sample covers all its calls; that of the output only the last one.
  const Tree* usage = peek(sample, "model_usage", std::string_view(settings.model));
  if (usage == nullptr && output != nullptr) usage = peek(*output, "usage");
  if (usage != nullptr) read_usage(*usage, exchange);
  if (output == nullptr) return;

  const Tree* choices = peek(*output, "choices");
  const Tree* first =
      choices != nullptr && choices->is_array() && !choices->empty() ? &choices->front() : nullptr;
  const Tree* completion = peek(*output, "completion");
  if (completion != nullptr && !completion->is_string()) completion = nullptr;
  exchange.answered =
      first != nullptr || (completion != nullptr && !completion->get_ref<const std::string&>().empty());
  if (exchange.answered) {
    exchange.texts.push_back(completion != nullptr ? completion->get<std::string>() : choice_text(*first));
  }
  std::string reason = peek_text(*output, "stop_reason");
  if (first != nullptr) {
    for (std::size_t i = 1; i < choices->size(); ++i) exchange.texts.push_back(choice_text((*choices)[i]));
    if (const std::string own = peek_text(*first, "stop_reason"); !own.empty()) reason = own;
    if (const Tree* tokens = peek(*first, "logprobs", "content"); tokens != nullptr && tokens->is_array()) {
      for (const Tree& token : *tokens) exchange.token_logprobs.push_back(peek_real(token, "logprob"));
    }
  }
  exchange.finish = finish_of(reason);
  exchange.seconds = peek_real(*output, "time");
  const std::string model = peek_text(*output, "model");
  if (model != settings.model && !settings.model.ends_with("/" + model)) exchange.model = model;
  // A provider's refusal is recorded as an error beside the finish reason; the reason says more.
  if (exchange.finish != ASSAY_FINISH_FILTER) exchange.error = peek_text(*output, "error");
}

}  // namespace

std::vector<Score> scores_of(const Tree& sample, const std::string& scorer) {
  std::vector<Score> all;
  if (const Tree* scores = peek(sample, "scores"); scores != nullptr && scores->is_object()) {
    for (const auto& [name, score] : scores->items()) {
      if (!score.is_null()) add_scores(name, score, all);
    }
  } else if (const Tree* single = peek(sample, "score"); single != nullptr) {
    add_scores(scorer, *single, all);
  }
  return all;
}

Settings settings_of(const Tree& header) {
  Settings settings;
  const Tree* eval = peek(header, "eval");
  if (eval != nullptr) settings.model = peek_text(*eval, "model");
  const Tree* of_model = eval == nullptr ? nullptr : peek(*eval, "model_generate_config");
  for (const Tree* config : {of_model, peek(header, "plan", "config")}) {
    if (config == nullptr) continue;
    if (const auto stop = peek_texts(*config, "stop_seqs"); !stop.empty()) settings.stop = stop;
    if (const auto count = peek_count(*config, "max_tokens"); count >= 0) settings.max_tokens = count;
    if (const double number = peek_real(*config, "temperature"); !std::isnan(number))
      settings.temperature = number;
    if (const double number = peek_real(*config, "top_p"); !std::isnan(number)) settings.top_p = number;
  }
  return settings;
}

void fill_row(Tree& sample, const Settings& settings, ImportedRow& row, std::set<std::string>& unknown) {
  Tree table;
  if (sample.is_object()) {
    if (const auto found = sample.find("attachments"); found != sample.end()) table = std::move(*found);
    for (const char* key : {"attachments", "events", "events_data", "message_pool", "store"})
      sample.erase(key);
  }
  Attachments(table.is_object() ? &table : nullptr, unknown).resolve(sample);
  if (settings.scores_only) {
    row.state = ASSAY_STATE_OK;
    return;
  }

  ImportedExchange exchange;
  const Tree* input = peek(sample, "input");
  const Messages asked = input == nullptr ? Messages() : chat_messages(*input);
  row.input = input != nullptr && input->is_string() ? input->get<std::string>() : conversation(asked);
  row.targets = peek_texts(sample, "target");
  std::erase(row.targets, std::string());
  row.choices = peek_texts(sample, "choices");
  if (const Tree* metadata = peek(sample, "metadata"); metadata != nullptr && metadata->is_object()) {
    for (const auto& [name, value] : metadata->items()) {
      if (value.is_null() || value.is_structured() || row.fields.size() >= limits::kFieldsPerItemMax)
        continue;
      row.fields.emplace_back(name, plain_text(value));
    }
  }

  // What the model saw: the conversation before its last word; where that was not kept, the sample's input.
  if (const Tree* list = peek(sample, "messages")) exchange.messages = chat_messages(*list);
  const auto last = std::find_if(exchange.messages.rbegin(), exchange.messages.rend(),
                                 [](const auto& message) { return message.first == "assistant"; });
  if (last != exchange.messages.rend()) {
    exchange.messages.erase(std::prev(last.base()), exchange.messages.end());
  }
  if (exchange.messages.empty()) exchange.messages = asked;
  if (exchange.messages.empty()) exchange.prompt = row.input;
  exchange.stop = settings.stop;
  exchange.max_tokens = settings.max_tokens;
  exchange.temperature = settings.temperature;
  exchange.top_p = settings.top_p;
  read_output(sample, settings, exchange);

  if (const Tree* error = peek(sample, "error")) {
    exchange.error = error->is_object() ? peek_text(*error, "message") : plain_text(*error);
    if (exchange.error.empty()) exchange.error = "the log records an error without a text";
  }
  row.state = state_of(exchange);
  row.message = exchange.error;
  if (const Tree* limit = peek(sample, "limit"); limit != nullptr && row.message.empty()) {
    row.message =
        "stopped by a limit of the log: " + peek_text(*limit, "type") + " " + peek_text(*limit, "limit");
  }
  row.exchanges.push_back(std::move(exchange));
}

void blank_events(std::string& text, int depth) {
  if (!valid_utf8(text)) return;
  const auto close_of_string = [&](std::size_t at) {  // at: the opening quote
    for (++at; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\') ++at;
    }
    return at;
  };
  int level = 0;
  std::size_t open = 0;  // the bracket of the list being emptied, 0: none
  for (std::size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
      case '{':
      case '[':
        ++level;
        break;
      case '}':
      case ']':
        if (--level == depth && open != 0) {
          std::fill(text.begin() + static_cast<std::ptrdiff_t>(open) + 1,
                    text.begin() + static_cast<std::ptrdiff_t>(at), ' ');
          open = 0;
        }
        break;
      case '"': {
        const std::size_t end = close_of_string(at);
        if (end >= text.size()) return;
        const std::string_view word(text.data() + at + 1, end - at - 1);
        if (level == depth && (word == "events" || word == "message_pool" || word == "events_data")) {
          const std::size_t colon = text.find_first_not_of(" \t\r\n", end + 1);
          if (colon != std::string::npos && text[colon] == ':') {
            const std::size_t value = text.find_first_not_of(" \t\r\n", colon + 1);
            if (value != std::string::npos && text[value] == '[') open = value;
          }
        }
        at = end;
        break;
      }
      default:
        break;
    }
  }
}

}  // namespace assay::host::interop::inspect
