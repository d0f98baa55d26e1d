// Library of the model-free baselines.
#include "blind_metrics.hpp"

ASSAY_PLUGINS(assay::blind::Date, assay::blind::Size, assay::blind::Words, assay::blind::LongestChoice,
              assay::blind::MajorityChoice);
