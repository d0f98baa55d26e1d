// Leaderboards for machines: JSON and CSV.
#include <nlohmann/json.hpp>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/leaderboard/detail.hpp"

namespace assay::host {

Json leaderboard_detail::json_of(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json leaderboard_detail::json_of(const std::optional<std::int64_t>& value) {
  return value ? Json(*value) : Json(nullptr);
}

namespace {

using leaderboard_detail::json_of;

Json row_json(const BoardRow& row) {
  Json states = Json::object();
  for (std::size_t s = 0; s < row.states.size(); ++s) states[state_name(static_cast<int>(s))] = row.states[s];
  Json one = {{"model", row.model},
              {"fingerprint", row.fingerprint},
              {"run", row.run},
              {"label", row.label},
              {"started", row.started},
              {"status", row.status},
              {"model_free", row.model_free},
              {"negated", row.negated},
              {"imported", row.imported},
              {"self_reported", row.self_reported},
              {"rank_best", row.rank_best == 0 ? Json(nullptr) : Json(row.rank_best)},
              {"rank_worst", row.rank_best == 0 ? Json(nullptr) : Json(row.rank_worst)},
              {"letter", row.letter},
              {"estimate", json_of(row.estimate)},
              {"se", json_of(row.se)},
              {"lo", json_of(row.lo)},
              {"hi", json_of(row.hi)},
              {"method", row.method},
              {"n", row.n},
              {"missing", row.missing},
              {"states", std::move(states)},
              {"delta", json_of(row.delta)},
              {"delta_p", json_of(row.delta_p)},
              {"mde", json_of(row.mde)},
              {"tokens_in", json_of(row.tokens_in)},
              {"tokens_out", json_of(row.tokens_out)},
              {"cost", json_of(row.cost)},
              {"seconds", json_of(row.seconds)}};
  if (!row.remark.empty()) one["remark"] = row.remark;
  return one;
}

Json averaged_json(const Averaged& value) {
  return {{"value", json_of(value.value)},
          {"se", json_of(value.se)},
          {"lo", json_of(value.lo)},
          {"hi", json_of(value.hi)}};
}

Json direction_json(int direction) {
  return direction == ASSAY_NO_DIRECTION ? Json(nullptr) : Json(direction == ASSAY_HIGHER_IS_BETTER);
}

// RFC 4180, and no cell that a spreadsheet takes for a formula.
std::string cell(std::string text) {
  if (!text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos &&
      !parse_double(text)) {
    text.insert(text.begin(), '\'');
  }
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}
std::string cell(const std::optional<double>& value) {
  return value ? number_text(*value) : std::string();
}
std::string cell(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : std::string();
}
std::string cell(bool value) {
  return value ? "true" : "false";
}

}  // namespace

Json leaderboard_json(const Leaderboard& leaderboard) {
  Json boards = Json::array();
  for (const Board& board : leaderboard.boards) {
    Json rows = Json::array();
    for (const BoardRow& row : board.rows) rows.push_back(row_json(row));
    boards.push_back({{"suite", board.suite},
                      {"task", board.task},
                      {"recipe", board.recipe},
                      {"version", board.version()},
                      {"metric", board.metric},
                      {"value", board.value},
                      {"variant", board.variant},
                      {"unit", board.unit},
                      {"statistic", board.statistic},
                      {"higher_is_better", direction_json(board.direction)},
                      {"ranked", board.ranked},
                      {"tests", board.pairs},
                      {"common_items", board.common_items},
                      {"notes", board.notes},
                      {"rows", std::move(rows)}});
  }
  Json totals = Json::array();
  for (const BoardTotal& total : leaderboard.totals) {
    Json rows = Json::array();
    for (const TotalRow& row : total.rows) {
      rows.push_back({{"model", row.model},
                      {"fingerprint", row.fingerprint},
                      {"mean", averaged_json(row.mean)},
                      {"centred_mean", averaged_json(row.centred)},
                      {"win_rate", averaged_json(row.win_rate)},
                      {"borda", averaged_json(row.borda)},
                      {"bradley_terry", averaged_json(row.strength)}});
    }
    Json one = {{"suite", total.suite},     {"metric", total.metric},
                {"value", total.value},     {"higher_is_better", direction_json(total.direction)},
                {"members", total.members}, {"left_out", total.left_out},
                {"method", total.method},   {"rows", std::move(rows)}};
    if (total.replicates != 0) one["replicates"] = total.replicates, one["seed"] = std::to_string(total.seed);
    totals.push_back(std::move(one));
  }
  return Json{{"schema", "assay-leaderboard/1"}, {"alpha", leaderboard.options.alpha},
              {"multiplicity", "holm"},          {"notes", leaderboard.notes},
              {"boards", std::move(boards)},     {"across_tasks", std::move(totals)}};
}

std::string leaderboard_csv(const Leaderboard& leaderboard) {
  std::string out =
      "suite,task,recipe,metric,value,variant,rank_best,rank_worst,model,fingerprint,estimate,se,lo,hi,"
      "method,n,missing";
  for (int s = 0; s < 8; ++s) out += std::string(",") + state_name(s);
  out +=
      ",delta,delta_p,mde,letter,tokens_in,tokens_out,cost,seconds,started,run,label,model_free,imported,"
      "self_reported,"
      "remark\r\n";
  for (const Board& board : leaderboard.boards) {
    for (const BoardRow& row : board.rows) {
      const std::string best = row.rank_best == 0 ? "" : std::to_string(row.rank_best);
      const std::string worst = row.rank_best == 0 ? "" : std::to_string(row.rank_worst);
      std::vector<std::string> cells = {cell(board.suite),
                                        cell(board.task),
                                        cell(board.recipe),
                                        cell(board.metric),
                                        cell(board.value),
                                        cell(board.variant),
                                        best,
                                        worst,
                                        cell(row.model),
                                        row.fingerprint,
                                        cell(row.estimate),
                                        cell(row.se),
                                        cell(row.lo),
                                        cell(row.hi),
                                        cell(row.method),
                                        std::to_string(row.n),
                                        std::to_string(row.missing)};
      for (const std::int64_t count : row.states) cells.push_back(std::to_string(count));
      for (std::string& text : std::vector<std::string>{
               cell(row.delta), cell(row.delta_p), cell(row.mde), row.letter, cell(row.tokens_in),
               cell(row.tokens_out), cell(row.cost), cell(row.seconds), cell(row.started), row.run,
               cell(row.label), cell(row.model_free), cell(row.imported), cell(row.self_reported),
               cell(row.remark)}) {
        cells.push_back(std::move(text));
      }
      out += join(cells, ",") + "\r\n";
    }
  }
  return out;
}

}  // namespace assay::host
