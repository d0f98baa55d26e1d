// The result table of a run: every score with its interval, what was not scored, and the best model-free rule
// beside it. From the database's aggregates to terminal text and to JSON.
#pragma once

#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/base/json.hpp"

namespace assay::host {

struct TableOptions {
  bool color = false;
  bool all_values = false;  ///< also values that are not headlines, and companion statistics
};

/// True for a statistic that accompanies the metric's own (PR-AUC and TPR beside an AUROC).
bool companion(const AggregateLine& line);

/// The model-free rule that comes closest to a score, or beats it.
struct Baseline {
  const AggregateLine* line = nullptr;  ///< NULL: no rule of the task can be held against this score
  double estimate = 0;
  bool negated = false;  ///< a rule without direction was turned round (mia.md section 4)
};

/// The best rule of the same task, model and variant: AUROC against AUROC, otherwise a value of the same
/// name. A rule without a natural direction counts with whichever sign does better - against the model's
/// favour.
Baseline best_baseline(const std::vector<AggregateLine>& lines, const AggregateLine& line);

/// Grouped by task; baselines are rows of their own, marked, below the metrics. Below each task stands how
/// its answers ended and how they entered the scores (states.hpp).
std::string result_table(const std::vector<AggregateLine>& lines, const TableOptions& options);

/// One object per aggregate; undefined numbers are null with a reason, never NaN.
Json result_json(const std::vector<AggregateLine>& lines);

/// "0.4917" with as many digits as the interval supports; "n/a" when undefined.
std::string score_text(double value);

/// "ok 990, empty 10": the states of the items, ok left out when it is everything.
std::string states_text(const AggregateRow& row);

}  // namespace assay::host
