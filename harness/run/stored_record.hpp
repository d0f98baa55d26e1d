// A stored result as the record a metric is given: its item, its requests, its answers.
#pragma once

#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/plugins/instance_call.hpp"

namespace assay::host {

/// Owned by an arena but for the vectors, which must not be moved while `record` is in use.
struct StoredRecord {
  RowId result = 0;
  int state = 0;      ///< enum assay_state of the result
  bool kept = false;  ///< the item is stored; without it there is no record
  assay_item item{};
  std::vector<assay_response> responses, reference_responses;
  assay_record record{}, reference{};
  std::uint64_t held = 0;  ///< what the target's answers hold, as ASSAY_CAP_* bits
  /// Statistics that a scored answer of the target lacks, as ASSAY_CAP_* bits.
  std::uint64_t lacking = 0;

  /// Fills the record from a result with its texts. `tokens` holds the token statistics of its responses in
  /// their order; NULL: answers are not read, which is enough for a metric's fit. kData when something stored
  /// is damaged, with the item's id.
  Result<void> restore(const WholeItem& from, const std::vector<ItemResponse>* tokens, Arena& arena);
};

}  // namespace assay::host
