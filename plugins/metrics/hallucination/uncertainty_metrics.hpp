// Uncertainties, judged by how well they rank wrong answers: AUROC and selective prediction over all
// variants.
#pragma once

#include <algorithm>

#include "assay/text/normalise.hpp"
#include "plugins/metrics/hallucination/ranking.hpp"
#include "plugins/metrics/hallucination/records.hpp"
#include "plugins/metrics/hallucination/semantic.hpp"
#include "plugins/metrics/hallucination/uncertainty.hpp"

namespace assay::hallucination {

// Per-item values every uncertainty begins with, then the custom ones.
enum UncertaintyValue : std::size_t { kUncertainty, kIncorrect, kExposures, kFirstExtra };
enum UncertaintyCustom : std::size_t {
  kAuroc,
  kAurocUnseen,
  kAupr,
  kAuarc,
  kAurac,
  kAccuracy80,
  kAccuracy90,
  kPrr
};

inline constexpr ValueInfo kUncertaintyInfo = {
    .name = "uncertainty", .has_direction = false, .doc = "mean of the uncertainty", .unit = "nats"};
inline constexpr ValueInfo kIncorrectInfo = {.name = "incorrect",
                                             .rule = Rule::kNone,
                                             .has_direction = false,
                                             .range = {0, 1},
                                             .doc = "1 if the greedy answer is wrong"};
inline constexpr ValueInfo kExposuresInfo = {.name = "exposures",
                                             .rule = Rule::kNone,
                                             .has_direction = false,
                                             .doc = "how often the fact was in the training text (field k)"};
inline constexpr ValueInfo kAurocInfo = {
    .name = "auroc",
    .rule = Rule::kCustom,
    .headline = true,
    .range = {0, 1},
    .doc = "probability that a wrong answer has the higher uncertainty, ties 1/2"};
inline constexpr ValueInfo kAurocUnseenInfo = {
    .name = "auroc_unseen",
    .rule = Rule::kCustom,
    .range = {0, 1},
    .doc = "the same for facts never shown against facts shown at least twice"};
inline constexpr ValueInfo kAuprInfo = {
    .name = "aupr",
    .rule = Rule::kCustom,
    .range = {0, 1},
    .doc = "area under precision-recall (trapezoids), positive: wrong answers"};
inline constexpr ValueInfo kAuarcInfo = {
    .name = "auarc_prefix",
    .rule = Rule::kCustom,
    .range = {0, 1},
    .doc = "mean over k of the accuracy of the k least uncertain answers"};
inline constexpr ValueInfo kAuracInfo = {.name = "aurac_jlko20",
                                         .rule = Rule::kCustom,
                                         .range = {0, 1},
                                         .doc =
                                             "area of accuracy over 20 answered shares from 0.1 to 1 "
                                             "(jlko/semantic_uncertainty); perfect is 0.947"};
inline constexpr ValueInfo kAccuracy80Info = {
    .name = "accuracy_at_0.8",
    .rule = Rule::kCustom,
    .range = {0, 1},
    .doc = "accuracy when the most uncertain fifth is not answered"};
inline constexpr ValueInfo kAccuracy90Info = {
    .name = "accuracy_at_0.9",
    .rule = Rule::kCustom,
    .range = {0, 1},
    .doc = "accuracy when the most uncertain tenth is not answered"};
inline constexpr ValueInfo kPrrInfo = {
    .name = "prr_1.0",
    .rule = Rule::kCustom,
    .doc = "prediction rejection ratio (IINemo/lm-polygraph): 1 as good as an oracle, 0 as chance"};

/// Base of the uncertainty metrics: aggregates, and the two values that say what was right and known.
class UncertaintyMetric : public Metric {
 public:
  Result<void> aggregate(const Sample& sample, std::span<const std::uint32_t> picks,
                         std::span<double> out) override {
    sort_items(sample);
    times_.assign(sample.items(), 0);
    for (const std::uint32_t i : picks) ++times_[i];
    score_.clear(), quality_.clear(), wrong_.clear(), seen_score_.clear(), unseen_.clear();
    for (const std::uint32_t i : order_) {
      const double u = sample.value(i, kUncertainty), incorrect = sample.value(i, kIncorrect);
      const double k = sample.value(i, kExposures);
      for (std::uint32_t n = 0; n < times_[i]; ++n) {
        if (!std::isnan(incorrect)) {
          score_.push_back(u);
          quality_.push_back(1 - incorrect);
          wrong_.push_back(incorrect == 1 ? 1 : 0);
        }
        if (k == 0 || k >= 2) {
          seen_score_.push_back(u);
          unseen_.push_back(k == 0 ? 1 : 0);
        }
      }
    }
    out[kAuroc] = auroc(score_, wrong_);
    out[kAurocUnseen] = auroc(seen_score_, unseen_);
    if (score_.empty()) return {};
    const Selection selection(score_, quality_);
    out[kAupr] = aupr_trapezoid(score_, wrong_);
    out[kAuarc] = selection.auarc();
    out[kAurac] = selection.aurac20();
    out[kAccuracy80] = selection.accuracy_at(0.8);
    out[kAccuracy90] = selection.accuracy_at(0.9);
    out[kPrr] = selection.rejection_ratio(1.0).normalised;
    return {};
  }
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    Answer answer = read_answer(item);
    out[kExposures] = item.number("k");
    if (answer.outcome.state == State::kUnsupported) return std::move(answer.outcome);
    if (answer.outcome.state == State::kOk) out[kIncorrect] = is_correct(item, answer.text) ? 0 : 1;
    Outcome outcome = measure(item, answer, out);
    // Without an answer there is nothing to be uncertain about, but the state stays that of the answer.
    return answer.outcome.state == State::kOk ? std::move(outcome) : std::move(answer.outcome);
  }

