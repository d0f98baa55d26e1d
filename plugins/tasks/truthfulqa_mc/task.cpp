#include "plugins/tasks/truthfulqa_mc/truthfulqa_mc.hpp"

using assay::truthfulqa::TruthfulQaMc;

ASSAY_PLUGIN(TruthfulQaMc);
