// The model `assay.guard`: another model behind a guardrail.
#pragma once

#include <string>
#include <vector>

#include "assay/sdk/model.hpp"
#include "assay/sdk/models.hpp"
#include "guard_rules.hpp"

namespace assay::guard {

/// Statistics of a scored continuation that a guard can hand on.
inline constexpr std::uint64_t kScoreCaps = ASSAY_CAP_SCORE_MEAN | ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK |
                                            ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1 |
                                            ASSAY_CAP_TOPK;

class Guard final : public Model {
 public:
  static constexpr ModelInfo info{
      .id = "assay.guard",
      .title = "A model behind a guardrail",
      .doc =
          "Wraps another model with a rule that hides knowledge instead of removing it: the counterpart that "
          "unlearning must be told apart from. prompt: an instruction before every prompt. input_filter: "
          "prompts that name an entity of the list get the refusal, and the model is not asked. "
          "output_filter: generations that contain a blocked text are replaced by the refusal. score_policy "
          "says what happens to log-probabilities: pass (those of the inner model, flagged), block (not "
          "offered), mask (guarded prompts are scored as if the refusal had probability 1 and everything "
          "else ln p = -100 per token, flagged). Lists are text files with one entry per line, or JSON rows "
          "from which one field is taken.",
      .provides = ASSAY_CAP_GENERATE | ASSAY_CAP_CHAT | ASSAY_CAP_GENERATE_STATS | kScoreCaps,
      .concurrency = ASSAY_CONCURRENCY_PARALLEL,
      .flags = ASSAY_FLAG_DETERMINISTIC | ASSAY_FLAG_BATCH_INVARIANT | ASSAY_FLAG_WRAPPER |
               ASSAY_FLAG_BLOCKS_ON_MODELS};

  Result<void> configure() override;
  [[nodiscard]] std::uint64_t capabilities(std::uint64_t declared) const override;
  Result<void> generate(const RequestView& request, ResponseWriter& out, Call& call) override;
  Result<void> score(const RequestView& request, ResponseWriter& out, Call& call) override;

  Slot of{*this, "of", "target", ASSAY_CAP_GENERATE, "The model behind the guard"};
  Param<Choice> kind{
      *this, "kind", Choice{"input_filter"},
      "prompt: an instruction before every prompt. input_filter: refuse prompts that name an entity. "
      "output_filter: replace generations that contain a blocked text",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"prompt", "input_filter", "output_filter"}}};
  Param<Path> entities{*this, "entities", std::nullopt,
                       "input_filter: file of names, one per line, or JSON rows with the field entity_field",
                       AFFECTS_RESULT};
  Param<std::vector<std::string>> names{*this, "names", {}, "input_filter: further names", AFFECTS_RESULT};
  Param<Path> blocked{
      *this, "blocked", std::nullopt,
      "output_filter: file of texts, one per line, or JSON rows with the field blocked_field; a full stop at "
      "the end of an entry is left out",
      AFFECTS_RESULT};
  Param<std::vector<std::string>> phrases{
      *this, "phrases", {}, "output_filter: further texts", AFFECTS_RESULT};
  Param<std::string> entity_field{*this, "entity_field", "name", "Field of JSON rows that holds the name",
                                  AFFECTS_RESULT};
  Param<std::string> blocked_field{*this, "blocked_field", "answer", "Field of JSON rows that holds the text",
                                   AFFECTS_RESULT};
  Param<std::vector<std::string>> list_roles{
      *this,
      "list_roles",
      {"forget"},
      "Only JSON rows whose field role is one of these; empty: all rows",
      AFFECTS_RESULT};
  Param<bool> case_sensitive{*this, "case_sensitive", false, "Match letters as they are", AFFECTS_RESULT};
  Param<std::string> refusal{*this, "refusal", "i do not know .", "What is answered instead", AFFECTS_RESULT};
  Param<Choice> score_policy{
      *this, "score_policy", Choice{"pass"},
      "pass: scores of the inner model. block: no scores. mask: guarded prompts as if the refusal were "
      "certain. The kind prompt scores with its instruction in place",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"pass", "block", "mask"}}};
  Param<std::string> instruction{*this, "instruction", std::string(kUnlearnInstruction),
                                 "prompt: text before every prompt; {subject} is replaced", AFFECTS_RESULT};
  Param<std::string> subject{*this, "subject", "the forget set", "prompt: what {subject} stands for",
                             AFFECTS_RESULT};
  Param<std::int64_t> mask_tokens{*this, "mask_tokens", 64,
                                  "output_filter with mask: length of the generation that decides whether a "
                                  "scored prompt is guarded",
                                  ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .unit = "tokens"}};

 private:
  enum class Kind { kPrompt, kInputFilter, kOutputFilter };
  enum class Policy { kPass, kBlock, kMask };

  /// The request with the instruction in front (kind prompt), or as it is.
  [[nodiscard]] assay_request prepared(const assay_request& request, const Call& call) const;
  /// Asks the inner model one request; an answer that is not OK becomes an Error.
  Result<assay_response> ask(const assay_request& request, const Call& call) const;
  /// Is this request one whose generation the guard replaces?
  Result<bool> guarded_request(const assay_request& request, const Call& call) const;
  void mask(const assay_request& request, assay_response& response, const Call& call) const;

  Kind kind_ = Kind::kInputFilter;
  Policy policy_ = Policy::kPass;
  Matcher matcher_;
  std::string instruction_;
};

}  // namespace assay::guard
