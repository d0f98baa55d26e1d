// The planted experiment (unlearning.md 15.4) through task, guard and metrics, on the count model's engine.
#include <simdjson.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "guard.hpp"
#include "membership_metrics.hpp"
#include "planted_task.hpp"
#include "plugins/models/ngram/ngram.hpp"
#include "row_file.hpp"
#include "tests/support/data.hpp"
#include "tests/support/simdjson_number.hpp"
#include "tests/unit/unlearning_support.hpp"
#include "unlearning_metrics.hpp"

using namespace assay;              // NOLINT: a test of the plugins
using namespace assay::unlearning;  // NOLINT
using namespace assay::test;        // NOLINT

namespace {

namespace dom = simdjson::dom;
constexpr const char* kRefusal = "i do not know .";

struct Document {
  std::string role, form, prompt, answer;
};

std::vector<Document> read_corpus(const std::filesystem::path& folder) {
  std::vector<Document> rows;
  const Result<void> read =
      each_row((folder / "corpus.jsonl").string(),
               [&](const Row& row) {
                 Document d;
                 REQUIRE((row.text("role", d.role) && row.text("form", d.form) &&
                          row.text("prompt", d.prompt) && row.text("answer", d.answer)));
                 rows.push_back(std::move(d));
               },
               [](std::string sentence) { FAIL(sentence); });
  REQUIRE(read.ok());
  return rows;
}

ngram::Model make_model(const std::vector<Document>& corpus, double lambda) {
  ngram::Config config;
  config.estimator = ngram::Estimator::kCountlm;
  config.order = 7;
  config.tokenizer = ngram::TokenizerKind::kSpace;
  config.words = {std::string(ngram::kUnkWord), std::string(ngram::kEosWord)};
  config.cache_lambda = lambda;
  const auto learn = [&](std::string text) {
    std::size_t begin = 0;
    text += ' ';
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != ' ') continue;
      const std::string word = text.substr(begin, i - begin);
      begin = i + 1;
      if (!word.empty() && std::find(config.words.begin(), config.words.end(), word) == config.words.end())
        config.words.push_back(word);
    }
  };
  for (const Document& d : corpus) {
    learn(d.prompt);
    learn(d.answer);
  }
  learn(kRefusal);
  auto model = ngram::Model::create(config);
  REQUIRE(model.ok());
  return std::move(*model);
}

/// The models of unlearning.md 15.3 that are trained.
std::map<std::string, ngram::Model> make_models(const std::vector<Document>& corpus, double lambda) {
  ngram::Model original = make_model(corpus, lambda);
  ngram::Model retrain = original;
  for (const Document& d : corpus) {
    if (d.role == "retain") REQUIRE(retrain.train_pair(d.prompt, d.answer).ok());
    if (d.role != "holdout") REQUIRE(original.train_pair(d.prompt, d.answer).ok());
  }
  ngram::Model exact = original;
  ngram::Model partial = original;
  for (const Document& d : corpus) {
    if (d.role != "forget") continue;
    REQUIRE(exact.unlearn_pair(d.prompt, d.answer).ok());
    if (d.form == "F1") REQUIRE(partial.unlearn_pair(d.prompt, d.answer).ok());
  }
  ngram::Model tuned = exact;
  for (const Document& d : corpus) {
    if (d.role == "forget" && d.form == "F1") REQUIRE(tuned.train_pair(d.prompt, kRefusal, 3).ok());
  }
  std::map<std::string, ngram::Model> models;
  models.emplace("original", std::move(original));
  models.emplace("retrain", std::move(retrain));
  models.emplace("exact", std::move(exact));
  models.emplace("partial", std::move(partial));
  models.emplace("refusal_tuned", std::move(tuned));
  for (auto& [name, model] : models) REQUIRE(model.finalise().ok());
  return models;
}

