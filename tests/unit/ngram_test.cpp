// The count model's formulas, on examples small enough to check by hand and against a second, naive
// implementation written from the definitions with exact maps and no shared code.
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "assay/sdk/sampling.hpp"
#include "plugins/models/ngram/ngram.hpp"

using namespace assay::ngram;  // NOLINT: a test of this namespace
using assay::Xoshiro256;

namespace {

constexpr double kTight = 1e-15;

Model make(Estimator estimator, int order, TokenizerKind kind, std::vector<std::string> words = {},
           double beta = 0.5, double lambda = 0.0) {
  Config config;
  config.estimator = estimator;
  config.order = order;
  config.tokenizer = kind;
  config.words = std::move(words);
  config.beta = beta;
  config.cache_lambda = lambda;
  auto model = Model::create(std::move(config));
  REQUIRE(model.ok());
  return std::move(*model);
}

std::vector<double> after(const Model& model, const std::vector<Id>& context) {
  auto state = model.begin(context);
  REQUIRE(state.ok());
  std::vector<double> p(model.vocab_size());
  state->distribution(p);
  return p;
}

void check_row(const std::vector<double>& p, const std::vector<double>& wanted) {
  REQUIRE(p.size() == wanted.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    INFO("token " << i);
    CHECK(std::abs(p[i] - wanted[i]) <= kTight);
  }
}

Model hand_model() {
  Model model = make(Estimator::kMkn, 3, TokenizerKind::kSpace, {"a", "b", "c", "d", "e", "<eos>"});
  REQUIRE(model.train("a b a b").ok());
  REQUIRE(model.train("a b c").ok());
  return model;
}

void check_hand_table(const Model& model) {
  check_row(after(model, {}), {179. / 216, 1. / 27, 1. / 27, 1. / 108, 1. / 108, 17. / 216});
  check_row(after(model, {0}), {85. / 3024, 1397. / 1512, 5. / 378, 5. / 1512, 5. / 1512, 85. / 3024});
  check_row(after(model, {0, 1}), {247. / 756, 10. / 189, 101. / 378, 5. / 378, 5. / 378, 247. / 756});
  // Context "b e": the history is long enough, so BOS plays no part.
  check_row(after(model, {1, 4}), {17. / 54, 4. / 27, 4. / 27, 1. / 27, 1. / 27, 17. / 54});
}

/// Second implementation: every statistic by walking all events with maps of plain vectors.
class Naive {
 public:
  Naive(Estimator estimator, int order, Id vocab, Id eos, double beta, double lambda)
      : estimator_(estimator), order_(order), vocab_(vocab), eos_(eos), beta_(beta), lambda_(lambda) {}

  using Gram = std::vector<Id>;

  void train(const std::vector<Id>& document) {
    const bool bos = estimator_ != Estimator::kCountlm;
    Gram all;
    if (bos) all.push_back(vocab_);
    all.insert(all.end(), document.begin(), document.end());
    if (eos_ != kNoId) all.push_back(eos_);
    for (std::size_t i = bos ? 1 : 0; i < all.size(); ++i) {
      for (std::size_t k = 1; k <= static_cast<std::size_t>(order_) && k <= i + 1; ++k) {
        ++count_[Gram(all.begin() + static_cast<std::ptrdiff_t>(i + 1 - k),
                      all.begin() + static_cast<std::ptrdiff_t>(i + 1))];
      }
    }
  }

  [[nodiscard]] std::uint64_t adjusted(const Gram& gram) const {
    const auto found = count_.find(gram);
    if (found == count_.end()) return 0;
    const bool kneser_ney = estimator_ == Estimator::kMkn || estimator_ == Estimator::kKn;
    if (!kneser_ney || gram.size() == static_cast<std::size_t>(order_) || gram[0] == vocab_)
      return found->second;
    std::uint64_t left = 0;
    for (Id v = 0; v <= vocab_; ++v) {
      Gram longer{v};
      longer.insert(longer.end(), gram.begin(), gram.end());
      left += count_.count(longer);
    }
    return left;
  }

