// `assay.llama` on a tiny model made from a seed: tokens, scores, rows, generation, embeddings, edges.
#include <catch2/catch_approx.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "tests/unit/llama_support.hpp"

using namespace assay;              // NOLINT: a test
using namespace assay::llama_test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr std::string_view kText = "the man and the water in a garden";

std::vector<double> direct(const std::vector<float>& z) {
  double sum = 0;
  const double most = *std::max_element(z.begin(), z.end());
  for (const float one : z) sum += std::exp(one - most);
  std::vector<double> p;
  for (const float one : z) p.push_back(std::exp(one - most) / sum);
  return p;
}

}  // namespace

TEST_CASE("llama: tokens spell their text, with byte spans, and go back") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  for (const std::string text :
       {"the man", " the man", "a\nb", "x", "", "caf\xC3\xA9 \xF0\x9F\x98\x80", "  two", "</s>"}) {
    INFO(text);
    const auto made_ids = model->encode(text);
    REQUIRE(made_ids.ok());
    const auto back = model->decode(made_ids->ids);
    REQUIRE(back.ok());
    // SentencePiece puts a blank in front of a text.
    CHECK(*back == (text.empty() ? text : " " + text));
    REQUIRE(made_ids->begin.size() == made_ids->ids.size());
    std::uint32_t at = 0;
    for (std::size_t i = 0; i < made_ids->ids.size(); ++i) {
      CHECK(made_ids->begin[i] == at);
      at = made_ids->end[i];
    }
    CHECK(at == text.size());
    for (const std::int32_t id : made_ids->ids) CHECK(id > 2);  // "</s>" in a text is four characters
  }
  CHECK(model->decode(std::vector<std::int32_t>{300000}).error().code == Code::kInvalidArgument);
  CHECK(model->vocabulary() == test::TinyGguf{}.vocabulary());
  CHECK(model->bos() == 1);
  CHECK(model->eos() == 2);
}

TEST_CASE("llama: an answer says how long it took and how many tokens went in") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  const auto answer = scored(*model, "the", " man");
  REQUIRE(answer.done.ok());
  CHECK(answer.raw.total_ns > 0);
  CHECK(answer.raw.tokens_in > 0);
}

TEST_CASE("llama: the tokenizer's fingerprint follows the vocabulary, not the weights") {
  test::TinyGguf tiny;
  const TempFile first(tiny.bytes());
  tiny.seed = 2;
  tiny.add_bos = false;  // a setting beside the vocabulary
  const TempFile second(tiny.bytes());
  std::string changed = tiny.bytes();
  const std::size_t at = changed.find("ing", changed.find("<0xFF>"));
  REQUIRE(at != std::string::npos);
  changed[at] = 'u';
  const TempFile third(changed);
  const std::string print = *made(first.path())->tokenizer_fingerprint();
  CHECK(print.size() == 64);
  CHECK(*made(second.path())->tokenizer_fingerprint() == print);
  CHECK(*made(third.path())->tokenizer_fingerprint() != print);
}

TEST_CASE("llama: statistics equal the definitions over the rows, and the rows are those of the tokens") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  const auto answer = scored(*model, "the man", " and the water");
  INFO(answer.error());
  REQUIRE(answer.done.ok());
  assay_request request = request_of(ASSAY_REQUEST_ROWS, "the man", " and the water");
  request.flags = ASSAY_REQ_INCLUDE_LAST;
  const auto rows = rows_of(*model, request);
  const auto ids = answer.ids();
  REQUIRE(rows.size() == ids.size() + 1);
  CHECK(rows.back().target == -1);
  double sum = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& row = rows[i];
    CHECK(row.position == static_cast<std::int64_t>(i));
    CHECK(row.target == ids[i]);
    const auto p = direct(row.logits);
    double entropy = 0;
    double square = 0;
    std::size_t above = 0;
    for (std::size_t v = 0; v < p.size(); ++v) {
      entropy -= p[v] * std::log(p[v]);
      square += p[v] * std::log(p[v]) * std::log(p[v]);
      above += row.logits[v] > row.logits[static_cast<std::size_t>(ids[i])] ? 1U : 0U;
    }
    const double logprob = std::log(p[static_cast<std::size_t>(ids[i])]);
    sum += logprob;
    CHECK(answer.logprobs()[i] == Catch::Approx(logprob).margin(1e-5));
    CHECK(answer.stat(ASSAY_STAT_ENTROPY)[i] == Catch::Approx(entropy).margin(1e-5));
    CHECK(answer.stat(ASSAY_STAT_MEAN_LP)[i] == Catch::Approx(-entropy).margin(1e-5));
    CHECK(answer.stat(ASSAY_STAT_VAR_LP)[i] == Catch::Approx(square - entropy * entropy).margin(1e-5));
    CHECK(answer.stat(ASSAY_STAT_RANK)[i] == static_cast<double>(above + 1));
    CHECK(answer.stat(ASSAY_STAT_TOP1_LOGPROB)[i] ==
          Catch::Approx(std::log(*std::max_element(p.begin(), p.end()))).margin(1e-5));
  }
  CHECK(answer.raw.scored_count == static_cast<std::int64_t>(ids.size()));
  CHECK(answer.raw.mean_logprob == Catch::Approx(sum / static_cast<double>(ids.size())).margin(1e-5));
  CHECK((answer.raw.tokens->flags & ASSAY_TOKENS_BOS_ADDED) != 0);
  // Only what was asked for.
  const auto bare = scored(*model, "the man", " and the water", ASSAY_CAP_LOGPROB);
  CHECK(bare.raw.tokens->stats[ASSAY_STAT_ENTROPY] == nullptr);
  CHECK(bare.logprobs() == answer.logprobs());
}

