#include "harness/stats/delong.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/stats/distributions.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

constexpr std::string_view kOneClass = "one class is missing";
constexpr std::string_view kFewItems = "fewer than two items in a class";
constexpr std::string_view kFewGroups = "fewer than two groups in a class";

std::vector<double> sorted_copy(std::span<const double> x) {
  std::vector<double> copy(x.begin(), x.end());
  std::sort(copy.begin(), copy.end());
  return copy;
}

// 2 * (number below) + (number equal), by binary search in sorted scores.
std::uint64_t twice_below(const std::vector<double>& sorted, double score) {
  const auto range = std::equal_range(sorted.begin(), sorted.end(), score);
  return static_cast<std::uint64_t>(range.first - sorted.begin()) +
         static_cast<std::uint64_t>(range.second - sorted.begin());
}

// Sample covariance with divisor n - 1; the means are those of the lists.
double covariance(std::span<const double> a, double mean_a, std::span<const double> b, double mean_b) {
  if (a.size() < 2) return kUndefined;
  CompensatedSum total;
  for (std::size_t i = 0; i < a.size(); ++i) total.add((a[i] - mean_a) * (b[i] - mean_b));
  return total.value() / static_cast<double>(a.size() - 1);
}

double delong_covariance(const PreparedAuroc& a, const PreparedAuroc& b) {
  const Placements &x = a.placements, &y = b.placements;
  return covariance(x.v10, a.mean10, y.v10, b.mean10) / static_cast<double>(x.v10.size()) +
         covariance(x.v01, a.mean01, y.v01, b.mean01) / static_cast<double>(x.v01.size());
}

// Sums of centred placements by group: the terms V10(g) - m_g A and V01(g) - n_g A.
PreparedClusteredAuroc group_sums(const Placements& p, RocGroups groups, std::size_t top) {
  PreparedClusteredAuroc sums;
  sums.auroc = p.auroc;
  sums.v10.assign(top, 0.0);
  sums.v01.assign(top, 0.0);
  for (std::size_t i = 0; i < p.v10.size(); ++i) sums.v10[groups.positives[i]] += p.v10[i] - p.auroc;
  for (std::size_t j = 0; j < p.v01.size(); ++j) sums.v01[groups.negatives[j]] += p.v01[j] - p.auroc;
  return sums;
}

// Obuchowski's (co)variance of two areas; with a = b the variance of one.
double clustered_covariance(const PreparedClusteredAuroc& a, const PreparedClusteredAuroc& b,
                            const GroupCounts& counts) {
  const auto m = static_cast<double>(counts.items_positive);
  const auto n = static_cast<double>(counts.items_negative);
  CompensatedSum s10;
  CompensatedSum s01;
  CompensatedSum s11;
  for (std::size_t g = 0; g < a.v10.size(); ++g) {
    if (counts.positives[g] > 0) s10.add(a.v10[g] * b.v10[g]);
    if (counts.negatives[g] > 0) s01.add(a.v01[g] * b.v01[g]);
    if (counts.positives[g] > 0 && counts.negatives[g] > 0) {
      s11.add(0.5 * (a.v10[g] * b.v01[g] + b.v10[g] * a.v01[g]));
    }
  }
  const auto i10 = static_cast<double>(counts.with_positives);
  const auto i01 = static_cast<double>(counts.with_negatives);
  const auto all = static_cast<double>(counts.all);
  return i10 / (i10 - 1.0) * s10.value() / (m * m) + i01 / (i01 - 1.0) * s01.value() / (n * n) +
         2.0 * all / (all - 1.0) * s11.value() / (m * n);
}

// Fills the test from areas, variances and covariance.
void finish_paired(PairedAuroc& r, double conf) {
  r.delta = r.auroc_b - r.auroc_a;
  double variance_of_difference = r.var_a + r.var_b - 2.0 * r.cov;
  if (std::isnan(variance_of_difference)) {
    r.interval =
        undefined_interval(r.interval.method, "the standard error is undefined: too few items or groups");
    return;
  }
  if (variance_of_difference <= 1e-14 * (r.var_a + r.var_b)) {
    r.se = 0.0;
    if (std::fabs(r.delta) <= 1e-12) r.p = 1.0;
    r.interval = make_interval(r.interval.method, r.delta, r.delta);
    return;
  }
  r.se = std::sqrt(variance_of_difference);
  r.z = r.delta / r.se;
  r.p = normal_two_sided(r.z);
  const double half = normal_critical(conf) * r.se;
  r.interval = make_interval(r.interval.method, r.delta - half, r.delta + half);
}

}  // namespace

