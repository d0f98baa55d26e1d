// Statistics of one next-token distribution: the portable kernel every model and wrapper may share.
//
// A row is an array over the vocabulary in one of three forms (plugin.h, assay_row_form): logits of any
// scale, natural log-probabilities, or probabilities, as float or double; everything is computed in double.
// With M = max z, d = z - M, s0 = sum e^d, s1 = sum d e^d, s2 = sum d^2 e^d (one pass, one exponential per
// entry):
//   ln p = d - ln s0,  sum p ln p = s1/s0 - ln s0,  sum p (ln p)^2 - (sum p ln p)^2 = s2/s0 - (s1/s0)^2.
// The same sums, weighted by p and shifted by the largest ln p, serve the other two forms. An entry of -inf
// (probability 0) contributes nothing. Cost: one exponential per entry for logits and log-probabilities; for
// probabilities one logarithm per entry, and only if the moments are wanted.
//
// Thread rule: pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "assay/sdk/abi.hpp"

namespace assay {
inline namespace sdk_v1 {

/// What to compute beside the log-probability; bits.
enum TokenStatsWanted : std::uint32_t {
  kTokenRank = 1U << 0,     ///< rank, ties
  kTokenMoments = 1U << 1,  ///< entropy, mean_lp, var_lp
  kTokenTop1 = 1U << 2,     ///< top1, top1_logprob
  kTokenAll = kTokenRank | kTokenMoments | kTokenTop1,
};

/// Natural logarithms. What was not asked for, or has no target, is NaN, 0 or -1.
struct TokenStatistics {
  double logprob = kMissing;       ///< ln p of the target; -inf when its probability is 0
  double entropy = kMissing;       ///< -sum p ln p
  double mean_lp = kMissing;       ///< sum p ln p
  double var_lp = kMissing;        ///< sum p (ln p)^2 - mean_lp^2, at least 0
  double top1_logprob = kMissing;  ///< largest ln p
  std::uint64_t rank = 0;          ///< 1 + number of entries strictly greater than the target's
  std::uint64_t ties = 0;          ///< number of other entries equal to the target's
  std::int64_t top1 = -1;          ///< index of the largest entry, the lowest on ties
};

/// How far the mass of a row of probabilities or log-probabilities may be from 1 (float rows of wide
/// vocabularies add up their rounding).
inline constexpr double kRowMassTolerance = 1e-3;

namespace detail {

inline Error bad_row(std::string text) {
  return {Code::kData, "a row of a next-token distribution " + text, {}};
}

/// Largest entry after checking every entry. Errors: kData for an empty row, NaN, +inf, a value out of the
/// form's range, or a row without any probability.
template <class T>
Result<std::size_t> checked_argmax(std::span<const T> row, int form) {
  if (row.empty()) return bad_row("is empty");
  const bool probabilities = form == ASSAY_ROW_PROBABILITIES;
  const double highest = probabilities                ? 1 + 1e-6
                         : form == ASSAY_ROW_LOGPROBS ? 1e-6
                                                      : std::numeric_limits<double>::max();
  std::size_t top = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double value = row[i];
    if (!(value <= highest) || (probabilities && !(value >= 0))) {  // true for NaN as well
      return bad_row("has the impossible value " + std::to_string(value) + " at token " + std::to_string(i));
    }
    if (row[i] > row[top]) top = i;
  }
  const bool nothing = probabilities ? !(row[top] > 0) : std::isinf(static_cast<double>(row[top]));
  if (nothing) return bad_row("gives every token the probability 0");
  return top;
}

/// The sums of the file comment; `shift` is the value d counts from, in logarithms.
struct RowSums {
  double shift = 0, s0 = 0, s1 = 0, s2 = 0;
};

template <class T>
RowSums row_sums(std::span<const T> row, int form, std::size_t top, bool moments) {
  RowSums sums;
  const auto add = [&](double weight, double d) {
    sums.s0 += weight;
    sums.s1 += weight * d;
    sums.s2 += weight * d * d;
  };
  const double largest = row[top];
  if (form != ASSAY_ROW_PROBABILITIES) {
    sums.shift = largest;
    for (const T entry : row) {
      const double d = static_cast<double>(entry) - largest;
      if (const double weight = std::exp(d); weight > 0) add(weight, d);
    }
    return sums;
  }
  sums.shift = std::log(largest);
  for (const T entry : row) {
    const double p = entry;
    if (!moments) {
      sums.s0 += p;
    } else if (p > 0) {
      add(p, std::log(p) - sums.shift);
    }
  }
  return sums;
}

/// Error when probabilities or log-probabilities do not add up to 1.
inline Result<void> check_mass(const RowSums& sums, int form) {
  if (form == ASSAY_ROW_LOGITS) return {};
  const double mass = form == ASSAY_ROW_PROBABILITIES ? sums.s0 : sums.s0 * std::exp(sums.shift);
  if (std::abs(mass - 1) <= kRowMassTolerance) return {};
  return bad_row("adds up to " + std::to_string(mass) + " instead of 1");
}

/// ln p of one entry.
inline double entry_logprob(double value, int form, const RowSums& sums) {
  if (form == ASSAY_ROW_LOGITS) return value - sums.shift - std::log(sums.s0);
  return form == ASSAY_ROW_LOGPROBS ? value : std::log(value);
}

}  // namespace detail

/// Statistics of `target` (-1: none, only the distribution's own) under `row`. `form` is an assay_row_form.
/// Errors: kData for NaN, +inf, impossible or missing mass; kInvalidArgument for a target outside the row. A
/// target of probability 0 is no error here: its log-probability is -inf, which no response may carry.
template <class T>
Result<TokenStatistics> token_stats(std::span<const T> row, int form, std::int64_t target,
                                    std::uint32_t want = kTokenAll) {
  if (target < -1 || target >= static_cast<std::int64_t>(row.size())) {
    return Error{
        Code::kInvalidArgument,
        "token " + std::to_string(target) + " is not in a row of " + std::to_string(row.size()) + " tokens",
        {}};
  }
  const Result<std::size_t> top = detail::checked_argmax(row, form);
  if (!top) return top.error();
  const bool moments = (want & kTokenMoments) != 0;
  const detail::RowSums sums = detail::row_sums(row, form, *top, moments);
  if (auto checked = detail::check_mass(sums, form); !checked) return std::move(checked).error();
  TokenStatistics out;
  if ((want & kTokenTop1) != 0) {
    out.top1 = static_cast<std::int64_t>(*top);
    out.top1_logprob = detail::entry_logprob(row[*top], form, sums);
  }
  if (moments) {
    const double mean = sums.s1 / sums.s0;
    const double base = form == ASSAY_ROW_LOGITS ? -std::log(sums.s0) : sums.shift;
    out.mean_lp = mean + base;
    out.entropy = 0.0 - out.mean_lp;
    out.var_lp = std::max(sums.s2 / sums.s0 - mean * mean, 0.0);
  }
  if (target < 0) return out;
  const T value = row[static_cast<std::size_t>(target)];
  out.logprob = detail::entry_logprob(value, form, sums);
  if ((want & kTokenRank) != 0) {
    std::uint64_t above = 0;
    std::uint64_t equal = 0;
    for (const T entry : row) {
      above += entry > value ? 1U : 0U;
      equal += entry == value ? 1U : 0U;
    }
    out.rank = above + 1;
    out.ties = equal - 1;
  }
  return out;
}

/// The row as probabilities (sum 1 for logits, otherwise as given). Errors: as token_stats().
template <class T>
Result<void> row_probabilities(std::span<const T> row, int form, std::vector<double>& out) {
  const Result<std::size_t> top = detail::checked_argmax(row, form);
  if (!top) return top.error();
  out.resize(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double value = row[i];
    out[i] = form == ASSAY_ROW_PROBABILITIES ? value
             : form == ASSAY_ROW_LOGPROBS    ? std::exp(value)
                                             : std::exp(value - static_cast<double>(row[*top]));
  }
  double sum = 0;
  for (const double p : out) sum += p;
  if (form == ASSAY_ROW_LOGITS) {
    for (double& p : out) p /= sum;
  } else if (!(std::abs(sum - 1) <= kRowMassTolerance)) {
    return detail::bad_row("adds up to " + std::to_string(sum) + " instead of 1");
  }
  return {};
}

/// The row as natural log-probabilities; -inf where the probability is 0. Errors: as token_stats().
template <class T>
Result<void> row_logprobs(std::span<const T> row, int form, std::vector<double>& out) {
  const Result<std::size_t> top = detail::checked_argmax(row, form);
  if (!top) return top.error();
  const detail::RowSums sums = detail::row_sums(row, form, *top, false);
  if (auto checked = detail::check_mass(sums, form); !checked) return checked;
  out.resize(row.size());
  const double log_sum = form == ASSAY_ROW_LOGITS ? std::log(sums.s0) : 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double value = row[i];
    out[i] = form == ASSAY_ROW_LOGITS     ? value - sums.shift - log_sum
             : form == ASSAY_ROW_LOGPROBS ? value
                                          : std::log(value);
  }
  return {};
}

