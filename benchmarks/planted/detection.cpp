// World "detection": human texts come from a grammar, machine texts from an n-gram model of that grammar's
// output.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "assay/sdk/sampling.hpp"
#include "benchmarks/planted/makers.hpp"
#include "benchmarks/planted/prose.hpp"
#include "benchmarks/planted/vocabulary.hpp"
#include "plugins/models/ngram/ngram.hpp"

namespace assay::planted {
namespace {

using Row = nlohmann::ordered_json;

/// Every held-out document has at least as many words as the longest text of a pair.
constexpr std::uint64_t kSourceWordsMin = 150, kSourceWordsSpread = 50;
constexpr std::uint64_t kPairWordsMin = 80, kPairWordsSpread = 70;
constexpr int kOrder = 4;

std::string first_words(const std::string& text, std::uint64_t count) {
  std::size_t end = 0;
  for (std::uint64_t i = 0; i < count && end != std::string::npos; ++i)
    end = text.find(' ', end == 0 ? 0 : end + 1);
  return text.substr(0, end);
}

Result<ngram::Model> train_source(const std::vector<std::string>& texts) {
  ngram::Config config;
  config.estimator = ngram::Estimator::kMkn;
  config.order = kOrder;
  config.tokenizer = ngram::TokenizerKind::kWord;
  config.words = pieces_of(texts);
  auto model = ngram::Model::create(config);
  if (!model) return model;
  for (const std::string& text : texts)
    if (auto trained = model->train(text); !trained) return std::move(trained).error();
  if (auto ready = model->finalise(); !ready) return std::move(ready).error();
  return model;
}

/// Keeps the most probable tokens that hold `percent` of the weight (lower id first on ties) and drops the
/// others. Only sums, products and comparisons, so every machine keeps the same tokens.
void keep_nucleus(std::vector<double>& weights, std::uint64_t percent) {
  if (percent >= 100) return;
  std::vector<ngram::Id> order;
  double total = 0.0;
  for (ngram::Id id = 0; id < weights.size(); ++id)
    if (weights[id] > 0.0) {
      order.push_back(id);
      total += weights[id];
    }
  std::sort(order.begin(), order.end(), [&](ngram::Id a, ngram::Id b) {
    return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
  });
  const double wanted = total * static_cast<double>(percent) / 100.0;
  double kept = 0.0;
  for (const ngram::Id id : order) {
    if (kept >= wanted)
      weights[id] = 0.0;
    else
      kept += weights[id];
  }
}

/// A sample of exactly `words` words. The end of a document and single letters are never drawn: a text must
/// not be recognisable by its end or by a broken word. Marks are single bytes too, and so is the article that
/// may begin a document.
Result<std::string> sample(const ngram::Model& model, Xoshiro256& rng, std::uint64_t words,
                           std::uint64_t nucleus) {
  auto state = model.begin(std::span<const ngram::Id>());
  if (!state) return std::move(state).error();
  const ngram::Tokenizer& tokenizer = model.tokenizer();
  std::vector<double> weights(model.vocab_size());
  std::string out;
  for (;;) {
    state->distribution(weights);
    for (ngram::Id id = 0; id < 256; ++id)
      if (id != '.' && id != ',' && id != ';' && !(id == 'A' && out.empty())) weights[id] = 0.0;
    weights[tokenizer.eos()] = 0.0;
    keep_nucleus(weights, nucleus);
    const auto id = static_cast<ngram::Id>(pick(weights, rng.uniform()));
    const std::string_view piece = tokenizer.piece(id);
    if (piece.front() == ' ' && word_count(out) == words) return out;
    // A text begins like a document, without a blank.
    out += out.empty() && piece.front() == ' ' ? piece.substr(1) : piece;
    state->advance(id);
  }
}

}  // namespace

Result<World> make_detection(std::uint64_t seed, std::uint64_t source, std::uint64_t pairs,
                             std::uint64_t nucleus) {
  const Prose prose(seed);
  Random texts(seed, "detection/texts"), lengths(seed, "detection/lengths");
  std::vector<std::string> documents;
  std::string train, heldout;
  for (std::uint64_t i = 0; i < source; ++i) {
    documents.push_back(prose.document(texts, kSourceWordsMin, kSourceWordsSpread));
    train += Row{{"text", documents.back()}, {"copies", 1}, {"role", "source"}}.dump() + "\n";
  }
  auto model = train_source(documents);
  if (!model) return std::move(model).error();
  Xoshiro256 rng(Random(seed, "detection/samples").next());
  Row original = Row::array(), sampled = Row::array();
  for (std::uint64_t i = 0; i < pairs; ++i) {
    const std::uint64_t words = kPairWordsMin + lengths.below(kPairWordsSpread + 1);
    const std::string human = first_words(prose.document(texts, kSourceWordsMin, kSourceWordsSpread), words);
    auto machine = sample(*model, rng, words, nucleus);
    if (!machine) return std::move(machine).error();
    documents.push_back(human);
    heldout += Row{{"id", "human/" + std::to_string(i)}, {"text", human}}.dump() + "\n";
    original.push_back(human);
    sampled.push_back(std::move(*machine));
  }
  return World{{"source_train.jsonl", train},
               {"heldout.jsonl", heldout},
               {"pairs.json", Row{{"original", original}, {"sampled", sampled}}.dump(1) + "\n"},
               {"words.txt", list_text(pieces_of(documents))}};
}

}  // namespace assay::planted
