#include "reports/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/lines.hpp"
#include "reports/states.hpp"
#include "reports/text_table.hpp"

namespace assay::host {
namespace {

bool shown(const AggregateLine& line, const TableOptions& options) {
  return options.all_values || (line.headline && !companion(line));
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

void add_row(TextTable& table, const std::vector<AggregateLine>& lines, const AggregateLine& line) {
  std::string beside;
  if (!line.baseline) {
    if (const Baseline best = best_baseline(lines, line); best.line != nullptr) {
      beside = blind_text(best);
    }
  }
  table.row({(line.baseline ? "blind  " : "") + line_name(line), line.row.variant,
             line.baseline ? std::string() : line.model, score_text(line.row.estimate), interval_text(line),
             n_text(line.row), beside, remarks(line)});
}

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

}  // namespace

bool companion(const AggregateLine& line) {
  return line.row.statistic == "pr_auc" || line.row.statistic.find('@') != std::string::npos;
}

std::string score_text(double value) {
  if (!std::isfinite(value)) return "n/a";
  if (value != 0 && (std::abs(value) < 1e-3 || std::abs(value) >= 1e6)) return fmt::format("{:.3g}", value);
  return fmt::format("{:.4f}", value);
}

std::string states_text(const AggregateRow& row) {
  std::vector<std::string> parts;
  for (int state = 1; state < 8; ++state) {
    if (row.states[state] != 0) parts.push_back(std::to_string(row.states[state]) + " " + state_name(state));
  }
  return join(parts, ", ");
}

Baseline best_baseline(const std::vector<AggregateLine>& lines, const AggregateLine& line) {
  Baseline best;
  const bool lower = line.direction == ASSAY_LOWER_IS_BETTER;
  for (const AggregateLine& other : lines) {
    if (!other.baseline || other.recipe != line.recipe || other.model != line.model ||
        other.row.variant != line.row.variant || !std::isfinite(other.row.estimate)) {
      continue;
    }
    const bool both_rank = line.rule == ASSAY_RULE_AUROC && other.rule == ASSAY_RULE_AUROC;
    const bool comparable = both_rank ? other.row.statistic == line.row.statistic
                                      : other.value == line.value && line.value != "score" &&
                                            !companion(line) && !companion(other);
    if (!comparable || (other.direction != ASSAY_NO_DIRECTION && other.direction != line.direction)) continue;
    double estimate = other.row.estimate;
    const bool negated =
        both_rank && other.direction == ASSAY_NO_DIRECTION && !companion(other) && estimate < 0.5;
    if (negated) estimate = 1 - estimate;
    if (best.line == nullptr || (lower ? estimate < best.estimate : estimate > best.estimate))
      best = {&other, estimate, negated};
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
    std::vector<const AggregateLine*> rows, all;
    for (const AggregateLine& line : lines) {
      if (line.recipe != recipe) continue;
      all.push_back(&line);
      if (shown(line, options)) rows.push_back(&line);
    }
    for (const AggregateLine* line : arranged(rows)) {
      hash = line->recipe_hash.substr(0, 8);
      add_row(table, lines, *line);
    }
    if (!out.empty()) out += "\n";
    const std::string title = printable(recipe) + "  (recipe " + hash + ")";
    out += (options.color ? "\x1b[1m" + title + "\x1b[0m" : title) + "\n" + table.text(2, options.color);
    const std::string states = states_lines(all);
    out += options.color && !states.empty() ? "\x1b[2m" + states + "\x1b[0m" : states;
  }
  return out;
}

Json result_json(const std::vector<AggregateLine>& lines) {
  Json list = Json::array();
  for (const AggregateLine& line : lines) {
    const AggregateRow& row = line.row;
    Json states = Json::object();
    for (int state = 0; state < 8; ++state) states[state_name(state)] = row.states[state];
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
                {"denominator", denominator_json(row)},
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
