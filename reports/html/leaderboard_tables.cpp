// The tables of a leaderboard.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/leaderboard_parts.hpp"
#include "reports/html/page.hpp"
#include "reports/leaderboard/format.hpp"
#include "reports/lines.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

// What a cell shows is what it sorts by: a thousand rows of unrounded keys would double the file, and the
// JSON has the numbers.
Cell score_cell(const std::optional<double>& value) {
  return value ? Cell(score_text(*value), {}) : Cell();
}
Cell count_cell(const std::optional<std::int64_t>& value) {
  return value ? Cell::of(*value) : Cell();
}
Cell score_interval_cell(const std::optional<double>& lo, const std::optional<double>& hi) {
  if (!lo || !hi) return {};
  return {score_text(*lo) + " to " + score_text(*hi), score_text(*lo)};
}

Cell model_cell(const Board& board, const BoardRow& row) {
  const std::string name = "<bdi>" + text(row_name(board, row)) + "</bdi>";
  // Strong print says that nobody else may be first.
  const bool alone = row.rank_best == 1 && row.rank_worst == 1 && board.ranked > 1;
  return {alone ? "<strong>" + name + "</strong>" : name, {}};
}

std::string methods_table(const std::vector<const Board*>& boards) {
  Table table("Methods and states");
  using Kind = Table::Kind;
  table.column("model");
  table.column("variant");
  table.column("method of the interval");
  table.column("standard error", Kind::kNumber);
  table.column("p to leader, unadjusted", Kind::kNumber);
  table.column("answers");
  table.column("fingerprint");
  for (const Board* board : boards) {
    for (const BoardRow& row : board->rows) {
      table.row({Cell::of(row_name(*board, row)), Cell::of(board->variant), Cell::of(row.method),
                 score_cell(row.se), score_cell(row.delta_p), Cell::of(states_text(row.states, row.missing)),
                 Cell::of(row.fingerprint.substr(0, 12))},
                row.model_free ? "blind" : "");
    }
  }
  return table.html();
}

// The number at the front of a cell such as "0.4917 ±0.0123", for sorting.
std::string leading_number(const std::string& cell) {
  return cell.substr(0, cell.find(' '));
}

}  // namespace

std::string row_name(const Board& board, const BoardRow& row) {
  if (row.model_free) return blind_name(row.model);
  const auto namesakes = std::count_if(board.rows.begin(), board.rows.end(), [&](const BoardRow& other) {
    return !other.model_free && other.model == row.model;
  });
  return namesakes > 1 ? row.model + " (" + row.fingerprint.substr(0, 6) + ")" : row.model;
}

std::string board_table(const std::vector<const Board*>& boards, const RunPlaces& places) {
  const Board& first = *boards.front();
  Table table(board_label(first) + " of " + first.task + ", recipe " + first.version());
  using Kind = Table::Kind;
  table.column("model");
  table.column("variant");
  table.column("rank", Kind::kNumber);
  table.column("ties");
  table.column("score", Kind::kNumber);
  table.column("95 % interval", Kind::kNumber);
  table.column("n", Kind::kNumber);
  table.column("missing", Kind::kNumber);
  table.column("to leader", Kind::kNumber);
  table.column("MDE", Kind::kNumber);
  table.column("tokens in", Kind::kNumber);
  table.column("tokens out", Kind::kNumber);
  table.column("cost", Kind::kNumber);
  table.column("seconds", Kind::kNumber);
  table.column("date");
  table.column("recipe");
  table.column("run");
  table.column("notes");
  table.make_sortable();
  for (const Board* board : boards) {
    const bool alone = board->ranked < 2 && board->rows.size() < 2;  // nobody to be ranked against
    for (const BoardRow& row : board->rows) {
      const std::string score = row.estimate ? score_text(*row.estimate) : std::string("n/a");
      table.row(
          {model_cell(*board, row),
           Cell::of(board->variant),
           alone ? Cell() : Cell(rank_text(row), row.rank_best == 0 ? "n/a" : std::to_string(row.rank_best)),
           Cell::of(alone ? std::string() : row.letter),
           {run_link(places, row.run, score), {}},
           score_interval_cell(row.lo, row.hi),
           Cell::of(row.n),
           Cell::rare(row.missing),
           {signed_text(row.delta), {}},
           score_cell(row.mde),
           count_cell(row.tokens_in),
           count_cell(row.tokens_out),
           score_cell(row.cost),
           {row.seconds ? fmt::format("{:.1f}", *row.seconds) : std::string(), {}},
           Cell::of(row.started.substr(0, 10)),
           Cell::of(board->version()),
           {run_link(places, row.run, text(row.run.substr(0, 8))), {}},
           Cell::of(row_remarks(row, false))},
          row.model_free ? "blind" : "");
    }
  }
  return table.html() + details("Methods and states of these numbers", methods_table(boards));
}

