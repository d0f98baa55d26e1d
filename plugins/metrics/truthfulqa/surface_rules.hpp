// What can be guessed about an answer from its surface: its length and whether it holds a negation.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace assay::truthfulqa {

/// True if the text holds one of cannot, neither, never, no, nobody, none, nor, not, nothing, without, or a
/// word ending in n't; words are runs of a-z and apostrophes after lower-casing, U+2019 being an apostrophe
/// (hallucination.md 17).
bool has_negation(std::string_view text);

/// Chance that a rule which prefers the candidates of the highest `weight` (equals share) picks `best`.
double chance_of(std::span<const double> weights, std::size_t best);

}  // namespace assay::truthfulqa
