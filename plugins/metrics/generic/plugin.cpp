// Library of the metrics that fit any task.
#include "generic_metrics.hpp"

ASSAY_PLUGINS(assay::generic::ExactMatch, assay::generic::TokenF1, assay::generic::Contains,
              assay::generic::ChoiceAccuracy, assay::generic::Perplexity);
