// The values of one task: from the rows of both runs to pairs of units, and from pairs to differences.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "assay/plugin.h"
#include "db/answer_value.hpp"
#include "harness/base/strings.hpp"
#include "harness/stats/power.hpp"
#include "harness/stats/random.hpp"
#include "harness/stats/rule_of.hpp"
#include "reports/compare/custom.hpp"
#include "reports/compare/detail.hpp"

namespace assay::host::compare_detail {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kPower = 0.8;

// One unit: the mean over its answers with a value.
double unit_value(const Side& side, std::size_t begin, std::size_t end, const MetricTable& table,
                  std::size_t column, const ValueRow& value, SideCounts& counts) {
  double sum = 0;
  std::size_t n = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const std::size_t row = side.rows[i].table_row;
    ++counts.answers;
    ++counts.states[table.result_states[row] & 7U];
    const AnswerValue answer = answer_value(table, row, column, value);
    counts.as_worst += answer.as_worst ? 1 : 0;
    if (!std::isnan(answer.x))
      sum += answer.x, ++n;
    else if (table.score_states[row] == ASSAY_STATE_OK)
      ++counts.non_finite;
  }
  const double mean = n == 0 ? kNone : n == 1 ? sum : sum / static_cast<double>(n);
  if (!std::isnan(mean)) ++counts.scored;
  return mean;
}

std::string major_of(const std::string& version) {
  return version.substr(0, version.find('.'));
}

// Why two metrics of one name measure different things.
std::vector<ComparedPart> metric_parts(const MetricRow& a, const MetricRow& b) {
  std::vector<ComparedPart> parts;
  const auto add = [&](const char* name, const std::string& x, const std::string& y) {
    if (x != y) parts.push_back({name, PartState::kDiffers, printable(x, 150) + " and " + printable(y, 150)});
  };
  add("metric plugin", a.plugin_id, b.plugin_id);
  add("metric version", major_of(a.plugin_version), major_of(b.plugin_version));
  add("metric parameters", a.params_json, b.params_json);
  if (parts.empty() && a.name != b.name) add("metric variant", a.name, b.name);
  if (a.pool_variants != b.pool_variants)
    parts.push_back({"metric variants", PartState::kDiffers, "pooled in one run only"});
  return parts;
}

std::optional<std::size_t> column_of(const MetricTable& table, const std::string& name) {
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (table.values[table.columns[c]].name == name) return c;
  }
  return std::nullopt;
}

// A pair as it is shown.
struct Unit {
  const Match* match = nullptr;
  double a = kNone, b = kNone;
};

class TaskValues {
 public:
  TaskValues(Reader& reader, const Side& a, const Side& b, const Matches& matches,
             const CompareOptions& options, bool numbers, ComparedTask& task)
      : reader_(reader), a_(a), b_(b), matches_(matches), options_(options), numbers_(numbers), task_(task) {
    stats_.conf = 1 - options.alpha;
    stats_.seed = stats::task_seed(a.run.seed, "bootstrap", task.task);
    stats_.permutation_seed = stats::task_seed(a.run.seed, "permutation", task.task);
    stats_.replicates = options.replicates;
    stats_.margin = options.margin;
    stats_.power = kPower;
    stats_.companions = options.all_values;
    other_tokenizers_ = other_tokenizer(a.model, b.model);
    for (const Match& match : matches.items) {
      if (!a.rows[match.a_begin].group.empty()) grouped_ = true;
    }
  }

  Result<void> run() {
    std::vector<const MetricRow*> rest;
    for (const MetricRow& metric : b_.metrics) {
      if (wanted(metric)) rest.push_back(&metric);
    }
    const auto take = [&](auto fits) {
      const auto found = std::find_if(rest.begin(), rest.end(), [&](const MetricRow* m) { return fits(*m); });
      if (found == rest.end()) return static_cast<const MetricRow*>(nullptr);
      const MetricRow* metric = *found;
      rest.erase(found);
      return metric;
    };
    std::vector<std::pair<const MetricRow*, const MetricRow*>> pairs;
    for (const MetricRow& metric : a_.metrics) {
      if (!wanted(metric)) continue;
      pairs.emplace_back(&metric, take([&](const MetricRow& m) { return m.name == metric.name; }));
    }
    // Of what has no namesake, metrics of one plugin are shown as the same metric with other parameters.
    for (auto& [x, y] : pairs) {
      const MetricRow& metric = *x;
      if (y == nullptr) y = take([&](const MetricRow& m) { return m.plugin_id == metric.plugin_id; });
      if (y == nullptr) {
        alone(metric, "baseline");
      } else if (Result<void> done = metric_pair(metric, *y); !done) {
        return done;
      }
    }
    for (const MetricRow* metric : rest) alone(*metric, "candidate");
    return {};
  }

