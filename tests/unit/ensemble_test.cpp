// `assay.ensemble` over models behind a small stand-in for the host: equality with one member, the formulas
// of mixtures, windows, generation, and members that do not fit together.
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>

#include "plugins/models/ensemble/ensemble_model.hpp"
#include "plugins/models/ensemble/sampling.hpp"
#include "plugins/models/ngram/ngram_model.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/data.hpp"

using namespace assay;  // NOLINT: a test
using assay::ensemble::EnsembleModel;
using assay::ngram::NgramModel;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

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
  give(plugin, key, value);
}

/// A model that gives the same rows whatever it is asked; its tokens are the letters a, b, c ...
class FixedRows final : public Model {
 public:
  std::vector<std::vector<double>> table;  ///< by position; the last row repeats
  int form = ASSAY_ROW_PROBABILITIES;
  bool narrow = false;     ///< float instead of double
  std::int32_t shift = 0;  ///< added to every target: a member that disagrees
  std::string tokenizer = "letters";
  Code failure = Code::kOk;
  mutable int asked = 0;

  Result<void> rows(const RequestView& request, RowSink&, Call& call) override {
    ++asked;
    if (failure != Code::kOk) return Error{failure, "the member has no answer", {}};
    const std::string_view text = request.continuation();
    const std::size_t count = text.size() + (request.has(ASSAY_REQ_INCLUDE_LAST) ? 1 : 0);
    for (std::size_t i = 0; i < count; ++i) {
      const std::vector<double>& values = table[std::min(i, table.size() - 1)];
      const std::vector<float> small(values.begin(), values.end());
      assay_row row{};
      row.struct_size = sizeof row;
      row.form = form;
      row.dtype = narrow ? ASSAY_F32 : ASSAY_F64;
      row.member = -1;
      row.position = static_cast<std::int64_t>(i);
      row.target = i < text.size() ? text[i] - 'a' + shift : -1;
      row.vocabulary = static_cast<std::uint32_t>(values.size());
      row.data = narrow ? static_cast<const void*>(small.data()) : values.data();
      if (call.raw()->row(call.raw()->ctx, 0, &row) != 0) break;
    }
    return {};
  }
  Result<Encoding> encode(std::string_view text) override {
    Encoding out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      out.ids.push_back(text[i] - 'a');
      out.begin.push_back(static_cast<std::uint32_t>(i));
      out.end.push_back(static_cast<std::uint32_t>(i + 1));
    }
    return out;
  }
  Result<std::string> decode(std::span<const std::int32_t> ids) override {
    std::string text;
    for (const std::int32_t id : ids) text += static_cast<char>('a' + id);
    return text;
  }
  [[nodiscard]] std::uint64_t vocabulary() const override { return table.front().size(); }
  Result<std::string> tokenizer_fingerprint() override { return tokenizer; }
};

/// A model as the stand-in host knows it.
struct Bound {
  Instance instance;  // what the C functions of the SDK take
  std::string tokenizer, identity;
  std::uint64_t caps = 0;
  const void* (*extension)(std::string_view) = nullptr;
};

/// Does for the ensemble what the host does: slots, nested calls with their own row visits.
class StandIn {
  assay_host host_{};
  assay_env env_{};
  std::vector<std::unique_ptr<Bound>> models_;

 public:
  template <class P>
  P& add(std::unique_ptr<P> model, std::uint64_t caps = ASSAY_CAP_ROWS | ASSAY_CAP_TOKENIZE) {
    auto bound = std::make_unique<Bound>();
    P& out = *model;
    bound->tokenizer = *model->tokenizer_fingerprint();
    bound->identity = "identity" + std::to_string(models_.size()) + "-0123456789";
    bound->caps = caps;
    bound->extension = detail::model_extension<P>;
    bound->instance.object = std::move(model);
    models_.push_back(std::move(bound));
    return out;
  }

  /// The ensemble over all models added so far.
  Result<std::unique_ptr<EnsembleModel>> make(std::string_view combine = "mean", std::int64_t window = 0) {
    host_.struct_size = sizeof host_;
    host_.abi_major = ASSAY_ABI_MAJOR;
    host_.get_extension = [](void*, assay_str id) noexcept -> const void* {
      return view(id) == "assay.host.models/1" ? &kModels : nullptr;
    };
    env_ = {sizeof env_, 0, &host_, this};
    auto made = std::make_unique<EnsembleModel>();
    made->attach(&env_);
    give(*made, "combine", combine);
    give(*made, "window", window);
    if (auto ready = made->configure(); !ready) return std::move(ready).error();
    return made;
  }

