// `pope.score`: accuracy, F1, precision, recall and yes ratio of yes/no answers; `blind.always_yes`.
#pragma once

#include "assay/sdk/metric.hpp"
#include "assay/text/parsers.hpp"
#include "assay/text/refusal.hpp"
#include "plugins/metrics/pope/confusion.hpp"

namespace assay::pope {
// Per-item values, then custom ones.
enum Value : std::size_t { kAccuracy, kPredicted };
enum Custom : std::size_t { kF1, kPrecision, kRecall, kYesRatio, kUnknownCount };

inline constexpr ValueInfo kAccuracyInfo = {
    .name = "accuracy", .rule = Rule::kProportion, .range = {0, 1}, .doc = "(TP + TN) / n"};
inline constexpr ValueInfo kPredictedInfo = {.name = "predicted",
                                             .rule = Rule::kNone,
                                             .has_direction = false,
                                             .range = {0, 2},
                                             .doc = "what the answer says: 0 no, 1 yes, 2 unknown"};
inline constexpr ValueInfo kF1Info = {.name = "f1",
                                      .rule = Rule::kCustom,
                                      .headline = true,
                                      .range = {0, 1},
                                      .doc = "2 precision recall / (precision + recall), positive class yes"};
inline constexpr ValueInfo kPrecisionInfo = {.name = "precision",
                                             .rule = Rule::kCustom,
                                             .range = {0, 1},
                                             .doc = "TP / (TP + FP); undefined if nothing was answered yes"};
inline constexpr ValueInfo kRecallInfo = {
    .name = "recall", .rule = Rule::kCustom, .range = {0, 1}, .doc = "TP / (TP + FN)"};
inline constexpr ValueInfo kYesRatioInfo = {.name = "yes_ratio",
                                            .rule = Rule::kCustom,
                                            .has_direction = false,
                                            .range = {0, 1},
                                            .doc = "share of questions answered yes"};

/// Aggregates of both metrics: counts over the resample.
class OverAnswers : public Metric {
 public:
  Result<void> aggregate(const Sample& sample, std::span<const std::uint32_t> picks,
                         std::span<double> out) override {
    Confusion counts;
    for (const std::uint32_t i : picks) {
      const double said = sample.value(i, kPredicted);
      if (std::isnan(said) || sample.label(i) < 0) continue;
      counts.add(sample.label(i) == 1, said == 1.0   ? Answer::kYes
                                       : said == 0.0 ? Answer::kNo
                                                     : Answer::kUnknown);
    }
    if (counts.tp + counts.fp + counts.tn + counts.fn + counts.unknown() == 0) return {};  // nothing answered
    const Figures f = figures(counts, treatment());
    out[kF1] = f.f1;
    out[kPrecision] = f.precision;
    out[kRecall] = f.recall;
    out[kYesRatio] = f.yes_ratio;
    if (out.size() > kUnknownCount) out[kUnknownCount] = static_cast<double>(counts.unknown());
    return {};
  }

 protected:
  [[nodiscard]] virtual Treatment treatment() const { return Treatment::kAsWrong; }

