// How scores are named, ordered and written, in terminal tables and pages alike.
#pragma once

#include <string>
#include <vector>

#include "db/queries.hpp"
#include "reports/table.hpp"

namespace assay::host {

/// "metric", with value, statistic, rule and direction where the name alone would not tell.
std::string line_name(const AggregateLine& line);
/// "0.4500 to 0.5500", "no interval" when the metric gives none, "n/a"; empty without a score.
std::string interval_text(const AggregateLine& line);
/// "200", or "100+100": positives and negatives.
std::string n_text(const AggregateRow& row);
/// A model-free rule's name, marked once as one that looks at no model: "blind.length", "blind: other.rule".
std::string blind_name(const std::string& name);
/// "0.5123 negated blind.length"
std::string blind_text(const Baseline& best);
/// Text in which runs of digits have equal length, so that its order is the one people expect: k2 before k16.
std::string natural_key(const std::string& raw);
/// Metrics before baselines; within a metric by model, then by variant in natural order. Baselines look at
/// the items alone, so the same number for every model is kept once.
std::vector<const AggregateLine*> arranged(std::vector<const AggregateLine*> lines);

}  // namespace assay::host
