// One request to a model class without the host, and its answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/arena.hpp"

namespace assay::test {

inline assay_request request_of(int kind, std::string_view prompt, std::string_view continuation,
                                std::uint64_t want = 0) {
  assay_request request{};
  request.struct_size = sizeof request;
  request.kind = kind;
  request.prompt = str(prompt);
  request.continuation = str(continuation);
  request.want = want;
  return request;
}

/// A response and the memory behind it.
struct ModelAnswer {
  Arena arena;
  assay_response raw = empty_response();
  Result<void> done;

  ModelAnswer(Model& model, const assay_request& request) {
    Call call = arena.call();
    ResponseWriter writer(raw, call);
    const RequestView asked(&request);
    done = request.kind == ASSAY_REQUEST_SCORE   ? model.score(asked, writer, call)
           : request.kind == ASSAY_REQUEST_EMBED ? model.embed(asked, writer, call)
                                                 : model.generate(asked, writer, call);
    if (done) writer.finish();
  }
  [[nodiscard]] ResponseView view() const { return ResponseView(&raw); }
  [[nodiscard]] std::string error() const { return done ? std::string() : done.error().text; }
  [[nodiscard]] std::string text(std::size_t choice = 0) const {
    return std::string(assay::view(raw.choices[choice].text));
  }
  /// Of the scored text, or else of the first choice.
  [[nodiscard]] const assay_tokens& tokens() const {
    return raw.tokens != nullptr ? *raw.tokens : *raw.choices[0].tokens;
  }
  [[nodiscard]] std::vector<double> stat(assay_stat which) const {
    return {tokens().stats[which], tokens().stats[which] + tokens().count};
  }
  [[nodiscard]] std::vector<double> logprobs() const { return stat(ASSAY_STAT_LOGPROB); }
  [[nodiscard]] std::vector<std::int32_t> ids() const {
    return {tokens().ids, tokens().ids + tokens().count};
  }
  /// The first number of a series; NaN without one of this name.
  [[nodiscard]] double series(std::string_view name) const {
    for (std::size_t i = 0; i < raw.series_count; ++i) {
      if (assay::view(raw.series[i].name) == name) return raw.series[i].values[0];
    }
    return kMissing;
  }
};

}  // namespace assay::test
