// The detectors as metric plugins: label 1 = machine, label 0 = human.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/sdk/metric.hpp"
#include "detection_formulas.hpp"

namespace assay::detection {

/// The request that scores the text: "text", or the first SCORE request of the model under test.
inline std::optional<ResponseView> scored_text(const Record& item) {
  if (const auto named = item.find("text")) return named;
  for (std::size_t i = 0; i < item.size(); ++i) {
    if (item.request(i).kind == ASSAY_REQUEST_SCORE && view(item.request(i).role).empty())
      return item.response(i);
  }
  return std::nullopt;
}

/// One statistic a detector needs, with the words that name it when it is absent.
struct Need {
  assay_stat stat;
  std::string_view name;
};
inline constexpr Need kLogprob{ASSAY_STAT_LOGPROB, "token log-probabilities"};
inline constexpr Need kRank{ASSAY_STAT_RANK, "token ranks"};
inline constexpr Need kEntropy{ASSAY_STAT_ENTROPY, "entropies"};
inline constexpr Need kMean{ASSAY_STAT_MEAN_LP, "moments of ln p"};
inline constexpr Need kVariance{ASSAY_STAT_VAR_LP, "moments of ln p"};

/// What all detectors have in common: the request, the arrays, the minimum length and the outcome.
class Detector : public Metric {
 public:
  Param<std::int64_t> min_tokens{*this, "min_tokens", 1,
                                 "Texts with fewer scored tokens get no score (too_short)",
                                 ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .unit = "tokens"}};

 protected:
  using Arrays = std::vector<std::vector<double>>;

  /// Runs `formula` on the needed arrays; positions the model could not score (NaN) are left out of all of
  /// them.
  template <class Formula>
  Outcome judge(const Record& item, std::span<double> values, std::initializer_list<Need> needs,
                Formula&& formula) const {
    const auto response = scored_text(item);
    if (!response) {
      return {State::kUnsupported,
              "missing_capability: the item has no scored text; the task must ask a SCORE request"};
    }
    Arrays arrays(needs.size());
    if (const std::string_view absent = collect(response->tokens(), needs, arrays); !absent.empty()) {
      return {State::kUnsupported, "missing_capability: the answer carries no " + std::string(absent)};
    }
    const std::size_t n = arrays.front().size();
    if (n < static_cast<std::size_t>(min_tokens.get())) {
      return {State::kEmpty, "too_short: " + std::to_string(n) + " scored tokens, min_tokens is " +
                                 std::to_string(min_tokens.get())};
    }
    return outcome_of(formula(arrays), values);
  }

  static Outcome outcome_of(const Score& score, std::span<double> values) {
    if (std::isfinite(score.value)) {
      values[0] = score.value;
      return {};
    }
    if (score.reason.empty())
      return {State::kUnsupported, "non_finite_input: the score is not a finite number"};
    const bool empty = score.reason.starts_with("too_short");
    return {empty ? State::kEmpty : State::kUnsupported, std::string(score.reason)};
  }

 private:
  static std::string_view collect(const TokensView& tokens, std::initializer_list<Need> needs, Arrays& out) {
    std::vector<std::span<const double>> stats;
    for (const Need& need : needs) {
      stats.push_back(tokens.stat(need.stat));
      if (stats.back().empty() && !(tokens.present() && tokens.size() == 0)) return need.name;
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const auto missing =
          std::count_if(stats.begin(), stats.end(), [i](auto s) { return std::isnan(s[i]); });
      if (missing == std::ssize(stats)) continue;
      if (missing != 0) return "complete record of every token";
      for (std::size_t s = 0; s < stats.size(); ++s) out[s].push_back(stats[s][i]);
    }
    return {};
  }
};

class Likelihood final : public Detector {
 public:
  static constexpr MetricInfo info{
      .id = "detection.likelihood",
      .title = "Mean log-probability per token",
      .doc =
          "Mean of ln p over the scored tokens; higher = machine (Solaiman et al. 2019; "
          "baoguangsheng/fast-detect-gpt, baselines).",
      .requires_caps = ASSAY_CAP_LOGPROB,
      .rule = Rule::kAuroc,
      .range = {}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    return judge(item, values, {kLogprob}, [](const Arrays& a) { return likelihood(a[0]); });
  }
};

