#include "harness/run/aggregate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "db/answer_value.hpp"
#include "harness/base/limits.hpp"
#include "harness/run/custom_statistic.hpp"
#include "harness/run/denominator.hpp"
#include "harness/stats/aggregate.hpp"
#include "harness/stats/choose.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/rule_of.hpp"

namespace assay::host {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kMissingShareForBounds = 0.01;

// The sampling units of one variant: repeats reduced to their mean, order of the task.
struct Units {
  std::vector<std::uint32_t> rows;                  // first row of each unit
  std::vector<std::vector<std::uint32_t>> repeats;  // all rows of each unit, when there are several
  std::int64_t repeats_max = 1;                     // rows that a whole unit has

  [[nodiscard]] std::span<const std::uint32_t> all(std::size_t unit) const {
    return repeats.empty() ? std::span(&rows[unit], 1) : std::span(repeats[unit]);
  }
};

Units make_units(const MetricTable& table, const std::vector<std::uint32_t>& rows) {
  Units units;
  const bool repeated =
      std::any_of(rows.begin(), rows.end(), [&](std::size_t r) { return table.repeats[r] != 0; });
  if (!repeated) {
    units.rows = rows;
    return units;
  }
  std::map<std::uint64_t, std::size_t> place;
  for (const std::uint32_t row : rows) {
    const auto [at, fresh] = place.emplace(table.items[row], units.rows.size());
    if (fresh) {
      units.rows.push_back(row);
      units.repeats.emplace_back();
    }
    units.repeats[at->second].push_back(row);
    units.repeats_max = std::max<std::int64_t>(units.repeats_max, std::int64_t{table.repeats[row]} + 1);
  }
  return units;
}

class Aggregator {
 public:
  Aggregator(const MetricTable& table, RowId evaluation, const MetricRow& metric,
             const MetricInstance* instance, const AggregateOptions& options)
      : table_(table),
        evaluation_(evaluation),
        metric_(metric),
        instance_(instance),
        options_(options),
        seed_(stats::task_seed(options.seed, "bootstrap", options.task)) {}

  std::vector<AggregateRow> run() {
    const std::size_t n = table_.labels.size();
    if (metric_.pool_variants || table_.variant_names.size() <= 1) {
      std::vector<std::uint32_t> all(n);
      for (std::uint32_t i = 0; i < n; ++i) all[i] = i;
      whole_ = true;
      variant(table_.variant_names.size() == 1 ? table_.variant_names.front() : std::string(), all);
      return std::move(out_);
    }
    std::vector<std::vector<std::uint32_t>> rows(table_.variant_names.size());
    for (std::uint32_t i = 0; i < n; ++i) rows[table_.variants[i]].push_back(i);
    for (std::size_t v = 0; v < rows.size(); ++v) variant(table_.variant_names[v], rows[v]);
    return std::move(out_);
  }

 private:
  void variant(const std::string& name, const std::vector<std::uint32_t>& rows) {
    const Units units = make_units(table_, rows);
    for (std::size_t c = 0; c < table_.columns.size(); ++c) {
      const ValueRow& value = table_.values[table_.columns[c]];
      if (value.rule != ASSAY_RULE_NONE) per_item(name, rows, units, c, value);
    }
    const bool any_custom = std::any_of(table_.values.begin(), table_.values.end(),
                                        [](const ValueRow& v) { return v.rule == ASSAY_RULE_CUSTOM; });
    if (any_custom) custom(name, rows, units);
  }

  AggregateRow blank(const std::string& name, const std::vector<std::uint32_t>& rows,
                     const ValueRow& value) const {
    AggregateRow row;
    row.evaluation = evaluation_;
    row.value = value.id;
    row.variant = name;
    row.estimate = row.se = row.lo = row.hi = row.worst = row.best = kNone;
    row.n_total = static_cast<std::int64_t>(rows.size());
    for (const std::uint32_t r : rows) row.states[table_.result_states[r] & 7U] += 1;
    if (whole_ && options_.planned > row.n_total) row.n_missing = options_.planned - row.n_total;
    return row;
  }

  [[nodiscard]] double number(std::size_t row, std::size_t column) const {
    return table_.numbers[row * table_.columns.size() + column];
  }

