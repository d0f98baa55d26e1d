#include "plugins/metrics/pope/pope_metrics.hpp"

using assay::pope::AlwaysYes;
using assay::pope::Score;

ASSAY_PLUGINS(Score, AlwaysYes);
