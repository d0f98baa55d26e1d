// A gate's outcome for people and machines. The same outcome gives the same bytes; the only times are the
// candidate run's own.
#pragma once

#include <string>

#include "harness/base/json.hpp"
#include "reports/gate/gate.hpp"

namespace assay::host {

/// For terminals: one sentence, the table, what was not passed, notes. `explain`: inputs and formula of every
/// check.
std::string gate_text(const Policy& policy, const Comparison& comparison, const GateOutcome& outcome,
                      bool color, bool explain);
/// Schema assay-gate/1: numbers unrounded, undefined ones null.
Json gate_json(const Policy& policy, const Comparison& comparison, const GateOutcome& outcome);
/// JUnit XML, one test case a check: a failure is a regression, an error is missing answers, what cannot be
/// decided or compared and what is waived is skipped. Valid XML whatever the names hold.
std::string gate_junit(const Policy& policy, const Comparison& comparison, const GateOutcome& outcome);
/// GitHub markdown of at most `bytes_max` bytes, with a note when something was cut.
std::string gate_markdown(const Policy& policy, const Comparison& comparison, const GateOutcome& outcome,
                          std::size_t bytes_max = 1'000'000);

}  // namespace assay::host
