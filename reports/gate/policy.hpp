// A gate's policy as written: TOML read strictly, every key known, every value with its place in the file.
// The keys are described in benchmarks/nightly/README.md. Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::host {

/// What a rule demands of the difference candidate - baseline (of the candidate alone: kAbsolute).
enum class RuleKind {
  kNoRegression,  ///< no change for the worse is shown
  kNonInferior,   ///< it is shown that the candidate is worse by less than the margin
  kEquivalent,    ///< it is shown that the difference is smaller than the margin
  kImproved,      ///< a change for the better is shown
  kAbsolute,      ///< the candidate's number lies within min and max
};
const char* rule_kind_name(RuleKind kind);  ///< "no_regression", ...

enum class Family { kHolm, kBh, kNone };
const char* family_name(Family family);  ///< "holm", "bh", "none"

/// Which number an absolute rule looks at: the estimate, or an end of its interval.
enum class Bound { kPoint, kLower, kUpper };
const char* bound_name(Bound bound);  ///< "point", "lower", "upper"

/// When a regression counts: `needed` of the last `of` gates saw it, or its e-value is at least m / alpha.
struct Confirm {
  std::int64_t needed = 1, of = 1;
  bool e_value = false;
};

/// Patterns know * and ?. `metric` fits a metric's name, its value's name, "METRIC/VALUE" or
/// "METRIC/STATISTIC"; a pattern with * or ? fits headlines of real metrics only.
struct GateRule {
  std::string task, metric = "*", variant, model;  ///< variant, model empty: every one
  RuleKind kind = RuleKind::kNoRegression;
  std::optional<double> margin;           ///< above 0, in units of delta
  std::optional<double> relative_margin;  ///< above 0, share of the baseline's |estimate|
  std::optional<double> min, max;
  Bound bound = Bound::kPoint;
  std::optional<Confirm> confirm;
  bool noise_floor = false;
  std::string where;  ///< file:line
};

/// Failures that are known and accepted until a day.
struct Waiver {
  std::string task, metric = "*", variant, model;
  std::string until;  ///< YYYY-MM-DD, the last day
  std::string reason, where;
};

struct Policy {
  std::filesystem::path path;
  std::string name, sha256;  ///< sha256 of the file's bytes
  double alpha = 0.05;       ///< inside (0, 0.5]
  Family family = Family::kHolm;
  bool inconclusive_fails = false;
  double max_missing = 0;  ///< share of planned answers of a task in one run, 0 to 1
  std::int64_t min_n = 0;  ///< scored pairs below which nothing is decided
  std::vector<GateRule> rules;
  std::vector<Waiver> waivers;
};

/// `today` is YYYY-MM-DD; a waiver that ended before it is an error. kInvalidArgument with file:line:column,
/// the nearest known key and what was expected.
Result<Policy> parse_policy(const std::string& text, const std::filesystem::path& path,
                            const std::string& today);
Result<Policy> read_policy(const std::filesystem::path& path, const std::string& today);

}  // namespace assay::host