Placements placements(std::span<const double> positives, std::span<const double> negatives) {
  Placements p;
  if (positives.empty() || negatives.empty()) return p;
  const std::vector<double> low = sorted_copy(negatives);
  const std::vector<double> high = sorted_copy(positives);
  const double two_n = 2.0 * static_cast<double>(negatives.size());
  const double two_m = 2.0 * static_cast<double>(positives.size());
  std::uint64_t twice = 0;
  p.v10.reserve(positives.size());
  for (const double score : positives) {
    const std::uint64_t count = twice_below(low, score);
    twice += count;
    p.v10.push_back(static_cast<double>(count) / two_n);
  }
  p.v01.reserve(negatives.size());
  const std::uint64_t all = 2 * static_cast<std::uint64_t>(positives.size());
  for (const double score : negatives) {
    p.v01.push_back(static_cast<double>(all - twice_below(high, score)) / two_m);
  }
  p.auroc = static_cast<double>(twice) / (two_n * static_cast<double>(positives.size()));
  return p;
}

AurocEstimate delong(std::span<const double> positives, std::span<const double> negatives) {
  AurocEstimate e;
  e.positives = positives.size();
  e.negatives = negatives.size();
  const Placements p = placements(positives, negatives);
  e.auroc = p.auroc;
  if (std::isnan(p.auroc)) {
    e.reason = kOneClass;
  } else if (e.positives < 2 || e.negatives < 2) {
    e.reason = kFewItems;
  } else {
    e.se = std::sqrt(variance(p.v10) / static_cast<double>(e.positives) +
                     variance(p.v01) / static_cast<double>(e.negatives));
  }
  return e;
}

AurocEstimate delong_clustered(std::span<const double> positives, std::span<const double> negatives,
                               RocGroups groups) {
  AurocEstimate e;
  e.positives = positives.size();
  e.negatives = negatives.size();
  const Placements p = placements(positives, negatives);
  e.auroc = p.auroc;
  const GroupCounts counts = count_groups(groups);
  e.groups_positive = counts.with_positives;
  e.groups_negative = counts.with_negatives;
  e.groups = counts.all;
  if (std::isnan(p.auroc)) {
    e.reason = kOneClass;
  } else if (counts.with_positives < 2 || counts.with_negatives < 2) {
    e.reason = kFewGroups;
  } else {
    const PreparedClusteredAuroc sums = group_sums(p, groups, counts.positives.size());
    e.se = std::sqrt(std::max(0.0, clustered_covariance(sums, sums, counts)));
  }
  return e;
}

double hanley_mcneil_se(double auroc, std::size_t positives, std::size_t negatives) {
  if (std::isnan(auroc) || positives == 0 || negatives == 0) return kUndefined;
  const auto n1 = static_cast<double>(positives);
  const auto n0 = static_cast<double>(negatives);
  const double q1 = auroc / (2.0 - auroc);
  const double q2 = 2.0 * auroc * auroc / (1.0 + auroc);
  const double a2 = auroc * auroc;
  const double value = auroc * (1.0 - auroc) + (n1 - 1.0) * (q1 - a2) + (n0 - 1.0) * (q2 - a2);
  return std::sqrt(std::max(0.0, value) / (n1 * n0));
}

Interval delong_logit(const AurocEstimate& e, double conf) {
  constexpr std::string_view kMethod = "delong_logit";
  const bool grouped = e.groups > 0;
  if (std::isnan(e.auroc)) return undefined_interval(kMethod, kOneClass);
  const bool at_end = e.auroc <= 0.0 || e.auroc >= 1.0;
  if (grouped && std::isnan(e.se) && !at_end) return undefined_interval("delong_clustered_logit", e.reason);
  if (at_end || !(e.se > 0.0)) return auroc_score(e.auroc, e.positives, e.negatives, conf);
  const double logit = std::log(e.auroc / (1.0 - e.auroc));
  const double half = normal_critical(conf) * e.se / (e.auroc * (1.0 - e.auroc));
  return make_interval(grouped ? "delong_clustered_logit" : kMethod, 1.0 / (1.0 + std::exp(half - logit)),
                       1.0 / (1.0 + std::exp(-half - logit)));
}

Interval delong_wald(const AurocEstimate& e, double conf) {
  const std::string_view method = e.groups > 0 ? "delong_clustered_wald" : "delong_wald";
  if (std::isnan(e.se)) return undefined_interval(method, e.reason);
  const double half = normal_critical(conf) * e.se;
  return make_interval(method, std::max(0.0, e.auroc - half), std::min(1.0, e.auroc + half));
}

