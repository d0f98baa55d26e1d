// Model-free baselines as metric plugins. They are printed beside the scores they check.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/metric.hpp"
#include "blind_rules.hpp"
#include "naive_bayes.hpp"

namespace assay::blind {

class Date final : public Metric {
 public:
  static constexpr MetricInfo info{.id = "blind.date",
                                   .title = "Date rule: does the text name a year before the cutoff?",
                                   .doc =
                                       "0.5 without a four-digit number, 1 if the largest one is below the "
                                       "cutoff, else 0 (Das et al. 2024, "
                                       "ethz-spylab/Blind-MIA). On WikiMIA it beats every published attack.",
                                   .flags = ASSAY_FLAG_BASELINE,
                                   .rule = Rule::kAuroc};
  Param<Choice> variant{*this, "variant", Choice{"date_max4"},
                        "date_max4: the largest run of four digits decides",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"date_max4"}}};
  Param<std::int64_t> cutoff{*this, "cutoff", 2023, "First year that speaks against membership",
                             ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 9999, .unit = "year"}};
  Result<double> eval(const Record& item, Call&) override { return date_max4(item.text(), cutoff); }
};

class Size final : public Metric {
 public:
  static constexpr MetricInfo info{.id = "blind.size",
                                   .title = "Size of the text",
                                   .doc =
                                       "Compressed size, bytes or characters of the text. A size has no "
                                       "natural direction: an AUROC far below "
                                       "0.5 says as much as one far above.",
                                   .flags = ASSAY_FLAG_BASELINE};
  static constexpr ValueInfo values[] = {{.name = "score",
                                          .rule = Rule::kAuroc,
                                          .has_direction = false,
                                          .headline = true,
                                          .doc = "The size; which end is positive the data may decide"}};
  Param<Choice> variant{
      *this, "variant", Choice{"zlib_bytes"},
      "zlib_bytes, neg_zlib_bytes: +/- bytes of the zlib stream. utf8_bytes. chars: code points. "
      "zlib_over_bytes: "
      "compressed share",
      ParamOptions{.flags = AFFECTS_RESULT,
                   .choices = {"zlib_bytes", "neg_zlib_bytes", "utf8_bytes", "chars", "zlib_over_bytes"}}};
  Result<Outcome> score(const Record& item, std::span<double> out, Call&) override {
    const std::string& name = variant.get().text;
    const SizeVariant which = name == "neg_zlib_bytes"    ? SizeVariant::kNegZlibBytes
                              : name == "utf8_bytes"      ? SizeVariant::kUtf8Bytes
                              : name == "chars"           ? SizeVariant::kChars
                              : name == "zlib_over_bytes" ? SizeVariant::kZlibOverBytes
                                                          : SizeVariant::kZlibBytes;
    const Result<double> size = size_of_text(item.text(), which);
    if (!size && size.error().code == Code::kData) return Outcome{State::kEmpty, size.error().text};
    if (!size) return size.error();
    out[0] = *size;
    return Outcome{};
  }
};

class Words final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "blind.nb",
      .title = "Bag of words: naive Bayes, out of fold",
      .doc =
          "Log-odds of class 1 by multinomial naive Bayes over the lower-cased words, trained on the other "
          "four of "
          "five folds of the same data and variant (mia.md section 4; after Das et al. 2024).",
      .flags = ASSAY_FLAG_BASELINE,
      .rule = Rule::kAuroc,
      .range = {}};
  Param<Choice> variant{
      *this, "variant", Choice{"nb_all"},
      "nb_all: all training words. nb_top34: the 34 most frequent ones. *_grouped: folds by group, not by "
      "row",
      ParamOptions{.flags = AFFECTS_RESULT,
                   .choices = {"nb_all", "nb_top34", "nb_all_grouped", "nb_top34_grouped"}}};

  Result<void> fit(std::span<const Record> items, bool last) override {
    if (complete_) {
      models_.clear();
      scores_.clear();
      complete_ = false;
    }
    const std::string& name = variant.get().text;
    const NaiveBayesSettings settings{.vocabulary = name.starts_with("nb_top34") ? std::size_t{34} : 0,
                                      .by_group = name.ends_with("_grouped")};
    for (const Record& item : items) {
      if (item.label() != 0 && item.label() != 1) continue;
      const auto model = models_.try_emplace(std::string(item.variant()), settings).first;
      model->second.add(item.index(), item.text(), item.label(), item.group());
    }
    if (!last) return {};
    for (auto& [key, model] : models_) {
      for (const NaiveBayes::Scored& scored : model.scores()) scores_.emplace(scored.position, scored.score);
    }
    models_.clear();
    complete_ = true;
    return {};
  }

  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const auto found = scores_.find(item.index());
    if (found == scores_.end()) {
      return Outcome{State::kUnsupported,
                     "no_label: the item has no label 0 or 1, or was not part of the fit"};
    }
    if (std::isnan(found->second)) {
      return Outcome{State::kUnsupported,
                     "undefined: the training folds of this item lack one of the two classes"};
    }
    values[0] = found->second;
    return Outcome{};
  }

 private:
  std::map<std::string, NaiveBayes> models_;
  std::map<std::uint64_t, double> scores_;
  bool complete_ = false;
};

