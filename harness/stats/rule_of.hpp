// The rule that a number of the plugin interface means.
#pragma once

#include "assay/plugin.h"
#include "harness/stats/choose.hpp"

namespace assay::stats {

/// Of enum assay_rule; a mean for what is unknown.
inline Rule rule_of(int rule) {
  switch (rule) {
    case ASSAY_RULE_PROPORTION:
      return Rule::kProportion;
    case ASSAY_RULE_AUROC:
      return Rule::kAuroc;
    case ASSAY_RULE_RATIO:
      return Rule::kRatio;
    case ASSAY_RULE_EXP_MEAN:
      return Rule::kExpMean;
    case ASSAY_RULE_CUSTOM:
      return Rule::kCustom;
    default:
      return Rule::kMean;
  }
}

}  // namespace assay::stats
