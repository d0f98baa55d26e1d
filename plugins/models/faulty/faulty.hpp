// The model `assay.faulty`: answers and failures drawn from a seed, for testing what stands around a model.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>

#include "assay/sdk/model.hpp"
#include "faulty_truth.hpp"

namespace assay::faulty {

/// Options of a rate.
inline ParamOptions rate_options() {
  return {.flags = AFFECTS_RESULT, .min = 0, .max = 1};
}

class Faulty final : public Model {
 public:
  static constexpr ModelInfo info{
      .id = "assay.faulty",
      .title = "A model that fails by plan",
      .doc =
          "Answers without any model behind it: texts and token statistics are drawn from the seed, the "
          "prompt and the continuation, and so is what befalls a request - errors, empty, cut off and "
          "withheld answers, passing failures, waiting, broken contracts. Equal parameters and requests give "
          "equal answers on every machine. For testing suites, retry policies, time limits and resumption "
          "against a model whose faults are known in advance. One of fail, garbage, refused, truncated and "
          "empty at most befalls a request, so their sum may not exceed 1; transient, slow and late are "
          "drawn independently. Attempts are counted in the instance, per request.",
      .provides = ASSAY_CAP_GENERATE | ASSAY_CAP_CHAT | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB |
                  ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1,
      .concurrency = ASSAY_CONCURRENCY_PARALLEL,
      .flags = ASSAY_FLAG_DETERMINISTIC | ASSAY_FLAG_BATCH_INVARIANT,
      .preferred_batch = 4};

  Result<void> configure() override;

  /// One batch of GENERATE or SCORE requests, in the order of `shuffle`.
  void run(const assay_request* requests, std::size_t n, assay_response* responses, const assay_call* raw);

  [[nodiscard]] const Truth& truth() const { return truth_; }

  Param<std::int64_t> seed{*this, "seed", 0, "Where all draws begin",
                           ParamOptions{.flags = AFFECTS_RESULT, .min = 0}};
  Param<Choice> answers{*this, "answers", Choice{"words"},
                        "words: one to five words of the hash. echo: the last line of the prompt",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"words", "echo"}}};
  Param<double> fail{*this, "fail", 0.0, "Rate of errors that no further attempt mends", rate_options()};
  Param<double> garbage{*this, "garbage", 0.0,
                        "Rate of broken contracts: unset or unknown statuses, invalid UTF-8, foreign "
                        "pointers, positive log-probabilities, nothing at all",
                        rate_options()};
  Param<double> refused{*this, "refused", 0.0, "Rate of generations withheld by a filter", rate_options()};
  Param<double> truncated{*this, "truncated", 0.0, "Rate of generations cut off by length", rate_options()};
  Param<double> empty{*this, "empty", 0.0, "Rate of answers without text or without tokens", rate_options()};
  Param<double> transient{*this, "transient", 0.0,
                          "Rate of requests whose first attempts fail as unavailable or rate limited",
                          rate_options()};
  Param<std::int64_t> transient_max{
      *this, "transient_max", 1, "transient: one to so many attempts fail",
      ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .max = 1000, .unit = "attempts"}};
  Param<double> slow{*this, "slow", 0.0, "Rate of requests that take up to slow_ms", rate_options()};
  Param<std::int64_t> slow_ms{*this, "slow_ms", 20, "slow: the longest wait",
                              ParamOptions{.min = 0, .max = 600'000, .unit = "ms"}};
  Param<double> late{*this, "late", 0.0, "Rate of requests that take late_ms, for time limits",
                     rate_options()};
  Param<std::int64_t> late_ms{*this, "late_ms", 1000, "late: the wait",
                              ParamOptions{.min = 0, .max = 600'000, .unit = "ms"}};
  Param<bool> rude{*this, "rude", false, "late: look at neither the deadline nor the end of the run"};
  Param<bool> shuffle{*this, "shuffle", false,
                      "Finish the items of a batch in a drawn order, with a drawn pause of microseconds "
                      "before each"};

 private:
  void answer(const assay_request& request, assay_response& response, const Call& call);
  void generate(const assay_request& request, Fate what, ResponseWriter& out) const;
  void score(const assay_request& request, Fate what, ResponseWriter& out) const;
  void spoil(const assay_request& request, assay_response& response, const Call& call) const;
  /// Waits; the code of a failure when the run or the deadline ended the wait.
  Code wait(std::uint64_t microseconds, const Call& call) const;
  /// The number of this attempt, from 1.
  std::uint32_t count_attempt(std::uint64_t request);

  Truth truth_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint32_t> attempts_;  ///< only of requests that fail at first
};

/// The extensions of the plugin.
const void* faulty_extension(std::string_view id);

}  // namespace assay::faulty