std::string total_table(const BoardTotal& total) {
  Table table(total_title(total));
  const std::vector<std::string>& columns = total_columns();
  for (const std::string& name : columns)
    table.column(name, name == "model" ? Table::Kind::kText : Table::Kind::kNumber);
  table.make_sortable();
  for (const TotalRow& row : total.rows) {
    std::vector<Cell> cells;
    const std::vector<std::string> texts = total_cells(row);
    for (std::size_t c = 0; c < texts.size(); ++c) {
      cells.push_back(c < columns.size() && columns[c] == "model"
                          ? Cell::of(texts[c])
                          : Cell(text(texts[c]), leading_number(texts[c])));
    }
    table.row(std::move(cells));
  }
  std::string members;
  for (const std::string& member : total.members) members += "<li><bdi>" + text(member) + "</bdi></li>\n";
  return table.html() + details(fmt::format("{} members, {}", total.members.size(), total.method),
                                "<ul>\n" + members + "</ul>\n");
}

std::string runs_table(const Leaderboard& leaderboard, const std::vector<History>& histories,
                       const LeaderboardReportOptions& options, const RunPlaces& places) {
  struct Known {
    std::string started, label, suite, status, from;
    std::vector<std::string> models;
  };
  std::map<std::string, Known> known;
  const auto add_model = [](Known& one, const std::string& model) {
    if (std::find(one.models.begin(), one.models.end(), model) == one.models.end())
      one.models.push_back(model);
  };
  for (const Board& board : leaderboard.boards) {
    for (const BoardRow& row : board.rows) {
      Known& one = known[row.run];
      one.started = row.started, one.label = row.label, one.suite = board.suite;
      if (!row.model_free) add_model(one, row.model);
      if (row.status != "complete" || one.status.empty()) one.status = row.status;
      if (row.imported) one.from = "imported";
    }
  }
  for (const History& history : histories) {
    for (const host::HistoryPoint& point : history.points) {
      Known& one = known[point.run];
      one.started = point.started, one.label = point.label;
      add_model(one, history.model);
    }
  }
  Table table("The runs behind the numbers");
  for (const char* title : {"run", "started", "label", "suite", "models", "status", "from"})
    table.column(title);
  table.make_sortable();
  std::vector<std::string> order(places.size());
  for (const auto& [run, place] : places) order[place - 1] = run;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Known& one = known[order[i]];
    const std::string file = options.link_runs ? run_file(order[i]) : std::string();
    const std::string id = text(order[i]);
    const std::string name = file.empty() ? id : "<a href=\"" + attribute(file) + "\">" + id + "</a>";
    table.row({{fmt::format("<span id=\"r{}\">{}</span>", i + 1, name), order[i]},
               Cell::of(one.started),
               Cell::of(one.label),
               Cell::of(one.suite),
               Cell::of(join(one.models, ", ")),
               Cell::of(one.status),
               Cell::of(one.from)});
  }
  return table.html() +
         "<p class=\"soft\">`assay report RUN --html FILE` writes the page of a run, `assay show RUN` prints "
         "it.</p>\n";
}

}  // namespace assay::host::html
