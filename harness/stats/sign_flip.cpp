#include "harness/stats/sign_flip.hpp"

#include <algorithm>
#include <array>
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
constexpr std::size_t kMaxByteSums = 4096;  // values; their tables take 1 MB

double tolerance(double observed) {
  return 1e-12 * std::max(1.0, std::fabs(observed));
}

// Sums over all sign patterns of a few values, sorted. Each sum is what adding in order gives; a list stays
// sorted when one number is added to all of it, because rounding is monotone.
std::vector<double> pattern_sums(std::span<const double> x) {
  std::vector<double> sums{0.0};
  std::vector<double> next;
  for (const double value : x) {
    const double up = std::fabs(value);
    next.resize(2 * sums.size());
    std::size_t low = 0, high = 0;  // sums - up and sums + up are merged
    for (double& out : next) {
      const bool take_low = high == sums.size() || (low < sums.size() && sums[low] - up <= sums[high] + up);
      out = take_low ? sums[low++] - up : sums[high++] + up;
    }
    sums.swap(next);
  }
  return sums;
}

// Share of patterns with |sum| >= limit, from the sums of two halves.
double share_by_halves(const std::vector<double>& d, double limit) {
  const std::size_t half = d.size() / 2;
  const std::span<const double> all(d);
  const std::vector<double> left = pattern_sums(all.first(half));
  const std::vector<double> right = pattern_sums(all.subspan(half));
  std::uint64_t count = 0;
  // As a grows, the places where a + b passes +limit and -limit move down.
  std::size_t high = right.size(), low = right.size();
  for (const double a : left) {
    while (high > 0 && !(a + right[high - 1] < limit)) --high;
    while (low > 0 && !(a + right[low - 1] <= -limit)) --low;
    count += right.size() - high;
    count += limit > 0.0 ? low : high;
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

SignWords::SignWords(std::uint64_t seed, std::uint32_t replicates, std::size_t items)
    : replicates_(replicates), per_replicate_((items + 63) / 64), words_(per_replicate_ * replicates) {
  for (std::uint32_t b = 0; b < replicates; ++b)
    random_u64s(seed, kStreamSigns, b, std::span(words_).subspan(b * per_replicate_, per_replicate_));
}

namespace {

// Signed sums of eight values by their sign bits: eight additions become one look-up.
class ByteSums {
 public:
  explicit ByteSums(std::span<const double> d) : sums_((d.size() + 7) / 8) {
    for (std::size_t begin = 0; begin < d.size(); begin += 8) {
      const std::size_t count = std::min<std::size_t>(8, d.size() - begin);
      for (std::size_t pattern = 0; pattern < 256; ++pattern) {
        double total = 0.0;
        for (std::size_t i = 0; i < count; ++i)
          total += ((pattern >> i) & 1U) != 0 ? -d[begin + i] : d[begin + i];
        sums_[begin / 8][pattern] = total;
      }
    }
  }
  [[nodiscard]] double of(std::span<const std::uint64_t> words) const {
    CompensatedSum total;
    for (std::size_t begin = 0; begin < sums_.size(); begin += 8) {
      std::uint64_t word = words[begin / 8];
      const std::size_t end = std::min(begin + 8, sums_.size());
      double part = 0.0;
      for (std::size_t k = begin; k < end; ++k, word >>= 8U) part += sums_[k][word & 255U];
      total.add(part);
    }
    return total.value();
  }

 private:
  std::vector<std::array<double, 256>> sums_;
};

// The same for many values, whose tables would not stay in the cache.
struct PlainSums {
  std::span<const double> d;
  [[nodiscard]] double of(std::span<const std::uint64_t> words) const {
    CompensatedSum total;
    for (std::size_t begin = 0; begin < d.size(); begin += 64) {
      const std::uint64_t word = words[begin / 64];
      const std::size_t end = std::min(begin + 64, d.size());
      double part = 0.0;
      for (std::size_t i = begin; i < end; ++i) part += ((word >> (i - begin)) & 1U) != 0 ? -d[i] : d[i];
      total.add(part);
    }
    return total.value();
  }
};

template <class Sums, class WordsOf>
SignFlip count_signs(std::span<const double> d, std::uint32_t replicates, const Sums& sums,
                     const WordsOf& words_of) {
  SignFlip r;
  r.method = "signflip.mc";
  r.replicates = replicates;
  const double observed = std::fabs(sum(d));
  const double limit = observed - tolerance(observed);
  for (std::uint32_t b = 0; b < replicates; ++b) {
    if (std::fabs(sums.of(words_of(b))) >= limit) ++r.count;
  }
  r.p = (1.0 + static_cast<double>(r.count)) / (static_cast<double>(replicates) + 1.0);
  return r;
}

}  // namespace

SignFlip sign_flip_mc(std::span<const double> d, std::uint64_t seed, std::uint32_t replicates) {
  std::vector<std::uint64_t> bits((d.size() + 63) / 64);
  const auto words_of = [&](std::uint32_t b) {
    random_u64s(seed, kStreamSigns, b, bits);
    return std::span<const std::uint64_t>(bits);
  };
  return d.size() <= kMaxByteSums ? count_signs(d, replicates, ByteSums(d), words_of)
                                  : count_signs(d, replicates, PlainSums{d}, words_of);
}

SignFlip sign_flip(std::span<const double> d, const SignWords& words) {
  if (auto exact = sign_flip_exact(d)) return *exact;
  return count_signs(d, words.replicates(), ByteSums(d), [&](std::uint32_t b) { return words.of(b); });
}

SignFlip sign_flip(std::span<const double> d, std::uint64_t seed, std::uint32_t replicates) {
  if (auto exact = sign_flip_exact(d)) return *exact;
  return sign_flip_mc(d, seed, replicates);
}

}  // namespace assay::stats
