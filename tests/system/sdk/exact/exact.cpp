#include <algorithm>
#include <assay/sdk/metric.hpp>
#include <cctype>

struct ExactMatch final : assay::Metric {
  static constexpr assay::MetricInfo info{.id = "demo.exact",
                                          .title = "Exact match",
                                          .doc = "1 if the answer is one of the accepted answers",
                                          .requires_caps = ASSAY_CAP_GENERATE,
                                          .rule = assay::Rule::kProportion};
  assay::Param<bool> fold{*this, "fold_case", false, "compare without case", assay::AFFECTS_RESULT};

  assay::Result<double> eval(const assay::ItemView& item, assay::Call&) override {
    const auto low = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
    const auto same = [&](char a, char b) { return fold ? low(a) == low(b) : a == b; };
    const auto answer = item.response_text();
    for (std::string_view want : item.targets())
      if (std::equal(answer.begin(), answer.end(), want.begin(), want.end(), same)) return 1.0;
    return 0.0;
  }
};
ASSAY_PLUGIN(ExactMatch);
