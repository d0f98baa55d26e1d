// Every Eval Ever records of imported tasks whose rows give no number: the numbers that the log states.
#include <algorithm>
#include <cmath>
#include <deque>

#include "assay/plugin.h"
#include "harness/interop/export/eee.hpp"

namespace assay::host::exporting::eee {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// "match/accuracy" with the statistic "accuracy" is about "match".
std::string subject(const ReportedRow& row) {
  const std::string ending = "/" + row.statistic;
  return row.metric.ends_with(ending) && row.metric.size() > ending.size()
             ? row.metric.substr(0, row.metric.size() - ending.size())
             : row.metric;
}

/// Errors of other numbers and numbers of items are no scores.
bool is_score(const ReportedRow& row) {
  return row.statistic != "stderr" && row.statistic != "count" && std::isfinite(row.number);
}

AggregateLine line_of(const ReportedRow& row, const std::vector<const ReportedRow*>& family) {
  AggregateLine line;
  line.rule = ASSAY_RULE_CUSTOM;
  line.direction = ASSAY_NO_DIRECTION;
  line.no_interval = true;
  line.row.variant = row.split;
  line.row.statistic = row.statistic;
  line.row.estimate = row.number;
  line.row.method = "reported";
  line.row.se = line.row.lo = line.row.hi = line.row.worst = line.row.best = kNone;
  line.row.n_total = line.row.n_scored = row.n;
  line.row.n_missing = line.row.n_non_finite = line.row.clusters = -1;
  // The error that stands beside a mean, whatever the source calls the mean.
  const bool mean = row.statistic == "value" || row.statistic == "mean" || row.statistic == "accuracy";
  for (const ReportedRow* other : family) {
    if (mean && other->statistic == "stderr" && other->split == row.split) line.row.se = other->number;
  }
  return line;
}

}  // namespace

Result<void> write_reported(const Task& task, const Selected& of, const std::vector<ReportedRow>& reported) {
  std::vector<std::string> subjects;
  std::int64_t undefined = 0;
  for (const ReportedRow& row : reported) {
    if (row.evaluation != of.row.id) continue;
    if (!std::isfinite(row.number) && row.statistic != "stderr") ++undefined;
    const std::string name = subject(row);
    if (is_score(row) && std::find(subjects.begin(), subjects.end(), name) == subjects.end())
      subjects.push_back(name);
  }
  for (const std::string& name : subjects) {
    std::vector<const ReportedRow*> family;
    for (const ReportedRow& row : reported) {
      if (row.evaluation == of.row.id && subject(row) == name) family.push_back(&row);
    }
    MetricRow metric;
    metric.name = name;
    metric.plugin_id = of.recipe.task_id;
    metric.params_json = "{}";
    ValueRow value;
    value.name = "reported";
    value.doc = "as the imported log states it";
    value.rule = ASSAY_RULE_CUSTOM;
    value.min = value.max = kNone;
    std::deque<AggregateLine> lines;
    Record record = record_of(task, of, metric, value);
    record.reported = true;
    for (const ReportedRow* row : family) {
      if (is_score(*row)) record.lines.push_back(&lines.emplace_back(line_of(*row, family)));
    }
    if (Result<void> done = write_pair(task, record, {}); !done) return done;
  }
  if (!subjects.empty()) {
    task.summary.notes.push_back(
        "task '" + of.recipe.name + "', model '" + of.model +
        "': the log's rows give no number; its own statements are written, marked as reported" +
        (undefined == 0 ? "" : " (" + std::to_string(undefined) + " are no numbers)"));
  }
  return {};
}

}  // namespace assay::host::exporting::eee