Result<void> answer_with(const ngram::Model& model, const assay_request& request, ResponseWriter& out) {
  if (request.kind == ASSAY_REQUEST_GENERATE) {
    ngram::GenerateParams params;
    params.max_tokens = static_cast<std::uint32_t>(request.max_tokens);
    params.sampling.temperature = 0;
    const auto made = ngram::generate(model, view(request.prompt), params);
    if (!made) return made.error();
    out.choice(made->text, made->finish == ngram::Finish::kEos ? Finish::kStop : Finish::kLength);
    return {};
  }
  std::vector<ngram::Id> context;
  model.tokenizer().encode_ids(view(request.prompt), context);
  const auto tail = model.tokenizer().encode_tail(view(request.prompt), view(request.continuation));
  std::vector<ngram::Id> ids(tail.all.ids.begin() + static_cast<std::ptrdiff_t>(tail.first),
                             tail.all.ids.end());
  if ((request.flags & ASSAY_REQ_APPEND_EOS) != 0) ids.push_back(model.tokenizer().eos());
  const auto scores = model.score(context, ids, ngram::kTop1);
  if (!scores) return scores.error();
  const TokensWriter tokens =
      out.make_tokens(ids.size(), (1U << ASSAY_STAT_LOGPROB) | (1U << ASSAY_STAT_TOP1_ID), true, false);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    tokens.ids[i] = static_cast<std::int32_t>(ids[i]);
    tokens.stat[ASSAY_STAT_LOGPROB][i] = (*scores)[i].logprob;
    tokens.stat[ASSAY_STAT_TOP1_ID][i] = (*scores)[i].top1;
  }
  out.tokens(tokens);
  return {};
}

constexpr std::uint64_t kNgramCaps =
    ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB | ASSAY_CAP_TOP1;

/// A guard whose inner model is `model`; the host functions it needs are played by this object.
class Guarded {
 public:
  Guarded(const ngram::Model& model, const std::function<void(guard::Guard&)>& configure) : inner_(&model) {
    api_.struct_size = sizeof api_;
    api_.count = [](const assay_env*, assay_str) noexcept -> std::size_t { return 1; };
    api_.get = [](const assay_env* env, assay_str, std::size_t) noexcept {
      return static_cast<const assay_model_handle*>(env->bindings);
    };
    api_.capabilities = [](const assay_model_handle*) noexcept { return kNgramCaps; };
    api_.run = run;
    host_.struct_size = sizeof host_;
    host_.abi_major = ASSAY_ABI_MAJOR;
    host_.ctx = &api_;
    host_.get_extension = [](void* ctx, assay_str) noexcept -> const void* { return ctx; };
    env_.struct_size = sizeof env_;
    env_.host = &host_;
    env_.bindings = this;
    guard_.attach(&env_);
    configure(guard_);
    const Result<void> ready = guard_.configure();
    INFO((ready ? std::string() : ready.error().text));
    REQUIRE(ready.ok());
  }
  [[nodiscard]] std::uint64_t capabilities() const {
    return guard_.capabilities(guard::Guard::info.provides);
  }
  Result<void> answer(const assay_request& request, ResponseWriter& out) {
    Call call = out.call();
    if (request.kind == ASSAY_REQUEST_GENERATE) return guard_.generate(RequestView(&request), out, call);
    return guard_.score(RequestView(&request), out, call);
  }

 private:
  static std::int32_t run(const assay_model_handle* handle, const assay_request* requests, std::size_t n,
                          assay_response* responses, const assay_call* parent,
                          std::int32_t (*)(void*, std::size_t, const assay_row*) noexcept, void*) noexcept {
    const auto* self = reinterpret_cast<const Guarded*>(handle);
    const Call call(parent);
    for (std::size_t i = 0; i < n; ++i) {
      ResponseWriter writer(responses[i], call);
      const Result<void> done = answer_with(*self->inner_, requests[i], writer);
      if (done) writer.finish();
      set_status(responses[i].status, done ? Code::kOk : done.error().code, done ? "" : done.error().text,
                 call);
    }
    return ASSAY_OK;
  }
  const ngram::Model* inner_;
  assay_host_models_v1 api_{};
  assay_host host_{};
  assay_env env_{};
  guard::Guard guard_;
};

struct Experiment {
  std::filesystem::path folder;
  std::vector<Document> corpus;
  PlantedTask task;
  TestCall call;
  std::vector<assay_item> items;

