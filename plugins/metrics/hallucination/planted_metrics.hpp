// Metrics of planted facts: what is answered, what is chosen, and the best constant answer.
#pragma once

#include <map>

#include "assay/text/refusal.hpp"
#include "plugins/metrics/hallucination/records.hpp"
#include "plugins/metrics/hallucination/uncertainty.hpp"

namespace assay::hallucination {

/// True if `value` is one of the lines of `pool`.
inline bool in_pool(std::string_view value, std::string_view pool) {
  while (!pool.empty()) {
    const std::size_t end = pool.find('\n');
    if (pool.substr(0, end) == value) return true;
    pool.remove_prefix(end == std::string_view::npos ? pool.size() : end + 1);
  }
  return false;
}

class PlantedAnswers final : public Metric {
 public:
  static constexpr MetricInfo info = {.id = "planted.answers",
                                      .title = "Planted facts: correct, made up, or abstained",
                                      .doc =
                                          "The greedy answer up to \" .\" against the planted value. An "
                                          "answer is hallucinated if it is wrong and one of "
                                          "the attribute's values, abstained if an abstention phrase is "
                                          "found (detector phrases_v1). An empty answer is "
                                          "its own state, neither wrong nor abstained.",
                                      .requires_caps = ASSAY_CAP_GENERATE};
  static constexpr ValueInfo values[] = {{.name = "correct",
                                          .rule = Rule::kProportion,
                                          .headline = true,
                                          .range = {0, 1},
                                          .doc = "the answer is the planted value, word for word"},
                                         {.name = "hallucinated",
                                          .rule = Rule::kProportion,
                                          .higher_is_better = false,
                                          .range = {0, 1},
                                          .doc = "answered with another value of the attribute"},
                                         {.name = "abstained",
                                          .rule = Rule::kProportion,
                                          .has_direction = false,
                                          .range = {0, 1},
                                          .doc = "an abstention phrase instead of an answer"},
                                         {.name = "in_domain",
                                          .rule = Rule::kProportion,
                                          .has_direction = false,
                                          .range = {0, 1},
                                          .doc = "the answer is a value of the attribute, right or wrong"}};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    Answer answer = read_answer(item);
    if (answer.outcome.state != State::kOk) return std::move(answer.outcome);
    const bool correct = is_correct(item, answer.text);
    const bool abstained = !correct && text::abstained_phrases_v1(answer.text);
    const auto pool = item.field("pool");
    out[0] = correct ? 1 : 0;
    out[2] = abstained ? 1 : 0;
    if (pool) {
      const bool inside = in_pool(answer.text, *pool);
      out[1] = inside && !correct && !abstained ? 1 : 0;
      out[3] = inside ? 1 : 0;
    }
    return Outcome{State::kOk, std::string(answer.text)};
  }
};

class PlantedMultipleChoice final : public Metric {
 public:
  static constexpr MetricInfo info = {
      .id = "planted.multiple_choice",
      .title = "Planted facts: the true value among its candidates",
      .doc =
          "Arg max of the summed log-probabilities of the candidates; a tie for the maximum counts as wrong.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN};
  static constexpr ValueInfo values[] = {
      {.name = "correct",
       .rule = Rule::kProportion,
       .headline = true,
       .range = {0, 1},
       .doc = "the true candidate alone has the highest score"},
      {.name = "p_true",
       .range = {0, 1},
       .doc = "probability of the true candidate, renormalised over the candidates"}};

  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    read_choices(item, "choice/", choices_);
    if (choices_.outcome.state != State::kOk) return choices_.outcome;
    const auto chosen = choices_.chosen();
    out[0] = chosen && *chosen == choices_.gold ? 1 : 0;
    candidate_probabilities(choices_.scores, p_);
    out[1] = p_[choices_.gold];
    if (!chosen) return Outcome{State::kOk, "tie"};
    return Outcome{State::kOk, std::string(view(item.request(choices_.requests[*chosen]).continuation))};
  }

 private:
  Choices choices_;
  std::vector<double> p_;
};

class UniformChoice final : public Metric {
 public:
  static constexpr MetricInfo info = {.id = "blind.uniform_choice",
                                      .title = "Chance level of choosing among the candidates",
                                      .doc = "1 / number of candidates named choice/*.",
                                      .flags = ASSAY_FLAG_BASELINE,
                                      .value = "correct"};
  Result<double> eval(const Record& item, Call&) override {
    std::size_t n = 0;
    for (std::size_t i = 0; i < item.size(); ++i) n += item.name(i).starts_with("choice/") ? 1U : 0U;
    return n == 0 ? kMissing : 1.0 / static_cast<double>(n);
  }
};

class MajorityValue final : public Metric {
 public:
  static constexpr MetricInfo info = {.id = "blind.majority_value",
                                      .title = "Constant rule: the most frequent value of the attribute",
                                      .doc =
                                          "Model-free baseline: answers every probe of an attribute with the "
                                          "value that is the answer most often (of equals "
                                          "the first in byte order).",
                                      .flags = ASSAY_FLAG_BASELINE,
                                      .value = "correct",
                                      .rule = Rule::kProportion};

  Result<void> fit(std::span<const Record> items, bool last) override {
    if (complete_) counts_.clear(), best_.clear();  // another selection begins
    for (const Record& item : items) {
      const auto attribute = item.field("attribute");
      if (attribute && item.targets().size() != 0)
        ++counts_[std::string(*attribute)][std::string(item.targets()[0])];
    }
    complete_ = last;
    if (!last) return {};
    for (const auto& [attribute, values] : counts_) {
      std::size_t top = 0;
      for (const auto& [value, count] : values) {
        if (count > top) top = count, best_[attribute] = value;
      }
    }
    return {};
  }
  Result<double> eval(const Record& item, Call&) override {
    const auto attribute = item.field("attribute");
    const auto found = attribute ? best_.find(*attribute) : best_.end();
    if (found == best_.end()) return kMissing;
    return is_correct(item, found->second) ? 1.0 : 0.0;
  }

 private:
  std::map<std::string, std::map<std::string, std::size_t>, std::less<>> counts_;
  std::map<std::string, std::string, std::less<>> best_;
  bool complete_ = false;
};

}  // namespace assay::hallucination
