#include "detection_formulas.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace assay::detection {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kSmallestNorm = 1e-8;
constexpr std::string_view kTooShort = "too_short: the text has no scored token";

double sum_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

Score mean_of(std::span<const double> values) {
  if (values.empty()) return {kNan, kTooShort};
  return {sum_of(values) / static_cast<double>(values.size()), {}};
}

/// Diversity entropy of one scale: `y` is the averaged sequence. `counts` is scratch, all zero before and
/// after.
double diversity_entropy(std::span<const double> y, std::size_t orbit, std::vector<std::uint32_t>& counts,
                         bool drop_outside) {
  const std::size_t bins = counts.size();
  std::vector<std::size_t> used;
  std::size_t total = 0;
  const auto norm = [&](std::size_t at) {
    double squares = 0;
    for (std::size_t j = 0; j < orbit; ++j) squares += y[at + j] * y[at + j];
    return std::max(std::sqrt(squares), kSmallestNorm);
  };
  double left = norm(0);
  for (std::size_t i = 0; i + orbit < y.size(); ++i) {
    const double right = norm(i + 1);
    double dot = 0;
    for (std::size_t j = 0; j < orbit; ++j) dot += y[i + j] * y[i + 1 + j];
    double cosine = dot / (left * right);
    left = right;
    if (cosine > 1 || cosine < -1) {
      if (drop_outside) continue;
      cosine = std::clamp(cosine, -1.0, 1.0);
    }
    const auto bin = static_cast<std::size_t>((cosine + 1) / 2 * static_cast<double>(bins));
    const std::size_t kept = std::min(bin, bins - 1);
    if (counts[kept]++ == 0) used.push_back(kept);
    ++total;
  }
  std::sort(used.begin(), used.end());
  double sum = 0;
  for (const std::size_t bin : used) {
    const double p = static_cast<double>(counts[bin]) / static_cast<double>(total);
    sum += p * std::log(p);
    counts[bin] = 0;
  }
  return sum == 0 ? 0.0 : -sum / std::log(static_cast<double>(bins));
}

}  // namespace

Score likelihood(std::span<const double> logprob) {
  return mean_of(logprob);
}

Score rank(std::span<const double> ranks) {
  const Score mean = mean_of(ranks);
  return {-mean.value, mean.reason};
}

Score logrank(std::span<const double> ranks) {
  if (ranks.empty()) return {kNan, kTooShort};
  double sum = 0;
  for (const double r : ranks) sum += std::log(r);
  return {-(sum / static_cast<double>(ranks.size())), {}};
}

Score entropy(std::span<const double> entropies) {
  return mean_of(entropies);
}

Score lrr_of_means(double mean_logprob, double minus_logrank, bool mgtbench_sign) {
  if (std::isnan(mean_logprob) || std::isnan(minus_logrank)) return {kNan, kTooShort};
  if (minus_logrank == 0) return {kNan, "zero_denominator: every token is the most probable one"};
  const double ratio = mean_logprob / minus_logrank;
  return {mgtbench_sign ? -ratio : ratio, {}};
}

Score lrr(std::span<const double> logprob, std::span<const double> ranks, bool mgtbench_sign) {
  return lrr_of_means(likelihood(logprob).value, logrank(ranks).value, mgtbench_sign);
}

Score fastdetect_one_model(std::span<const double> logprob, std::span<const double> mean,
                           std::span<const double> variance) {
  if (logprob.empty()) return {kNan, kTooShort};
  double spread = 0;
  for (const double v : variance) spread += std::max(v, 0.0);
  if (spread == 0) return {kNan, "zero_denominator: no position has any spread"};
  return {(sum_of(logprob) - sum_of(mean)) / std::sqrt(spread), {}};
}

std::array<std::size_t, 4> gltr_bins(std::span<const double> ranks) {
  std::array<std::size_t, 4> bins{};
  for (const double r : ranks) {
    const double from_zero = r - 1;
    ++bins[from_zero < 10 ? 0 : from_zero < 100 ? 1 : from_zero < 1000 ? 2 : 3];
  }
  return bins;
}

Score gltr_frac10(std::span<const double> ranks) {
  if (ranks.empty()) return {kNan, kTooShort};
  const auto inside = std::count_if(ranks.begin(), ranks.end(), [](double r) { return r - 1 <= 10; });
  return {static_cast<double>(inside) / static_cast<double>(ranks.size()), {}};
}

std::vector<double> diversity_entropies(std::span<const double> logprob, const LastdeSettings& settings) {
  const std::size_t n = logprob.size();
  const double bins = std::trunc(settings.epsilon * static_cast<double>(n));
  if (n < settings.scales + settings.orbit || bins < 2) return {};
  std::vector<std::uint32_t> counts(static_cast<std::size_t>(bins), 0);
  std::vector<double> result;
  std::vector<double> averaged;
  for (std::size_t tau = 1; tau <= settings.scales; ++tau) {
    averaged.clear();
    for (std::size_t i = 0; i + tau <= n; ++i) {
      averaged.push_back(sum_of(logprob.subspan(i, tau)) / static_cast<double>(tau));
    }
    result.push_back(diversity_entropy(averaged, settings.orbit, counts, settings.drop_outside));
  }
  return result;
}

double aggregate(std::span<const double> entropies, Aggregator aggregator) {
  if (aggregator == Aggregator::kNorm2) {
    double squares = 0;
    for (const double value : entropies) squares += value * value;
    return std::sqrt(squares);
  }
  if (aggregator == Aggregator::kRange || aggregator == Aggregator::kExpRange) {
    const auto [low, high] = std::minmax_element(entropies.begin(), entropies.end());
    return aggregator == Aggregator::kRange ? *high - *low : std::exp(*high - *low);
  }
  const double mean = sum_of(entropies) / static_cast<double>(entropies.size());
  double squares = 0;
  for (const double value : entropies) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(entropies.size() - 1));
  return aggregator == Aggregator::kStd ? deviation : std::exp(deviation);
}

Score lastde(std::span<const double> logprob, const LastdeSettings& settings) {
  const std::vector<double> entropies = diversity_entropies(logprob, settings);
  if (entropies.empty()) return {kNan, "too_short: the text has too few tokens for the largest scale"};
  const double divisor = aggregate(entropies, settings.aggregator);
  if (divisor == 0) return {kNan, "zero_denominator: the diversity entropy is the same at every scale"};
  return {likelihood(logprob).value / divisor, {}};
}

}  // namespace assay::detection
