// `assay.ngram` as a plugin class: requests against the engine, training beside requests.
#include <atomic>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <thread>

#include "tests/unit/ngram_plugin_support.hpp"

using namespace assay;              // NOLINT: a test
using namespace assay::ngram_test;  // NOLINT: its support
using Catch::Matchers::ContainsSubstring;

TEST_CASE("ngram plugin: every estimator scores as the engine does") {
  const TempFile file(kPlain);
  for (const char* estimator : {"mkn", "kn", "abs", "witten_bell", "countlm"}) {
    INFO(estimator);
    const auto model = made({{"estimator", estimator}, {"train", file.path()}}, 4);
    ngram::Config config;
    config.estimator = *ngram::parse_estimator(estimator);
    config.order = 4;
    auto engine = ngram::Model::create(config);
    REQUIRE(engine.ok());
    for (const char* line : {"the cat sat on the mat", "the dog sat on the log", "the cow ate"}) {
      REQUIRE(engine->train(line).ok());
    }
    REQUIRE(engine->finalise().ok());
    CHECK(content(*model) == engine->fingerprint());

    std::vector<ngram::Id> context, ids;
    engine->tokenizer().encode_ids("the cat ", context);
    engine->tokenizer().encode_ids("sat up", ids);
    ids.push_back(engine->tokenizer().eos());
    const auto wanted = engine->score(context, ids, ngram::kAllStats);
    assay_request request = request_of(ASSAY_REQUEST_SCORE, "the cat ", "sat up", kAll);
    request.flags = ASSAY_REQ_APPEND_EOS;
    const Answer answer(*model, request);
    REQUIRE(answer.done.ok());
    const TokensView tokens = answer.view().tokens();
    REQUIRE(tokens.size() == wanted->size());
    CHECK(tokens.vocabulary() == 257);
    const bool bos = (tokens.flags() & ASSAY_TOKENS_BOS_ADDED) != 0;
    CHECK(bos == (std::string_view(estimator) != "countlm"));
    CHECK((tokens.flags() & ASSAY_TOKENS_EOS_APPENDED) != 0);
    double sum = 0;
    for (std::size_t i = 0; i < wanted->size(); ++i) {
      const ngram::TokenStats& one = (*wanted)[i];
      CHECK(tokens.ids()[i] == static_cast<std::int32_t>(one.token));
      CHECK(tokens.logprob()[i] == one.logprob);
      CHECK(tokens.rank()[i] == static_cast<double>(one.rank));
      CHECK(tokens.stat(ASSAY_STAT_RANK_TIES)[i] == static_cast<double>(one.ties));
      CHECK(tokens.entropy()[i] == one.entropy);
      CHECK(tokens.mean_lp()[i] == one.mean_lp);
      CHECK(tokens.var_lp()[i] == one.var_lp);
      CHECK(tokens.top1_id()[i] == static_cast<double>(one.top1));
      CHECK(tokens.top1_logprob()[i] == one.top1_logprob);
      CHECK(tokens.raw()->begin[i] == std::min<std::size_t>(i, 6));
      CHECK(tokens.raw()->end[i] == std::min<std::size_t>(i + 1, 6));
      sum += one.logprob;
    }
    CHECK(answer.raw.mean_logprob == sum / 7);
    CHECK(answer.raw.scored_count == 7);
  }
}

TEST_CASE("ngram plugin: only wanted statistics are delivered, the log-probability always") {
  const auto model = made({});
  const Answer answer(*model, request_of(ASSAY_REQUEST_SCORE, "", "ab"));
  REQUIRE(answer.done.ok());
  const TokensView tokens = answer.view().tokens();
  CHECK(tokens.rank().empty());
  CHECK(tokens.entropy().empty());
  CHECK(tokens.mean_lp().empty());
  CHECK(tokens.top1_id().empty());
  // Untrained: uniform over 256 bytes and the end of text.
  REQUIRE(tokens.logprob().size() == 2);
  CHECK(std::abs(tokens.logprob()[0] + std::log(257.0)) < 1e-15);
  const Answer nothing(*model, request_of(ASSAY_REQUEST_SCORE, "ab", "", kAll));
  REQUIRE(nothing.done.ok());
  CHECK(nothing.view().tokens().size() == 0);
  CHECK(std::isnan(nothing.raw.mean_logprob));
}

