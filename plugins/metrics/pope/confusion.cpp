#include "plugins/metrics/pope/confusion.hpp"

#include <cmath>
#include <limits>

namespace assay::pope {
namespace {

double ratio(std::int64_t above, std::int64_t below) {
  if (below == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(above) / static_cast<double>(below);
}

}  // namespace

void Confusion::add(bool gold_yes, Answer answer) {
  if (answer == Answer::kUnknown) {
    ++(gold_yes ? unknown_on_yes : unknown_on_no);
  } else if (answer == Answer::kYes) {
    ++(gold_yes ? tp : fp);
  } else {
    ++(gold_yes ? fn : tn);
  }
}

Figures figures(const Confusion& counts, Treatment treatment) {
  Confusion c = counts;
  std::int64_t outside = 0;  // asked, but in no cell of the matrix
  switch (treatment) {
    case Treatment::kAsYes:
      c.tp += c.unknown_on_yes;
      c.fp += c.unknown_on_no;
      break;
    case Treatment::kAsNo:
      c.fn += c.unknown_on_yes;
      c.tn += c.unknown_on_no;
      break;
    case Treatment::kExcluded:
      break;
    case Treatment::kAsWrong:
      c.fn += c.unknown_on_yes;
      outside = c.unknown_on_no;
      break;
  }
  const std::int64_t n = c.tp + c.fp + c.tn + c.fn + outside;
  Figures f{};
  f.accuracy = ratio(c.tp + c.tn, n);
  f.precision = ratio(c.tp, c.tp + c.fp);
  f.recall = ratio(c.tp, c.tp + c.fn);
  const double sum = f.precision + f.recall;
  f.f1 = sum == 0 ? 0 : 2 * f.precision * f.recall / sum;  // NaN stays NaN
  f.yes_ratio = ratio(c.tp + c.fp, n);
  return f;
}

}  // namespace assay::pope
