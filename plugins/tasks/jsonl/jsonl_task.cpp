#include "jsonl_task.hpp"

#include <deque>
#include <optional>
#include <utility>

#include "json_values.hpp"

namespace assay::jsonl {

using rows::Element;
using rows::Object;

struct JsonlTask::Row {
  Object object;
  std::string_view prompt, id, group, variant;
  std::vector<std::string_view> targets, choices;
  std::vector<bool> truths;
};

struct JsonlTask::Reader {
  simdjson::dom::parser parser;
  Row row;
  std::string prompt, id, group, variant, number, continuation;
  std::deque<std::string> texts;  // targets and choices that are numbers in the file
  std::vector<std::string_view> labels;
};

JsonlTask::JsonlTask() : reader_(std::make_unique<Reader>()) {}
JsonlTask::~JsonlTask() = default;

Result<Template> Template::parse(std::string_view text) {
  Template made;
  std::string literal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      literal += c;
      ++i;
    } else if (c == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos || end == i + 1) {
        return Error{Code::kInvalidArgument,
                     "the template has a { without a field name and }; write {{ for a brace", "template"};
      }
      if (!literal.empty()) made.parts.push_back({std::exchange(literal, {}), false});
      made.parts.push_back({std::string(text.substr(i + 1, end - i - 1)), true});
      i = end;
    } else if (c == '}') {
      return Error{Code::kInvalidArgument, "the template has a } without a {; write }} for a brace",
                   "template"};
    } else {
      literal += c;
    }
  }
  if (!literal.empty()) made.parts.push_back({std::move(literal), false});
  return made;
}

Result<void> JsonlTask::configure() {
  Result<Template> made = Template::parse(prompt_template.get());
  if (!made) return std::move(made).error();
  template_ = std::move(*made);
  if (mode.get() == "choice" && choices_field.get().empty()) {
    return Error{Code::kInvalidArgument, "mode = choice needs choices_field", "choices_field"};
  }
  if (mode.get() != "generate" && target_field.get().empty()) {
    return Error{Code::kInvalidArgument, "mode = " + mode.get().text + " needs target_field", "target_field"};
  }
  return {};
}

Result<std::string_view> JsonlTask::prompt_of(Row& row) {
  if (template_.parts.empty()) {
    if (prompt_field.get().empty()) return std::string_view{};
    const auto found = rows::text_member(row.object, prompt_field.get(), reader_->prompt);
    if (found) return *found;
    return Error{Code::kData,
                 "there is no text in the field '" + prompt_field.get() +
                     "' (fields: " + rows::keys_of(row.object) + ")",
                 "prompt_field"};
  }
  reader_->prompt.clear();
  for (const Template::Part& part : template_.parts) {
    if (!part.is_field) {
      reader_->prompt += part.text;
      continue;
    }
    const auto found = rows::text_member(row.object, part.text, reader_->number);
    if (!found) {
      return Error{Code::kData,
                   "there is no text in the field '" + part.text +
                       "' that the template names (fields: " + rows::keys_of(row.object) + ")",
                   "template"};
    }
    reader_->prompt += *found;
  }
  return std::string_view(reader_->prompt);
}

namespace {

/// Appends the texts of a list, or the one text. Numbers and truth values become texts that `owned` keeps.
bool append_texts(const Element& value, std::vector<std::string_view>& out, std::deque<std::string>& owned) {
  const auto append = [&](const Element& one) {
    std::string scratch;
    const auto text = rows::text_of(one, scratch);
    if (!text) return false;
    out.push_back(one.is_string() ? *text : owned.emplace_back(*text));
    return true;
  };
  simdjson::dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return append(value);
  for (const Element one : list) {
    if (!append(one)) return false;
  }
  return true;
}

}  // namespace