 private:
  static const Bound& bound(const assay_model_handle* handle) {
    return *reinterpret_cast<const Bound*>(handle);
  }

  static std::int32_t run(const assay_model_handle* handle, const assay_request* requests, std::size_t n,
                          assay_response* responses, const assay_call* parent,
                          std::int32_t (*row)(void*, std::size_t, const assay_row*) noexcept,
                          void* row_ctx) noexcept {
    struct Nested {
      const assay_call* parent;
      std::int32_t (*row)(void*, std::size_t, const assay_row*) noexcept;
      void* row_ctx;
    } nested{parent, row, row_ctx};
    assay_call call = *parent;
    call.ctx = &nested;
    call.complete = nullptr;
    call.alloc = [](void* ctx, std::size_t size, std::size_t align) noexcept -> void* {
      const assay_call* outer = static_cast<Nested*>(ctx)->parent;
      return outer->alloc(outer->ctx, size, align);
    };
    call.row = [](void* ctx, std::size_t i, const assay_row* seen) noexcept -> std::int32_t {
      auto* self = static_cast<Nested*>(ctx);
      return self->row == nullptr ? 1 : self->row(self->row_ctx, i, seen);
    };
    const Bound& model = bound(handle);
    const char* id = requests->kind == ASSAY_REQUEST_ROWS ? "assay.model.rows/1" : "assay.model.score/1";
    const auto* table = static_cast<const assay_model_batch_v1*>(model.extension(id));
    return table->run(const_cast<Instance*>(&model.instance), requests, n, responses, &call);
  }

  static const StandIn& self(const assay_env* env) { return *static_cast<const StandIn*>(env->bindings); }

  static constexpr assay_host_models_v1 kModels = {
      sizeof(assay_host_models_v1),
      0,
      [](const assay_env* env, assay_str) noexcept -> std::size_t { return self(env).models_.size(); },
      [](const assay_env* env, assay_str, std::size_t i) noexcept -> const assay_model_handle* {
        return reinterpret_cast<const assay_model_handle*>(self(env).models_[i].get());
      },
      [](const assay_model_handle* m) noexcept -> std::uint64_t { return bound(m).caps; },
      [](const assay_model_handle* m) noexcept -> assay_str { return str(bound(m).identity); },
      [](const assay_model_handle* m) noexcept -> assay_str { return str(bound(m).tokenizer); },
      [](const assay_model_handle* m, void** instance) noexcept -> const assay_model_tokenize_v1* {
        *instance = const_cast<Instance*>(&bound(m).instance);
        return static_cast<const assay_model_tokenize_v1*>(bound(m).extension("assay.model.tokenize/1"));
      },
      run};
};

