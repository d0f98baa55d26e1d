#include "plugins/metrics/hallucination/semantic.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace assay::hallucination {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

double log_sum_exp(std::span<const double> values) {
  double top = -kInfinity;
  for (const double value : values) top = std::max(top, value);
  if (top == -kInfinity) return -kInfinity;
  double sum = 0;
  for (const double value : values) sum += std::exp(value - top);
  return top + std::log(sum);
}

std::size_t cluster_count(std::span<const std::size_t> ids) {
  return ids.empty() ? 0 : *std::max_element(ids.begin(), ids.end()) + 1;
}

/// Per cluster the log of the summed exp of its members' values.
std::vector<double> cluster_lse(std::span<const std::size_t> ids, std::span<const double> values,
                                const std::function<bool(std::size_t)>& counts = {}) {
  std::vector<double> out;
  std::vector<double> members;
  for (std::size_t c = 0; c < cluster_count(ids); ++c) {
    members.clear();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == c && (!counts || counts(i))) members.push_back(values[i]);
    }
    out.push_back(log_sum_exp(members));
  }
  return out;
}

std::vector<double> log_frequencies(std::span<const std::size_t> ids) {
  std::vector<double> share(cluster_count(ids), 0.0);
  for (const std::size_t id : ids) share[id] += 1;
  for (double& value : share) value = std::log(value / static_cast<double>(ids.size()));
  return share;
}

double minus_mean(std::span<const std::size_t> ids, std::span<const double> of_cluster) {
  double sum = 0;
  for (const std::size_t id : ids) sum += of_cluster[id];
  return -sum / static_cast<double>(ids.size());
}

double minus_direct(std::span<const std::size_t> ids, std::span<const double> of_cluster) {
  double sum = 0;
  for (const std::size_t id : ids) sum += of_cluster[id] * std::exp(of_cluster[id]);
  return 0.0 - sum;
}

void renumber(std::vector<std::size_t>& ids) {
  std::vector<std::size_t> fresh(ids.size() + 1, kNone);
  std::size_t next = 0;
  for (std::size_t& id : ids) {
    if (fresh[id] == kNone) fresh[id] = next++;
    id = fresh[id];
  }
}

std::vector<std::size_t> by_match(std::size_t n, const Equivalent& equivalent, bool overwrite) {
  std::vector<std::size_t> ids(n, kNone);
  std::size_t next = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (ids[i] != kNone) continue;
    ids[i] = next++;
    for (std::size_t j = i + 1; j < n; ++j) {
      if ((overwrite || ids[j] == kNone) && equivalent(i, j)) ids[j] = ids[i];
    }
  }
  return ids;
}

std::vector<std::size_t> by_representative(std::size_t n, const Equivalent& equivalent) {
  std::vector<std::size_t> ids(n, kNone), first;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < first.size() && ids[i] == kNone; ++c) {
      if (equivalent(first[c], i)) ids[i] = c;
    }
    if (ids[i] == kNone) {
      ids[i] = first.size();
      first.push_back(i);
    }
  }
  return ids;
}

std::vector<std::size_t> by_components(std::size_t n, const Equivalent& equivalent) {
  std::vector<std::size_t> ids(n);
  std::iota(ids.begin(), ids.end(), std::size_t{0});
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) {
      if (ids[i] == ids[j] || !equivalent(i, j)) continue;
      std::replace(ids.begin(), ids.end(), std::max(ids[i], ids[j]), std::min(ids[i], ids[j]));
    }
  }
  return ids;
}

}  // namespace

std::vector<std::size_t> cluster(std::size_t n, const Equivalent& equivalent, Clustering rule) {
  std::vector<std::size_t> ids;
  switch (rule) {
    case Clustering::kFirstMatch:
      ids = by_match(n, equivalent, false);
      break;
    case Clustering::kLastMatch:
      ids = by_match(n, equivalent, true);
      break;
    case Clustering::kFirstRepresentative:
      ids = by_representative(n, equivalent);
      break;
    case Clustering::kComponents:
      ids = by_components(n, equivalent);
      break;
  }
  renumber(ids);
  return ids;
}

bool equivalent_strict(Entailment forward, Entailment backward) {
  return forward == Entailment::kEntailment && backward == Entailment::kEntailment;
}

bool equivalent_nonstrict(Entailment forward, Entailment backward) {
  const bool contradiction = forward == Entailment::kContradiction || backward == Entailment::kContradiction;
  return !contradiction && !(forward == Entailment::kNeutral && backward == Entailment::kNeutral);
}

double se_discrete(std::span<const std::size_t> ids) {
  double sum = 0;
  for (const double log_share : log_frequencies(ids)) sum -= log_share * std::exp(log_share);
  return std::max(sum, 0.0);
}

double se_rao(std::span<const std::size_t> ids, std::span<const double> loglik) {
  const double total = log_sum_exp(loglik);
  double sum = 0;
  for (const double mass : cluster_lse(ids, loglik)) sum -= std::exp(mass - total) * (mass - total);
  return std::max(sum, 0.0);  // one cluster: rounding may give -0 or a little below
}

double naive_entropy(std::span<const double> mean_loglik) {
  double sum = 0;
  for (const double value : mean_loglik) sum += value;
  return -sum / static_cast<double>(mean_loglik.size());
}

double se_polygraph_mean(std::span<const std::size_t> ids, std::span<const double> sum_loglik) {
  return minus_mean(ids, cluster_lse(ids, sum_loglik));
}

double se_polygraph_direct(std::span<const std::size_t> ids, std::span<const double> sum_loglik) {
  return minus_direct(ids, cluster_lse(ids, sum_loglik));
}

double se_polygraph_freq_mean(std::span<const std::size_t> ids) {
  return minus_mean(ids, log_frequencies(ids));
}

double se_polygraph_freq_direct(std::span<const std::size_t> ids) {
  return minus_direct(ids, log_frequencies(ids));
}

double se_polygraph_unique_mean(std::span<const std::size_t> ids, std::span<const double> sum_loglik,
                                std::span<const std::string_view> texts) {
  const auto first_of_its_text = [&](std::size_t i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (ids[j] == ids[i] && texts[j] == texts[i]) return false;
    }
    return true;
  };
  return minus_mean(ids, cluster_lse(ids, sum_loglik, first_of_its_text));
}

}  // namespace assay::hallucination
