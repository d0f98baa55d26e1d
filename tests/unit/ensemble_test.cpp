// `assay.ensemble`: equality with one member, the formulas of mixtures, windows, generation, and members that
// do not fit together.
#include <simdjson.h>

#include <algorithm>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "tests/support/data.hpp"
#include "tests/unit/ensemble_support.hpp"

using namespace assay;                 // NOLINT: a test
using namespace assay::ensemble_test;  // NOLINT: its support
using Catch::Matchers::ContainsSubstring;

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
