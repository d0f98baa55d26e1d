// Equal requests give equal bits, whatever was asked before, beside or with how many threads.
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <thread>

#include "tests/unit/llama_support.hpp"

using namespace assay;              // NOLINT: a test
using namespace assay::llama_test;  // NOLINT: a test

namespace {

test::TinyGguf long_context() {
  test::TinyGguf tiny;
  tiny.context = 2048;
  return tiny;
}

/// Prompts of several lengths around the pieces of 256 tokens, with three continuations each.
std::vector<std::pair<std::string, std::string>> questions() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const int words : {0, 1, 40, 100, 160, 260}) {
    std::string prompt;
    for (int i = 0; i < words; ++i)
      prompt += (i == 0 ? "" : " ") + std::string(i % 3 == 0 ? "man" : "the garden");
    for (const char* continuation :
         {" and the water", " in a house.", " was here and there, the man said to her"}) {
      out.emplace_back(prompt, continuation);
    }
  }
  return out;
}

using Scores = std::vector<std::vector<double>>;

Scores all_scores(LlamaModel& model, bool backwards = false) {
  const auto list = questions();
  Scores out(list.size());
  for (std::size_t k = 0; k < list.size(); ++k) {
    const std::size_t i = backwards ? list.size() - 1 - k : k;
    const auto answer = scored(model, list[i].first, list[i].second);
    INFO(answer.error());
    REQUIRE(answer.done.ok());
    out[i] = answer.logprobs();
  }
  return out;
}

double greatest_difference(const Scores& a, const Scores& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t t = 0; t < a[i].size(); ++t) most = std::max(most, std::abs(a[i][t] - b[i][t]));
  }
  return most;
}

}  // namespace

TEST_CASE("llama determinism: order, shared prefixes and repeats change no bit") {
  const TempFile file(long_context().bytes());
  const auto model = made(file.path(), {{"contexts", std::int64_t{1}}});
  const Scores first = all_scores(*model);  // prompts in order: the prefix is kept
  CHECK(all_scores(*model) == first);
  CHECK(all_scores(*model, true) == first);
  Scores fresh;  // a new context for every request
  for (const auto& [prompt, continuation] : questions()) {
    const auto alone = made(file.path(), {{"contexts", std::int64_t{1}}});
    fresh.push_back(scored(*alone, prompt, continuation).logprobs());
  }
  CHECK(fresh == first);
}

TEST_CASE("llama determinism: one and two threads give the same bits") {
  const TempFile file(long_context().bytes());
  const Scores one =
      all_scores(*made(file.path(), {{"threads", std::int64_t{1}}, {"contexts", std::int64_t{1}}}));
  const Scores two =
      all_scores(*made(file.path(), {{"threads", std::int64_t{2}}, {"contexts", std::int64_t{1}}}));
  CHECK(one == two);
}

TEST_CASE("llama determinism: requests side by side give the same bits as one by one") {
  const TempFile file(long_context().bytes());
  const auto model = made(file.path(), {{"contexts", std::int64_t{3}}, {"threads", std::int64_t{1}}});
  const Scores alone = all_scores(*model);
  std::vector<Scores> together(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < together.size(); ++t) {
      threads.emplace_back([&, t] {
        const auto list = questions();
        together[t].resize(list.size());
        for (std::size_t k = 0; k < list.size(); ++k) {
          const std::size_t i = (k * 7 + t * 5) % list.size();
          together[t][i] = scored(*model, list[i].first, list[i].second).logprobs();
        }
      });
    }
  }
  for (const Scores& one : together) CHECK(one == alone);
}

TEST_CASE("llama determinism: generated tokens and their scores agree, step by step or in pieces") {
  const TempFile file(long_context().bytes());
  const auto model = made(file.path());
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "the man", "", kAll | ASSAY_CAP_GENERATE_STATS);
  request.max_tokens = 5;
  request.temperature = 1;
  request.n = 400;
  const Answer generated(*model, request);
  REQUIRE(generated.done.ok());
  int compared = 0;
  double most = 0;
  for (std::size_t i = 0; i < generated.raw.choice_count; ++i) {
    const assay_tokens& tokens = *generated.raw.choices[i].tokens;
    const std::string text = generated.text(i);
    const auto again = scored(*model, "the man", text);
    REQUIRE(again.done.ok());
    // Only some texts of this model fall into the same tokens again.
    if (again.ids() != std::vector<std::int32_t>(tokens.ids, tokens.ids + tokens.count)) continue;
    ++compared;
    const double* values = tokens.stats[ASSAY_STAT_LOGPROB];
    most = std::max(most, greatest_difference({{values, values + tokens.count}}, {again.logprobs()}));
  }
  INFO(compared << " texts, greatest difference " << most);
  CHECK(compared >= 3);
  CHECK(most < 1e-5);
}
