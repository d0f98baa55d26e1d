#include "ks.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace assay::unlearning {
namespace {

constexpr double kLn10 = 2.302585092994045684;

KsP from_log(double ln_p) {
  ln_p = std::min(ln_p, 0.0);
  return {std::exp(ln_p), ln_p / kLn10, false};
}

// n = m: p = 2 sum_{k >= 1} (-1)^(k-1) C(2n, n-kh) / C(2n, n), nested so that every term is positive and
// below one: P_k = r_k (1 - P_{k+1}), r_k = C(2n, n-(k+1)h) / C(2n, n-kh), p = 2 P_0. Only r_0 can be tiny,
// so its logarithm is kept.
KsP equal_sizes(std::int64_t n, std::int64_t h) {
  double next = 0.0;   // P_{k+1}
  double ln_p0 = 0.0;  // ln P_0 once k = 0 has been reached
  for (std::int64_t k = n / h; k >= 0; --k) {
    if (n - k * h < h) {  // C(2n, n-(k+1)h) = 0
      next = 0.0;
      if (k == 0) return {0.0, -HUGE_VAL, false};  // h > n: impossible by the precondition
      continue;
    }
    double ln_r = 0.0;
    for (std::int64_t j = 0; j < h; ++j) {
      ln_r += std::log(static_cast<double>(n - k * h - j) / static_cast<double>(n + k * h + j + 1));
    }
    ln_p0 = ln_r + std::log1p(-next);
    next = std::exp(ln_p0);
  }
  return from_log(std::log(2.0) + ln_p0);
}

// A non-negative number value * 2^(512 * block), so that probabilities below 1e-308 keep their digits.
struct Scaled {
  double value = 0.0;
  std::int32_t block = 0;
};
constexpr int kBlockBits = 512;

Scaled weighted_sum(const Scaled& a, double wa, const Scaled& b, double wb) {
  Scaled out;
  const std::int32_t apart = a.block - b.block;
  if (a.value == 0.0 || (b.value != 0.0 && apart < -1)) {
    out = {b.value * wb, b.block};
  } else if (b.value == 0.0 || apart > 1) {
    out = {a.value * wa, a.block};
  } else if (apart == 0) {
    out = {a.value * wa + b.value * wb, a.block};
  } else if (apart == 1) {
    out = {a.value * wa + std::ldexp(b.value * wb, -kBlockBits), a.block};
  } else {
    out = {std::ldexp(a.value * wa, -kBlockBits) + b.value * wb, b.block};
  }
  if (out.value != 0.0 && out.value < 0x1p-512) {
    out.value *= 0x1p512;
    --out.block;
  }
  return out;
}

KsP asymptotic(const KsStatistic& s) {
  const auto n = static_cast<double>(s.n);
  const auto m = static_cast<double>(s.m);
  const double z2 = s.d() * s.d() * n * m / (n + m);
  // 2 sum (-1)^(k-1) exp(-2 k^2 z^2) = 2 exp(-2 z^2) (1 - exp(-6 z^2) + ...): the first term sets the scale.
  double rest = 0.0;
  for (int k = 1; k <= 100000; ++k) {
    const double term = std::exp(-2.0 * (static_cast<double>(k) * k - 1.0) * z2);
    rest += k % 2 == 1 ? term : -term;
    if (term < 1e-18) break;
  }
  KsP out = z2 < 0.02 ? KsP{} : from_log(std::log(2.0) - 2.0 * z2 + std::log(rest));  // below: p = 1
  out.asymptotic = true;
  return out;
}

}  // namespace

std::optional<KsStatistic> ks_statistic(std::span<const double> a, std::span<const double> b) {
  if (a.empty() || b.empty() || std::isnan(a.back()) || std::isnan(b.back())) return std::nullopt;
  KsStatistic out;
  out.n = static_cast<std::int64_t>(a.size());
  out.m = static_cast<std::int64_t>(b.size());
  const std::int64_t g = std::gcd(out.n, out.m);
  out.lcm = out.n / g * out.m;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    const double at = std::min(a[i], b[j]);  // all equal values first, then compare
    while (i < a.size() && a[i] <= at) ++i;
    while (j < b.size() && b[j] <= at) ++j;
    const std::int64_t apart =
        static_cast<std::int64_t>(i) * (out.m / g) - static_cast<std::int64_t>(j) * (out.n / g);
    out.h = std::max(out.h, apart < 0 ? -apart : apart);
  }
  return out;
}

KsP ks_p_value_by_paths(const KsStatistic& s) {
  if (s.h <= 0) return {};
  const std::int64_t step_n = s.lcm / s.n;
  const std::int64_t step_m = s.lcm / s.m;
  const auto width = static_cast<std::size_t>(s.m) + 1;
  std::vector<Scaled> row(width);  // Q(i, .): the share of the paths to (i, j) that leave the band
  for (std::int64_t i = 0; i <= s.n; ++i) {
    for (std::size_t k = 0; k < width; ++k) {
      const auto j = static_cast<std::int64_t>(k);
      const std::int64_t apart = i * step_n - j * step_m;
      if (apart >= s.h || -apart >= s.h) {
        row[k] = {1.0, 0};
      } else if (i == 0 && j == 0) {
        row[k] = {};
      } else {
        const auto total = static_cast<double>(i + j);
        const Scaled before = j == 0 ? Scaled{} : row[k - 1];
        const Scaled above = i == 0 ? Scaled{} : row[k];
        row[k] = weighted_sum(above, static_cast<double>(i) / total, before, static_cast<double>(j) / total);
      }
    }
  }
  const Scaled& q = row.back();
  if (q.value <= 0.0) return {0.0, -HUGE_VAL, false};
  const double ln_p = std::log(q.value) + static_cast<double>(q.block) * kBlockBits * std::log(2.0);
  KsP out = from_log(ln_p);
  if (q.block == 0) out.p = std::min(q.value, 1.0);
  return out;
}

KsP ks_p_value(const KsStatistic& s) {
  if (s.h <= 0) return {};
  if (std::max(s.n, s.m) > kKsExactMax) return asymptotic(s);
  return s.n == s.m ? equal_sizes(s.n, s.h) : ks_p_value_by_paths(s);
}

}  // namespace assay::unlearning
