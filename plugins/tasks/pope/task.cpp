#include "plugins/tasks/pope/pope.hpp"

using assay::pope::PopeTask;

ASSAY_PLUGIN(PopeTask);
