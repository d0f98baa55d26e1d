// What the model `assay.faulty` does, as pure functions of its parameters, a request and the number of the
// attempt. The plugin answers by these functions and tests use them as the oracle: what an item's final state
// must be, whatever was interrupted in between.
//
// Thread rule: plain values and functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/abi.hpp"
#include "assay/text/utf8.hpp"

namespace assay::faulty {

/// The parameters that decide answers. Rates are probabilities of one request, in [0, 1].
struct Truth {
  std::uint64_t seed = 0;
  // One of these at most befalls a request; their sum is at most 1.
  double fail = 0;       ///< a permanent error
  double garbage = 0;    ///< the contract is broken
  double refused = 0;    ///< GENERATE: withheld by a filter
  double truncated = 0;  ///< GENERATE: cut off at max_tokens
  double empty = 0;      ///< GENERATE: no text; SCORE: no token
  // Independent of the above.
  double transient = 0;             ///< the first attempts fail with UNAVAILABLE or RATE_LIMITED
  std::uint32_t transient_max = 1;  ///< ... at most so many, at least 1
  double slow = 0;                  ///< takes a while
  double late = 0;                  ///< takes long, for time limits
  bool echo = false;  ///< GENERATE answers the last line of the prompt instead of words of the hash
};

enum class Fate { kAnswer, kFail, kGarbage, kRefused, kTruncated, kEmpty };

/// How an answer of Fate::kGarbage breaks the contract.
enum class Garbage { kUnset, kBadUtf8, kForeignPointer, kPositiveLogprob, kNothing, kUnknownCode };
inline constexpr std::uint64_t kGarbageKinds = 6;

/// What an answer is drawn for.
enum class Draw : std::uint64_t {
  kFate = 1,
  kGarbage,
  kTransient,
  kTransientCount,
  kTransientCode,
  kSlow,
  kSlowTime,
  kLate,
  kText,
  kTokens,
  kOrder,
};

/// The finishing step of SplitMix64 (Vigna).
constexpr std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

/// FNV-1a over the bytes and their number, so that ("ab", "c") and ("a", "bc") differ.
constexpr std::uint64_t hashed(std::uint64_t start, std::string_view text) {
  std::uint64_t h = start;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return mixed(h ^ mixed(text.size()));
}

/// Everything of a request that its answer depends on. Task, item and name are not: equal requests have equal
/// answers, whoever asks.
inline std::uint64_t request_hash(const assay_request& request) {
  std::uint64_t h = mixed(static_cast<std::uint64_t>(request.kind)) ^ mixed(request.seed + 1) ^
                    mixed((std::uint64_t{request.repeat} << 32U) + 2);
  h = hashed(h, view(request.prompt));
  h = hashed(h, view(request.continuation));
  for (std::size_t i = 0; i < request.message_count; ++i) {
    h = hashed(h, view(request.messages[i].role));
    h = hashed(h, view(request.messages[i].content));
  }
  return h;
}

/// 64 random bits of a request; `index` numbers several draws of one purpose.
constexpr std::uint64_t bits(const Truth& truth, std::uint64_t request, Draw what, std::uint64_t index = 0) {
  return mixed(mixed(mixed(truth.seed) ^ request) ^ mixed(static_cast<std::uint64_t>(what) << 40U ^ index));
}
/// Uniform in [0, 1).
constexpr double uniform(const Truth& truth, std::uint64_t request, Draw what, std::uint64_t index = 0) {
  return static_cast<double>(bits(truth, request, what, index) >> 11U) * 0x1p-53;
}

inline Fate fate(const Truth& truth, std::uint64_t request) {
  double u = uniform(truth, request, Draw::kFate);
  const auto falls = [&u](double rate) {
    u -= rate;
    return u < 0;
  };
  if (falls(truth.fail)) return Fate::kFail;
  if (falls(truth.garbage)) return Fate::kGarbage;
  if (falls(truth.refused)) return Fate::kRefused;
  if (falls(truth.truncated)) return Fate::kTruncated;
  if (falls(truth.empty)) return Fate::kEmpty;
  return Fate::kAnswer;
}

inline Garbage garbage_kind(const Truth& truth, std::uint64_t request) {
  return static_cast<Garbage>(bits(truth, request, Draw::kGarbage) % kGarbageKinds);
}

/// Number of attempts that fail for a passing reason before one counts; 0 for most requests.
inline std::uint32_t transient_attempts(const Truth& truth, std::uint64_t request) {
  if (uniform(truth, request, Draw::kTransient) >= truth.transient) return 0;
  return 1 + static_cast<std::uint32_t>(bits(truth, request, Draw::kTransientCount) %
                                        std::max(1U, truth.transient_max));
}
inline std::int32_t transient_code(const Truth& truth, std::uint64_t request, std::uint32_t attempt) {
  return bits(truth, request, Draw::kTransientCode, attempt) % 2 == 0 ? ASSAY_UNAVAILABLE
                                                                      : ASSAY_RATE_LIMITED;
}
inline bool is_slow(const Truth& truth, std::uint64_t request) {
  return uniform(truth, request, Draw::kSlow) < truth.slow;
}
inline bool is_late(const Truth& truth, std::uint64_t request) {
  return uniform(truth, request, Draw::kLate) < truth.late;
}

/// What the prompt says: the plain prompt, or the last message of a chat.
inline std::string_view prompt_of(const assay_request& request) {
  if (request.message_count == 0) return view(request.prompt);
  return view(request.messages[request.message_count - 1].content);
}

/// The text that GENERATE gives when nothing befalls it: never empty unless an echoed prompt is.
inline std::string answer_text(const Truth& truth, const assay_request& request) {
  const std::uint64_t h = request_hash(request);
  if (truth.echo) {
    const std::string_view prompt = text::trim_end(prompt_of(request));
    const std::size_t line = prompt.rfind('\n');
    return std::string(line == std::string_view::npos ? prompt : prompt.substr(line + 1));
  }
  static constexpr std::string_view kWords[] = {"north", "seven", "reed", "amber", "slow", "harbour",
                                                "yes",   "no",    "grün", "lamp",  "salt", "orchard"};
  const std::uint64_t count = 1 + bits(truth, h, Draw::kText) % 5;
  std::string out;
  for (std::uint64_t i = 1; i <= count; ++i) {
    if (!out.empty()) out += ' ';
    out += kWords[bits(truth, h, Draw::kText, i) % std::size(kWords)];
  }
  return out;
}

/// The text under Fate::kTruncated: the first half of the answer, on a character's boundary.
inline std::string truncated_text(const Truth& truth, const assay_request& request) {
  const std::string whole = answer_text(truth, request);
  return std::string(clipped(whole, (whole.size() + 1) / 2));
}

/// One word of a scored continuation. Logarithms are natural; the distribution itself is not thought out, but
/// its statistics agree with each other: entropy = -mean_lp, top1_logprob >= logprob, rank 1 exactly if
/// equal.
struct ScoredWord {
  std::uint32_t begin = 0, end = 0;  ///< bytes in the continuation
  std::int32_t id = 0;
  double logprob = 0;  ///< in (-10, 0)
  double rank = 1, entropy = 0, mean_lp = 0, var_lp = 0, top1_logprob = 0;
  std::int32_t top1 = 0;
};

/// The words of the continuation (runs of bytes other than ASCII white space) with their statistics.
inline std::vector<ScoredWord> scored_words(const Truth& truth, const assay_request& request) {
  const std::uint64_t h = request_hash(request);
  const std::string_view text = view(request.continuation);
  constexpr std::string_view kSpace = " \t\r\n";
  std::vector<ScoredWord> out;
  for (std::size_t at = text.find_first_not_of(kSpace); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpace, at), text.size());
    ScoredWord word;
    const std::uint64_t i = out.size() * 8;
    word.begin = static_cast<std::uint32_t>(at);
    word.end = static_cast<std::uint32_t>(end);
    word.id = static_cast<std::int32_t>(hashed(0, text.substr(at, end - at)) % 50'000);
    word.logprob = -10 * (1 - 1e-9) * uniform(truth, h, Draw::kTokens, i) - 1e-9;
    const bool first = bits(truth, h, Draw::kTokens, i + 1) % 3 == 0;
    word.rank = first ? 1 : 2 + static_cast<double>(bits(truth, h, Draw::kTokens, i + 2) % 1000);
    word.top1 = first ? word.id : (word.id + 1) % 50'000;
    word.top1_logprob =
        first ? word.logprob : word.logprob * (0.1 + 0.8 * uniform(truth, h, Draw::kTokens, i + 3));
    word.entropy = 5 * uniform(truth, h, Draw::kTokens, i + 4);
    word.mean_lp = -word.entropy;
    word.var_lp = 0.25 + 4 * uniform(truth, h, Draw::kTokens, i + 5);
    out.push_back(word);
    at = text.find_first_not_of(kSpace, end);
  }
  return out;
}