Interval auroc_score(double auroc, std::size_t positives, std::size_t negatives, double conf) {
  constexpr std::string_view kMethod = "auroc.score";
  if (std::isnan(auroc) || positives == 0 || negatives == 0) return undefined_interval(kMethod, kOneClass);
  const auto m = static_cast<double>(positives);
  const auto n = static_cast<double>(negatives);
  const double big_n = 0.5 * (m + n);
  const double z = normal_critical(conf);
  const auto outside = [&](double theta) {
    const double spread = 2.0 * big_n - 1.0 - 3.0 * (big_n - 1.0) / ((2.0 - theta) * (1.0 + theta));
    return (auroc - theta) * (auroc - theta) > z * z * theta * (1.0 - theta) * spread / (m * n);
  };
  // The limit lies between a point outside and the estimate, which is inside.
  const auto limit = [&](double out, double in) {
    for (int step = 0; step < 200 && out != in; ++step) {
      const double middle = out + 0.5 * (in - out);
      if (middle == out || middle == in) break;
      (outside(middle) ? out : in) = middle;
    }
    return in;
  };
  const double lo = auroc <= 0.0 ? 0.0 : limit(0.0, auroc);
  const double hi = auroc >= 1.0 ? 1.0 : limit(1.0, auroc);
  return make_interval(kMethod, lo, hi);
}

PreparedAuroc prepare_auroc(std::span<const double> positives, std::span<const double> negatives) {
  PreparedAuroc r;
  r.placements = placements(positives, negatives);
  if (std::isnan(r.placements.auroc)) return r;
  r.mean10 = mean(r.placements.v10);
  r.mean01 = mean(r.placements.v01);
  r.variance = delong_covariance(r, r);
  return r;
}

PairedAuroc delong_paired(const PreparedAuroc& a, const PreparedAuroc& b, double conf) {
  PairedAuroc r;
  r.interval.method = "delong_paired";
  r.auroc_a = a.placements.auroc;
  r.auroc_b = b.placements.auroc;
  if (!std::isnan(r.auroc_a) && !std::isnan(r.auroc_b)) {
    r.var_a = a.variance;
    r.var_b = b.variance;
    r.cov = delong_covariance(a, b);
  }
  finish_paired(r, conf);
  return r;
}

PairedAuroc delong_paired(std::span<const double> positives_a, std::span<const double> negatives_a,
                          std::span<const double> positives_b, std::span<const double> negatives_b,
                          double conf) {
  return delong_paired(prepare_auroc(positives_a, negatives_a), prepare_auroc(positives_b, negatives_b),
                       conf);
}

GroupCounts count_groups(RocGroups groups) {
  GroupCounts counts;
  std::uint32_t top = 0;
  for (const std::uint32_t g : groups.positives) top = std::max(top, g + 1);
  for (const std::uint32_t g : groups.negatives) top = std::max(top, g + 1);
  counts.items_positive = groups.positives.size();
  counts.items_negative = groups.negatives.size();
  counts.positives.assign(top, 0);
  counts.negatives.assign(top, 0);
  for (const std::uint32_t g : groups.positives) ++counts.positives[g];
  for (const std::uint32_t g : groups.negatives) ++counts.negatives[g];
  for (std::size_t g = 0; g < top; ++g) {
    counts.with_positives += counts.positives[g] > 0 ? 1U : 0U;
    counts.with_negatives += counts.negatives[g] > 0 ? 1U : 0U;
    counts.all += counts.positives[g] + counts.negatives[g] > 0 ? 1U : 0U;
  }
  return counts;
}

PreparedClusteredAuroc prepare_clustered_auroc(std::span<const double> positives,
                                               std::span<const double> negatives, RocGroups groups,
                                               const GroupCounts& counts) {
  const Placements p = placements(positives, negatives);
  if (std::isnan(p.auroc)) return {};
  PreparedClusteredAuroc r = group_sums(p, groups, counts.positives.size());
  if (counts.with_positives > 1 && counts.with_negatives > 1) r.variance = clustered_covariance(r, r, counts);
  return r;
}

PairedAuroc delong_clustered_paired(const PreparedClusteredAuroc& a, const PreparedClusteredAuroc& b,
                                    const GroupCounts& counts, double conf) {
  PairedAuroc r;
  r.interval.method = "delong_clustered_paired";
  r.auroc_a = a.auroc;
  r.auroc_b = b.auroc;
  if (!std::isnan(a.variance) && !std::isnan(b.variance)) {
    r.var_a = a.variance;
    r.var_b = b.variance;
    r.cov = clustered_covariance(a, b, counts);
  }
  finish_paired(r, conf);
  return r;
}

PairedAuroc delong_clustered_paired(std::span<const double> positives_a, std::span<const double> negatives_a,
                                    std::span<const double> positives_b, std::span<const double> negatives_b,
                                    RocGroups groups, double conf) {
  const GroupCounts counts = count_groups(groups);
  return delong_clustered_paired(prepare_clustered_auroc(positives_a, negatives_a, groups, counts),
                                 prepare_clustered_auroc(positives_b, negatives_b, groups, counts), counts,
                                 conf);
}

}  // namespace assay::stats