 private:
  [[nodiscard]] bool wanted(const MetricRow& metric) const {
    if (!options_.metric.empty()) return glob_match(options_.metric, metric.name);
    return options_.all_values || !metric.baseline;
  }

  void alone(const MetricRow& metric, const char* where) {
    task_.parts.push_back(
        {"metric", PartState::kNote, "'" + printable(metric.name, 100) + "' is only in the " + where});
  }

  Result<void> metric_pair(const MetricRow& x, const MetricRow& y) {
    ComparedValue blank;
    blank.metric = x.name;
    blank.model_free = x.baseline;
    blank.differing = metric_parts(x, y);
    if (x.library_sha256 != y.library_sha256 && major_of(x.plugin_version) == major_of(y.plugin_version)) {
      blank.notes.push_back("the metric's library differs (versions " + x.plugin_version + " and " +
                            y.plugin_version + ")");
    }
    const bool numbers = numbers_ && (blank.differing.empty() || options_.force);
    if (!numbers) return only_names(x, blank);
    Result<MetricTable> table_a = reader_.metric_table(a_.evaluation.id, x.id);
    if (!table_a) return std::move(table_a).error();
    Result<MetricTable> table_b = reader_.metric_table(b_.evaluation.id, y.id);
    if (!table_b) return std::move(table_b).error();
    if (table_a->labels.size() != a_.rows.size() || table_b->labels.size() != b_.rows.size())
      return Error{
          Code::kUnavailable, "a run is being written while it is compared; try again when it has ended", {}};
    customs_.clear();
    for (const ValueRow& value : table_a->values) {
      if (!shown(value)) continue;
      const auto other = std::find_if(table_b->values.begin(), table_b->values.end(),
                                      [&](const ValueRow& v) { return v.name == value.name; });
      blank.value = value.name;
      if (other == table_b->values.end() || other->rule != value.rule ||
          other->direction != value.direction) {
        ComparedValue one = blank;
        one.differing.push_back(
            {"metric value", PartState::kDiffers,
             "'" + value.name + "' is aggregated by another rule or is absent in the candidate"});
        task_.values.push_back(std::move(one));
        continue;
      }
      ComparedValue start = blank;
      if (per_token(value) && other_tokenizers_) {
        start.differing.push_back(
            {"tokenizer", PartState::kDiffers,
             "the value is per token and the models' tokenizers differ; a value per byte "
             "can be compared"});
        if (!options_.force) {
          describe(value, start);
          task_.values.push_back(std::move(start));
          continue;
        }
      }
      Result<void> done = variants(x, y, *table_a, *table_b, value, *other, start);
      if (!done) return done;
    }
    return {};
  }

  [[nodiscard]] bool shown(const ValueRow& value) const {
    return value.rule != ASSAY_RULE_NONE && (value.headline || options_.all_values);
  }

  // A metric without numbers still has its lines, so that a reader sees what was left out and why.
  Result<void> only_names(const MetricRow& metric, const ComparedValue& blank) {
    Result<std::vector<ValueRow>> values = reader_.values(metric.id);
    if (!values) return std::move(values).error();
    for (const ValueRow& value : *values) {
      if (!shown(value)) continue;
      ComparedValue one = blank;
      describe(value, one);
      task_.values.push_back(std::move(one));
    }
    return {};
  }

  static void describe(const ValueRow& value, ComparedValue& one) {
    one.value = value.name;
    one.unit = value.unit;
    one.rule = stats::rule_of(value.rule);
    one.direction = value.direction;
    one.headline = value.headline;
  }

