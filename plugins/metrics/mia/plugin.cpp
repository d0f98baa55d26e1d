// Library of the membership-inference attacks.
#include "mia_metrics.hpp"

ASSAY_PLUGINS(assay::mia::Loss, assay::mia::Zlib, assay::mia::Mink, assay::mia::Maxk, assay::mia::Minkpp,
              assay::mia::Surp, assay::mia::Gapk, assay::mia::Reference, assay::mia::Lowercase);
