// What the files of this folder share: a check while it is being decided.
#pragma once

#include <string>
#include <vector>

#include "reports/gate/gate.hpp"

namespace assay::host::gate_detail {

struct Work {
  Check check;
  const GateRule* rule = nullptr;
  const ComparedTask* task = nullptr;    ///< NULL: the candidate has no such task
  const ComparedValue* value = nullptr;  ///< NULL with task
  const stats::Difference* difference = nullptr;
  std::string differing;  ///< why nothing can be compared; empty when it can
  MarginTest margin;
};

/// Every number that a rule names. kInvalidArgument when a rule fits none.
Result<std::vector<Work>> match_rules(const Policy& policy, const Comparison& comparison,
                                      const GateEvidence& evidence);
/// The waiver that covers a check, or NULL.
const Waiver* waiver_of(const Policy& policy, const Check& check);

/// Verdict, sentence and formula; p is adjusted already.
void decide(const Policy& policy, const GateEvidence& evidence, const Comparison& comparison,
            std::size_t family, Work& work);

/// "qa assay.exact_match", with variant and statistic.
std::string name_of(const Check& check);

}  // namespace assay::host::gate_detail
