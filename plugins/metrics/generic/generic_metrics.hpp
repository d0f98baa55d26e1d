// Metrics that fit any task: exact match, token F1, containment, choice accuracy, perplexity.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "answer_formulas.hpp"
#include "assay/sdk/metric.hpp"
#include "assay/text/normalise.hpp"
#include "assay/text/utf8.hpp"

namespace assay::generic {

/// Why a free answer cannot be compared with the targets; nothing if it can.
inline std::optional<Outcome> unusable(const Record& item) {
  const auto answer = item.first(ASSAY_REQUEST_GENERATE);
  if (!answer) return Outcome{State::kUnsupported, "no_answer: the item has no GENERATE request"};
  if (item.targets().size() == 0)
    return Outcome{State::kUnsupported, "no_target: the item has no accepted answer"};
  if (!text::trim(answer->text()).empty()) return std::nullopt;
  if (answer->finish() == Finish::kFilter) return Outcome{State::kRefused, "a filter withheld the answer"};
  return Outcome{State::kEmpty, "the answer has no visible character"};
}

class ExactMatch final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "assay.exact_match",
      .title = "Exact match with one of the targets",
      .doc =
          "1 if the answer equals a target after normalisation, else 0. An empty answer has no value and is "
          "counted; `coverage` shows how many.",
      .requires_caps = ASSAY_CAP_GENERATE,
      .value = "exact_match",
      .rule = Rule::kProportion};
  Param<bool> fold_case{*this, "fold_case", false, "Compare in lower case (Unicode); squad always does",
                        AFFECTS_RESULT};
  Param<Choice> normalise_with{*this, "normalise", Choice{"strip"},
                               "none: as it is. strip: without white space at both ends. squad: lower case, "
                               "no punctuation, no articles, single "
                               "blanks (rajpurkar/SQuAD-explorer)",
                               ParamOptions{.flags = AFFECTS_RESULT, .choices = {"none", "strip", "squad"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    if (auto reason = unusable(item)) return *std::move(reason);
    const Normaliser how = normalise_with.get() == "none"    ? Normaliser::kNone
                           : normalise_with.get() == "squad" ? Normaliser::kSquad
                                                             : Normaliser::kStrip;
    const std::string answer = normalise(item.response_text(), how, fold_case);
    values[0] = 0;
    for (const std::string_view target : item.targets()) {
      if (normalise(target, how, fold_case) == answer) values[0] = 1;
    }
    return Outcome{State::kOk, answer};
  }
};

class TokenF1 final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "assay.token_f1",
      .title = "Token F1 with the best of the targets",
      .doc =
          "Largest F1 of the bags of words of the answer and of a target, in SQuAD's "
          "normal form (rajpurkar/SQuAD-explorer evaluation script).",
      .requires_caps = ASSAY_CAP_GENERATE,
      .value = "f1",
      .rule = Rule::kMean};
  Param<Choice> variant{*this, "variant", Choice{"squad2"},
                        "squad2: two sides without words agree (SQuAD 2, ALCE). squad1: no shared word is 0 "
                        "(LongBench). hotpot: yes, no "
                        "and noanswer must agree (HotpotQA)",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"squad2", "squad1", "hotpot"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    if (auto reason = unusable(item)) return *std::move(reason);
    const text::F1Variant which = variant.get() == "squad1"   ? text::F1Variant::kSquad1
                                  : variant.get() == "hotpot" ? text::F1Variant::kHotpot
                                                              : text::F1Variant::kSquad2;
    values[0] = 0;
    for (const std::string_view target : item.targets()) {
      values[0] = std::max(values[0], text::token_f1(item.response_text(), target, which));
    }
    return Outcome{};
  }
};

