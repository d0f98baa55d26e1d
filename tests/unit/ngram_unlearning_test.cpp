// Bit-for-bit unlearning, order independence and the file format, as properties over random corpora.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <filesystem>

#include "assay/sdk/sampling.hpp"
#include "plugins/models/ngram/ngram.hpp"

using namespace assay::ngram;  // NOLINT: a test of this namespace
using assay::Xoshiro256;

namespace {

constexpr Estimator kEstimators[] = {Estimator::kMkn, Estimator::kKn, Estimator::kAbs, Estimator::kWittenBell,
                                     Estimator::kCountlm};
constexpr TokenizerKind kTokenizers[] = {TokenizerKind::kByte, TokenizerKind::kWord, TokenizerKind::kSpace};

Model make(Estimator estimator, TokenizerKind kind, int order) {
  Config config;
  config.estimator = estimator;
  config.order = order;
  config.tokenizer = kind;
  config.cache_lambda = 0.5;
  if (kind == TokenizerKind::kWord) config.words = {"the", " the", " cat", "cat", " dog", ".", " sat", "\n"};
  if (kind == TokenizerKind::kSpace) config.words = {"<unk>", "<eos>", "the", "cat", "dog", "sat", "."};
  auto model = Model::create(std::move(config));
  REQUIRE(model.ok());
  return std::move(*model);
}

/// Random text from few words, so that documents share n-grams, with odd bytes and an empty text at times.
std::string random_document(Xoshiro256& rng) {
  static const std::vector<std::string> kPieces{
      "the", " the", " cat", " dog",     " sat", ".",       " ",
      "\n",  "cat",  " ",    "\xC3\xA9", " xyz", "the the", std::string(1, '\0')};
  std::string text;
  for (std::uint64_t n = rng.next() % 12; n > 0; --n) text += kPieces[rng.next() % kPieces.size()];
  return text;
}

/// All bits of a few distributions, as one list.
std::vector<double> probe(Model& model) {
  REQUIRE(model.finalise().ok());
  std::vector<double> all;
  std::vector<double> p(model.vocab_size());
  for (const char* context : {"", "the", "the cat", " cat sat.", "the dog sat on the cat", "zzz\n"}) {
    auto state = model.begin(context);
    REQUIRE(state.ok());
    state->distribution(p);
    double sum = 0;
    for (const double value : p) {
      sum += value;
      REQUIRE(value > 0.0);
    }
    REQUIRE(std::abs(sum - 1.0) < 1e-12);
    all.insert(all.end(), p.begin(), p.end());
  }
  return all;
}

template <class T>
void shuffle(std::vector<T>& items, Xoshiro256& rng) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[rng.next() % i]);
}

}  // namespace

TEST_CASE("ngram: unlearning is exact for every estimator, tokenizer and order") {
  Xoshiro256 rng(20);
  for (const Estimator estimator : kEstimators) {
    for (const TokenizerKind kind : kTokenizers) {
      for (int order = 1; order <= 7; ++order) {
        INFO(name_of(estimator) << " " << name_of(kind) << " order " << order);
        std::vector<std::string> retain;
        std::vector<std::string> forget;
        for (int i = 0; i < 12; ++i) retain.push_back(random_document(rng));
        for (int i = 0; i < 6; ++i) forget.push_back(random_document(rng));
        forget.push_back(retain[0]);  // a second copy of a retained document
        Model only = make(estimator, kind, order);
        for (const std::string& document : retain) REQUIRE(only.train(document).ok());

        Model both = make(estimator, kind, order);
        std::vector<std::string> all = retain;
        all.insert(all.end(), forget.begin(), forget.end());
        shuffle(all, rng);
        for (const std::string& document : all) REQUIRE(both.train(document).ok());
        Model mixed = make(estimator, kind, order);
        shuffle(all, rng);
        for (const std::string& document : all) REQUIRE(mixed.train(document).ok());
        const std::string full = both.save();
        CHECK(full == mixed.save());  // the order of training leaves no trace
        CHECK(probe(both) == probe(mixed));

        Model copy = both;
        shuffle(forget, rng);
        for (const std::string& document : forget) REQUIRE(both.unlearn(document).ok());
        CHECK(both.save() == only.save());
        CHECK(both.fingerprint() == only.fingerprint());
        CHECK(both.events() == only.events());
        CHECK(probe(both) == probe(only));
        CHECK(copy.save() == full);  // a copy is independent

        for (const std::string& document : forget) REQUIRE(both.train(document).ok());
        CHECK(both.save() == full);
        for (const std::string& document : all) REQUIRE(both.unlearn(document).ok());
        Model fresh = make(estimator, kind, order);
        CHECK(both.entries() == 0);
        CHECK(both.save() == fresh.save());
        CHECK(probe(both) == probe(fresh));

        auto loaded = Model::load(full);
        REQUIRE(loaded.ok());
        CHECK(loaded->save() == full);
        CHECK(probe(*loaded) == probe(copy));
        for (const std::string& document : forget) REQUIRE(loaded->unlearn(document).ok());
        CHECK(loaded->save() == only.save());
      }
    }
  }
}

