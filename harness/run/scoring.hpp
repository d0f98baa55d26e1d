// From complete items to scores and rows: records for the metrics, their answers, the batch for the store.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "db/store.hpp"
#include "harness/run/runner.hpp"
#include "harness/run/window.hpp"

namespace assay::host {

/// One evaluation while it runs: the planned one with what is live and where its rows go.
struct LiveEvaluation {
  const PlannedTask* plan = nullptr;
  LiveTask* live = nullptr;
  const ModelInstance* target = nullptr;
  std::vector<std::pair<std::string, const ModelInstance*>> roles;  ///< role -> model
  std::vector<bool> supported;                                      ///< per metric
  bool wants_reference = false;
  std::uint64_t want = 0;  ///< statistics the metrics need
  RowId row = 0;
  std::vector<RowId> model_rows;               ///< target, then roles
  std::vector<std::vector<RowId>> value_rows;  ///< per metric, per-item values
  Sha256 prompts;                              ///< over rendered requests in plan order
  std::int64_t finished = 0, failed = 0;       ///< items with a row, also from earlier segments of the run
  std::int64_t served = 0;                     ///< requests answered from the database in this segment
  std::uint64_t cursor = 0;                    ///< next selected item
  bool look_up = false;  ///< answers of these models may be stored from before this segment
  RowId item_set = 0;
  /// By position: the low bits of the content hash of the item kept in the item set; 0: not kept.
  std::vector<std::uint32_t> kept;
  /// By position * repeats + repeat: the same of the item that has a row already; 0: not finished.
  std::vector<std::uint32_t> done;
  std::int64_t changed = 0;  ///< items that differ from the ones kept under their position

  [[nodiscard]] const ModelInstance* role(std::string_view name) const {
    if (name.empty() || name == "target") return target;
    for (const auto& [key, model] : roles) {
      if (key == name) return model;
    }
    return nullptr;
  }
};

/// What LiveEvaluation::kept and done remember of a content hash; never 0.
inline std::uint32_t content_mark(std::uint64_t content) {
  const auto low = static_cast<std::uint32_t>(content);
  return low == 0 ? 1 : low;
}

/// Scores the complete items `which` of a window (all of one evaluation) and fills a batch for the store.
/// `states` counts item states; `refresh`: new answers take the place of stored ones. Memory behind the
/// batch: the window's arena and the batch's own text.
std::shared_ptr<const Batch> score_items(LiveEvaluation& evaluation, Window& window,
                                         const std::vector<std::uint32_t>& which, std::int64_t (&states)[8],
                                         std::string& infrastructure, bool refresh);

}  // namespace assay::host