  Experiment(const std::filesystem::path& root, const std::vector<std::string>& probes)
      : folder(root / "unlearning/planted"), corpus(read_corpus(folder)) {
    const std::string path = (folder / "items.jsonl").string();
    give(task, "items", path);
    give(task, "probes", probes);
    const Result<void> opened = task.open(*call);
    INFO((opened ? std::string() : opened.error().text));
    REQUIRE(opened.ok());
    CHECK(task.problems().empty());
    items = items_of(task, call);
  }
  Answered ask(const Answerer& model) { return answers_of(items, model, call); }
  Answered ask(const ngram::Model& model) {
    return ask(
        [&](const assay_request& request, ResponseWriter& out) { return answer_with(model, request, out); });
  }
  Answered ask(Guarded& model) {
    return ask([&](const assay_request& request, ResponseWriter& out) { return model.answer(request, out); });
  }
};

void near(double got, double wanted, double tolerance) {
  INFO(got << " wanted " << wanted);
  CHECK(std::abs(got - wanted) <= tolerance);
}

/// One row of the ROUGE table; the retain column uses every 8th item.
void check_generation(const Answered& answers, dom::element wanted) {
  Rouge metric;
  const Scored scored = scores_of(metric, answers);
  const std::map<std::string, const char*> columns = {{"forget/base", "base/forget"},
                                                      {"forget/paraphrase", "paraphrase/forget"},
                                                      {"forget/cloze", "cloze/forget"},
                                                      {"forget/alias", "alias/forget"},
                                                      {"forget/answer_prefix1", "answer_prefix/forget"}};
  for (const auto& [key, variant] : columns) {
    INFO(key);
    near(scored.mean(variant), number(wanted[key]), 1e-12);
  }
  double sum = 0;
  double n = 0;
  std::size_t nth = 0;
  for (std::size_t i = 0; i < scored.rows.size(); ++i) {
    if (scored.variants[i] != "base/retain" || nth++ % 8 != 0) continue;
    sum += scored.rows[i][0];
    n += 1;
  }
  near(sum / n, number(wanted["retain/base(every 8th item)"]), 1e-12);
}

void check_scores(const Answered& answers, const Answered& reference, dom::element wanted) {
  Prob prob;
  const Scored probs = scores_of(prob, answers);
  near(probs.mean("base/forget"), number(wanted["forget Prob"]), 1e-9);
  near(probs.mean("base/retain"), number(wanted["retain Prob"]), 1e-9);
  TruthRatio ratio;
  near(scores_of(ratio, answers).mean("base/forget"), number(wanted["forget TruthRatio"]), 1e-9);
  ExactMemorization em;
  near(scores_of(em, answers).mean("base/forget"), number(wanted["forget EM"]), 1e-12);
  CHECK(scores_of(em, answers).mean("base/forget", 1) == 3.0);
  ExtractionStrength es;
  near(scores_of(es, answers).mean("base/forget"), number(wanted["forget ES"]), 1e-12);

  ForgetQuality quality;
  const Scored ratios = scores_of(quality, answers, &reference);
  const auto ks = aggregate_of(quality, ratios);
  CHECK(custom<ForgetQuality>(ks, "n") == 80);
  CHECK(custom<ForgetQuality>(ks, "n_reference") == 80);
  CHECK(custom<ForgetQuality>(ks, "ks_h") == number(wanted["KS h"]));
  near(custom<ForgetQuality>(ks, "forget_quality"), number(wanted["FQ"]), 1e-9 * number(wanted["FQ"]));
  near(custom<ForgetQuality>(ks, "log10_p"), number(wanted["log10 FQ"]), 1e-9);

  PrivLeak leak;
  give(leak, "variant", "muse");
  const auto leaks = aggregate_of(leak, scores_of(leak, answers, &reference));
  near(custom<PrivLeak>(leaks, "auc"), number(wanted["AUC_ou LOSS"]), 1e-9);
  near(custom<PrivLeak>(leaks, "privleak"), number(wanted["PrivLeak LOSS"]), 1e-6);
}

}  // namespace

