// The parts of the page of a comparison. Inside this folder only.
#pragma once

#include <string>

#include "reports/html/bounded.hpp"
#include "reports/html/compare_report.hpp"

namespace assay::host::html {

/// "95 %", the level of the intervals.
std::string level_text(const Comparison& comparison);
/// A verdict with a sign and a colour; the word alone says everything.
std::string verdict_markup(Verdict verdict);
/// The task, with its models where the comparison has several pairs.
std::string task_name(const Comparison& comparison, const ComparedTask& task);

// compare_tables.cpp
std::string comparability_table(const Comparison& comparison);
std::string differences_table(const Comparison& comparison);
std::string totals_table(const Comparison& comparison);
std::string two_axis_table(const Comparison& comparison);
std::string usage_table(const Comparison& comparison);
/// What the two runs are.
std::string runs_table(const Comparison& comparison);

// compare_plots.cpp
void difference_plots(const Comparison& comparison, Bounded& out);
void two_axis_plots(const Comparison& comparison, Bounded& out);

// compare_tasks.cpp
/// Sentences, notes, states and unmatched items of one task.
std::string task_details(const Comparison& comparison, const ComparedTask& task);
/// The most changed items, both answers side by side; texts of at most `points_max` code points.
void changed_items(const ComparedTask& task, std::size_t points_max, Bounded& out);

}  // namespace assay::host::html