std::unique_ptr<NgramModel> trained(std::string_view text, std::int64_t order,
                                    std::string_view tokenizer = "byte", std::string_view vocabulary = {}) {
  static int counter = 0;
  const auto file = [](std::string_view content) {
    const fs::path path = fs::temp_directory_path() /
                          ("assay_ensemble_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::ofstream(path, std::ios::binary) << content;
    return path;
  };
  const fs::path path = file(text);
  const fs::path words = file(vocabulary);
  auto model = std::make_unique<NgramModel>();
  give(*model, "order", order);
  give(*model, "tokenizer", tokenizer);
  give(*model, "train", std::string_view(path.native()));
  if (!vocabulary.empty()) give(*model, "vocabulary", std::string_view(words.native()));
  const Result<void> ready = model->configure();
  fs::remove(path);
  fs::remove(words);
  INFO((ready ? std::string() : ready.error().text));
  REQUIRE(ready.ok());
  return model;
}

std::unique_ptr<FixedRows> fixed(std::vector<std::vector<double>> table) {
  auto model = std::make_unique<FixedRows>();
  model->table = std::move(table);
  return model;
}

constexpr std::uint64_t kAll = ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS |
                               ASSAY_CAP_TOP1 | ASSAY_CAP_GENERATE_STATS;

assay_request request_of(int kind, std::string_view prompt, std::string_view continuation,
                         std::uint32_t flags = 0) {
  assay_request request{};
  request.struct_size = sizeof request;
  request.kind = kind;
  request.flags = flags;
  request.prompt = str(prompt);
  request.continuation = str(continuation);
  request.want = kAll;
  return request;
}

struct Answer {
  test::Arena arena;
  assay_response raw = test::empty_response();
  Result<void> done;

  Answer(Model& model, const assay_request& request) {
    Call call = arena.call();
    ResponseWriter writer(raw, call);
    done = request.kind == ASSAY_REQUEST_SCORE ? model.score(RequestView(&request), writer, call)
                                               : model.generate(RequestView(&request), writer, call);
    if (done) writer.finish();
  }
  [[nodiscard]] ResponseView view() const { return ResponseView(&raw); }
};

struct SeenRow {
  int member;
  std::int64_t position;
  std::int32_t target;
  std::vector<double> p;
  bool operator==(const SeenRow&) const = default;
};

std::vector<SeenRow> rows_of(Model& model, const assay_request& request) {
  test::Arena arena;
  std::vector<SeenRow> seen;
  assay_call raw = *arena.raw();
  struct Ctx {
    test::Arena* arena;
    std::vector<SeenRow>* seen;
  } ctx{&arena, &seen};
  raw.ctx = &ctx;
  raw.alloc = [](void* at, std::size_t size, std::size_t align) noexcept -> void* {
    const assay_call* inner = static_cast<Ctx*>(at)->arena->raw();
    return inner->alloc(inner->ctx, size, align);
  };
  raw.row = [](void* at, std::size_t, const assay_row* row) noexcept -> std::int32_t {
    const auto* p = static_cast<const double*>(row->data);
    static_cast<Ctx*>(at)->seen->push_back(
        {row->member, row->position, row->target, {p, p + row->vocabulary}});
    return 0;
  };
  Call call(&raw);
  RowSink sink(call, 0);
  const Result<void> done = model.rows(RequestView(&request), sink, call);
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.ok());
  return seen;
}

void check_near(double value, double wanted, double tolerance) {
  INFO(value << " against " << wanted);
  CHECK(std::abs(value - wanted) <= tolerance);
}

}  // namespace

TEST_CASE("ensemble: one member alone gives its own scores") {
  StandIn host;
  NgramModel& member = host.add(trained("the cat sat on the mat\nthe dog sat\nso it goes\n", 4));
  for (const char* combine : {"mean", "geometric"}) {
    auto ensemble = host.make(combine);
    REQUIRE(ensemble.ok());
    for (const std::uint32_t flags : {0U, ASSAY_REQ_APPEND_EOS}) {
      const assay_request request = request_of(ASSAY_REQUEST_SCORE, "the ", "cat sat up", flags);
      const Answer mine(**ensemble, request);
      const Answer its(member, request);
      REQUIRE(mine.done.ok());
      const TokensView a = mine.view().tokens();
      const TokensView b = its.view().tokens();
      REQUIRE(a.size() == b.size());
      CHECK(mine.raw.mean_logprob == its.raw.mean_logprob);
      CHECK(mine.raw.scored_count == its.raw.scored_count);
      CHECK(a.vocabulary() == b.vocabulary());
      for (std::size_t i = 0; i < a.size(); ++i) {
        CHECK(a.ids()[i] == b.ids()[i]);
        CHECK(a.logprob()[i] == b.logprob()[i]);
        CHECK(a.rank()[i] == b.rank()[i]);
        CHECK(a.stat(ASSAY_STAT_RANK_TIES)[i] == b.stat(ASSAY_STAT_RANK_TIES)[i]);
        CHECK(a.top1_id()[i] == b.top1_id()[i]);
        CHECK(a.top1_logprob()[i] == b.top1_logprob()[i]);
        // The count model keeps the sums of the moments per context, in another order of addition.
        check_near(a.entropy()[i], b.entropy()[i], 1e-12);
        check_near(a.mean_lp()[i], b.mean_lp()[i], 1e-12);
        check_near(a.var_lp()[i], b.var_lp()[i], 1e-11);
        CHECK(a.raw()->begin[i] == b.raw()->begin[i]);
        CHECK(a.raw()->end[i] == b.raw()->end[i]);
        CHECK(mine.view().series("ensemble.epistemic")[i] == 0);
        CHECK(mine.view().series("ensemble.total_entropy")[i] == mine.view().series("ensemble.aleatoric")[i]);
      }
    }
    const assay_request rows = request_of(ASSAY_REQUEST_ROWS, "the ", "cat", ASSAY_REQ_INCLUDE_LAST);
    CHECK(rows_of(**ensemble, rows) == rows_of(member, rows));
    assay_request text = request_of(ASSAY_REQUEST_GENERATE, "the ", "");
    for (const double temperature : {0.0, 1.0, 0.7}) {
      text.temperature = temperature;
      text.top_k = temperature == 0.7 ? 5 : 0;
      text.top_p = temperature == 0.7 ? 0.9 : 0;
      text.n = 3;
      text.seed = 4;
      text.max_tokens = 10;
      const Answer mine(**ensemble, text);
      const Answer its(member, text);
      REQUIRE(mine.done.ok());
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(mine.view().text(i) == its.view().text(i));
        CHECK(mine.view().finish(i) == its.view().finish(i));
        CHECK(mine.view().sample_mean_logprob(i) == its.view().sample_mean_logprob(i));
        CHECK(std::ranges::equal(mine.view().sample_tokens(i).ids(), its.view().sample_tokens(i).ids()));
      }
    }
  }
}

