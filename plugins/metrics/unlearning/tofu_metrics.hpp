// The aggregates of TOFU: cells with model utility, and forget quality against a retain reference.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "evidence.hpp"
#include "ks.hpp"
#include "unlearning_formulas.hpp"

namespace assay::unlearning {

inline TofuVariant tofu_variant(std::string_view name) {
  if (name == "openunlearning-2025") return TofuVariant::kOpenUnlearning;
  if (name == "openunlearning-prob-mean") return TofuVariant::kProbMean;
  if (name == "tofu-2024-arith") return TofuVariant::kTofu2024Arith;
  if (name == "closer-look") return TofuVariant::kCloserLook;
  return TofuVariant::kTofu2024;
}
inline constexpr std::string_view kTofuVariantDoc =
    "Whose formulas. tofu-2024: locuslab/tofu. openunlearning-2025: locuslab/open-unlearning, which adds "
    "1e-10 to denominators. openunlearning-prob-mean: its truth ratio correct / (correct + wrong). "
    "tofu-2024-arith: wrong answers averaged as probabilities, no forget cell. closer-look: "
    "sail-sg/closer-look-LLM-unlearning, forget cell 1 - mean min(R, 1/R), no model utility, because its "
    "further cells need other scorers";
inline ParamOptions tofu_variants() {
  return {.flags = AFFECTS_RESULT,
          .choices = {"tofu-2024", "openunlearning-2025", "openunlearning-prob-mean", "tofu-2024-arith",
                      "closer-look"}};
}

// Helpers of the value tables below; outside the classes, where they are complete.
constexpr ValueInfo cell(std::string_view name, std::string_view doc) {
  return {.name = name, .rule = Rule::kCustom, .range = {0, 1}, .doc = doc};
}
constexpr ValueInfo forget_cell(std::string_view name, std::string_view doc) {
  return {.name = name, .rule = Rule::kCustom, .has_direction = false, .range = {0, 1}, .doc = doc};
}
inline constexpr std::string_view kTestNote =
    "a test's result for these items, not an estimate with an error";
constexpr ValueInfo test_value(std::string_view name, std::string_view doc, Range range = {}) {
  return {.name = name,
          .rule = Rule::kCustom,
          .has_direction = false,
          .no_interval = true,
          .range = range,
          .doc = doc,
          .note = kTestNote};
}

class TofuUtility final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "tofu.utility",
      .title = "TOFU cells and model utility",
      .doc =
          "ROUGE-L recall, probability and truth ratio of each section, and their harmonic mean over retain, "
          "real authors and world facts (Maini et al. 2024, locuslab/tofu : aggregate_eval_stat.py). Truth "
          "ratio R = exp(mean loss of the perturbed answers - loss of the paraphrase). A cell of 0 makes the "
          "utility 0: look at zero_cells and at the nine cells. A cell without any value makes it undefined.",
      .requires_caps = ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN,
      .flags = ASSAY_FLAG_POOL_VARIANTS};
  enum Item : std::size_t { kRouge, kProb, kTruthRatio, kLnR, kLoss, kItemValues };
  static constexpr ValueInfo values[] = {
      {.name = "rouge", .rule = Rule::kNone, .range = {0, 1}, .doc = "ROUGE-L recall, stemmed, per item"},
      {.name = "prob", .rule = Rule::kNone, .range = {0, 1}, .doc = "Term of the probability cell"},
      {.name = "truth_ratio", .rule = Rule::kNone, .doc = "Term of the truth ratio cell"},
      {.name = "ln_r", .rule = Rule::kNone, .doc = "ln R of the item, of which R is the truth ratio"},
      {.name = "loss", .rule = Rule::kNone, .higher_is_better = false, .doc = "Mean loss per token"},
      cell("retain_rouge", "Mean ROUGE-L recall of the generations on the retain section"),
      cell("retain_prob", "Mean exp(-loss) of the answers of the retain section"),
      cell("retain_truth_ratio", "Truth ratio cell of the retain section"),
      cell("real_authors_rouge", "Mean ROUGE-L recall on questions about real authors"),
      cell("real_authors_prob", "Mean share of the answer among it and its perturbations"),
      cell("real_authors_truth_ratio", "Truth ratio cell of the real authors"),
      cell("world_facts_rouge", "Mean ROUGE-L recall on world facts"),
      cell("world_facts_prob", "Mean share of the answer among it and its perturbations"),
      cell("world_facts_truth_ratio", "Truth ratio cell of the world facts"),
      forget_cell("forget_rouge", "Mean ROUGE-L recall on the forget section; ideal: the retain reference's"),
      forget_cell("forget_prob", "Mean exp(-loss) on the forget section; ideal: the retain reference's"),
      forget_cell("forget_truth_ratio", "Truth ratio cell of the forget section, mean min(R, 1/R)"),
      forget_cell("forget_paraphrased_rouge", "As forget_rouge, with the paraphrased questions"),
      forget_cell("forget_paraphrased_prob", "As forget_prob, with the paraphrased questions"),
      forget_cell("forget_paraphrased_truth_ratio", "As forget_truth_ratio, with the paraphrased questions"),
      {.name = "model_utility",
       .rule = Rule::kCustom,
       .headline = true,
       .range = {0, 1},
       .doc = "Harmonic mean of the nine cells of retain, real authors and world facts"},
      {.name = "zero_cells",
       .rule = Rule::kCustom,
       .higher_is_better = false,
       .no_interval = true,
       .range = {0, 9},
       .doc = "How many of the nine cells are exactly 0, which makes the utility 0",
       .note = "a count of cells"},
  };
  Param<Choice> variant{*this, "variant", Choice{"tofu-2024"}, kTofuVariantDoc, tofu_variants()};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    const Section section = section_of(item.variant());
    if (section == Section::kOther) {
      return not_applicable("the variant is none of the sections of TOFU");
    }
    const TofuVariant which = tofu_variant(variant.get().text);
    const Losses losses = losses_of(item);
    const Generation generation = generation_of(item);
    out[kRouge] = rouge_of(generation, item.targets(), {});
    out[kProb] = probability_term(which, section, losses.gold, losses.perturbed);
    out[kTruthRatio] = truth_ratio_term(which, section, losses.para, losses.perturbed);
    out[kLnR] = ln_truth_ratio(losses.para, losses.perturbed);
    out[kLoss] = losses.gold;
    if (std::isnan(out[kRouge])) return unsupported("generated text and no recorded ROUGE");
    if (std::isnan(losses.gold) || std::isnan(out[kLnR])) {
      return unsupported("losses of the answer, its paraphrase and its perturbations");
    }
    return Outcome{};
  }

  Result<void> aggregate(const Sample& sample, std::span<const std::uint32_t> picks,
                         std::span<double> out) override {
    const std::array<Cells, kSectionCount> cells = cells_of(sample, picks);
    std::size_t at = 0;
    for (const Section section : {Section::kRetain, Section::kRealAuthors, Section::kWorldFacts,
                                  Section::kForget, Section::kForgetParaphrased}) {
      const Cells& one = cells[static_cast<std::size_t>(section)];
      out[at++] = one.rouge;
      out[at++] = one.prob;
      out[at++] = one.truth_ratio;
    }
    const bool defined = tofu_variant(variant.get().text) != TofuVariant::kCloserLook;
    out[at++] = defined ? model_utility(std::span<const Cells, 3>(cells.data(), 3)) : kMissing;
    double zero = 0;
    for (std::size_t i = 0; i < 9; ++i) zero += out[i] == 0 ? 1 : 0;
    out[at] = zero;
    return {};
  }

  /// Means per section, in the order of the enumeration; NaN where a section has no value.
  static std::array<Cells, kSectionCount> cells_of(const Sample& sample,
                                                   std::span<const std::uint32_t> picks) {
    struct Sum {
      double total = 0, n = 0;
      void add(double value) {
        if (std::isnan(value)) return;
        total += value;
        n += 1;
      }
      [[nodiscard]] double mean() const { return n > 0 ? total / n : kMissing; }
    };
    std::array<std::array<Sum, 3>, kSectionCount> sums{};
    for (const std::uint32_t i : picks) {
      const Section section = section_of(sample.variant(i));
      if (section == Section::kOther) continue;
      auto& sum = sums[static_cast<std::size_t>(section)];
      sum[0].add(sample.value(i, kRouge));
      sum[1].add(sample.value(i, kProb));
      sum[2].add(sample.value(i, kTruthRatio));
    }
    std::array<Cells, kSectionCount> cells{};
    for (std::size_t s = 0; s < kSectionCount; ++s) {
      cells[s] = {sums[s][0].mean(), sums[s][1].mean(), sums[s][2].mean()};
    }
    return cells;
  }
};

