// BLEU of one hypothesis against one reference as in hallucination.md 5.5.
//
// Rules: Papineni et al. (ACL 2002); tokeniser `intl`, smoothing `exp` and no effective order as in
// mjpost/sacrebleu. Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace assay::text {

/// Tokens of the tokeniser `intl`: punctuation (P*) is split off unless a number (N*) stands on that side,
/// symbols (S*) are split off always.
std::vector<std::string> bleu_intl_tokens(std::string_view text);

/// BLEU with n = 1..4 in [0, 100]; 0 if no n-gram matches or the hypothesis has fewer than 4 tokens.
double bleu_intl_exp(std::string_view hypothesis, std::string_view reference);

}  // namespace assay::text