TEST_CASE("ensemble: word and space tokenizers generate and score like their single member") {
  for (const char* tokenizer : {"word", "space"}) {
    INFO(tokenizer);
    StandIn host;
    const char* const text = "the cat sat on the mat .\nthe cow ate the hay .\n";
    NgramModel& member = host.add(trained(text, 4, tokenizer, text));
    auto ensemble = host.make();
    REQUIRE(ensemble.ok());
    const assay_request score =
        request_of(ASSAY_REQUEST_SCORE, "the cat", " sat on the hay .", ASSAY_REQ_APPEND_EOS);
    const Answer mine(**ensemble, score);
    const Answer its(member, score);
    REQUIRE(mine.done.ok());
    CHECK(mine.raw.mean_logprob == its.raw.mean_logprob);
    CHECK(std::ranges::equal(mine.view().tokens().ids(), its.view().tokens().ids()));
    for (std::size_t i = 0; i < mine.view().tokens().size(); ++i) {
      CHECK(mine.view().tokens().raw()->begin[i] == its.view().tokens().raw()->begin[i]);
      CHECK(mine.view().tokens().raw()->end[i] == its.view().tokens().raw()->end[i]);
    }
    const assay_request greedy = request_of(ASSAY_REQUEST_GENERATE, "the cow", "");
    CHECK(Answer(**ensemble, greedy).view().text() == Answer(member, greedy).view().text());
    CHECK_FALSE(Answer(member, greedy).view().text().empty());
  }
}

TEST_CASE("ensemble: the mean of probabilities and its parts, by hand") {
  StandIn host;
  host.add(fixed({{0.7, 0.2, 0.1}, {0.5, 0.25, 0.25}}));
  host.add(fixed({{0.1, 0.8, 0.1}, {0.5, 0.25, 0.25}}));
  auto ensemble = host.make();
  REQUIRE(ensemble.ok());
  CHECK((*ensemble)->member_count() == 2);
  CHECK(*(*ensemble)->tokenizer_fingerprint() == "letters");
  const Answer answer(**ensemble, request_of(ASSAY_REQUEST_SCORE, "x", "bc"));
  REQUIRE(answer.done.ok());
  const TokensView tokens = answer.view().tokens();
  REQUIRE(tokens.size() == 2);
  const auto h = [](std::vector<double> p) {
    double sum = 0;
    for (const double value : p) sum -= value * std::log(value);
    return sum;
  };
  const double total = h({0.4, 0.5, 0.1});
  const double inner = (h({0.7, 0.2, 0.1}) + h({0.1, 0.8, 0.1})) / 2;
  check_near(tokens.logprob()[0], std::log(0.5), 1e-15);
  CHECK(tokens.rank()[0] == 1);
  CHECK(tokens.top1_id()[0] == 1);
  check_near(tokens.entropy()[0], total, 1e-15);
  check_near(answer.view().series("ensemble.total_entropy")[0], total, 1e-15);
  check_near(answer.view().series("ensemble.aleatoric")[0], inner, 1e-15);
  check_near(answer.view().series("ensemble.epistemic")[0], total - inner, 1e-15);
  CHECK(tokens.logprob()[1] == std::log(0.25));
  CHECK(tokens.rank()[1] == 2);
  CHECK(tokens.stat(ASSAY_STAT_RANK_TIES)[1] == 1);
  CHECK(answer.view().series("ensemble.epistemic")[1] == 0);  // the members agree
  check_near(answer.raw.mean_logprob, (std::log(0.5) + std::log(0.25)) / 2, 1e-15);
  CHECK(answer.raw.scored_count == 2);
}

