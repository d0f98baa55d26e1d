// How the answers of an evaluation entered one score: counted by state, so that a table can say what its
// number is a number of.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "assay/plugin.h"
#include "db/queries.hpp"
#include "harness/base/json.hpp"

namespace assay::host {

/// The way of one answer into a score or past it.
struct Entry {
  enum class Way : std::uint8_t {
    kIn,             ///< with the value that the metric gave it
    kWorst,          ///< without a value of its own: counted as the worst possible one
    kOut,            ///< without a value, because of the answer's state
    kMetric,         ///< the answer is ok; the metric gave it another state and no value
    kNonFinite,      ///< the metric called it ok and gave no finite number
    kUnasked,        ///< the metric was not asked
    kUnlabelled,     ///< it has a value but no label, which the rule needs
    kNoDenominator,  ///< it has a value but no denominator, which the rule needs
  };
  Way way = Way::kUnasked;
  int state = ASSAY_STATE_OK;  ///< enum assay_state
};

/// Counts of answers (with repeats: each repeat is one). Plain value.
class Denominator {
 public:
  void add(const Entry& entry) { ++counts_[static_cast<std::size_t>(entry.way)][entry.state & 7]; }
  void add_not_run(std::int64_t count) { not_run_ += count; }

  /// {"in": {"ok": 990, "empty": 3}, "as_worst": {"empty": 3}, "out": {"error": 7}}. `as_worst` repeats what
  /// of `in` had no value of its own. Further keys of `out`: metric_STATE, non_finite, not_scored,
  /// unlabelled, no_denominator, not_run.
  [[nodiscard]] std::string json() const {
    Json in = Json::object(), worst = Json::object(), out = Json::object();
    const auto put = [](Json& tree, const std::string& key, std::int64_t count) {
      if (count != 0) tree[key] = tree.value(key, std::int64_t{0}) + count;
    };
    for (int state = 0; state < 8; ++state) {
      const std::string name = state_name(state);
      put(in, name, count(Entry::Way::kIn, state) + count(Entry::Way::kWorst, state));
      put(worst, name, count(Entry::Way::kWorst, state));
      put(out, name, count(Entry::Way::kOut, state));
      put(out, "metric_" + name, count(Entry::Way::kMetric, state));
      put(out, "non_finite", count(Entry::Way::kNonFinite, state));
      put(out, "not_scored", count(Entry::Way::kUnasked, state));
      put(out, "unlabelled", count(Entry::Way::kUnlabelled, state));
      put(out, "no_denominator", count(Entry::Way::kNoDenominator, state));
    }
    put(out, "not_run", not_run_);
    return canonical(Json{{"in", in}, {"as_worst", worst}, {"out", out}});
  }

 private:
  [[nodiscard]] std::int64_t count(Entry::Way way, int state) const {
    return counts_[static_cast<std::size_t>(way)][state];
  }

  std::int64_t counts_[8][8] = {};  ///< by way and state
  std::int64_t not_run_ = 0;
};

}  // namespace assay::host
