// The task `assay.labelled_texts`: texts with a label, for membership inference and detection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/task.hpp"
#include "json_rows.hpp"

namespace assay::labelled_texts {

/// The first `words` pieces between white space, joined as they stand; 0: the whole text.
std::string_view first_words(std::string_view text, std::int64_t words);

class LabelledTexts final : public Task {
 public:
  static constexpr TaskInfo info{
      .id = "assay.labelled_texts",
      .title = "Texts with a label: member or not, machine or human",
      .doc =
          "One item per row {text, label, optional id and group} of a JSON Lines file or JSON array (plain "
          "or gzip). "
          "The text is scored as the continuation of an empty prompt (request `text`). Serves WikiMIA "
          "(text_field = input), the Gutenberg subset of Blind-MIA, planted members and other lists."};

  LabelledTexts();
  ~LabelledTexts() override;

  Param<Path> data{*this, "data", std::nullopt, "JSON Lines file or JSON array of objects",
                   REQUIRED | AFFECTS_RESULT};
  Param<std::string> text_field{*this, "text_field", std::string("text"), "Field of the text",
                                AFFECTS_RESULT};
  Param<std::string> label_field{*this, "label_field", std::string("label"), "Field of the label",
                                 AFFECTS_RESULT};
  Param<std::string> positive{*this, "positive", std::string("1"), "Label that becomes 1 (member, machine)",
                              AFFECTS_RESULT};
  Param<std::string> negative{*this, "negative", std::string("0"),
                              "Label that becomes 0 (non-member, human); empty: every other label",
                              AFFECTS_RESULT};
  Param<Choice> other_labels{*this, "other_labels", Choice{"report"},
                             "Rows with any other label. report: as rows that cannot be used. skip: silently",
                             ParamOptions{.flags = AFFECTS_RESULT, .choices = {"report", "skip"}}};
  Param<std::string> id_field{*this, "id_field", std::string("id"),
                              "Field of the item's id; rows without it are named by their number from 0",
                              AFFECTS_RESULT};
  Param<std::string> group_field{*this, "group_field", std::string(),
                                 "Field of the document or author of the row, for clustered errors",
                                 AFFECTS_RESULT};
  Param<std::string> variant{*this, "variant", std::string(), "Name of the form of all items: length32",
                             AFFECTS_RESULT};
  Param<std::string> variant_field{*this, "variant_field", std::string(),
                                   "Field of the form of the item, instead of `variant`", AFFECTS_RESULT};
  Param<std::int64_t> max_words{*this, "max_words", 0, "Keep the first words of a text; 0: all",
                                ParamOptions{.flags = AFFECTS_RESULT, .min = 0, .unit = "words"}};
  Param<bool> reference{*this, "reference", false,
                        "Also score the text with the model of the role `reference` (mia.ref)",
                        AFFECTS_RESULT};
  Param<bool> lowercase{*this, "lowercase", false, "Also score the lower-cased text (mia.lowercase)",
                        AFFECTS_RESULT};

  Result<void> configure() override;
  Result<void> open(Call& call) override;
  [[nodiscard]] std::int64_t count() const override {
    return rows_ ? static_cast<std::int64_t>(rows_->size()) : 0;
  }
  Result<void> item(std::uint64_t index, ItemWriter& out) override;

 private:
  struct Row;
  struct Reader;
  Result<void> read(std::string_view bytes, Row& row);
  [[nodiscard]] std::string key_of(const Row& row, std::uint32_t number) const;

  std::unique_ptr<rows::RowFile> rows_;
  std::unique_ptr<Reader> reader_;
  std::vector<std::uint32_t> numbers_;  // row number in the file of every kept row
};

}  // namespace assay::labelled_texts