  [[nodiscard]] std::array<double, 4> discounts(std::size_t k) const {
    std::array<double, 5> t{};
    for (const auto& [gram, ignored] : count_) {
      if (gram.size() != k) continue;
      const std::uint64_t a = adjusted(gram);
      if (a <= 4) t[a] += 1.0;
    }
    const double y = t[1] / (t[1] + 2 * t[2]);
    if (t[1] > 0 && t[2] > 0 && t[3] > 0 && t[4] > 0 && estimator_ == Estimator::kMkn) {
      const std::array<double, 4> d{0, 1 - 2 * y * t[2] / t[1], 2 - 3 * y * t[3] / t[2],
                                    3 - 4 * y * t[4] / t[3]};
      if (d[1] > 0 && d[2] > 0 && d[3] > 0 && d[1] <= 1 && d[2] <= 2 && d[3] <= 3) return d;
    }
    if (t[1] > 0 && t[2] > 0) return {0, y, y, y};
    return {0, 0.75, 0.75, 0.75};
  }

  [[nodiscard]] std::vector<double> after(const std::vector<Id>& context) const {
    Gram all;
    if (estimator_ != Estimator::kCountlm) all.push_back(vocab_);
    all.insert(all.end(), context.begin(), context.end());
    const std::size_t longest = std::min(all.size(), static_cast<std::size_t>(order_) - 1);
    std::vector<double> p(vocab_, 1.0 / static_cast<double>(vocab_));
    for (std::size_t k = 0; k <= longest; ++k) {
      const Gram h(all.end() - static_cast<std::ptrdiff_t>(k), all.end());
      std::vector<double> a(vocab_);
      double total = 0;
      std::array<double, 4> n{};
      for (Id w = 0; w < vocab_; ++w) {
        Gram gram = h;
        gram.push_back(w);
        const std::uint64_t value = adjusted(gram);
        a[w] = static_cast<double>(value);
        total += a[w];
        if (value > 0) n[std::min<std::uint64_t>(value, 3)] += 1;
      }
      if (estimator_ == Estimator::kCountlm) {
        std::vector<double> cache(vocab_);
        double cache_total = 0;
        for (std::size_t i = k; i < context.size(); ++i) {
          if (!std::equal(h.begin(), h.end(), context.begin() + static_cast<std::ptrdiff_t>(i - k))) continue;
          cache[context[i]] += 1;
          cache_total += 1;
        }
        for (Id w = 0; w < vocab_; ++w) {
          p[w] = (a[w] + lambda_ * cache[w] + beta_ * p[w]) / (total + lambda_ * cache_total + beta_);
        }
        continue;
      }
      if (total == 0) continue;
      const std::array<double, 4> d = discounts(k + 1);
      const double distinct = n[1] + n[2] + n[3];
      const double gamma = (d[1] * n[1] + d[2] * n[2] + d[3] * n[3]) / total;
      for (Id w = 0; w < vocab_; ++w) {
        if (estimator_ == Estimator::kWittenBell) {
          p[w] = (a[w] + distinct * p[w]) / (total + distinct);
        } else {
          const double cut = a[w] > 0 ? d[std::min(static_cast<std::size_t>(a[w]), std::size_t{3})] : 0.0;
          p[w] = std::max(a[w] - cut, 0.0) / total + gamma * p[w];
        }
      }
    }
    return p;
  }

 private:
  Estimator estimator_;
  int order_;
  Id vocab_;
  Id eos_;
  double beta_;
  double lambda_;
  std::map<Gram, std::uint64_t> count_;
};

}  // namespace

TEST_CASE("ngram: the hand example gives the exact fractions") {
  Model model = hand_model();
  REQUIRE(model.finalise().ok());
  for (int k = 1; k <= 3; ++k) CHECK(model.discounts(k)->rule == DiscountRule::kSingle);
  CHECK(std::abs(model.discounts(1)->d[1] - 1. / 3) <= kTight);
  CHECK(std::abs(model.discounts(2)->d[1] - 1. / 2) <= kTight);
  CHECK(std::abs(model.discounts(3)->d[1] - 5. / 7) <= kTight);
  check_hand_table(model);

  REQUIRE(model.train("a b d").ok());
  CHECK_FALSE(model.begin(std::span<const Id>{}).ok());  // not finalised
  REQUIRE(model.finalise().ok());
  CHECK(std::abs(model.discounts(1)->d[1] - 3. / 5) <= kTight);
  CHECK(std::abs(model.discounts(2)->d[1] - 3. / 4) <= kTight);
  CHECK(model.discounts(2)->rule == DiscountRule::kSingle);
  CHECK(model.discounts(3)->d[1] == 0.75);
  CHECK(model.discounts(3)->rule == DiscountRule::kConst);
  check_row(after(model, {0, 1}), {311. / 1280, 81. / 1280, 221. / 1280, 221. / 1280, 9. / 256, 401. / 1280});

  REQUIRE(model.unlearn("a b d").ok());
  REQUIRE(model.finalise().ok());
  check_hand_table(model);
  CHECK(model.save() == hand_model().save());
}