class MeanRank final : public Detector {
 public:
  static constexpr MetricInfo info{
      .id = "detection.rank",
      .title = "Minus the mean token rank",
      .doc =
          "-mean r, r = 1 + number of tokens with a strictly greater logit; higher = "
          "machine (Gehrmann et al. 2019; eric-mitchell/detect-gpt).",
      .requires_caps = ASSAY_CAP_RANK,
      .rule = Rule::kAuroc,
      .range = {}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    return judge(item, values, {kRank}, [](const Arrays& a) { return rank(a[0]); });
  }
};

class LogRank final : public Detector {
 public:
  static constexpr MetricInfo info{
      .id = "detection.logrank",
      .title = "Minus the mean logarithm of the token rank",
      .doc = "-mean ln r; higher = machine (Mitchell et al. 2023; mbzuai-nlp/DetectLLM).",
      .requires_caps = ASSAY_CAP_RANK,
      .rule = Rule::kAuroc,
      .range = {}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    return judge(item, values, {kRank}, [](const Arrays& a) { return logrank(a[0]); });
  }
};

class MeanEntropy final : public Detector {
 public:
  static constexpr MetricInfo info{.id = "detection.entropy",
                                   .title = "Mean entropy of the next-token distributions",
                                   .doc =
                                       "+mean H in nats, oriented as its source codes it "
                                       "(eric-mitchell/detect-gpt). The AUROC is often below "
                                       "0.5 on texts of chat models; it is reported as it is.",
                                   .requires_caps = ASSAY_CAP_ENTROPY,
                                   .rule = Rule::kAuroc,
                                   .range = {}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    return judge(item, values, {kEntropy}, [](const Arrays& a) { return entropy(a[0]); });
  }
};

class Lrr final : public Detector {
 public:
  static constexpr MetricInfo info{.id = "detection.lrr",
                                   .title = "LRR: log-likelihood to log-rank ratio",
                                   .doc =
                                       "(sum -l) / (sum ln r); higher = machine (Su et al. 2023, "
                                       "mbzuai-nlp/DetectLLM). No score where every token has rank 1.",
                                   .requires_caps = ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK,
                                   .rule = Rule::kAuroc,
                                   .range = {}};
  Param<Choice> variant{*this, "variant", Choice{"lrr"},
                        "lrr: as defined. mgtbench_sign: the negative, as xinleihe/MGTBench stores it",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"lrr", "mgtbench_sign"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const bool negative = variant.get() == "mgtbench_sign";
    return judge(item, values, {kLogprob, kRank}, [&](const Arrays& a) { return lrr(a[0], a[1], negative); });
  }
};

class FastDetect final : public Detector {
 public:
  static constexpr MetricInfo info{.id = "detection.fastdetect",
                                   .title = "Fast-DetectGPT, analytic, sampling model = scoring model",
                                   .doc =
                                       "(sum l - sum mu) / sqrt(sum var), mu and var being the moments of ln "
                                       "p under p; higher = machine (Bao "
                                       "et al. 2024, baoguangsheng/fast-detect-gpt).",
                                   .requires_caps = ASSAY_CAP_LOGPROB | ASSAY_CAP_MOMENTS,
                                   .rule = Rule::kAuroc,
                                   .range = {}};
  Param<Choice> variant{*this, "variant", Choice{"one_model"},
                        "one_model: the scoring model is its own sampling model",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"one_model"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    return judge(item, values, {kLogprob, kMean, kVariance},
                 [](const Arrays& a) { return fastdetect_one_model(a[0], a[1], a[2]); });
  }
};