Result<void> JsonlTask::read_choices(Row& row) {
  const auto choices = rows::member(row.object, choices_field.get());
  if (!choices) return Error{Code::kData, "there is no field '" + choices_field.get() + "'", "choices_field"};
  reader_->labels.clear();
  Element list = *choices;
  Object pair;
  bool ok = true;
  if (list.get(pair) == simdjson::SUCCESS) {
    const auto texts = rows::member(pair, "text");
    const auto labels = rows::member(pair, "label");
    ok = texts && labels && append_texts(*labels, reader_->labels, reader_->texts);
    if (ok) list = *texts;
  }
  if (!ok || !list.is_array() || !append_texts(list, row.choices, reader_->texts) || row.choices.size() < 2) {
    return Error{Code::kData, "the field '" + choices_field.get() + "' is not a list of at least two texts",
                 "choices_field"};
  }
  const auto target = rows::member(row.object, target_field.get());
  if (!target) return Error{Code::kData, "there is no field '" + target_field.get() + "'", "target_field"};
  row.truths.assign(row.choices.size(), false);
  std::size_t truth = row.choices.size();
  const auto find = [&](const std::vector<std::string_view>& among, std::string_view text) {
    for (std::size_t i = 0; i < among.size() && truth == row.choices.size(); ++i) {
      if (among[i] == text) truth = i;
    }
  };
  std::string scratch;
  const auto text = rows::text_of(*target, scratch);
  if (text) {
    find(reader_->labels, *text);
    if (target->is_string()) find(row.choices, *text);
    std::size_t number = 0;
    const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), number);
    const bool whole = failed == std::errc() && end == text->data() + text->size();
    if (truth == row.choices.size() && whole) truth = number;
  }
  if (truth >= row.choices.size()) {
    return Error{Code::kData,
                 "the target '" + std::string(text.value_or("(not a text)")) +
                     "' is none of the choices: their number from 0, text or label is expected",
                 "target_field"};
  }
  row.truths[truth] = true;
  row.targets.assign(1, row.choices[truth]);
  return {};
}

Result<void> JsonlTask::read(std::string_view bytes, Row& row) {
  Result<Object> object = rows::parse_object(reader_->parser, bytes);
  if (!object) return std::move(object).error();
  row.object = *object;
  row.targets.clear();
  row.choices.clear();
  reader_->texts.clear();
  Result<std::string_view> prompt = prompt_of(row);
  if (!prompt) return std::move(prompt).error();
  row.prompt = *prompt;
  const auto optional = [&](const std::string& field, std::string& scratch) {
    return field.empty() ? std::string_view{} : rows::text_member(row.object, field, scratch).value_or("");
  };
  row.id = optional(id_field, reader_->id);
  row.group = optional(group_field, reader_->group);
  row.variant = optional(variant_field, reader_->variant);
  if (mode.get() == "choice") return read_choices(row);
  if (target_field.get().empty()) return {};
  const auto target = rows::member(row.object, target_field.get());
  if (!target || !append_texts(*target, row.targets, reader_->texts)) {
    return Error{Code::kData,
                 "there is no text or list of texts in the field '" + target_field.get() +
                     "' (fields: " + rows::keys_of(row.object) + ")",
                 "target_field"};
  }
  if (mode.get() == "score" && row.targets.empty()) {
    return Error{Code::kData, "the list in the field '" + target_field.get() + "' is empty", "target_field"};
  }
  return {};
}

