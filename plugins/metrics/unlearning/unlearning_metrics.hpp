// Knowledge metrics of one answer: overlap, probability, truth ratio, memorisation, refusals, gibberish.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "assay/text/refusal.hpp"
#include "tofu_metrics.hpp"

namespace assay::unlearning {

inline constexpr std::string_view kStemDoc = "Replace words of more than three letters by their Porter stem";

inline RougeChoice rouge_choice(const Choice& variant, const Choice& stat, bool stem) {
  return {variant == "rougeL", stat == "recall", stem};
}

class Rouge final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.rouge",
      .title = "ROUGE of the generated answer against the gold answer",
      .doc =
          "Overlap of tokens as google-research/google-research : rouge computes it; TOFU uses ROUGE-L "
          "recall with stemmer, MUSE the F measure without. 1 = the gold answer is in the generation. On a "
          "forget set the ideal is the value of the retain reference, not 0.",
      .requires_caps = ASSAY_CAP_GENERATE};
  Param<Choice> variant{*this, "variant", Choice{"rougeL"},
                        "rougeL: longest common subsequence. rouge1: shared words",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"rougeL", "rouge1"}}};
  Param<Choice> stat{*this, "stat", Choice{"recall"},
                     "recall: by the length of the gold answer. f: F measure",
                     ParamOptions{.flags = AFFECTS_RESULT, .choices = {"recall", "f"}}};
  Param<bool> stem{*this, "stem", true, kStemDoc, AFFECTS_RESULT};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    if (item.targets().size() == 0) return Outcome{State::kUnsupported, "the item has no gold answer"};
    const Generation generation = generation_of(item);
    if (!generation.present) return unsupported("generation");
    out[0] = rouge_of(generation, item.targets(), rouge_choice(variant, stat, stem));
    if (std::isnan(out[0])) return unsupported("generated text, and its log holds no such ROUGE");
    return Outcome{State::kOk, generation.has_text ? std::string() : "as recorded"};
  }
};

/// What a model-free copy of the question reaches: the words that question and answer share.
class PromptCopy final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "blind.prompt_copy",
      .title = "Copy of the question as the answer",
      .doc =
          "ROUGE of the item's question text against its gold answer, without any model: the overlap that is "
          "reached by repeating the question. A model close to it shows no knowledge.",
      .flags = ASSAY_FLAG_BASELINE};
  Param<Choice> variant{*this, "variant", Choice{"rougeL"},
                        "rougeL: longest common subsequence. rouge1: shared words",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"rougeL", "rouge1"}}};
  Param<Choice> stat{*this, "stat", Choice{"recall"},
                     "recall: by the length of the gold answer. f: F measure",
                     ParamOptions{.flags = AFFECTS_RESULT, .choices = {"recall", "f"}}};
  Param<bool> stem{*this, "stem", true, kStemDoc, AFFECTS_RESULT};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    if (item.targets().size() == 0) return Outcome{State::kUnsupported, "the item has no gold answer"};
    out[0] = rouge_of(item.text(), item.targets(), rouge_choice(variant, stat, stem));
    return Outcome{};
  }
};

class Prob final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.prob",
      .title = "Probability of the gold answer",
      .doc =
          "exp of the mean log-probability per token of the answer and the end of text: the geometric mean "
          "of its token probabilities (locuslab/tofu). On a forget set the ideal is the retain reference's "
          "value.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    out[0] = std::exp(-gold_loss(item));
    return std::isnan(out[0]) ? unsupported("scored gold answer (no_labels)") : Outcome{};
  }
};