TEST_CASE("ngram: every estimator equals a naive implementation of its definition") {
  Xoshiro256 rng(7);
  for (const Estimator estimator :
       {Estimator::kMkn, Estimator::kKn, Estimator::kAbs, Estimator::kWittenBell, Estimator::kCountlm}) {
    for (const int order : {1, 2, 3, 5, 12}) {
      for (const bool with_eos : {true, false}) {
        for (const double lambda : {0.0, 1.0}) {
          if (lambda > 0 && estimator != Estimator::kCountlm) continue;
          std::vector<std::string> words{"a", "b", "c", "d", "e", "f"};
          if (with_eos) words.insert(words.begin() + 2, "<eos>");
          Model model = make(estimator, order, TokenizerKind::kSpace, words, 0.3, lambda);
          const Id eos = model.tokenizer().eos();
          Naive naive(estimator, order, model.vocab_size(), eos, 0.3, lambda);
          const auto draw = [&](std::size_t length) {
            std::vector<Id> ids;
            while (ids.size() < length) {
              const auto id = static_cast<Id>(rng.uniform() * rng.uniform() * model.vocab_size());
              if (id != eos) ids.push_back(id);
            }
            return ids;
          };
          for (int i = 0; i < 12; ++i) {
            const std::vector<Id> document = draw(static_cast<std::size_t>(rng.next() % 9));
            REQUIRE(model.train_tokens(document).ok());
            naive.train(document);
          }
          REQUIRE(model.finalise().ok());
          INFO(name_of(estimator) << " order " << order << " eos " << with_eos << " lambda " << lambda);
          for (int k = 1; k <= order && estimator <= Estimator::kAbs; ++k) {
            for (std::size_t j = 1; j <= 3; ++j) {
              CHECK(std::abs(model.discounts(k)->d[j] - naive.discounts(static_cast<std::size_t>(k))[j]) <
                    1e-14);
            }
          }
          for (int i = 0; i < 12; ++i) {
            const std::vector<Id> context = draw(static_cast<std::size_t>(rng.next() % 7));
            const std::vector<double> p = after(model, context);
            const std::vector<double> wanted = naive.after(context);
            double worst = 0;
            for (std::size_t w = 0; w < p.size(); ++w) worst = std::max(worst, std::abs(p[w] - wanted[w]));
            CHECK(worst < 1e-14);
          }
        }
      }
    }
  }
}

namespace {

/// Compares everything a state says about its next token with sums over the full distribution.
void check_statistics(const State& state, const std::vector<Id>& tokens) {
  std::vector<double> p(state.vocab_size());
  state.distribution(p);
  double sum = 0;
  double mean = 0;
  double square = 0;
  for (Id w = 0; w < p.size(); ++w) {
    REQUIRE(p[w] > 0.0);
    REQUIRE(p[w] == state.probability(w));  // the same bits
    sum += p[w];
    mean += p[w] * std::log(p[w]);
    square += p[w] * std::log(p[w]) * std::log(p[w]);
  }
  CHECK(std::abs(sum - 1.0) < 1e-12);
  const auto top = std::max_element(p.begin(), p.end());
  CHECK(state.top1() == static_cast<Id>(top - p.begin()));
  for (const Id id : tokens) {
    const TokenStats stats = state.stats(id, kAllStats);
    CHECK(stats.logprob == std::log(p[id]));
    CHECK(stats.rank == 1U + static_cast<std::uint64_t>(
                                 std::count_if(p.begin(), p.end(), [&](double q) { return q > p[id]; })));
    CHECK(stats.ties + 1 == static_cast<std::uint64_t>(std::count(p.begin(), p.end(), p[id])));
    CHECK(std::abs(stats.mean_lp - mean) < 1e-13);
    CHECK(stats.entropy == -stats.mean_lp);
    CHECK(std::abs(stats.var_lp - (square - mean * mean)) < 1e-12);
    CHECK(stats.top1 == static_cast<Id>(top - p.begin()));
    CHECK(stats.top1_logprob == std::log(*top));
    const TokenStats bare = state.stats(id, kLogprobOnly);
    CHECK(bare.logprob == stats.logprob);
    CHECK(std::isnan(bare.entropy));
    CHECK(bare.rank == 0);
    CHECK(bare.top1 == kNoId);
  }
}

}  // namespace