  // The value of one answer and how it enters the score: its own value, the worst one for an answer that gave
  // none (0..1 scores only), or NaN when it stays out.
  double judge(std::size_t row, std::size_t column, const ValueRow& value, Entry& entry) const {
    const AnswerValue answer = answer_value(table_, row, column, value);
    const int item = table_.result_states[row], score = table_.score_states[row];
    entry.state = item;
    entry.way = answer.as_worst ? Entry::Way::kWorst : Entry::Way::kIn;
    if (!std::isnan(answer.x) && !answer.as_worst) return answer.x;
    if (item == ASSAY_STATE_OK && score != kNotScored) entry.state = score;
    if (answer.as_worst) return answer.x;
    entry.way = score == ASSAY_STATE_OK  ? Entry::Way::kNonFinite
                : score == kNotScored    ? Entry::Way::kUnasked
                : item != ASSAY_STATE_OK ? Entry::Way::kOut
                                         : Entry::Way::kMetric;
    return kNone;
  }

  // The value of one unit: the mean over its answers with a value. `entries` gets one entry an answer.
  double unit_value(const Units& units, std::size_t u, std::size_t column, const ValueRow& value,
                    std::vector<Entry>& entries) const {
    entries.clear();
    double sum = 0;
    std::size_t n = 0;
    for (const std::uint32_t row : units.all(u)) {
      const double x = judge(row, column, value, entries.emplace_back());
      if (!std::isnan(x)) sum += x, ++n;
    }
    return n == 0 ? kNone : n == 1 ? sum : sum / static_cast<double>(n);
  }

  // An answer with a value whose unit stays out for want of something else.
  static void leave_out(std::vector<Entry>& entries, Entry::Way way) {
    for (Entry& entry : entries) {
      if (entry.way == Entry::Way::kIn || entry.way == Entry::Way::kWorst) entry.way = way;
    }
  }

  void per_item(const std::string& name, const std::vector<std::uint32_t>& rows, const Units& units,
                std::size_t column, const ValueRow& value) {
    AggregateRow row = blank(name, rows, value);
    std::size_t below = column;
    if (value.rule == ASSAY_RULE_RATIO) {
      for (std::size_t c = 0; c < table_.columns.size(); ++c) {
        if (table_.values[table_.columns[c]].name == value.denominator) below = c;
      }
    }
    std::vector<double> values, denominators;
    std::vector<std::uint8_t> labels;
    std::vector<std::string> groups;
    const bool grouped = has_groups(units);
    values.reserve(units.rows.size());
    Denominator denominator;
    std::vector<Entry> entries;
    std::int64_t open[2] = {};  // units without a value, by label
    for (std::size_t u = 0; u < units.rows.size(); ++u) {
      const std::size_t first = units.rows[u];
      const double x = unit_value(units, u, column, value, entries);
      const bool scored = !std::isnan(x);
      const bool unlabelled = value.rule == ASSAY_RULE_AUROC && table_.labels[first] < 0;
      const double below_it = value.rule == ASSAY_RULE_RATIO ? number(first, below) : 1;
      if (scored && unlabelled) leave_out(entries, Entry::Way::kUnlabelled);
      if (scored && !std::isfinite(below_it)) leave_out(entries, Entry::Way::kNoDenominator);
      for (const Entry& entry : entries) {
        denominator.add(entry);
        if (entry.way == Entry::Way::kNonFinite) ++row.n_non_finite;
      }
      if (!scored && !unlabelled) ++open[table_.labels[first] > 0 ? 1 : 0];
      if (!scored || unlabelled || !std::isfinite(below_it)) continue;
      if (value.rule == ASSAY_RULE_AUROC) labels.push_back(table_.labels[first] > 0 ? 1 : 0);
      if (value.rule == ASSAY_RULE_RATIO) denominators.push_back(below_it);
      values.push_back(x);
      if (grouped) groups.push_back(group_name(first));
    }
    denominator.add_not_run(row.n_missing);
    row.denominator = denominator.json();
    row.n_scored = static_cast<std::int64_t>(values.size());
    stats::Sample sample;
    sample.rule = stats::rule_of(value.rule);
    sample.values = values;
    sample.denominators = denominators;
    sample.labels = labels;
    if (grouped) sample.groups = groups;
    finish(row, sample, value);
    if (value.rule == ASSAY_RULE_AUROC) {
      bound_auroc(out_[main_], open);
    } else {
      bound_mean(out_[main_], value, values, units);
    }
  }

  // With much missing, the means that the lowest and the highest possible completion of the data would have.
  static void bound_mean(AggregateRow& row, const ValueRow& value, const std::vector<double>& values,
                         const Units& units) {
    const bool averaged = value.rule == ASSAY_RULE_PROPORTION || value.rule == ASSAY_RULE_MEAN;
    if (!averaged || !std::isfinite(value.min) || !std::isfinite(value.max)) return;
    const std::int64_t not_run = row.n_missing / units.repeats_max;
    const double total = static_cast<double>(units.rows.size()) + static_cast<double>(not_run);
    const double missing = total - static_cast<double>(values.size());
    if (missing <= kMissingShareForBounds * total) return;
    const stats::MissingBounds bounds =
        stats::missing_bounds(values, static_cast<std::size_t>(missing), value.min, value.max);
    row.worst = bounds.as_min;
    row.best = bounds.as_max;
  }