Result<void> JsonlTask::open(Call& call) {
  Result<rows::RowFile> file = rows::RowFile::open(data.get().text);
  if (!file) return std::move(file).error();
  rows_ = std::make_unique<rows::RowFile>(std::move(*file));
  rows::Problems problems;
  rows::Duplicates duplicates;
  std::uint32_t number = 0;
  std::uint32_t kept = 0;
  bool stopped = false;
  std::string first_problem;
  const auto key_of_row = [&](const Row& row, std::uint32_t row_number) {
    std::string key(row.variant);
    key += '\x1f';
    return row.id.empty() ? key + std::to_string(row_number) : key + std::string(row.id);
  };
  Result<void> scanned = rows_->scan([&](std::string_view bytes, std::uint64_t line) {
    if ((number & 0xFFFU) == 0) stopped = stopped || call.cancelled() || call.late();
    if (stopped) return false;
    const std::uint32_t this_row = number++;
    Result<void> good = read(bytes, reader_->row);
    if (!good) {
      problems.add(rows_->path() + ":" + std::to_string(line) + ": " + good.error().text);
      if (first_problem.empty()) first_problem = "line " + std::to_string(line) + ": " + good.error().text;
      return false;
    }
    if (!numbers_.empty() || this_row != kept) {
      if (numbers_.empty()) {
        for (std::uint32_t i = 0; i < kept; ++i) numbers_.push_back(i);
      }
      numbers_.push_back(this_row);
    }
    duplicates.add(key_of_row(reader_->row, this_row), kept++);
    return true;
  });
  if (stopped)
    return Error{call.cancelled() ? Code::kCancelled : Code::kTimeout, "stopped while reading the data", {}};
  if (!scanned) return scanned;

  const auto key_of = [&](std::size_t i) {
    if (!read(rows_->row(i), reader_->row)) return std::string();
    return key_of_row(reader_->row, numbers_.empty() ? static_cast<std::uint32_t>(i) : numbers_[i]);
  };
  const auto found = duplicates.find(key_of);
  if (!found.empty() && numbers_.empty()) {
    for (std::uint32_t i = 0; i < kept; ++i) numbers_.push_back(i);
  }
  rows_->drop_duplicates(found, problems, numbers_);
  for (std::string& sentence : problems.finish(rows_->path())) problem(std::move(sentence));
  if (rows_->size() == 0) {
    return Error{Code::kData,
                 rows_->path() + ": no row can be used (" + first_problem +
                     "); JSON Lines or a JSON array of objects is expected",
                 "data"};
  }
  return {};
}

Result<void> JsonlTask::item(std::uint64_t index, ItemWriter& out) {
  // A long walk through a large file would otherwise end with all of it resident.
  constexpr std::uint64_t kReleaseEvery = 65536;
  if (index % kReleaseEvery == 0) rows_->release();
  Row& row = reader_->row;
  if (Result<void> good = read(rows_->row(index), row); !good) {
    return Error{Code::kData,
                 rows_->path() + ":" + std::to_string(rows_->line_of(index)) + ": " + good.error().text +
                     "; the file changed during the run",
                 "data"};
  }
  if (row.id.empty()) row.id = rows::digits_of(numbers_.empty() ? index : numbers_[index], reader_->id);
  out.id(row.id).text(row.prompt);
  if (!row.group.empty()) out.group(row.group);
  if (!row.variant.empty()) out.variant(row.variant);
  for (const std::string_view target : row.targets) out.target(target);
  if (mode.get() == "generate") {
    RequestSpec request{.kind = ASSAY_REQUEST_GENERATE,
                        .prompt = row.prompt,
                        .max_tokens = static_cast<int>(max_tokens.get()),
                        .samples = static_cast<int>(samples.get()),
                        .top_k = static_cast<int>(top_k.get()),
                        .temperature = temperature.get(),
                        .top_p = top_p.get()};
    for (const std::string& text : stop.get()) request.stop.push_back(text);
    out.request(request);
    return {};
  }
  const bool choice = mode.get() == "choice";
  const std::vector<std::string_view>& texts = choice ? row.choices : row.targets;
  for (std::size_t i = 0; i < (choice ? texts.size() : 1); ++i) {
    reader_->continuation = choice_prefix.get();
    reader_->continuation += texts[i];
    const std::string name = choice ? "choice/" + std::to_string(i) : "answer";
    out.request({.kind = ASSAY_REQUEST_SCORE,
                 .name = name,
                 .prompt = row.prompt,
                 .continuation = reader_->continuation,
                 .label = choice ? (row.truths[i] ? 1 : 0) : -1});
  }
  return {};
}

}  // namespace assay::jsonl
