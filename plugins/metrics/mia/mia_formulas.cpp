#include "mia_formulas.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

namespace assay::mia {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kZeroVariance = 1e-12;
constexpr std::string_view kTooShort = "too_short: the text has no scored token";
constexpr std::string_view kNothingKept = "too_short: the ratio k keeps no token of a text of this length";
constexpr std::string_view kNoSpread = "zero_denominator: a position's distribution has no spread";
constexpr std::string_view kZeroLoss = "zero_denominator: the loss in the denominator is 0";

/// Mean of the first m values in the order of `before`. Sorting first makes the sum independent of how the
/// library selects elements.
template <class Before>
double mean_of_first(std::span<const double> values, std::size_t m, Before before) {
  std::vector<double> sorted(values.begin(), values.end());
  std::partial_sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(m), sorted.end(), before);
  const double sum = std::accumulate(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(m), 0.0);
  return sum / static_cast<double>(m);
}

double mean_of_lowest(std::span<const double> values, std::size_t m) {
  return mean_of_first(values, m, std::less<>{});
}

}  // namespace

std::size_t kept_count(std::size_t n, double k) {
  return static_cast<std::size_t>(static_cast<double>(n) * k);
}

Score loss(std::span<const double> logprob) {
  if (logprob.empty()) return {kNan, kTooShort};
  return {std::accumulate(logprob.begin(), logprob.end(), 0.0) / static_cast<double>(logprob.size()), {}};
}

Score zlib(double mean_logprob, std::size_t zlib_bytes, std::size_t chars) {
  if (std::isnan(mean_logprob)) return {kNan, kTooShort};
  const double length = static_cast<double>(zlib_bytes);
  if (chars == 0) return {mean_logprob / length, {}};
  return {mean_logprob / (length / static_cast<double>(chars)), {}};
}

Score mink(std::span<const double> logprob, double k, MinkVariant variant) {
  const std::size_t n = logprob.size();
  if (n == 0) return {kNan, kTooShort};
  std::size_t m = kept_count(variant == MinkVariant::kDcpddCount ? n + 1 : n, k);
  if (variant == MinkVariant::kGuard) m = std::max<std::size_t>(1, m);
  m = std::min(m, n);
  if (m == 0) return {kNan, kNothingKept};
  return {mean_of_lowest(logprob, m), {}};
}

Score maxk(std::span<const double> logprob, double k) {
  const std::size_t n = logprob.size();
  if (n == 0) return {kNan, kTooShort};
  return {mean_of_first(logprob, std::clamp<std::size_t>(kept_count(n, k), 1, n), std::greater<>{}), {}};
}

Score minkpp(std::span<const double> logprob, std::span<const double> mean, std::span<const double> variance,
             double k, MinkppVariant variant, std::uint64_t vocabulary) {
  const std::size_t n = logprob.size();
  if (n == 0) return {kNan, kTooShort};
  std::size_t m = std::min(kept_count(n, k), n);
  if (variant == MinkppVariant::kFloor) m = std::max<std::size_t>(1, m);
  if (m == 0) return {kNan, kNothingKept};
  double correction = 1.0;
  if (variant == MinkppVariant::kUnweighted) {
    if (vocabulary < 2)
      return {kNan, "missing_capability: the model does not tell the width of its distribution"};
    correction = static_cast<double>(vocabulary) / static_cast<double>(vocabulary - 1);
  }
  std::vector<double> z(n);
  for (std::size_t i = 0; i < n; ++i) {
    double spread = variance[i] * correction;
    if (variant == MinkppVariant::kFloor) {
      spread = std::max(spread, 1e-6);
    } else if (variant == MinkppVariant::kRaw) {
      if (!(spread > kZeroVariance)) return {kNan, kNoSpread};
    } else {
      // A logit of minus infinity anywhere in the row makes the unweighted moments meaningless.
      if (!std::isfinite(mean[i]) || !std::isfinite(spread)) {
        return {kNan, "non_finite_input: a row holds an impossible token"};
      }
      if (!(std::sqrt(spread) > kZeroVariance)) return {kNan, kNoSpread};
    }
    z[i] = (logprob[i] - mean[i]) / std::sqrt(spread);
  }
  return {mean_of_lowest(z, m), {}};
}

Score surp(std::span<const double> logprob, std::span<const double> entropy, double percent,
           double max_entropy, bool sok) {
  const std::size_t n = logprob.size();
  if (n == 0) return {kNan, kTooShort};
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return logprob[a] < logprob[b]; });
  const std::size_t low = std::min(n, static_cast<std::size_t>(percent / 100.0 * static_cast<double>(n)));
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < low; ++i) {
    if (!(entropy[order[i]] < max_entropy)) continue;
    sum += logprob[order[i]];
    ++count;
  }
  if (count == 0 && sok) return {-100.0, {}};
  if (count == 0) return {kNan, "empty_selection: no improbable token stands at a position of low entropy"};
  return {sum / static_cast<double>(count), {}};
}

Score gapk(std::span<const double> logprob, std::span<const double> top, std::span<const double> variance,
           double k, std::size_t window) {
  const std::size_t n = logprob.size();
  if (n == 0) return {kNan, kTooShort};
  std::vector<double> gap(n);
  for (std::size_t i = 0; i < n; ++i) gap[i] = (logprob[i] - top[i]) / std::sqrt(std::max(variance[i], 1e-8));
  std::vector<double> smooth;
  if (window <= 1 || n < window) {
    smooth = gap;
  } else {
    // Each window is summed afresh: a running sum would turn one infinite gap into NaN for the rest.
    for (std::size_t i = 0; i + window <= n; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < window; ++j) sum += gap[i + j];
      smooth.push_back(sum / static_cast<double>(window));
    }
  }
  return {mean_of_lowest(smooth, std::clamp<std::size_t>(kept_count(smooth.size(), k), 1, smooth.size())),
          {}};
}

Score reference(double mean_logprob, double reference_mean_logprob, ReferenceVariant variant) {
  if (std::isnan(mean_logprob) || std::isnan(reference_mean_logprob)) return {kNan, kTooShort};
  switch (variant) {
    case ReferenceVariant::kDiff:
      return {mean_logprob - reference_mean_logprob, {}};
    case ReferenceVariant::kRatio:
      if (reference_mean_logprob == 0) return {kNan, kZeroLoss};
      return {-(mean_logprob / reference_mean_logprob), {}};
    case ReferenceVariant::kPplRatio:
      return {-std::exp(reference_mean_logprob - mean_logprob), {}};
  }
  return {kNan, "internal: an unknown variant"};
}

Score lowercase(double mean_logprob, double lower_mean_logprob, bool negated_inverse) {
  if (std::isnan(mean_logprob) || std::isnan(lower_mean_logprob)) return {kNan, kTooShort};
  const double below = negated_inverse ? lower_mean_logprob : mean_logprob;
  if (below == 0) return {kNan, kZeroLoss};
  return {negated_inverse ? -(mean_logprob / lower_mean_logprob) : lower_mean_logprob / mean_logprob, {}};
}

}  // namespace assay::mia
