// Leaderboards for people: terminal tables and markdown.
#include <fmt/format.h>

#include <algorithm>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/leaderboard/format.hpp"
#include "reports/lines.hpp"
#include "reports/table.hpp"
#include "reports/text_table.hpp"

namespace assay::host {
namespace {

struct Cell {
  std::string title;
  bool right = false, dim = false;
};

const std::vector<Cell>& columns() {
  static const std::vector<Cell> kColumns = {{"variant"},
                                             {"rank", true},
                                             {"model"},
                                             {"score", true},
                                             {"interval"},
                                             {"n", true, true},
                                             {"missing", true, true},
                                             {"ties"},
                                             {"to leader", true},
                                             {"MDE", true, true},
                                             {"tokens in", true, true},
                                             {"out", true, true},
                                             {"cost", true, true},
                                             {"seconds", true, true},
                                             {"date", false, true},
                                             {"fingerprint", false, true},
                                             {"run", false, true},
                                             {"states, notes", false, true}};
  return kColumns;
}

std::vector<std::string> cells(const Board& board, const BoardRow& row) {
  const auto count = [](const std::optional<std::int64_t>& value) {
    return value ? std::to_string(*value) : std::string();
  };
  const bool alone = board.ranked < 2 && board.rows.size() < 2;  // nobody to be ranked against
  return {board.variant,
          alone ? std::string() : rank_text(row),
          (row.model_free ? "blind  " : "") + printable(row.model, 60),
          row.estimate ? score_text(*row.estimate) : "n/a",
          row.lo && row.hi ? score_text(*row.lo) + " to " + score_text(*row.hi) : "",
          std::to_string(row.n),
          row.missing != 0 ? std::to_string(row.missing) : "",
          alone ? std::string() : row.letter,
          signed_text(row.delta),
          row.mde ? score_text(*row.mde) : "",
          count(row.tokens_in),
          count(row.tokens_out),
          row.cost ? score_text(*row.cost) : "",
          row.seconds ? fmt::format("{:.1f}", *row.seconds) : "",
          row.started.substr(0, 10),
          row.fingerprint.substr(0, 8),
          row.run.substr(0, 8),
          row_remarks(row)};
}

std::string title_of(const Board& board) {
  return printable(board.task + "  " + board_label(board) + "  recipe " + board.version(), 300);
}

// Variants of one value stand in one table, as long as the recipe is the same.
bool same_table(const Board& a, const Board& b) {
  return a.recipe == b.recipe && a.metric == b.metric && a.value == b.value && a.rule == b.rule &&
         a.direction == b.direction && a.statistic == b.statistic;
}

std::string family_text(const std::vector<const Board*>& boards) {
  std::size_t pairs = 0;
  std::int64_t fewest = -1;
  for (const Board* board : boards) {
    pairs += board->pairs;
    if (board->pairs != 0) fewest = fewest < 0 ? board->common_items : std::min(fewest, board->common_items);
  }
  if (pairs == 0) return {};
  return fmt::format("{} paired tests on common items{}, Holm; scored by all: {}", pairs,
                     boards.size() > 1 ? ", a family a variant" : "", fewest);
}

std::string averaged_text(const Averaged& value) {
  if (!value.value) return {};
  std::string text = score_text(*value.value);
  if (value.se) text += " ±" + score_text(*value.se);
  return text;
}

}  // namespace

std::string total_title(const BoardTotal& total) {
  std::string text = fmt::format("{}  {}", total.suite, total.metric);
  if (total.value != "score") text += " " + total.value;
  return printable(text, 200) + fmt::format(", across {} tasks and variants", total.members.size()) +
         (total.direction == ASSAY_LOWER_IS_BETTER ? " (lower is better)" : "");
}

std::vector<std::string> total_notes(const BoardTotal& total) {
  std::vector<std::string> notes = {
      total.replicates != 0
          ? fmt::format("tasks share items: errors from {} resamples of what they share", total.replicates)
          : std::string("± standard error; tasks share no items and count as independent"),
      "win rate: items won against each other model, ties half; Borda: models below it on a task, the tasks "
      "being "
      "the sample"};
  notes.push_back(total.strength_undefined.empty()
                      ? std::string("Bradley-Terry: strength on the logit scale from the same wins, mean of "
                                    "all models 0; its error "
                                    "is the sandwich estimator over the lowest shared units")
                      : "no Bradley-Terry strengths: " + total.strength_undefined);
  for (const std::string& model : total.left_out) notes.push_back("left out: " + model);
  return notes;
}

const std::vector<std::string>& total_columns() {
  static const std::vector<std::string> kColumns = {"model",    "mean",  "interval",     "centred",
                                                    "win rate", "Borda", "Bradley-Terry"};
  return kColumns;
}

std::vector<std::string> total_cells(const TotalRow& row) {
  return {printable(row.model, 60),
          averaged_text(row.mean),
          row.mean.lo && row.mean.hi ? score_text(*row.mean.lo) + " to " + score_text(*row.mean.hi) : "",
          averaged_text(row.centred),
          averaged_text(row.win_rate),
          averaged_text(row.borda),
          averaged_text(row.strength)};
}

namespace {

// Text in a cell of a markdown table, as text and nothing else.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '\n':
      case '\r':
        out += ' ';
        break;
      default:
        if (std::string_view("\\`*_{}[]|#@~").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
  }
  return out;
}

std::string markdown_table(const std::vector<Cell>& titles, const std::vector<std::vector<std::string>>& rows,
                           const std::vector<bool>& bold) {
  std::vector<bool> used(titles.size(), false);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) used[c] = used[c] || !row[c].empty();
  }
  std::string out = "|", rule = "|";
  for (std::size_t c = 0; c < titles.size(); ++c) {
    if (!used[c]) continue;
    out += " " + titles[c].title + " |";
    rule += titles[c].right ? "---:|" : "---|";
  }
  out += "\n" + rule + "\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += "|";
    for (std::size_t c = 0; c < titles.size(); ++c) {
      if (!used[c]) continue;
      const bool strong = bold[r] && titles[c].title == "model";
      out += " " + std::string(strong ? "**" : "") + escaped(rows[r][c]) + (strong ? "**" : "") + " |";
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::vector<std::vector<const Board*>> board_tables(const Leaderboard& leaderboard) {
  std::vector<std::vector<const Board*>> tables;
  // Values of a metric come value by value, so the variants of one may lie apart; only neighbours are joined.
  for (const Board& board : leaderboard.boards) {
    if (tables.empty() || !same_table(*tables.back().front(), board)) tables.emplace_back();
    tables.back().push_back(&board);
  }
  for (std::vector<const Board*>& boards : tables) {
    std::stable_sort(boards.begin(), boards.end(), [](const Board* a, const Board* b) {
      return natural_key(a->variant) < natural_key(b->variant);
    });
  }
  return tables;
}

std::string board_label(const Board& board) {
  std::string text = board.metric;
  if (board.value != "score") text += " " + board.value;
  if (board.rule == ASSAY_RULE_AUROC) text += " AUROC";
  if (board.direction == ASSAY_LOWER_IS_BETTER) text += " (lower is better)";
  return text;
}

std::string rank_text(const BoardRow& row) {
  if (row.rank_best == 0) return "-";
  if (row.rank_best == row.rank_worst) return std::to_string(row.rank_best);
  return fmt::format("{}-{}", row.rank_best, row.rank_worst);
}

std::string signed_text(const std::optional<double>& value) {
  if (!value) return {};
  const std::string text = score_text(*value);
  return *value > 0 ? "+" + text : text;
}

std::string row_remarks(const BoardRow& row, bool states) {
  std::vector<std::string> parts;
  if (row.self_reported) parts.emplace_back("self-reported");
  if (row.imported && !row.self_reported) parts.emplace_back("imported");
  if (row.negated) parts.emplace_back("negated");
  if (row.status != "complete") parts.push_back(row.status);
  for (std::size_t s = 1; states && s < row.states.size(); ++s) {
    if (row.states[s] != 0)
      parts.push_back(std::to_string(row.states[s]) + " " + state_name(static_cast<int>(s)));
  }
  if (!row.remark.empty()) parts.push_back(row.remark);
  return join(parts, "; ");
}

std::vector<std::string> board_notes(const std::vector<const Board*>& boards) {
  std::vector<std::string> notes;
  if (const std::string family = family_text(boards); !family.empty()) notes.push_back(family);
  for (const Board* board : boards) {
    for (const std::string& note : board->notes) {
      if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
    }
  }
  return notes;
}

std::string leaderboard_text(const Leaderboard& leaderboard, bool color, bool verbose) {
  std::string out;
  const auto title = [&](const std::string& text) {
    out += (out.empty() ? "" : "\n") + (color ? "\x1b[1m" + text + "\x1b[0m" : text) + "\n";
  };
  const auto note = [&](const std::string& text) {
    out += color ? "  \x1b[2m" + printable(text, 400) + "\x1b[0m\n" : "  " + printable(text, 400) + "\n";
  };
  for (const std::vector<const Board*>& boards : board_tables(leaderboard)) {
    title(title_of(*boards.front()));
    TextTable table;
    for (const Cell& cell : columns())
      table.column(cell.title, cell.right ? TextTable::Align::kRight : TextTable::Align::kLeft, cell.dim);
    for (const Board* board : boards) {
      for (const BoardRow& row : board->rows) table.row(cells(*board, row));
    }
    out += table.text(2, color);
    for (const std::string& text : board_notes(boards)) note(text);
    if (!verbose) continue;
    for (const Board* board : boards) {
      for (const BoardRow& row : board->rows) {
        if (!row.method.empty()) note(row.model + ": interval " + row.method + ", run " + row.run);
      }
    }
  }
  for (const BoardTotal& total : leaderboard.totals) {
    title(total_title(total));
    TextTable table;
    for (const std::string& name : total_columns())
      table.column(
          name, name == "model" || name == "interval" ? TextTable::Align::kLeft : TextTable::Align::kRight);
    for (const TotalRow& row : total.rows) table.row(total_cells(row));
    out += table.text(2, color);
    for (const std::string& text : total_notes(total)) note(text);
    if (verbose) note("members: " + join(total.members, ", "));
  }
  for (std::size_t i = 0; i < leaderboard.notes.size(); ++i)
    out += (i == 0 ? "\n" : "") + std::string("note: ") + leaderboard.notes[i] + "\n";
  return out;
}

std::string leaderboard_markdown(const Leaderboard& leaderboard) {
  std::string out;
  for (const std::vector<const Board*>& boards : board_tables(leaderboard)) {
    out += (out.empty() ? "### " : "\n### ") + escaped(title_of(*boards.front())) + "\n\n";
    std::vector<std::vector<std::string>> rows;
    std::vector<bool> bold;
    for (const Board* board : boards) {
      for (const BoardRow& row : board->rows) {
        rows.push_back(cells(*board, row));
        // Strong print says that nobody else may be first.
        bold.push_back(row.rank_best == 1 && row.rank_worst == 1 && board->ranked > 1);
      }
    }
    out += markdown_table(columns(), rows, bold);
    for (const std::string& text : board_notes(boards)) out += "\n" + escaped(text) + "\n";
  }
  for (const BoardTotal& total : leaderboard.totals) {
    out += "\n### " + escaped(total_title(total)) + "\n\n";
    std::vector<Cell> titles;
    for (const std::string& name : total_columns())
      titles.push_back({name, name != "model" && name != "interval"});
    std::vector<std::vector<std::string>> rows;
    for (const TotalRow& row : total.rows) rows.push_back(total_cells(row));
    out += markdown_table(titles, rows, std::vector<bool>(rows.size(), false));
    for (const std::string& text : total_notes(total)) out += "\n" + escaped(text) + "\n";
  }
  for (const std::string& text : leaderboard.notes) out += "\n" + escaped(text) + "\n";
  return out;
}

}  // namespace assay::host
