#include "reports/lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "assay/plugin.h"

namespace assay::host {

std::string line_name(const AggregateLine& line) {
  std::string text = line.metric;
  if (!line.headline) text += " " + line.value;
  if (companion(line))
    text += " " + line.row.statistic;
  else if (line.rule == ASSAY_RULE_AUROC)
    text += " AUROC";
  else if (line.headline && line.rule == ASSAY_RULE_CUSTOM)
    text += " " + line.value;
  if (line.direction == ASSAY_LOWER_IS_BETTER) text += " (lower is better)";
  return text;
}

std::string interval_text(const AggregateLine& line) {
  const AggregateRow& row = line.row;
  if (std::isfinite(row.lo) && std::isfinite(row.hi)) return score_text(row.lo) + " to " + score_text(row.hi);
  if (line.no_interval) return "no interval";
  return std::isfinite(row.estimate) ? "n/a" : "";
}

std::string n_text(const AggregateRow& row) {
  if (row.n_positive >= 0) return fmt::format("{}+{}", row.n_positive, row.n_negative);
  return std::to_string(row.n_scored);
}

std::string blind_text(const Baseline& best) {
  return score_text(best.estimate) + (best.negated ? " negated " : " ") + best.line->metric;
}

std::string blind_name(const std::string& name) {
  return name.starts_with("blind.") ? name : "blind: " + name;
}

std::string natural_key(const std::string& raw) {
  std::string out, digits;
  const auto flush = [&] {
    if (!digits.empty()) out += std::string(digits.size() < 20 ? 20 - digits.size() : 0, '0') + digits;
    digits.clear();
  };
  for (const char c : raw) {
    if (c >= '0' && c <= '9') {
      digits += c;
    } else {
      flush();
      out += c;
    }
  }
  flush();
  return out;
}

std::vector<const AggregateLine*> arranged(std::vector<const AggregateLine*> lines) {
  std::vector<std::string> metrics, models;
  const auto place = [](std::vector<std::string>& names, const std::string& name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return i;
    }
    names.push_back(name);
    return names.size() - 1;
  };
  for (const AggregateLine* line : lines) place(metrics, line->metric), place(models, line->model);
  std::stable_sort(lines.begin(), lines.end(), [&](const AggregateLine* a, const AggregateLine* b) {
    if (a->baseline != b->baseline) return b->baseline;
    if (a->metric != b->metric) return place(metrics, a->metric) < place(metrics, b->metric);
    if (a->model != b->model) return place(models, a->model) < place(models, b->model);
    return a->row.variant != b->row.variant && natural_key(a->row.variant) < natural_key(b->row.variant);
  });
  std::vector<const AggregateLine*> kept;
  for (const AggregateLine* line : lines) {
    const bool repeated =
        line->baseline && std::any_of(kept.begin(), kept.end(), [&](const AggregateLine* other) {
          return other->metric == line->metric && other->value == line->value &&
                 other->row.statistic == line->row.statistic && other->row.variant == line->row.variant &&
                 other->row.estimate == line->row.estimate;
        });
    if (!repeated) kept.push_back(line);
  }
  return kept;
}

}  // namespace assay::host