TEST_CASE("ensemble: the geometric mean, over rows of every form and type") {
  const std::vector<double> p = {0.7, 0.2, 0.1};
  const std::vector<double> q = {0.1, 0.8, 0.1};
  StandIn host;
  host.add(fixed({p}));
  auto logits = fixed({{std::log(0.1) + 3, std::log(0.8) + 3, std::log(0.1) + 3}});
  logits->form = ASSAY_ROW_LOGITS;
  host.add(std::move(logits));
  auto logprobs = fixed({{std::log(0.25), std::log(0.25), std::log(0.5)}});
  logprobs->form = ASSAY_ROW_LOGPROBS;
  logprobs->narrow = true;
  host.add(std::move(logprobs));
  const std::vector<double> r = {0.25, 0.25, 0.5};
  double norm = 0;
  std::vector<double> wanted(3);
  for (std::size_t i = 0; i < 3; ++i) norm += wanted[i] = std::cbrt(p[i] * q[i] * r[i]);
  auto geometric = host.make("geometric");
  REQUIRE(geometric.ok());
  const Answer answer(**geometric, request_of(ASSAY_REQUEST_SCORE, "", "b"));
  REQUIRE(answer.done.ok());
  check_near(answer.view().tokens().logprob()[0], std::log(wanted[1] / norm),
             1e-7);  // one member is of floats
  auto mean = host.make("mean");
  REQUIRE(mean.ok());
  const auto rows = rows_of(**mean, request_of(ASSAY_REQUEST_ROWS, "", "b", ASSAY_REQ_MEMBERS));
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].member == -1);
  for (std::size_t i = 0; i < 3; ++i) {
    check_near(rows[0].p[i], (p[i] + q[i] + r[i]) / 3, 1e-7);
    check_near(rows[1].p[i], p[i], 0);
    check_near(rows[2].p[i], q[i], 1e-15);
    check_near(rows[3].p[i], r[i], 1e-7);
  }
  for (int m = 0; m < 3; ++m) {
    const SeenRow& row = rows[static_cast<std::size_t>(m) + 1];
    CHECK(row.member == m);
    CHECK(row.position == 0);
    CHECK(row.target == 1);
  }
}

TEST_CASE("ensemble: tokens no member allows, and members that exclude each other") {
  StandIn host;
  host.add(fixed({{1, 0, 0}}));
  host.add(fixed({{0, 1, 0}}));
  auto mean = host.make();
  const Answer possible(**mean, request_of(ASSAY_REQUEST_SCORE, "", "a"));
  REQUIRE(possible.done.ok());
  check_near(possible.view().tokens().logprob()[0], std::log(0.5), 1e-15);
  CHECK(possible.view().series("ensemble.aleatoric")[0] == 0);
  check_near(possible.view().series("ensemble.epistemic")[0], std::log(2.0), 1e-15);
  const Answer never(**mean, request_of(ASSAY_REQUEST_SCORE, "", "ac"));
  REQUIRE_FALSE(never.done.ok());
  CHECK(never.done.error().code == Code::kData);
  CHECK_THAT(never.done.error().text, ContainsSubstring("token 2") && ContainsSubstring("probability 0"));
  auto geometric = host.make("geometric");
  const Answer none(**geometric, request_of(ASSAY_REQUEST_SCORE, "", "a"));
  REQUIRE_FALSE(none.done.ok());
  CHECK_THAT(none.done.error().text, ContainsSubstring("no token is possible"));
}

