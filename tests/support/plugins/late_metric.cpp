// A metric that no suite names: tests score finished runs with it.
#include <algorithm>

#include "assay/sdk/metric.hpp"

namespace {

/// Reads everything that a detection metric may look at: token statistics, item, request.
class LateMetric final : public assay::Metric {
 public:
  static constexpr assay::MetricInfo info{.id = "test.late",
                                          .title = "Worst token",
                                          .doc = "The most surprising token of the text, scaled.",
                                          .requires_caps = ASSAY_CAP_LOGPROB};
  static constexpr assay::ValueInfo values[] = {
      {.name = "worst", .rule = assay::Rule::kAuroc, .headline = true, .doc = "smallest log-probability"},
      {.name = "fits",
       .rule = assay::Rule::kProportion,
       .range = {0.0, 1.0},
       .doc = "1 if item, request and answer belong together"}};

  assay::Param<double> scale{*this, "scale", 1.0, "factor", assay::AFFECTS_RESULT};

  assay::Result<assay::Outcome> score(const assay::Record& item, std::span<double> out,
                                      assay::Call&) override {
    const auto found = item.first(ASSAY_REQUEST_SCORE);
    if (!found || !found->ok()) return assay::Outcome{assay::State::kUnparsed, "nothing was scored"};
    const auto logprob = found->tokens().logprob();
    double worst = 0;
    std::size_t scored = 0;
    for (const double value : logprob) {
      if (!std::isnan(value)) worst = std::min(worst, value), ++scored;
    }
    out[0] = scale * worst;
    const std::string_view asked = assay::view(item.request(0).continuation);
    out[1] = scored != 0 && !item.id().empty() && !asked.empty() && item.text() == asked ? 1 : 0;
    return assay::Outcome{};
  }
};

}  // namespace

ASSAY_PLUGIN(LateMetric);
