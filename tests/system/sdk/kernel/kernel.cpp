#include <assay/sdk/kernel.hpp>
#include <assay/sdk/metric.hpp>
#include <vector>

/// The rank of the lowest of 300 descending logits: 300, whatever the answer.
struct KernelRank final : assay::Metric {
  static constexpr assay::MetricInfo info{.id = "demo.kernel_rank",
                                          .title = "Rank by the kernel",
                                          .doc = "300 when the SDK's kernel is linked and works",
                                          .requires_caps = ASSAY_CAP_GENERATE,
                                          .rule = assay::Rule::kMean};

  assay::Result<double> eval(const assay::ItemView&, assay::Call&) override {
    std::vector<float> logits;
    for (int i = 0; i < 300; ++i) logits.push_back(-0.5F * static_cast<float>(i));
    const auto stats = assay::stats_from_logits(logits, 299);
    if (!stats) return stats.error();
    return static_cast<double>(stats->rank);
  }
};
ASSAY_PLUGIN(KernelRank);
