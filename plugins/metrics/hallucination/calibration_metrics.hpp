// Calibration of the confidence with which a candidate is chosen.
#pragma once

#include <algorithm>

#include "plugins/metrics/hallucination/calibration.hpp"
#include "plugins/metrics/hallucination/records.hpp"
#include "plugins/metrics/hallucination/uncertainty.hpp"

namespace assay::hallucination {

class ChoiceCalibration final : public Metric {
 public:
  static constexpr MetricInfo info = {
      .id = "calibration.choices",
      .title = "Calibration of the choice among candidates",
      .doc =
          "Confidence: largest candidate probability, renormalised over the candidates; correct: the true "
          "candidate alone has "
          "it. Expected calibration error over all variants together; the bin rule is part of the name.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN,
      .flags = ASSAY_FLAG_POOL_VARIANTS};
  static constexpr ValueInfo values[] = {
      {.name = "confidence", .has_direction = false, .range = {0, 1}, .doc = "largest candidate probability"},
      {.name = "correct",
       .rule = Rule::kProportion,
       .range = {0, 1},
       .doc = "the true candidate alone has the highest score"},
      {.name = "brier", .higher_is_better = false, .range = {0, 1}, .doc = "(confidence - correct)^2"},
      {.name = "ece",
       .rule = Rule::kCustom,
       .higher_is_better = false,
       .headline = true,
       .range = {0, 1},
       .doc = "sum over bins of their share times |mean correct - mean confidence|"},
      {.name = "mce",
       .rule = Rule::kCustom,
       .higher_is_better = false,
       .range = {0, 1},
       .doc = "largest |mean correct - mean confidence| of a bin"}};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    read_choices(item, prefix_.get(), choices_);
    if (choices_.outcome.state != State::kOk) return choices_.outcome;
    candidate_probabilities(choices_.scores, p_);
    out[0] = *std::max_element(p_.begin(), p_.end());
    const auto chosen = choices_.chosen();
    out[1] = chosen && *chosen == choices_.gold ? 1 : 0;
    out[2] = (out[0] - out[1]) * (out[0] - out[1]);
    return Outcome{};
  }
  Result<void> aggregate(const Sample& sample, std::span<const std::uint32_t> picks,
                         std::span<double> out) override {
    confidence_.clear(), correct_.clear();
    for (const std::uint32_t i : picks) {
      if (std::isnan(sample.value(i, 0)) || std::isnan(sample.value(i, 1))) continue;
      confidence_.push_back(sample.value(i, 0));
      correct_.push_back(sample.value(i, 1));
    }
    out[0] = ece(confidence_, correct_, bins());
    out[1] = mce(confidence_, correct_, bins());
    return {};
  }

 private:
  [[nodiscard]] Bins bins() const {
    const std::string& name = variant_.get().text;
    return name == "ece_w10"        ? Bins::kW10
           : name == "ece_w20"      ? Bins::kW20
           : name == "ece_w10_left" ? Bins::kW10Left
           : name == "ece_m10"      ? Bins::kM10
                                    : Bins::kW15;
  }
  Param<Choice> variant_{
      *this, "variant", Choice{"ece_w15"},
      "bins: ece_w10, ece_w15, ece_w20 of equal width, closed on the right; ece_w10_left closed on the left; "
      "ece_m10 ten groups of equal size",
      ParamOptions{.flags = AFFECTS_RESULT,
                   .choices = {"ece_w10", "ece_w15", "ece_w20", "ece_w10_left", "ece_m10"}}};
  Param<std::string> prefix_{
      *this, "prefix", std::string("choice/"),
      "beginning of the names of the requests that are candidates (mc1/ for TruthfulQA)", AFFECTS_RESULT};
  Choices choices_;
  std::vector<double> p_, confidence_, correct_;
};

}  // namespace assay::hallucination