 protected:
  /// Writes out[kUncertainty] and any further per-item values.
  virtual Outcome measure(const Record& item, const Answer& answer, std::span<double> out) = 0;

 private:
  /// Items with a value by ascending uncertainty, sorted once for all resamples of a sample.
  void sort_items(const Sample& sample) {
    column_.clear();
    for (std::size_t i = 0; i < sample.items(); ++i) column_.push_back(sample.value(i, kUncertainty));
    const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    if (std::equal(column_.begin(), column_.end(), sorted_column_.begin(), sorted_column_.end(), same))
      return;
    sorted_column_ = column_;
    order_.clear();
    for (std::uint32_t i = 0; i < column_.size(); ++i) {
      if (!std::isnan(column_[i])) order_.push_back(i);
    }
    std::stable_sort(order_.begin(), order_.end(),
                     [this](std::uint32_t a, std::uint32_t b) { return column_[a] < column_[b]; });
  }

  std::vector<double> column_, sorted_column_;  // uncertainties of the sample, and of the one order_ is for
  std::vector<std::uint32_t> order_, times_;
  std::vector<double> score_, quality_, seen_score_;
  std::vector<char> wrong_, unseen_;
};

#define ASSAY_UNCERTAINTY_VALUES(...)                                                \
  static constexpr ValueInfo values[] = {                                            \
      kUncertaintyInfo, kIncorrectInfo,   kExposuresInfo __VA_OPT__(, ) __VA_ARGS__, \
      kAurocInfo,       kAurocUnseenInfo, kAuprInfo,                                 \
      kAuarcInfo,       kAuracInfo,       kAccuracy80Info,                           \
      kAccuracy90Info,  kPrrInfo}

class NegLogp final : public UncertaintyMetric {
 public:
  static constexpr MetricInfo info = {
      .id = "uncertainty.neg_logp",
      .title = "Uncertainty: -log p of the greedy answer",
      .doc = "Minus the summed log-probability of the tokens of the greedy answer.",
      .requires_caps = ASSAY_CAP_GENERATE | ASSAY_CAP_GENERATE_STATS,
      .flags = ASSAY_FLAG_POOL_VARIANTS};
  ASSAY_UNCERTAINTY_VALUES();

 protected:
  Outcome measure(const Record&, const Answer& answer, std::span<double> out) override {
    if (!answer.response.samples()) return {State::kUnsupported, "there is no generated answer"};
    out[kUncertainty] = 0.0 - answer_likelihood(answer.response, 0).sum;
    if (std::isnan(out[kUncertainty]))
      return {State::kUnsupported, "the answer has no token log-probabilities"};
    return {};
  }
};

class NextTokenEntropy final : public UncertaintyMetric {
 public:
  static constexpr MetricInfo info = {.id = "uncertainty.next_token_entropy",
                                      .title = "Uncertainty: entropy of the first answer token",
                                      .doc =
                                          "Entropy of the distribution that predicts the first token of the "
                                          "answer: of the request \"first\" if the task "
                                          "asked for it, else as delivered with the generated answer.",
                                      .requires_caps = ASSAY_CAP_GENERATE,
                                      .flags = ASSAY_FLAG_POOL_VARIANTS};
  ASSAY_UNCERTAINTY_VALUES();

