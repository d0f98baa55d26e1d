// The guard model: what it matches, what it hides, what it does with scores.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "guard.hpp"
#include "tests/unit/unlearning_support.hpp"

using namespace assay;         // NOLINT: a test of the plugin
using namespace assay::guard;  // NOLINT
using namespace assay::test;   // NOLINT

namespace {

/// Plays the host and the inner model: answers with "secret of <prompt>" and two tokens of ln p = -1.
struct Inner {
  std::uint64_t caps = ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB | ASSAY_CAP_TOP1;
  std::string text = "The Secret\n word .";
  int failure = ASSAY_OK;
  bool aggregates_only = false;
  std::vector<std::string> prompts;  ///< as they arrived
  std::vector<std::string> systems;

  assay_host_models_v1 api{};
  assay_host host{};
  assay_env env{};

  Inner() {
    api.struct_size = sizeof api;
    api.count = [](const assay_env*, assay_str) noexcept -> std::size_t { return 1; };
    api.get = [](const assay_env* where, assay_str, std::size_t) noexcept {
      return static_cast<const assay_model_handle*>(where->bindings);
    };
    api.capabilities = [](const assay_model_handle* self) noexcept { return of(self)->caps; };
    api.run = [](const assay_model_handle* self, const assay_request* requests, std::size_t n,
                 assay_response* responses, const assay_call* parent,
                 std::int32_t (*)(void*, std::size_t, const assay_row*) noexcept,
                 void*) noexcept -> std::int32_t {
      for (std::size_t i = 0; i < n; ++i) of(self)->answer(requests[i], responses[i], Call(parent));
      return ASSAY_OK;
    };
    host.struct_size = sizeof host;
    host.ctx = &api;
    host.get_extension = [](void* ctx, assay_str) noexcept -> const void* { return ctx; };
    env.struct_size = sizeof env;
    env.host = &host;
    env.bindings = this;
  }
  Inner(const Inner&) = delete;
  Inner& operator=(const Inner&) = delete;

 private:
  static Inner* of(const assay_model_handle* self) {
    return reinterpret_cast<Inner*>(const_cast<assay_model_handle*>(self));
  }
  void answer(const assay_request& request, assay_response& response, const Call& call) {
    prompts.emplace_back(view(request.prompt));
    for (std::size_t i = 0; i < request.message_count; ++i) {
      if (view(request.messages[i].role) == "system") systems.emplace_back(view(request.messages[i].content));
    }
    ResponseWriter out(response, call);
    set_status(response.status, static_cast<Code>(failure), "the inner model is ill", call);
    if (failure != ASSAY_OK) return;
    if (request.kind == ASSAY_REQUEST_GENERATE) {
      const double inner_series = 7;
      out.choice(text, assay::Finish::kStop).series("inner", {&inner_series, 1});
    } else if (aggregates_only) {
      out.mean_logprob(-1, 2);
    } else {
      const TokensWriter tokens =
          out.make_tokens(2, (1U << ASSAY_STAT_LOGPROB) | (1U << ASSAY_STAT_TOP1_ID), true, false);
      for (std::size_t i = 0; i < 2; ++i) {
        tokens.ids[i] = static_cast<std::int32_t>(10 + i);
        tokens.stat[ASSAY_STAT_LOGPROB][i] = -1;
        tokens.stat[ASSAY_STAT_TOP1_ID][i] = 3;
      }
      out.tokens(tokens);
    }
    out.finish();
  }
};

/// A guard around an Inner, and what it answers.
struct Bench {
  Inner inner;
  Guard guard;
  TestCall call;
  assay_response response{};