class GltrFrac10 final : public Detector {
 public:
  static constexpr MetricInfo info{.id = "detection.gltr_frac10",
                                   .title = "Share of tokens among the eleven most probable",
                                   .doc =
                                       "Share of tokens whose rank counted from 0 is at most 10 (the GLTR "
                                       "flavour of liamdugan/raid); higher = "
                                       "machine.",
                                   .requires_caps = ASSAY_CAP_RANK,
                                   .rule = Rule::kAuroc};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    return judge(item, values, {kRank}, [](const Arrays& a) { return gltr_frac10(a[0]); });
  }
};

class Lastde final : public Detector {
 public:
  static constexpr MetricInfo info{
      .id = "detection.lastde",
      .title = "Lastde: likelihood over multiscale diversity entropy",
      .doc =
          "mean l / Agg(DE_1 .. DE_tau): diversity entropy of the cosines between neighbouring windows of "
          "the "
          "log-probabilities, at several scales; higher = machine (TrustMedia-zju/Lastde_Detector). The "
          "defaults "
          "are its set for open-source generators; closed_source is epsilon = 1, scales = 15.",
      .requires_caps = ASSAY_CAP_LOGPROB,
      .rule = Rule::kAuroc,
      .range = {}};
  Param<Choice> variant{
      *this, "variant", Choice{"clamp"},
      "Cosines beyond [-1, 1] by rounding. clamp: moved to the border. drop: left out, as the source",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"clamp", "drop"}}};
  Param<Choice> aggregator{
      *this, "aggregator", Choice{"std"}, "How the scales are combined (sample deviation, range or norm)",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"std", "exp_std", "range", "exp_range", "norm2"}}};
  Param<std::int64_t> orbit{*this, "orbit", 3, "Length of the windows that are compared (s)",
                            ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .max = 1024, .unit = "tokens"}};
  Param<double> epsilon{*this, "epsilon", 10.0, "Histogram bins per token of the text",
                        ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 1000}};
  Param<std::int64_t> scales{*this, "scales", 5, "Number of scales (tau'), at least 2",
                             ParamOptions{.flags = AFFECTS_RESULT, .min = 2, .max = 1024}};
  Result<void> configure() override {
    settings_.orbit = static_cast<std::size_t>(orbit.get());
    settings_.epsilon = epsilon;
    settings_.scales = static_cast<std::size_t>(scales.get());
    settings_.drop_outside = variant.get() == "drop";
    const std::string& name = aggregator.get().text;
    settings_.aggregator = name == "exp_std"     ? Aggregator::kExpStd
                           : name == "range"     ? Aggregator::kRange
                           : name == "exp_range" ? Aggregator::kExpRange
                           : name == "norm2"     ? Aggregator::kNorm2
                                                 : Aggregator::kStd;
    return {};
  }
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    return judge(item, values, {kLogprob}, [&](const Arrays& a) { return lastde(a[0], settings_); });
  }

 private:
  LastdeSettings settings_;
};

class Recorded final : public Metric {
 public:
  static constexpr MetricInfo info{.id = "detection.recorded",
                                   .title = "A detector's own score of the text",
                                   .doc =
                                       "The first number of the answer to the item's CLASSIFY request: a "
                                       "recorded score, or what a supervised "
                                       "detector says; higher = machine unless higher_is_machine is false.",
                                   .requires_caps = ASSAY_CAP_CLASSIFY,
                                   .rule = Rule::kAuroc,
                                   .range = {}};
  Param<bool> higher_is_machine{
      *this, "higher_is_machine", true,
      "false: the detector's low scores mean machine (Binoculars); the score is negated", AFFECTS_RESULT};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = item.first(ASSAY_REQUEST_CLASSIFY);
    if (!response || response->values().empty()) {
      return Outcome{State::kUnsupported, "missing_capability: the item has no detector score"};
    }
    const double raw = response->values()[0];
    if (!std::isfinite(raw))
      return Outcome{State::kUnsupported, "non_finite_input: the detector gave no number"};
    values[0] = higher_is_machine ? raw : -raw;
    return Outcome{};
  }
};

}  // namespace assay::detection