  Result<void> variants(const MetricRow& metric_a, const MetricRow& metric_b, const MetricTable& table_a,
                        const MetricTable& table_b, const ValueRow& x, const ValueRow& y,
                        const ComparedValue& blank) {
    const bool pool = metric_a.pool_variants;
    std::vector<std::string> names = table_a.variant_names;
    for (const std::string& name : table_b.variant_names) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    if (pool && names.size() > 1) names.assign(1, std::string());
    for (const std::string& name : names) {
      ComparedValue one = blank;
      describe(x, one);
      one.variant = name;
      const bool all = pool || names.size() == 1;
      std::vector<const Match*> items;
      for (const Match& match : matches_.items) {
        if (all || a_.rows[match.a_begin].variant == name) items.push_back(&match);
      }
      one.matched = static_cast<std::int64_t>(items.size());
      if (x.rule == ASSAY_RULE_CUSTOM) {
        const auto [at, fresh] = customs_.try_emplace(name, options_, stats_);
        if (fresh) compute_customs(items, {metric_a, table_a, {}}, {metric_b, table_b, {}}, at->second);
        count_answers(items, table_a, table_b, one);
        if (Result<void> done = custom(at->second, x, one); !done) return done;
      } else {
        compute(items, table_a, table_b, x, y, one);
      }
      task_.values.push_back(std::move(one));
    }
    return {};
  }

  void compute(const std::vector<const Match*>& items, const MetricTable& table_a, const MetricTable& table_b,
               const ValueRow& x, const ValueRow& y, ComparedValue& one) {
    const std::size_t column_a = *column_of(table_a, x.name), column_b = *column_of(table_b, y.name);
    const auto below_a = column_of(table_a, x.denominator), below_b = column_of(table_b, y.denominator);
    std::vector<Unit> units;
    std::vector<double> as, bs, bottom_a, bottom_b;
    std::vector<std::uint8_t> labels;
    std::vector<std::string> groups;
    std::int64_t unlabelled = 0;
    for (const Match* match : items) {
      Unit unit{match, kNone, kNone};
      unit.a = unit_value(a_, match->a_begin, match->a_end, table_a, column_a, x, one.baseline);
      unit.b = unit_value(b_, match->b_begin, match->b_end, table_b, column_b, y, one.candidate);
      const SideRow& row = a_.rows[match->a_begin];
      bool whole = std::isfinite(unit.a) && std::isfinite(unit.b);
      if (x.rule == ASSAY_RULE_AUROC && row.label < 0) whole = false, ++unlabelled;
      if (x.rule == ASSAY_RULE_RATIO) {
        const double p = at(table_a, row.table_row, below_a);
        const double q = at(table_b, b_.rows[match->b_begin].table_row, below_b);
        whole = whole && std::isfinite(p) && std::isfinite(q);
        if (whole) bottom_a.push_back(p), bottom_b.push_back(q);
      }
      if (!whole) {
        ++one.unscored;
        continue;
      }
      units.push_back(unit);
      as.push_back(unit.a);
      bs.push_back(unit.b);
      if (x.rule == ASSAY_RULE_AUROC) labels.push_back(row.label > 0 ? 1 : 0);
      if (grouped_) groups.push_back(row.group);
    }
    if (unlabelled != 0) one.notes.push_back(std::to_string(unlabelled) + " items have no label");
    stats::PairedSample sample;
    sample.rule = one.rule;
    sample.baseline = as;
    sample.candidate = bs;
    sample.baseline_denominators = bottom_a;
    sample.candidate_denominators = bottom_b;
    sample.labels = labels;
    if (grouped_) sample.groups = groups;
    stats::PairedOptions options = stats_;
    options.higher_is_better = x.direction != ASSAY_LOWER_IS_BETTER;
    one.difference = stats::compare(sample, options);
    if (x.no_interval) strip(one.difference, x.note);
    finish(x, one);
    keep_for_totals(units, as, bs, x, one);
    pick_changed(units, x, one);
  }

  static double at(const MetricTable& table, std::size_t row, std::optional<std::size_t> column) {
    return column ? table.numbers[row * table.columns.size() + *column] : kNone;
  }

  // The metric says that its number has no interval: then it has no test either.
  static void strip(stats::Difference& d, const std::string& why) {
    d.se = d.lo = d.hi = d.p = d.mde = std::nullopt;
    d.equivalence.reset();
    d.method = d.test = "none";
    d.undefined = why.empty() ? "the metric gives no interval" : why;
  }

