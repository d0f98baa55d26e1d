// The attacks as metric plugins: choose the request, collect the statistics, call the formula.
#pragma once

#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/metric.hpp"
#include "assay/text/utf8.hpp"
#include "assay/text/zlib_length.hpp"
#include "mia_formulas.hpp"

namespace assay::mia {

/// Statistics of the scored tokens of one text. A position the model could not score (the first token of a
/// model without begin-of-text) holds NaN in the log-probabilities and is left out of every array.
struct TokenStats {
  std::vector<double> logprob, first, second;
  std::uint64_t vocabulary = 0;
};

/// The request whose text is attacked: "text", or the first SCORE request of the model under test.
inline std::optional<ResponseView> scored_text(const Record& item) {
  if (const auto named = item.find("text")) return named;
  for (std::size_t i = 0; i < item.size(); ++i) {
    if (item.request(i).kind == ASSAY_REQUEST_SCORE && view(item.request(i).role).empty())
      return item.response(i);
  }
  return std::nullopt;
}

inline Outcome unsupported(std::string_view what) {
  return {State::kUnsupported, "missing_capability: the answer carries no " + std::string(what)};
}
inline Outcome no_request() {
  return {State::kUnsupported,
          "missing_capability: the item has no scored text; the task must ask a SCORE request"};
}

/// Puts a score into the value, or says why there is none.
inline Outcome outcome_of(const Score& score, std::span<double> values) {
  if (std::isfinite(score.value)) {
    values[0] = score.value;
    return {};
  }
  if (!score.reason.empty()) {
    const bool empty = score.reason.starts_with("too_short");
    return {empty ? State::kEmpty : State::kUnsupported, std::string(score.reason)};
  }
  return {State::kUnsupported, "non_finite: the score is not a finite number and cannot be ranked"};
}

/// Collects log-probabilities and up to two more arrays. Returns the name of an absent array, empty if
/// complete.
inline std::string_view collect(const TokensView& tokens, TokenStats& out,
                                std::optional<assay_stat> first = {}, std::string_view first_name = {},
                                std::optional<assay_stat> second = {}, std::string_view second_name = {}) {
  const std::span<const double> logprob = tokens.logprob();
  if (logprob.empty() && !(tokens.present() && tokens.size() == 0)) return "token log-probabilities";
  const std::span<const double> one = first ? tokens.stat(*first) : std::span<const double>{};
  const std::span<const double> two = second ? tokens.stat(*second) : std::span<const double>{};
  if (first && one.empty() && !logprob.empty()) return first_name;
  if (second && two.empty() && !logprob.empty()) return second_name;
  out.vocabulary = tokens.vocabulary();
  for (std::size_t i = 0; i < logprob.size(); ++i) {
    if (std::isnan(logprob[i])) continue;
    if (first && std::isnan(one[i])) return first_name;
    if (second && std::isnan(two[i])) return second_name;
    out.logprob.push_back(logprob[i]);
    if (first) out.first.push_back(one[i]);
    if (second) out.second.push_back(two[i]);
  }
  return {};
}

inline constexpr Range kAnyNumber = {};

class Loss final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "mia.loss",
      .title = "Loss attack: mean log-probability per token",
      .doc =
          "LL(x) = mean of ln p over the scored tokens; higher = member. Ranks like minus perplexity "
          "(Yeom et al. 2018; iamgroot42/mimir).",
      .requires_caps = ASSAY_CAP_SCORE_MEAN,
      .rule = Rule::kAuroc,
      .range = kAnyNumber};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    const double mean = response->mean_logprob();
    return outcome_of(
        {mean, std::isnan(mean) ? std::string_view("too_short: the text has no scored token") : ""}, values);
  }
};

class Zlib final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "mia.zlib",
      .title = "Loss divided by the zlib length of the text",
      .doc =
          "LL(x) / Z, Z = bytes of the zlib stream of the UTF-8 text at the default level (Carlini et al. "
          "2021; "
          "Shi et al. 2023). Z depends on the zlib implementation: classic zlib gives the published lengths.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN,
      .rule = Rule::kAuroc,
      .range = kAnyNumber};
  Param<Choice> variant{
      *this, "variant", Choice{"bytes"},
      "bytes: LL / Z. per_char: LL / (Z / characters), as computationalprivacy/mia_llms_benchmark",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"bytes", "per_char"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    const Result<std::size_t> length = text::zlib_length(item.text());
    if (!length) return length.error();
    const std::size_t chars = variant.get() == "per_char" ? text::count_code_points(item.text()) : 0;
    return outcome_of(zlib(response->mean_logprob(), *length, chars), values);
  }
};