 protected:
  Outcome measure(const Record& item, const Answer& answer, std::span<double> out) override {
    if (const auto rows = item.first(ASSAY_REQUEST_ROWS)) {
      for (std::size_t r = 0; r < rows->rows(); ++r) {
        if (rows->row(r).position != 0 || rows->row(r).member >= 0) continue;
        probabilities_of(rows->row(r), p_);
        out[kUncertainty] = entropy(p_);
        return {};
      }
    }
    const std::span<const double> delivered = answer.response.sample_tokens(0).entropy();
    if (!delivered.empty()) out[kUncertainty] = delivered[0];
    if (std::isnan(out[kUncertainty])) {
      return {State::kUnsupported, "no distribution of the first token; set distribution = true in the task"};
    }
    return {};
  }

 private:
  std::vector<double> p_;
};

class CandidateEntropy final : public UncertaintyMetric {
 public:
  static constexpr MetricInfo info = {.id = "uncertainty.candidate_entropy",
                                      .title = "Uncertainty: entropy over the candidates",
                                      .doc = "Entropy of the candidates' probabilities renormalised to 1.",
                                      .requires_caps = ASSAY_CAP_GENERATE | ASSAY_CAP_SCORE_MEAN,
                                      .flags = ASSAY_FLAG_POOL_VARIANTS};
  ASSAY_UNCERTAINTY_VALUES();

 protected:
  Outcome measure(const Record& item, const Answer&, std::span<double> out) override {
    read_choices(item, "choice/", choices_);
    if (choices_.outcome.state != State::kOk) return choices_.outcome;
    candidate_probabilities(choices_.scores, p_);
    out[kUncertainty] = entropy(p_);
    return {};
  }

 private:
  Choices choices_;
  std::vector<double> p_;
};

class SemanticEntropy final : public UncertaintyMetric {
 public:
  static constexpr MetricInfo info = {
      .id = "uncertainty.semantic_entropy",
      .title = "Uncertainty: entropy over the meanings of the samples",
      .doc =
          "Samples with the same meaning are one outcome (Farquhar et al. 2024). Same meaning is decided on "
          "the texts "
          "(equal, or equal after the SQuAD normaliser). The variants differ in value and scale.",
      .requires_caps = ASSAY_CAP_GENERATE,
      .flags = ASSAY_FLAG_POOL_VARIANTS};
  ASSAY_UNCERTAINTY_VALUES();

 protected:
  Outcome measure(const Record& item, const Answer&, std::span<double> out) override {
    const auto samples = item.find("samples");
    if (!samples || samples->samples() < 2)
      return {State::kUnsupported, "the item has no request \"samples\" with several texts"};
    read(*samples);
    const std::string& variant = variant_.get().text;
    if (variant != "se_discrete" && variant != "se_polygraph_freq_mean" &&
        variant != "se_polygraph_freq_direct") {
      const std::vector<double>& needed =
          variant == "se_rao" || variant == "naive_entropy_meanll" ? mean_ : sum_;
      for (const double value : needed) {
        if (std::isnan(value))
          return {State::kUnsupported,
                  "a sample has no token log-probabilities; variant se_discrete needs none"};
      }
    }
    const auto same = [&](std::size_t i, std::size_t j) { return keys_[i] == keys_[j]; };
    const std::vector<std::size_t> ids = cluster(texts_.size(), same, rule());
    out[kUncertainty] = value_of(variant, ids);
    const std::size_t meanings = *std::max_element(ids.begin(), ids.end()) + 1;
    return {State::kOk, std::to_string(meanings) + " meanings in " + std::to_string(ids.size()) + " samples"};
  }

