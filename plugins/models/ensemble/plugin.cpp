// The library of `assay.ensemble`.
#include "ensemble_model.hpp"

ASSAY_PLUGIN(assay::ensemble::EnsembleModel);