/// How a request ends when it may be tried `attempts` times (at least 1) and no time limit applies.
struct Outcome {
  std::int32_t code = ASSAY_OK;   ///< enum assay_code of the last attempt
  std::int32_t state = 0;         ///< enum assay_state of the response
  std::uint32_t attempts = 1;     ///< calls that were needed or spent
  std::string text;               ///< GENERATE, when code is OK
  std::vector<ScoredWord> words;  ///< SCORE, when code is OK
};

inline Outcome outcome(const Truth& truth, const assay_request& request, std::uint32_t attempts) {
  const std::uint64_t h = request_hash(request);
  const std::uint32_t lost = transient_attempts(truth, h);
  Outcome out;
  if (lost >= attempts) {
    out.code = transient_code(truth, h, attempts);
    out.state = ASSAY_STATE_ERROR;
    out.attempts = attempts;
    return out;
  }
  out.attempts = lost + 1;
  const Fate what = fate(truth, h);
  if (what == Fate::kFail || what == Fate::kGarbage) {
    out.code = what == Fate::kFail ? ASSAY_INTERNAL : ASSAY_PLUGIN_MISBEHAVING;
    out.state = ASSAY_STATE_ERROR;
    return out;
  }
  if (request.kind == ASSAY_REQUEST_SCORE) {
    if (what != Fate::kEmpty) out.words = scored_words(truth, request);
    out.state = out.words.empty() ? ASSAY_STATE_EMPTY : ASSAY_STATE_OK;
    return out;
  }
  if (what == Fate::kAnswer) out.text = answer_text(truth, request);
  if (what == Fate::kTruncated) out.text = truncated_text(truth, request);
  out.state = what == Fate::kRefused         ? ASSAY_STATE_REFUSED
              : what == Fate::kTruncated     ? ASSAY_STATE_TRUNCATED
              : text::trim(out.text).empty() ? ASSAY_STATE_EMPTY
                                             : ASSAY_STATE_OK;
  return out;
}

}  // namespace assay::faulty
