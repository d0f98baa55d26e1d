#include "plugins/metrics/hallucination/uncertainty.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay::hallucination {
namespace {

constexpr double kNoUncertainty = std::numeric_limits<double>::quiet_NaN();

}  // namespace

double entropy(std::span<const double> p) {
  double sum = 0;
  for (const double value : p) {
    if (value > 0) sum -= value * std::log(value);
  }
  return sum;
}

void candidate_probabilities(std::span<const double> scores, std::vector<double>& out) {
  out.assign(scores.begin(), scores.end());
  if (out.empty()) return;
  const double top = *std::max_element(out.begin(), out.end());
  double sum = 0;
  for (double& value : out) {
    value = std::isfinite(top) ? std::exp(value - top) : kNoUncertainty;
    sum += value;
  }
  for (double& value : out) value /= sum;
}

void probabilities_of(const assay_row& row, std::vector<double>& out) {
  out.resize(row.vocabulary);
  for (std::size_t v = 0; v < out.size(); ++v) {
    out[v] = row.dtype == ASSAY_F64 ? static_cast<const double*>(row.data)[v]
                                    : static_cast<double>(static_cast<const float*>(row.data)[v]);
  }
  if (row.form == ASSAY_ROW_PROBABILITIES) return;
  std::vector<double> logits;
  logits.swap(out);
  candidate_probabilities(logits, out);
}

EnsembleUncertainty ensemble_uncertainty(std::span<const double> members, std::size_t count) {
  if (count == 0 || members.empty() || members.size() % count != 0)
    return {kNoUncertainty, kNoUncertainty, kNoUncertainty};
  const std::size_t width = members.size() / count;
  std::vector<double> mean(width, 0.0);
  double aleatoric = 0;
  for (std::size_t m = 0; m < count; ++m) {
    const auto p = members.subspan(m * width, width);
    for (std::size_t v = 0; v < width; ++v) mean[v] += p[v];
    aleatoric += entropy(p);
  }
  for (double& value : mean) value /= static_cast<double>(count);
  EnsembleUncertainty out{entropy(mean), aleatoric / static_cast<double>(count), 0};
  out.epistemic = out.predictive - out.aleatoric;
  if (out.epistemic < 0 && out.epistemic > -1e-12) out.epistemic = 0;
  return out;
}

}  // namespace assay::hallucination
