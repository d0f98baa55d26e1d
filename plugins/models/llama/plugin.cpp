// The library of `assay.llama`.
#include "llama_model.hpp"

ASSAY_PLUGIN(assay::llama::LlamaModel);
