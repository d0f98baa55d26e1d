// Intervals for binary proportions x of n (specs/statistics.md section 4). The Wald interval is not offered.
//
// Counts are doubles with integral values 0 <= x <= n (callers count in integers; n_eff is real). n = 0 is
// undefined.
#pragma once

#include "harness/stats/interval.hpp"

namespace assay::stats {

/// sqrt(p (1-p) / (n-1)), the standard error that lm-evaluation-harness records; NaN for n < 2.
double proportion_se(double x, double n);

/// Wilson 1927 score interval (the default). Lower end exactly 0 for x = 0, upper end exactly 1 for x = n.
Interval wilson(double x, double n, double conf);
/// Clopper and Pearson 1934: exact, conservative.
Interval clopper_pearson(double x, double n, double conf);
/// Equal-tailed credible interval of Beta(x+1, n-x+1).
Interval beta11(double x, double n, double conf);
/// Beta(x+1/2, n-x+1/2), lower end 0 for x = 0 and upper end 1 for x = n (Brown, Cai, DasGupta 2001).
Interval jeffreys(double x, double n, double conf);

/// Wilson for clustered items: n_eff = n / max(1, deff), p unchanged, clipped to [0, 1].
Interval wilson_neff(double p, double n, double deff, double conf);

/// Difference p1 - p2 of independent proportions by Newcombe's hybrid score method (Newcombe 1998, method
/// 10).
Interval newcombe_difference(double x1, double n1, double x2, double n2, double conf);

}  // namespace assay::stats
