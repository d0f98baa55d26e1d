// What the unlearning metrics read from a record: losses of the scored answers, the generation's overlap with
// the gold answer, and which items a pooled metric speaks about.
//
// Request names are those of the tasks assay.tofu and assay.planted_unlearning: GENERATE "answer", SCORE
// "gold", "para", "pert/0" ... NaN means that the model's answer does not tell. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/metric.hpp"

namespace assay::unlearning {

/// Mean losses per token of one record.
struct Losses {
  double gold = kMissing;
  double para = kMissing;
  std::vector<double> perturbed;  ///< in the order of their numbers; one NaN makes their mean NaN
};
Losses losses_of(const Record& item);
/// Mean loss of the gold answer; NaN if it was not scored.
double gold_loss(const Record& item);

/// The generated answer of the model under test: text, or recorded overlaps of a log without texts.
struct Generation {
  bool present = false;  ///< there is a response to a GENERATE request
  bool has_text = false;
  std::string_view text;
  double rouge1_recall = kMissing, rouge_l_recall = kMissing;  ///< recorded values, stemmed
};
Generation generation_of(const Record& item);

/// Which number of ROUGE.
struct RougeChoice {
  bool longest = true;  ///< ROUGE-L, else ROUGE-1
  bool recall = true;   ///< recall, else the F measure
  bool stem = true;     ///< Porter stemmer
};
/// Best ROUGE of `text` against the item's accepted answers; NaN without answers.
double rouge_of(std::string_view text, const TargetsView& golds, const RougeChoice& choice);
/// ROUGE of the generation: from its text, else as recorded (recall with stemmer only); NaN if neither.
double rouge_of(const Generation& generation, const TargetsView& golds, const RougeChoice& choice);

/// The item's field `key`, or `otherwise`.
std::string_view field_or(const Record& item, std::string_view key, std::string_view otherwise);
/// True if the item is asked under this probe; items without a field `probe` belong to every probe.
bool asked_under(const Record& item, std::string_view probe);
/// True if the item belongs to the forget set: field `role`, or else the variant, is "forget".
bool in_forget_set(const Record& item);

Outcome unsupported(std::string_view what);
/// The metric does not speak about this item: no value and no failure.
Outcome not_applicable(std::string_view why);

}  // namespace assay::unlearning