  void finish(const ValueRow& value, ComparedValue& one) const {
    const stats::Difference& d = one.difference;
    if (one.rule == stats::Rule::kExpMean) {
      if (d.delta) one.relative = std::expm1(*d.delta);
    } else if (d.delta && d.baseline && *d.baseline != 0) {
      one.relative = *d.delta / std::abs(*d.baseline);
    }
    if (options_.margin && d.se && d.n > 0) {
      const auto n = static_cast<double>(d.n);
      stats::RequiredItems items{kNone, 0};
      if (d.flips && d.clusters == 0 && *options_.margin <= d.flips->churn())
        items = stats::mcnemar_items(d.flips->churn(), *options_.margin, options_.alpha, kPower);
      if (!std::isfinite(items.exact) || items.items == 0)
        items = stats::required_items(*options_.margin, *d.se * *d.se * n, 0, 0, options_.alpha, kPower);
      if (std::isfinite(items.exact) && items.exact > 0) one.needed = static_cast<double>(items.items);
    }
    if (value.direction == ASSAY_NO_DIRECTION) one.notes.emplace_back("no direction is better");
  }

  void keep_for_totals(const std::vector<Unit>& units, std::vector<double>& as, std::vector<double>& bs,
                       const ValueRow& value, ComparedValue& one) const {
    if (value.rule != ASSAY_RULE_PROPORTION && value.rule != ASSAY_RULE_MEAN) return;
    one.deltas.reserve(units.size());
    one.units.reserve(units.size());
    for (const Unit& unit : units) {
      const SideRow& row = a_.rows[unit.match->a_begin];
      one.deltas.push_back(unit.b - unit.a);
      // A group and an item of one name are two things; an item is the same in every variant.
      one.units.push_back(row.group.empty() ? "item " + row.id : "group " + row.group);
    }
    one.baseline_values = std::move(as);
    one.candidate_values = std::move(bs);
  }

  void pick_changed(const std::vector<Unit>& units, const ValueRow& value, ComparedValue& one) const {
    std::vector<const Unit*> changed;
    for (const Unit& unit : units) {
      if (unit.a != unit.b) changed.push_back(&unit);
    }
    one.changed_units = static_cast<std::int64_t>(changed.size());
    const double worse = value.direction == ASSAY_LOWER_IS_BETTER ? 1 : -1;
    const std::size_t n = std::min(options_.top_items, changed.size());
    // Largest change first, of equal ones the losses; units come in the order of their ids.
    std::partial_sort(changed.begin(), changed.begin() + static_cast<std::ptrdiff_t>(n), changed.end(),
                      [&](const Unit* p, const Unit* q) {
                        const double x = p->b - p->a, y = q->b - q->a;
                        if (std::abs(x) != std::abs(y)) return std::abs(x) > std::abs(y);
                        if (x * worse != y * worse) return x * worse > y * worse;
                        return p->match->a_begin < q->match->a_begin;
                      });
    for (std::size_t i = 0; i < n; ++i) {
      const Match& match = *changed[i]->match;
      const SideRow& row = a_.rows[match.a_begin];
      ChangedItem item;
      item.id = row.id;
      item.variant = row.variant;
      item.baseline = changed[i]->a;
      item.candidate = changed[i]->b;
      // With repeats, the first repeat whose answers differ is the one to read.
      std::size_t x = match.a_begin, y = match.b_begin;
      for (std::size_t r = 0; r < match.a_end - match.a_begin && r < match.b_end - match.b_begin; ++r) {
        if (a_.rows[match.a_begin + r].answer == b_.rows[match.b_begin + r].answer) continue;
        x = match.a_begin + r, y = match.b_begin + r;
        break;
      }
      item.repeat = a_.rows[x].repeat;
      item.baseline_state = state_name(a_.rows[x].state);
      item.candidate_state = state_name(b_.rows[y].state);
      // Failing to read texts for a reader is no reason to lose the numbers.
      if (Result<void> done = fill_changed(reader_, a_.rows[x].result, b_.rows[y].result, item); !done)
        item.prompt = "unreadable: " + done.error().text;
      one.changed.push_back(std::move(item));
    }
  }

  void compute_customs(const std::vector<const Match*>& items, CustomSide a, CustomSide b,
                       CustomValues& out) const {
    std::vector<std::string> groups;
    const auto rows = [](const Side& side, std::size_t begin, std::size_t end) {
      std::vector<std::uint32_t> list;
      for (std::size_t i = begin; i < end; ++i)
        list.push_back(static_cast<std::uint32_t>(side.rows[i].table_row));
      return list;
    };
    for (const Match* match : items) {
      a.units.push_back(rows(a_, match->a_begin, match->a_end));
      b.units.push_back(rows(b_, match->b_begin, match->b_end));
      if (grouped_) groups.push_back(a_.rows[match->a_begin].group);
    }
    out.compute(a, b, groups);
  }

