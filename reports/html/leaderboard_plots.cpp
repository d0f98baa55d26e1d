// Scores with their intervals, models against tasks, scores over time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/html/leaderboard_parts.hpp"
#include "reports/html/plots.hpp"
#include "reports/leaderboard/format.hpp"
#include "reports/lines.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kBoardDotsMax = 30, kMapSideMax = 60, kCoursesMax = 30;

bool share(const Board& board) {
  return board.rule == ASSAY_RULE_AUROC || board.rule == ASSAY_RULE_PROPORTION;
}

// One value of one suite over its tasks and variants, as the newest recipe of each task has it.
struct Map {
  const Board* first = nullptr;
  std::vector<const Board*> columns;
};

std::vector<Map> maps_of(const Leaderboard& leaderboard) {
  std::vector<Map> maps;
  std::map<std::pair<std::string, std::string>, std::string> newest;  // boards: newest recipe first
  for (const Board& board : leaderboard.boards)
    newest.emplace(std::pair(board.suite, board.task), board.recipe);
  for (const Board& board : leaderboard.boards) {
    if (newest[{board.suite, board.task}] != board.recipe) continue;
    const auto same = [&](const Map& map) {
      const Board& b = *map.first;
      return b.suite == board.suite && b.metric == board.metric && b.value == board.value &&
             b.rule == board.rule && b.direction == board.direction && b.statistic == board.statistic;
    };
    auto at = std::find_if(maps.begin(), maps.end(), same);
    if (at == maps.end()) at = maps.insert(maps.end(), {&board, {}});
    at->columns.push_back(&board);
  }
  for (Map& map : maps) {
    std::stable_sort(map.columns.begin(), map.columns.end(), [](const Board* a, const Board* b) {
      return std::pair(natural_key(a->task), natural_key(a->variant)) <
             std::pair(natural_key(b->task), natural_key(b->variant));
    });
  }
  return maps;
}

std::string map_figure(const Map& map) {
  std::vector<std::pair<std::string, std::string>> models;  // name and fingerprint
  for (const Board* board : map.columns) {
    for (const BoardRow& row : board->rows) {
      if (row.model_free || !row.estimate) continue;
      const std::pair key(row.model, row.fingerprint);
      if (std::find(models.begin(), models.end(), key) == models.end()) models.push_back(key);
    }
  }
  if (models.size() < 2 || map.columns.size() < 2) return {};
  HeatMap heat;
  heat.title = map.first->suite + ": " + board_label(*map.first);
  heat.row_title = "model";
  const std::size_t rows = std::min(models.size(), kMapSideMax),
                    columns = std::min(map.columns.size(), kMapSideMax);
  if (rows < models.size() || columns < map.columns.size())
    heat.title += fmt::format(" (the first {} of {} models, {} of {} tasks and variants)", rows,
                              models.size(), columns, map.columns.size());
  if (share(*map.first)) heat.min = 0, heat.max = 1;
  const bool one_task = std::all_of(map.columns.begin(), map.columns.end(),
                                    [&](const Board* b) { return b->task == map.first->task; });
  for (std::size_t c = 0; c < columns; ++c) {
    const Board& board = *map.columns[c];
    heat.columns.push_back(one_task ? board.variant
                                    : board.task + (board.variant.empty() ? "" : " " + board.variant));
  }
  if (one_task) heat.title += " of " + map.first->task;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto& [name, fingerprint] = models[r];
    const auto namesakes = std::count_if(models.begin(), models.end(),
                                         [&](const auto& m) { return m.first == models[r].first; });
    heat.rows.push_back(namesakes > 1 ? name + " " + fingerprint.substr(0, 4) : name);
    for (std::size_t c = 0; c < columns; ++c) {
      double value = kAbsent;
      for (const BoardRow& row : map.columns[c]->rows) {
        if (!row.model_free && row.model == name && row.fingerprint == fingerprint)
          value = or_absent(row.estimate);
      }
      heat.values.push_back(value);
    }
  }
  return heat_map(heat);
}

