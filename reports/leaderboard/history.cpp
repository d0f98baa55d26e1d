// Scores over time: every complete evaluation of a model in the order of its runs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/leaderboard/detail.hpp"
#include "reports/table.hpp"
#include "reports/text_table.hpp"

namespace assay::host {
namespace {

std::optional<double> number(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

Json json_of(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Eight heights between the lowest and the highest score; a bar where the recipe changes, because scores on
// both sides of it are not comparable.
std::string sparkline(const History& history) {
  static constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double lo = INFINITY, hi = -INFINITY;
  for (const HistoryPoint& point : history.points) {
    if (!point.estimate) continue;
    lo = std::min(lo, *point.estimate);
    hi = std::max(hi, *point.estimate);
  }
  std::string out;
  for (std::size_t i = 0; i < history.points.size(); ++i) {
    const HistoryPoint& point = history.points[i];
    if (i > 0 && point.recipe != history.points[i - 1].recipe) out += "|";
    if (!point.estimate) {
      out += "?";
      continue;
    }
    const double height = hi > lo ? (*point.estimate - lo) / (hi - lo) : 0.5;
    out += kBlocks[std::clamp(static_cast<int>(height * 7.0 + 0.5), 0, 7)];
  }
  return out;
}

}  // namespace

Result<std::vector<History>> leaderboard_history(Reader& reader, const LeaderboardOptions& options) {
  Result<leaderboard_detail::Selection> selection = leaderboard_detail::select(reader, options, false);
  if (!selection) return std::move(selection).error();
  std::vector<History> out;
  // Newest first, so the points are turned round at the end.
  for (const leaderboard_detail::Chosen& one : selection->chosen) {
    for (const AggregateLine& line : one.lines) {
      if (line.baseline || !leaderboard_detail::wanted(line, options)) continue;
      const auto same = [&](const History& h) {
        return h.task == one.recipe.name && h.metric == line.metric && h.value == line.value &&
               h.variant == line.row.variant && h.fingerprint == one.model.fingerprint;
      };
      auto at = std::find_if(out.begin(), out.end(), same);
      if (at == out.end()) {
        History fresh;
        fresh.task = one.recipe.name;
        fresh.metric = line.metric;
        fresh.value = line.value;
        fresh.variant = line.row.variant;
        fresh.model = one.model.name;
        fresh.fingerprint = one.model.fingerprint;
        fresh.direction = line.direction;
        at = out.insert(out.end(), std::move(fresh));
      }
      HistoryPoint point;
      point.run = one.run.uuid;
      point.started = one.run.started;
      point.recipe = one.recipe.hash;
      point.label = one.run.label;
      point.estimate = number(line.row.estimate);
      point.lo = number(line.row.lo);
      point.hi = number(line.row.hi);
      point.n = line.row.n_scored;
      at->points.push_back(std::move(point));
    }
  }
  if (out.empty()) {
    return Error{Code::kNotFound,
                 "no stored value of a metric called '" + printable(options.metric, 80) +
                     "' (`assay show RUN` lists the metrics of a run)",
                 {}};
  }
  for (History& history : out) std::reverse(history.points.begin(), history.points.end());
  std::sort(out.begin(), out.end(), [](const History& a, const History& b) {
    return std::tie(a.task, a.metric, a.value, a.variant, a.model, a.fingerprint) <
           std::tie(b.task, b.metric, b.value, b.variant, b.model, b.fingerprint);
  });
  return out;
}

std::string history_text(const std::vector<History>& histories, bool color) {
  std::string out;
  for (const History& history : histories) {
    const std::string title = history.task + (history.variant.empty() ? "" : " (" + history.variant + ")") +
                              "  " + history.metric + " " + history.value + "  " + history.model + " " +
                              history.fingerprint.substr(0, 8) +
                              (history.direction == ASSAY_LOWER_IS_BETTER ? "  (lower is better)" : "");
    out += (out.empty() ? "" : "\n") + (color ? "\x1b[1m" + title + "\x1b[0m" : title) + "\n  " +
           sparkline(history) + "\n";
    TextTable table;
    table.column("date");
    table.column("score", TextTable::Align::kRight);
    table.column("95 % interval");
    table.column("n", TextTable::Align::kRight, true);
    table.column("recipe", TextTable::Align::kLeft, true);
    table.column("run", TextTable::Align::kLeft, true);
    table.column("label", TextTable::Align::kLeft, true);
    for (const HistoryPoint& point : history.points) {
      table.row({point.started.substr(0, 16), point.estimate ? score_text(*point.estimate) : "n/a",
                 point.lo && point.hi ? score_text(*point.lo) + " to " + score_text(*point.hi) : "",
                 std::to_string(point.n), point.recipe.substr(0, 8), point.run.substr(0, 8),
                 printable(point.label, 40)});
    }
    out += table.text(2, color);
    const bool one_recipe =
        std::all_of(history.points.begin(), history.points.end(),
                    [&](const HistoryPoint& p) { return p.recipe == history.points.front().recipe; });
    if (!one_recipe)
      out += "  | in the line: the recipe changed, and scores on both sides of it are not comparable\n";
  }
  return out;
}

Json history_json(const std::vector<History>& histories) {
  Json list = Json::array();
  for (const History& history : histories) {
    Json points = Json::array();
    for (const HistoryPoint& point : history.points) {
      points.push_back({{"run", point.run},
                        {"started", point.started},
                        {"recipe", point.recipe},
                        {"label", point.label},
                        {"estimate", json_of(point.estimate)},
                        {"lo", json_of(point.lo)},
                        {"hi", json_of(point.hi)},
                        {"n", point.n}});
    }
    list.push_back({{"task", history.task},
                    {"metric", history.metric},
                    {"value", history.value},
                    {"variant", history.variant},
                    {"model", history.model},
                    {"fingerprint", history.fingerprint},
                    {"points", std::move(points)}});
  }
  return Json{{"schema", "assay-leaderboard-history/1"}, {"histories", std::move(list)}};
}

}  // namespace assay::host