  void write(bool gold_yes, Answer answer, std::span<double> out) const {
    out[kPredicted] = answer == Answer::kYes ? 1 : answer == Answer::kNo ? 0 : 2;
    if (answer == Answer::kUnknown) {
      if (treatment() == Treatment::kExcluded) return;
      if (treatment() == Treatment::kAsWrong) {
        out[kAccuracy] = 0;
        return;
      }
      answer = treatment() == Treatment::kAsYes ? Answer::kYes : Answer::kNo;
    }
    out[kAccuracy] = (answer == Answer::kYes) == gold_yes ? 1 : 0;
  }
};

inline Answer from(text::YesNo parsed) {
  return parsed == text::YesNo::kYes  ? Answer::kYes
         : parsed == text::YesNo::kNo ? Answer::kNo
                                      : Answer::kUnknown;
}

class Score final : public OverAnswers {
 public:
  static constexpr MetricInfo info = {.id = "pope.score",
                                      .title = "POPE: F1 and accuracy of yes/no answers",
                                      .doc =
                                          "Parses the answer to yes or no and compares it with the label "
                                          "(RUCAIBox/POPE). An empty answer is parsed "
                                          "too: yes for first_sentence and opera, unknown for three_way. "
                                          "Always name the split beside a figure.",
                                      .requires_caps = ASSAY_CAP_GENERATE};
  static constexpr ValueInfo values[] = {kAccuracyInfo,
                                         kPredictedInfo,
                                         kF1Info,
                                         kPrecisionInfo,
                                         kRecallInfo,
                                         kYesRatioInfo,
                                         {.name = "n_unknown",
                                          .rule = Rule::kCustom,
                                          .higher_is_better = false,
                                          .doc = "answers that say neither yes nor no (three_way only)",
                                          .unit = "answers"}};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    if (item.label() < 0) return Outcome{State::kUnsupported, "the item has no label yes or no"};
    const auto answer = item.first(ASSAY_REQUEST_GENERATE);
    if (!answer || answer->samples() == 0) return Outcome{State::kUnsupported, "there is no answer text"};
    const std::string_view said = answer->text();
    const Answer parsed = from(variant_.get() == "first_sentence" ? text::parse_pope_first_sentence(said)
                               : variant_.get() == "opera"        ? text::parse_pope_opera(said)
                                                                  : text::parse_pope_three_way(said));
    write(item.label() == 1, parsed, out);
    Outcome outcome;
    outcome.note = parsed == Answer::kYes ? "yes" : parsed == Answer::kNo ? "no" : "unknown";
    if (text::is_empty_output(said)) outcome.note += " (empty answer)";
    return outcome;
  }

 protected:
  [[nodiscard]] Treatment treatment() const override {
    const Choice& name = treatment_.get();
    return name.text == "unknown_as_yes"     ? Treatment::kAsYes
           : name.text == "unknown_as_no"    ? Treatment::kAsNo
           : name.text == "unknown_excluded" ? Treatment::kExcluded
                                             : Treatment::kAsWrong;
  }

 private:
  Param<Choice> variant_{
      *this, "variant", Choice{"first_sentence"},
      "parser. first_sentence: no if a word before the first full stop is No, not or no, else yes "
      "(RUCAIBox/POPE); opera: no if a word is NO, No, not, no or ends with n't, else yes "
      "(shikiw/OPERA); three_way: also knows unknown",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"first_sentence", "opera", "three_way"}}};
  Param<Choice> treatment_{
      *this, "treatment", Choice{"unknown_as_wrong"},
      "what an unknown answer counts as (three_way only). unknown_as_wrong: in the denominator of accuracy, "
      "a missed one "
      "on a yes question; unknown_excluded: as if not asked",
      ParamOptions{.flags = AFFECTS_RESULT,
                   .choices = {"unknown_as_wrong", "unknown_as_yes", "unknown_as_no", "unknown_excluded"}}};
};

class AlwaysYes final : public OverAnswers {
 public:
  static constexpr MetricInfo info = {
      .id = "blind.always_yes",
      .title = "Constant rule: every answer is yes",
      .doc = "Model-free baseline of yes/no questions: F1 2/3 and accuracy 1/2 on balanced splits.",
      .flags = ASSAY_FLAG_BASELINE};
  static constexpr ValueInfo values[] = {kAccuracyInfo,  kPredictedInfo, kF1Info,
                                         kPrecisionInfo, kRecallInfo,    kYesRatioInfo};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    if (item.label() < 0) return Outcome{State::kUnsupported, "the item has no label yes or no"};
    write(item.label() == 1, Answer::kYes, out);
    return Outcome{};
  }
};

}  // namespace assay::pope