std::string history_figure(const History& course) {
  std::set<std::string> days;
  for (const host::HistoryPoint& point : course.points) days.insert(point.started.substr(0, 10));
  const bool by_day = days.size() == course.points.size();
  std::vector<HistoryPoint> points;
  for (std::size_t i = 0; i < course.points.size(); ++i) {
    const host::HistoryPoint& from = course.points[i];
    HistoryPoint to;
    to.label = by_day || from.started.size() < 19
                   ? from.started.substr(0, 10)
                   : from.started.substr(5, 5) + " " + from.started.substr(11, 8);
    to.estimate = or_absent(from.estimate), to.lo = or_absent(from.lo), to.hi = or_absent(from.hi);
    to.mark = from.change < 0   ? HistoryPoint::Mark::kRegression
              : from.change > 0 ? HistoryPoint::Mark::kImprovement
                                : HistoryPoint::Mark::kNone;
    std::vector<std::string> notes = {"run " + from.run.substr(0, 8)};
    if (!from.label.empty()) notes.push_back(from.label);
    if (i > 0) {
      const host::HistoryPoint& before = course.points[i - 1];
      to.apart = from.recipe != before.recipe;
      if (to.apart) notes.push_back("recipe " + from.recipe.substr(0, 8));
      if (from.fingerprint != before.fingerprint) notes.push_back("model " + from.fingerprint.substr(0, 8));
      if (from.delta && from.p)
        notes.push_back(
            fmt::format("{} to the run before, adjusted p {}", signed_text(from.delta), score_text(*from.p)));
    }
    to.note = join(notes, ", ");
    points.push_back(std::move(to));
  }
  std::string title = course.task + (course.variant.empty() ? "" : " " + course.variant) + ": " +
                      course.metric + (course.value == "score" ? "" : " " + course.value) + " of " +
                      course.model;
  if (course.direction == ASSAY_LOWER_IS_BETTER) title += " (lower is better)";
  return history(title, course.value, points);
}

}  // namespace

void board_plot(const std::vector<const Board*>& boards, Bounded& out) {
  const Board& first = *boards.front();
  DotPlot plot;
  plot.title = "Scores and 95 % intervals";
  plot.axis = first.value + (first.unit.empty() ? "" : ", " + first.unit);
  if (first.rule == ASSAY_RULE_AUROC) plot.reference = 0.5, plot.axis = "AUROC";
  if (share(first)) plot.min = 0, plot.max = 1;
  plot.subject = "model";
  std::vector<Dot> dots;
  std::size_t all = 0;
  bool blind = false, models = false;
  for (const Board* board : boards) {
    for (const BoardRow& row : board->rows) {
      ++all;
      if (dots.size() == kBoardDotsMax) continue;
      Dot dot;
      dot.label = row_name(*board, row) + (board->variant.empty() ? "" : ", " + board->variant);
      if (row.rank_best != 0 && board->ranked > 1) dot.label += ", rank " + rank_text(row);
      dot.estimate = or_absent(row.estimate), dot.lo = or_absent(row.lo), dot.hi = or_absent(row.hi);
      dot.hollow = row.model_free || row.self_reported;
      dot.series = row.model_free ? kSeriesStyles - 1 : 0;
      dot.note = row_remarks(row, false);
      (row.model_free ? blind : models) = true;
      dots.push_back(std::move(dot));
    }
  }
  if (dots.size() < all)
    plot.title += fmt::format(" (the first {} of {}; the table has all)", dots.size(), all);
  if (blind && models) {
    plot.series.resize(kSeriesStyles);
    plot.series.front() = "models", plot.series.back() = "blind rules, which look at no model";
  }
  out.add(dot_and_whisker(plot, dots));
}

void total_plot(const BoardTotal& total, Bounded& out) {
  DotPlot plot;
  plot.title = "Means and 95 % intervals";
  plot.axis = "mean of the members";
  plot.subject = "model";
  std::vector<Dot> dots;
  for (const TotalRow& row : total.rows) {
    if (dots.size() == kBoardDotsMax) break;
    Dot dot;
    dot.label = row.model;
    dot.estimate = or_absent(row.mean.value);
    dot.lo = or_absent(row.mean.lo), dot.hi = or_absent(row.mean.hi);
    dots.push_back(std::move(dot));
  }
  if (dots.size() < total.rows.size())
    plot.title += fmt::format(" (the first {} of {}; the table has all)", dots.size(), total.rows.size());
  out.add(dot_and_whisker(plot, dots));
}

void heat_maps(const Leaderboard& leaderboard, Bounded& out) {
  for (const Map& map : maps_of(leaderboard)) out.add(map_figure(map));
}

void history_plots(const std::vector<History>& histories, Bounded& out) {
  std::vector<const History*> courses;
  for (const History& course : histories) {
    if (course.points.size() > 1) courses.push_back(&course);
  }
  // Where something changed comes first.
  std::stable_partition(courses.begin(), courses.end(), [](const History* course) {
    return std::any_of(course->points.begin(), course->points.end(),
                       [](const host::HistoryPoint& point) { return point.change != 0; });
  });
  for (std::size_t i = 0; i < courses.size() && i < kCoursesMax; ++i) out.add(history_figure(*courses[i]));
  if (courses.size() > kCoursesMax)
    out.add(
        fmt::format("<p class=\"soft\">{} of {} histories, those with a change first; `assay leaderboard "
                    "--history METRIC` has all.</p>\n",
                    kCoursesMax, courses.size()));
}

}  // namespace assay::host::html
