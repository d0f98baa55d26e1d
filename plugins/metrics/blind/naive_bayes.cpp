#include "naive_bayes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace assay::blind {
namespace {

std::uint64_t hash_of(std::string_view word) {
  std::uint64_t h = 0xcbf29ce484222325ULL;  // FNV-1a; only the place in the table depends on it
  for (const char c : word) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h ^ (h >> 29U);
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char raw : text) {
    const char c = raw >= 'A' && raw <= 'Z' ? static_cast<char>(raw - 'A' + 'a') : raw;
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

void NaiveBayes::grow() {
  table_.assign(std::max<std::size_t>(1024, table_.size() * 2), 0);
  for (std::uint32_t i = 0; i < words_.size(); ++i) {
    std::size_t at = hash_of(words_[i]) & (table_.size() - 1);
    while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
    table_[at] = i + 1;
  }
}

std::uint32_t NaiveBayes::number_of(std::string word) {
  if (words_.size() * 2 >= table_.size()) grow();
  std::size_t at = hash_of(word) & (table_.size() - 1);
  while (table_[at] != 0) {
    if (words_[table_[at] - 1] == word) return table_[at] - 1;
    at = (at + 1) & (table_.size() - 1);
  }
  words_.push_back(std::move(word));
  table_[at] = static_cast<std::uint32_t>(words_.size());
  return table_[at] - 1;
}

void NaiveBayes::add(std::uint64_t position, std::string_view text, int label, std::string_view group) {
  Row row{position, {}, std::string(group), label};
  for (std::string& word : words_of(text)) row.words.push_back(number_of(std::move(word)));
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> NaiveBayes::folds() const {
  std::vector<std::size_t> fold(rows_.size());
  if (!settings_.by_group) {
    for (std::size_t i = 0; i < fold.size(); ++i) fold[i] = i % kFolds;
    return fold;
  }
  std::map<std::string_view, std::size_t> rank;
  for (const Row& row : rows_) rank.emplace(row.group, 0);
  std::size_t next = 0;
  for (auto& [name, number] : rank) number = next++;
  for (std::size_t i = 0; i < fold.size(); ++i) fold[i] = rank.at(rows_[i].group) % kFolds;
  return fold;
}

std::vector<NaiveBayes::Scored> NaiveBayes::scores() {
  const auto earlier = [](const Row& a, const Row& b) { return a.position < b.position; };
  const auto same = [](const Row& a, const Row& b) { return a.position == b.position; };
  std::stable_sort(rows_.begin(), rows_.end(), earlier);
  rows_.erase(std::unique(rows_.begin(), rows_.end(), same), rows_.end());
  const std::vector<std::size_t> fold = folds();
  std::vector<Scored> scores;
  for (const Row& row : rows_) scores.push_back({row.position, std::numeric_limits<double>::quiet_NaN()});
  for (std::size_t held_out = 0; held_out < kFolds; ++held_out) {
    const std::optional<Weights> trained = train(fold, held_out);
    if (!trained) continue;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (fold[i] != held_out) continue;
      scores[i].score = trained->prior;
      for (const std::uint32_t word : rows_[i].words) scores[i].score += trained->of_word[word];
    }
  }
  return scores;
}

std::optional<NaiveBayes::Weights> NaiveBayes::train(const std::vector<std::size_t>& fold,
                                                     std::size_t held_out) const {
  std::size_t rows[2] = {0, 0};
  std::vector<std::uint64_t> counts[2];
  for (auto& one : counts) one.assign(words_.size(), 0);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (fold[i] == held_out) continue;
    const std::size_t side = rows_[i].label == 1 ? 1 : 0;
    ++rows[side];
    for (const std::uint32_t word : rows_[i].words) ++counts[side][word];
  }
  if (rows[0] == 0 || rows[1] == 0) return std::nullopt;

  std::vector<std::uint32_t> kept;
  for (std::uint32_t w = 0; w < words_.size(); ++w) {
    if (counts[0][w] + counts[1][w] != 0) kept.push_back(w);
  }
  if (settings_.vocabulary != 0 && kept.size() > settings_.vocabulary) {
    const auto cut = kept.begin() + static_cast<std::ptrdiff_t>(settings_.vocabulary);
    std::partial_sort(kept.begin(), cut, kept.end(), [&](std::uint32_t a, std::uint32_t b) {
      const std::uint64_t total_a = counts[0][a] + counts[1][a];
      const std::uint64_t total_b = counts[0][b] + counts[1][b];
      return total_a != total_b ? total_a > total_b : words_[a] < words_[b];
    });
    kept.erase(cut, kept.end());
  }
  double sums[2] = {0, 0};
  for (const std::uint32_t w : kept) {
    for (const std::size_t side : {0U, 1U}) sums[side] += static_cast<double>(counts[side][w]);
  }
  const double v = static_cast<double>(kept.size());
  Weights trained{std::log(static_cast<double>(rows[1]) / static_cast<double>(rows[0])), {}};
  trained.of_word.assign(words_.size(), 0.0);
  for (const std::uint32_t w : kept) {
    trained.of_word[w] = std::log((static_cast<double>(counts[1][w]) + 1) / (sums[1] + v)) -
                         std::log((static_cast<double>(counts[0][w]) + 1) / (sums[0] + v));
  }
  return trained;
}

}  // namespace assay::blind