TEST_CASE("ngram: statistics of a token equal those of the full distribution") {
  Xoshiro256 rng(11);
  for (const Estimator estimator :
       {Estimator::kMkn, Estimator::kKn, Estimator::kAbs, Estimator::kWittenBell, Estimator::kCountlm}) {
    for (const double lambda : {0.0, 0.7}) {
      if (lambda > 0 && estimator != Estimator::kCountlm) continue;
      INFO(name_of(estimator) << " lambda " << lambda);
      Model model = make(estimator, 4, TokenizerKind::kByte, {}, 0.3, lambda);
      REQUIRE(model.train("the cat sat on the mat and the dog sat on the log").ok());
      REQUIRE(model.train("a man, a plan, a canal").ok());
      REQUIRE(model.finalise().ok());
      auto state = model.begin("the fog sat ");
      REQUIRE(state.ok());
      for (const char c : std::string("on a plant zq")) {
        const Id id = static_cast<unsigned char>(c);
        check_statistics(*state, {id, 'a', 'x', 256});
        state->advance(id);
      }
      for (const int order : {1, 2, 5, 7}) {
        for (const Id vocab : {2U, 5U, 40U}) {
          std::vector<std::string> words;
          for (Id w = 0; w < vocab; ++w) words.push_back(std::to_string(w));
          Model random = make(estimator, order, TokenizerKind::kSpace, words, 0.3, lambda);
          const auto draw = [&](std::size_t length) {
            std::vector<Id> ids;
            while (ids.size() < length) ids.push_back(static_cast<Id>(rng.uniform() * rng.uniform() * vocab));
            return ids;
          };
          for (int i = 0; i < 25; ++i)
            REQUIRE(random.train_tokens(draw(static_cast<std::size_t>(rng.next() % 15))).ok());
          REQUIRE(random.finalise().ok());
          for (int i = 0; i < 25; ++i) {
            auto at = random.begin(draw(static_cast<std::size_t>(rng.next() % 9)));
            REQUIRE(at.ok());
            check_statistics(*at, draw(3));
          }
        }
      }
    }
  }
}

TEST_CASE("ngram: a fresh model is uniform, and ties go to the lowest id") {
  for (const Estimator estimator :
       {Estimator::kMkn, Estimator::kKn, Estimator::kAbs, Estimator::kWittenBell, Estimator::kCountlm}) {
    Model model = make(estimator, 3, TokenizerKind::kByte);
    REQUIRE(model.finalise().ok());
    auto state = model.begin("xy");
    REQUIRE(state.ok());
    CHECK(state->probability(9) == Catch::Approx(1.0 / 257).epsilon(1e-15));
    const TokenStats stats = state->stats(200, kAllStats);
    CHECK(stats.rank == 1);
    CHECK(stats.ties == 256);
    CHECK(stats.top1 == 0);
    CHECK(stats.entropy == Catch::Approx(std::log(257.0)));
  }
}

TEST_CASE("ngram: a state that advances equals one that starts later") {
  Model model = make(Estimator::kMkn, 5, TokenizerKind::kByte);
  REQUIRE(model.train("she sells sea shells by the sea shore").ok());
  REQUIRE(model.finalise().ok());
  const std::string text = "she sells shore shells";
  auto walking = model.begin("");
  REQUIRE(walking.ok());
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto fresh = model.begin(text.substr(0, i));
    REQUIRE(fresh.ok());
    const Id id = static_cast<unsigned char>(text[i]);
    CHECK(walking->probability(id) == fresh->probability(id));
    walking->advance(id);
  }
}

