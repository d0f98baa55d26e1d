// Questions of POPE: is an object in an image, yes or no (RUCAIBox/POPE; AoiDragon/POPE : output/coco).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::pope {

struct Question {
  std::string id;     ///< question_id as text
  std::string image;  ///< file name of the image, the unit of clustered errors; may be empty
  std::string text;
  bool yes = false;
};

struct Questions {
  std::vector<Question> list;
  std::size_t misspelt = 0;   ///< questions with "imange", as in the old random list; kept as they are
  std::size_t identical = 0;  ///< rows that repeat an earlier row word for word; left out
  std::vector<std::string> problems;  ///< rows left out: sentences with file and line
};

/// Reads JSON Lines or a JSON array with question_id, image, text (or question) and label (yes/no in any
/// case). An id that returns with other content is a problem, the later row is left out. kData if nothing is
/// usable.
Result<Questions> read_questions(const std::string& path);

}  // namespace assay::pope
