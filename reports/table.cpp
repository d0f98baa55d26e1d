#include "reports/table.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/text_table.hpp"

namespace assay::host {
namespace {

constexpr const char* kStates[] = {"ok",       "empty",       "refused", "truncated",
                                   "unparsed", "unsupported", "error",   "timeout"};

bool companion(const AggregateLine& line) {
  return line.row.statistic == "pr_auc" || line.row.statistic.find('@') != std::string::npos;
}

bool shown(const AggregateLine& line, const TableOptions& options) {
  return options.all_values || (line.headline && !companion(line));
}

std::string interval_text(const AggregateLine& line) {
  const AggregateRow& row = line.row;
  if (std::isfinite(row.lo) && std::isfinite(row.hi)) return score_text(row.lo) + " to " + score_text(row.hi);
  if (line.no_interval) return "no interval";
  return std::isfinite(row.estimate) ? "n/a" : "";
}

// What stands beside the score: reasons, flags, bounds.
std::string remarks(const AggregateLine& line) {
  std::vector<std::string> parts;
  const AggregateRow& row = line.row;
  if (!row.undefined_reason.empty()) parts.push_back(row.undefined_reason);
  const std::string states = states_text(row);
  if (!states.empty()) parts.push_back(states);
  if (row.n_missing != 0) parts.push_back(std::to_string(row.n_missing) + " missing");
  if (row.n_non_finite != 0) parts.push_back(std::to_string(row.n_non_finite) + " without value");
  if (std::isfinite(row.worst))
    parts.push_back("bounds " + score_text(row.worst) + " to " + score_text(row.best));
  if (!row.notes.empty()) parts.push_back(row.notes);
  return join(parts, "; ");
}

std::string n_text(const AggregateRow& row) {
  if (row.n_positive >= 0) return fmt::format("{}+{}", row.n_positive, row.n_negative);
  return std::to_string(row.n_scored);
}

std::string metric_text(const AggregateLine& line) {
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

void add_row(TextTable& table, const std::vector<AggregateLine>& lines, const AggregateLine& line) {
  std::string beside;
  if (!line.baseline) {
    if (const AggregateLine* best = best_baseline(lines, line)) {
      beside = score_text(best->row.estimate) + " " + best->metric;
    }
  }
  table.row({(line.baseline ? "blind  " : "") + metric_text(line), line.row.variant, line.model,
             score_text(line.row.estimate), interval_text(line), n_text(line.row), beside, remarks(line)});
}

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

}  // namespace

const char* state_name(int state) {
  return state >= 0 && state < 8 ? kStates[state] : "unknown";
}

std::string score_text(double value) {
  if (!std::isfinite(value)) return "n/a";
  if (value != 0 && (std::abs(value) < 1e-3 || std::abs(value) >= 1e6)) return fmt::format("{:.3g}", value);
  return fmt::format("{:.4f}", value);
}

std::string states_text(const AggregateRow& row) {
  std::vector<std::string> parts;
  for (int state = 1; state < 8; ++state) {
    if (row.states[state] != 0) parts.push_back(std::to_string(row.states[state]) + " " + kStates[state]);
  }
  return join(parts, ", ");
}

const AggregateLine* best_baseline(const std::vector<AggregateLine>& lines, const AggregateLine& line) {
  const AggregateLine* best = nullptr;
  for (const AggregateLine& other : lines) {
    const bool comparable =
        other.baseline && other.headline && other.recipe == line.recipe && other.model == line.model &&
        other.row.variant == line.row.variant && other.row.statistic == line.row.statistic &&
        (line.rule != ASSAY_RULE_CUSTOM || other.value == line.value) && other.direction == line.direction;
    if (!comparable || !std::isfinite(other.row.estimate)) continue;
    const bool better = best == nullptr ||
                        (line.direction == ASSAY_LOWER_IS_BETTER ? other.row.estimate < best->row.estimate
                                                                 : other.row.estimate > best->row.estimate);
    if (better) best = &other;
  }
  return best;
}

std::string result_table(const std::vector<AggregateLine>& lines, const TableOptions& options) {
  std::vector<std::string> recipes;
  for (const AggregateLine& line : lines) {
    if (recipes.empty() || recipes.back() != line.recipe) {
      bool known = false;
      for (const std::string& name : recipes) known = known || name == line.recipe;
      if (!known) recipes.push_back(line.recipe);
    }
  }
  std::string out;
  for (const std::string& recipe : recipes) {
    TextTable table;
    table.column("metric");
    table.column("variant");
    table.column("model");
    table.column("score", TextTable::Align::kRight);
    table.column("95 % interval");
    table.column("n", TextTable::Align::kRight, true);
    table.column("best blind rule", TextTable::Align::kLeft, true);
    table.column("not scored, notes", TextTable::Align::kLeft, true);
    std::string hash;
    for (const bool baseline : {false, true}) {
      for (const AggregateLine& line : lines) {
        if (line.recipe != recipe || line.baseline != baseline || !shown(line, options)) continue;
        hash = line.recipe_hash.substr(0, 8);
        add_row(table, lines, line);
      }
    }
    if (!out.empty()) out += "\n";
    const std::string title = recipe + "  (recipe " + hash + ")";
    out += (options.color ? "\x1b[1m" + title + "\x1b[0m" : title) + "\n" + table.text(2, options.color);
  }
  return out;
}

Json result_json(const std::vector<AggregateLine>& lines) {
  Json list = Json::array();
  for (const AggregateLine& line : lines) {
    const AggregateRow& row = line.row;
    Json states = Json::object();
    for (int state = 0; state < 8; ++state) states[kStates[state]] = row.states[state];
    Json one = {{"task", line.recipe},
                {"recipe", line.recipe_hash},
                {"model", line.model},
                {"metric", line.metric},
                {"value", line.value},
                {"statistic", row.statistic},
                {"variant", row.variant},
                {"baseline", line.baseline},
                {"headline", line.headline && !companion(line)},
                {"estimate", number(row.estimate)},
                {"se", number(row.se)},
                {"lo", number(row.lo)},
                {"hi", number(row.hi)},
                {"method", row.method},
                {"n_total", row.n_total},
                {"n_scored", row.n_scored},
                {"n_missing", row.n_missing},
                {"n_non_finite", row.n_non_finite},
                {"clusters", row.clusters},
                {"states", states},
                {"higher_is_better", line.direction == ASSAY_NO_DIRECTION
                                         ? Json(nullptr)
                                         : Json(line.direction == ASSAY_HIGHER_IS_BETTER)}};
    if (row.n_positive >= 0) one["n_positive"] = row.n_positive, one["n_negative"] = row.n_negative;
    if (!row.undefined_reason.empty()) one["undefined"] = row.undefined_reason;
    if (!row.notes.empty()) one["notes"] = row.notes;
    if (std::isfinite(row.worst)) one["bounds"] = {number(row.worst), number(row.best)};
    if (row.replicates != 0) one["replicates"] = row.replicates, one["seed"] = std::to_string(row.seed);
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace assay::host
