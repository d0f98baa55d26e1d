#include "planted_task.hpp"

ASSAY_PLUGIN(assay::unlearning::PlantedTask);