class Contains final : public Metric {
 public:
  static constexpr MetricInfo info{.id = "assay.contains",
                                   .title = "The answer contains a target",
                                   .doc =
                                       "1 if a target occurs in the answer, both normalised, else 0. Targets "
                                       "that normalise to nothing are left "
                                       "out, since they occur everywhere.",
                                   .requires_caps = ASSAY_CAP_GENERATE,
                                   .value = "contains",
                                   .rule = Rule::kProportion};
  Param<bool> fold_case{*this, "fold_case", true, "Compare in lower case (Unicode); squad always does",
                        AFFECTS_RESULT};
  Param<Choice> normalise_with{*this, "normalise", Choice{"strip"}, "Normal form, as for assay.exact_match",
                               ParamOptions{.flags = AFFECTS_RESULT, .choices = {"none", "strip", "squad"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    if (auto reason = unusable(item)) return *std::move(reason);
    const Normaliser how = normalise_with.get() == "none"    ? Normaliser::kNone
                           : normalise_with.get() == "squad" ? Normaliser::kSquad
                                                             : Normaliser::kStrip;
    const std::string answer = normalise(item.response_text(), how, fold_case);
    bool any = false;
    bool found = false;
    for (const std::string_view target : item.targets()) {
      const std::string wanted = normalise(target, how, fold_case);
      any = any || !wanted.empty();
      found = found || (!wanted.empty() && answer.find(wanted) != std::string::npos);
    }
    if (!any) return Outcome{State::kUnsupported, "no_target: every target normalises to nothing"};
    values[0] = found ? 1 : 0;
    return Outcome{};
  }
};

/// Number of tokens behind the sum of the log-probabilities; 0: unknown.
inline double scored_tokens(const ResponseView& response) {
  std::int64_t count = 0;
  for (const double value : response.tokens().logprob()) {
    if (!std::isnan(value)) ++count;
  }
  return static_cast<double>(count != 0 ? count : response.raw()->scored_count);
}

class ChoiceAccuracy final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "assay.choice_accuracy",
      .title = "Multiple choice by log-probability",
      .doc =
          "Requests named choice/0, choice/1, ... are scored; the choice of the highest log-probability must "
          "be a "
          "true one. `acc` and `acc_norm` are those of EleutherAI/lm-evaluation-harness.",
      .requires_caps = ASSAY_CAP_LOGPROB};
  static constexpr ValueInfo values[] = {
      {.name = "accuracy",
       .rule = Rule::kMean,
       .headline = true,
       .range = {0, 1},
       .doc = "the chosen choice is true; log-probability normalised as `normalisation` says, ties as "
              "`variant`"},
      {.name = "acc",
       .rule = Rule::kProportion,
       .range = {0, 1},
       .doc = "argmax of the summed log-probability"},
      {.name = "acc_norm",
       .rule = Rule::kProportion,
       .range = {0, 1},
       .doc = "argmax of the summed log-probability per character of the choice"}};
  Param<Choice> variant{
      *this, "variant", Choice{"first"},
      "Equal best choices. first: the first one counts. fractional: the share of true ones among "
      "them. wrong: 0",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"first", "fractional", "wrong"}}};
  Param<Choice> normalisation{
      *this, "normalisation", Choice{"none"},
      "What the summed log-probability of a choice is divided by: nothing, its tokens, UTF-8 bytes or "
      "characters (both "
      "without leading white space)",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"none", "tokens", "bytes", "chars"}}};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    std::vector<double> chosen;
    std::vector<double> sums;
    std::vector<double> per_char;
    std::vector<std::uint8_t> truths;
    for (std::size_t i = 0; i < item.size(); ++i) {
      if (!item.name(i).starts_with("choice/")) continue;
      const ResponseView response = item.response(i);
      const double sum = response.sum_logprob();
      const std::string_view words = text::trim(view(item.request(i).continuation));
      const double chars = static_cast<double>(text::count_code_points(words));
      if (!std::isfinite(sum)) {
        return Outcome{State::kUnsupported,
                       "non_finite: " + std::string(item.name(i)) + " has no finite score"};
      }
      if (chars == 0)
        return Outcome{State::kUnsupported, "empty_choice: " + std::string(item.name(i)) + " is empty"};
      const double tokens = scored_tokens(response);
      const std::string& by = normalisation.get().text;
      sums.push_back(sum);
      per_char.push_back(sum / chars);
      chosen.push_back(by == "tokens"  ? sum / tokens
                       : by == "bytes" ? sum / static_cast<double>(words.size())
                       : by == "chars" ? per_char.back()
                                       : sum);
      truths.push_back(item.request(i).label == 1 ? 1 : 0);
    }
    if (sums.empty())
      return Outcome{State::kUnsupported, "no_choices: no request is named choice/0, choice/1, ..."};
    if (std::find(truths.begin(), truths.end(), std::uint8_t{1}) == truths.end()) {
      return Outcome{State::kUnsupported, "no_truth: no choice of the item is marked as true"};
    }
    const Ties ties = variant.get() == "fractional" ? Ties::kFractional
                      : variant.get() == "wrong"    ? Ties::kWrong
                                                    : Ties::kFirst;
    out[0] = choice_value(chosen, truths, ties);
    out[1] = choice_value(sums, truths, Ties::kFirst);
    out[2] = choice_value(per_char, truths, Ties::kFirst);
    const auto best = std::max_element(chosen.begin(), chosen.end()) - chosen.begin();
    return Outcome{State::kOk, "choice " + std::to_string(best)};
  }
};

