// The bag-of-words baseline of mia.md, section 4: can the texts be told apart without any model?
//
// Multinomial naive Bayes, cross-fitted over five folds, deterministic to the last bit. Thread rule: one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::blind {

/// Maximal runs of the bytes [a-z0-9] after lower-casing A-Z; everything else separates.
std::vector<std::string> words_of(std::string_view text);

struct NaiveBayesSettings {
  std::size_t vocabulary = 0;  ///< keep this many of the most frequent training words; 0: all
  bool by_group = false;       ///< fold = rank of the group's name modulo 5 instead of row modulo 5
};

/// Out-of-fold scores of labelled texts: the log-odds of class 1.
class NaiveBayes {
 public:
  static constexpr std::size_t kFolds = 5;

  explicit NaiveBayes(NaiveBayesSettings settings) : settings_(settings) {}
  /// `position` orders the rows as in the file; a position that was already added is ignored. `label` is 0
  /// or 1.
  void add(std::uint64_t position, std::string_view text, int label, std::string_view group);
  struct Scored {
    std::uint64_t position;
    double score;  ///< NaN: the training folds of this row lack a class
  };
  /// One score per row, in ascending position.
  std::vector<Scored> scores();

 private:
  struct Row {
    std::uint64_t position;
    std::vector<std::uint32_t> words;  // numbers into words_, in text order
    std::string group;
    int label;
  };
  struct Weights {
    double prior;
    std::vector<double> of_word;  // 0 outside the vocabulary
  };
  std::vector<std::size_t> folds() const;
  /// Weights from all folds but one; nothing if a class is absent there.
  std::optional<Weights> train(const std::vector<std::size_t>& fold, std::size_t held_out) const;

  NaiveBayesSettings settings_;
  std::vector<std::string> words_;
  std::vector<std::uint32_t> table_;  // open-addressing index into words_; 0 = free, else number + 1
  std::vector<Row> rows_;

  std::uint32_t number_of(std::string word);
  void grow();
};

}  // namespace assay::blind