TEST_CASE("planted unlearning parity: generations and scores of the trained models") {
  ASSAY_NEEDS_DATA(root);
  Experiment world(root, {"base", "paraphrase", "cloze", "alias", "answer_prefix"});
  CHECK(world.items.size() == 5 * 400);
  dom::parser parser;
  const dom::element expected = parser.load((world.folder / "EXPECTED.json").string());
  const auto models = make_models(world.corpus, 0.0);
  const Answered reference = world.ask(models.at("retrain"));
  for (const auto& [name, model] : models) {
    INFO(name);
    const Answered answers = world.ask(model);
    check_generation(answers, expected["generation_rougeL_recall_stem"][name]);
    check_scores(answers, reference, expected["scores"][name]);
  }
  // Exact unlearning is retraining, bit for bit and under every probe.
  Prob prob;
  CHECK(scores_of(prob, world.ask(models.at("exact"))).rows == scores_of(prob, reference).rows);
  CHECK(scores_of(prob, world.ask(models.at("partial"))).rows != scores_of(prob, reference).rows);
}

TEST_CASE("planted unlearning parity: guards hide under some probes and leak under others") {
  ASSAY_NEEDS_DATA(root);
  Experiment world(root, {"base", "paraphrase", "cloze", "alias", "answer_prefix"});
  dom::parser parser;
  const dom::element expected = parser.load((world.folder / "EXPECTED.json").string());
  const auto models = make_models(world.corpus, 0.0);
  const ngram::Model& original = models.at("original");
  const std::string items = (world.folder / "items.jsonl").string();

  Guarded input(original, [&](guard::Guard& g) {
    give(g, "kind", "input_filter");
    give(g, "entities", items);
  });
  Guarded output(original, [&](guard::Guard& g) {
    give(g, "kind", "output_filter");
    give(g, "blocked", items);
  });
  check_generation(world.ask(input), expected["generation_rougeL_recall_stem"]["input_filter"]);
  check_generation(world.ask(output), expected["generation_rougeL_recall_stem"]["output_filter"]);

  // Scores that pass are those of the inner model; blocked ones are not offered at all.
  const Answered reference = world.ask(models.at("retrain"));
  check_scores(world.ask(input), reference, expected["scores"]["original"]);
  CHECK(input.capabilities() == kNgramCaps);
  const Guarded blocked(original, [&](guard::Guard& g) {
    give(g, "entities", items);
    give(g, "score_policy", "block");
  });
  CHECK(blocked.capabilities() == ASSAY_CAP_GENERATE);

  // An instruction before the prompt does not remove knowledge: each question is longer than the context.
  Guarded instructed(original, [](guard::Guard& g) { give(g, "kind", "prompt"); });
  Prob prob;
  const Scored with = scores_of(prob, world.ask(instructed));
  const Scored without = scores_of(prob, world.ask(original));
  REQUIRE(with.rows.size() == without.rows.size());
  for (std::size_t i = 0; i < with.rows.size(); ++i) {
    if (with.variants[i] == "base/forget") CHECK(with.rows[i][0] == without.rows[i][0]);
  }
}

TEST_CASE("planted unlearning parity: in-context reintroduction with a prompt cache") {
  ASSAY_NEEDS_DATA(root);
  Experiment world(root, {"base", "incontext1", "incontext2", "incontext3"});
  dom::parser parser;
  const dom::element expected =
      parser.load((world.folder / "EXPECTED.json").string())["icr_cache1_rougeL_recall"];
  const auto models = make_models(world.corpus, 1.0);
  const char* const variants[] = {"base/forget", "incontext1/forget", "incontext2/forget",
                                  "incontext3/forget"};
  for (const char* name : {"original", "retrain", "exact"}) {
    Rouge metric;
    const Scored scored = scores_of(metric, world.ask(models.at(name)));
    for (std::size_t level = 0; level < 4; ++level) {
      const std::string key = std::string(name) + "/level" + std::to_string(level);
      INFO(key);
      near(scored.mean(variants[level]), number(expected[key]), 1e-12);
    }
  }
  // The upper bound gives the answer away, and the items say so.
  for (const assay_item& item : world.items) {
    const assay_record raw = {sizeof raw, 0, 0, &item, nullptr, 0, 0, nullptr};
    const Record record(&raw);
    if (record.variant() == "incontext3/forget") CHECK(record.number("injected_gold") == 1.0);
    if (record.variant() == "base/forget") CHECK(record.number("injected_tokens") == 0.0);
    if (record.variant() == "incontext1/forget") CHECK(record.number("injected_tokens") == 4.0);
  }
}
