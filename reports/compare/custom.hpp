// The custom values of one pair of metrics in one variant.
#pragma once

#include <string>
#include <vector>

#include "reports/compare/compare.hpp"

namespace assay::host::compare_detail {

/// One run's metric with its common units, which are in the same order in both runs.
struct CustomSide {
  const MetricRow& metric;
  const MetricTable& table;
  std::vector<std::vector<std::uint32_t>> units;
};

/// All custom values of a metric, computed together from the same resamples.
class CustomValues {
 public:
  CustomValues(const CompareOptions& options, const stats::PairedOptions& paired);

  /// `groups`: one a unit, or empty.
  void compute(const CustomSide& a, const CustomSide& b, const std::vector<std::string>& groups);
  /// The difference of one value; nullptr when the plugin could not be asked, and reason() says why.
  [[nodiscard]] const stats::Difference* part(const std::string& value) const;
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  const CustomSource& source_;
  stats::PairedOptions paired_;
  std::vector<std::string> names_;
  std::vector<stats::Difference> parts_;
  std::string reason_;
  std::vector<std::string> notes_;
};

}  // namespace assay::host::compare_detail
