// One row of a samples file: the requests of a document and what the model gave back.
#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/peek.hpp"
#include "harness/interop/read_lm_eval.hpp"

namespace assay::host::interop::lm_eval {
namespace {

/// One request: its context and what is asked of it; nullptr where absent.
struct Arguments {
  const Tree* context = nullptr;
  const Tree* second = nullptr;
};

/// {"gen_args_0": {"arg_0": ..., "arg_1": ...}}, or lists of lists in rows of 0.4.0.
std::vector<Arguments> arguments_of(const Tree& sample) {
  std::vector<Arguments> list;
  const Tree* const arguments = peek(sample, "arguments");
  if (arguments == nullptr || !arguments->is_structured()) return list;
  for (const Tree& one : *arguments) {
    Arguments found;
    if (one.is_object()) {
      found = {peek(one, "arg_0"), peek(one, "arg_1")};
    } else if (one.is_array()) {
      if (!one.empty()) found.context = &one[0];
      if (one.size() > 1) found.second = &one[1];
    } else {
      found.context = &one;
    }
    list.push_back(found);
  }
  return list;
}

/// The answers of request `i`, one a repeat; nullptr when there are none.
const Tree* answers_of(const Tree& sample, std::size_t i) {
  const Tree* const all = peek(sample, "resps");
  return all != nullptr && all->is_array() && i < all->size() && (*all)[i].is_array() ? &(*all)[i] : nullptr;
}

/// The context as prompt, or as messages where a chat template was applied by an endpoint.
void set_prompt(const Tree& context, ImportedExchange& exchange) {
  const Tree* value = &context;
  while (value->is_array() && value->size() == 1 && !value->front().is_object()) value = &value->front();
  Tree inner;
  if (value->is_string() && context.is_array()) {  // chat as JSON in a text
    std::vector<std::string> ignored;
    if (auto parsed = parse_tolerant(value->get_ref<const std::string&>(), "", ignored)) {
      inner = std::move(*parsed);
      if (inner.is_array()) value = &inner;
    }
  }
  if (value->is_array() && !value->empty() && value->front().is_object() && value->front().contains("role")) {
    exchange.messages = chat_messages(*value);
  } else {
    exchange.prompt = plain_text(*value);
  }
}

void set_generation(const Tree& settings, ImportedExchange& exchange) {
  exchange.stop = peek_texts(settings, "until");
  for (const char* const key : {"max_gen_toks", "max_new_tokens", "max_tokens"}) {
    if (exchange.max_tokens < 0) exchange.max_tokens = peek_count(settings, key);
  }
  exchange.temperature = peek_real(settings, "temperature");
  exchange.top_p = peek_real(settings, "top_p");
}

/// A log-likelihood is ["-2.5", "False"], of a rolling request "-2.5".
void set_likelihood(const Tree& answer, ImportedExchange& exchange) {
  const Tree& number = answer.is_array() && !answer.empty() ? answer.front() : answer;
  exchange.answered = true;
  if (!read_number(number, exchange.sum_logprob)) exchange.sum_logprob = kAbsent;
  double greedy = -1;
  if (answer.is_array() && answer.size() > 1 && read_number(answer[1], greedy, true) &&
      (greedy == 0 || greedy == 1)) {
    exchange.greedy = greedy == 1 ? 1 : 0;
  }
}

ImportedExchange exchange_of(const Arguments& arguments, const Tree* answers) {
  ImportedExchange exchange;
  const bool likelihood = answers != nullptr && !answers->empty() && answers->front().is_array();
  const bool rolling = arguments.context != nullptr && arguments.second == nullptr && answers != nullptr &&
                       !answers->empty() && (likelihood || answers->front().is_number());
  if (arguments.second != nullptr && arguments.second->is_object()) {
    set_generation(*arguments.second, exchange);
  } else if (arguments.second != nullptr || likelihood || rolling) {
    exchange.kind = ASSAY_REQUEST_SCORE;
  }
  // One argument and a text that is a number: a rolling likelihood, too, whose continuation is the whole
  // text.
  double number = 0;
  const bool bare = arguments.context != nullptr && arguments.second == nullptr && answers != nullptr &&
                    answers->size() == 1 && read_number(answers->front(), number);
  if (rolling || bare) {
    exchange.kind = ASSAY_REQUEST_SCORE;
    exchange.continuation = plain_text(*arguments.context);
  } else if (arguments.context != nullptr) {
    set_prompt(*arguments.context, exchange);
  }
  if (exchange.kind == ASSAY_REQUEST_SCORE && arguments.second != nullptr)
    exchange.continuation = plain_text(*arguments.second);
  if (answers == nullptr || answers->empty()) return exchange;
  if (exchange.kind == ASSAY_REQUEST_SCORE) {
    set_likelihood(answers->front(), exchange);
    return exchange;
  }
  for (const Tree& text : *answers) {
    if (text.is_null()) continue;
    exchange.texts.push_back(plain_text(text));
  }
  exchange.answered = true;
  return exchange;
}

/// Requests without context that repeat the continuations of the first half: the "mutual information"
/// variant.
bool has_unconditional_half(const std::vector<ImportedExchange>& all) {
  const std::size_t half = all.size() / 2;
  if (half == 0 || all.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < half; ++i) {
    if (all[i].prompt.empty() || !all[half + i].prompt.empty() ||
        all[i].continuation != all[half + i].continuation)
      return false;
  }
  return true;
}

bool whole_number(const Tree& value, std::size_t below, std::size_t& index) {
  if (!value.is_number_integer() && !value.is_string()) return false;
  const auto number = parse_int(trimmed(plain_text(value)));
  if (!number || *number < 0 || static_cast<std::uint64_t>(*number) >= below) return false;
  index = static_cast<std::size_t>(*number);
  return true;
}

/// {"choices": [...], "labels": [1, 0, ...]} inside the document that lists exactly these continuations.
bool labelled_lists(const Tree& doc, const std::string& task, const std::vector<std::string>& continuations,
                    std::set<std::size_t>& gold) {
  bool found = false;
  if (!doc.is_object()) return false;
  for (const auto& [key, member] : doc.items()) {
    const Tree* const labels = peek(member, "labels");
    const std::vector<std::string> choices = peek_texts(member, "choices");
    if (labels == nullptr || !labels->is_array() || choices.size() != continuations.size() ||
        labels->size() != choices.size())
      continue;
    std::set<std::size_t> right;
    bool same = true;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      same = same && trimmed(choices[i]) == trimmed(continuations[i]);
      if ((*labels)[i] == 1) right.insert(i);
    }
    // Two such lists can be equal; the task's name then says which of them was asked.
    const bool named = task.find(key.substr(0, key.find('_'))) != std::string::npos;
    if (!same || (found && !named)) continue;
    gold = std::move(right);
    found = true;
    if (named) break;
  }
  return found;
}

/// Which of the choices are right, by the target or the document. Empty: neither says so.
std::set<std::size_t> gold_of(const Tree& sample, const std::string& task,
                              const std::vector<std::string>& continuations) {
  std::set<std::size_t> gold;
  const std::size_t n = continuations.size();
  std::size_t index = 0;
  const Tree* const doc = peek(sample, "doc");
  if (doc != nullptr && labelled_lists(*doc, task, continuations, gold)) return gold;
  const auto take = [&](const Tree* said) {
    if (said == nullptr) return false;
    if (whole_number(*said, n, index)) {
      gold.insert(index);
      return true;
    }
    Tree parsed;
    if (said->is_string() && said->get_ref<const std::string&>().starts_with('[')) {  // "[0, 2]"
      std::vector<std::string> ignored;
      if (auto list = parse_tolerant(said->get_ref<const std::string&>(), "", ignored))
        parsed = std::move(*list);
      said = &parsed;
    }
    if (!said->is_array()) return false;
    for (const Tree& one : *said) {
      if (!whole_number(one, n, index)) {
        gold.clear();
        return false;
      }
      gold.insert(index);
    }
    return !gold.empty();
  };
  const Tree* const target = peek(sample, "target");
  if (take(target)) return gold;
  if (target != nullptr && target->is_string()) {
    for (std::size_t i = 0; i < n; ++i) {
      if (trimmed(continuations[i]) == trimmed(target->get_ref<const std::string&>())) return {i};
    }
  }
  if (doc == nullptr) return gold;
  for (const char* const key : {"gold", "label", "answer"}) {
    if (take(peek(*doc, key))) return gold;
  }
  const std::string letter = peek_text(*doc, "answerKey");
  const std::vector<std::string> letters = peek(*doc, "choices") == nullptr
                                               ? std::vector<std::string>{}
                                               : peek_texts(*peek(*doc, "choices"), "label");
  for (std::size_t i = 0; i < n && letters.size() == n; ++i) {
    if (!letter.empty() && letters[i] == letter) return {i};
  }
  return gold;
}

void name_exchanges(const Tree& sample, const std::string& task, ImportedRow& row) {
  auto& all = row.exchanges;
  if (all.size() < 2) return;
  const bool scores =
      std::all_of(all.begin(), all.end(), [](const auto& one) { return one.kind == ASSAY_REQUEST_SCORE; });
  if (!scores) {
    for (std::size_t i = 1; i < all.size(); ++i) all[i].name = "answer/" + std::to_string(i);
    return;
  }
  const std::size_t n = has_unconditional_half(all) ? all.size() / 2 : all.size();
  for (std::size_t i = 0; i < n; ++i) row.choices.push_back(all[i].continuation);
  // The same continuation after different contexts: the contexts are the choices.
  if (std::all_of(row.choices.begin(), row.choices.end(),
                  [&](const auto& one) { return one == row.choices.front(); })) {
    for (std::size_t i = 0; i < n; ++i) row.choices[i] = all[i].prompt;
  }
  const std::set<std::size_t> gold = gold_of(sample, task, row.choices);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].name = i < n ? "choice/" + std::to_string(i) : "unconditional/" + std::to_string(i - n);
    if (i < n && !gold.empty()) all[i].choice_label = gold.contains(i) ? 1 : 0;
  }
}

}  // namespace