class TruthRatio final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.truth_ratio",
      .title = "Truth ratio: paraphrase against perturbed answers",
      .doc =
          "R = exp(mean loss of the perturbed answers - loss of the paraphrase). Forget items give min(R, "
          "1/R), which is 1 for a model that cannot tell them apart; others max(0, 1 - 1/R), which is 1 for "
          "a model that is sure of the true answer (Maini et al. 2024; variants as in tofu.utility).",
      .requires_caps = ASSAY_CAP_SCORE_MEAN};
  static constexpr ValueInfo values[] = {{.name = "truth_ratio",
                                          .rule = Rule::kMean,
                                          .has_direction = false,
                                          .headline = true,
                                          .range = {0, 1},
                                          .doc = "Mean of the items' terms"},
                                         {.name = "ln_r", .rule = Rule::kNone, .doc = "ln R per item"}};
  Param<Choice> variant{*this, "variant", Choice{"tofu-2024"}, kTofuVariantDoc, tofu_variants()};
  Param<Choice> shape{
      *this, "shape", Choice{"by_role"},
      "by_role: as the item's role says. closer_to_1: all as forget items. true_better: all as retain items",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"by_role", "closer_to_1", "true_better"}}};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    const bool forget = shape.get() == "by_role" ? in_forget_set(item) : shape.get() == "closer_to_1";
    const Losses losses = losses_of(item);
    out[0] = truth_ratio_term(tofu_variant(variant.get().text), forget ? Section::kForget : Section::kRetain,
                              losses.para, losses.perturbed);
    out[1] = ln_truth_ratio(losses.para, losses.perturbed);
    if (std::isnan(out[1])) return unsupported("losses of the paraphrase and of the perturbed answers");
    return Outcome{};
  }
};

/// Teacher-forced matches of the gold answer; the last position is dropped unless all are kept.
inline Result<std::vector<unsigned char>> greedy_matches(const Record& item, bool drop_last) {
  const auto gold = item.find("gold");
  if (!gold || !gold->ok()) return Error{Code::kUnsupported, "scored gold answer", {}};
  const TokensView tokens = gold->tokens();
  const auto ids = tokens.ids();
  const auto best = tokens.top1_id();
  if (ids.empty() || best.empty())
    return Error{Code::kUnsupported, "token ids with the most probable ones", {}};
  std::vector<unsigned char> matches;
  const std::size_t length = drop_last ? tokens.size() - 1 : tokens.size();
  for (std::size_t i = 0; i < length; ++i) {
    if (std::isnan(best[i])) return Error{Code::kUnsupported, "most probable token at every position", {}};
    matches.push_back(best[i] == static_cast<double>(ids[i]) ? 1 : 0);
  }
  return matches;
}
inline constexpr std::string_view kPositionsDoc =
    "drop_last: all label positions but the last, which is the end of text where one is appended "
    "(locuslab/open-unlearning). all: every label position";
inline ParamOptions position_choices() {
  return {.flags = AFFECTS_RESULT, .choices = {"drop_last", "all"}};
}

class ExactMemorization final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.exact_memorization",
      .title = "Exact memorisation of the gold answer",
      .doc =
          "Share of the answer's positions at which the most probable next token, given the true ones before "
          "it, is the answer's (locuslab/open-unlearning). The end of text does not count.",
      .requires_caps = ASSAY_CAP_TOP1};
  static constexpr ValueInfo values[] = {
      {.name = "em", .rule = Rule::kMean, .headline = true, .range = {0, 1}, .doc = "Matches / positions"},
      {.name = "positions",
       .rule = Rule::kMean,
       .has_direction = false,
       .doc = "Positions L",
       .unit = "tokens"}};
  Param<Choice> positions{*this, "positions", Choice{"drop_last"}, kPositionsDoc, position_choices()};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    const auto matches = greedy_matches(item, positions.get() == "drop_last");
    if (!matches) return unsupported(matches.error().text);
    out[0] = memorisation(*matches).exact;
    out[1] = static_cast<double>(matches->size());
    return std::isnan(out[0])
               ? Outcome{State::kUnsupported, "no_labels: the answer has no position to compare"}
               : Outcome{};
  }
};

