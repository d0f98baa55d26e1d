#include "harness/stats/pairwise.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "harness/stats/bootstrap.hpp"
#include "harness/stats/choose_detail.hpp"
#include "harness/stats/delong.hpp"
#include "harness/stats/paired.hpp"
#include "harness/stats/sign_flip.hpp"
#include "harness/stats/summary.hpp"

namespace assay::stats {
namespace {

using detail::number;

// One model, on the items that any model has.
struct Model {
  std::vector<double> values, denominators;
  std::vector<std::uint64_t> there, right;  // bit sets of items: has a value, the value is 1
  bool complete = true;                     // has all items
  bool binary = true;                       // all its values are 0 or 1
  // Made when first needed, for complete models only.
  std::optional<PreparedAuroc> auroc;
  std::optional<PreparedClusteredAuroc> clustered;
  std::optional<std::vector<double>> replicates;
};

}  // namespace

struct Pairwise::Work {
  Rule rule;
  PairedOptions options;
  std::vector<Model> models;
  std::vector<std::uint8_t> labels;
  std::vector<std::string> groups;
  Clusters clusters;     // of all items
  bool grouped = false;  // some group has two items
  std::optional<SignWords> words;
  RocGroups roc_groups;
  std::vector<std::uint32_t> positive_groups, negative_groups;
  GroupCounts group_counts;
  std::vector<double> d;
  std::vector<std::uint32_t> picked;

  [[nodiscard]] std::size_t items() const { return models.empty() ? 0 : models.front().values.size(); }

  [[nodiscard]] Difference difference(const Model& a, const Model& b) const {
    PairedSample sample;
    sample.rule = rule;
    sample.baseline = a.values;
    sample.candidate = b.values;
    sample.baseline_denominators = a.denominators;
    sample.candidate_denominators = b.denominators;
    sample.labels = labels;
    sample.groups = groups;
    return compare(sample, options);
  }

  PairTest binary(const Model& a, const Model& b) const {
    FlipTable table;
    for (std::size_t w = 0; w < a.there.size(); ++w) {
      const std::uint64_t both = a.there[w] & b.there[w];
      const auto count = [&](std::uint64_t bits) {
        return static_cast<unsigned>(std::popcount(both & bits));
      };
      table.a += count(a.right[w] & b.right[w]);
      table.b += count(a.right[w] & ~b.right[w]);
      table.c += count(~a.right[w] & b.right[w]);
      table.d += count(~a.right[w] & ~b.right[w]);
    }
    if (table.n() == 0) return {};
    return {number(table.delta()), mcnemar_exact(table.b, table.c)};
  }

  // Means and what is treated like them.
  PairTest mean(const Model& a, const Model& b) {
    d.clear();
    picked.clear();
    const bool all = a.complete && b.complete;
    for (std::size_t i = 0; i < a.values.size(); ++i) {
      if (!all && !(std::isfinite(a.values[i]) && std::isfinite(b.values[i]))) continue;
      d.push_back(b.values[i] - a.values[i]);
      if (!all && grouped) picked.push_back(clusters.of_item[i]);
    }
    Clusters some;
    const Clusters* of = &clusters;
    if (grouped && !all) some = make_clusters(picked), of = &some;
    const bool in_groups = grouped && detail::grouped(*of);
    const PairedTest test = in_groups ? paired_cluster_t(d, *of, options.conf) : paired_t(d, options.conf);
    PairTest r{number(test.difference.mean), number(test.p)};
    if (std::isnan(test.difference.se) || !detail::p_by_signs(test, d.size(), in_groups)) return r;
    if (in_groups) {
      r.p = number(sign_flip(cluster_sums(d, *of), options.permutation_seed, options.sign_flips).p);
    } else if (d.size() > detail::kSignFlipItems) {
      r.p = number(sign_flip(d, options.permutation_seed, options.sign_flips).p);
    } else {
      if (!words) words.emplace(options.permutation_seed, options.sign_flips, detail::kSignFlipItems);
      r.p = number(sign_flip(d, *words).p);
    }
    return r;
  }

  PairTest auroc(Model& a, Model& b) {
    const auto prepare = [&](Model& model) {
      if (model.auroc || model.clustered) return;
      std::vector<double> positives, negatives;
      for (std::size_t i = 0; i < model.values.size(); ++i)
        (labels[i] != 0 ? positives : negatives).push_back(model.values[i]);
      if (grouped)
        model.clustered = prepare_clustered_auroc(positives, negatives, roc_groups, group_counts);
      else
        model.auroc = prepare_auroc(positives, negatives);
    };
    prepare(a);
    prepare(b);
    const PairedAuroc test =
        grouped ? delong_clustered_paired(*a.clustered, *b.clustered, group_counts, options.conf)
                : delong_paired(*a.auroc, *b.auroc, options.conf);
    return {number(test.delta), number(test.p)};
  }