  Result<void> start() {
    guard.attach(&inner.env);
    return guard.configure();
  }
  Result<void> ask(assay_request_kind kind, std::string_view prompt, std::string_view continuation = {}) {
    assay_request request{};
    request.struct_size = sizeof request;
    request.kind = kind;
    request.prompt = str(prompt);
    request.continuation = str(continuation);
    request.max_tokens = 5;
    return ask(request);
  }
  Result<void> ask(const assay_request& request) {
    response = {};
    ResponseWriter out(response, *call);
    Result<void> done = request.kind == ASSAY_REQUEST_GENERATE
                            ? guard.generate(RequestView(&request), out, *call)
                            : guard.score(RequestView(&request), out, *call);
    if (done) out.finish();
    return done;
  }
  [[nodiscard]] ResponseView view_of() const { return ResponseView(&response); }
  [[nodiscard]] double series(std::string_view name) const {
    const auto values = view_of().series(name);
    return values.size() == 1 ? values[0] : kMissing;
  }
};

std::filesystem::path file_with(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / ("assay_guard_" + name);
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

}  // namespace

TEST_CASE("guard: the input filter refuses without asking, in any case of letters") {
  Bench bench;
  give(bench.guard, "names", std::vector<std::string>{"Ada Ünal", "  "});
  REQUIRE(bench.start().ok());
  REQUIRE(bench.ask(ASSAY_REQUEST_GENERATE, "Who is ADA üNAL ?").ok());
  CHECK(bench.view_of().text() == "i do not know .");
  CHECK(bench.view_of().finish() == assay::Finish::kFilter);
  CHECK(bench.series("guard.blocked") == 1.0);
  CHECK(bench.inner.prompts.empty());

  REQUIRE(bench.ask(ASSAY_REQUEST_GENERATE, "Who is Bob ?").ok());
  CHECK(bench.view_of().text() == bench.inner.text);
  CHECK(bench.view_of().finish() == assay::Finish::kStop);
  CHECK(bench.series("guard.blocked") == 0.0);
  CHECK(bench.series("inner") == 7.0);  // what the inner model says besides is kept
  CHECK(bench.inner.prompts == std::vector<std::string>{"Who is Bob ?"});
}

TEST_CASE("guard: the input filter reads every message of a chat") {
  Bench bench;
  give(bench.guard, "names", std::vector<std::string>{"Ada"});
  REQUIRE(bench.start().ok());
  const assay_message messages[] = {{str("user"), str("hello")}, {str("user"), str("about Ada")}};
  assay_request request{};
  request.struct_size = sizeof request;
  request.kind = ASSAY_REQUEST_GENERATE;
  request.messages = messages;
  request.message_count = 2;
  request.n = 3;
  REQUIRE(bench.ask(request).ok());
  CHECK(bench.view_of().samples() == 3);
  CHECK(bench.view_of().text(2) == "i do not know .");
}

TEST_CASE("guard: case-sensitive matching, and a list that matches nothing is refused") {
  Bench bench;
  give(bench.guard, "names", std::vector<std::string>{"Ada"});
  give(bench.guard, "case_sensitive", std::int64_t{1});
  REQUIRE(bench.start().ok());
  REQUIRE(bench.ask(ASSAY_REQUEST_GENERATE, "ada").ok());
  CHECK(bench.series("guard.blocked") == 0.0);

  Bench empty;
  give(empty.guard, "names", std::vector<std::string>{" "});
  const Result<void> refused = empty.start();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().key == "entities");
}

TEST_CASE("guard: the output filter replaces generations, not prompts") {
  Bench bench;
  give(bench.guard, "kind", "output_filter");
  give(bench.guard, "phrases", std::vector<std::string>{"secret word ."});
  give(bench.guard, "refusal", "no comment");
  REQUIRE(bench.start().ok());
  REQUIRE(bench.ask(ASSAY_REQUEST_GENERATE, "anything").ok());
  CHECK(bench.view_of().text() == "no comment");
  CHECK(bench.series("guard.blocked") == 1.0);
  bench.inner.text = "the secret is kept";
  REQUIRE(bench.ask(ASSAY_REQUEST_GENERATE, "tell me the secret word").ok());
  CHECK(bench.view_of().text() == "the secret is kept");
  CHECK(bench.series("guard.blocked") == 0.0);
}

TEST_CASE("guard: an instruction goes before the prompt, or becomes the system message of a chat") {
  Bench bench;
  give(bench.guard, "kind", "prompt");
  give(bench.guard, "instruction", "Forget {subject}, all of {subject}.\n");
  give(bench.guard, "subject", "Ada");
  REQUIRE(bench.start().ok());
  REQUIRE(bench.ask(ASSAY_REQUEST_GENERATE, "Who?").ok());
  REQUIRE(bench.ask(ASSAY_REQUEST_SCORE, "Who?", " Ada").ok());
  CHECK(bench.inner.prompts == std::vector<std::string>(2, "Forget Ada, all of Ada.\nWho?"));
  CHECK(bench.view_of().tokens().flags() == 0U);  // these are the scores of the guarded model itself
  const assay_message message = {str("user"), str("Who?")};
  assay_request request{};
  request.struct_size = sizeof request;
  request.kind = ASSAY_REQUEST_GENERATE;
  request.messages = &message;
  request.message_count = 1;
  REQUIRE(bench.ask(request).ok());
  CHECK(bench.inner.systems == std::vector<std::string>{"Forget Ada, all of Ada.\n"});

  Bench wrong;
  give(wrong.guard, "kind", "prompt");
  give(wrong.guard, "score_policy", "mask");
  REQUIRE_FALSE(wrong.start().ok());
}

