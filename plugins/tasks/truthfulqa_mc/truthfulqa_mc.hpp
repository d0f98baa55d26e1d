// `assay.truthfulqa_mc`: TruthfulQA with candidates to be scored (sylinrl/TruthfulQA; Lin, Hilton and Evans
// 2021).
#pragma once

#include "assay/sdk/task.hpp"
#include "plugins/tasks/jsonl/json_rows.hpp"
#include "plugins/tasks/truthfulqa_mc/questions.hpp"

namespace assay::truthfulqa {

inline constexpr std::size_t kRowsV1 = 817, kRowsV2 = 790;

class TruthfulQaMc final : public Task {
 public:
  static constexpr TaskInfo info = {
      .id = "assay.truthfulqa_mc",
      .title = "TruthfulQA, multiple choice",
      .doc =
          "Questions that invite a popular falsehood, each with true and false answers to be scored as "
          "continuations (sylinrl/TruthfulQA). Every item asks for the score of the candidates of mc1 "
          "(requests mc1/0, mc1/1, ...: one true answer), of mc2 (several true ones) and, in the 2025 "
          "version, of "
          "the pair mc0; the label of a request is its truth. The prompt is PRIMER, blank line, \"Q: "
          "question\", "
          "\"A:\"; the continuation is a blank and the candidate. The JSON file gives candidates as written, "
          "the "
          "table splits lists at semicolons and ends each answer with a full stop; the two are different "
          "measurements. True candidates need not come first.",
      .requires_caps = ASSAY_CAP_SCORE_MEAN};

  Result<void> configure() override {
    const bool wants_primer = prompt_.get() == "qa" || prompt_.get() == "help";
    if (!wants_primer) return {};
    if (primer_.get().empty()) {
      return Error{Code::kInvalidArgument,
                   "prompt '" + prompt_.get().text +
                       "' needs the primer's text; set primer = \"data:prompts/truthfulqa_qa_primer\" (or "
                       "truthfulqa_help_primer), or choose prompt = \"null\"",
                   "primer"};
    }
    auto content = rows::Content::open(primer_.get().text);
    if (!content) return std::move(content).error();
    std::string_view text = (*content)->bytes();
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    lead_ = std::string(text) + "\n\n";
    return {};
  }

  Result<void> open(Call&) override {
    const Format format = format_.get() == "json"  ? Format::kJson
                          : format_.get() == "csv" ? Format::kCsv
                                                   : Format::kAuto;
    auto read = read_questions(data_.get().text, format, keep_empty_);
    if (!read) return std::move(read).error();
    data_set_ = std::move(*read);
    for (std::string& sentence : data_set_.problems) problem(std::move(sentence));
    const std::size_t rows = data_set_.list.size();
    const bool v2 = data_set_.has_pairs;
    if (version_.get() == "v1" && (v2 || rows != kRowsV1))
      report_version("v1", kRowsV1, "no best incorrect answer");
    if (version_.get() == "v2" && (!v2 || rows != kRowsV2))
      report_version("v2", kRowsV2, "a best incorrect answer");
    if (!keep_empty_ && data_set_.empty_mc1 + data_set_.empty_mc2 != 0) {
      problem("'" + data_.get().text + "': " + std::to_string(data_set_.empty_mc2) +
              " empty candidates of mc2 and " + std::to_string(data_set_.empty_mc1) +
              " of mc1 are left out (left-over separators; keep_empty keeps them)");
    }
    return {};
  }

  [[nodiscard]] std::int64_t count() const override {
    return static_cast<std::int64_t>(data_set_.list.size());
  }

  Result<void> item(std::uint64_t index, ItemWriter& out) override {
    const Question& q = data_set_.list[index];
    const std::string prompt = prompt_.get() == "answer_only" ? "A:" : lead_ + "Q: " + q.question + "\nA:";
    out.id(std::string("q").append(std::to_string(index))).text(q.question).field("question", q.question);
    if (!q.category.empty()) out.group(q.category).field("category", q.category);
    for (const Candidate& candidate : q.mc2) {
      if (candidate.truth) out.target(candidate.text);
    }
    const auto ask = [&](std::string_view list, std::size_t i, const Candidate& candidate) {
      const std::string name = std::string(list) + "/" + std::to_string(i);
      const std::string continuation = std::string(" ").append(candidate.text);
      out.request({.kind = ASSAY_REQUEST_SCORE,
                   .name = name,
                   .prompt = prompt,
                   .continuation = continuation,
                   .label = candidate.truth ? 1 : 0,
                   .want = ASSAY_CAP_SCORE_MEAN});
    };
    for (std::size_t i = 0; i < q.mc1.size(); ++i) ask("mc1", i, q.mc1[i]);
    for (std::size_t i = 0; i < q.mc2.size(); ++i) ask("mc2", i, q.mc2[i]);
    if (q.best && q.best_incorrect) ask("mc0", 0, *q.best), ask("mc0", 1, *q.best_incorrect);
    return {};
  }

 private:
  void report_version(const char* version, std::size_t rows, const char* trait) {
    problem("'" + data_.get().text + "' holds " + std::to_string(data_set_.list.size()) +
            " usable questions with" + (data_set_.has_pairs ? "" : "out") +
            " a best incorrect answer; version " + version + " has " + std::to_string(rows) + " and " +
            trait + ". The figures are not comparable with published ones");
  }

  Param<Path> data_{*this, "data", std::nullopt, "mc_task.json or TruthfulQA.csv, of 2021 (v1) or 2025 (v2)",
                    REQUIRED | AFFECTS_RESULT};
  Param<Choice> format_{*this, "format", Choice{"auto"},
                        "form of the file; auto decides by its first character",
                        ParamOptions{.flags = AFFECTS_RESULT, .choices = {"auto", "json", "csv"}}};
  Param<Choice> version_{
      *this, "version", Choice{"auto"},
      "v1 (817 questions) or v2 (790): report a problem if the file is another; auto: no check",
      ParamOptions{.choices = {"auto", "v1", "v2"}}};
  Param<Choice> prompt_{
      *this, "prompt", Choice{"qa"},
      "qa, help: the primer, then the question; null: the question alone; answer_only: not even the "
      "question, only \"A:\" (the surface baseline question_only)",
      ParamOptions{.flags = AFFECTS_RESULT, .choices = {"qa", "null", "help", "answer_only"}}};
  Param<Path> primer_{
      *this, "primer", std::nullopt,
      "text shown before the question, for the prompts qa and help: data:prompts/truthfulqa_qa_primer, "
      "data:prompts/truthfulqa_help_primer",
      AFFECTS_RESULT};
  Param<bool> keep_empty_{
      *this, "keep_empty", false,
      "keep empty candidates of the JSON file (22 of mc2 in v2), for comparison with tools that do",
      AFFECTS_RESULT};
  std::string lead_;
  Questions data_set_;
};

}  // namespace assay::truthfulqa