TEST_CASE("ensemble: windows change the number of calls, not the answers") {
  StandIn host;
  host.add(trained("the cat sat on the mat\n", 3));
  host.add(trained("a dog lay on the rug\nthe end\n", 5));
  auto whole = host.make();
  REQUIRE(whole.ok());
  const assay_request score = request_of(ASSAY_REQUEST_SCORE, "the ", "cat on the rug", ASSAY_REQ_APPEND_EOS);
  const assay_request rows =
      request_of(ASSAY_REQUEST_ROWS, "the ", "cat on the rug", ASSAY_REQ_INCLUDE_LAST | ASSAY_REQ_MEMBERS);
  const Answer wanted(**whole, score);
  const auto wanted_rows = rows_of(**whole, rows);
  REQUIRE(wanted.done.ok());
  CHECK(wanted.view().tokens().size() == 15);
  CHECK(wanted_rows.size() == 45);
  for (const std::int64_t window : {1, 2, 5, 7, 14, 15, 16}) {
    INFO("window " << window);
    auto cut = host.make("mean", window);
    REQUIRE(cut.ok());
    const Answer answer(**cut, score);
    REQUIRE(answer.done.ok());
    CHECK(std::ranges::equal(answer.view().tokens().logprob(), wanted.view().tokens().logprob()));
    CHECK(std::ranges::equal(answer.view().series("ensemble.epistemic"),
                             wanted.view().series("ensemble.epistemic")));
    CHECK(rows_of(**cut, rows) == wanted_rows);
  }
  for (const double value : wanted.view().series("ensemble.epistemic")) CHECK(value >= 0);
}

TEST_CASE("ensemble: generation follows the mixture, ends at stops and at the limit") {
  StandIn host;
  FixedRows& first = host.add(fixed({{0.6, 0.4, 0.0}, {0.0, 0.0, 1.0}}));
  host.add(fixed({{0.1, 0.9, 0.0}, {0.0, 0.2, 0.8}}));
  auto ensemble = host.make();
  REQUIRE(ensemble.ok());
  assay_request request = request_of(ASSAY_REQUEST_GENERATE, "x", "");
  request.max_tokens = 3;
  const Answer greedy(**ensemble, request);
  REQUIRE(greedy.done.ok());
  CHECK(greedy.view().text() == "bcc");
  CHECK(greedy.view().finish() == Finish::kLength);
  check_near(greedy.view().sample_mean_logprob(), (std::log(0.65) + 2 * std::log(0.9)) / 3, 1e-15);
  CHECK(first.asked == 3);
  const assay_str stops[] = {str("cc")};
  request.stop = {stops, 1};
  const Answer stopped(**ensemble, request);
  CHECK(stopped.view().text() == "b");
  CHECK(stopped.view().finish() == Finish::kStop);
  CHECK(stopped.view().sample_tokens().size() == 3);
  request.stop = {};
  request.temperature = 1;
  request.n = 40;
  request.seed = 5;
  const Answer drawn(**ensemble, request);
  const Answer again(**ensemble, request);
  std::size_t a = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    CHECK(drawn.view().text(i) == again.view().text(i));
    CHECK(drawn.view().text(i)[0] != 'c');  // probability 0
    if (drawn.view().text(i)[0] == 'a') ++a;
  }
  CHECK(a > 4);  // 0.35 * 40 = 14 with a standard deviation of 3
  CHECK(a < 24);
  request.top_p = 1.5;
  CHECK_THAT(Answer(**ensemble, request).done.error().text, ContainsSubstring("top_p"));
}

