#include "harness/plugins/instance_checks.hpp"

#include <cmath>
#include <cstring>
#include <string_view>

#include "assay/sdk/abi.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

// Collects the first complaint about one answer.
class Inspector {
 public:
  explicit Inspector(Arena& arena) : arena_(arena) {}

  [[nodiscard]] bool fine() const { return complaint_.empty(); }
  [[nodiscard]] const std::string& complaint() const { return complaint_; }
  bool fail(const std::string& text) {
    if (complaint_.empty()) complaint_ = text;
    return false;
  }
  /// An array of `count` elements that must lie in the arena.
  bool array(const void* start, std::size_t count, std::size_t size, const char* what) {
    if (count == 0) return true;
    if (count > limits::kTextBytesMax / size * 16)
      return fail(std::string(what) + " has an impossible length");
    if (!arena_.owns(start, count * size)) {
      return fail(std::string(what) + " does not lie in memory obtained from call->alloc");
    }
    return true;
  }
  bool text(assay_str text, const char* what) {
    if (text.len == 0) return true;
    if (text.len > limits::kTextBytesMax) return fail(std::string(what) + " is longer than 64 MiB");
    if (!array(text.ptr, text.len, 1, what)) return false;
    if (!valid_utf8(view(text))) return fail(std::string(what) + " is not valid UTF-8");
    return true;
  }

  bool tokens(const assay_tokens* tokens) {
    if (tokens == nullptr) return true;
    if (!array(tokens, 1, sizeof(assay_tokens), "the token record")) return false;
    if (tokens->struct_size < sizeof(assay_tokens)) return fail("the token record has no struct_size");
    if (tokens->count > limits::kTokensPerResponseMax) return fail("the token record counts too many tokens");
    if (tokens->ids != nullptr && !array(tokens->ids, tokens->count, 4, "token ids")) return false;
    if (tokens->begin != nullptr && !array(tokens->begin, tokens->count, 4, "token spans")) return false;
    if (tokens->end != nullptr && !array(tokens->end, tokens->count, 4, "token spans")) return false;
    if (tokens->stat_count > 64) return fail("the token record has an impossible number of statistics");
    if (!array(tokens->stats, tokens->stats == nullptr ? 0 : tokens->stat_count, sizeof(double*),
               "token statistics"))
      return false;
    for (std::uint32_t s = 0; tokens->stats != nullptr && s < tokens->stat_count; ++s) {
      if (tokens->stats[s] == nullptr) continue;
      if (!array(tokens->stats[s], tokens->count, sizeof(double), "a token statistic")) return false;
      if (s < ASSAY_STAT_COUNT && !statistic(s, tokens->stats[s], tokens->count)) return false;
    }
    return top(*tokens);
  }

 private:
  bool top(const assay_tokens& tokens) {
    if (tokens.top_offset == nullptr) return true;
    if (!array(tokens.top_offset, tokens.count + 1, 8, "top-k offsets")) return false;
    for (std::size_t i = 0; i < tokens.count; ++i) {
      if (tokens.top_offset[i] > tokens.top_offset[i + 1]) return fail("top-k offsets do not ascend");
    }
    const std::uint64_t total = tokens.top_offset[tokens.count];
    if (total > limits::kTokensPerResponseMax) return fail("the top-k table is too long");
    return array(tokens.top_id, total, 4, "top-k ids") &&
           array(tokens.top_logprob, total, 8, "top-k log-probabilities");
  }

  // Log-probabilities must be at most 0 (up to rounding) and nothing may be infinite; NaN means absent.
  bool statistic(std::uint32_t which, const double* values, std::size_t count) {
    const bool is_logprob = which == ASSAY_STAT_LOGPROB || which == ASSAY_STAT_TOP1_LOGPROB;
    for (std::size_t i = 0; i < count; ++i) {
      const double value = values[i];
      if (std::isinf(value)) return fail("a token statistic is infinite at token " + std::to_string(i));
      if (is_logprob && value > 1e-6) {
        return fail("a log-probability is positive (" + number_text(value) + ") at token " +
                    std::to_string(i));
      }
      if ((which == ASSAY_STAT_RANK && value < 1) || (which == ASSAY_STAT_VAR_LP && value < 0) ||
          (which == ASSAY_STAT_ENTROPY && value < -1e-9)) {
        return fail("a token statistic has an impossible value (" + number_text(value) + ") at token " +
                    std::to_string(i));
      }
    }
    return true;
  }

