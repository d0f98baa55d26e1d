#include "plugins/tasks/pope/pope_questions.hpp"

#include <optional>
#include <unordered_map>

#include "assay/text/utf8.hpp"
#include "plugins/tasks/jsonl/json_rows.hpp"
#include "plugins/tasks/jsonl/json_values.hpp"

namespace assay::pope {
namespace {

/// Reads a row; the sentence says why it cannot be used.
std::optional<std::string> read_row(const rows::Object& row, std::size_t number, Question& q) {
  std::string scratch;
  const auto id = rows::text_member(row, "question_id", scratch);
  q.id = id ? std::string(*id) : std::to_string(number);
  auto text = rows::text_member(row, "text", scratch);
  if (!text) text = rows::text_member(row, "question", scratch);
  if (!text) return "it has no 'text'; its keys are " + rows::keys_of(row);
  q.text = std::string(*text);
  if (const auto image = rows::text_member(row, "image", scratch)) q.image = std::string(*image);
  const auto label = rows::text_member(row, "label", scratch);
  if (!label) return "it has no 'label'";
  const std::string lower = text::lower(text::trim(*label));
  if (lower != "yes" && lower != "no")
    return "its label is '" + std::string(*label) + "', expected yes or no";
  q.yes = lower == "yes";
  return std::nullopt;
}

bool same(const Question& a, const Question& b) {
  return a.image == b.image && a.text == b.text && a.yes == b.yes;
}

}  // namespace

Result<Questions> read_questions(const std::string& path) {
  Result<rows::RowFile> file = rows::RowFile::open(path);
  if (!file) return std::move(file).error();
  Questions out;
  std::unordered_map<std::string, std::size_t> by_id;
  simdjson::dom::parser parser;
  std::size_t number = 0;
  const Result<void> scanned = file->scan([&](std::string_view row, std::uint64_t line) {
    const std::string where = path + ":" + std::to_string(line) + ": the row is left out: ";
    Question q;
    const Result<rows::Object> object = rows::parse_object(parser, row);
    ++number;
    const auto bad = object ? read_row(*object, number, q) : std::optional<std::string>(object.error().text);
    if (bad) {
      out.problems.push_back(where + *bad);
      return false;
    }
    const auto [earlier, fresh] = by_id.emplace(q.id, out.list.size());
    if (!fresh) {
      const bool repeated = same(out.list[earlier->second], q);
      if (repeated) ++out.identical;
      if (!repeated)
        out.problems.push_back(where + "question_id " + q.id + " was used before for another question");
      return false;
    }
    if (q.text.find("imange") != std::string::npos) ++out.misspelt;
    out.list.push_back(std::move(q));
    return false;
  });
  if (!scanned) return scanned.error();
  if (out.list.empty()) {
    return Error{
        Code::kData,
        "'" + path +
            "' holds no usable POPE question; expected lines with question_id, image, text and label" +
            (out.problems.empty() ? "" : "; first problem: " + out.problems.front()),
        {}};
  }
  return out;
}

}  // namespace assay::pope