TEST_CASE("guard: score policies pass, block and mask") {
  const auto bench_with = [](const char* policy) {
    auto bench = std::make_unique<Bench>();
    give(bench->guard, "names", std::vector<std::string>{"Ada"});
    give(bench->guard, "score_policy", policy);
    REQUIRE(bench->start().ok());
    return bench;
  };
  const auto pass = bench_with("pass");
  REQUIRE(pass->ask(ASSAY_REQUEST_SCORE, "Ada", " x").ok());
  CHECK(pass->view_of().mean_logprob() == -1.0);
  CHECK(pass->view_of().tokens().flags() == ASSAY_TOKENS_PASSED_GUARD);
  CHECK(pass->view_of().tokens().top1_id().size() == 2);
  CHECK(pass->guard.capabilities(Guard::info.provides) == pass->inner.caps);

  const auto block = bench_with("block");
  CHECK(block->guard.capabilities(Guard::info.provides) == ASSAY_CAP_GENERATE);
  const Result<void> refused = block->ask(ASSAY_REQUEST_SCORE, "Bob", " x");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kUnsupported);

  const auto mask = bench_with("mask");
  CHECK(mask->guard.capabilities(Guard::info.provides) ==
        (ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB));
  REQUIRE(mask->ask(ASSAY_REQUEST_SCORE, "Ada", " x").ok());
  CHECK(mask->view_of().mean_logprob() == -100.0);
  CHECK(mask->view_of().tokens().flags() == ASSAY_TOKENS_MASKED);
  CHECK(mask->view_of().tokens().ids()[1] == 11);
  CHECK(mask->view_of().tokens().top1_id().empty());
  CHECK(mask->series("guard.masked") == 1.0);
  REQUIRE(mask->ask(ASSAY_REQUEST_SCORE, "Ada", " i do not know .").ok());
  CHECK(mask->view_of().mean_logprob() == 0.0);
  REQUIRE(mask->ask(ASSAY_REQUEST_SCORE, "Bob", " x").ok());
  CHECK(mask->view_of().mean_logprob() == -1.0);
  CHECK(mask->view_of().tokens().flags() == ASSAY_TOKENS_PASSED_GUARD);
  mask->inner.aggregates_only = true;
  REQUIRE(mask->ask(ASSAY_REQUEST_SCORE, "Ada", " x").ok());
  CHECK(mask->view_of().mean_logprob() == -100.0);
  CHECK(mask->view_of().raw()->scored_count == 2);
}

TEST_CASE("guard: an output filter with mask asks the model what it would say") {
  Bench bench;
  give(bench.guard, "kind", "output_filter");
  give(bench.guard, "phrases", std::vector<std::string>{"secret"});
  give(bench.guard, "score_policy", "mask");
  REQUIRE(bench.start().ok());
  REQUIRE(bench.ask(ASSAY_REQUEST_SCORE, "anything", " x").ok());
  CHECK(bench.view_of().mean_logprob() == -100.0);
  bench.inner.text = "harmless";
  REQUIRE(bench.ask(ASSAY_REQUEST_SCORE, "anything", " x").ok());
  CHECK(bench.view_of().mean_logprob() == -1.0);
}

TEST_CASE("guard: a failure of the inner model stays a failure") {
  Bench bench;
  give(bench.guard, "names", std::vector<std::string>{"Ada"});
  REQUIRE(bench.start().ok());
  bench.inner.failure = ASSAY_UNAVAILABLE;
  for (const assay_request_kind kind : {ASSAY_REQUEST_GENERATE, ASSAY_REQUEST_SCORE}) {
    const Result<void> failed = bench.ask(kind, "Bob", " x");
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().code == Code::kUnavailable);
    CHECK(failed.error().text == "the inner model is ill");
  }
}

TEST_CASE("guard: lists come from lines or from JSON rows") {
  const auto lines = file_with("lines.txt",
                               "\xEF\xBB\xBF"
                               "Ada\r\n\r\nBob Ng\n");
  CHECK(*read_list(lines.string(), "name", {}) == std::vector<std::string>{"Ada", "Bob Ng"});
  const auto rows =
      file_with("rows.jsonl",
                "{\"role\":\"forget\",\"name\":\"Ada\"}\n{\"role\":\"retain\",\"name\":\"Cy\"}\n"
                "{\"role\":\"forget\",\"name\":\"Ada\"}\n{\"role\":\"forget\",\"name\":\"Bo\"}\n");
  CHECK(*read_list(rows.string(), "name", {"forget"}) == std::vector<std::string>{"Ada", "Bo"});
  CHECK(*read_list(rows.string(), "name", {}) == std::vector<std::string>{"Ada", "Cy", "Bo"});
  const Result<std::vector<std::string>> missing = read_list(rows.string(), "answer", {"forget"});
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == Code::kData);
  CHECK(missing.error().text.find(":4: the text field 'answer'") != std::string::npos);
  CHECK(read_list("/no/such/file", "name", {}).error().code == Code::kNotFound);
  CHECK(without_full_stop("rutane lizuko . ") == "rutane lizuko");
  CHECK(without_full_stop("A. B.") == "A. B");
  std::filesystem::remove(lines);
  std::filesystem::remove(rows);
}
