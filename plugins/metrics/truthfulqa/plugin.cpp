#include "plugins/metrics/truthfulqa/truthfulqa_metrics.hpp"

using assay::truthfulqa::Length;
using assay::truthfulqa::Mc0;
using assay::truthfulqa::Mc1;
using assay::truthfulqa::Mc2;
using assay::truthfulqa::Mc3;
using assay::truthfulqa::Negation;
using assay::truthfulqa::Uniform;

ASSAY_PLUGINS(Mc1, Mc2, Mc3, Mc0, Uniform, Length, Negation);
