// The result types shared by every statistic: a value that may be undefined, and an interval with its method.
//
// "Undefined" is a result with a reason (specs/statistics.md section 1); it is never reported as 0. All types
// are plain values; every function of assay::stats is pure and may be called from any thread.
#pragma once

#include <limits>
#include <optional>
#include <string_view>

namespace assay::stats {

/// Marks a number that does not exist, where a function returns a plain double.
inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// A two-sided interval in the unit of the statistic. Equal-tailed unless the method says otherwise.
struct Interval {
  double lo = kUndefined;
  double hi = kUndefined;
  std::string_view method;     ///< name of the method ("wilson", "mean.t"); static text, never empty
  std::string_view undefined;  ///< why there is no interval; empty when lo and hi are numbers; static text
  bool degenerate = false;     ///< lo == hi because the data are constant

  [[nodiscard]] bool defined() const { return undefined.empty(); }
};

/// An interval that does not exist, with the reason (static text).
inline Interval undefined_interval(std::string_view method, std::string_view reason) {
  Interval interval;
  interval.method = method;
  interval.undefined = reason;
  return interval;
}

/// An interval from its ends.
inline Interval make_interval(std::string_view method, double lo, double hi) {
  Interval interval;
  interval.lo = lo;
  interval.hi = hi;
  interval.method = method;
  interval.degenerate = lo == hi;
  return interval;
}

}  // namespace assay::stats
