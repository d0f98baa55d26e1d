#include "assay/text/ngram_words.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "assay/text/utf8.hpp"

namespace assay::text {

std::vector<std::string> word_tokens(std::string_view text, WordTokens variant) {
  std::vector<std::string> out;
  const std::string low = lower(text);
  if (variant == WordTokens::kWhiteSpace) {
    for (const std::string_view piece : split_white_space(low)) out.emplace_back(piece);
    return out;
  }
  std::string run;
  const auto finish = [&] {
    if (!run.empty()) out.push_back(std::move(run));
    run.clear();
  };
  for_each_code_point(low, [&](char32_t c, std::string_view bytes, bool) {
    if (is_letter(c) || is_number(c)) {
      run.append(bytes);
      return;
    }
    finish();
    if (!is_white_space(c)) out.emplace_back(bytes);
  });
  finish();
  return out;
}

WordNgramModel::WordNgramModel(std::size_t n, WordTokens variant, double pseudo_count)
    : n_(std::max<std::size_t>(n, 1)), variant_(variant), pseudo_count_(pseudo_count) {}

std::vector<WordNgramModel::Ngram> WordNgramModel::ngrams(std::string_view sentence) const {
  // The start symbol is the empty string, which no tokeniser produces.
  std::vector<std::string> tokens(n_ - 1);
  for (std::string& t : word_tokens(sentence, variant_)) tokens.push_back(std::move(t));
  std::vector<Ngram> out;
  for (auto it = tokens.begin(); tokens.end() - it >= static_cast<std::ptrdiff_t>(n_); ++it) {
    out.emplace_back(it, it + static_cast<std::ptrdiff_t>(n_));
  }
  return out;
}

void WordNgramModel::add_sentence(std::string_view sentence) {
  for (Ngram& gram : ngrams(sentence)) {
    ++counts_[std::move(gram)];
    ++total_;
  }
}

double WordNgramModel::log_probability(const Ngram& ngram) const {
  const auto found = counts_.find(ngram);
  const double count = found == counts_.end() ? 0.0 : static_cast<double>(found->second);
  const double numerator = count + pseudo_count_;
  const double denominator =
      static_cast<double>(total_) + pseudo_count_ * static_cast<double>(counts_.size() + 1);
  if (numerator <= 0.0) return -std::numeric_limits<double>::infinity();
  return std::log(numerator / denominator);
}

NgramScores WordNgramModel::score(std::span<const std::string> sentences) const {
  NgramScores out;
  double doc_sum = 0.0;
  double max_sum = 0.0;
  std::size_t tokens = 0;
  std::size_t scored = 0;
  for (const std::string& sentence : sentences) {
    const auto grams = ngrams(sentence);
    if (grams.empty()) {
      out.sentence_avg.emplace_back();
      out.sentence_max.emplace_back();
      continue;
    }
    double sum = 0.0;
    double largest = -std::numeric_limits<double>::infinity();
    for (const Ngram& gram : grams) {
      const double surprise = -log_probability(gram);
      sum += surprise;
      largest = std::max(largest, surprise);
    }
    out.sentence_avg.emplace_back(sum / static_cast<double>(grams.size()));
    out.sentence_max.emplace_back(largest);
    doc_sum += sum;
    max_sum += largest;
    tokens += grams.size();
    ++scored;
  }
  if (scored > 0) {
    out.doc_avg = doc_sum / static_cast<double>(tokens);
    out.doc_avg_max = max_sum / static_cast<double>(scored);
  }
  return out;
}

}  // namespace assay::text
