// Tokenizers, sampling and generation of the count model.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <numeric>

#include "assay/sdk/sampling.hpp"
#include "plugins/models/ngram/ngram.hpp"

using namespace assay::ngram;  // NOLINT: a test of this namespace
using assay::pick;
using assay::reshape;
using assay::Sampling;
using assay::Xoshiro256;

namespace {

std::shared_ptr<const Tokenizer> make(TokenizerKind kind, std::vector<std::string> words = {}) {
  auto made = Tokenizer::create(kind, std::move(words));
  REQUIRE(made.ok());
  return *made;
}

using Ids = std::vector<Id>;

}  // namespace

TEST_CASE("ngram tokenizer: bytes are lossless") {
  const auto bytes = make(TokenizerKind::kByte);
  CHECK(bytes->vocab_size() == 257);
  CHECK(bytes->eos() == 256);
  CHECK(bytes->bos() == 257);
  std::string text;
  for (int c = 0; c < 256; ++c) text.push_back(static_cast<char>(c));
  const Encoded encoded = bytes->encode(text);
  REQUIRE(encoded.ids.size() == 256);
  CHECK(encoded.ids[200] == 200);
  CHECK(encoded.spans[7] == ByteSpan{7, 8});
  CHECK(bytes->decode(encoded.ids) == text);
  CHECK(bytes->decode(Ids{'a', 256, 'b'}) == "ab");
}

TEST_CASE("ngram tokenizer: pieces of the word tokenizer") {
  CHECK(piece_length("hello world") == 5);
  CHECK(piece_length(" world.") == 6);
  CHECK(piece_length("., x") == 2);
  CHECK(piece_length(" ., x") == 3);
  CHECK(piece_length("  x") == 1);
  CHECK(piece_length(" \n") == 1);
  CHECK(piece_length("\n\n") == 1);
  CHECK(piece_length(" ") == 1);
  CHECK(piece_length("caf\xC3\xA9s_x") == 6);  // an underscore is another sign
  CHECK(piece_length("\x01\x02 a") == 2);

  const auto word = make(TokenizerKind::kWord, {" cat", "cat", " .", ".", "\n"});
  CHECK(word->vocab_size() == 262);
  const std::string text = "cat cat cats  cat.\n";
  const Encoded encoded = word->encode(text);
  CHECK(encoded.ids == Ids{258, 257, ' ', 'c', 'a', 't', 's', ' ', 257, 260, 261});
  CHECK(encoded.spans[0] == ByteSpan{0, 3});
  CHECK(encoded.spans[1] == ByteSpan{3, 7});
  CHECK(encoded.spans[8] == ByteSpan{13, 17});
  CHECK(word->decode(encoded.ids) == text);
  Xoshiro256 rng(1);
  for (int i = 0; i < 200; ++i) {  // lossless, and the spans tile the text, whatever the bytes
    std::string random;
    for (std::uint64_t n = rng.next() % 40; n > 0; --n)
      random.push_back(" cat.\n\xC3\xA9\0xyz"[rng.next() % 12]);
    const Encoded any = word->encode(random);
    CHECK(word->decode(any.ids) == random);
    std::size_t at = 0;
    for (const ByteSpan& span : any.spans) {
      CHECK(span.begin == at);
      at = span.end;
    }
    CHECK(at == random.size());
    Ids alone;
    word->encode_ids(random, alone);
    CHECK(alone == any.ids);
  }
}

TEST_CASE("ngram tokenizer: words between white space") {
  const auto space = make(TokenizerKind::kSpace, {"<unk>", "<eos>", "a", "b"});
  CHECK(space->vocab_size() == 4);
  CHECK(space->eos() == 1);
  const Encoded encoded = space->encode("  a\tb  zz <eos> <unk>\n");
  CHECK(encoded.ids == Ids{2, 3, 0, 0, 0});
  CHECK(encoded.spans[2] == ByteSpan{7, 9});
  CHECK(space->decode(Ids{2, 3, 0, 1}) == "a b <unk>");
  const auto closed = make(TokenizerKind::kSpace, {"a", "b"});
  CHECK(closed->eos() == kNoId);
  CHECK(closed->encode("a zz").ids == Ids{0, closed->outside()});
  CHECK(make(TokenizerKind::kSpace, {"a", "b"})->digest() == closed->digest());
  CHECK(make(TokenizerKind::kSpace, {"b", "a"})->digest() != closed->digest());
  CHECK(make(TokenizerKind::kWord, {"a", "b"})->digest() != closed->digest());
}