  // The same for the share of pairs in the right order: all pairs with a missing member wrong, or all right.
  // The labels of items that were not run are not known, so then there are no bounds.
  static void bound_auroc(AggregateRow& row, const std::int64_t (&open)[2]) {
    const auto missing = static_cast<double>(open[0] + open[1]);
    const auto scored = static_cast<double>(row.n_scored);
    if (row.n_missing != 0 || !std::isfinite(row.estimate) ||
        missing <= kMissingShareForBounds * (scored + missing)) {
      return;
    }
    const auto positives = static_cast<double>(row.n_positive),
               negatives = static_cast<double>(row.n_negative);
    const double known = positives * negatives;
    const double pairs =
        (positives + static_cast<double>(open[1])) * (negatives + static_cast<double>(open[0]));
    row.worst = row.estimate * known / pairs;
    row.best = (row.estimate * known + pairs - known) / pairs;
  }

  [[nodiscard]] bool has_groups(const Units& units) const {
    return std::any_of(units.rows.begin(), units.rows.end(),
                       [&](std::size_t r) { return table_.groups[r] != UINT32_MAX; });
  }
  [[nodiscard]] std::string group_name(std::size_t row) const {
    return table_.groups[row] == UINT32_MAX ? std::string() : std::to_string(table_.groups[row]);
  }

  stats::Options stats_options() const {
    stats::Options options;
    options.seed = seed_;
    options.replicates = limits::kBootstrapReplicates;
    return options;
  }

  static void copy(const stats::Estimate& from, AggregateRow& to, bool no_interval) {
    to.estimate = from.value.value_or(kNone);
    if (!no_interval) {
      to.se = from.se.value_or(kNone);
      to.lo = from.lo.value_or(kNone);
      to.hi = from.hi.value_or(kNone);
      to.method = from.method;
      to.seed = from.seed;
      to.replicates = from.replicates;
    }
    to.undefined_reason = from.undefined;
    to.clusters = static_cast<std::int64_t>(from.clusters);
    if (from.positives + from.negatives != 0) {
      to.n_positive = static_cast<std::int64_t>(from.positives);
      to.n_negative = static_cast<std::int64_t>(from.negatives);
    }
    for (const std::string& note : from.notes) to.notes += (to.notes.empty() ? "" : "; ") + note;
  }

  // A symmetric interval may reach beyond what the value can be; such ends say nothing and are cut off.
  static void clip(AggregateRow& row, const ValueRow& value) {
    const bool averaged = value.rule == ASSAY_RULE_PROPORTION || value.rule == ASSAY_RULE_MEAN;
    if (!averaged || !std::isfinite(row.lo)) return;
    if (std::isfinite(value.min) && row.lo < value.min) row.lo = value.min;
    if (std::isfinite(value.max) && row.hi > value.max) row.hi = value.max;
  }

  void finish(AggregateRow row, const stats::Sample& sample, const ValueRow& value) {
    const stats::Estimate estimate = stats::estimate(sample, stats_options());
    row.statistic = stats::rule_name(sample.rule);
    copy(estimate, row, value.no_interval);
    clip(row, value);
    main_ = out_.size();
    out_.push_back(row);
    for (const stats::Estimate& companion : estimate.companions) {
      AggregateRow extra = row;
      extra.notes.clear();
      extra.statistic = companion.name;
      copy(companion, extra, false);
      out_.push_back(std::move(extra));
    }
  }