TEST_CASE("ensemble: a cancelled call and a failing member end with their reason") {
  StandIn host;
  host.add(fixed({{0.5, 0.5}}));
  FixedRows& second = host.add(fixed({{0.5, 0.5}}));
  auto ensemble = host.make();
  second.failure = Code::kRateLimited;
  for (const int kind : {ASSAY_REQUEST_SCORE, ASSAY_REQUEST_GENERATE}) {
    const Answer answer(**ensemble, request_of(kind, "", kind == ASSAY_REQUEST_SCORE ? "a" : ""));
    REQUIRE_FALSE(answer.done.ok());
    CHECK(answer.done.error().code == Code::kRateLimited);
    CHECK_THAT(answer.done.error().text, ContainsSubstring("member 2") && ContainsSubstring("no answer"));
  }
  second.failure = Code::kOk;
  second.shift = 1;
  const Answer other(**ensemble, request_of(ASSAY_REQUEST_SCORE, "", "a"));
  REQUIRE_FALSE(other.done.ok());
  CHECK_THAT(other.done.error().text, ContainsSubstring("different tokens"));
  second.shift = 0;
  second.table = {{0.5, 0.25, 0.25}};
  const Answer wide(**ensemble, request_of(ASSAY_REQUEST_SCORE, "", "a"));
  CHECK_THAT(wide.done.error().text, ContainsSubstring("different sizes"));
  const Answer wider(**ensemble, request_of(ASSAY_REQUEST_GENERATE, "", ""));
  CHECK_THAT(wider.done.error().text, ContainsSubstring("different sizes"));
  second.table = {{std::nan(""), 0.5}};
  const Answer broken(**ensemble, request_of(ASSAY_REQUEST_SCORE, "", "a"));
  CHECK_THAT(broken.done.error().text,
             ContainsSubstring("member 2") && ContainsSubstring("impossible value"));
  second.table = {{0.5, 0.5}};

  test::Arena arena;
  const std::uint32_t cancel = 1;
  assay_call raw = *arena.raw();
  raw.cancel = &cancel;
  Call call(&raw);
  assay_response response = test::empty_response();
  ResponseWriter writer(response, call);
  const assay_request request = request_of(ASSAY_REQUEST_SCORE, "", "ab");
  CHECK((*ensemble)->score(RequestView(&request), writer, call).error().code == Code::kCancelled);
}

TEST_CASE("ensemble: members must share a tokenizer and give distributions") {
  StandIn host;
  host.add(trained("ab\n", 2));
  host.add(trained("ab\n", 2, "space", "a b\n"));
  const auto mixed = host.make();
  REQUIRE_FALSE(mixed.ok());
  CHECK(mixed.error().code == Code::kUnsupported);
  CHECK(mixed.error().key == "of");
  CHECK_THAT(mixed.error().text,
             ContainsSubstring("member 1 (identity0-01") && ContainsSubstring("member 2 (identity1-01"));
  StandIn poor;
  poor.add(fixed({{1}}), ASSAY_CAP_TOKENIZE);
  CHECK_THAT(poor.make().error().text, ContainsSubstring("does not offer"));
  StandIn none;
  CHECK(none.make().error().code == Code::kInvalidArgument);
  StandIn many;
  for (int i = 0; i < 17; ++i) many.add(fixed({{1}}));
  CHECK_THAT(many.make().error().text, ContainsSubstring("17"));
}

TEST_CASE("ensemble: the golden cases of ensemble uncertainty") {
  ASSAY_NEEDS_DATA(root);
  simdjson::dom::parser parser;
  std::size_t cases = 0;
  for (const auto row :
       parser.load_many((root / "hallucination/golden/ensemble_uncertainty.jsonl").string())) {
    StandIn host;
    std::string letters;
    std::size_t best = 0;
    for (const auto member : row["input"]["p_per_member"].get_array()) {
      std::vector<double> p;
      for (const auto value : member.get_array()) p.push_back(value.get_double().value());
      host.add(fixed({p}));
    }
    const auto expected = row["expected"];
    std::vector<double> mean;
    for (const auto value : expected["mean"].get_array()) mean.push_back(value.get_double().value());
    best = static_cast<std::size_t>(std::max_element(mean.begin(), mean.end()) - mean.begin());
    letters = std::string(1, static_cast<char>('a' + best));
    auto ensemble = host.make();
    REQUIRE(ensemble.ok());
    const Answer answer(**ensemble, request_of(ASSAY_REQUEST_SCORE, "", letters));
    INFO((answer.done ? std::string() : answer.done.error().text));
    REQUIRE(answer.done.ok());
    check_near(answer.view().series("ensemble.total_entropy")[0], expected["predictive"].get_double().value(),
               1e-12);
    check_near(answer.view().series("ensemble.aleatoric")[0], expected["aleatoric"].get_double().value(),
               1e-12);
    check_near(answer.view().series("ensemble.epistemic")[0], expected["epistemic"].get_double().value(),
               1e-12);
    const auto rows = rows_of(**ensemble, request_of(ASSAY_REQUEST_ROWS, "", letters));
    for (std::size_t i = 0; i < mean.size(); ++i) check_near(rows[0].p[i], mean[i], 1e-15);
    ++cases;
  }
  CHECK(cases > 0);
}
