// Evidence that stays valid under optional stopping (specs/statistics.md section 15).
#pragma once

#include <cstdint>

namespace assay::stats {

/// ln of the e-value of b and c flips against equal flip rates: Beta(b+a0, c+a0)/Beta(a0, a0) * 2^{b+c}
/// (beta-binomial mixture; Ramdas et al. 2023, "Game-theoretic statistics"). Reject when e >= 1/alpha at any
/// time.
double log_e_mcnemar(std::uint64_t b, std::uint64_t c, double a0 = 0.5);

}  // namespace assay::stats
