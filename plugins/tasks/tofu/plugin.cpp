#include "tofu_task.hpp"

ASSAY_PLUGIN(assay::unlearning::TofuTask);
