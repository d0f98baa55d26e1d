// Throughput of the count model: training, finalising, scoring, unlearning, on text made here from a fixed
// seed.
//
// Arguments: order, tokenizer (0 byte, 1 word, 2 space). "bytes_per_second" is text trained or scored.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "plugins/models/ngram/ngram.hpp"

namespace {

using namespace assay::ngram;  // NOLINT: a program about this namespace

/// SplitMix64, written out so that the text is the same on every machine.
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

/// Documents of about 400 bytes: words with a skewed distribution, each likely to be followed by the same
/// few.
std::vector<std::string> make_documents(std::size_t bytes) {
  constexpr std::size_t kWords = 5000;
  Stream stream(20260509);
  std::vector<std::string> words;
  for (std::size_t i = 0; i < kWords; ++i) {
    std::string word;
    for (std::uint64_t letters = 2 + stream.below(8); letters > 0; --letters) {
      word += static_cast<char>('a' + static_cast<int>(stream.below(26)));
    }
    words.push_back(std::move(word));
  }
  std::vector<std::string> documents;
  std::size_t made = 0;
  std::size_t last = 0;
  while (made < bytes) {
    std::string text;
    while (text.size() < 400) {
      // Three of four words come from a handful that depends on the word before; the rest is skewed.
      const std::uint64_t a = stream.below(kWords);
      last =
          stream.below(4) != 0 ? (last * 7919 + stream.below(6)) % kWords : std::min(a, stream.below(kWords));
      text += words[last];
      text += stream.below(12) == 0 ? ". " : " ";
    }
    made += text.size();
    documents.push_back(std::move(text));
  }
  return documents;
}

constexpr std::size_t kTextBytes = std::size_t{1} << 20U;

const std::vector<std::string>& documents() {
  static const std::vector<std::string> kDocuments = make_documents(kTextBytes);
  return kDocuments;
}

std::size_t bytes_of(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  return bytes;
}

Model blank(benchmark::State& state) {
  Config config;
  config.order = static_cast<int>(state.range(0));
  config.tokenizer = static_cast<TokenizerKind>(state.range(1));
  if (config.tokenizer != TokenizerKind::kByte) {
    std::set<std::string> pieces;
    for (const std::string& document : documents()) {
      std::string_view text = document;
      while (!text.empty()) {
        std::string_view piece = text.substr(0, piece_length(text));
        text.remove_prefix(piece.size());
        if (config.tokenizer == TokenizerKind::kSpace) {
          while (!piece.empty() && piece.front() == ' ') piece.remove_prefix(1);
        }
        if (!piece.empty()) pieces.emplace(piece);
      }
    }
    config.words.assign(pieces.begin(), pieces.end());
    if (config.tokenizer == TokenizerKind::kSpace) {
      config.words.insert(config.words.begin(), {std::string(kUnkWord), std::string(kEosWord)});
    }
  }
  auto made = Model::create(std::move(config));
  if (!made) throw std::runtime_error(made.error().text);
  return std::move(*made);
}

void require(const assay::Result<void>& done) {
  if (!done) throw std::runtime_error(done.error().text);
}

Model trained(benchmark::State& state) {
  Model model = blank(state);
  for (const std::string& document : documents()) require(model.train(document));
  require(model.finalise());
  return model;
}

void label(benchmark::State& state, const Model& model) {
  state.SetLabel(std::string(name_of(static_cast<TokenizerKind>(state.range(1)))));
  state.counters["entries"] = static_cast<double>(model.entries());
  state.counters["vocabulary"] = static_cast<double>(model.vocab_size());
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes_of(documents())) *
                          static_cast<std::int64_t>(state.iterations()));
}

void count_documents(benchmark::State& state) {
  const Model empty = blank(state);
  Model model = empty;
  for (auto _ : state) {
    state.PauseTiming();
    model = empty;
    state.ResumeTiming();
    for (const std::string& document : documents()) require(model.train(document));
  }
  label(state, model);
}

void finalise_model(benchmark::State& state) {
  const Model whole = trained(state);
  Model model = whole;
  for (auto _ : state) {
    state.PauseTiming();
    // A document in and out again leaves the same counts, but the statistics must be derived anew.
    require(model.train("a"));
    require(model.unlearn("a"));
    state.ResumeTiming();
    require(model.finalise());
  }
  label(state, model);
}

void unlearn_documents(benchmark::State& state) {
  const Model whole = trained(state);
  Model model = whole;
  for (auto _ : state) {
    state.PauseTiming();
    model = whole;
    state.ResumeTiming();
    for (const std::string& document : documents()) require(model.unlearn(document));
  }
  label(state, whole);
}

void score_documents(benchmark::State& state, std::uint32_t mask) {
  const Model model = trained(state);
  const std::size_t step = mask == kLogprobOnly ? 1 : 16;
  std::size_t bytes = 0;
  std::size_t tokens = 0;
  std::vector<Id> ids;
  for (auto _ : state) {
    for (std::size_t i = 0; i < documents().size(); i += step) {
      model.tokenizer().encode_ids(documents()[i], ids);
      auto scores = model.score({}, ids, mask);
      if (!scores) throw std::runtime_error(scores.error().text);
      benchmark::DoNotOptimize(scores->data());
      bytes += documents()[i].size();
      tokens += ids.size();
    }
  }
  label(state, model);
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(tokens));
}

void whole_distributions(benchmark::State& state) {
  const Model model = trained(state);
  std::vector<Id> ids;
  model.tokenizer().encode_ids(documents().front(), ids);
  std::vector<double> p(model.vocab_size());
  std::size_t rows = 0;
  for (auto _ : state) {
    auto at = model.begin(std::span<const Id>{});
    if (!at) throw std::runtime_error(at.error().text);
    for (const Id id : ids) {
      at->distribution(p);
      benchmark::DoNotOptimize(p.data());
      at->advance(id);
      ++rows;
    }
  }
  state.SetLabel(std::string(name_of(static_cast<TokenizerKind>(state.range(1)))));
  state.SetItemsProcessed(static_cast<std::int64_t>(rows));
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"order", "tokenizer"})->Unit(benchmark::kMillisecond);
  for (const int tokenizer : {0, 1, 2}) {
    for (const int order : {3, 5, 7}) bench->Args({order, tokenizer});
  }
}

}  // namespace

BENCHMARK(count_documents)->Apply(shapes);
BENCHMARK(finalise_model)->Apply(shapes);
BENCHMARK(unlearn_documents)->Apply(shapes);
BENCHMARK_CAPTURE(score_documents, logprob, kLogprobOnly)->Apply(shapes);
BENCHMARK_CAPTURE(score_documents, all_statistics, kAllStats)->Apply(shapes);
BENCHMARK(whole_distributions)->Apply(shapes);

BENCHMARK_MAIN();
