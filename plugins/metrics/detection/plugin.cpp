// Library of the detectors of machine-generated text.
#include "detection_metrics.hpp"

ASSAY_PLUGINS(assay::detection::Likelihood, assay::detection::MeanRank, assay::detection::LogRank,
              assay::detection::MeanEntropy, assay::detection::Lrr, assay::detection::FastDetect,
              assay::detection::GltrFrac10, assay::detection::Lastde, assay::detection::Recorded);