  Arena& arena_;
  std::string complaint_;
};

bool known_code(std::int32_t code) {
  return code >= ASSAY_OK && code <= ASSAY_INTERNAL;
}

// A status a plugin wrote: set, known, and with a sentence unless it is OK.
bool check_status(const assay_status& status, Inspector& inspect, const char* what) {
  if (status.code == ASSAY_UNSET)
    return inspect.fail(std::string("it left the status of ") + what + " unset");
  if (!known_code(status.code)) {
    return inspect.fail(std::string("it gave ") + what + " the unknown status " +
                        std::to_string(status.code));
  }
  if (status.code == ASSAY_OK) return true;
  if (status.message.len == 0)
    return inspect.fail(std::string("it gave ") + what + " a failure without a sentence");
  if (status.message.len > limits::kMessageBytesMax) return inspect.fail("its message is longer than 4 KiB");
  // "out of memory" is the one message that cannot come from the arena.
  if (status.code == ASSAY_RESOURCE_EXHAUSTED) return true;
  return inspect.text(status.message, "its message");
}

void check_choices(const assay_request& request, const assay_response& response, Inspector& inspect) {
  const std::size_t wanted = request.n <= 0 ? 1 : static_cast<std::size_t>(request.n);
  if (response.choice_count > wanted) {
    inspect.fail("it answered with " + std::to_string(response.choice_count) + " samples where " +
                 std::to_string(wanted) + " were asked for");
    return;
  }
  if (response.choice_count != 0 && response.choice_size < sizeof(assay_choice)) {
    inspect.fail("its samples have no element size");
    return;
  }
  if (!inspect.array(response.choices, response.choice_count, response.choice_size, "the list of samples"))
    return;
  for (std::size_t i = 0; i < response.choice_count; ++i) {
    const assay_choice& choice = *element(response.choices, response.choice_size, i);
    if (!inspect.text(choice.text, "a generated text") || !inspect.tokens(choice.tokens)) return;
    if (std::isinf(choice.mean_logprob) || choice.mean_logprob > 1e-6) {
      inspect.fail("the mean log-probability of a sample is " + number_text(choice.mean_logprob));
      return;
    }
  }
}

}  // namespace

void put_status(assay_status& status, std::int32_t code, const std::string& text, Arena& arena) {
  status = {};
  status.code = code;
  const std::string_view kept = std::string_view(text).substr(0, limits::kMessageBytesMax);
  if (void* memory = arena.allocate(kept.size(), 1); memory != nullptr && !kept.empty()) {
    std::memcpy(memory, kept.data(), kept.size());
    status.message = {static_cast<const char*>(memory), kept.size()};
  } else {
    status.message = str("out of memory");
  }
}

void check_response(const std::string& plugin, const assay_request& request, assay_response& response,
                    Arena& arena) {
  Inspector inspect(arena);
  if (check_status(response.status, inspect, "an answer") && response.status.code == ASSAY_OK) {
    check_choices(request, response, inspect);
    inspect.tokens(response.tokens);
    inspect.array(response.values, response.value_count, sizeof(double), "the list of values");
    inspect.array(response.series, response.series_count, sizeof(assay_series), "the list of series");
    for (std::size_t i = 0; inspect.fine() && i < response.series_count; ++i) {
      inspect.text(response.series[i].name, "the name of a series");
      inspect.array(response.series[i].values, response.series[i].count, sizeof(double), "a series");
    }
    if (inspect.fine() && !std::isnan(response.mean_logprob) &&
        (std::isinf(response.mean_logprob) || response.mean_logprob > 1e-6)) {
      inspect.fail("the mean log-probability is " + number_text(response.mean_logprob));
    }
    if (inspect.fine()) inspect.text(response.provider_id, "the provider id");
    if (inspect.fine() && request.kind == ASSAY_REQUEST_SCORE && response.tokens == nullptr &&
        std::isnan(response.mean_logprob)) {
      inspect.fail("it answered OK to a score request without tokens and without a mean");
    }
  }
  if (inspect.fine()) return;
  const assay_status status = response.status;
  const std::uint32_t size = response.struct_size;
  response = {};
  response.struct_size = size;
  response.mean_logprob = std::nan("");
  response.status = status;
  put_status(response.status, ASSAY_PLUGIN_MISBEHAVING,
             "plugin '" + plugin + "' broke its contract: " + inspect.complaint(), arena);
}