TEST_CASE("ngram: unlearning what was not trained changes nothing") {
  Model model = make(Estimator::kMkn, TokenizerKind::kByte, 4);
  REQUIRE(model.train("abcabc").ok());
  REQUIRE(model.train("xyz", 3).ok());
  const std::string before = model.save();
  for (const char* document : {"abcabd", "ab", "abcabcabca", "", "xyzz"}) {
    const auto result = model.unlearn(document);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().key == kNotTrained);
    CHECK(result.error().code == assay::Code::kNotFound);
    CHECK(model.save() == before);
  }
  CHECK_FALSE(model.unlearn("xyz", 4).ok());
  CHECK(model.save() == before);
  // The check is necessary, not sufficient: every 4-gram of "abc" is also one of "abcabc".
  Model fooled = model;
  CHECK(fooled.unlearn("abc").ok());
  CHECK(model.save() == before);
  // "aaaa" needs the gram "aaaa" twice when trained as "aaaaa": multiplicities inside one document count.
  Model repeated = make(Estimator::kMkn, TokenizerKind::kByte, 2);
  REQUIRE(repeated.train("aa").ok());
  CHECK_FALSE(repeated.unlearn("aaa").ok());
  REQUIRE(model.unlearn("xyz", 3).ok());
  REQUIRE(model.unlearn("abcabc").ok());
  CHECK(model.entries() == 0);
}

TEST_CASE("ngram: copies count as documents, and a fraction is not exact") {
  Model one = make(Estimator::kMkn, TokenizerKind::kByte, 3);
  Model many = make(Estimator::kMkn, TokenizerKind::kByte, 3);
  for (int i = 0; i < 5; ++i) REQUIRE(one.train("hello").ok());
  REQUIRE(many.train("hello", 5).ok());
  CHECK(one.save() == many.save());
  CHECK(many.events() == 30);

  Model model = make(Estimator::kMkn, TokenizerKind::kByte, 3);
  REQUIRE(model.train("retained").ok());
  const std::string retained = model.save();
  REQUIRE(model.train("forgotten").ok());
  Model exact = model;
  REQUIRE(exact.unlearn_fraction("forgotten", 1).ok());
  CHECK(exact.save() == retained);
  Model half = model;
  REQUIRE(half.unlearn_fraction("forgotten", 2).ok());
  CHECK(half.events() == model.events() - 5);  // 9 bytes and EOS: events 2, 4, 6, 8, 10
  CHECK(half.save() != retained);
  CHECK_FALSE(half.unlearn_fraction("forgotten", 2).ok());
  CHECK_FALSE(half.unlearn_fraction("forgotten", 0).ok());
  auto loaded = Model::load(half.save());
  REQUIRE(loaded.ok());
  CHECK(loaded->save() == half.save());
}

TEST_CASE("ngram: prompt and answer are one document") {
  Model apart = make(Estimator::kCountlm, TokenizerKind::kSpace, 4);
  Model joined = make(Estimator::kCountlm, TokenizerKind::kSpace, 4);
  REQUIRE(apart.train_pair("the cat", "sat .").ok());
  REQUIRE(joined.train("the cat sat .").ok());
  CHECK(apart.save() == joined.save());
  REQUIRE(apart.unlearn_pair("the cat", "sat .").ok());
  CHECK(apart.entries() == 0);
}

