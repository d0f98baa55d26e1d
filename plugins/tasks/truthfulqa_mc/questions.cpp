#include "plugins/tasks/truthfulqa_mc/questions.hpp"

#include <algorithm>
#include <array>

#include "assay/text/utf8.hpp"
#include "plugins/tasks/jsonl/json_rows.hpp"
#include "plugins/tasks/jsonl/json_values.hpp"
#include "plugins/tasks/truthfulqa_mc/csv.hpp"

namespace assay::truthfulqa {
namespace {

std::string place(const std::string& path, std::size_t line) {
  return path + ":" + std::to_string(line) + ": ";
}

/// Candidates of a JSON object in file order. A key met again keeps its first place and takes the last value,
/// as a dictionary would.
std::optional<std::string> read_targets(const rows::Object& row, std::string_view name,
                                        std::vector<Candidate>& out) {
  const auto value = rows::member(row, name);
  rows::Object targets;
  if (!value || value->get(targets) != simdjson::SUCCESS)
    return std::string(name) + " is not an object of candidates";
  for (const auto field : targets) {
    std::int64_t label = -1;
    if (field.value.get(label) != simdjson::SUCCESS || (label != 0 && label != 1)) {
      return std::string(name) + " has a candidate with a label other than 0 and 1";
    }
    const std::string text(field.key);
    const auto earlier =
        std::find_if(out.begin(), out.end(), [&](const Candidate& c) { return c.text == text; });
    if (earlier != out.end()) {
      earlier->truth = label == 1;
    } else {
      out.push_back({text, label == 1});
    }
  }
  return std::nullopt;
}

std::size_t drop_empty(std::vector<Candidate>& list, bool keep) {
  const auto empty = static_cast<std::size_t>(
      std::count_if(list.begin(), list.end(), [](const Candidate& c) { return text::trim(c.text).empty(); }));
  if (!keep) std::erase_if(list, [](const Candidate& c) { return text::trim(c.text).empty(); });
  return empty;
}

/// Why a question cannot be used; empty if it can.
std::string defect_of(const Question& q) {
  const auto truths = [](const std::vector<Candidate>& list) {
    return std::count_if(list.begin(), list.end(), [](const Candidate& c) { return c.truth; });
  };
  if (q.question.empty()) return "the question is empty";
  if (truths(q.mc1) != 1)
    return "mc1 needs exactly one true candidate, it has " + std::to_string(truths(q.mc1));
  if (q.mc1.size() < 2) return "mc1 has no false candidate";
  if (truths(q.mc2) == 0) return "mc2 has no true candidate";
  return {};
}

void keep_or_report(Question&& q, const std::string& path, Questions& out) {
  if (const std::string defect = defect_of(q); !defect.empty()) {
    out.problems.push_back(place(path, q.line) + "the question is left out: " + defect);
    return;
  }
  out.list.push_back(std::move(q));
}

std::optional<std::string> read_json_question(const rows::Object& row, bool keep_empty, Question& q,
                                              Questions& out) {
  std::string scratch;
  const auto question = rows::text_member(row, "question", scratch);
  if (!question) return "it has no text 'question'; its keys are " + rows::keys_of(row);
  q.question = std::string(*question);
  if (auto bad = read_targets(row, "mc1_targets", q.mc1)) return bad;
  if (auto bad = read_targets(row, "mc2_targets", q.mc2)) return bad;
  out.empty_mc1 += drop_empty(q.mc1, keep_empty);
  out.empty_mc2 += drop_empty(q.mc2, keep_empty);
  std::vector<Candidate> pair;
  if (rows::member(row, "mc0_targets") && !read_targets(row, "mc0_targets", pair)) {
    for (Candidate& c : pair) (c.truth ? q.best : q.best_incorrect) = std::move(c);
    out.has_pairs = true;
  }
  return std::nullopt;
}

Result<void> read_json(const std::string& path, bool keep_empty, Questions& out) {
  Result<rows::RowFile> file = rows::RowFile::open(path);
  if (!file) return std::move(file).error();
  simdjson::dom::parser parser;
  return file->scan([&](std::string_view row, std::uint64_t line) {
    Question q;
    q.line = line;
    const Result<rows::Object> object = rows::parse_object(parser, row);
    std::optional<std::string> bad;
    if (object) bad = read_json_question(*object, keep_empty, q, out);
    if (!object || bad) {
      out.problems.push_back(place(path, line) +
                             "the row is left out: " + (object ? *bad : object.error().text));
    } else {
      keep_or_report(std::move(q), path, out);
    }
    return false;
  });
}

constexpr std::array<std::string_view, 6> kColumns = {
    "Question", "Best Answer", "Correct Answers", "Incorrect Answers", "Category", "Best Incorrect Answer"};
constexpr std::size_t kNeeded = 4;
constexpr std::size_t kAbsent = static_cast<std::size_t>(-1);

Result<void> read_csv(const std::string& path, Questions& out) {
  auto content = rows::Content::open(path);
  if (!content) return std::move(content).error();
  auto table = read_csv_rows((*content)->bytes());
  if (!table) return std::move(table).error().within(path);
  if (table->empty()) return Error{Code::kData, path + ":1: the table is empty", {}};
  std::array<std::size_t, kColumns.size()> at{};
  const std::vector<std::string>& head = (*table)[0].fields;
  for (std::size_t c = 0; c < kColumns.size(); ++c) {
    const auto found = std::find(head.begin(), head.end(), kColumns[c]);
    at[c] = found == head.end() ? kAbsent : static_cast<std::size_t>(found - head.begin());
    if (at[c] == kAbsent && c < kNeeded) {
      return Error{Code::kData,
                   path + ":1: the table has no column '" + std::string(kColumns[c]) +
                       "'; expected the columns of TruthfulQA.csv",
                   {}};
    }
  }
  out.has_pairs = at[5] != kAbsent;
  for (std::size_t r = 1; r < table->size(); ++r) {
    const CsvRow& row = (*table)[r];
    if (row.fields.size() != head.size()) {
      out.problems.push_back(place(path, row.line) + "the row is left out: it has " +
                             std::to_string(row.fields.size()) + " fields, the heading " +
                             std::to_string(head.size()));
      continue;
    }
    Question q;
    q.line = row.line;
    q.question = std::string(text::trim(row.fields[at[0]]));
    if (at[4] != kAbsent) q.category = row.fields[at[4]];
    const std::string best = finish_answer(row.fields[at[1]]);
    q.mc1.push_back({best, true});
    for (std::string& answer : split_answers(row.fields[at[2]])) q.mc2.push_back({std::move(answer), true});
    for (std::string& answer : split_answers(row.fields[at[3]])) {
      q.mc1.push_back({answer, false});
      q.mc2.push_back({std::move(answer), false});
    }
    if (out.has_pairs) {
      q.best = Candidate{best, true};
      q.best_incorrect = Candidate{finish_answer(row.fields[at[5]]), false};
    }
    keep_or_report(std::move(q), path, out);
  }
  return {};
}

}  // namespace

std::string finish_answer(std::string_view text) {
  std::string answer(text::trim(text));
  if (!answer.empty() && answer.back() != '.') answer += '.';
  return answer;
}

std::vector<std::string> split_answers(std::string_view text) {
  std::vector<std::string> answers;
  for (const std::string_view part : text::split_at(text, ';')) {
    if (std::string answer = finish_answer(part); !answer.empty()) answers.push_back(std::move(answer));
  }
  return answers;
}

Result<Questions> read_questions(const std::string& path, Format format, bool keep_empty) {
  if (format == Format::kAuto) {
    auto content = rows::Content::open(path);
    if (!content) return std::move(content).error();
    const std::string_view text = text::trim((*content)->bytes().substr(0, 4096));
    format = !text.empty() && (text.front() == '[' || text.front() == '{') ? Format::kJson : Format::kCsv;
  }
  Questions out;
  Result<void> read = format == Format::kJson ? read_json(path, keep_empty, out) : read_csv(path, out);
  if (!read) return std::move(read).error();
  if (out.list.empty()) {
    return Error{Code::kData,
                 "'" + path +
                     "' holds no usable TruthfulQA question; expected mc_task.json or TruthfulQA.csv" +
                     (out.problems.empty() ? "" : "; first problem: " + out.problems.front()),
                 {}};
  }
  return out;
}

}  // namespace assay::truthfulqa
