#include "tofu_task.hpp"

#include <algorithm>
#include <array>

namespace assay::unlearning {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"retain", "real_authors", "world_facts", "forget",
                                                    "forget_paraphrased"};
constexpr std::size_t kRowsPerAuthor = 20;

bool is_forget_section(std::size_t section) {
  return section >= 3;
}
bool has_authors(std::size_t section) {
  return section == 0 || is_forget_section(section);
}

/// Rows of a split, counted from the end of the file; 0: all.
std::size_t split_rows(std::string_view split) {
  if (split == "forget10") return 400;
  if (split == "forget05") return 200;
  if (split == "forget01") return 40;
  return 0;
}

}  // namespace

Result<void> TofuTask::read_section(std::size_t section) {
  const Param<Path>& param = section == 0   ? retain
                             : section == 1 ? real_authors
                             : section == 2 ? world_facts
                                            : forget;
  if (!param.is_set() || param.get().empty()) {
    return Error{Code::kInvalidArgument,
                 "the section '" + std::string(kNames[section]) + "' needs the parameter '" + param.key() +
                     "': give the file, or take the section off the list",
                 param.key()};
  }
  std::vector<Question> rows;
  const auto visit = [&](const Row& row) {
    Question q;
    q.section = section;
    std::string lacks;
    if (!row.text(section == 4 ? "paraphrased_question" : "question", q.question)) lacks = "question";
    if (!row.text("answer", q.answer)) lacks = "answer";
    if (!row.texts("perturbed_answer", q.perturbed) || q.perturbed.empty()) lacks = "perturbed_answer";
    // Only retain and forget rows have a paraphrase; elsewhere the plain answer takes its place.
    q.paraphrase = q.answer;
    if (has_authors(section) && !row.text("paraphrased_answer", q.paraphrase)) lacks = "paraphrased_answer";
    if (!lacks.empty()) {
      q.bad = row.place() + ": the field '" + lacks +
              "' is missing or of the wrong type; expected question, answer, perturbed_answer (list)" +
              (has_authors(section) ? ", paraphrased_answer" : "");
    }
    rows.push_back(std::move(q));
  };
  // A line that is no row keeps its number: later rows must not slide into its place.
  const auto bad_line = [&](std::string sentence) {
    Question q;
    q.section = section;
    q.bad = std::move(sentence);
    rows.push_back(std::move(q));
  };
  if (Result<void> read = each_row(param.get().text, visit, bad_line); !read) {
    Error error = std::move(read).error();
    error.key = param.key();
    return error;
  }
  std::size_t first = 0;
  if (const std::size_t wanted = split_rows(split.get().text); is_forget_section(section) && wanted != 0) {
    if (rows.size() < wanted) {
      return Error{Code::kData,
                   "'" + param.get().text + "' has " + std::to_string(rows.size()) + " rows; the split " +
                       split.get().text + " are the last " + std::to_string(wanted) +
                       " rows of the forget file: give that file, or split = \"all\"",
                   param.key()};
    }
    first = rows.size() - wanted;
  }
  std::size_t n = rows.size() - first;
  if (has_authors(section) && n_rows.get() > 0) n = std::min(n, static_cast<std::size_t>(n_rows.get()));
  for (std::size_t i = 0; i < n; ++i) {
    Question& q = rows[first + i];
    q.row = i;
    if (!q.bad.empty()) problem(q.bad);
    items_.push_back(std::move(q));
  }
  return {};
}

Result<void> TofuTask::open(Call&) {
  items_.clear();
  for (const std::string& name : sections.get()) {
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found == kNames.end()) {
      return Error{Code::kInvalidArgument,
                   "'" + name +
                       "' is no section of TOFU; known: retain, real_authors, world_facts, forget, "
                       "forget_paraphrased",
                   "sections"};
    }
    if (std::count(sections.get().begin(), sections.get().end(), name) > 1) {
      return Error{Code::kInvalidArgument, "the section '" + name + "' is listed twice", "sections"};
    }
    Result<void> read = read_section(static_cast<std::size_t>(found - kNames.begin()));
    if (!read) return read;
  }
  if (items_.empty()) return Error{Code::kInvalidArgument, "no section was chosen", "sections"};
  return {};
}

Result<void> TofuTask::item(std::uint64_t index, ItemWriter& out) {
  const Question& q = items_[static_cast<std::size_t>(index)];
  const std::string_view section = kNames[q.section];
  out.id(std::to_string(q.row)).variant(section);
  if (!q.bad.empty()) return Error{Code::kData, q.bad, {}};
  out.text(q.question).target(q.answer);
  if (has_authors(q.section)) {
    const bool shifted = is_forget_section(q.section);  // authors of forget and retain are different people
    out.group((shifted ? "forget/" : "retain/") + std::to_string(q.row / kRowsPerAuthor));
  }
  out.field("role", is_forget_section(q.section) ? std::string_view("forget") : section);
  out.field("probe", q.section == 4 ? "paraphrase" : "base");

  std::string prompt = "[INST] " + q.question + " [/INST]";
  std::string before;  // what the scored text begins with
  std::vector<std::string_view> stop;
  if (style.get() == "phi") {
    prompt = "Question: " + q.question + "\n";
    before = "Answer: ";
  } else if (style.get() == "plain") {
    prompt = "Question: " + q.question + "\nAnswer:";
    before = " ";
    stop = {"\n\n"};
  }
  if (ask.get() != "score") {
    out.request({.kind = ASSAY_REQUEST_GENERATE,
                 .name = "answer",
                 .prompt = prompt,
                 .max_tokens = static_cast<int>(max_tokens.get()),
                 .stop = stop});
  }
  if (ask.get() == "generate") return {};
  const auto ask_score = [&](std::string_view name, const std::string& answer, int truth) {
    const std::string continuation = before + answer;
    out.request({.kind = ASSAY_REQUEST_SCORE,
                 .name = name,
                 .prompt = prompt,
                 .continuation = continuation,
                 .label = truth,
                 .flags = ASSAY_REQ_APPEND_EOS});
  };
  ask_score("gold", q.answer, 1);
  ask_score("para", q.paraphrase, 1);
  for (std::size_t j = 0; j < q.perturbed.size(); ++j) {
    ask_score("pert/" + std::to_string(j), q.perturbed[j], 0);
  }
  return {};
}

}  // namespace assay::unlearning
