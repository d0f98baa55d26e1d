// Two rows: weights of A over the log-probabilities of B.
//
// The moments are taken about B's logit at A's top token, which keeps the variance exact where A is certain.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "dispatch.hpp"

namespace assay::kernel {
namespace {

/// Beyond this distance from the centre, squares summed in float could overflow: such blocks are summed in
/// double.
constexpr float kFar = 1e15F;
/// Weights below e^-87.6 count as 0, here as in the float loops.
constexpr double kNegligible = -87.6;

struct Running {
  float shift_a = kLowest, shift_b = kLowest;
  float centre = 0;
  bool excluded = false;  ///< B gives probability 0 to a token of A
  double a0 = 0, a1 = 0, b0 = 0, cross1 = 0, cross2 = 0;

  void raise_a(float largest, float new_centre) {
    const double delta = static_cast<double>(shift_a) - static_cast<double>(largest);
    const double move = static_cast<double>(centre) - static_cast<double>(new_centre);
    const double scale = std::exp(delta);
    if (a0 > 0 && scale > 0) {
      cross2 = (cross2 + 2 * move * cross1 + move * move * a0) * scale;
      cross1 = (cross1 + move * a0) * scale;
      a1 = (a1 + delta * a0) * scale;
      a0 *= scale;
    } else if (!std::isnan(a0)) {
      a0 = a1 = cross1 = cross2 = 0;
      excluded = false;
    }
    shift_a = largest;
    centre = new_centre;
  }
  void raise_b(float largest) {
    b0 *= std::exp(static_cast<double>(shift_b) - static_cast<double>(largest));
    shift_b = largest;
  }
};

void add_far_block(const PairBlock& block, Running& sums) {
  for (std::size_t i = 0; i < block.count; ++i) {
    sums.b0 += std::exp(static_cast<double>(block.b[i]) - static_cast<double>(block.shift_b));
    const double d = static_cast<double>(block.a[i]) - static_cast<double>(block.shift_a);
    if (d < kNegligible) continue;
    const double w = std::exp(d);
    sums.a0 += w;
    sums.a1 += w * d;
    if (block.b[i] == -kInfinity) {
      sums.excluded = true;
      continue;
    }
    const double e = static_cast<double>(block.b[i]) - static_cast<double>(block.centre);
    sums.cross1 += w * e;
    sums.cross2 += w * e * e;
  }
}

double target_logprob(std::span<const float> row, std::int64_t target, float shift, double sum) {
  if (target < 0) return kMissing;
  return narrow(static_cast<double>(row[static_cast<std::size_t>(target)]) - static_cast<double>(shift) -
                std::log(sum));
}

}  // namespace

Result<CrossStatistics> cross_statistics(const LoopTable& loops, std::span<const float> a,
                                         std::span<const float> b, std::int64_t target,
                                         std::size_t vocab_limit) {
  if (vocab_limit > std::min(a.size(), b.size()) || (vocab_limit == 0 && a.size() != b.size())) {
    return Error{Code::kInvalidArgument,
                 "two rows of " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                     " tokens cannot be compared over " +
                     (vocab_limit == 0 ? "their whole width; state a vocab_limit"
                                       : std::to_string(vocab_limit) + " tokens; lower the vocab_limit"),
                 "vocab_limit"};
  }
  if (vocab_limit > 0) {
    a = a.first(vocab_limit);
    b = b.first(vocab_limit);
  }
  // The reason for a refusal is found by the reference, first in A.
  const auto refused = [&]() -> Error {
    for (const std::span<const float> row : {a, b}) {
      if (auto checked = token_stats(row, ASSAY_ROW_LOGITS, target, 0); !checked) return checked.error();
    }
    return {Code::kInternal, "the kernel refused two rows that are in order", {}};
  };
  if (a.empty() || target < -1 || target >= static_cast<std::int64_t>(a.size())) return refused();
  Running sums;
  PairSums part;
  part.ahead_a = loops.largest(a.data(), std::min(a.size(), kBlock));
  part.ahead_b = loops.largest(b.data(), std::min(b.size(), kBlock));
  for (std::size_t begin = 0; begin < a.size(); begin += kBlock) {
    PairBlock block{};
    block.a = a.data() + begin;
    block.b = b.data() + begin;
    block.count = std::min(kBlock, a.size() - begin);
    const std::size_t next = begin + block.count;
    const bool whole_next = a.size() - next >= kBlock;
    block.ahead_a = whole_next ? a.data() + next : block.a;
    block.ahead_b = whole_next ? b.data() + next : block.b;
    const float largest_a = part.ahead_a;
    const float largest_b = part.ahead_b;
    if (largest_b > sums.shift_b) sums.raise_b(largest_b);
    if (largest_a > sums.shift_a || begin == 0) {
      const std::size_t at = loops.find(block.a, block.count, largest_a);
      const float centre = at < block.count ? block.b[at] : sums.shift_b;
      sums.raise_a(largest_a, std::isfinite(centre) ? centre : sums.shift_b);
    }
    block.shift_a = sums.shift_a;
    block.shift_b = sums.shift_b;
    block.centre = sums.centre;
    if (largest_b - block.centre < kFar && loops.all_at_least(block.b, block.count, block.centre - kFar)) {
      loops.pair_sums(block, part);
      sums.a0 += part.a0;
      sums.a1 += part.a1;
      sums.b0 += part.b0;
      sums.cross1 += part.cross1;
      sums.cross2 += part.cross2;
    } else {
      add_far_block(block, sums);
      if (whole_next) {
        part.ahead_a = loops.largest(block.ahead_a, kBlock);
        part.ahead_b = loops.largest(block.ahead_b, kBlock);
      }
    }
    if (next < a.size() && !whole_next) {
      part.ahead_a = loops.largest(a.data() + next, a.size() - next);
      part.ahead_b = loops.largest(b.data() + next, b.size() - next);
    }
  }
  if (!(sums.a0 > 0) || !(sums.b0 > 0)) return refused();  // as in row.cpp

  CrossStatistics out;
  out.entropy_a = 0.0 - narrow(sums.a1 / sums.a0 - std::log(sums.a0));
  out.logprob_a = target_logprob(a, target, sums.shift_a, sums.a0);
  out.logprob_b = target_logprob(b, target, sums.shift_b, sums.b0);
  if (sums.excluded) {
    out.mean_lp = -std::numeric_limits<double>::infinity();
    return out;
  }
  const double mean = sums.cross1 / sums.a0;
  const double mean_lp =
      mean + static_cast<double>(sums.centre) - static_cast<double>(sums.shift_b) - std::log(sums.b0);
  const double variance = std::max(sums.cross2 / sums.a0 - mean * mean, 0.0);
  out.mean_lp = narrow(mean_lp);
  out.var_lp = narrow(variance);
  out.second_lp = narrow(variance + mean_lp * mean_lp);
  return out;
}

}  // namespace assay::kernel