TEST_CASE("llama: the most probable tokens are listed when the expression asks for them") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto offers = [](const LlamaModel& model) {
    return (model.capabilities(LlamaModel::info.provides) & ASSAY_CAP_TOPK) != 0;
  };
  CHECK_FALSE(offers(*made(file.path())));
  test::TinyGguf bare;
  bare.add_bos = false;  // so that the first token is unknown
  const TempFile other(bare.bytes());
  const auto model = made(other.path(), {{"top_tokens", std::int64_t{3}}});
  CHECK(offers(*model));
  const auto answer = scored(*model, "", kText, kAll | ASSAY_CAP_TOPK);
  const auto rows = rows_of(*model, request_of(ASSAY_REQUEST_ROWS, "", kText));
  const assay_tokens& tokens = *answer.raw.tokens;
  REQUIRE(rows.size() == tokens.count - 1);
  REQUIRE(tokens.top_offset != nullptr);
  CHECK(tokens.top_offset[0] == 0);
  CHECK(tokens.top_offset[1] == 0);
  for (std::size_t i = 1; i < tokens.count; ++i) {
    REQUIRE(tokens.top_offset[i + 1] == 3 * i);
    auto p = direct(rows[i - 1].logits);
    for (std::size_t k = 3 * (i - 1); k < 3 * i; ++k) {
      const auto most = std::max_element(p.begin(), p.end());
      CHECK(tokens.top_id[k] == most - p.begin());
      CHECK(tokens.top_logprob[k] == Catch::Approx(std::log(*most)).margin(1e-5));
      *most = 0;
    }
  }
}

TEST_CASE("llama: a token over the border belongs to the continuation, and the answer says so") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  const auto clean = scored(*model, "the", " man");
  CHECK((clean.raw.tokens->flags & ASSAY_TOKENS_BOUNDARY_MERGED) == 0);
  const auto merged = scored(*model, "t", "he man");  // " the" is one token
  REQUIRE(merged.done.ok());
  CHECK((merged.raw.tokens->flags & ASSAY_TOKENS_BOUNDARY_MERGED) != 0);
  CHECK(merged.raw.tokens->begin[0] == 0);
  CHECK(merged.raw.tokens->end[0] == 2);
  assay_request request = request_of(ASSAY_REQUEST_SCORE, "t", "he man", kAll);
  request.join = ASSAY_JOIN_SEPARATE;
  const Answer alone(*model, request);
  CHECK((alone.raw.tokens->flags & ASSAY_TOKENS_BOUNDARY_MERGED) == 0);
  CHECK(alone.ids() != merged.ids());
}

TEST_CASE("llama: BOS and EOS are added as told, and what nothing precedes has no score") {
  test::TinyGguf tiny;
  const TempFile with(tiny.bytes());
  tiny.add_bos = false;
  const TempFile without(tiny.bytes());
  const auto first_known = [](const Answer& answer) { return !std::isnan(answer.logprobs()[0]); };
  CHECK(first_known(scored(*made(with.path()), "", kText)));
  CHECK_FALSE(first_known(scored(*made(with.path(), {{"bos", "never"}}), "", kText)));
  CHECK_FALSE(first_known(scored(*made(without.path()), "", kText)));
  CHECK(first_known(scored(*made(without.path(), {{"bos", "always"}}), "", kText)));
  CHECK(scored(*made(with.path()), "", kText).logprobs() ==
        scored(*made(without.path(), {{"bos", "always"}}), "", kText).logprobs());
  const auto bare = made(without.path());
  const auto answer = scored(*bare, "", kText);
  CHECK(answer.raw.scored_count == static_cast<std::int64_t>(answer.ids().size()) - 1);
  CHECK((answer.raw.tokens->flags & ASSAY_TOKENS_BOS_ADDED) == 0);

  const auto ended = scored(*made(with.path()), "the", " man", kAll, ASSAY_REQ_APPEND_EOS);
  CHECK(ended.ids().back() == 2);
  CHECK(ended.raw.tokens->begin[ended.ids().size() - 1] == 4);
  CHECK((ended.raw.tokens->flags & ASSAY_TOKENS_EOS_APPENDED) != 0);
  const auto nothing = scored(*made(with.path()), "the", "");
  REQUIRE(nothing.done.ok());
  CHECK(nothing.raw.scored_count == 0);
  CHECK(std::isnan(nothing.raw.mean_logprob));
}

