// The task `assay.planted_unlearning`: invented facts of known membership, asked in several forms and probes.
#pragma once

#include <string>
#include <vector>

#include "assay/sdk/task.hpp"

namespace assay::unlearning {

class PlantedTask final : public Task {
 public:
  static constexpr TaskInfo info{
      .id = "assay.planted_unlearning",
      .title = "Planted unlearning: invented facts under probes",
      .doc =
          "Facts about invented people of which it is known whether a model was trained on them (role "
          "retain), was trained and had to unlearn them (forget), or never saw them (holdout). Every fact is "
          "asked under each chosen probe; the variant of an item is PROBE/ROLE, so that the results show "
          "what leaks under which probe. Probes: base; paraphrase; cloze; alias (the person by a second "
          "name); answer_prefix (the first word of the answer is given away); incontext1 .. incontext3 (the "
          "prompt says who the person is, two other facts of the same person, or the fact itself: the upper "
          "bound). Each item asks for a generation (answer) and for the losses of the gold answer (gold), "
          "its paraphrase (para) and the perturbed answers (pert/0 ...). Rows: {id, role, name, alias, "
          "question, paraphrased_question, cloze, alias_question, answer, perturbed_answer}."};

  Result<void> open(Call& call) override;
  [[nodiscard]] std::int64_t count() const override { return static_cast<std::int64_t>(asked_.size()); }
  Result<void> item(std::uint64_t index, ItemWriter& out) override;

  Param<Path> items{*this, "items", std::nullopt,
                    "The facts, one row each (data:planted/unlearning/items.jsonl)",
                    REQUIRED | AFFECTS_RESULT};
  Param<std::vector<std::string>> probes{*this,
                                         "probes",
                                         {"base", "paraphrase", "cloze", "alias", "answer_prefix"},
                                         "Probes, in this order: base, paraphrase, cloze, alias, "
                                         "answer_prefix, incontext1, incontext2, incontext3",
                                         AFFECTS_RESULT};
  Param<std::vector<std::string>> roles{
      *this, "roles", {"forget", "retain", "holdout"}, "Roles of the facts that are asked", AFFECTS_RESULT};
  Param<std::int64_t> retain_every{*this, "retain_every", 1, "Only every n-th fact of the role retain",
                                   ParamOptions{.flags = AFFECTS_RESULT, .min = 1}};
  Param<Choice> ask{
      *this, "ask", Choice{"both"},
      "generate: only generations, for models that give no log-probabilities. score: only losses. A model "
      "that lacks one of the two gets no result for items that ask for both",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"both", "generate", "score"}}};
  Param<std::int64_t> max_tokens{*this, "max_tokens", 8, "Longest generation",
                                 ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .unit = "tokens"}};

 private:
  struct Fact {
    std::string id, role, name, alias, question, paraphrased_question, cloze, alias_question, answer,
        paraphrase;
    std::vector<std::string> perturbed;
  };
  struct Asked {
    std::size_t fact, probe;
  };
  /// A probe applied to a fact. `added` is what the probe put before the question.
  struct Form {
    std::string prompt, gold, added;
    std::string missing;     ///< why the probe cannot be applied; empty: it can
    bool comparable = true;  ///< perturbed answers fit the prompt
  };
  Result<void> read_facts();
  [[nodiscard]] Form form(const Fact& fact, std::size_t probe) const;
  [[nodiscard]] std::string context(const Fact& fact, int level) const;

  std::vector<Fact> facts_;
  std::vector<Asked> asked_;
};

}  // namespace assay::unlearning