/// Calls `use(span)` with the row's entries in their own type. Errors: kData for a row without data or of an
/// unknown type.
template <class Use>
auto with_row(const assay_row& row, Use&& use) -> decltype(use(std::span<const double>())) {
  if (row.data != nullptr && row.dtype == ASSAY_F64) {
    return use(std::span<const double>(static_cast<const double*>(row.data), row.vocabulary));
  }
  if (row.data != nullptr && row.dtype == ASSAY_F32) {
    return use(std::span<const float>(static_cast<const float*>(row.data), row.vocabulary));
  }
  return detail::bad_row("has no data, or is neither of float nor of double");
}

/// Bits 1 << assay_stat of the arrays that the ASSAY_CAP_* bits of a request's `want` ask for; the
/// log-probability always.
[[nodiscard]] constexpr std::uint32_t token_stat_mask(std::uint64_t want) {
  std::uint32_t mask = 1U << ASSAY_STAT_LOGPROB;
  if ((want & ASSAY_CAP_RANK) != 0) mask |= (1U << ASSAY_STAT_RANK) | (1U << ASSAY_STAT_RANK_TIES);
  if ((want & ASSAY_CAP_ENTROPY) != 0) mask |= 1U << ASSAY_STAT_ENTROPY;
  if ((want & ASSAY_CAP_MOMENTS) != 0) mask |= (1U << ASSAY_STAT_MEAN_LP) | (1U << ASSAY_STAT_VAR_LP);
  if ((want & ASSAY_CAP_TOP1) != 0) mask |= (1U << ASSAY_STAT_TOP1_ID) | (1U << ASSAY_STAT_TOP1_LOGPROB);
  return mask;
}

}  // namespace sdk_v1
}  // namespace assay