TEST_CASE("ngram: a damaged file is an error, never a crash") {
  Xoshiro256 rng(3);
  for (const Estimator estimator : kEstimators) {
    for (const TokenizerKind kind : kTokenizers) {
      Model model = make(estimator, kind, 3);
      REQUIRE(model.train("the cat sat.").ok());
      REQUIRE(model.train("the dog").ok());
      const std::string good = model.save();
      for (std::size_t size = 0; size < good.size(); ++size)
        CHECK_FALSE(Model::load(good.substr(0, size)).ok());
      CHECK_FALSE(Model::load(good + '\0').ok());
      const auto resigned = [](std::string bytes) {
        bytes.resize(bytes.size() - 32);
        const Sha256 digest = sha256(bytes);
        bytes.append(reinterpret_cast<const char*>(digest.data()), digest.size());
        return bytes;
      };
      REQUIRE(Model::load(resigned(good)).ok());
      int refused = 0;
      for (int i = 0; i < 1500; ++i) {
        std::string bad = good;
        const std::size_t at = rng.next() % bad.size();
        bad[at] = static_cast<char>(bad[at] ^ static_cast<char>(1U << (rng.next() % 8)));
        CHECK_FALSE(Model::load(bad).ok());  // the checksum sees it
        // With a forged checksum the loader must still either refuse or hold exactly what the file says.
        if (at + 32 >= bad.size()) continue;
        const std::string forged = resigned(bad);
        auto loaded = Model::load(forged);
        refused += loaded.ok() ? 0 : 1;
        if (!loaded.ok()) continue;
        CHECK(loaded->save() == forged);
        CHECK(loaded->finalise().ok());
      }
      CHECK(refused > 1000);
      for (int i = 0; i < 200; ++i) {  // truncations with a valid checksum
        const std::size_t size = 32 + rng.next() % (good.size() - 32);
        CHECK_FALSE(Model::load(resigned(good.substr(0, size))).ok());
      }
    }
  }
}

TEST_CASE("ngram: models survive a file on disk") {
  Model model = make(Estimator::kKn, TokenizerKind::kWord, 5);
  REQUIRE(model.train("the cat sat. the dog sat.").ok());
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "assay_ngram_test.bin";
  REQUIRE(model.save_file(path.string()).ok());
  auto loaded = Model::load_file(path.string());
  REQUIRE(loaded.ok());
  CHECK(loaded->save() == model.save());
  std::filesystem::remove(path);
  const auto missing = Model::load_file(path.string());
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == assay::Code::kNotFound);
  CHECK_FALSE(model.save_file((path / "no_such_folder").string()).ok());
}

TEST_CASE("ngram: wide keys hold the same counts as narrow ones") {
  // The same documents under a small and a large vocabulary, ids mapped upwards in order: the tables must
  // agree row by row, whatever number of machine words a packed n-gram needs.
  Xoshiro256 rng(9);
  for (const Id large : {1000U, 30000U, 100000U}) {
    for (const int order : {2, 5, 7, 12, 16}) {
      INFO("vocabulary " << large << " order " << order);
      const auto words_of = [](Id count) {
        std::vector<std::string> words{std::string(kEosWord)};
        while (words.size() < count) words.push_back(std::to_string(words.size()));
        return words;
      };
      const auto create = [&](Id vocab) {
        Config config;
        config.order = order;
        config.tokenizer = TokenizerKind::kSpace;
        config.words = words_of(vocab);
        auto model = Model::create(std::move(config));
        REQUIRE(model.ok());
        return std::move(*model);
      };
      constexpr Id kSmall = 6;
      Model narrow = create(kSmall);
      Model wide = create(large);
      const std::vector<Id> map{0, 1, 63, large / 2, large - 2, large - 1, large};  // EOS .. BOS
      std::vector<std::vector<Id>> documents;
      for (int i = 0; i < 20; ++i) {
        std::vector<Id> document;
        for (std::uint64_t n = rng.next() % 25; n > 0; --n)
          document.push_back(static_cast<Id>(1 + rng.next() % 5));
        std::vector<Id> mapped;
        for (const Id id : document) mapped.push_back(map[id]);
        REQUIRE(narrow.train_tokens(document).ok());
        REQUIRE(wide.train_tokens(mapped).ok());
        documents.push_back(mapped);
      }
      const GramRows a = narrow.table();
      const GramRows b = wide.table();
      CHECK(a.counts == b.counts);
      REQUIRE(a.fields.size() == b.fields.size());
      bool same = true;
      for (std::size_t i = 0; i < a.fields.size(); ++i) {
        same = same && b.fields[i] == (a.fields[i] == 0 ? 0 : map[a.fields[i] - 1] + 1);
      }
      CHECK(same);
      auto loaded = Model::load(wide.save());
      REQUIRE(loaded.ok());
      CHECK(loaded->save() == wide.save());
      for (const std::vector<Id>& document : documents) REQUIRE(loaded->unlearn_tokens(document).ok());
      CHECK(loaded->entries() == 0);
    }
  }
}