class Perplexity final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "assay.perplexity",
      .title = "Perplexity of the item's scored text",
      .doc =
          "exp of the mean over items of the mean negative log-probability per token. Values of models with "
          "different tokenizers are not comparable; bits_per_byte is.",
      .requires_caps = ASSAY_CAP_LOGPROB};
  static constexpr ValueInfo values[] = {
      {.name = "perplexity",
       .rule = Rule::kExpMean,
       .higher_is_better = false,
       .headline = true,
       .range = {0, kMissing},
       .doc = "exp of the mean over items of -(sum ln p) / tokens",
       .note = "per item: nats per token"},
      {.name = "nats_per_token",
       .rule = Rule::kRatio,
       .higher_is_better = false,
       .doc = "sum of -ln p over all items / number of their scored tokens",
       .unit = "nats",
       .denominator = "tokens"},
      {.name = "tokens",
       .rule = Rule::kNone,
       .has_direction = false,
       .doc = "scored tokens",
       .unit = "tokens"},
      {.name = "bits_per_byte",
       .rule = Rule::kRatio,
       .higher_is_better = false,
       .doc = "sum of -log2 p over all items / number of UTF-8 bytes of their scored texts",
       .unit = "bits",
       .denominator = "bytes"},
      {.name = "bytes",
       .rule = Rule::kNone,
       .has_direction = false,
       .doc = "bytes of the text",
       .unit = "bytes"}};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    for (std::size_t i = 0; i < item.size(); ++i) {
      const assay_request& request = item.request(i);
      if (request.kind != ASSAY_REQUEST_SCORE || !view(request.role).empty()) continue;
      const ResponseView response = item.response(i);
      const double mean = response.mean_logprob();
      const double sum = response.sum_logprob();
      if (std::isnan(mean)) return Outcome{State::kEmpty, "too_short: the text has no scored token"};
      if (!std::isfinite(mean)) return Outcome{State::kUnsupported, "non_finite: the model forbids a token"};
      out[0] = -mean;
      if (std::isnan(sum)) return Outcome{};
      out[1] = -sum;
      out[2] = scored_tokens(response);
      out[3] = -sum / std::log(2.0);
      out[4] = static_cast<double>(view(request.continuation).size());
      return Outcome{};
    }
    return Outcome{State::kUnsupported, "no_score: the item has no SCORE request"};
  }
};

}  // namespace assay::generic