/// Documentation and bounds of the ratio `k`, shared by the attacks that keep a part of the tokens.
inline constexpr std::string_view kRatioDoc =
    "Share of the tokens that is kept: m = trunc(n k) in double precision";
inline ParamOptions ratio_options() {
  return {.flags = AFFECTS_RESULT, .min = 0, .max = 1};
}

class Mink final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "mia.mink",
      .title = "Min-K% Prob: mean log-probability of the least probable tokens",
      .doc = "Mean of the lowest m = trunc(n k) token log-probabilities (Shi et al. 2023, arXiv 2310.16789).",
      .requires_caps = ASSAY_CAP_LOGPROB,
      .rule = Rule::kAuroc,
      .range = kAnyNumber};
  Param<double> k{*this, "k", 0.2, kRatioDoc, ratio_options()};
  Param<Choice> variant{
      *this, "variant", Choice{"guard"},
      "guard: at least one token (locuslab/open-unlearning). shi: no score where k keeps nothing "
      "(swj0419/detect-pretrain-code). dcpdd_count: m from n + 1 tokens (zhang-wei-chao/DC-PDD)",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"guard", "shi", "dcpdd_count"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    TokenStats tokens;
    if (const auto absent = collect(response->tokens(), tokens); !absent.empty()) return unsupported(absent);
    const MinkVariant which = variant.get() == "shi"           ? MinkVariant::kShi
                              : variant.get() == "dcpdd_count" ? MinkVariant::kDcpddCount
                                                               : MinkVariant::kGuard;
    return outcome_of(mink(tokens.logprob, k, which), values);
  }
};

class Maxk final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "mia.maxk",
      .title = "Max-K%: mean log-probability of the most probable tokens",
      .doc =
          "Mean of the highest max(1, trunc(n k)) token log-probabilities; named k_min_probs in "
          "pratyushmaini/llm_dataset_inference, which sorts losses.",
      .requires_caps = ASSAY_CAP_LOGPROB,
      .rule = Rule::kAuroc,
      .range = kAnyNumber};
  Param<double> k{*this, "k", 0.2, kRatioDoc, ratio_options()};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    TokenStats tokens;
    if (const auto absent = collect(response->tokens(), tokens); !absent.empty()) return unsupported(absent);
    return outcome_of(maxk(tokens.logprob, k), values);
  }
};

class Minkpp final : public Metric {
 public:
  static constexpr MetricInfo info{.id = "mia.minkpp",
                                   .title = "Min-K%++: Min-K% of the standardised log-probabilities",
                                   .doc =
                                       "Mean of the lowest m of z = (l - mu) / sigma, mu and sigma being the "
                                       "moments of ln p under p at each "
                                       "position (Zhang et al., zjysteven/mink-plus-plus).",
                                   .requires_caps = ASSAY_CAP_LOGPROB | ASSAY_CAP_MOMENTS,
                                   .rule = Rule::kAuroc,
                                   .range = kAnyNumber};
  Param<double> k{*this, "k", 0.2, kRatioDoc, ratio_options()};
  Param<Choice> variant{
      *this, "variant", Choice{"floor"},
      "floor: variance at least 1e-6 and at least one token (locuslab/open-unlearning). raw: no epsilon, no "
      "score "
      "where a variance vanishes (zjysteven/mink-plus-plus). unweighted: moments under the uniform "
      "distribution, "
      "another statistic published under the same name (computationalprivacy/mia_llms_benchmark)",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"floor", "raw", "unweighted"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    const bool uniform = variant.get() == "unweighted";
    TokenStats tokens;
    const auto absent = uniform ? collect(response->tokens(), tokens, ASSAY_STAT_UNIFORM_MEAN,
                                          "unweighted moments", ASSAY_STAT_UNIFORM_VAR, "unweighted moments")
                                : collect(response->tokens(), tokens, ASSAY_STAT_MEAN_LP, "moments of ln p",
                                          ASSAY_STAT_VAR_LP, "moments of ln p");
    if (!absent.empty()) return unsupported(absent);
    const MinkppVariant which = uniform                  ? MinkppVariant::kUnweighted
                                : variant.get() == "raw" ? MinkppVariant::kRaw
                                                         : MinkppVariant::kFloor;
    return outcome_of(minkpp(tokens.logprob, tokens.first, tokens.second, k, which, tokens.vocabulary),
                      values);
  }
};