  // Custom values: the metric computes them on resamples of item numbers.
  void custom(const std::string& name, const std::vector<std::uint32_t>& rows, const Units& units) {
    std::vector<const ValueRow*> customs;
    bool all_without = true;
    for (const ValueRow& value : table_.values) {
      if (value.rule != ASSAY_RULE_CUSTOM) continue;
      customs.push_back(&value);
      all_without = all_without && value.no_interval;
    }
    std::vector<std::vector<std::uint32_t>> lists;
    lists.reserve(units.rows.size());
    for (std::size_t u = 0; u < units.rows.size(); ++u)
      lists.emplace_back(units.all(u).begin(), units.all(u).end());
    const CustomSample data(table_, lists);
    std::vector<std::string> group_names;
    if (has_groups(units)) {
      for (const std::uint32_t row : units.rows) group_names.push_back(group_name(row));
    }
    Denominator denominator = custom_denominator(units);
    std::vector<double> out(customs.size(), kNone);
    stats::Estimate estimate;
    if (instance_ == nullptr) {
      for (const ValueRow* value : customs) {
        AggregateRow row = blank(name, rows, *value);
        row.statistic = "custom";
        row.undefined_reason = "the metric plugin is not loaded";
        out_.push_back(std::move(row));
      }
      return;
    }
    if (all_without) {
      std::vector<std::uint32_t> identity(units.rows.size());
      for (std::uint32_t i = 0; i < identity.size(); ++i) identity[i] = i;
      const std::span<const std::uint32_t> pick(identity);
      instance_->aggregate(data.view(), {&pick, 1}, out);
    } else {
      stats::Sample sample;
      sample.rule = stats::Rule::kCustom;
      sample.items = units.rows.size();
      sample.outputs = customs.size();
      sample.groups = group_names;
      sample.custom = [&](std::span<const stats::Resample> resamples, std::span<double> results) {
        return instance_->aggregate(data.view(), resamples, results);
      };
      estimate = stats::estimate(sample, stats_options());
    }
    for (std::size_t k = 0; k < customs.size(); ++k) {
      AggregateRow row = blank(name, rows, *customs[k]);
      row.statistic = "custom";
      row.n_scored = data.scored();
      denominator.add_not_run(k == 0 ? row.n_missing : 0);
      row.denominator = denominator.json();
      if (all_without) {
        row.estimate = std::isfinite(out[k]) ? out[k] : kNone;
        if (std::isnan(row.estimate)) row.undefined_reason = "the metric gives no value for these items";
      } else {
        copy(k == 0 ? estimate : estimate.companions[k - 1], row, customs[k]->no_interval);
      }
      if (customs[k]->no_interval) row.notes = customs[k]->note;
      out_.push_back(std::move(row));
    }
  }

  // How the answers of all units enter the custom values: as the first column says, or as any that has them.
  Denominator custom_denominator(const Units& units) const {
    Denominator denominator;
    const ValueRow plain;  // custom rules decide themselves what a missing value means
    std::vector<Entry> entries, shown;
    for (std::size_t u = 0; u < units.rows.size(); ++u) {
      shown.assign(units.all(u).size(), {Entry::Way::kUnasked, table_.result_states[units.rows[u]]});
      for (std::size_t c = 0; c < table_.columns.size(); ++c) {
        unit_value(units, u, c, plain, entries);
        for (std::size_t e = 0; e < entries.size(); ++e) {
          if (c == 0 || entries[e].way == Entry::Way::kIn) shown[e] = entries[e];
        }
      }
      for (const Entry& entry : shown) denominator.add(entry);
    }
    return denominator;
  }

  const MetricTable& table_;
  RowId evaluation_;
  const MetricRow& metric_;
  const MetricInstance* instance_;
  const AggregateOptions& options_;
  std::uint64_t seed_;
  bool whole_ = false;
  std::size_t main_ = 0;
  std::vector<AggregateRow> out_;
};

}  // namespace

Result<std::vector<AggregateRow>> unsupported_metric(Reader& reader, RowId evaluation,
                                                     const MetricRow& metric, const std::string& reason) {
  Result<MetricTable> table = reader.metric_table(evaluation, metric.id);
  if (!table) return std::move(table).error();
  std::vector<AggregateRow> rows;
  for (const ValueRow& value : table->values) {
    if (value.rule == ASSAY_RULE_NONE) continue;
    AggregateRow row;
    row.evaluation = evaluation;
    row.value = value.id;
    row.estimate = row.se = row.lo = row.hi = row.worst = row.best = kNone;
    row.statistic = value.rule == ASSAY_RULE_AUROC    ? "auroc"
                    : value.rule == ASSAY_RULE_CUSTOM ? "custom"
                                                      : "none";
    row.n_total = static_cast<std::int64_t>(table->labels.size());
    row.states[ASSAY_STATE_UNSUPPORTED] = row.n_total;
    row.undefined_reason = "unsupported: " + reason;
    Denominator denominator;
    for (std::int64_t i = 0; i < row.n_total; ++i)
      denominator.add({Entry::Way::kOut, ASSAY_STATE_UNSUPPORTED});
    row.denominator = denominator.json();
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<AggregateRow>> aggregate_metric(Reader& reader, RowId evaluation, const MetricRow& metric,
                                                   const MetricInstance* instance,
                                                   const AggregateOptions& options) {
  Result<MetricTable> table = reader.metric_table(evaluation, metric.id);
  if (!table) return std::move(table).error();
  return Aggregator(*table, evaluation, metric, instance, options).run();
}

}  // namespace assay::host
