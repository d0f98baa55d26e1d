#include "harness/stats/sign_flip.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "harness/stats/distributions.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

constexpr double kLargestInteger = 1e6;
constexpr double kMaxTableWork = 1e8;

double tolerance(double observed) {
  return 1e-12 * std::max(1.0, std::fabs(observed));
}

// Sums over all sign patterns of a few values, each sum computed directly from its pattern.
std::vector<double> pattern_sums(std::span<const double> x) {
  std::vector<double> sums(std::size_t{1} << x.size());
  for (std::size_t pattern = 0; pattern < sums.size(); ++pattern) {
    double total = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) total += ((pattern >> i) & 1U) != 0 ? -x[i] : x[i];
    sums[pattern] = total;
  }
  return sums;
}

// Share of patterns with |sum| >= limit, from the sums of two halves.
double share_by_halves(const std::vector<double>& d, double limit) {
  const std::size_t half = d.size() / 2;
  const std::span<const double> all(d);
  const std::vector<double> left = pattern_sums(all.first(half));
  std::vector<double> right = pattern_sums(all.subspan(half));
  std::sort(right.begin(), right.end());
  std::uint64_t count = 0;
  for (const double a : left) {
    // The comparison is made on a + b itself; partition_point is right because rounding is monotone.
    const auto high =
        std::partition_point(right.begin(), right.end(), [&](double b) { return a + b < limit; });
    const auto low =
        std::partition_point(right.begin(), right.end(), [&](double b) { return a + b <= -limit; });
    count += static_cast<std::uint64_t>(right.end() - high);
    count += static_cast<std::uint64_t>((limit > 0.0 ? low : high) - right.begin());
  }
  return static_cast<double>(count) / static_cast<double>(left.size() * right.size());
}

// All values +-m: the sum depends on the number of minus signs only, which is binomial.
double share_by_binomial(std::size_t n, double steps) {
  const auto k = static_cast<std::int64_t>(std::llround((static_cast<double>(n) - steps) / 2.0));
  return std::min(1.0, 2.0 * binomial_cdf(k, static_cast<std::int64_t>(n), 0.5));
}

// Integer values: the distribution of the sum over the values that get a plus sign.
double share_by_table(const std::vector<double>& d, double observed) {
  const auto total = static_cast<std::size_t>(
      std::accumulate(d.begin(), d.end(), 0.0, [](double a, double b) { return a + std::fabs(b); }));
  std::vector<double> probability(total + 1, 0.0);
  probability[0] = 1.0;
  std::size_t reached = 0;
  for (const double value : d) {
    const auto step = static_cast<std::size_t>(std::fabs(value));
    reached += step;
    for (std::size_t s = reached + 1; s-- > 0;) {
      const double with = s >= step ? probability[s - step] : 0.0;
      probability[s] = 0.5 * (probability[s] + with);
    }
  }
  CompensatedSum share;
  for (std::size_t s = 0; s <= total; ++s) {
    if (std::fabs(2.0 * static_cast<double>(s) - static_cast<double>(total)) >= observed)
      share.add(probability[s]);
  }
  return std::min(1.0, share.value());
}

}  // namespace

std::optional<SignFlip> sign_flip_exact(std::span<const double> d) {
  std::vector<double> x;
  bool integral = true;
  double largest = 0.0;
  double smallest = INFINITY;
  for (const double value : d) {
    if (value == 0.0) continue;
    x.push_back(value);
    const double size = std::fabs(value);
    integral = integral && size <= kLargestInteger && std::floor(size) == size;
    largest = std::max(largest, size);
    smallest = std::min(smallest, size);
  }
  SignFlip r;
  r.method = "signflip.exact";
  r.p = 1.0;
  if (x.empty()) return r;
  const double observed = std::fabs(sum(x));
  if (largest == smallest) {
    r.p = share_by_binomial(x.size(), std::round(observed / largest));
  } else if (integral &&
             static_cast<double>(x.size()) * largest * static_cast<double>(x.size()) <= kMaxTableWork) {
    r.p = share_by_table(x, observed);
  } else if (x.size() <= kMaxExactFlips) {
    r.p = share_by_halves(x, observed - tolerance(observed));
  } else {
    return std::nullopt;
  }
  return r;
}

SignFlip sign_flip_mc(std::span<const double> d, std::uint64_t seed, std::uint32_t replicates) {
  SignFlip r;
  r.method = "signflip.mc";
  r.replicates = replicates;
  const double observed = std::fabs(sum(d));
  const double limit = observed - tolerance(observed);
  std::vector<std::uint64_t> bits((d.size() + 63) / 64);
  for (std::uint32_t b = 0; b < replicates; ++b) {
    random_u64s(seed, kStreamSigns, b, bits);
    CompensatedSum total;
    for (std::size_t begin = 0; begin < d.size(); begin += 64) {
      const std::uint64_t word = bits[begin / 64];
      const std::size_t end = std::min(begin + 64, d.size());
      double part = 0.0;
      for (std::size_t i = begin; i < end; ++i) part += ((word >> (i - begin)) & 1U) != 0 ? -d[i] : d[i];
      total.add(part);
    }
    if (std::fabs(total.value()) >= limit) ++r.count;
  }
  r.p = (1.0 + static_cast<double>(r.count)) / (static_cast<double>(replicates) + 1.0);
  return r;
}

SignFlip sign_flip(std::span<const double> d, std::uint64_t seed, std::uint32_t replicates) {
  if (auto exact = sign_flip_exact(d)) return *exact;
  return sign_flip_mc(d, seed, replicates);
}

}  // namespace assay::stats
