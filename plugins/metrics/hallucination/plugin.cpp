// Metrics of planted facts, of uncertainty and of calibration in one library.
#include <algorithm>

#include "plugins/metrics/hallucination/calibration_metrics.hpp"
#include "plugins/metrics/hallucination/planted_metrics.hpp"
#include "plugins/metrics/hallucination/uncertainty_metrics.hpp"

using namespace assay::hallucination;  // NOLINT: the plugin's own file

ASSAY_PLUGINS(PlantedAnswers, PlantedMultipleChoice, UniformChoice, MajorityValue, NegLogp, NextTokenEntropy,
              CandidateEntropy, SemanticEntropy, Epistemic, ChoiceCalibration);