/// The choices of a multiple-choice item: requests named "choice/...", with their truths.
struct Choices {
  std::vector<std::string_view> texts;
  std::vector<bool> correct;
};
inline Choices choices_of(const Record& item) {
  Choices choices;
  for (std::size_t i = 0; i < item.raw()->item->request_count; ++i) {
    if (!item.name(i).starts_with("choice/")) continue;
    choices.texts.push_back(view(item.request(i).continuation));
    choices.correct.push_back(item.request(i).label == 1);
  }
  return choices;
}
inline Outcome no_choices() {
  return {State::kUnsupported,
          "no_choices: the item has no requests named choice/0, choice/1, ... with a true one"};
}
inline bool usable(const Choices& choices) {
  return std::find(choices.correct.begin(), choices.correct.end(), true) != choices.correct.end();
}

class LongestChoice final : public Metric {
 public:
  static constexpr MetricInfo info{.id = "blind.longest_choice",
                                   .title = "Accuracy of always taking the longest choice",
                                   .doc =
                                       "1 if the longest (or shortest) choice in bytes is a true one; the "
                                       "first of equals is taken. Truths are "
                                       "often worded more carefully, hence longer.",
                                   .flags = ASSAY_FLAG_BASELINE,
                                   .rule = Rule::kProportion};
  Param<Choice> variant{*this, "variant", Choice{"longest"}, "Which choice is taken",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"longest", "shortest"}}};
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const Choices choices = choices_of(item);
    if (!usable(choices)) return no_choices();
    const Extreme which = variant.get() == "shortest" ? Extreme::kShortest : Extreme::kLongest;
    values[0] = choices.correct[extreme_choice(choices.texts, which)] ? 1 : 0;
    return Outcome{};
  }
};

class MajorityChoice final : public Metric {
 public:
  static constexpr MetricInfo info{
      .id = "blind.majority_choice",
      .title = "Accuracy of always taking the most frequent true position",
      .doc =
          "1 if the position that is most often the true one among the OTHER items of the variant (the "
          "lowest of "
          "equals) is a true one here. High values mean that the position gives the answer away.",
      .flags = ASSAY_FLAG_BASELINE,
      .rule = Rule::kProportion};
  Result<void> fit(std::span<const Record> items, bool last) override {
    if (complete_) counts_.clear();
    complete_ = last;
    for (const Record& item : items) {
      const Choices choices = choices_of(item);
      std::vector<std::int64_t>& counts = counts_[std::string(item.variant())];
      if (counts.size() < choices.correct.size()) counts.resize(choices.correct.size(), 0);
      for (std::size_t i = 0; i < choices.correct.size(); ++i) counts[i] += choices.correct[i] ? 1 : 0;
    }
    return {};
  }
  Result<Outcome> score(const Record& item, std::span<double> values, Call&) override {
    const Choices choices = choices_of(item);
    const auto counts = counts_.find(std::string(item.variant()));
    if (!usable(choices) || counts == counts_.end()) return no_choices();
    std::size_t best = 0;
    std::int64_t most = -1;
    for (std::size_t i = 0; i < choices.correct.size() && i < counts->second.size(); ++i) {
      const std::int64_t others = counts->second[i] - (choices.correct[i] ? 1 : 0);
      if (others > most) {
        most = others;
        best = i;
      }
    }
    values[0] = choices.correct[best] ? 1 : 0;
    return Outcome{};
  }

 private:
  std::map<std::string, std::vector<std::int64_t>> counts_;
  bool complete_ = false;
};

}  // namespace assay::blind
