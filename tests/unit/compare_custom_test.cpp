// Custom statistics in a comparison: asked of whoever has the plugin, on one resampling for both runs.
#include <algorithm>
#include <cmath>
#include <map>

#include "harness/stats/random.hpp"
#include "tests/unit/compare_support.hpp"

using namespace assay::host;
using namespace assay::test;  // NOLINT: a test

namespace {

using Units = std::span<const std::vector<std::uint32_t>>;

double value_of(const MetricTable& table, const std::vector<std::uint32_t>& rows) {
  double sum = 0;
  for (const std::uint32_t row : rows) sum += table.numbers[row * table.columns.size()];
  return sum / static_cast<double>(rows.size());
}

/// "Plugin" with two statistics: the median and the largest value of the units. Keeps what it was asked.
struct Asked {
  std::vector<std::vector<std::vector<std::uint32_t>>> resamples;  ///< by opening
  CustomSource source() {
    return [this](const MetricRow&, const MetricTable& table, Units units,
                  std::string& note) -> assay::Result<assay::stats::CustomStatistic> {
      std::vector<double> values;
      for (const auto& rows : units) values.push_back(value_of(table, rows));
      const std::size_t opening = resamples.size();
      resamples.emplace_back();
      note = "another build";
      return assay::stats::CustomStatistic(
          [this, values, opening](std::span<const assay::stats::Resample> picks, std::span<double> out) {
            for (std::size_t r = 0; r < picks.size(); ++r) {
              resamples[opening].emplace_back(picks[r].begin(), picks[r].end());
              std::vector<double> drawn;
              for (const std::uint32_t i : picks[r]) drawn.push_back(values[i]);
              std::sort(drawn.begin(), drawn.end());
              out[2 * r] = drawn[drawn.size() / 2];
              out[2 * r + 1] = drawn.back();
            }
            return true;
          });
    };
  }
};

PlantedTask with_customs(int n, double shift, bool without_interval = false) {
  PlantedTask task = numbered(n, [&](int i) {
    return shift + assay::stats::random_uniform(5, 3, static_cast<std::uint32_t>(shift * 100),
                                                static_cast<std::uint32_t>(i));
  });
  task.metrics[0].rule = ASSAY_RULE_MEAN;
  task.metrics[0].max = 10;
  task.metrics[0].headline = false;
  task.metrics[0].customs = {"median", "largest"};
  task.metrics[0].customs_without_interval = without_interval;
  return task;
}

CompareOptions options_with(Asked& asked) {
  CompareOptions options;
  options.custom = asked.source();
  options.replicates = 400;
  return options;
}

}  // namespace

TEST_CASE("compare: custom statistics have interval, p and verdict from one resampling of both runs",
          "[compare]") {
  Asked asked;
  Runs runs;
  const Comparison made = runs.compare(with_customs(80, 0), with_customs(80, 0.5), options_with(asked));
  REQUIRE(made.tasks[0].values.size() == 2);
  const ComparedValue& median = made.tasks[0].values[0];
  CHECK(median.value == "median");
  REQUIRE(median.difference.delta);
  REQUIRE(median.difference.p);
  CHECK(median.difference.undefined.empty());
  CHECK(*median.difference.lo > 0);
  CHECK(*median.difference.lo < *median.difference.delta);
  CHECK(*median.difference.hi > *median.difference.delta);
  CHECK(median.difference.method == "bootstrap.percentile");
  CHECK(median.difference.test == "paired_bootstrap");
  CHECK(median.difference.replicates == 400);
  CHECK(median.verdict == Verdict::kImproved);
  // All 400 differences are above 0: p = 2 / 401.
  CHECK(std::abs(*median.difference.p - 2.0 / 401) < 1e-12);
  CHECK(made.family == 2);
  REQUIRE_FALSE(median.notes.empty());
  CHECK(median.notes.front() == "another build");
  CHECK(median.baseline.answers == 80);
  // Opened once a run, and both saw the same items drawn, in the same order; the first call is the data.
  REQUIRE(asked.resamples.size() == 2);
  CHECK(asked.resamples[0] == asked.resamples[1]);
  CHECK(asked.resamples[0].size() == 401);
  for (std::uint32_t i = 0; i < 80; ++i) CHECK(asked.resamples[0][0][i] == i);
}

