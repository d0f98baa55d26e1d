// TruthfulQA questions with their candidates, from either of the two published file forms.
//
// The forms differ (hallucination.md 5.2; sylinrl/TruthfulQA): the JSON keeps candidates as written and lists
// a text that is both true and false once, as false; the table is split at semicolons and gives every
// candidate a final full stop.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::truthfulqa {

struct Candidate {
  std::string text;
  bool truth = false;
};

struct Question {
  std::string question, category;  ///< category: tables only
  std::vector<Candidate> mc1, mc2;
  std::optional<Candidate> best, best_incorrect;  ///< the pair of mc0 (2025 files only)
  std::size_t line = 0;
};

struct Questions {
  std::vector<Question> list;
  bool has_pairs = false;                    ///< the 2025 version, which names a best incorrect answer
  std::size_t empty_mc1 = 0, empty_mc2 = 0;  ///< empty candidates met in the data, kept or not
  std::vector<std::string> problems;         ///< rows left out: sentences with file and line
};

enum class Format { kAuto, kJson, kCsv };

/// Reads a file; kAuto decides by its first character. `keep_empty` keeps empty candidates of the JSON form,
/// which are left-over separators of the 2025 data. kData if the file holds no usable question.
Result<Questions> read_questions(const std::string& path, Format format, bool keep_empty);

/// A list of answers of the table: split at ';', trimmed, empty parts dropped, '.' appended where missing.
std::vector<std::string> split_answers(std::string_view text);
/// One answer of the table: trimmed, '.' appended where missing.
std::string finish_answer(std::string_view text);

}  // namespace assay::truthfulqa
