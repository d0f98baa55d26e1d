#include "guard.hpp"

#include <algorithm>

#include "assay/text/utf8.hpp"

namespace assay::guard {
namespace {

constexpr double kMaskedLogprob = -100.0;

/// Everything the prompt says: the plain prompt, or the contents of all messages.
std::string prompt_text(const assay_request& request) {
  std::string text(view(request.prompt));
  for (std::size_t i = 0; i < request.message_count; ++i) {
    if (!text.empty()) text += '\n';
    text += view(request.messages[i].content);
  }
  return text;
}

/// A copy of a token record with one more flag; arrays are shared, they live as long as the batch.
const assay_tokens* flagged(const assay_tokens* tokens, std::uint32_t flag, const Call& call) {
  if (tokens == nullptr) return nullptr;
  auto* copy = call.allocate<assay_tokens>(1);
  *copy = *tokens;
  copy->flags |= flag;
  return copy;
}

/// Adds the guard's counter to whatever series the inner model gave. `out` must already hold the inner
/// answer.
void count(ResponseWriter& out, std::string_view name, bool happened) {
  const assay_response& inner = out.raw();
  for (std::size_t i = 0; i < inner.series_count; ++i) {
    const assay_series& one = inner.series[i];
    if (view(one.name) != name) out.series(view(one.name), {one.values, one.count});
  }
  const double value = happened ? 1.0 : 0.0;
  out.series(name, std::span<const double>(&value, 1));
}

}  // namespace

Result<void> Guard::configure() {
  kind_ = kind.get() == "prompt"         ? Kind::kPrompt
          : kind.get() == "input_filter" ? Kind::kInputFilter
                                         : Kind::kOutputFilter;
  policy_ = score_policy.get() == "block"  ? Policy::kBlock
            : score_policy.get() == "mask" ? Policy::kMask
                                           : Policy::kPass;
  if (kind_ == Kind::kPrompt) {
    instruction_ = fill_subject(instruction.get(), subject.get());
    if (policy_ == Policy::kMask) {
      return Error{Code::kInvalidArgument,
                   "the kind prompt replaces no answer, so there is nothing to mask; use pass or block",
                   "score_policy"};
    }
    return {};
  }
  const bool input = kind_ == Kind::kInputFilter;
  const Param<Path>& file = input ? entities : blocked;
  std::vector<std::string> texts = input ? names.get() : phrases.get();
  if (file.is_set() && !file.get().empty()) {
    Result<std::vector<std::string>> read =
        read_list(file.get().text, input ? entity_field.get() : blocked_field.get(), list_roles.get());
    if (!read) {
      Error error = std::move(read).error();
      error.key = file.key();
      return error;
    }
    texts.insert(texts.end(), read->begin(), read->end());
  }
  if (!input) {
    for (std::string& text : texts) text = without_full_stop(text);
  }
  matcher_ = Matcher(texts, case_sensitive.get(), !input);
  if (matcher_.size() == 0) {
    return Error{Code::kInvalidArgument,
                 "the guard has nothing to look for: give '" + file.key() + "' or '" +
                     (input ? names.key() : phrases.key()) + "'",
                 file.key()};
  }
  return {};
}

std::uint64_t Guard::capabilities(std::uint64_t declared) const {
  std::uint64_t caps = of.size() == 0 ? declared : of[0].capabilities() & declared;
  if (policy_ == Policy::kBlock) caps &= ~kScoreCaps;
  // A masked distribution is known by its log-probabilities only.
  if (policy_ == Policy::kMask) caps &= ~(kScoreCaps & ~(ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB));
  return caps;
}

assay_request Guard::prepared(const assay_request& request, const Call& call) const {
  assay_request out = request;
  if (kind_ != Kind::kPrompt) return out;
  if (request.message_count == 0) {
    out.prompt = call.copy(instruction_ + std::string(view(request.prompt)));
    return out;
  }
  std::vector<assay_message> messages;
  messages.push_back({str("system"), call.copy(instruction_)});
  messages.insert(messages.end(), request.messages, request.messages + request.message_count);
  out.messages = call.copy(std::span<const assay_message>(messages));
  out.message_count = messages.size();
  return out;
}

Result<assay_response> Guard::ask(const assay_request& request, const Call& call) const {
  assay_response response{};
  if (Result<void> done = of[0].run({&request, 1}, {&response, 1}, call); !done)
    return std::move(done).error();
  if (response.status.code != ASSAY_OK) {
    return Error{static_cast<Code>(response.status.code), std::string(view(response.status.message)), {}};
  }
  return response;
}

Result<bool> Guard::guarded_request(const assay_request& request, const Call& call) const {
  if (kind_ == Kind::kPrompt) return false;
  if (kind_ == Kind::kInputFilter) return matcher_.matches(prompt_text(request));
  assay_request probe = request;
  probe.kind = ASSAY_REQUEST_GENERATE;
  probe.flags = 0;
  probe.continuation = {};
  probe.want = 0;
  probe.n = 1;
  probe.temperature = 0;
  probe.max_tokens = static_cast<std::int32_t>(mask_tokens.get());
  const Result<assay_response> generated = ask(probe, call);
  if (!generated) return generated.error();
  return matcher_.matches(ResponseView(&*generated).text());
}

Result<void> Guard::generate(const RequestView& request, ResponseWriter& out, Call& call) {
  const bool blocked_input = kind_ == Kind::kInputFilter && matcher_.matches(prompt_text(request.raw()));
  if (blocked_input) {
    for (int i = 0; i < request.samples(); ++i) out.choice(refusal.get(), Finish::kFilter);
    count(out, "guard.blocked", true);
    return {};
  }
  Result<assay_response> inner = ask(prepared(request.raw(), call), call);
  if (!inner) return std::move(inner).error();
  const std::uint32_t size = out.raw().struct_size;
  out.raw() = *inner;
  out.raw().struct_size = size;
  bool replaced = false;
  if (kind_ == Kind::kOutputFilter) {
    const ResponseView answer(&*inner);
    for (std::size_t i = 0; i < answer.samples(); ++i) {
      const assay_choice& choice = *element(inner->choices, inner->choice_size, i);
      if (matcher_.matches(view(choice.text))) {
        out.choice(refusal.get(), Finish::kFilter);
        replaced = true;
      } else {
        out.choice(view(choice.text), static_cast<Finish>(choice.finish), choice.mean_logprob, choice.tokens);
      }
    }
  }
  if (kind_ != Kind::kPrompt) count(out, "guard.blocked", replaced);
  return {};
}

void Guard::mask(const assay_request& request, assay_response& response, const Call& call) const {
  // With a tokenizer unknown to the guard, a continuation is the refusal or it is not: token by token would
  // need the refusal's tokens after this prompt.
  const bool is_refusal = text::trim(view(request.continuation)) == text::trim(refusal.get());
  const double logprob = is_refusal ? 0.0 : kMaskedLogprob;
  const assay_tokens* inner = response.tokens;
  response.mean_logprob = logprob;
  if (inner == nullptr) return;
  response.scored_count = static_cast<std::int64_t>(inner->count);
  ResponseWriter writer(response, call);
  const TokensWriter tokens = writer.make_tokens(inner->count, 1U << ASSAY_STAT_LOGPROB, false, false);
  for (double& value : tokens.stat[ASSAY_STAT_LOGPROB]) value = logprob;
  tokens.raw->ids = inner->ids;
  tokens.raw->begin = inner->begin;
  tokens.raw->end = inner->end;
  tokens.raw->flags = inner->flags | ASSAY_TOKENS_MASKED;
  response.tokens = tokens.raw;
  response.mean_logprob = logprob;
}

Result<void> Guard::score(const RequestView& request, ResponseWriter& out, Call& call) {
  if (policy_ == Policy::kBlock) return not_offered("score");
  Result<assay_response> inner = ask(prepared(request.raw(), call), call);
  if (!inner) return std::move(inner).error();
  const std::uint32_t size = out.raw().struct_size;
  out.raw() = *inner;
  out.raw().struct_size = size;
  if (kind_ == Kind::kPrompt) return {};
  if (policy_ == Policy::kPass) {
    out.raw().tokens = flagged(inner->tokens, ASSAY_TOKENS_PASSED_GUARD, call);
    count(out, "guard.passed", true);
    return {};
  }
  const Result<bool> guarded = guarded_request(request.raw(), call);
  if (!guarded) return guarded.error();
  if (*guarded) {
    mask(request.raw(), out.raw(), call);
  } else {
    out.raw().tokens = flagged(inner->tokens, ASSAY_TOKENS_PASSED_GUARD, call);
  }
  count(out, "guard.masked", *guarded);
  return {};
}

}  // namespace assay::guard