TEST_CASE("llama: a text longer than the context is an error unless the parameters say how to cut it") {
  const TempFile file(test::TinyGguf{}.bytes());  // 64 tokens
  std::string text;
  for (int i = 0; i < 12; ++i) text += std::string(i == 0 ? "" : " ") + std::string(kText);
  const auto refused_answer = scored(*made(file.path()), "", text);
  CHECK_FALSE(refused_answer.done.ok());
  CHECK(refused_answer.done.error().code == Code::kInvalidArgument);
  CHECK_THAT(refused_answer.error(), ContainsSubstring("the context holds 64"));

  // An overlap at whose token a word begins, so that the second window can be spelled below.
  const auto wide = made(file.path(), {{"context", std::int64_t{1024}}});
  const auto whole = scored(*wide, "", text);
  REQUIRE(whole.done.ok());
  const auto ids = whole.ids();
  const std::size_t count = ids.size();
  const auto spelled = [&](std::size_t from, std::size_t to) {
    return *wide->decode(std::vector<std::int32_t>(ids.data() + from, ids.data() + to));
  };
  std::size_t overlap = 12;
  while (spelled(64 - overlap, 65 - overlap).front() != ' ') ++overlap;
  const auto windowed_model =
      made(file.path(), {{"overflow", "window"}, {"overlap", static_cast<std::int64_t>(overlap)}});
  const auto windowed = scored(*windowed_model, "", text);
  INFO(windowed.error());
  REQUIRE(windowed.done.ok());
  REQUIRE(windowed.ids() == ids);
  CHECK(windowed.raw.scored_count == static_cast<std::int64_t>(count));
  CHECK(windowed.series("llama.overlap") == static_cast<double>(overlap));
  // 64 cells hold BOS and, the last token not being decoded, 64 tokens; later windows have BOS and the
  // overlap first.
  const std::size_t fresh = 64 - overlap;
  CHECK(windowed.series("llama.windows") == static_cast<double>(1 + (count - 64 + fresh - 1) / fresh));
  const auto second = scored(*wide, spelled(64 - overlap, 64).substr(1), spelled(64, count));
  REQUIRE(second.ids() == std::vector<std::int32_t>(ids.begin() + 64, ids.end()));
  for (std::size_t i = 0; i < 64; ++i) CHECK(std::abs(windowed.logprobs()[i] - whole.logprobs()[i]) < 1e-5);
  for (std::size_t i = 0; i < std::min(fresh, count - 64); ++i) {
    CHECK(std::abs(windowed.logprobs()[64 + i] - second.logprobs()[i]) < 1e-5);
  }

  const auto cut = scored(*made(file.path(), {{"overflow", "truncate_left"}}), "", text);
  REQUIRE(cut.done.ok());
  CHECK(cut.raw.scored_count == 64);
  CHECK(cut.series("llama.dropped_tokens") == static_cast<double>(count + 1 - 64));
  CHECK(std::isnan(cut.logprobs()[count - 65]));
  CHECK_FALSE(std::isnan(cut.logprobs()[count - 64]));
  // What fits is not touched by the rule.
  CHECK(scored(*windowed_model, "", kText).logprobs() == scored(*made(file.path()), "", kText).logprobs());
  CHECK(std::isnan(scored(*windowed_model, "", kText).series("llama.windows")));
  CHECK(refused(file.path(), {{"overlap", std::int64_t{63}}}).key == "overlap");
  CHECK(refused(file.path(), {{"context", std::int64_t{4}}}).key == "context");
}