ImportedRow row_of(const Tree& sample, const std::string& task) {
  ImportedRow row;
  if (const Tree* const id = peek(sample, "doc_id")) row.id = plain_text(*id);
  std::vector<Arguments> arguments = arguments_of(sample);
  if (arguments.empty()) {
    const Tree* const answers = peek(sample, "resps");
    arguments.resize(answers != nullptr && answers->is_array() ? answers->size() : 0);
  }
  for (std::size_t i = 0; i < arguments.size(); ++i)
    row.exchanges.push_back(exchange_of(arguments[i], answers_of(sample, i)));
  const Tree* const doc = peek(sample, "doc");
  if (!row.exchanges.empty()) {
    const ImportedExchange& first = row.exchanges.front();
    row.input = !first.messages.empty() ? conversation(first.messages)
                : !first.prompt.empty() ? first.prompt
                                        : first.continuation;
  }
  if (row.input.empty() && doc != nullptr) row.input = plain_text(*doc);
  row.targets = peek_texts(sample, "target");
  name_exchanges(sample, task, row);
  if (doc != nullptr && doc->is_object()) {
    for (const auto& [key, value] : doc->items()) {
      if (!value.is_null() && row.fields.size() < limits::kFieldsPerItemMax)
        row.fields.emplace_back(key, plain_text(value));
    }
  }
  // The first request that is not fine decides; no answer to any of them: the row was never answered.
  row.state = row.exchanges.empty() ? kMissing : ASSAY_STATE_OK;
  for (const ImportedExchange& exchange : row.exchanges) {
    if (row.state == ASSAY_STATE_OK) row.state = state_of(exchange);
  }
  return row;
}

std::string filtered_text(const Tree& sample) {
  const Tree* const filtered = peek(sample, "filtered_resps");
  const Tree* const answers = peek(sample, "resps");
  if (filtered == nullptr || !filtered->is_array() || filtered->empty()) return {};
  const Tree* value = &filtered->front();
  if (filtered->size() > 1) value = filtered;
  if (value->is_array() && value->size() == 1) value = &value->front();
  const Tree* raw =
      answers != nullptr && answers->is_array() && answers->size() == 1 ? &answers->front() : answers;
  if (raw != nullptr && raw->is_array() && raw->size() == 1) raw = &raw->front();
  // Likelihoods are kept in full with their requests.
  double ignored = 0;
  if (const Tree& first = filtered->front(); first.is_array() && first.size() == 2 &&
                                             read_number(first[0], ignored) &&
                                             read_number(first[1], ignored, true)) {
    return {};
  }
  return raw != nullptr && *raw == *value ? std::string() : plain_text(*value);
}

}  // namespace assay::host::interop::lm_eval