class Surp final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "mia.surp",
      .title = "SURP: improbable tokens at confident positions",
      .doc =
          "Mean log-probability over the tokens that are among the lowest k percent and stand where the "
          "entropy "
          "is below max_entropy (computationalprivacy/mia_llms_benchmark; no official code is known).",
      .requires_caps = ASSAY_CAP_LOGPROB | ASSAY_CAP_ENTROPY,
      .rule = Rule::kAuroc,
      .range = kAnyNumber};
  Param<double> k{*this, "k", 40.0, "Share of the least probable tokens, in percent",
                  ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 100, .unit = "percent"}};
  Param<double> max_entropy{*this, "max_entropy", 2.0, "Only positions of an entropy below this count",
                            ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .unit = "nats"}};
  Param<Choice> variant{*this, "variant", Choice{"strict"},
                        "strict: no score where no token is selected. sok: -100 there, as the source does",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"strict", "sok"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    TokenStats tokens;
    const auto absent = collect(response->tokens(), tokens, ASSAY_STAT_ENTROPY, "entropies");
    if (!absent.empty()) return unsupported(absent);
    return outcome_of(surp(tokens.logprob, tokens.first, k, max_entropy, variant.get() == "sok"), values);
  }
};

class Gapk final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "mia.gapk",
      .title = "Gap-K%: smoothed, normalised gaps to the most probable token",
      .doc =
          "g = (l - max_v ln p_v) / sqrt(max(var, 1e-8)), moving average over `window` tokens, mean of the "
          "lowest max(1, trunc(count k)) (meaoww/gap-k).",
      .requires_caps = ASSAY_CAP_LOGPROB | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1,
      .rule = Rule::kAuroc,
      .range = kAnyNumber};
  Param<double> k{*this, "k", 0.2, kRatioDoc, ratio_options()};
  Param<std::int64_t> window{*this, "window", 3, "Tokens of the moving average; 1 switches it off",
                             ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .max = 4096, .unit = "tokens"}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    TokenStats tokens;
    const auto absent = collect(response->tokens(), tokens, ASSAY_STAT_TOP1_LOGPROB, "most probable tokens",
                                ASSAY_STAT_VAR_LP, "moments of ln p");
    if (!absent.empty()) return unsupported(absent);
    return outcome_of(
        gapk(tokens.logprob, tokens.first, tokens.second, k, static_cast<std::size_t>(window.get())), values);
  }
};

class Reference final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "mia.ref",
      .title = "Reference attack: log-likelihood against a reference model",
      .doc =
          "Compares the text's mean log-probability with the one under a reference model. The task must ask "
          "a "
          "second SCORE request named `reference` of the role reference. Each model uses its own tokenizer. "
          "A "
          "reference that also saw the text inverts the attack; the result is reported as it is.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN,
      .rule = Rule::kAuroc,
      .range = kAnyNumber};
  Param<Choice> variant{*this, "variant", Choice{"diff"},
                        "diff: LL - LL_ref (Shi et al. 2023; iamgroot42/mimir). ratio: -(loss / loss_ref) "
                        "(zhang-wei-chao/DC-PDD, MUSE). ppl_ratio: -(ppl / ppl_ref), which ranks like diff "
                        "(computationalprivacy/copyright-traps)",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"diff", "ratio", "ppl_ratio"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    const auto other = item.find("reference");
    if (!other) {
      return Outcome{State::kUnsupported,
                     "missing_capability: the item has no request `reference`; switch on the "
                     "task's parameter `reference` and name a model for the role reference"};
    }
    const ReferenceVariant which = variant.get() == "ratio"       ? ReferenceVariant::kRatio
                                   : variant.get() == "ppl_ratio" ? ReferenceVariant::kPplRatio
                                                                  : ReferenceVariant::kDiff;
    return outcome_of(reference(response->mean_logprob(), other->mean_logprob(), which), values);
  }
};

class Lowercase final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "mia.lowercase",
      .title = "Lower-case attack: loss of the lower-cased text over the loss of the text",
      .doc =
          "loss(lower(x)) / loss(x); the task must ask a second SCORE request named `lowercase` of the "
          "lower-cased text (Carlini et al. 2021; LeiLiLab/DE-COP records the negated inverse).",
      .requires_caps = ASSAY_CAP_SCORE_MEAN,
      .rule = Rule::kAuroc,
      .range = kAnyNumber};
  Param<Choice> variant{*this, "variant", Choice{"ratio"},
                        "ratio: loss(lower) / loss. neg_inverse: -(loss / loss(lower)); same ranking",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"ratio", "neg_inverse"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto response = scored_text(item);
    if (!response) return no_request();
    const auto other = item.find("lowercase");
    if (!other) {
      return Outcome{State::kUnsupported,
                     "missing_capability: the item has no request `lowercase`; switch on the "
                     "task's parameter `lowercase`"};
    }
    return outcome_of(
        lowercase(response->mean_logprob(), other->mean_logprob(), variant.get() == "neg_inverse"), values);
  }
};

}  // namespace assay::mia