TEST_CASE("ngram: one finalised model serves many threads") {
  Model model = make(Estimator::kMkn, 5, TokenizerKind::kByte);
  REQUIRE(model.train("peter piper picked a peck of pickled peppers").ok());
  REQUIRE(model.finalise().ok());
  std::vector<Id> ids;
  model.tokenizer().encode_ids("peter picked pickled pipers", ids);
  const auto wanted = model.score({}, ids, kAllStats);
  REQUIRE(wanted.ok());
  std::vector<int> equal(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < equal.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        const auto got = model.score({}, ids, kAllStats);
        bool same = got.ok();
        for (std::size_t i = 0; same && i < ids.size(); ++i) {
          same = (*got)[i].logprob == (*wanted)[i].logprob && (*got)[i].entropy == (*wanted)[i].entropy;
        }
        equal[t] += same ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : equal) CHECK(count == 50);
}

TEST_CASE("ngram: bad configurations and calls are refused with a named parameter") {
  const auto key_of = [](Config config) {
    auto model = Model::create(std::move(config));
    REQUIRE_FALSE(model.ok());
    CHECK(model.error().code == assay::Code::kInvalidArgument);
    CHECK(model.error().text.size() > 20);
    return model.error().key;
  };
  Config config;
  config.order = 0;
  CHECK(key_of(config) == "order");
  config.order = kMaxOrder + 1;
  CHECK(key_of(config) == "order");
  config = Config{};
  config.beta = 0.0;
  CHECK(key_of(config) == "beta");
  config.beta = std::nan("");
  CHECK(key_of(config) == "beta");
  config = Config{};
  config.cache_lambda = -1.0;
  CHECK(key_of(config) == "cache_lambda");
  config = Config{};
  config.words = {"a"};
  CHECK(key_of(config) == "words");
  config.tokenizer = TokenizerKind::kSpace;
  config.words = {};
  CHECK(key_of(config) == "words");
  config.words = {"a", "b", "a"};
  CHECK(key_of(config) == "words:3");
  config.words = {"<eos>", "<eos>"};
  CHECK(key_of(config) == "words:2");
  config.words = {"a b"};
  CHECK(key_of(config) == "words:1");
  config.tokenizer = TokenizerKind::kWord;
  config.words = {" the", "ab-c"};
  CHECK(key_of(config) == "words:2");
  CHECK_FALSE(parse_estimator("kneser").ok());
  CHECK_FALSE(parse_tokenizer("bpe").ok());
  for (const char* name : {"mkn", "kn", "abs", "witten_bell", "countlm"})
    CHECK(name_of(*parse_estimator(name)) == name);
  for (const char* name : {"byte", "word", "space"}) CHECK(name_of(*parse_tokenizer(name)) == name);

  Model model = make(Estimator::kMkn, 3, TokenizerKind::kSpace, {"a", "b", "<eos>"});
  const std::string fresh = model.save();
  REQUIRE(model.train("a").ok());
  CHECK_FALSE(model.train("a zebra").ok());                  // closed list
  CHECK_FALSE(model.train_tokens(std::vector<Id>{2}).ok());  // EOS inside a document
  CHECK_FALSE(model.train_tokens(std::vector<Id>{3}).ok());  // BOS inside a document
  CHECK_FALSE(model.train("a", 0).ok());
  CHECK(model.train("a", kMaxEvents).error().code == assay::Code::kResourceExhausted);
  REQUIRE(model.unlearn("a").ok());
  CHECK(model.save() == fresh);
  REQUIRE(model.finalise().ok());
  CHECK_FALSE(model.begin(std::vector<Id>{9}).ok());
  CHECK_FALSE(model.score({}, std::vector<Id>{9}).ok());
}

TEST_CASE("ngram: a word outside a closed list gets the base and back-off terms alone") {
  Model model = make(Estimator::kWittenBell, 2, TokenizerKind::kSpace, {"a", "b"});
  REQUIRE(model.train("a b a").ok());
  REQUIRE(model.finalise().ok());
  auto state = model.begin("a");
  REQUIRE(state.ok());
  // P_0 = 1/2; order 1: (0 + 2 P_0)/(3 + 2); order 2 after "a" (followed once, by b): (0 + 1 P_1)/(1 + 1).
  CHECK(state->probability(model.tokenizer().outside()) == Catch::Approx(0.5 * 0.2).epsilon(1e-15));
}
