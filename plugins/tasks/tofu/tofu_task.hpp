// The task `assay.tofu`: questions about fictitious and real authors, with paraphrased and perturbed answers.
#pragma once

#include <string>
#include <vector>

#include "assay/sdk/task.hpp"
#include "row_file.hpp"

namespace assay::unlearning {

class TofuTask final : public Task {
 public:
  static constexpr TaskInfo info{
      .id = "assay.tofu",
      .title = "TOFU: unlearning fictitious authors",
      .doc =
          "Questions of TOFU (Maini et al. 2024, locuslab/tofu) in up to five sections, which are the "
          "variants of the items: retain, real_authors, world_facts, forget, forget_paraphrased (the forget "
          "items asked with their paraphrased question). Each item asks for a generation (answer) and for "
          "the losses of the gold answer (gold), its paraphrase (para) and its perturbed answers (pert/0 "
          "...). Files are JSON Lines or a JSON array, plain or gzip. The first 300 rows are the published "
          "setting of 2024; p-values of other n do not compare."};

  Result<void> open(Call& call) override;
  [[nodiscard]] std::int64_t count() const override { return static_cast<std::int64_t>(items_.size()); }
  Result<void> item(std::uint64_t index, ItemWriter& out) override;

  Param<Path> retain{*this, "retain", std::nullopt, "Rows of the retain section (retain_perturbed)",
                     AFFECTS_RESULT};
  Param<Path> forget{*this, "forget", std::nullopt, "Rows of the forget set, forget10 in its original order",
                     AFFECTS_RESULT};
  Param<Path> real_authors{*this, "real_authors", std::nullopt, "Rows about real authors", AFFECTS_RESULT};
  Param<Path> world_facts{*this, "world_facts", std::nullopt, "Rows of world facts", AFFECTS_RESULT};
  Param<Choice> split{
      *this, "split", Choice{"forget10"},
      "Which part of the forget file: the last 400 (forget10), 200 (forget05) or 40 (forget01) rows, or all",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"forget10", "forget05", "forget01", "all"}}};
  Param<std::int64_t> n_rows{*this, "n_rows", 300,
                             "At most this many first rows of the retain and forget sections; 0: all",
                             ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .unit = "rows"}};
  Param<Choice> style{*this, "template", Choice{"llama2"},
                      "llama2: [INST] question [/INST] directly followed by the answer. phi: 'Question: ', "
                      "question, line feed, 'Answer: ', answer; the tag belongs to the scored text. plain: "
                      "'Question: ', question, line feed, 'Answer:', blank, answer",
                      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"llama2", "phi", "plain"}}};
  Param<std::vector<std::string>> sections{
      *this,
      "sections",
      {"retain", "real_authors", "world_facts", "forget"},
      "Sections to ask, in this order: retain, real_authors, world_facts, forget, forget_paraphrased",
      AFFECTS_RESULT};
  Param<Choice> ask{
      *this, "ask", Choice{"both"},
      "generate: only generations, for models that give no log-probabilities. score: only losses. A model "
      "that lacks one of the two gets no result for items that ask for both",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"both", "generate", "score"}}};
  Param<std::int64_t> max_tokens{*this, "max_tokens", 200, "Longest generation",
                                 ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .unit = "tokens"}};

 private:
  struct Question {
    std::string question, answer, paraphrase;
    std::vector<std::string> perturbed;
    std::string bad;          ///< why the row cannot be used; empty: it can
    std::size_t row = 0;      ///< number in the section, from 0: the item id
    std::size_t section = 0;  ///< index into kNames
  };
  Result<void> read_section(std::size_t section);
  std::vector<Question> items_;
};

}  // namespace assay::unlearning
