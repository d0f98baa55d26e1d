// Custom statistics of one task: the metric plugin computes them on resamples of the common items, the same
// resamples for both runs.
#include "reports/compare/custom.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "assay/plugin.h"
#include "harness/base/numbers.hpp"

namespace assay::host::compare_detail {
namespace {

// The statistics on all items, without resampling.
Result<std::vector<double>> plain(const stats::CustomStatistic& statistic, std::size_t items,
                                  std::size_t outputs) {
  std::vector<std::uint32_t> all(items);
  std::iota(all.begin(), all.end(), 0U);
  std::vector<double> out(outputs, std::nan(""));
  const stats::Resample pick(all);
  if (!statistic({&pick, 1}, out)) return Error{Code::kUnavailable, "the metric plugin failed", {}};
  return out;
}

}  // namespace

CustomValues::CustomValues(const CompareOptions& options, const stats::PairedOptions& paired)
    : source_(options.custom), paired_(paired) {}

void CustomValues::compute(const CustomSide& a, const CustomSide& b, const std::vector<std::string>& groups) {
  parts_.clear();
  reason_.clear();
  notes_.clear();
  std::vector<const ValueRow*> values;
  for (const ValueRow& value : a.table.values) {
    if (value.rule == ASSAY_RULE_CUSTOM) values.push_back(&value);
  }
  for (const ValueRow* value : values) names_.push_back(value->name);
  if (!source_) {
    reason_ = "the statistic is computed by its plugin, which is not at hand";
    return;
  }
  stats::CustomStatistic statistics[2];
  const CustomSide* sides[2] = {&a, &b};
  for (int s = 0; s < 2; ++s) {
    std::string note;
    Result<stats::CustomStatistic> opened = source_(sides[s]->metric, sides[s]->table, sides[s]->units, note);
    if (!opened) {
      reason_ = opened.error().text;
      return;
    }
    statistics[s] = *std::move(opened);
    if (!note.empty() && std::find(notes_.begin(), notes_.end(), note) == notes_.end())
      notes_.push_back(std::move(note));
  }
  const std::size_t items = a.units.size();
  if (std::all_of(values.begin(), values.end(), [](const ValueRow* v) { return v->no_interval; })) {
    const Result<std::vector<double>> x = plain(statistics[0], items, values.size());
    const Result<std::vector<double>> y = plain(statistics[1], items, values.size());
    if (!x || !y) {
      reason_ = (x ? y : x).error().text;
      return;
    }
    for (std::size_t k = 0; k < values.size(); ++k) {
      stats::Difference& one = parts_.emplace_back();
      one.baseline = if_finite((*x)[k]);
      one.candidate = if_finite((*y)[k]);
      if (one.baseline && one.candidate) one.delta = *one.candidate - *one.baseline;
      one.n = items;
    }
    return;
  }
  stats::PairedSample sample;
  sample.rule = stats::Rule::kCustom;
  sample.items = items;
  sample.outputs = values.size();
  sample.groups = groups;
  sample.baseline_custom = statistics[0];
  sample.candidate_custom = statistics[1];
  stats::Difference main = stats::compare(sample, paired_);
  std::vector<stats::Difference> rest = std::move(main.companions);
  main.companions.clear();
  parts_.push_back(std::move(main));
  for (stats::Difference& one : rest) parts_.push_back(std::move(one));
  for (std::size_t k = 0; k < parts_.size(); ++k) {
    parts_[k].name.clear();
    // All values were resampled together; each has a direction of its own.
    if (!parts_[k].equivalence) continue;
    stats::Equivalence& e = *parts_[k].equivalence;
    e.non_inferior =
        values[k]->direction == ASSAY_LOWER_IS_BETTER ? e.hi < *paired_.margin : e.lo > -*paired_.margin;
  }
}

const stats::Difference* CustomValues::part(const std::string& value) const {
  for (std::size_t k = 0; k < parts_.size(); ++k) {
    if (names_[k] == value) return &parts_[k];
  }
  return nullptr;
}

}  // namespace assay::host::compare_detail
