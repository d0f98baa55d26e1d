#include "answer_formulas.hpp"

#include <algorithm>

#include "assay/text/normalise.hpp"
#include "assay/text/utf8.hpp"

namespace assay::generic {

std::string normalise(std::string_view text, Normaliser normaliser, bool fold_case) {
  if (normaliser == Normaliser::kSquad) return text::normalise_squad(text);
  const std::string_view kept = normaliser == Normaliser::kStrip ? text::trim(text) : text;
  return fold_case ? text::lower(kept) : std::string(kept);
}

double choice_value(std::span<const double> scores, std::span<const std::uint8_t> truths, Ties ties) {
  const double best = *std::max_element(scores.begin(), scores.end());
  std::size_t tied = 0;
  std::size_t true_ones = 0;
  std::size_t first = scores.size();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] != best) continue;
    if (tied++ == 0) first = i;
    if (truths[i] != 0) ++true_ones;
  }
  if (tied == 1 || ties == Ties::kFirst) return truths[first] != 0 ? 1 : 0;
  return ties == Ties::kWrong ? 0 : static_cast<double>(true_ones) / static_cast<double>(tied);
}

}  // namespace assay::generic
