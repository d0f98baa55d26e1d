// World "mia": members and twins that only a model's memory can tell apart.
#include <array>

#include "benchmarks/planted/makers.hpp"
#include "benchmarks/planted/prose.hpp"
#include "benchmarks/planted/rows.hpp"
#include "benchmarks/planted/vocabulary.hpp"

namespace assay::planted {
namespace {

constexpr std::uint64_t kWordsMin = 60, kWordsSpread = 50;

}  // namespace

World make_membership(std::uint64_t seed, std::uint64_t background, std::uint64_t pairs) {
  const Prose prose(seed);
  Random texts(seed, "mia/texts"), coins(seed, "mia/coins"), order(seed, "mia/order");
  std::vector<Row> train, null_train, items;
  for (std::uint64_t i = 0; i < background; ++i)
    train.push_back(
        {{"text", prose.document(texts, kWordsMin, kWordsSpread)}, {"copies", 1}, {"role", "background"}});
  null_train = train;
  for (const int k : kCopies) {
    const std::string group = "k" + std::to_string(k);
    for (std::uint64_t pair = 0; pair < pairs; ++pair) {
      // Both documents exist before the coin falls, so nothing about them depends on the label.
      const std::array<std::string, 2> documents = {prose.document(texts, kWordsMin, kWordsSpread),
                                                    prose.document(texts, kWordsMin, kWordsSpread)};
      const std::size_t member = coins.coin() ? 1 : 0;
      train.push_back({{"text", documents[member]}, {"copies", k}, {"role", "member"}});
      for (std::size_t i = 0; i < 2; ++i)
        items.push_back({{"id", group + "/" + three_digits(pair) + (i == 0 ? "a" : "b")},
                         {"text", documents[i]},
                         {"label", i == member ? 1 : 0},
                         {"group", group},
                         {"k", k}});
    }
  }
  std::vector<std::string> all;
  for (const Row& row : null_train) all.push_back(row["text"]);
  for (const Row& row : items) all.push_back(row["text"]);
  order.shuffle(train);
  order.shuffle(null_train);
  order.shuffle(items);
  return {{"train.jsonl", lines(train)},
          {"null.jsonl", lines(null_train)},
          {"items.jsonl", lines(items)},
          {"words.txt", list_text(pieces_of(all))}};
}

}  // namespace assay::planted
