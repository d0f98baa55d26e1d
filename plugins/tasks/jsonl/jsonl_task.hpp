// The task `assay.jsonl`: any file of JSON rows becomes free answers, multiple choice or scored texts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/task.hpp"
#include "json_rows.hpp"

namespace assay::jsonl {

/// A prompt template: literal text and {field} placeholders; {{ and }} stand for braces.
struct Template {
  struct Part {
    std::string text;
    bool is_field = false;
  };
  std::vector<Part> parts;
  static Result<Template> parse(std::string_view text);
};

class JsonlTask final : public Task {
 public:
  static constexpr TaskInfo info{
      .id = "assay.jsonl",
      .title = "Any file of JSON rows",
      .doc =
          "One item per row of a JSON Lines file or JSON array (plain or gzip). mode = generate asks for an "
          "answer "
          "and keeps the targets; choice scores every choice as the continuation of the prompt; score scores "
          "the "
          "target. A row that cannot be used is reported with its line, the others are kept."};

  JsonlTask();
  ~JsonlTask() override;

  Param<Path> data{*this, "data", std::nullopt, "JSON Lines file or JSON array of objects",
                   REQUIRED | AFFECTS_RESULT};
  Param<Choice> mode{
      *this, "mode", Choice{"generate"},
      "generate: free answer. choice: log-probability of every choice. score: log-probability of the "
      "target",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"generate", "choice", "score"}}};
  Param<std::string> prompt_field{*this, "prompt_field", std::string("prompt"),
                                  "Field of the prompt; empty: no prompt", AFFECTS_RESULT};
  Param<std::string> prompt_template{
      *this, "template", std::string(),
      "Prompt made of {field} placeholders, instead of prompt_field; {{ is a brace", AFFECTS_RESULT};
  Param<std::string> target_field{
      *this, "target_field", std::string("target"),
      "Field of the accepted answer, a text or a list of texts; choice: the true choice, as "
      "number from 0, as text or as label; empty: no target",
      AFFECTS_RESULT};
  Param<std::string> choices_field{
      *this, "choices_field", std::string("choices"),
      "choice: field of the list of choices, or of an object {text: [...], label: [...]}", AFFECTS_RESULT};
  Param<std::string> choice_prefix{*this, "choice_prefix", std::string(" "),
                                   "choice, score: text put before what is scored", AFFECTS_RESULT};
  Param<std::string> id_field{*this, "id_field", std::string("id"),
                              "Field of the item's id; rows without it are named by their number from 0",
                              AFFECTS_RESULT};
  Param<std::string> group_field{*this, "group_field", std::string(),
                                 "Field of the document or author of the row, for clustered errors",
                                 AFFECTS_RESULT};
  Param<std::string> variant_field{*this, "variant_field", std::string(), "Field of the form of the item",
                                   AFFECTS_RESULT};
  Param<std::int64_t> max_tokens{
      *this, "max_tokens", 64, "generate: longest answer; 0: the model's default",
      ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 1e6, .unit = "tokens"}};
  Param<std::vector<std::string>> stop{*this, "stop", std::vector<std::string>{},
                                       "generate: texts that end the answer", AFFECTS_RESULT};
  Param<double> temperature{*this, "temperature", 0.0, "generate: 0 takes the most probable token",
                            ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 100}};
  Param<double> top_p{*this, "top_p", 1.0,
                      "generate: only the most probable tokens that hold this mass together; 0 or 1: all",
                      ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 1}};
  Param<std::int64_t> top_k{*this, "top_k", 0, "generate: only so many of the most probable tokens; 0: all",
                            ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .max = 1e6}};
  Param<std::int64_t> samples{*this, "samples", 1,
                              "generate: answers to each prompt; their seeds follow from the run's",
                              ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .max = 10000}};

  Result<void> configure() override;
  Result<void> open(Call& call) override;
  [[nodiscard]] std::int64_t count() const override {
    return rows_ ? static_cast<std::int64_t>(rows_->size()) : 0;
  }
  Result<void> item(std::uint64_t index, ItemWriter& out) override;

 private:
  struct Row;     // one parsed row: views into the parser
  struct Reader;  // the parser and its scratch memory
  /// Reads and checks a row. Errors are sentences without the place.
  Result<void> read(std::string_view bytes, Row& row);
  Result<void> read_choices(Row& row);
  Result<std::string_view> prompt_of(Row& row);

  Template template_;
  std::unique_ptr<rows::RowFile> rows_;
  std::unique_ptr<Reader> reader_;
  std::vector<std::uint32_t> numbers_;  // row number in the file of every kept row; empty: all rows were kept
};

}  // namespace assay::jsonl
