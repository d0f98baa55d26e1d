#include "faulty.hpp"

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <numeric>
#include <thread>

namespace assay::faulty {
namespace {

/// How a request is named in messages: unlike from request to request, so that no two failures look equal.
std::string label(std::uint64_t request) {
  char text[24];
  (void)std::snprintf(text, sizeof text, "%016" PRIx64, request);
  return text;
}

constexpr char kBadUtf8[] = "torn \xC3\x28 text \xFF";
constexpr char kForeign[] = "a text that is not the arena's";

}  // namespace

Result<void> Faulty::configure() {
  const double sum = fail + garbage + refused + truncated + empty;
  if (sum > 1 + 1e-12) {
    return Error{
        Code::kInvalidArgument,
        "fail, garbage, refused, truncated and empty exclude each other, but their rates add up to " +
            std::to_string(sum) + "; lower them to at most 1 together",
        "fail"};
  }
  truth_.seed = static_cast<std::uint64_t>(seed.get());
  truth_.fail = fail;
  truth_.garbage = garbage;
  truth_.refused = refused;
  truth_.truncated = truncated;
  truth_.empty = empty;
  truth_.transient = transient;
  truth_.transient_max = static_cast<std::uint32_t>(transient_max.get());
  truth_.slow = slow;
  truth_.late = late;
  truth_.echo = answers.get() == "echo";
  return {};
}

void Faulty::run(const assay_request* requests, std::size_t n, assay_response* responses,
                 const assay_call* raw) {
  const Call call(raw);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto request_at = [&](std::size_t i) -> const assay_request& {
    return *element(requests, raw->req_size, i);
  };
  if (shuffle && n != 0) {
    const std::uint64_t first = request_hash(request_at(0));
    for (std::size_t i = n; i > 1; --i)
      std::swap(order[i - 1], order[bits(truth_, first, Draw::kOrder, i) % i]);
  }
  for (const std::size_t i : order) {
    assay_response& response = *element(responses, raw->res_size, i);
    if (shuffle) {
      const std::uint64_t pause = bits(truth_, request_hash(request_at(i)), Draw::kOrder) % 200;
      std::this_thread::sleep_for(std::chrono::microseconds(pause));
    }
    if (call.cancelled() || (call.late() && !rude)) {
      set_status(response.status, call.cancelled() ? Code::kCancelled : Code::kTimeout, "stopped", call);
      continue;
    }
    try {
      answer(request_at(i), response, call);
    } catch (const std::exception& failure) {
      set_status(response.status, Code::kResourceExhausted, failure.what(), call);
    }
    if (response.status.code == ASSAY_OK) call.complete(i);
  }
}

std::uint32_t Faulty::count_attempt(std::uint64_t request) {
  const std::scoped_lock lock(mutex_);
  return ++attempts_[request];
}

Code Faulty::wait(std::uint64_t microseconds, const Call& call) const {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::microseconds(microseconds);
  constexpr auto kSlice = std::chrono::milliseconds(5);
  for (Clock::time_point now = Clock::now(); now < end; now = Clock::now()) {
    if (!rude && call.cancelled()) return Code::kCancelled;
    if (!rude && call.late()) return Code::kTimeout;
    std::this_thread::sleep_for(std::min<Clock::duration>(kSlice, end - now));
  }
  return Code::kOk;
}

void Faulty::answer(const assay_request& request, assay_response& response, const Call& call) {
  const std::uint64_t h = request_hash(request);
  std::uint64_t pause = 0;
  if (is_slow(truth_, h))
    pause = bits(truth_, h, Draw::kSlowTime) % (1000 * static_cast<std::uint64_t>(slow_ms.get()) + 1);
  if (is_late(truth_, h)) pause = std::max(pause, 1000 * static_cast<std::uint64_t>(late_ms.get()));
  if (pause != 0) {
    const Code ended = wait(pause, call);
    if (ended != Code::kOk) {
      set_status(response.status, ended,
                 "request " + label(h) +
                     (ended == Code::kTimeout ? ": the deadline passed" : ": the run was stopped"),
                 call);
      return;
    }
  }
  if (const std::uint32_t lost = transient_attempts(truth_, h); lost != 0) {
    const std::uint32_t attempt = count_attempt(h);
    if (attempt <= lost) {
      const auto code = static_cast<Code>(transient_code(truth_, h, attempt));
      set_status(response.status, code,
                 "request " + label(h) + " fails for the moment: attempt " + std::to_string(attempt) +
                     " of " + std::to_string(lost) + " that do",
                 call);
      return;
    }
  }
  const Fate what = fate(truth_, h);
  if (what == Fate::kFail) {
    set_status(response.status, Code::kInternal, "request " + label(h) + " fails whenever it is asked", call);
    response.status.retryable = -1;
    return;
  }
  if (what == Fate::kGarbage) {
    spoil(request, response, call);
    return;
  }
  ResponseWriter out(response, call);
  if (request.kind == ASSAY_REQUEST_SCORE) {
    score(request, what, out);
  } else {
    generate(request, what, out);
  }
  out.finish();
  set_status(response.status, Code::kOk, {}, call);
}

void Faulty::generate(const assay_request& request, Fate what, ResponseWriter& out) const {
  std::int64_t written = 0;
  const int samples = request.n <= 0 ? 1 : request.n;
  for (int i = 0; i < samples; ++i) {
    Truth drawn = truth_;
    if (i != 0) drawn.seed = mixed(drawn.seed + static_cast<std::uint64_t>(i));
    std::string text;
    Finish finish = Finish::kStop;
    if (what == Fate::kAnswer) text = answer_text(drawn, request);
    if (what == Fate::kTruncated) text = truncated_text(drawn, request), finish = Finish::kLength;
    if (what == Fate::kRefused) finish = Finish::kFilter;
    written += static_cast<std::int64_t>(std::count(text.begin(), text.end(), ' ')) + (text.empty() ? 0 : 1);
    out.choice(text, finish);
  }
  out.usage(static_cast<std::int64_t>(prompt_of(request).size()), written);
}

void Faulty::score(const assay_request& request, Fate what, ResponseWriter& out) const {
  const std::vector<ScoredWord> words =
      what == Fate::kEmpty ? std::vector<ScoredWord>{} : scored_words(truth_, request);
  constexpr std::uint32_t kStatistics = 1U << ASSAY_STAT_LOGPROB | 1U << ASSAY_STAT_RANK |
                                        1U << ASSAY_STAT_RANK_TIES | 1U << ASSAY_STAT_ENTROPY |
                                        1U << ASSAY_STAT_MEAN_LP | 1U << ASSAY_STAT_VAR_LP |
                                        1U << ASSAY_STAT_TOP1_ID | 1U << ASSAY_STAT_TOP1_LOGPROB;
  const TokensWriter tokens = out.make_tokens(words.size(), kStatistics);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const ScoredWord& word = words[i];
    tokens.ids[i] = word.id;
    tokens.begin[i] = word.begin;
    tokens.end[i] = word.end;
    tokens.stat[ASSAY_STAT_LOGPROB][i] = word.logprob;
    tokens.stat[ASSAY_STAT_RANK][i] = word.rank;
    tokens.stat[ASSAY_STAT_RANK_TIES][i] = 0;
    tokens.stat[ASSAY_STAT_ENTROPY][i] = word.entropy;
    tokens.stat[ASSAY_STAT_MEAN_LP][i] = word.mean_lp;
    tokens.stat[ASSAY_STAT_VAR_LP][i] = word.var_lp;
    tokens.stat[ASSAY_STAT_TOP1_ID][i] = word.top1;
    tokens.stat[ASSAY_STAT_TOP1_LOGPROB][i] = word.top1_logprob;
  }
  tokens.raw->vocabulary = 50'000;
  out.tokens(tokens);
  out.usage(static_cast<std::int64_t>(words.size()), 0);
}