TEST_CASE("llama: greedy text is the argmax of its rows, and its statistics are scores of the text") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "the man", "", kAll | ASSAY_CAP_GENERATE_STATS);
  request.max_tokens = 12;
  const Answer answer(*model, request);
  INFO(answer.error());
  REQUIRE(answer.done.ok());
  const auto ids = answer.ids();
  CHECK(ids.size() <= 12);
  const auto top = answer.stat(ASSAY_STAT_TOP1_ID);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    CHECK(top[i] == ids[i]);
    CHECK(answer.stat(ASSAY_STAT_RANK)[i] == 1);
  }
  CHECK(answer.raw.tokens_out == static_cast<std::int64_t>(ids.size()));
  if (ids.size() == 12) CHECK(answer.raw.choices[0].finish == ASSAY_FINISH_LENGTH);
}

TEST_CASE("llama: samples repeat by seed, differ between samples, and obey their limits") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "the man", "", kAll | ASSAY_CAP_GENERATE_STATS);
  request.max_tokens = 16;
  request.temperature = 1;
  request.seed = 7;
  request.n = 3;
  const Answer first(*model, request);
  const Answer second(*model, request);
  REQUIRE(first.done.ok());
  REQUIRE(first.raw.choice_count == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(first.text(i) == second.text(i));
  CHECK(first.text(0) != first.text(1));
  request.seed = 8;
  CHECK(Answer(*model, request).text(0) != first.text(0));
  request.top_k = 1;  // greedy by another name
  const Answer narrow(*model, request);
  CHECK(narrow.text(0) == narrow.text(1));
  for (const double rank : narrow.stat(ASSAY_STAT_RANK)) CHECK(rank == 1);
  request.top_k = 5;
  for (const double rank : Answer(*model, request).stat(ASSAY_STAT_RANK)) CHECK(rank <= 5);
  request.top_k = 0;
  request.min_p = 0.5;
  const Answer likely(*model, request);
  for (std::size_t i = 0; i < likely.ids().size(); ++i) {
    CHECK(likely.logprobs()[i] >= likely.stat(ASSAY_STAT_TOP1_LOGPROB)[i] + std::log(0.5) - 1e-5);
  }
  request.min_p = 1.5;
  CHECK_THAT(Answer(*model, request).error(), ContainsSubstring("min_p"));
}

TEST_CASE("llama: drawn tokens follow the distribution") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  assay_request rows = request_of(ASSAY_REQUEST_ROWS, "the man", "");
  rows.flags = ASSAY_REQ_INCLUDE_LAST;
  const auto p = direct(rows_of(*model, rows).at(0).logits);
  assay_request request =
      request_of(ASSAY_REQUEST_GENERATE, "the man", "", ASSAY_CAP_LOGPROB | ASSAY_CAP_GENERATE_STATS);
  request.max_tokens = 1;
  request.temperature = 1;
  request.n = 4000;
  const Answer answer(*model, request);
  REQUIRE(answer.raw.choice_count == 4000);
  std::vector<double> seen(p.size());
  for (std::size_t i = 0; i < 4000; ++i)
    seen[static_cast<std::size_t>(answer.raw.choices[i].tokens->ids[0])] += 1;
  // Pearson's statistic over 20 groups of tokens; 43.8 is the 0.999 quantile of chi-square with 19 degrees of
  // freedom.
  double statistic = 0;
  std::size_t at = 0;
  for (int group = 0; group < 20; ++group) {
    double expected = 0;
    double counted = 0;
    for (; at < p.size() && (expected < 200 || group == 19); ++at) {
      expected += 4000 * p[at];
      counted += seen[at];
    }
    if (expected > 0) statistic += (counted - expected) * (counted - expected) / expected;
  }
  CHECK(statistic < 43.8);
}

TEST_CASE("llama: stop strings end a text before themselves, also across tokens") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "the man", "");
  request.max_tokens = 30;
  request.temperature = 1;
  request.seed = 3;
  const Answer whole(*model, request);
  const std::string text = whole.text();
  // Three characters in its midst that the vocabulary spells in more than one token.
  std::size_t middle = 4;
  const auto ascii = [&](std::size_t i) { return static_cast<unsigned char>(text.at(i)) < 0x80; };
  while (!(ascii(middle) && ascii(middle + 1) && ascii(middle + 2))) ++middle;
  const std::string stop = text.substr(middle, 3);
  const assay_str stops[] = {str("never said"), str(stop)};
  request.stop = {stops, 2};
  const Answer stopped(*model, request);
  CHECK(stopped.text() == text.substr(0, text.find(stop)));
  CHECK(stopped.raw.choices[0].finish == ASSAY_FINISH_STOP);
  const assay_str empty[] = {str("")};
  request.stop = {empty, 1};
  CHECK_THAT(Answer(*model, request).error(), ContainsSubstring("stop strings"));
}