TEST_CASE("ngram tokenizer: the tail of a joined text") {
  const auto word = make(TokenizerKind::kWord, {" cat", "cat", "cats"});
  Tail tail = word->encode_tail("a cat", " cat");
  CHECK_FALSE(tail.boundary_merged);
  CHECK(tail.first == 2);
  CHECK(tail.all.ids.size() == 3);
  tail = word->encode_tail("cat", "s");  // "cats" lies across the border
  CHECK(tail.boundary_merged);
  CHECK(tail.first == 0);
  CHECK(tail.all.ids.size() == 1);
  tail = word->encode_tail("a ", "cat");  // the blank of the prefix joins " cat"
  CHECK(tail.boundary_merged);
  CHECK(tail.first == 1);
  tail = word->encode_tail("", "cat");
  CHECK(tail.first == 0);
  CHECK_FALSE(tail.boundary_merged);
  tail = word->encode_tail("cat", "");
  CHECK(tail.first == tail.all.ids.size());
  const auto space = make(TokenizerKind::kSpace, {"<unk>", "a"});
  tail = space->encode_tail("a zz", "y b");  // one unknown word instead of another: same id, other span
  CHECK(tail.boundary_merged);
  CHECK(tail.first == 1);
}

TEST_CASE("ngram tokenizer: word lists are read line by line") {
  CHECK(split_word_list("a\n b\nc") == std::vector<std::string>{"a", " b", "c"});
  CHECK(split_word_list("a\n") == std::vector<std::string>{"a"});
  CHECK(split_word_list("").empty());
  CHECK(split_word_list("a\n\nb").size() == 3);  // the empty entry is refused by create()
  CHECK_FALSE(read_word_list("/no/such/list").ok());
}

TEST_CASE("ngram sampler: the generator is xoshiro256** seeded by SplitMix64") {
  // SplitMix64 from seed 0 gives these words (published test vector of the algorithm).
  Xoshiro256 rng(0);
  const std::uint64_t s1 = 0x6E789E6AA1B965F4ULL;
  const std::uint64_t rotated = (s1 * 5U << 7U) | (s1 * 5U >> 57U);
  CHECK(rng.next() == rotated * 9U);
  Xoshiro256 again(0);
  (void)again.next();
  CHECK(rng.next() == again.next());
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double u = rng.uniform();
    REQUIRE((u >= 0.0 && u < 1.0));
    sum += u;
  }
  CHECK(std::abs(sum / 10000 - 0.5) < 0.015);  // 5 standard errors
}

TEST_CASE("ngram sampler: temperature, top_k, top_p, min_p in this order") {
  const std::vector<double> base{0.1, 0.4, 0.2, 0.2, 0.1};
  const auto shaped = [&](Sampling params) {
    std::vector<double> p = base;
    reshape(p, params);
    CHECK(std::accumulate(p.begin(), p.end(), 0.0) == Catch::Approx(1.0));
    return p;
  };
  const auto same = [](const std::vector<double>& p, const std::vector<double>& wanted) {
    for (std::size_t i = 0; i < p.size(); ++i) CHECK(p[i] == Catch::Approx(wanted[i]).margin(1e-15));
  };
  Sampling params;
  same(shaped(params), base);
  params.top_k = 2;  // of the two 0.2 the lower id stays
  same(shaped(params), {0, 2. / 3, 1. / 3, 0, 0});
  params.top_k = 0;
  params.top_p = 0.6;
  same(shaped(params), {0, 2. / 3, 1. / 3, 0, 0});
  params.top_k = 3;  // top_p counts what top_k left: 0.4 + 0.2 of 0.8 reaches 0.6
  same(shaped(params), {0, 2. / 3, 1. / 3, 0, 0});
  params.top_p = 0.8;
  same(shaped(params), {0, 0.5, 0.25, 0.25, 0});
  params = {};
  params.min_p = 0.5;
  same(shaped(params), {0, 0.5, 0.25, 0.25, 0});
  params.temperature = 0.5;  // squares first: 0.04 / 0.16 is below 0.5
  same(shaped(params), {0, 1, 0, 0, 0});
  params = {};
  params.temperature = 2.0;
  const double root = 2 * std::sqrt(0.1) + std::sqrt(0.4) + 2 * std::sqrt(0.2);
  CHECK(shaped(params)[1] == Catch::Approx(std::sqrt(0.4) / root));
  const std::vector<double> weights{0.25, 0.5, 0, 0.25};  // exact sums, so the borders are exact
  CHECK(pick(weights, 0.0) == 0);
  CHECK(pick(weights, 0.2499) == 0);
  CHECK(pick(weights, 0.25) == 1);
  CHECK(pick(weights, 0.75) == 3);
  CHECK(pick(weights, 0.999999999999) == 3);
  CHECK(pick(std::vector<double>{0, 1, 0}, 0.0) == 1);
  CHECK(pick(std::vector<double>{0, 1, 0}, 0.9999) == 1);
  for (const double wrong : {-0.1, 1.5, std::nan("")}) {
    Sampling bad;
    bad.top_p = wrong;
    CHECK_FALSE(check(bad).ok());
    bad = {};
    bad.min_p = wrong;
    CHECK_FALSE(check(bad).ok());
  }
  Sampling bad;
  bad.temperature = -1;
  CHECK_FALSE(check(bad).ok());
}