TEST_CASE("ngram plugin: a token across the border is scored and flagged") {
  const TempFile list("cat\n cat\ncats\n");
  const auto model = made({{"tokenizer", "word"}, {"word_list", list.path()}});
  const Answer merged(*model, request_of(ASSAY_REQUEST_SCORE, "a cat", "s b"));
  REQUIRE(merged.done.ok());
  // " cats" is no piece of the list, so that the bytes of the continuation stand for themselves ...
  CHECK(merged.view().tokens().size() == 3);
  const Answer across(*model, request_of(ASSAY_REQUEST_SCORE, "cat", "s b"));
  REQUIRE(across.done.ok());
  // ... but "cats" is one, and it lies across the border.
  CHECK(across.view().tokens().size() == 3);
  CHECK((across.view().tokens().flags() & ASSAY_TOKENS_BOUNDARY_MERGED) != 0);
  CHECK(across.view().tokens().raw()->begin[0] == 0);
  CHECK(across.view().tokens().raw()->end[0] == 1);
  assay_request alone = request_of(ASSAY_REQUEST_SCORE, "cat", "s b");
  alone.join = ASSAY_JOIN_SEPARATE;
  const Answer separate(*model, alone);
  CHECK(separate.view().tokens().size() == 3);
  CHECK((separate.view().tokens().flags() & ASSAY_TOKENS_BOUNDARY_MERGED) == 0);
  CHECK(separate.view().tokens().ids()[0] == 's');
  CHECK(across.view().tokens().ids()[0] == 257 + 2);
}

TEST_CASE("ngram plugin: rows are the engine's distributions") {
  const TempFile file(kPlain);
  const auto model = made({{"train", file.path()}});
  assay_request request = request_of(ASSAY_REQUEST_ROWS, "the c", "at");
  std::vector<std::int32_t> targets;
  CHECK(rows_of(*model, request, &targets).size() == 2);
  CHECK(targets == std::vector<std::int32_t>{'a', 't'});
  request.flags = ASSAY_REQ_INCLUDE_LAST;
  targets.clear();
  const auto rows = rows_of(*model, request, &targets);
  CHECK(targets == std::vector<std::int32_t>{'a', 't', -1});
  std::vector<double> p(257);
  std::string text = "the c";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto state = model->engine().begin(text);
    state->distribution(p);
    CHECK(rows[i] == p);
    double sum = 0;
    for (const double value : p) sum += value;
    CHECK(std::abs(sum - 1) < 1e-12);
    text += i == 0 ? "a" : "t";
  }
}

TEST_CASE("ngram plugin: samples have seeds of their own and repeat") {
  const TempFile file(kPlain);
  const auto model = made({{"train", file.path()}});
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "the ", "", ASSAY_CAP_GENERATE_STATS | kAll);
  request.n = 4;
  request.temperature = 1.0;
  request.top_k = 3;
  request.max_tokens = 12;
  request.seed = 99;
  const Answer first(*model, request);
  const Answer second(*model, request);
  REQUIRE(first.done.ok());
  REQUIRE(first.view().samples() == 4);
  bool differ = false;
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(first.view().text(i) == second.view().text(i));
    differ = differ || first.view().text(i) != first.view().text(0);
    // SplitMix64 written down independently: its i-th output from the request's seed.
    std::uint64_t z = 99 + 0x9E3779B97F4A7C15ULL * (i + 1);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    ngram::GenerateParams params;
    params.seed = z ^ (z >> 31U);
    params.max_tokens = 12;
    params.sampling.top_k = 3;
    const auto wanted = ngram::generate(model->engine(), "the ", params);
    CHECK(first.view().text(i) == wanted->text);
    const TokensView tokens = first.view().sample_tokens(i);
    REQUIRE(tokens.size() == wanted->tokens.size());
    double sum = 0;
    for (std::size_t k = 0; k < tokens.size(); ++k) {
      CHECK(tokens.logprob()[k] == wanted->tokens[k].logprob);
      sum += tokens.logprob()[k];
      if (wanted->tokens[k].token != 256) CHECK(tokens.raw()->end[k] == k + 1);
    }
    CHECK(first.view().sample_mean_logprob(i) == sum / static_cast<double>(tokens.size()));
  }
  CHECK(differ);
  request.seed = 100;
  const Answer other(*model, request);
  bool changed = false;
  for (std::size_t i = 0; i < 4; ++i) changed = changed || other.view().text(i) != first.view().text(i);
  CHECK(changed);
}

TEST_CASE("ngram plugin: greedy text, stops, length, chat messages") {
  const TempFile file("abcdef\nabcdef\nabcdef\n");
  const auto model = made({{"train", file.path()}});
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "ab", "");
  request.n = 2;
  const Answer greedy(*model, request);
  REQUIRE(greedy.done.ok());
  CHECK(greedy.view().text(0) == "cdef");
  CHECK(greedy.view().text(1) == "cdef");
  CHECK(greedy.view().finish(0) == Finish::kStop);
  CHECK_FALSE(greedy.view().sample_tokens(0).present());
  request.max_tokens = 2;
  const Answer cut(*model, request);
  CHECK(cut.view().text() == "cd");
  CHECK(cut.view().finish() == Finish::kLength);
  request.max_tokens = 0;
  const assay_str stops[] = {str("ef")};
  request.stop = {stops, 1};
  request.want = ASSAY_CAP_GENERATE_STATS;
  const Answer stopped(*model, request);
  CHECK(stopped.view().text() == "cd");
  CHECK(stopped.view().finish() == Finish::kStop);
  CHECK(stopped.view().sample_tokens().size() == 4);
  CHECK(stopped.view().sample_tokens().raw()->end[3] == 2);
  request.stop = {};
  const assay_message messages[] = {{str("system"), str("xx")}, {str("user"), str("ab")}};
  request.prompt = {};
  request.messages = messages;
  request.message_count = 2;
  const Answer chat(*model, request);
  const Answer joined(*model, request_of(ASSAY_REQUEST_GENERATE, "xx\nab", ""));
  CHECK(chat.view().text() == joined.view().text());
  request.max_tokens = -1;
  CHECK_FALSE(Answer(*model, request).done.ok());
  request.max_tokens = 5;
  request.temperature = -1;
  CHECK_THAT(Answer(*model, request).done.error().text, ContainsSubstring("temperature"));
}