 private:
  void read(const ResponseView& samples) {
    texts_.clear(), keys_.clear(), mean_.clear(), sum_.clear();
    for (std::size_t i = 0; i < samples.samples(); ++i) {
      texts_.push_back(answer_part(samples.text(i)));
      keys_.push_back(equivalence_.get() == "exact" ? std::string(texts_.back())
                                                    : text::normalise_squad(texts_.back()));
      const Likelihood likelihood = answer_likelihood(samples, i);
      mean_.push_back(likelihood.mean);
      sum_.push_back(likelihood.sum);
    }
  }
  [[nodiscard]] Clustering rule() const {
    const std::string& name = clustering_.get().text;
    return name == "last_match"             ? Clustering::kLastMatch
           : name == "first_representative" ? Clustering::kFirstRepresentative
           : name == "components"           ? Clustering::kComponents
                                            : Clustering::kFirstMatch;
  }
  [[nodiscard]] double value_of(const std::string& variant, const std::vector<std::size_t>& ids) const {
    if (variant == "se_rao") return se_rao(ids, mean_);
    if (variant == "se_rao_sumll") return se_rao(ids, sum_);
    if (variant == "naive_entropy_meanll") return naive_entropy(mean_);
    if (variant == "se_polygraph_mean") return se_polygraph_mean(ids, sum_);
    if (variant == "se_polygraph_direct") return se_polygraph_direct(ids, sum_);
    if (variant == "se_polygraph_freq_mean") return se_polygraph_freq_mean(ids);
    if (variant == "se_polygraph_freq_direct") return se_polygraph_freq_direct(ids);
    if (variant == "se_polygraph_unique_mean") return se_polygraph_unique_mean(ids, sum_, texts_);
    return se_discrete(ids);
  }

  Param<Choice> variant_{
      *this, "variant", Choice{"se_discrete"},
      "se_discrete: cluster frequencies; se_rao, se_rao_sumll: weighted by mean or summed "
      "log-likelihood (jlko/semantic_uncertainty); naive_entropy_meanll: no clusters; se_polygraph_*: as in "
      "IINemo/lm-polygraph, not normalised",
      ParamOptions{.flags = AFFECTS_RESULT,
                   .choices = {"se_discrete", "se_rao", "se_rao_sumll", "naive_entropy_meanll",
                               "se_polygraph_mean", "se_polygraph_direct", "se_polygraph_freq_mean",
                               "se_polygraph_freq_direct", "se_polygraph_unique_mean"}}};
  Param<Choice> equivalence_{*this, "equivalence", Choice{"exact"},
                             "exact: identical texts; normalised: identical after the SQuAD normaliser",
                             ParamOptions{.flags = AFFECTS_RESULT, .choices = {"exact", "normalised"}}};
  Param<Choice> clustering_{
      *this, "clustering", Choice{"first_match"},
      "how equivalent samples join; equal results for exact and normalised",
      ParamOptions{.flags = AFFECTS_RESULT,
                   .choices = {"first_match", "last_match", "first_representative", "components"}}};
  std::vector<std::string_view> texts_;
  std::vector<std::string> keys_;
  std::vector<double> mean_, sum_;
};

class Epistemic final : public UncertaintyMetric {
 public:
  static constexpr MetricInfo info = {
      .id = "uncertainty.epistemic",
      .title = "Uncertainty: disagreement of an ensemble",
      .doc =
          "Entropy of the members' mean distribution minus their mean entropy, for the first answer token. "
          "One member gives 0.",
      .requires_caps = ASSAY_CAP_GENERATE | ASSAY_CAP_ROWS | ASSAY_CAP_MEMBERS,
      .flags = ASSAY_FLAG_POOL_VARIANTS};
  static constexpr ValueInfo kPredictiveInfo = {.name = "predictive",
                                                .has_direction = false,
                                                .doc = "entropy of the mean distribution",
                                                .unit = "nats"};
  static constexpr ValueInfo kAleatoricInfo = {
      .name = "aleatoric", .has_direction = false, .doc = "mean entropy of the members", .unit = "nats"};
  ASSAY_UNCERTAINTY_VALUES(kPredictiveInfo, kAleatoricInfo);

 protected:
  Outcome measure(const Record& item, const Answer&, std::span<double> out) override {
    const auto rows = item.first(ASSAY_REQUEST_ROWS);
    if (!rows) return {State::kUnsupported, "the task asked for no distribution; set distribution = true"};
    members_.clear();
    std::size_t count = 0, width = 0;
    for (std::size_t r = 0; r < rows->rows(); ++r) {
      if (rows->row(r).position != 0 || rows->row(r).member < 0) continue;
      probabilities_of(rows->row(r), p_);
      if (count != 0 && p_.size() != width)
        return {State::kUnsupported, "the members have different vocabularies"};
      width = p_.size();
      members_.insert(members_.end(), p_.begin(), p_.end());
      ++count;
    }
    if (count == 0) return {State::kUnsupported, "the model delivered no distributions of members"};
    const EnsembleUncertainty parts = ensemble_uncertainty(members_, count);
    out[kUncertainty] = parts.epistemic;
    out[kFirstExtra] = parts.predictive;
    out[kFirstExtra + 1] = parts.aleatoric;
    return {};
  }

 private:
  std::vector<double> p_, members_;
};

}  // namespace assay::hallucination
