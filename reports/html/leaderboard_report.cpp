#include "reports/html/leaderboard_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/base/strings.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/leaderboard_parts.hpp"
#include "reports/html/page.hpp"
#include "reports/leaderboard/format.hpp"

namespace assay::host::html {
namespace {

using Boards = std::vector<const Board*>;

// Tables of one task under one recipe.
struct Section {
  const Board* first = nullptr;
  std::vector<Boards> tables;
};

std::vector<Section> sections_of(const Leaderboard& leaderboard) {
  std::vector<Section> out;
  for (Boards& table : board_tables(leaderboard)) {
    const Board& board = *table.front();
    const auto same = [&](const Section& s) {
      return s.first->suite == board.suite && s.first->task == board.task && s.first->recipe == board.recipe;
    };
    auto at = std::find_if(out.begin(), out.end(), same);
    if (at == out.end()) at = out.insert(out.end(), {&board, {}});
    at->tables.push_back(std::move(table));
  }
  return out;
}

std::string counted(std::size_t count, const char* word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

std::string suites_text(const Leaderboard& leaderboard) {
  std::vector<std::string> suites;
  for (const Board& board : leaderboard.boards) {
    if (std::find(suites.begin(), suites.end(), board.suite) == suites.end()) suites.push_back(board.suite);
  }
  if (suites.size() > 3) return counted(suites.size(), "suite");
  return join(suites, ", ");
}

// What a person reads first: how much is here, and whether anybody leads.
std::string summary(const Leaderboard& leaderboard, std::size_t runs) {
  std::set<std::pair<std::string, std::string>> models;
  std::set<std::pair<std::string, std::string>> tasks;
  std::size_t contested = 0, settled = 0;
  for (const Board& board : leaderboard.boards) {
    tasks.emplace(board.suite, board.task);
    bool leads = false;
    for (const BoardRow& row : board.rows) {
      if (!row.model_free) models.emplace(row.model, row.fingerprint);
      leads = leads || (row.rank_best == 1 && row.rank_worst == 1);
    }
    if (board.ranked < 2) continue;
    ++contested;
    settled += leads ? 1 : 0;
  }
  std::string out = counted(models.size(), "model") + " on " + counted(tasks.size(), "task") + ", from " +
                    counted(runs, "run") + ".";
  if (contested == 0) return out + " Nowhere do two models meet under one recipe, so nothing is ranked.";
  return out + (settled == contested ? fmt::format(" Wherever models meet ({}), one leads alone.",
                                                   counted(contested, "ranking"))
                : settled == 0
                    ? fmt::format(" In none of {} does one model lead alone: the items cannot tell the first "
                                  "from the next.",
                                  counted(contested, "ranking"))
                    : fmt::format(" One model leads alone in {} of {}; elsewhere the items cannot tell the "
                                  "first from the next.",
                                  settled, counted(contested, "ranking")));
}

std::string notes_list(const std::vector<std::string>& notes) {
  std::string out;
  for (const std::string& note : notes) out += "<li><bdi>" + text(note) + "</bdi></li>\n";
  return out.empty() ? out : "<ul>\n" + out + "</ul>\n";
}

constexpr char kBoardHelp[] =
    "<p>A rank is an interval: 1-3 says that the items allow every place from first to third. Models that "
    "share a letter are not resolved from each other; ranks come from paired tests on common items with "
    "Holm's correction, never from intervals that overlap or not. To leader is the paired difference to the "
    "first row; MDE is the difference to it that would have been found with probability 0.8. Scores under "
    "different recipes never stand in one table. Blind rules look at the items alone and no model: a score "
    "near theirs shows nothing about a model. In a score over time, a run is marked when its paired "
    "difference to the run before it under the same recipe has an adjusted p (Holm, within the history) "
    "below the level. Every score links to its run; methods and states are in the block below each table. An "
    "empty cell of a state means that no answer ended so, any other empty cell that the number does not "
    "exist.</p>\n";

}  // namespace

std::string run_link(const RunPlaces& places, const std::string& run, const std::string& markup) {
  const auto at = places.find(run);
  return at == places.end() ? markup : fmt::format("<a href=\"#r{}\">{}</a>", at->second, markup);
}

std::string run_file(const std::string& run) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  };
  if (run.empty() || run.size() > 64 || !std::all_of(run.begin(), run.end(), plain)) return {};
  return "run-" + run + ".html";
}