TEST_CASE("ngram generation: greedy, stops, lengths and seeds") {
  Config config;
  config.order = 6;
  auto model = Model::create(config);
  REQUIRE(model.ok());
  REQUIRE(model->train("The sky is blue. The grass is green.", 20).ok());
  REQUIRE(model->finalise().ok());
  GenerateParams params;
  params.sampling.temperature = 0;
  auto out = generate(*model, "The sky", params);
  REQUIRE(out.ok());
  CHECK(out->text == " is blue. The grass is green.");
  CHECK(out->finish == Finish::kEos);
  CHECK(out->tokens.back().token == 256);
  CHECK(out->tokens.size() == out->text.size() + 1);
  double best = 0;
  for (const TokenStats& token : out->tokens) best = std::min(best, token.logprob);
  CHECK(best < 0.0);

  params.stop = {"grass", ". T"};
  out = generate(*model, "The sky", params);
  REQUIRE(out.ok());
  CHECK(out->text == " is blue");
  CHECK(out->finish == Finish::kStop);
  params.stop = {};
  params.max_tokens = 3;
  out = generate(*model, "The sky", params);
  REQUIRE(out.ok());
  CHECK(out->text == " is");
  CHECK(out->finish == Finish::kLength);
  params.max_tokens = 0;
  out = generate(*model, "The sky", params);
  REQUIRE(out.ok());
  CHECK(out->tokens.empty());
  params.stop = {""};
  CHECK_FALSE(generate(*model, "x", params).ok());

  params = {};
  params.sampling.temperature = 1.5;
  params.mask = kAllStats;
  params.seed = 5;
  const auto first = generate(*model, "Th", params);
  const auto second = generate(*model, "Th", params);
  params.seed = 6;
  const auto third = generate(*model, "Th", params);
  REQUIRE((first.ok() && second.ok() && third.ok()));
  CHECK(first->text == second->text);
  CHECK(first->text != third->text);
  CHECK(first->tokens.at(0).rank >= 1);
}

TEST_CASE("ngram generation: samples follow the distribution") {
  Config config;
  config.estimator = Estimator::kWittenBell;
  config.order = 2;
  config.tokenizer = TokenizerKind::kSpace;
  config.words = {"a", "b", "c"};
  auto model = Model::create(config);
  REQUIRE(model.ok());
  REQUIRE(model->train("a b a b a c").ok());
  REQUIRE(model->finalise().ok());
  auto state = model->begin("a");
  REQUIRE(state.ok());
  std::vector<double> p(3);
  state->distribution(p);
  std::vector<double> seen(3, 0.0);
  constexpr int kDraws = 20000;
  GenerateParams params;
  params.max_tokens = 1;
  for (int i = 0; i < kDraws; ++i) {
    params.seed = static_cast<std::uint64_t>(i);
    const auto out = generate(*model, "a", params);
    REQUIRE(out.ok());
    seen[out->tokens.at(0).token] += 1.0 / kDraws;
  }
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(std::abs(seen[i] - p[i]) < 5 * std::sqrt(p[i] * (1 - p[i]) / kDraws));
}