  void count_answers(const std::vector<const Match*>& items, const MetricTable& table_a,
                     const MetricTable& table_b, ComparedValue& one) const {
    const auto count = [](const Side& side, std::size_t begin, std::size_t end, const MetricTable& table,
                          SideCounts& counts) {
      for (std::size_t i = begin; i < end; ++i) {
        ++counts.answers;
        ++counts.states[table.result_states[side.rows[i].table_row] & 7U];
      }
    };
    for (const Match* match : items) {
      count(a_, match->a_begin, match->a_end, table_a, one.baseline);
      count(b_, match->b_begin, match->b_end, table_b, one.candidate);
    }
  }

  // Without the plugin of a custom statistic only the stored numbers can be shown.
  Result<void> custom(const CustomValues& values, const ValueRow& value, ComparedValue& one) {
    if (const stats::Difference* part = values.part(value.name)) {
      one.difference = *part;
      one.notes.insert(one.notes.end(), values.notes().begin(), values.notes().end());
      if (value.no_interval) strip(one.difference, value.note);
      finish(value, one);
      return {};
    }
    one.difference.undefined = values.reason() + "; only the stored numbers of both runs are shown";
    one.difference.method = one.difference.test = "none";
    const auto stored = [&](const Side& side) -> Result<std::optional<double>> {
      const auto [known, fresh] = stored_.try_emplace(side.run.id);
      if (fresh) {
        Result<std::vector<AggregateLine>> lines = reader_.aggregates(side.run.id);
        if (!lines) return std::move(lines).error();
        known->second = *std::move(lines);
      }
      for (const AggregateLine& line : known->second) {
        if (line.row.evaluation == side.evaluation.id && line.metric == one.metric &&
            line.value == value.name && line.row.variant == one.variant && std::isfinite(line.row.estimate))
          return std::optional<double>(line.row.estimate);
      }
      return std::optional<double>();
    };
    Result<std::optional<double>> x = stored(a_), y = stored(b_);
    if (!x) return std::move(x).error();
    if (!y) return std::move(y).error();
    one.difference.baseline = *x;
    one.difference.candidate = *y;
    one.difference.n = static_cast<std::size_t>(one.matched);
    if (!matches_.only_a.empty() || !matches_.only_b.empty()) {
      one.notes.emplace_back("the stored numbers are of all items, not of the common ones");
    } else if (*x && *y) {
      one.difference.delta = **y - **x;
    }
    finish(value, one);
    return {};
  }

  Reader& reader_;
  const Side &a_, &b_;
  const Matches& matches_;
  const CompareOptions& options_;
  bool numbers_;
  ComparedTask& task_;
  stats::PairedOptions stats_;
  bool grouped_ = false, other_tokenizers_ = false;
  std::map<std::string, CustomValues> customs_;         // of the present metric, by variant
  std::map<RowId, std::vector<AggregateLine>> stored_;  // by run, for custom statistics without a plugin
};

}  // namespace

Result<void> compare_values(Reader& reader, const Side& a, const Side& b, const Matches& matches,
                            const CompareOptions& options, bool numbers, ComparedTask& task) {
  return TaskValues(reader, a, b, matches, options, numbers, task).run();
}

Result<void> fill_changed(Reader& reader, RowId baseline, RowId candidate, ChangedItem& item) {
  const auto read = [&](RowId result, std::string& answer, std::string* prompt) -> Result<void> {
    Result<std::vector<ItemResponse>> responses = reader.responses(result);
    if (!responses) return std::move(responses).error();
    // An item may have been asked for a text and for probabilities: then the texts are what a reader wants.
    std::vector<std::string> texts, others;
    for (const ItemResponse& response : *responses) {
      if (!response.role.empty() && response.role != "target") continue;
      if (prompt != nullptr && prompt->empty()) *prompt = prompt_text(response.request);
      std::vector<std::string>& to = response.kind == ASSAY_REQUEST_GENERATE ? texts : others;
      to.push_back(response.message.empty() ? answer_text(response.answer) : response.message);
    }
    answer = join(texts.empty() ? others : texts, " | ");
    return {};
  };
  if (Result<void> done = read(baseline, item.baseline_answer, &item.prompt); !done) return done;
  return read(candidate, item.candidate_answer, nullptr);
}

}  // namespace assay::host::compare_detail
