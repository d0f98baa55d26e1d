// Formulas of unlearning evaluation, free of the plugin interface: truth ratios, TOFU cells and model
// utility, exact memorisation, extraction strength, membership AUC and PrivLeak.
//
// Losses are mean negative natural-log probabilities per token (end-of-text included), so higher means less
// likely. NaN stands for a missing value throughout: it never enters a mean and never becomes 0. Sources:
// locuslab/tofu : aggregate_eval_stat.py; locuslab/open-unlearning : src/evals/metrics; the variants are
// those of unlearning.md section 5.2. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::unlearning {

/// Implementations of the TOFU cells that differ in the literature. Never mix their values.
enum class TofuVariant : std::uint8_t {
  kTofu2024,        ///< locuslab/tofu
  kOpenUnlearning,  ///< locuslab/open-unlearning: 1e-10 added to denominators
  kProbMean,        ///< open-unlearning, truth ratio as correct / (correct + wrong)
  kTofu2024Arith,   ///< wrong = arithmetic mean of the probabilities of the perturbed answers
  kCloserLook,      ///< sail-sg/closer-look-LLM-unlearning: forget cell as 1 - mean min(R, 1/R)
};

/// Sections of a TOFU evaluation, named as the item variants of the task `assay.tofu`.
enum class Section : std::uint8_t { kRetain, kRealAuthors, kWorldFacts, kForget, kForgetParaphrased, kOther };
inline constexpr std::size_t kSectionCount = 5;
Section section_of(std::string_view variant);
inline bool is_forget(Section section) {
  return section == Section::kForget || section == Section::kForgetParaphrased;
}

/// ln R = mean over j of loss(perturbed j) - loss(paraphrase). NaN without perturbed answers.
double ln_truth_ratio(double para_loss, std::span<const double> perturbed_losses);
/// T = wrong / (correct + 1e-10), wrong = exp(-mean of the perturbed losses), correct = exp(-para_loss).
double open_unlearning_ratio(double para_loss, std::span<const double> perturbed_losses);

/// Contribution of one item to the truth-ratio cell of its section; NaN where the variant defines none.
double truth_ratio_term(TofuVariant variant, Section section, double para_loss,
                        std::span<const double> perturbed_losses);
/// Contribution of one item to the probability cell: exp(-loss) for retain and forget, else the answer's
/// share p / (p + sum of the perturbed answers' probabilities).
double probability_term(TofuVariant variant, Section section, double loss,
                        std::span<const double> perturbed_losses);

/// The three cells of one section.
struct Cells {
  double rouge = 0, prob = 0, truth_ratio = 0;  ///< NaN: no item had a value
};

/// Harmonic mean: 0 if a value is 0; NaN if the list is empty or holds a NaN or a negative value.
double harmonic_mean(std::span<const double> values);

/// Model utility: harmonic mean of the nine cells of retain, real authors and world facts (in this order).
double model_utility(std::span<const Cells, 3> sections);

/// Teacher-forced agreement with the greedy choice: one flag per position, 1 = the argmax is the label.
struct Memorisation {
  double exact = 0;              ///< share of positions that match; NaN without positions
  double extraction = 0;         ///< 1 - k/L, k = shortest prefix after which every position matches;
                                 ///< at least 1/L, 0 without positions (locuslab/open-unlearning)
  double extraction_strict = 0;  ///< the same, but 0 if the last position is wrong; NaN without positions
};
Memorisation memorisation(std::span<const unsigned char> matches);

/// Mean of the lowest max(1, floor(k * N)) log-probabilities, negated (loss-like); `at_least_one` = false is
/// the MUSE rule, which gives NaN where floor(k * N) = 0. NaN without tokens.
double min_k_loss(std::span<const double> logprobs, double k, bool at_least_one);

/// P(score of class 1 > score of class 0), ties counting one half; NaN if a class is empty. The pairs
/// (score, is class 1) are sorted in place.
double auc(std::vector<std::pair<double, bool>>& scored);

/// PrivLeak in percent from AUCs in the open-unlearning orientation (class 1 = holdout, loss-like scores):
/// A = 1 - auc, (A - A_ref) / (A_ref + epsilon) * 100. muse_bench: epsilon = 0; open-unlearning: 1e-10.
double privleak(double auc_ou, double auc_ou_reference, double epsilon);

}  // namespace assay::unlearning
