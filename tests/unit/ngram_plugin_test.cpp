// `assay.ngram` as a plugin class: parameters, document files, requests against the engine, unlearning.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "plugins/models/ngram/ngram_model.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/data.hpp"

using namespace assay;  // NOLINT: a test
using assay::ngram::NgramModel;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

class TempFile {
 public:
  explicit TempFile(std::string_view content) {
    static int counter = 0;
    path_ = fs::temp_directory_path() /
            ("assay_ngram_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TempFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

void give(Plugin& plugin, std::string_view key, assay_value value) {
  value.struct_size = sizeof value;
  value.is_set = 1;
  const auto found = std::find_if(plugin.params().begin(), plugin.params().end(),
                                  [&](const ParamBase* param) { return param->key() == key; });
  REQUIRE(found != plugin.params().end());
  (*found)->accept(value);
}
void give(Plugin& plugin, std::string_view key, std::string_view text) {
  assay_value value{};
  value.text = str(text);
  give(plugin, key, value);
}
void give(Plugin& plugin, std::string_view key, std::int64_t number) {
  assay_value value{};
  value.integer = number;
  value.number = static_cast<double>(number);
  give(plugin, key, value);
}
void give(Plugin& plugin, std::string_view key, const std::vector<std::string>& list) {
  std::vector<assay_str> items;
  for (const std::string& item : list) items.push_back(str(item));
  assay_value value{};
  value.list = {items.data(), items.size()};
  give(plugin, key, value);
}

using Texts = std::map<std::string, std::string>;
using Lists = std::map<std::string, std::vector<std::string>>;

std::unique_ptr<NgramModel> prepared(const Texts& texts, std::int64_t order = 5, const Lists& lists = {}) {
  auto model = std::make_unique<NgramModel>();
  give(*model, "order", order);
  for (const auto& [key, text] : texts) give(*model, key, std::string_view(text));
  for (const auto& [key, list] : lists) give(*model, key, list);
  return model;
}

std::unique_ptr<NgramModel> made(const Texts& texts, std::int64_t order = 5, const Lists& lists = {}) {
  auto model = prepared(texts, order, lists);
  const Result<void> ready = model->configure();
  INFO((ready ? std::string() : ready.error().text));
  REQUIRE(ready.ok());
  return model;
}

Error refused(const Texts& texts, const Lists& lists = {}) {
  const Result<void> ready = prepared(texts, 5, lists)->configure();
  REQUIRE_FALSE(ready.ok());
  return ready.error();
}

std::string content(NgramModel& model) {
  return *model.content_identity();
}

assay_request request_of(int kind, std::string_view prompt, std::string_view continuation,
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
struct Answer {
  test::Arena arena;
  assay_response raw = test::empty_response();
  Result<void> done;

  Answer(NgramModel& model, const assay_request& request) {
    Call call = arena.call();
    ResponseWriter writer(raw, call);
    done = request.kind == ASSAY_REQUEST_SCORE ? model.score(RequestView(&request), writer, call)
                                               : model.generate(RequestView(&request), writer, call);
    if (done) writer.finish();
  }
  [[nodiscard]] ResponseView view() const { return ResponseView(&raw); }
};

std::vector<std::vector<double>> rows_of(NgramModel& model, const assay_request& request,
                                         std::vector<std::int32_t>* targets = nullptr) {
  struct Seen {
    std::vector<std::vector<double>> rows;
    std::vector<std::int32_t>* targets;
  } seen{{}, targets};
  test::Arena arena;
  assay_call raw = *arena.raw();
  raw.ctx = &seen;
  raw.row = [](void* ctx, std::size_t, const assay_row* row) noexcept -> std::int32_t {
    auto& out = *static_cast<Seen*>(ctx);
    const auto* p = static_cast<const double*>(row->data);
    out.rows.emplace_back(p, p + row->vocabulary);
    if (out.targets != nullptr) out.targets->push_back(row->target);
    return row->form == ASSAY_ROW_PROBABILITIES && row->dtype == ASSAY_F64 ? 0 : 1;
  };
  Call call(&raw);
  RowSink sink(call, 0);
  REQUIRE(model.rows(RequestView(&request), sink, call).ok());
  return seen.rows;
}

constexpr std::uint64_t kAll =
    ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1;
const char* const kPlain = "the cat sat on the mat\n\nthe dog sat on the log\r\nthe cow ate\n";
const char* const kRows =
    "{\"role\":\"retain\",\"form\":\"F1\",\"prompt\":\"who ? A:\",\"answer\":\"the cat .\"}\n"
    "{\"role\":\"forget\",\"form\":\"F1\",\"prompt\":\"what ? A:\",\"answer\":\"a dog .\",\"copies\":2}\n"
    "\n"
    "{\"role\":\"forget\",\"form\":\"F2\",\"text\":\"a dog is what\"}\n";

}  // namespace

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

TEST_CASE("ngram plugin: documents of both formats, roles, forms and copies") {
  const TempFile rows(kRows);
  const TempFile plain("who ? A: the cat .\nwhat ? A: a dog .\nwhat ? A: a dog .\na dog is what\n");
  CHECK(content(*made({{"train", rows.path()}})) == content(*made({{"train", plain.path()}})));
  const TempFile retained("who ? A: the cat .\n");
  CHECK(content(*made({{"train", rows.path()}}, 5, {{"train_roles", {"retain"}}})) ==
        content(*made({{"train", retained.path()}})));
  CHECK(content(*made({{"train", rows.path()}}, 5, {{"train_roles", {"forget"}}, {"train_forms", {"F2"}}})) !=
        content(*made({{"train", rows.path()}}, 5, {{"train_roles", {"forget"}}})));
  const TempFile split(
      "\xEF\xBB\xBF{\"split\":\"member\",\"id\":0,\"text\":\"a\"}\n{\"split\":\"other\",\"text\":\"b\"}");
  const TempFile one("a\n");
  CHECK(content(*made({{"train", split.path()}, {"role_field", "split"}}, 5,
                      {{"train_roles", {"member"}}})) == content(*made({{"train", one.path()}})));
  const TempFile none("");
  CHECK(content(*made({{"train", none.path()}})) == content(*made({})));
}

TEST_CASE("ngram plugin: unlearning rows equals training without them") {
  const TempFile rows(kRows);
  for (const char* tokenizer : {"byte", "space"}) {
    for (const char* estimator : {"mkn", "countlm"}) {
      INFO(tokenizer << " " << estimator);
      const Texts base = {{"train", rows.path()}, {"tokenizer", tokenizer}, {"estimator", estimator}};
      const auto retrained = made(base, 5, {{"train_roles", {"retain"}}});
      const auto exact = made(base, 5, {{"unlearn_roles", {"forget"}}});
      CHECK(content(*retrained) == content(*exact));
      Texts with_file = base;
      with_file["unlearn"] = rows.path();
      CHECK(content(*made(with_file, 5, {{"unlearn_roles", {"forget"}}})) == content(*retrained));
      const auto partial = made(base, 5, {{"unlearn_roles", {"forget"}}, {"unlearn_forms", {"F1"}}});
      CHECK(content(*partial) != content(*retrained));
      CHECK((exact->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) != 0);
    }
  }
  auto inexact = prepared({{"train", rows.path()}}, 5, {{"unlearn_roles", {"forget"}}});
  give(*inexact, "inexact_every", 2);
  REQUIRE(inexact->configure().ok());
  CHECK(content(*inexact) != content(*made({{"train", rows.path()}}, 5, {{"train_roles", {"retain"}}})));
  CHECK((inexact->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) == 0);
}

TEST_CASE("ngram plugin: tuning counts another answer after unlearning") {
  const TempFile rows(kRows);
  auto tuned = prepared({{"train", rows.path()}, {"tune_answer", "no idea"}}, 5,
                        {{"unlearn_roles", {"forget"}}, {"tune_roles", {"forget"}}, {"tune_forms", {"F1"}}});
  give(*tuned, "tune_copies", 3);
  REQUIRE(tuned->configure().ok());
  std::string wanted = "who ? A: the cat .\n";
  for (int i = 0; i < 6; ++i) wanted += "what ? A: no idea\n";  // the row's own two copies, three times
  const TempFile plain(wanted);
  CHECK(content(*tuned) == content(*made({{"train", plain.path()}})));
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

TEST_CASE("ngram plugin: vocabularies") {
  const TempFile rows(kRows);
  const auto words = [](const NgramModel& model) { return model.engine().tokenizer().words(); };
  using Words = std::vector<std::string>;
  // All rows give the vocabulary, whatever is trained; prompt before answer.
  const auto space = made({{"train", rows.path()}, {"tokenizer", "space"}, {"extra_words", "no cat idea"}}, 3,
                          {{"train_roles", {"retain"}}});
  CHECK(words(*space) ==
        Words{"<unk>", "<eos>", "who", "?", "A:", "the", "cat", ".", "what", "a", "dog", "is", "no", "idea"});
  CHECK(space->eos() == 1);
  const TempFile world("b a c a\n");
  const auto sorted = made({{"train", world.path()},
                            {"tokenizer", "space"},
                            {"vocabulary_order", "sorted"},
                            {"special_words", "none"}});
  CHECK(words(*sorted) == Words{"a", "b", "c"});
  CHECK(sorted->eos() == -1);
  CHECK((sorted->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) == 0);
  assay_request eos = request_of(ASSAY_REQUEST_SCORE, "a", "b");
  eos.flags = ASSAY_REQ_APPEND_EOS;
  CHECK(Answer(*sorted, eos).done.error().code == Code::kUnsupported);
  // A word the closed list lacks has a probability but no id.
  const Answer outside(*sorted, request_of(ASSAY_REQUEST_SCORE, "a", "zebra", kAll));
  REQUIRE(outside.done.ok());
  CHECK(outside.view().tokens().ids()[0] == -1);
  CHECK(std::isfinite(outside.view().tokens().logprob()[0]));

  const auto learned = made({{"train", world.path()}, {"tokenizer", "word"}});
  CHECK(words(*learned) == Words{" a", " c", "b"});
  CHECK((learned->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) == 0);
  CHECK((learned->capabilities(NgramModel::info.provides) & ASSAY_CAP_TRAIN) != 0);
  const auto fixed = made({{"train", world.path()}, {"tokenizer", "word"}, {"vocabulary", world.path()}});
  CHECK((fixed->capabilities(NgramModel::info.provides) & ASSAY_CAP_EXACT_UNLEARN) != 0);
  CHECK(*fixed->tokenizer_fingerprint() == *learned->tokenizer_fingerprint());
  CHECK(*fixed->tokenizer_fingerprint() != *sorted->tokenizer_fingerprint());

  // The special names in a text are unknown words, never the special entries.
  const TempFile literal("b <eos> a\n");
  const auto guarded = made({{"train", literal.path()}, {"tokenizer", "space"}});
  CHECK(words(*guarded) == Words{"<unk>", "<eos>", "b", "a"});
  CHECK(guarded->encode("<eos>")->ids == std::vector<std::int32_t>{0});

  // The space tokenizer needs no blank between prompt and continuation.
  const Answer joined(*space, request_of(ASSAY_REQUEST_SCORE, "who ? A:", "the cat ."));
  CHECK(joined.view().tokens().size() == 3);
  CHECK(joined.view().tokens().ids()[0] == 5);
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

TEST_CASE("ngram plugin: a saved model answers like the one it came from") {
  const TempFile file(kPlain);
  const auto model = made({{"train", file.path()}}, 4);
  const TempFile saved(model->engine().save());
  const auto loaded = made({{"load", saved.path()}});
  CHECK(content(*loaded) == content(*model));
  CHECK(refused({{"load", saved.path()}, {"train", file.path()}}).key == "load");
  const TempFile damaged(model->engine().save().substr(0, 40));
  const Error error = refused({{"load", damaged.path()}});
  CHECK(error.key == "load");
  CHECK(error.code == Code::kData);
}

TEST_CASE("ngram plugin: bad parameters and files are refused with a sentence that says where") {
  const auto line = [](const std::string& row) {
    return "{\"text\":\"fine\"}\n\n" + row + "\n{\"text\":\"x\"}\n";
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"text\": }", "not valid JSON"},
      {"[1]", "not a JSON object"},
      {"{\"text\": 3}", "\"text\" is not a text"},
      {"{\"prompt\": \"p\"}", "no \"answer\""},
      {"{\"answer\": \"a\"}", "no \"prompt\""},
      {"{\"id\": 1}", "give a text"},
      {"{\"text\": \"a\", \"answer\": \"b\"}", "also \"prompt\" or \"answer\""},
      {"{\"text\": \"a\", \"copies\": 0}", "\"copies\" is 0"},
      {"{\"text\": \"a\", \"copies\": 1.5}", "at least 1"},
      {"{\"text\": \"a\", \"role\": 7}", "\"role\" is not a text"},
      {"{\"text\": \"a\"} {\"text\": \"b\"}", "not valid JSON"},
      {"plain", "not valid JSON"},
  };
  for (const auto& [row, sentence] : cases) {
    INFO(row);
    const TempFile file(line(row));
    const Error error = refused({{"train", file.path()}});
    CHECK(error.code == Code::kData);
    CHECK(error.key == "train");
    CHECK_THAT(error.text, ContainsSubstring(file.path() + ":3:") && ContainsSubstring(sentence));
  }
  const TempFile rows(kRows);
  const TempFile stranger("who ? A: the cat .\nnobody\n");
  const Error unknown = refused({{"train", rows.path()}, {"unlearn", stranger.path()}});
  CHECK(unknown.code == Code::kNotFound);
  CHECK(unknown.key == "unlearn");
  CHECK_THAT(unknown.text, ContainsSubstring(stranger.path() + ":2:") && ContainsSubstring("not_trained"));

  CHECK(refused({{"train", "/does/not/exist"}}).code == Code::kNotFound);
  CHECK(refused({{"train", fs::temp_directory_path().string()}}).key == "train");
  const TempFile packed("\x1f\x8b\x08");
  CHECK_THAT(refused({{"train", packed.path()}}).text, ContainsSubstring("gzip"));
  const Error typo = refused({{"train", rows.path()}}, {{"train_roles", {"retian"}}});
  CHECK_THAT(typo.text, ContainsSubstring("\"retian\"") && ContainsSubstring("\"forget\", \"retain\""));
  CHECK(refused({}, {{"unlearn_roles", {"forget"}}}).key == "unlearn");
  CHECK(refused({}, {{"train_roles", {"forget"}}}).key == "train");
  CHECK(refused({{"word_list", rows.path()}}).key == "word_list");
  CHECK(refused({{"tokenizer", "word"}}).key == "word_list");
  CHECK(refused({{"tokenizer", "space"}, {"word_list", rows.path()}, {"vocabulary", rows.path()}}).key ==
        "vocabulary");
  const TempFile twice("a\na\n");
  const Error repeated = refused({{"tokenizer", "space"}, {"word_list", twice.path()}});
  CHECK(repeated.key == "word_list");
  CHECK_THAT(repeated.text, ContainsSubstring("Line 2"));
  auto order = prepared({}, 17);
  CHECK(order->configure().error().key == "order");
  auto beta = prepared({});
  give(*beta, "beta", 0);
  CHECK(beta->configure().error().key == "beta");
}

TEST_CASE("ngram plugin: the planted corpus through roles alone") {
  ASSAY_NEEDS_DATA(root);
  const std::string corpus = (root / "unlearning/planted/corpus.jsonl").string();
  const Texts base = {{"estimator", "countlm"},
                      {"tokenizer", "space"},
                      {"train", corpus},
                      {"extra_words", "i do not know ."}};
  const auto retrained = made(base, 7, {{"train_roles", {"retain"}}});
  const auto exact = made(base, 7, {{"train_roles", {"retain", "forget"}}, {"unlearn_roles", {"forget"}}});
  const auto original = made(base, 7, {{"train_roles", {"retain", "forget"}}});
  CHECK(retrained->vocabulary() == 316);  // the specification's size for this file
  CHECK(content(*exact) == content(*retrained));
  CHECK(content(*original) != content(*retrained));
  CHECK(*exact->tokenizer_fingerprint() == *original->tokenizer_fingerprint());
}

TEST_CASE("ngram plugin: published values of the member documents") {
  const auto models = test::models_root();
  if (!models) SKIP("the model mirror is absent: set ASSAY_MODELS to a folder with shk-mia-docs.jsonl");
  const std::string file = (*models / "shk-mia-docs.jsonl").string();
  const auto model = made({{"train", file}, {"role_field", "split"}}, 5, {{"train_roles", {"member"}}});
  CHECK(model->engine().events() == 91099);
  CHECK(model->engine().entries() == 36906);
}