class ExtractionStrength final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.extraction_strength",
      .title = "Extraction strength of the gold answer",
      .doc =
          "1 - k/L: k = fewest leading answer tokens after which greedy decoding gives all others right "
          "(Carlini et al.; locuslab/open-unlearning). Its floor is 1/L, not 0; an answer of one token "
          "always has 1.",
      .requires_caps = ASSAY_CAP_TOP1};
  static constexpr ValueInfo values[] = {
      {.name = "es", .rule = Rule::kMean, .headline = true, .range = {0, 1}, .doc = "1 - k/L"},
      {.name = "positions",
       .rule = Rule::kMean,
       .has_direction = false,
       .doc = "Positions L",
       .unit = "tokens"}};
  Param<Choice> variant{
      *this, "variant", Choice{"openunlearning"},
      "openunlearning: at least 1/L, and 0 without positions. strict: 0 if the last position is wrong, no "
      "value without positions",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"openunlearning", "strict"}}};
  Param<Choice> positions{*this, "positions", Choice{"drop_last"}, kPositionsDoc, position_choices()};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    const auto matches = greedy_matches(item, positions.get() == "drop_last");
    if (!matches) return unsupported(matches.error().text);
    const Memorisation found = memorisation(*matches);
    out[0] = variant.get() == "strict" ? found.extraction_strict : found.extraction;
    out[1] = static_cast<double>(matches->size());
    return std::isnan(out[0])
               ? Outcome{State::kUnsupported, "no_labels: the answer has no position to compare"}
               : Outcome{};
  }
};

inline Outcome no_text() {
  return unsupported("generated text");
}

class RefusalRate final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.refusal_rate",
      .title = "Share of refusals among the generations",
      .doc =
          "Detector string-v1: the generation holds a phrase of the list or starts like a refusal. An empty "
          "generation is no refusal; it is counted apart. On retained knowledge a refusal is damage.",
      .requires_caps = ASSAY_CAP_GENERATE};
  static constexpr ValueInfo values[] = {{.name = "refusal_rate",
                                          .rule = Rule::kProportion,
                                          .has_direction = false,
                                          .headline = true,
                                          .range = {0, 1},
                                          .doc = "Share of generations that refuse"},
                                         {.name = "empty_rate",
                                          .rule = Rule::kProportion,
                                          .higher_is_better = false,
                                          .range = {0, 1},
                                          .doc = "Share of generations without any visible character"}};
  Param<Path> phrases{*this, "phrases", std::nullopt,
                      "File of refusals, one per line (data:unlearning/probes/refusals); without it only the "
                      "beginnings built into the detector count",
                      AFFECTS_RESULT};
  Result<void> configure() override;
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    const Generation generation = generation_of(item);
    if (!generation.has_text) return no_text();
    const bool refused = detector_->is_refusal(generation.text);
    out[0] = refused ? 1 : 0;
    out[1] = text::is_empty_output(generation.text) ? 1 : 0;
    return Outcome{State::kOk, refused ? "refusal" : std::string()};
  }

 private:
  std::unique_ptr<text::RefusalDetector> detector_;
};

class GibberishRate final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "unlearning.gibberish",
      .title = "Share of gibberish among the generations",
      .doc =
          "Detector ngram4-v1: flagged if at least 8 words have fewer than half distinct word 4-grams, or if "
          "fewer than half of at least 8 visible characters are letters. Own definition, without a "
          "classifier.",
      .requires_caps = ASSAY_CAP_GENERATE};
  static constexpr ValueInfo values[] = {{.name = "gibberish",
                                          .rule = Rule::kProportion,
                                          .higher_is_better = false,
                                          .headline = true,
                                          .range = {0, 1},
                                          .doc = "Share of flagged generations"},
                                         {.name = "unique4",
                                          .rule = Rule::kMean,
                                          .range = {0, 1},
                                          .doc = "Distinct word 4-grams / all word 4-grams"}};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    const Generation generation = generation_of(item);
    if (!generation.has_text) return no_text();
    const text::Gibberish found = text::gibberish_ngram4(generation.text);
    out[0] = found.flagged ? 1 : 0;
    out[1] = found.unique4;
    return Outcome{};
  }
};

}  // namespace assay::unlearning
