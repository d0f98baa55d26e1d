// The parts of the reader of lm-eval logs: the results file, the samples files, and the hashes they state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/interop/imported.hpp"
#include "harness/interop/tolerant_json.hpp"

namespace assay::host::interop::lm_eval {

/// What Python's json.dumps(value, indent=2, ensure_ascii=False) writes. With `big_numbers`, texts that are
/// whole numbers beyond 64 bits are written as numbers, which is what they were before parse_tolerant.
std::string python_json(const Tree& value, bool big_numbers = false);
/// Python's repr of a float: "1.0", "1e-05", "1e+16", "nan".
std::string python_real(double value);

/// The run as a results file describes it; the model is empty when the file names none.
ImportedRun run_of(const Tree& results);
/// All task and group names of a results file, each once.
std::vector<std::string> task_names(const Tree& results);
/// A task without its columns: settings, counts and every number the file reports.
ImportedTask task_of(const Tree& results, const std::string& name);
/// The filters of a task in the order of the results file.
std::vector<std::string> filters_of(const Tree& results, const std::string& name);
/// enum assay_direction of a metric.
int direction_of(const Tree& results, const std::string& task, const std::string& metric);
/// True unless the file says, or the metric's name does, that it is no plain mean.
bool is_mean(const Tree& results, const std::string& task, const std::string& metric);

/// Reads a samples file and hands the task with its rows to the sink. `results` is null when there is no such
/// file.
Result<void> read_samples(const std::filesystem::path& file, const std::string& task, const Tree& results,
                          const ImportOptions& options, ImportSink& sink, ImportSummary& summary);

/// One row of a samples file as a row without scores: question, requests, answers, fields of the document.
ImportedRow row_of(const Tree& sample, const std::string& task);
/// What is left of the answers after the row's filter, as text; empty when that is the answer itself.
std::string filtered_text(const Tree& sample);

}  // namespace assay::host::interop::lm_eval