// Breaks the contract in one point. Every one of these ends as PLUGIN_MISBEHAVING.
void Faulty::spoil(const assay_request& request, assay_response& response, const Call& call) const {
  static const assay_tokens kTokens = {};
  static const assay_choice kChoice = {sizeof(assay_choice), ASSAY_FINISH_STOP, str(kForeign), nullptr,
                                       kMissing};
  const Garbage how = garbage_kind(truth_, request_hash(request));
  const bool scores = request.kind == ASSAY_REQUEST_SCORE;
  ResponseWriter out(response, call);
  switch (how) {
    case Garbage::kUnset:
      return;
    case Garbage::kUnknownCode:
      response.status.code = 77;
      return;
    case Garbage::kNothing:
      // A score request needs tokens or a mean; a generation may be empty, but a failure needs a sentence.
      response.status.code = scores ? ASSAY_OK : ASSAY_DATA;
      return;
    case Garbage::kBadUtf8:
      if (scores) {
        score(request, Fate::kAnswer, out);
        response.provider_id = call.copy(std::string_view(kBadUtf8));
      } else {
        out.choice(kBadUtf8, Finish::kStop);
      }
      break;
    case Garbage::kForeignPointer:
      if (scores) {
        response.tokens = &kTokens;
      } else {
        response.choices = &kChoice;
        response.choice_count = 1;
        response.choice_size = sizeof(assay_choice);
      }
      break;
    case Garbage::kPositiveLogprob:
      if (scores) {
        score(request, Fate::kAnswer, out);
        response.mean_logprob = 0.5;
      } else {
        out.choice("a text", Finish::kStop, 0.5);
      }
      break;
  }
  out.finish();
  response.status.code = ASSAY_OK;
}

const void* faulty_extension(std::string_view id) {
  static const assay_model_batch_v1 kBatch = {
      sizeof(assay_model_batch_v1), 0,
      [](void* instance, const assay_request* requests, std::size_t n, assay_response* responses,
         const assay_call* call) noexcept -> std::int32_t {
        try {
          object_of<Faulty>(instance).run(requests, n, responses, call);
          return ASSAY_OK;
        } catch (...) {
          return ASSAY_RESOURCE_EXHAUSTED;
        }
      }};
  static const assay_model_identity_v1 kIdentity = {sizeof(assay_model_identity_v1), 0,
                                                    detail::model_content};
  if (id == "assay.model.generate/1" || id == "assay.model.score/1") return &kBatch;
  return id == "assay.model.identity/1" ? &kIdentity : nullptr;
}

}  // namespace assay::faulty