TEST_CASE("ngram plugin: bytes that are no UTF-8 never reach the host") {
  const TempFile file("x\xC3\xA4\n");
  const auto model = made({{"train", file.path()}});
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "x", "", ASSAY_CAP_GENERATE_STATS);
  request.max_tokens = 1;  // cuts the letter in two
  const Answer cut(*model, request);
  REQUIRE(cut.done.ok());
  CHECK(cut.view().text() == "\xEF\xBF\xBD");
  CHECK(cut.view().sample_tokens().ids()[0] == 0xC3);
  CHECK(cut.view().sample_tokens().raw()->begin == nullptr);
}

TEST_CASE("ngram plugin: a stopped call ends with an error, not with half an answer") {
  const auto model = made({});
  test::Arena arena;
  const std::uint32_t cancel = 1;
  assay_call raw = *arena.raw();
  raw.cancel = &cancel;
  Call call(&raw);
  assay_response response = test::empty_response();
  ResponseWriter writer(response, call);
  const assay_request score = request_of(ASSAY_REQUEST_SCORE, "", "abc");
  CHECK(model->score(RequestView(&score), writer, call).error().code == Code::kCancelled);
  const assay_request text = request_of(ASSAY_REQUEST_GENERATE, "", "");
  CHECK(model->generate(RequestView(&text), writer, call).error().code == Code::kCancelled);
  RowSink sink(call, 0);
  CHECK(model->rows(RequestView(&score), sink, call).error().code == Code::kCancelled);
}

TEST_CASE("ngram plugin: train, unlearn and reset of the extension are all or nothing") {
  const TempFile file(kPlain);
  const auto model = made({{"train", file.path()}});
  const std::string before = content(*model);
  test::Arena arena;
  Call call = arena.call();
  const auto document = [](std::string_view prompt, std::string_view text, std::int64_t copies = 1) {
    assay_document out{};
    out.struct_size = sizeof out;
    out.prompt = str(prompt);
    out.text = str(text);
    out.copies = copies;
    return out;
  };
  const std::vector<assay_document> more = {document("", "a new one", 2), document("Q:", "yes")};
  REQUIRE(model->train(more, call).ok());
  CHECK(content(*model) != before);
  const std::vector<assay_document> wrong = {document("", "a new one"), document("", "zebra")};
  const Result<void> failed = model->unlearn(wrong, call);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == Code::kNotFound);
  CHECK_THAT(failed.error().text, ContainsSubstring("document 2") && ContainsSubstring("not_trained"));
  REQUIRE(model->unlearn(more, call).ok());
  CHECK(content(*model) == before);
  CHECK_FALSE(model->train(std::vector<assay_document>{document("", "x", 0)}, call).ok());
  REQUIRE(model->reset().ok());
  CHECK(content(*model) == content(*made({})));
}

TEST_CASE("ngram plugin: requests run beside training") {
  const TempFile file(kPlain);
  const auto model = made({{"train", file.path()}});
  const std::string before = content(*model);
  std::vector<std::thread> readers;
  std::atomic<int> failures = 0;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const Answer answer(*model, request_of(ASSAY_REQUEST_SCORE, "the ", "cat sat", kAll));
        if (!answer.done.ok() || answer.view().tokens().size() != 7) ++failures;
      }
    });
  }
  test::Arena arena;
  Call call = arena.call();
  assay_document document{};
  document.text = str("the cat sat");
  document.copies = 1;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(model->train({&document, 1}, call).ok());
    REQUIRE(model->unlearn({&document, 1}, call).ok());
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(failures == 0);
  CHECK(content(*model) == before);
}

TEST_CASE("ngram plugin: text to ids and back") {
  const auto model = made({});
  const auto encoded = model->encode("a\xC3\xA4");
  REQUIRE(encoded.ok());
  CHECK(encoded->ids == std::vector<std::int32_t>{'a', 0xC3, 0xA4});
  CHECK(encoded->begin == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(encoded->end == std::vector<std::uint32_t>{1, 2, 3});
  CHECK(*model->decode(encoded->ids) == "a\xC3\xA4");
  CHECK(model->vocabulary() == 257);
  CHECK(model->eos() == 256);
  CHECK(model->bos() == -1);
  CHECK((*model->tokenizer_fingerprint()).size() == 64);
  CHECK_FALSE(model->decode(std::vector<std::int32_t>{300}).ok());
  CHECK_FALSE(model->decode(std::vector<std::int32_t>{-1}).ok());
}
