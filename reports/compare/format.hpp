// How the outputs of a comparison write numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "reports/compare/compare.hpp"

namespace assay::host {

/// "+0.0123", "-1.2e-05", "0"; as many digits as score_text (table.hpp).
std::string delta_text(double value);
/// "0.0127", "3.1e-07".
std::string p_text(double value);
/// "" for a number that does not exist.
std::string delta_text(const std::optional<double>& value);
std::string p_text(const std::optional<double>& value);
/// "-13.4 %"
std::string percent_text(const std::optional<double>& value);
/// "ok 990, empty 10, missing 3"
std::string states_text(const std::array<std::int64_t, 8>& states, std::int64_t missing);
/// "metric", with value, rule and direction where the name alone would not tell.
std::string value_label(const ComparedValue& value);
/// What a reader must know beside the sentence; `all`: also correlation, resamples and seed.
std::vector<std::string> value_notes(const ComparedValue& value, bool all);
/// How interval and p were computed.
std::string method_text(const stats::Difference& difference);
std::string method_text(const ComparedTotal& total);
/// "task, model A against B"; B left out when it is A.
std::string task_label(const ComparedTask& task);
/// Count of every verdict, in order: "1 regressed, 12 inconclusive".
std::string verdicts_text(const Comparison& comparison);

/// For terminals: compact tables, reasons, changed items. `verbose`: unmatched ids, every part, methods.
std::string compare_text(const Comparison& comparison, bool color, bool verbose);
/// GitHub markdown; at most `bytes_max` bytes, with a note when something was cut.
std::string compare_markdown(const Comparison& comparison, std::size_t bytes_max = 1'000'000);
/// Schema assay-compare/1: numbers unrounded, undefined ones null with a reason.
Json compare_json(const Comparison& comparison);

}  // namespace assay::host
