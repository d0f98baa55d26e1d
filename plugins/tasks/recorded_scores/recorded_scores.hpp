// The task `assay.recorded_scores`: detector scores that others recorded, for judging a run without its
// model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/task.hpp"
#include "json_rows.hpp"

namespace assay::recorded_scores {

/// One recorded run: which texts have a score, and what the run itself reported.
struct Run {
  std::string name;                           ///< its file, without ".json"
  std::vector<std::uint32_t> human, machine;  ///< positions of the scores that are numbers, from 0
  std::uint32_t skipped = 0;                  ///< scores that are not
  double roc_auc, pr_auc;                     ///< as reported; NaN: not reported
};

struct RunFile {
  std::vector<Run> runs;
  rows::Problems problems;
};

/// Reads rows {file, name, info, roc_auc, pr_auc, real, samples}, one run each, or one result file as
/// baoguangsheng/fast-detect-gpt writes it {name, predictions {real, samples}, metrics, pr_metrics}.
Result<RunFile> read_runs(const std::string& path);

/// True if `text` fits `pattern`, in which * stands for any characters.
bool matches(std::string_view text, std::string_view pattern);

class RecordedScores final : public Task {
 public:
  static constexpr TaskInfo info{
      .id = "assay.recorded_scores",
      .title = "Recorded detector scores",
      .doc =
          "One item per recorded score: `human/12` (label 0) and `machine/12` (label 1); the variant is the "
          "run, "
          "named by its file. The CLASSIFY request `score` is answered by assay.replay with format = "
          "detector_scores from the same file. The run's own figures are the fields reported.roc_auc and "
          "reported.pr_auc.",
      .requires_caps = ASSAY_CAP_CLASSIFY};

  Param<Path> data{*this, "data", std::nullopt,
                   "JSON rows {file, roc_auc, pr_auc, real, samples}, or one result file of "
                   "baoguangsheng/fast-detect-gpt",
                   REQUIRED | AFFECTS_RESULT};
  Param<std::vector<std::string>> runs{*this, "runs", std::vector<std::string>{},
                                       "Runs to keep; * stands for any characters; empty: all",
                                       AFFECTS_RESULT};
  Param<bool> paired{*this, "paired", false,
                     "Human and machine text of the same number belong together: intervals by group",
                     AFFECTS_RESULT};

  Result<void> open(Call& call) override;
  [[nodiscard]] std::int64_t count() const override {
    return begin_.empty() ? 0 : static_cast<std::int64_t>(begin_.back());
  }
  Result<void> item(std::uint64_t index, ItemWriter& out) override;

 private:
  std::vector<Run> runs_;
  std::vector<std::uint64_t> begin_;  // number of the first item of every run, and behind the last
};

}  // namespace assay::recorded_scores
