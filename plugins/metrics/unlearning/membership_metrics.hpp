// Membership metrics: does the model still prefer the forget set to a holdout set it never saw?
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tofu_metrics.hpp"

namespace assay::unlearning {

/// True if the item is a forget (label 0) or a holdout (label 1) item under the probe.
inline bool in_membership_test(const Record& item, std::string_view probe) {
  return item.label() >= 0 && asked_under(item, probe);
}
inline Outcome outside_membership_test() {
  return not_applicable("only forget (label 0) and holdout (label 1) items under the chosen probe enter");
}

class MiaLoss final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.mia_loss",
      .title = "Membership by loss: forget set against holdout set",
      .doc =
          "Mean loss per token of the gold answer, ranked between forget items (label 0) and holdout items "
          "(label 1); the AUC is that of locuslab/open-unlearning: 1 = forget items are far more likely, 0.5 "
          "= no difference, and the ideal is the retain reference's. muse_bench reports 1 - AUC.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN,
      .flags = ASSAY_FLAG_POOL_VARIANTS};
  static constexpr ValueInfo values[] = {{.name = "loss",
                                          .rule = Rule::kAuroc,
                                          .has_direction = false,
                                          .headline = true,
                                          .doc = "Mean loss per token of the gold answer",
                                          .unit = "nats"}};
  Param<std::string> probe{*this, "probe", "base", "Only items asked under this probe", AFFECTS_RESULT};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    if (!in_membership_test(item, probe.get())) return outside_membership_test();
    out[0] = gold_loss(item);
    return std::isnan(out[0]) ? unsupported("scored gold answer") : Outcome{};
  }
};

/// The part shared by the attacks under PrivLeak: pairs of scores, their AUCs, the ratio.
class PrivLeakBase : public Metric {
 public:
  enum Item : std::size_t { kTarget, kReference };
  static constexpr ValueInfo values[] = {
      {.name = "target", .rule = Rule::kNone, .has_direction = false, .doc = "Attack score of the model"},
      {.name = "reference", .rule = Rule::kNone, .has_direction = false, .doc = "Of the retain reference"},
      {.name = "privleak",
       .rule = Rule::kCustom,
       .has_direction = false,
       .headline = true,
       .doc = "(A - A_ref) / A_ref * 100; ideal 0, -100 = fully remembered, positive = over-unlearned",
       .unit = "percent"},
      {.name = "auc",
       .rule = Rule::kCustom,
       .has_direction = false,
       .range = {0, 1},
       .doc = "AUC of the model, 1 = forget items far more likely than holdout items (open-unlearning)"},
      {.name = "auc_reference",
       .rule = Rule::kCustom,
       .has_direction = false,
       .range = {0, 1},
       .doc = "AUC of the retain reference; above 0.95 the ratio is unstable (unstable_reference)"},
  };
  Param<Choice> variant{*this, "variant", Choice{"openunlearning"},
                        "openunlearning: 1e-10 added below the line. muse: none (muse_bench)",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"openunlearning", "muse"}}};
  Param<std::string> probe{*this, "probe", "base", "Only items asked under this probe", AFFECTS_RESULT};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    if (!in_membership_test(item, probe.get())) return outside_membership_test();
    std::string_view missing;
    out[kTarget] = attack(item, missing);
    if (std::isnan(out[kTarget])) return unsupported(missing);
    const auto reference = item.reference();
    if (reference) out[kReference] = attack(*reference, missing);
    if (std::isnan(out[kReference])) {
      return Outcome{State::kUnsupported,
                     "reference_mismatch: the retain reference has no score of this item"};
    }
    return Outcome{};
  }
  Result<void> aggregate(const Sample& sample, std::span<const std::uint32_t> picks,
                         std::span<double> out) override {
    const double target = auc_of(sample, picks, kTarget);
    const double reference = auc_of(sample, picks, kReference);
    out[0] = privleak(target, reference, variant.get() == "muse" ? 0.0 : 1e-10);
    out[1] = target;
    out[2] = reference;
    return {};
  }

 protected:
  /// Loss-like score of one record; NaN with the name of what is missing.
  virtual double attack(const Record& item, std::string_view& missing) const = 0;

 private:
  double auc_of(const Sample& sample, std::span<const std::uint32_t> picks, std::size_t value) {
    scored_.clear();
    for (const std::uint32_t i : picks) {
      // An item counts for both models or for neither.
      if (std::isnan(sample.value(i, kTarget)) || std::isnan(sample.value(i, kReference))) continue;
      scored_.emplace_back(sample.value(i, value), sample.label(i) == 1);
    }
    return auc(scored_);
  }
  std::vector<std::pair<double, bool>> scored_;
};

class PrivLeak final : public PrivLeakBase {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.privleak",
      .title = "PrivLeak by loss: membership AUC relative to the retain reference",
      .doc =
          "A = 1 - AUC of the loss between forget and holdout items, A_ref that of a model never trained on "
          "the forget set; PrivLeak = (A - A_ref) / A_ref * 100 (Shi et al. 2024, MUSE). 0 = like the "
          "reference. Forget quality and PrivLeak may disagree: show both.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN,
      .flags = ASSAY_FLAG_POOL_VARIANTS | ASSAY_FLAG_NEEDS_REFERENCE};

 protected:
  double attack(const Record& item, std::string_view& missing) const override {
    missing = "scored gold answer";
    return gold_loss(item);
  }
};

class PrivLeakMinK final : public PrivLeakBase {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.privleak_mink",
      .title = "PrivLeak by Min-K%: membership AUC relative to the retain reference",
      .doc =
          "As unlearning.privleak, with minus the mean of the lowest k of the answer's token "
          "log-probabilities as score (MUSE: k = 0.4). The last label position, the end of text, does not "
          "count.",
      .requires_caps = ASSAY_CAP_LOGPROB,
      .flags = ASSAY_FLAG_POOL_VARIANTS | ASSAY_FLAG_NEEDS_REFERENCE};
  Param<double> k{*this, "k", 0.4, "Share of the least probable tokens that is kept",
                  ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 1}};
  Param<Choice> positions{*this, "positions", Choice{"drop_last"},
                          "drop_last: all label positions but the last. all: every label position",
                          ParamOptions{.flags = AFFECTS_RESULT, .choices = {"drop_last", "all"}}};

 protected:
  double attack(const Record& item, std::string_view& missing) const override {
    const auto gold = item.find("gold");
    missing = "token log-probabilities";
    if (!gold || !gold->ok()) return kMissing;
    std::span<const double> logprobs = gold->tokens().logprob();
    if (!logprobs.empty() && positions.get() == "drop_last") logprobs = logprobs.first(logprobs.size() - 1);
    for (const double value : logprobs) {
      if (std::isnan(value)) return kMissing;
    }
    missing = "tokens enough for this k (too_short)";
    return min_k_loss(logprobs, k, variant.get() != "muse");
  }
};

}  // namespace assay::unlearning
