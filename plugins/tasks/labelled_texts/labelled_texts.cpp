#include "labelled_texts.hpp"

#include <utility>

#include "assay/text/utf8.hpp"
#include "json_values.hpp"

namespace assay::labelled_texts {

struct LabelledTexts::Row {
  std::string_view text, id, group, variant;
  int label = -1;  // -1: neither the positive nor the negative label, to be skipped
};

struct LabelledTexts::Reader {
  simdjson::dom::parser parser;
  Row row;
  std::string text, label, id, group, variant;
};

LabelledTexts::LabelledTexts() : reader_(std::make_unique<Reader>()) {}
LabelledTexts::~LabelledTexts() = default;

std::string_view first_words(std::string_view text, std::int64_t words) {
  if (words <= 0) return text;
  std::size_t end = 0;
  bool in_word = false;
  std::int64_t complete = 0;
  for (std::size_t i = 0; i < text.size();) {
    const text::CodePoint c = text::decode_at(text, i);
    const bool space = text::is_white_space(c.value);
    if (space && in_word && ++complete == words) return text.substr(0, end);
    in_word = !space;
    i += c.length;
    if (!space) end = i;
  }
  return text;
}

Result<void> LabelledTexts::configure() {
  if (!variant.get().empty() && !variant_field.get().empty()) {
    return Error{Code::kInvalidArgument, "variant and variant_field exclude each other; give one of them",
                 "variant"};
  }
  if (positive.get() == negative.get()) {
    return Error{Code::kInvalidArgument, "positive and negative are the same label '" + positive.get() + "'",
                 "negative"};
  }
  return {};
}

Result<void> LabelledTexts::read(std::string_view bytes, Row& row) {
  Result<rows::Object> object = rows::parse_object(reader_->parser, bytes);
  if (!object) return std::move(object).error();
  const auto missing = [&](const std::string& field) {
    return Error{Code::kData,
                 "there is no text in the field '" + field + "' (fields: " + rows::keys_of(*object) + ")",
                 {}};
  };
  const auto label = rows::text_member(*object, label_field.get(), reader_->label);
  if (!label) return missing(label_field);
  row.label = *label == positive.get() ? 1 : negative.get().empty() || *label == negative.get() ? 0 : -1;
  if (row.label < 0) {
    if (other_labels.get() == "skip") return {};
    return Error{Code::kData,
                 "the label '" + std::string(*label) + "' is neither '" + positive.get() + "' nor '" +
                     negative.get() + "'",
                 {}};
  }
  const auto text = rows::text_member(*object, text_field.get(), reader_->text);
  if (!text) return missing(text_field);
  row.text = first_words(*text, max_words);
  if (text::trim(row.text).empty()) {
    return Error{Code::kData, "the text in the field '" + text_field.get() + "' is empty", {}};
  }
  const auto optional = [&](const std::string& field, std::string& scratch) {
    return field.empty() ? std::string_view{} : rows::text_member(*object, field, scratch).value_or("");
  };
  row.id = optional(id_field, reader_->id);
  row.group = optional(group_field, reader_->group);
  row.variant = variant_field.get().empty() ? std::string_view(variant.get())
                                            : optional(variant_field, reader_->variant);
  return {};
}

std::string LabelledTexts::key_of(const Row& row, std::uint32_t number) const {
  std::string key(row.variant);
  key += '\x1f';
  key += row.id.empty() ? std::to_string(number) : std::string(row.id);
  return key;
}

Result<void> LabelledTexts::open(Call& call) {
  Result<rows::RowFile> file = rows::RowFile::open(data.get().text);
  if (!file) return std::move(file).error();
  rows_ = std::make_unique<rows::RowFile>(std::move(*file));
  rows::Problems problems;
  rows::Duplicates duplicates;
  std::uint32_t number = 0;
  std::size_t labels[2] = {0, 0};
  bool stopped = false;
  std::string first_problem;
  Result<void> scanned = rows_->scan([&](std::string_view bytes, std::uint64_t line) {
    if ((number & 0xFFFU) == 0) stopped = stopped || call.cancelled() || call.late();
    if (stopped) return false;
    const std::uint32_t this_row = number++;
    Row& row = reader_->row;
    if (Result<void> good = read(bytes, row); !good) {
      problems.add(rows_->path() + ":" + std::to_string(line) + ": " + good.error().text);
      if (first_problem.empty()) first_problem = "line " + std::to_string(line) + ": " + good.error().text;
      return false;
    }
    if (row.label < 0) return false;
    ++labels[row.label];
    duplicates.add(key_of(row, this_row), numbers_.size());
    numbers_.push_back(this_row);
    return true;
  });
  if (stopped)
    return Error{call.cancelled() ? Code::kCancelled : Code::kTimeout, "stopped while reading the data", {}};
  if (!scanned) return scanned;
  rows_->drop_duplicates(duplicates.find([&](std::size_t i) {
    return read(rows_->row(i), reader_->row) ? key_of(reader_->row, numbers_[i]) : std::string();
  }),
                         problems, numbers_);
  for (std::string& sentence : problems.finish(rows_->path())) problem(std::move(sentence));
  if (rows_->size() == 0) {
    return Error{Code::kData,
                 rows_->path() + ": no row can be used" +
                     (first_problem.empty() ? std::string() : " (" + first_problem + ")") +
                     "; rows with the fields '" + text_field.get() + "' and '" + label_field.get() +
                     "' are expected, labels '" + positive.get() + "' and '" + negative.get() + "'",
                 "data"};
  }
  for (const std::size_t label : {0U, 1U}) {
    if (labels[label] == 0) {
      problem(rows_->path() + ": no row has the label '" + (label == 1 ? positive : negative).get() +
              "'; scores that compare the two classes are undefined");
    }
  }
  return {};
}

Result<void> LabelledTexts::item(std::uint64_t index, ItemWriter& out) {
  Row& row = reader_->row;
  if (Result<void> good = read(rows_->row(index), row); !good) {
    return Error{Code::kData,
                 rows_->path() + ":" + std::to_string(rows_->line_of(index)) + ": " + good.error().text +
                     "; the file changed during the run",
                 "data"};
  }
  if (row.id.empty()) row.id = rows::digits_of(numbers_[index], reader_->id);
  out.id(row.id).text(row.text).label(row.label);
  if (!row.group.empty()) out.group(row.group);
  if (!row.variant.empty()) out.variant(row.variant);
  out.request({.kind = ASSAY_REQUEST_SCORE, .name = "text", .continuation = row.text});
  if (reference) {
    out.request(
        {.kind = ASSAY_REQUEST_SCORE, .name = "reference", .role = "reference", .continuation = row.text});
  }
  if (lowercase) {
    const std::string lower = text::lower(row.text);
    out.request({.kind = ASSAY_REQUEST_SCORE, .name = "lowercase", .continuation = lower});
  }
  return {};
}

}  // namespace assay::labelled_texts
