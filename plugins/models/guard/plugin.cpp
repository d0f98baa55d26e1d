#include "guard.hpp"

ASSAY_PLUGIN(assay::guard::Guard);
