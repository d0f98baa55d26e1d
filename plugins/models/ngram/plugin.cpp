// The library of `assay.ngram`.
#include "ngram_model.hpp"

ASSAY_PLUGIN(assay::ngram::NgramModel);
