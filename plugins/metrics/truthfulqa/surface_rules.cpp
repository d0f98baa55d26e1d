#include "plugins/metrics/truthfulqa/surface_rules.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "assay/text/utf8.hpp"

namespace assay::truthfulqa {
namespace {

constexpr std::array<std::string_view, 10> kNegations = {"cannot", "neither", "never", "no",      "nobody",
                                                         "none",   "nor",     "not",   "nothing", "without"};

bool is_negation(std::string_view word) {
  return word.ends_with("n't") || std::find(kNegations.begin(), kNegations.end(), word) != kNegations.end();
}

}  // namespace

bool has_negation(std::string_view text) {
  const std::string lower = text::replace_all(text::lower(text), "\xE2\x80\x99", "'");
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= lower.size(); ++i) {
    const bool inside = i < lower.size() && ((lower[i] >= 'a' && lower[i] <= 'z') || lower[i] == '\'');
    if (inside) continue;
    if (is_negation(std::string_view(lower).substr(begin, i - begin))) return true;
    begin = i + 1;
  }
  return false;
}

double chance_of(std::span<const double> weights, std::size_t best) {
  const double top = *std::max_element(weights.begin(), weights.end());
  if (weights[best] < top) return 0.0;
  return 1.0 / static_cast<double>(std::count(weights.begin(), weights.end(), top));
}

}  // namespace assay::truthfulqa