TEST_CASE("llama: generation ends with the context, and a prompt beyond it is cut only when told") {
  const TempFile file(test::TinyGguf{}.bytes());
  std::string prompt;
  for (int i = 0; i < 12; ++i) prompt += std::string(kText) + " ";
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, prompt, "", kAll | ASSAY_CAP_GENERATE_STATS);
  request.max_tokens = 20;
  request.temperature = 1;
  const Answer refused_answer(*made(file.path()), request);
  CHECK_THAT(refused_answer.error(), ContainsSubstring("the context holds 64"));
  const auto model = made(file.path(), {{"overflow", "truncate_left"}});
  const Answer cut(*model, request);
  INFO(cut.error());
  REQUIRE(cut.done.ok());
  CHECK(cut.raw.tokens_in == 64 - 20);
  CHECK(cut.series("llama.dropped_tokens") > 0);
  request.prompt = str("the man");
  request.max_tokens = 1000;
  const Answer full(*made(file.path()), request);
  REQUIRE(full.done.ok());
  CHECK(full.raw.tokens_in + full.raw.tokens_out <= 64 + 1);
}

TEST_CASE("llama: embeddings have the model's width, repeat, and are scaled when asked") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path());
  const Answer first(*model, request_of(ASSAY_REQUEST_EMBED, "the man", ""));
  INFO(first.error());
  REQUIRE(first.done.ok());
  REQUIRE(first.raw.value_count == 32);
  const Answer other(*model, request_of(ASSAY_REQUEST_EMBED, "a garden", ""));
  const Answer second(*model, request_of(ASSAY_REQUEST_EMBED, "the man", ""));
  CHECK(std::equal(first.raw.values, first.raw.values + 32, second.raw.values));
  CHECK_FALSE(std::equal(first.raw.values, first.raw.values + 32, other.raw.values));
  const Answer scaled(*made(file.path(), {{"normalise", std::int64_t{1}}}),
                      request_of(ASSAY_REQUEST_EMBED, "the man", ""));
  double square = 0;
  double product = 0;
  double length = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    square += scaled.raw.values[i] * scaled.raw.values[i];
    product += scaled.raw.values[i] * first.raw.values[i];
    length += first.raw.values[i] * first.raw.values[i];
  }
  CHECK(square == Catch::Approx(1));
  CHECK(product == Catch::Approx(std::sqrt(length)));
}

TEST_CASE("llama: chats need a template that libllama knows") {
  test::TinyGguf tiny;
  const TempFile plain(tiny.bytes());
  tiny.chat_template = "{{ something nobody knows }}";
  const TempFile odd(tiny.bytes());
  const auto offers = [](const LlamaModel& model) {
    return (model.capabilities(LlamaModel::info.provides) & ASSAY_CAP_CHAT) != 0;
  };
  CHECK_FALSE(offers(*made(plain.path())));
  CHECK_FALSE(offers(*made(odd.path())));
  const auto chat = made(plain.path(), {{"chat_template", "chatml"}});
  CHECK(offers(*chat));
  CHECK(refused(plain.path(), {{"chat_template", "no-such-template"}}).key == "chat_template");
  const assay_message messages[] = {{str("user"), str("the man?")}};
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "", "");
  request.messages = messages;
  request.message_count = 1;
  request.max_tokens = 4;
  CHECK(Answer(*made(plain.path()), request).done.error().code == Code::kUnsupported);
  const Answer by_template(*chat, request);
  INFO(by_template.error());
  REQUIRE(by_template.done.ok());
  assay_request spelled =
      request_of(ASSAY_REQUEST_GENERATE, "<|im_start|>user\nthe man?<|im_end|>\n<|im_start|>assistant\n", "");
  spelled.max_tokens = 4;
  CHECK(Answer(*chat, spelled).text() == by_template.text());
}

TEST_CASE("llama: cancelling ends a request, and the next one is sound") {
  const TempFile file(test::TinyGguf{}.bytes());
  const auto model = made(file.path(), {{"contexts", std::int64_t{1}}});
  const auto before = scored(*model, "", kText).logprobs();
  std::uint32_t cancel = 1;
  test::Arena arena;
  assay_call raw = *arena.raw();
  raw.cancel = &cancel;
  Call call(&raw);
  assay_response response = test::empty_response();
  ResponseWriter writer(response, call);
  const assay_request request = request_of(ASSAY_REQUEST_SCORE, "the", kText, kAll);
  const auto done = model->score(RequestView(&request), writer, call);
  REQUIRE_FALSE(done.ok());
  CHECK(done.error().code == Code::kCancelled);
  CHECK(scored(*model, "", kText).logprobs() == before);
}
