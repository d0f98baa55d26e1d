// The library of unlearning metrics.
#include "membership_metrics.hpp"
#include "unlearning_metrics.hpp"

using namespace assay::unlearning;  // NOLINT: the plugin's own file

ASSAY_PLUGINS(TofuUtility, ForgetQuality, Rouge, Prob, TruthRatio, ExactMemorization, ExtractionStrength,
              MiaLoss, PrivLeak, PrivLeakMinK, RefusalRate, GibberishRate, PromptCopy);