std::vector<std::string> runs_of(const Leaderboard& leaderboard, const std::vector<History>& histories) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  const auto add = [&](const std::string& run) {
    if (!run.empty() && seen.insert(run).second) out.push_back(run);
  };
  for (const Board& board : leaderboard.boards) {
    for (const BoardRow& row : board.rows) add(row.run);
  }
  for (const History& history : histories) {
    if (history.points.size() < 2) continue;
    for (const auto& point : history.points) add(point.run);
  }
  return out;
}

std::string leaderboard_report(const Leaderboard& leaderboard, const std::vector<History>& histories,
                               const LeaderboardReportOptions& options) {
  const std::vector<std::string> runs = runs_of(leaderboard, histories);
  RunPlaces places;
  for (std::size_t i = 0; i < runs.size(); ++i) places[runs[i]] = i + 1;
  const std::vector<Section> sections = sections_of(leaderboard);

  // Tables first: plots share what they leave.
  std::vector<std::vector<std::string>> tables;
  std::size_t fixed = sizeof kBoardHelp, plots = 0;
  for (const Section& section : sections) {
    tables.emplace_back();
    for (const Boards& boards : section.tables) {
      fixed += tables.back().emplace_back(board_table(boards, places)).size();
      ++plots;
    }
  }
  std::vector<std::string> totals;
  for (const BoardTotal& total : leaderboard.totals) {
    fixed += totals.emplace_back(total_table(total)).size();
    ++plots;
  }
  const std::string runs_html = runs_table(leaderboard, histories, options, places);
  fixed += runs_html.size();
  const std::size_t free = options.bytes_max > fixed ? options.bytes_max - fixed : 0;

  Page page("Leaderboard: " + suites_text(leaderboard));
  page.lead("<div class=\"summary\" role=\"note\">\n<p><strong>" + text(summary(leaderboard, runs.size())) +
            "</strong></p>\n</div>\n" + notes_list(leaderboard.notes));
  // Each takes at most half of what is left, the many plots of single tables the rest.
  Bounded maps(free / 2);
  heat_maps(leaderboard, maps);
  std::size_t rest = free - (free / 2 - maps.left());
  Bounded courses(rest / 2);
  history_plots(histories, courses);
  rest -= rest / 2 - courses.left();
  std::string over;
  for (std::size_t i = 0; i < leaderboard.totals.size(); ++i) {
    Bounded plot(rest / std::max<std::size_t>(plots, 1));
    total_plot(leaderboard.totals[i], plot);
    over += "<h3><bdi>" + text(total_title(leaderboard.totals[i])) + "</bdi></h3>\n" +
            plot.html("plots", "the table has its numbers") + totals[i] +
            notes_list(total_notes(leaderboard.totals[i]));
  }
  if (!over.empty()) page.section("Across tasks", over);
  if (const std::string all = maps.html("heat maps", "the tables have their numbers"); !all.empty())
    page.section("Models against tasks", all);
  const std::size_t suites = [&] {
    std::set<std::string> names;
    for (const Section& section : sections) names.insert(section.first->suite);
    return names.size();
  }();
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const Board& first = *sections[i].first;
    std::string body;
    const auto same_task = [&](const Section& other) {
      return other.first->suite == first.suite && other.first->task == first.task;
    };
    if (std::count_if(sections.begin(), sections.end(), same_task) > 1)
      body +=
          "<p>This task has tables under several recipes: their scores cannot be compared with each "
          "other.</p>\n";
    for (std::size_t t = 0; t < sections[i].tables.size(); ++t) {
      const Boards& boards = sections[i].tables[t];
      Bounded plot(rest / std::max<std::size_t>(plots, 1));
      board_plot(boards, plot);
      body += "<h3><bdi>" + text(board_label(*boards.front())) + "</bdi></h3>\n" +
              plot.html("plots", "the table has its numbers") + tables[i][t] +
              notes_list(board_notes(boards));
    }
    page.section(
        (suites > 1 ? first.suite + ": " : std::string()) + first.task + ", recipe " + first.version(), body);
  }
  if (const std::string all = courses.html("histories", "`assay leaderboard --history METRIC` has them");
      !all.empty())
    page.section("Over time", all);
  page.section("Runs", runs_html);
  page.section("How to read this page", kBoardHelp);
  return page.html();
}

}  // namespace assay::host::html
