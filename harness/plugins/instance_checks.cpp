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
  /// An array of `count` elements that must lie in the arena, aligned as its type demands. `stride` is the
  /// size of an element as the plugin knows it.
  template <class T>
  bool array(const T* start, std::size_t count, const char* what, std::size_t stride = sizeof(T)) {
    if (count == 0) return true;
    if (stride < sizeof(T)) return fail(std::string(what) + " has no element size");
    if (count > limits::kTextBytesMax / stride * 16)
      return fail(std::string(what) + " has an impossible length");
    if (!arena_.owns(start, count * stride)) {
      return fail(std::string(what) + " does not lie in memory obtained from call->alloc");
    }
    if (reinterpret_cast<std::uintptr_t>(start) % alignof(T) != 0 || stride % alignof(T) != 0)
      return fail(std::string(what) + " is not aligned");
    return true;
  }
  bool text(assay_str text, const char* what) {
    if (text.len == 0) return true;
    if (text.len > limits::kTextBytesMax) return fail(std::string(what) + " is longer than 64 MiB");
    if (!array(text.ptr, text.len, what)) return false;
    if (!valid_utf8(view(text))) return fail(std::string(what) + " is not valid UTF-8");
    return true;
  }

  bool tokens(const assay_tokens* tokens) {
    if (tokens == nullptr) return true;
    if (!array(tokens, 1, "the token record")) return false;
    if (tokens->struct_size < sizeof(assay_tokens)) return fail("the token record has no struct_size");
    if (tokens->count > limits::kTokensPerResponseMax) return fail("the token record counts too many tokens");
    if (tokens->ids != nullptr && !array(tokens->ids, tokens->count, "token ids")) return false;
    if (tokens->begin != nullptr && !array(tokens->begin, tokens->count, "token spans")) return false;
    if (tokens->end != nullptr && !array(tokens->end, tokens->count, "token spans")) return false;
    if (tokens->stat_count > 64) return fail("the token record has an impossible number of statistics");
    if (!array(tokens->stats, tokens->stats == nullptr ? 0 : tokens->stat_count, "token statistics"))
      return false;
    for (std::uint32_t s = 0; tokens->stats != nullptr && s < tokens->stat_count; ++s) {
      if (tokens->stats[s] == nullptr) continue;
      if (!array(tokens->stats[s], tokens->count, "a token statistic")) return false;
      if (s < ASSAY_STAT_COUNT && !statistic(s, tokens->stats[s], tokens->count)) return false;
    }
    return top(*tokens);
  }

 private:
  bool top(const assay_tokens& tokens) {
    if (tokens.top_offset == nullptr) return true;
    if (!array(tokens.top_offset, tokens.count + 1, "top-k offsets")) return false;
    for (std::size_t i = 0; i < tokens.count; ++i) {
      if (tokens.top_offset[i] > tokens.top_offset[i + 1]) return fail("top-k offsets do not ascend");
    }
    const std::uint64_t total = tokens.top_offset[tokens.count];
    if (total > limits::kTokensPerResponseMax) return fail("the top-k table is too long");
    return array(tokens.top_id, total, "top-k ids") &&
           array(tokens.top_logprob, total, "top-k log-probabilities");
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
bool check_status(assay_status& status, const Arena& arena, Inspector& inspect, const char* what) {
  if (status.code == ASSAY_UNSET)
    return inspect.fail(std::string("it left the status of ") + what + " unset");
  if (!known_code(status.code)) {
    return inspect.fail(std::string("it gave ") + what + " the unknown status " +
                        std::to_string(status.code));
  }
  if (status.code == ASSAY_OK) {
    status.message = {};
    return true;
  }
  // Without memory there is no arena to put a sentence into; a foreign one is replaced without being read.
  if (status.code == ASSAY_RESOURCE_EXHAUSTED && !arena.owns(status.message.ptr, status.message.len))
    status.message = str("out of memory");
  if (status.code == ASSAY_RESOURCE_EXHAUSTED && view(status.message) == "out of memory") return true;
  if (status.message.len == 0)
    return inspect.fail(std::string("it gave ") + what + " a failure without a sentence");
  if (status.message.len > limits::kMessageBytesMax) return inspect.fail("its message is longer than 4 KiB");
  return inspect.text(status.message, "its message");
}

void check_choices(const assay_request& request, const assay_response& response, Inspector& inspect) {
  const std::size_t wanted = request.n <= 0 ? 1 : static_cast<std::size_t>(request.n);
  if (response.choice_count > wanted) {
    inspect.fail("it answered with " + std::to_string(response.choice_count) + " samples where " +
                 std::to_string(wanted) + " were asked for");
    return;
  }
  if (!inspect.array(response.choices, response.choice_count, "the list of samples", response.choice_size))
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

// What is left of an answer that failed or was refused: its status and the numbers, no pointer that nobody
// checked.
void keep_status_only(assay_response& response) {
  assay_response kept{};
  kept.struct_size = sizeof kept;
  kept.status = response.status;
  kept.mean_logprob = std::nan("");
  kept.tokens_in = response.tokens_in;
  kept.tokens_out = response.tokens_out;
  kept.tokens_cached = response.tokens_cached;
  kept.queue_ns = response.queue_ns;
  kept.first_token_ns = response.first_token_ns;
  kept.total_ns = response.total_ns;
  kept.attempts = response.attempts;
  response = kept;
}

void keep_status_only(assay_item& item, Arena& arena) {
  assay_item kept{};
  kept.struct_size = sizeof kept;
  kept.label = -1;
  kept.status = item.status;
  if (Inspector(arena).text(item.id, "an item's id")) kept.id = item.id;
  item = kept;
}

}  // namespace

void put_status(assay_status& status, std::int32_t code, const std::string& text, Arena& arena) {
  status = {};
  status.code = code;
  const std::string_view kept = clipped(text, limits::kMessageBytesMax);
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
  // Rows are the host's: it fills them from the visits.
  response.rows = nullptr;
  response.row_count = response.row_size = 0;
  response.struct_size = sizeof response;
  if (check_status(response.status, arena, inspect, "an answer") && response.status.code == ASSAY_OK) {
    check_choices(request, response, inspect);
    inspect.tokens(response.tokens);
    inspect.array(response.values, response.value_count, "the list of values");
    inspect.array(response.series, response.series_count, "the list of series");
    for (std::size_t i = 0; inspect.fine() && i < response.series_count; ++i) {
      inspect.text(response.series[i].name, "the name of a series");
      inspect.array(response.series[i].values, response.series[i].count, "a series");
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
  if (inspect.fine() && response.status.code == ASSAY_OK) return;
  const bool named = inspect.fine() && Inspector(arena).text(response.provider_id, "the provider id");
  const assay_str provider = named ? response.provider_id : assay_str{};
  keep_status_only(response);
  response.provider_id = provider;
  if (inspect.fine()) return;
  put_status(response.status, ASSAY_PLUGIN_MISBEHAVING,
             "plugin '" + plugin + "' broke its contract: " + inspect.complaint(), arena);
}

void check_item(const std::string& plugin, assay_item& item, Arena& arena) {
  Inspector inspect(arena);
  if (check_status(item.status, arena, inspect, "an item") && item.status.code == ASSAY_OK) {
    if (item.id.len == 0) inspect.fail("it gave an item without an id");
    inspect.text(item.id, "an item's id");
    inspect.text(item.group, "an item's group");
    inspect.text(item.variant, "an item's variant");
    inspect.text(item.text, "an item's text");
    inspect.array(item.targets.items, item.targets.count, "the targets");
    for (std::size_t i = 0; inspect.fine() && i < item.targets.count; ++i)
      inspect.text(item.targets.items[i], "a target");
    if (item.field_count > limits::kFieldsPerItemMax) inspect.fail("an item has more than 1000 fields");
    inspect.array(item.fields, item.field_count, "the fields");
    for (std::size_t i = 0; inspect.fine() && i < item.field_count; ++i) {
      inspect.text(item.fields[i].key, "a field's key");
      inspect.text(item.fields[i].text, "a field");
    }
    if (item.request_count > limits::kRequestsPerItemMax) inspect.fail("an item has too many requests");
    inspect.array(item.requests, item.request_count, "the requests", item.request_size);
    for (std::size_t i = 0; inspect.fine() && i < item.request_count; ++i) {
      const assay_request& r = *element(item.requests, item.request_size, i);
      if (r.kind < ASSAY_REQUEST_GENERATE || r.kind > ASSAY_REQUEST_EMBED)
        inspect.fail("a request has an unknown kind");
      inspect.text(r.name, "a request's name");
      inspect.text(r.role, "a request's role");
      inspect.text(r.prompt, "a prompt");
      inspect.text(r.continuation, "a continuation");
      inspect.array(r.stop.items, r.stop.count, "the stop strings");
      for (std::size_t s = 0; inspect.fine() && s < r.stop.count; ++s)
        inspect.text(r.stop.items[s], "a stop string");
      inspect.array(r.messages, r.message_count, "the messages");
      for (std::size_t s = 0; inspect.fine() && s < r.message_count; ++s) {
        inspect.text(r.messages[s].role, "a message's role");
        inspect.text(r.messages[s].content, "a message");
      }
    }
  }
  if (inspect.fine() && item.status.code == ASSAY_OK) return;
  keep_status_only(item, arena);
  if (inspect.fine()) return;
  put_status(item.status, ASSAY_PLUGIN_MISBEHAVING,
             "plugin '" + plugin + "' broke its contract: " + inspect.complaint(), arena);
}

void check_score(const std::string& plugin, assay_score& score, Arena& arena) {
  Inspector inspect(arena);
  if (check_status(score.status, arena, inspect, "a score") && score.status.code == ASSAY_OK) {
    if (score.state < ASSAY_STATE_OK || score.state > ASSAY_STATE_TIMEOUT)
      inspect.fail("it left the state of a score unset or gave it the unknown state " +
                   std::to_string(score.state));
    inspect.text(score.note, "a note");
  }
  if (inspect.fine() && score.status.code == ASSAY_OK) return;
  for (std::size_t i = 0; i < score.value_count; ++i) score.values[i] = std::nan("");
  score.state = ASSAY_STATE_ERROR;
  score.note = {};
  if (inspect.fine()) return;
  put_status(score.status, ASSAY_PLUGIN_MISBEHAVING,
             "plugin '" + plugin + "' broke its contract: " + inspect.complaint(), arena);
}

}  // namespace assay::host
