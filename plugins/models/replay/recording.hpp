// Recordings: files of answers that were given once and are now looked up. One class per file format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "assay/sdk/model.hpp"

namespace assay::replay {

/// Answers from a file. Thread rule: immutable after opening; answer() may run in any number of threads.
class Recording {
 public:
  Recording() = default;
  virtual ~Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// ASSAY_CAP_* the recording can serve.
  [[nodiscard]] virtual std::uint64_t capabilities() const = 0;
  /// Names of the numbers of CLASSIFY answers.
  [[nodiscard]] virtual std::vector<std::string> class_names() const { return {}; }
  /// Writes the recorded answer of a request. kNotFound ("no_record ...") if there is none, kUnsupported if
  /// the record lacks what the kind of request needs, kData if the record is malformed.
  virtual Result<void> answer(const assay_request& request, ResponseWriter& out) const = 0;
};

/// JSON Lines with a header line and one record per line (the format of this project).
/// `run`: keep only the records whose "run" equals it; empty keeps all.
Result<std::unique_ptr<Recording>> open_rows(const std::string& path, const std::string& run);
/// Result logs of TOFU, WPU and the dp2 study, plain or gzip.
Result<std::unique_ptr<Recording>> open_tofu_log(const std::string& path);
/// Score files of detectors: compact JSON Lines, a native result file, or a folder of native result files.
/// `run`: keep only the variants that equal it; empty keeps all.
Result<std::unique_ptr<Recording>> open_detector_scores(const std::string& path, const std::string& run);

/// Answers that realise the counts {TP, FP, TN, FN} over a list of POPE questions (question_id, label).
/// kInvalidArgument when the list does not have as many yes- and no-questions as the counts say.
Result<std::unique_ptr<Recording>> open_pope_confusion(const std::string& path,
                                                       const std::vector<std::string>& counts);

/// "task 'x', item 'y', ..." of a request, for messages.
std::string describe(const assay_request& request);
/// The error of a request without a record; never a default answer.
Error no_record(const assay_request& request, const std::string& path);

}  // namespace assay::replay