TEST_CASE("compare: custom statistics of equal runs do not differ", "[compare]") {
  Asked asked;
  Runs runs;
  const Comparison made = runs.compare(with_customs(40, 0), with_customs(40, 0), options_with(asked));
  for (const ComparedValue& value : made.tasks[0].values) {
    CHECK(*value.difference.delta == 0);
    CHECK(*value.difference.p == 1);
    CHECK(value.verdict == Verdict::kInconclusive);
  }
}

TEST_CASE("compare: the order of stored rows and items of one run only change no custom statistic",
          "[compare]") {
  Asked asked;
  Runs runs;
  PlantedTask a = with_customs(60, 0), b = with_customs(60, 0.1);
  const Comparison straight = runs.compare(a, b, options_with(asked));
  a.backwards = true;
  PlantedItem alone;
  alone.id = "zzz";
  alone.scores = {9};
  a.items.push_back(alone);
  const Comparison turned = runs.compare(a, b, options_with(asked));
  for (std::size_t k = 0; k < 2; ++k) {
    const assay::stats::Difference &x = straight.tasks[0].values[k].difference,
                                   &y = turned.tasks[0].values[k].difference;
    CHECK(x.delta == y.delta);
    CHECK(x.lo == y.lo);
    CHECK(x.p == y.p);
    CHECK(x.n == 60);
  }
}

TEST_CASE("compare: groups are drawn whole for custom statistics", "[compare]") {
  Asked asked;
  Runs runs;
  PlantedTask a = with_customs(60, 0), b = with_customs(60, 0.1);
  for (PlantedTask* task : {&a, &b}) {
    for (std::size_t i = 0; i < 60; ++i) task->items[i].group = "g" + std::to_string(i / 3);
  }
  const Comparison made = runs.compare(a, b, options_with(asked));
  CHECK(made.tasks[0].values[0].difference.clusters == 20);
  for (const std::vector<std::uint32_t>& resample : asked.resamples[0]) {
    REQUIRE(resample.size() == 60);
    for (std::size_t i = 0; i < 60; i += 3) {
      CHECK(resample[i] % 3 == 0);
      CHECK(resample[i + 2] == resample[i] + 2);
    }
  }
}

TEST_CASE("compare: a custom statistic without interval has numbers of the common items and says why",
          "[compare]") {
  Asked asked;
  Runs runs;
  const Comparison made =
      runs.compare(with_customs(30, 0, true), with_customs(30, 0.5, true), options_with(asked));
  const ComparedValue& value = made.tasks[0].values[0];
  CHECK(value.difference.baseline);
  CHECK(value.difference.delta);
  CHECK_FALSE(value.difference.p);
  CHECK(value.difference.undefined == "a p-value");
  CHECK(asked.resamples[0].size() == 1);
}

TEST_CASE("compare: without the plugin a custom statistic is undefined, and each row says why", "[compare]") {
  Runs runs;
  const PlantedTask a = with_customs(30, 0), b = with_customs(30, 0.5);
  const Comparison none = runs.compare(a, b);
  REQUIRE(none.tasks[0].values.size() == 2);
  for (const ComparedValue& value : none.tasks[0].values) {
    CHECK_FALSE(value.difference.p);
    CHECK(value.difference.undefined.find("its plugin, which is not at hand") != std::string::npos);
    CHECK(value.verdict == Verdict::kInconclusive);
  }
  CompareOptions options;
  options.custom = [](const MetricRow&, const MetricTable&, Units,
                      std::string&) -> assay::Result<assay::stats::CustomStatistic> {
    return assay::Error{assay::Code::kNotFound, "the metric plugin 'm.hit' is not at hand", {}};
  };
  const Comparison failed = runs.compare(a, b, options);
  for (const ComparedValue& value : failed.tasks[0].values)
    CHECK(value.difference.undefined.find("'m.hit' is not at hand") != std::string::npos);
  CHECK(compare_text(failed, false, false).find("'m.hit' is not at hand") != std::string::npos);
}