  PairTest ratio(Model& a, Model& b) {
    const double below_a = sum(a.denominators), below_b = sum(b.denominators);
    if (below_a == 0.0 || below_b == 0.0) return {};
    PairTest r{number(sum(b.values) / below_b - sum(a.values) / below_a), std::nullopt};
    const Clusters& units = clusters;
    if (units.count() < 2 || !r.delta) return r;
    BootstrapPlan plan;
    plan.seed = options.seed;
    plan.replicates = std::max(options.replicates, kMinReplicates);
    const auto prepare = [&](Model& model) {
      if (!model.replicates)
        model.replicates = ratio_replicates(model.values, model.denominators, units, plan);
    };
    prepare(a);
    prepare(b);
    d.clear();
    for (std::size_t i = 0; i < plan.replicates; ++i) {
      const double value = (*b.replicates)[i] - (*a.replicates)[i];
      if (std::isfinite(value)) d.push_back(value);
    }
    if (enough_replicates(d.size(), plan.replicates)) r.p = number(paired_bootstrap_p(d));
    return r;
  }
};

Pairwise::Pairwise(Rule rule, std::span<const ModelScores> models, std::span<const std::uint8_t> labels,
                   std::span<const std::string> groups, const PairedOptions& options)
    : work_(std::make_unique<Work>()) {
  Work& w = *work_;
  w.rule = rule;
  w.options = options;
  // Items that no model has are in no pair.
  const std::size_t n = models.empty() ? 0 : models.front().values.size();
  const auto has = [&](const ModelScores& model, std::size_t i) {
    return std::isfinite(model.values[i]) && (rule != Rule::kRatio || std::isfinite(model.denominators[i]));
  };
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::any_of(models.begin(), models.end(), [&](const ModelScores& m) { return has(m, i); }))
      kept.push_back(i);
  }
  for (const std::size_t i : kept) {
    if (rule == Rule::kAuroc) w.labels.push_back(labels[i]);
    if (!groups.empty()) w.groups.push_back(groups[i]);
  }
  w.clusters = w.groups.empty() ? singletons(kept.size()) : make_clusters(w.groups);
  w.grouped = !w.groups.empty() && detail::grouped(w.clusters);
  if (w.grouped && rule == Rule::kAuroc) {
    for (std::size_t i = 0; i < kept.size(); ++i)
      (w.labels[i] != 0 ? w.positive_groups : w.negative_groups).push_back(w.clusters.of_item[i]);
    w.roc_groups = {w.positive_groups, w.negative_groups};
    w.group_counts = count_groups(w.roc_groups);
  }
  const std::size_t words = (kept.size() + 63) / 64;
  for (const ModelScores& scores : models) {
    Model& model = w.models.emplace_back();
    model.there.assign(words, 0);
    model.right.assign(words, 0);
    for (std::size_t k = 0; k < kept.size(); ++k) {
      const double x = scores.values[kept[k]];
      model.values.push_back(x);
      if (rule == Rule::kRatio) model.denominators.push_back(scores.denominators[kept[k]]);
      if (!has(scores, kept[k])) {
        model.complete = false;
        continue;
      }
      model.there[k / 64] |= std::uint64_t{1} << (k % 64);
      if (x == 1.0) model.right[k / 64] |= std::uint64_t{1} << (k % 64);
      model.binary = model.binary && (x == 0.0 || x == 1.0);
    }
  }
}

Pairwise::~Pairwise() = default;

PairTest Pairwise::test(std::size_t baseline, std::size_t candidate) {
  Work& w = *work_;
  Model &a = w.models[baseline], &b = w.models[candidate];
  const bool complete = a.complete && b.complete;
  switch (w.rule) {
    case Rule::kProportion:
      // Of models with other values, a pair may still be binary; and groups may vanish with missing items.
      if (a.binary && b.binary && !w.grouped) return w.binary(a, b);
      if (complete) return w.mean(a, b);
      break;
    case Rule::kMean:
    case Rule::kExpMean:
      return w.mean(a, b);
    case Rule::kAuroc:
      if (complete && !w.options.auroc_cluster_bootstrap) return w.auroc(a, b);
      break;
    case Rule::kRatio:
      if (complete) return w.ratio(a, b);
      break;
    case Rule::kCustom:
      break;
  }
  const Difference whole = difference(baseline, candidate);
  return {whole.delta, whole.p};
}

Difference Pairwise::difference(std::size_t baseline, std::size_t candidate) const {
  return work_->difference(work_->models[baseline], work_->models[candidate]);
}

}  // namespace assay::stats