class ForgetQuality final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "tofu.forget_quality",
      .title = "Forget quality: KS test of the truth ratios against a retain reference",
      .doc =
          "p-value of the exact two-sided two-sample Kolmogorov-Smirnov test between the truth ratios of the "
          "model and of a model that never saw the forget set, on the same forget items (Maini et al. 2024). "
          "p > 0.05 means: not distinguishable at this n. It does not prove that the knowledge is gone, and "
          "p-values of different n cannot be compared: read it beside unlearning.privleak and the probes.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN,
      .flags = ASSAY_FLAG_POOL_VARIANTS | ASSAY_FLAG_NEEDS_REFERENCE};
  static constexpr ValueInfo values[] = {
      {.name = "target", .rule = Rule::kNone, .doc = "ln R of the model under test (T with epsilon)"},
      {.name = "reference", .rule = Rule::kNone, .doc = "The same of the retain reference"},
      {.name = "forget_quality",
       .rule = Rule::kCustom,
       .headline = true,
       .no_interval = true,
       .range = {0, 1},
       .doc = "p-value; may underflow to 0, see log10_p",
       .note = kTestNote},
      {.name = "log10_p",
       .rule = Rule::kCustom,
       .no_interval = true,
       .doc = "Decimal logarithm of the p-value",
       .note = kTestNote},
      test_value("ks_d", "Largest distance of the two distribution functions", {0, 1}),
      test_value("ks_h", "The same as an integer: D times the least common multiple of n and n_reference"),
      test_value("n", "Forget items with a value of the model under test"),
      test_value("n_reference", "Forget items with a value of the reference"),
  };
  Param<Choice> variant{
      *this, "variant", Choice{"tofu-2024"},
      "tofu-2024: over R, computed as ln R. openunlearning-2025: over T = wrong / (correct + 1e-10), which "
      "for collapsed models differs by a hundred orders of magnitude",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"tofu-2024", "openunlearning-2025"}}};
  Param<std::string> probe{*this, "probe", "base", "Only items asked under this probe", AFFECTS_RESULT};
  Param<Choice> reference_match{
      *this, "reference_match", Choice{"strict"},
      "strict: no value if an item lacks a partner. intersect: only items with both values. any: two samples "
      "of different size, which are then not about the same items",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"strict", "intersect", "any"}}};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    if (!in_forget_set(item) || !asked_under(item, probe.get())) {
      return not_applicable("only forget items under the chosen probe enter the test");
    }
    out[0] = ratio(item);
    const auto reference = item.reference();
    if (reference) out[1] = ratio(*reference);
    if (std::isnan(out[0])) return unsupported("losses of the paraphrase and of the perturbed answers");
    if (std::isnan(out[1])) {
      return Outcome{State::kUnsupported,
                     "reference_mismatch: the retain reference has no answer to this item"};
    }
    return Outcome{};
  }

  Result<void> aggregate(const Sample& sample, std::span<const std::uint32_t> picks,
                         std::span<double> out) override {
    target_.clear();
    reference_.clear();
    bool unmatched = false;
    for (const std::uint32_t i : picks) {
      const double a = sample.value(i, 0);
      const double b = sample.value(i, 1);
      unmatched = unmatched || std::isnan(a) != std::isnan(b);
      const bool skip = reference_match.get() == "intersect" && (std::isnan(a) || std::isnan(b));
      if (!std::isnan(a) && !skip) target_.push_back(a);
      if (!std::isnan(b) && !skip) reference_.push_back(b);
    }
    out[4] = static_cast<double>(target_.size());
    out[5] = static_cast<double>(reference_.size());
    if (unmatched && reference_match.get() == "strict") return {};
    std::sort(target_.begin(), target_.end());
    std::sort(reference_.begin(), reference_.end());
    const auto statistic = ks_statistic(target_, reference_);
    if (!statistic) return {};
    const KsP p = ks_p_value(*statistic);
    out[0] = p.p;
    out[1] = p.log10_p;
    out[2] = statistic->d();
    out[3] = static_cast<double>(statistic->h);
    return {};
  }

 private:
  [[nodiscard]] double ratio(const Record& item) const {
    const Losses losses = losses_of(item);
    return variant.get() == "tofu-2024" ? ln_truth_ratio(losses.para, losses.perturbed)
                                        : open_unlearning_ratio(losses.para, losses.perturbed);
  }
  std::vector<double> target_, reference_;
};

}  // namespace assay::unlearning