void check_item(const std::string& plugin, assay_item& item, Arena& arena) {
  Inspector inspect(arena);
  if (check_status(item.status, inspect, "an item") && item.status.code == ASSAY_OK) {
    if (item.id.len == 0) inspect.fail("it gave an item without an id");
    inspect.text(item.id, "an item's id");
    inspect.text(item.group, "an item's group");
    inspect.text(item.variant, "an item's variant");
    inspect.text(item.text, "an item's text");
    inspect.array(item.targets.items, item.targets.count, sizeof(assay_str), "the targets");
    for (std::size_t i = 0; inspect.fine() && i < item.targets.count; ++i)
      inspect.text(item.targets.items[i], "a target");
    if (item.field_count > limits::kFieldsPerItemMax) inspect.fail("an item has more than 1000 fields");
    inspect.array(item.fields, item.field_count, sizeof(assay_field), "the fields");
    for (std::size_t i = 0; inspect.fine() && i < item.field_count; ++i) {
      inspect.text(item.fields[i].key, "a field's key");
      inspect.text(item.fields[i].text, "a field");
    }
    if (item.request_count > limits::kRequestsPerItemMax) inspect.fail("an item has too many requests");
    if (item.request_count != 0 && item.request_size < sizeof(assay_request))
      inspect.fail("its requests have no element size");
    inspect.array(item.requests, item.request_count, item.request_size, "the requests");
    for (std::size_t i = 0; inspect.fine() && i < item.request_count; ++i) {
      const assay_request& r = *element(item.requests, item.request_size, i);
      if (r.kind < ASSAY_REQUEST_GENERATE || r.kind > ASSAY_REQUEST_EMBED)
        inspect.fail("a request has an unknown kind");
      inspect.text(r.name, "a request's name");
      inspect.text(r.role, "a request's role");
      inspect.text(r.prompt, "a prompt");
      inspect.text(r.continuation, "a continuation");
      inspect.array(r.stop.items, r.stop.count, sizeof(assay_str), "the stop strings");
      for (std::size_t s = 0; inspect.fine() && s < r.stop.count; ++s)
        inspect.text(r.stop.items[s], "a stop string");
      inspect.array(r.messages, r.message_count, sizeof(assay_message), "the messages");
      for (std::size_t s = 0; inspect.fine() && s < r.message_count; ++s) {
        inspect.text(r.messages[s].role, "a message's role");
        inspect.text(r.messages[s].content, "a message");
      }
    }
  }
  if (inspect.fine()) return;
  const assay_str id =
      inspect.complaint().find("id") == std::string::npos && arena.owns(item.id.ptr, item.id.len)
          ? item.id
          : assay_str{};
  item = {};
  item.struct_size = sizeof(assay_item);
  item.label = -1;
  item.id = id;
  put_status(item.status, ASSAY_PLUGIN_MISBEHAVING,
             "plugin '" + plugin + "' broke its contract: " + inspect.complaint(), arena);
}

void check_score(const std::string& plugin, assay_score& score, Arena& arena) {
  Inspector inspect(arena);
  if (check_status(score.status, inspect, "a score") && score.status.code == ASSAY_OK) {
    if (score.state < ASSAY_STATE_OK || score.state > ASSAY_STATE_TIMEOUT)
      inspect.fail("it left the state of a score unset");
    inspect.text(score.note, "a note");
  }
  if (inspect.fine()) return;
  for (std::size_t i = 0; i < score.value_count; ++i) score.values[i] = std::nan("");
  score.state = ASSAY_STATE_ERROR;
  score.note = {};
  put_status(score.status, ASSAY_PLUGIN_MISBEHAVING,
             "plugin '" + plugin + "' broke its contract: " + inspect.complaint(), arena);
}

}  // namespace assay::host
