// Library of the task of recorded detector scores.
#include "recorded_scores.hpp"

ASSAY_PLUGIN(assay::recorded_scores::RecordedScores);
