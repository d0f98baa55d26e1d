// Reads the list of refusals of unlearning.refusal_rate.
#include <fstream>
#include <iterator>

#include "unlearning_metrics.hpp"

namespace assay::unlearning {

Result<void> RefusalRate::configure() {
  std::string text;
  if (phrases.is_set()) {
    const std::string& path = phrases.get().text;
    std::ifstream file(path, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(file), {});
    if (!file.is_open() || file.bad()) {
      return Error{Code::kNotFound, "the list of refusals '" + path + "' cannot be read", "phrases"};
    }
  }
  detector_ = std::make_unique<text::RefusalDetector>(text::RefusalDetector::from_text(text));
  if (phrases.is_set() && detector_->size() == 0) {
    return Error{
        Code::kData,
        "the list of refusals '" + phrases.get().text + "' holds no phrase; expected one refusal per line",
        "phrases"};
  }
  return {};
}

}  // namespace assay::unlearning
