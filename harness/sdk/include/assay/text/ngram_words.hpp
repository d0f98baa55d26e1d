// The n-gram model of SelfCheck (hallucination.md 11; potsawee/selfcheckgpt : modeling_ngram.py).
//
// Thread rule: build in one thread; const functions may then be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::text {

/// Token variants of the SelfCheck n-gram score.
enum class WordTokens : std::uint8_t {
  kWhiteSpace,  ///< lower-cased pieces between white space
  kSimple,      ///< lower-cased; runs of letters and numbers, every other visible character alone
};
std::vector<std::string> word_tokens(std::string_view text, WordTokens variant);

/// Scores in nats; +infinity where an n-gram was never seen.
struct NgramScores {
  std::vector<std::optional<double>> sentence_avg;  ///< -mean log p; no value for a sentence without tokens
  std::vector<std::optional<double>> sentence_max;  ///< -min log p
  std::optional<double> doc_avg;                    ///< -mean log p over all tokens
  std::optional<double> doc_avg_max;                ///< mean of the sentence maxima
};

/// Counts n-grams of sentences, each left-padded with n-1 start symbols so that every token has one n-gram.
/// p = (count + k) / (total + k * (distinct + 1)): the joint share, not a conditional probability.
class WordNgramModel {
 public:
  /// `n` below 1 counts as 1; `pseudo_count` k >= 0.
  WordNgramModel(std::size_t n, WordTokens variant, double pseudo_count = 0.0);
  /// Counts one sentence of the main passage or of a sample.
  void add_sentence(std::string_view sentence);
  NgramScores score(std::span<const std::string> sentences) const;

 private:
  using Ngram = std::vector<std::string>;
  std::vector<Ngram> ngrams(std::string_view sentence) const;
  double log_probability(const Ngram& ngram) const;

  std::size_t n_;
  WordTokens variant_;
  double pseudo_count_;
  std::map<Ngram, std::size_t> counts_;
  std::size_t total_ = 0;
};

}  // namespace assay::text
