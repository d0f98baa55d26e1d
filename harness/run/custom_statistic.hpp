// Custom statistics of stored scores: what a metric plugin computes of a sample of items, asked again after
// the run, on resamples that the host chooses.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/run/instances.hpp"
#include "harness/stats/choose.hpp"

namespace assay::host {

/// The sample that a metric plugin sees: units (items with their repeats) of one evaluation. A unit's value
/// is the mean over its answers with one; what a missing value means is the plugin's decision.
class CustomSample {
 public:
  /// units[u]: rows of `table` that are the repeats of one item, the first one first. Copies what it needs.
  CustomSample(const MetricTable& table, std::span<const std::vector<std::uint32_t>> units);
  CustomSample(const CustomSample&) = delete;
  CustomSample& operator=(const CustomSample&) = delete;

  [[nodiscard]] const assay_sample& view() const { return sample_; }
  /// Units with at least one value.
  [[nodiscard]] std::int64_t scored() const { return scored_; }

 private:
  std::vector<double> values_;
  std::vector<std::int32_t> labels_;
  std::vector<std::uint32_t> groups_, variants_;
  std::vector<std::uint64_t> index_;
  std::vector<std::string> variant_names_;
  std::vector<assay_str> names_;
  std::int64_t scored_ = 0;
  assay_sample sample_{};
};

/// Finds the plugins that computed stored metrics. Outlives the statistics it gives.
class CustomStatistics {
 public:
  /// `context` and its registry outlive this object.
  explicit CustomStatistics(BindContext context);

  /// The custom values of `metric` for units of an evaluation (as in CustomSample), one output each, in the
  /// order of the table's values. kNotFound, kUnsupported: no plugin of that name, of another major version,
  /// or with parameters that cannot be restored from the row.
  Result<stats::CustomStatistic> open(const MetricRow& metric, const MetricTable& table,
                                      std::span<const std::vector<std::uint32_t>> units);

 private:
  Result<const MetricInstance*> instance(const MetricRow& metric);

  BindContext context_;
  InstanceFactory factory_;
  std::map<std::string, std::unique_ptr<MetricInstance>> instances_;  ///< by plugin and parameters
};

/// A binding with the parameters that MetricRow::params_json keeps. Errors as CustomStatistics::open.
Result<Binding> bind_stored_metric(const BindContext& context, const MetricRow& metric);

}  // namespace assay::host
