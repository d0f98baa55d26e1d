// Answers to POPE questions that realise a given confusion matrix. No answers of real models to these
// questions are public, but confusion matrices are; this makes a recording from which the published figures
// must come out.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/tasks/pope/pope_questions.hpp"

namespace assay::test {

/// The first `tp` yes-questions in file order are answered yes, the other yes-questions no; the first `fp`
/// no-questions yes, the others no. The sentences vary, so that parsing is part of the test.
inline std::vector<std::string> pope_answers(const std::vector<pope::Question>& questions, std::int64_t tp,
                                             std::int64_t fp) {
  static constexpr std::array<std::string_view, 3> kYes = {"Yes, there is one in the image.", "yes",
                                                           "Yes. It is not hidden."};
  static constexpr std::array<std::string_view, 3> kNo = {"No, there is no such object in the image.", "no",
                                                          "There is not. Yes, I looked."};
  std::vector<std::string> answers;
  std::int64_t yes_seen = 0, no_seen = 0;
  for (const pope::Question& question : questions) {
    const bool says_yes = question.yes ? yes_seen++ < tp : no_seen++ < fp;
    const std::size_t form = answers.size() % 3;
    answers.emplace_back(says_yes ? kYes[form] : kNo[form]);
  }
  return answers;
}

}  // namespace assay::test
