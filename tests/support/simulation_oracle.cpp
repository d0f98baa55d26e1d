// What the database of a simulated run must hold, from the plan alone: SQL and arithmetic of its own, nothing
// of the program's readers and statistics.
#include <fmt/format.h>
#include <sqlite3.h>

#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "tests/support/simulation.hpp"

namespace assay::test {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;
using Problems = std::vector<std::string>;
using Place = std::tuple<std::string, std::string, std::int64_t>;  // task, item, repeat

/// A copy of a database with its log, opened; the original is not touched by looking at it.
class Copy {
 public:
  explicit Copy(const fs::path& database) {
    folder_ = database.parent_path() / "copy";
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    fs::create_directories(folder_);
    for (const char* tail : {"", "-wal", "-journal"}) {
      const fs::path from = database.string() + tail;
      if (fs::exists(from)) fs::copy_file(from, folder_ / ("y.db" + std::string(tail)), ignored);
    }
    (void)sqlite3_open_v2((folder_ / "y.db").c_str(), &raw_, SQLITE_OPEN_READWRITE, nullptr);
  }
  ~Copy() {
    (void)sqlite3_close(raw_);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  /// Calls `visit(statement)` for every row; the error's text, or "".
  template <class Visit>
  std::string each(const std::string& sql, Visit&& visit) const {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(raw_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
      return sqlite3_errmsg(raw_);
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) visit(statement);
    const std::string error = code == SQLITE_DONE ? "" : sqlite3_errmsg(raw_);
    (void)sqlite3_finalize(statement);
    return error;
  }
  [[nodiscard]] std::int64_t number(const std::string& sql) const {
    std::int64_t out = -1;
    (void)each(sql, [&](sqlite3_stmt* s) { out = sqlite3_column_int64(s, 0); });
    return out;
  }

 private:
  fs::path folder_;
  sqlite3* raw_ = nullptr;
};

std::string text(sqlite3_stmt* statement, int column) {
  const void* bytes = sqlite3_column_blob(statement, column);
  const int size = sqlite3_column_bytes(statement, column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

void check_sound(const Copy& copy, Problems& problems) {
  const auto complain = [&](sqlite3_stmt* s) {
    if (text(s, 0) != "ok") problems.push_back("integrity_check: " + text(s, 0));
  };
  if (const std::string error = copy.each("PRAGMA integrity_check", complain); !error.empty())
    problems.push_back("integrity_check: " + error);
  (void)copy.each("PRAGMA foreign_key_check", [&](sqlite3_stmt* s) {
    problems.push_back("foreign_key_check: a row of " + text(s, 0) + " refers to nothing");
  });
}

std::string trimmed(const std::string& s) {
  return std::string(text::trim(s));
}

class Oracle {
 public:
  Oracle(const SimulationPlan& plan, const Copy& copy, Problems& problems)
      : plan_(plan), copy_(copy), problems_(problems) {
    for (const SimulatedItem& item : plan.items) {
      for (std::uint32_t r = 0; r < plan.repeats; ++r)
        planned_.emplace(Place{item.task, item.id, r}, std::pair(&item, truth_of(plan, item, r)));
    }
  }

  void check() {
    check_sound(copy_, problems_);
    check_run();
    check_results();
    check_responses();
    check_scores();
    check_counts();
    check_aggregates();
  }

 private:
  void problem(std::string sentence) { problems_.push_back(std::move(sentence)); }
  void expect(std::int64_t found, std::int64_t wanted, const std::string& what) {
    if (found != wanted) problem(fmt::format("{}: {} instead of {}", what, found, wanted));
  }

  void check_run() {
    bool failed = false;
    for (const auto& [place, known] : planned_) failed = failed || known.second.state >= ASSAY_STATE_ERROR;
    (void)copy_.each("SELECT status FROM run", [&](sqlite3_stmt* s) {
      if (text(s, 0) != (failed ? "incomplete" : "complete")) problem("the run is " + text(s, 0));
    });
    expect(copy_.number("SELECT count(*) FROM run"), 1, "runs");
    expect(copy_.number("SELECT count(*) FROM evaluation"), 2, "evaluations");
    expect(copy_.number("SELECT count(*) FROM model"), 1, "models");
    expect(copy_.number("SELECT count(*) FROM recipe"), 2, "recipes");
    expect(copy_.number("SELECT count(DISTINCT text) > 0 FROM warning WHERE code = 'W_BAD_ROW'"),
           plan_.bad_row ? 1 : 0, "warnings of bad rows");
    expect(copy_.number("SELECT count(*) FROM (SELECT 1 FROM warning GROUP BY evaluation, code, text HAVING "
                        "count(*) > 1)"),
           0, "warnings that are there more than once");
  }

  // Every planned item once, in its state, with its one answer.
  void check_results() {
    std::set<Place> seen;
    const std::string error = copy_.each(
        "SELECT c.name, r.item_id, r.repeat, r.state, r.label, r.position, p.state, p.code, p.attempts, "
        "p.answer, p.request, p.message, (SELECT count(*) FROM result_response WHERE result = r.id) "
        "FROM result r JOIN evaluation e ON e.id = r.evaluation JOIN recipe c ON c.id = e.recipe "
        "LEFT JOIN result_response l ON l.result = r.id LEFT JOIN response p ON p.id = l.response",
        [&](sqlite3_stmt* s) {
          const Place place{text(s, 0), text(s, 1), sqlite3_column_int64(s, 2)};
          const std::string name =
              fmt::format("item '{}' of '{}', repeat {}", text(s, 1), text(s, 0), std::get<2>(place));
          if (!seen.insert(place).second) return problem(name + " is there twice");
          const auto at = planned_.find(place);
          if (at == planned_.end()) return problem(name + " was asked for by nobody");
          const auto& [item, truth] = at->second;
          expect(sqlite3_column_int64(s, 3), truth.state, name + ", state");
          if (item->label >= 0) expect(sqlite3_column_int64(s, 4), item->label, name + ", label");
          expect(sqlite3_column_int64(s, 12), 1, name + ", answers");
          expect(sqlite3_column_int64(s, 6), truth.state, name + ", state of the answer");
          expect(sqlite3_column_int64(s, 7), truth.code, name + ", code: " + text(s, 11));
          expect(sqlite3_column_int64(s, 8), truth.attempts, name + ", attempts");
          check_answer(name, *item, truth, text(s, 9), text(s, 10));
        });
    if (!error.empty()) problem("results: " + error);
    for (const auto& [place, known] : planned_) {
      if (!seen.contains(place))
        problem(fmt::format("item '{}' of '{}', repeat {}, is missing", std::get<1>(place),
                            std::get<0>(place), std::get<2>(place)));
    }
  }

  void check_answer(const std::string& name, const SimulatedItem& item, const faulty::Outcome& truth,
                    const std::string& answer, const std::string& request) {
    const Json asked = Json::parse(request, nullptr, false);
    const std::string where = item.task == "qa" ? "prompt" : "continuation";
    if (!asked.is_object() || asked.value(where, "") != (item.task == "qa" ? item.prompt : item.text))
      problem(name + " was answered from another request: " + request);
    if (truth.code != ASSAY_OK) {
      if (!answer.empty()) problem(name + " failed, but has the answer " + answer);
      return;
    }
    const Json said = Json::parse(answer, nullptr, false);
    if (!said.is_object()) return problem(name + " has no readable answer: " + answer);
    if (item.task != "qa") return;
    const bool one = said.contains("choices") && said["choices"].size() == 1;
    if (!one || said["choices"][0].value("text", "?") != truth.text)
      problem(fmt::format("{}: the answer is {} instead of \"{}\"", name, answer, truth.text));
  }

  // No answer without a question: servable ones are stored once by key and used; failed ones are records.
  void check_responses() {
    const auto [wanted, failing] = distinct_requests(plan_);
    expect(copy_.number("SELECT count(*) FROM response WHERE state < 6"), wanted, "answers");
    expect(copy_.number("SELECT count(DISTINCT key) FROM response WHERE state < 6"), wanted,
           "different answers");
    expect(copy_.number("SELECT count(DISTINCT key) FROM response WHERE state >= 6"), failing,
           "different failed requests");
    const std::string unused =
        "SELECT count(*) FROM response WHERE id NOT IN (SELECT response FROM "
        "result_response) AND state ";
    expect(copy_.number(unused + "< 6"), 0, "answers that no result uses");
    bool again = false;
    for (const Segment& segment : plan_.segments) again = again || segment.retry_errors;
    if (!again) expect(copy_.number(unused + ">= 6"), 0, "failed requests that no result uses");
    expect(copy_.number("SELECT count(*) FROM result_response WHERE result NOT IN (SELECT id FROM result)"),
           0, "links without a result");
  }

  // The value that the metric must give; NaN: none.
  static double value_of(const SimulatedItem& item, const faulty::Outcome& truth) {
    if (truth.code != ASSAY_OK) return std::nan("");
    if (item.task == "qa") {
      const std::string answer = trimmed(truth.text);
      return answer.empty() ? std::nan("") : answer == trimmed(item.target) ? 1.0 : 0.0;
    }
    double sum = 0;
    for (const faulty::ScoredWord& word : truth.words) sum += word.logprob;
    return sum / static_cast<double>(truth.words.size());  // 0 / 0 without words
  }

  void check_scores() {
    std::set<Place> seen;
    (void)copy_.each(
        "SELECT c.name, r.item_id, r.repeat, s.number, s.state FROM score s JOIN result r ON r.id = s.result "
        "JOIN evaluation e ON e.id = r.evaluation JOIN recipe c ON c.id = e.recipe",
        [&](sqlite3_stmt* s) {
          const Place place{text(s, 0), text(s, 1), sqlite3_column_int64(s, 2)};
          const auto at = planned_.find(place);
          if (at == planned_.end()) return;
          const std::string name = fmt::format("score of '{}' of '{}'", text(s, 1), text(s, 0));
          if (!seen.insert(place).second) return problem(name + " is there twice");
          const double wanted = value_of(*at->second.first, at->second.second);
          const bool none = sqlite3_column_type(s, 3) == SQLITE_NULL;
          const double found = none ? std::nan("") : sqlite3_column_double(s, 3);
          const bool equal = std::isnan(wanted) ? none : std::abs(found - wanted) < 1e-12;
          if (!equal) problem(fmt::format("{}: {} instead of {}", name, found, wanted));
          if (!none) numbers_[place] = found;
        });
    expect(static_cast<std::int64_t>(seen.size()), static_cast<std::int64_t>(planned_.size()), "scores");
    expect(copy_.number("SELECT count(*) FROM score WHERE result NOT IN (SELECT id FROM result)"), 0,
           "scores without a result");
  }

  void check_counts() {
    (void)copy_.each(
        "SELECT e.id, e.n_ok, e.n_empty, e.n_refused, e.n_truncated, e.n_unparsed, e.n_unsupported, "
        "e.n_error, "
        "e.n_timeout, e.planned_items, e.status FROM evaluation e",
        [&](sqlite3_stmt* s) {
          const std::int64_t id = sqlite3_column_int64(s, 0);
          for (int state = 0; state < 8; ++state) {
            expect(sqlite3_column_int64(s, 1 + state),
                   copy_.number(fmt::format(
                       "SELECT count(*) FROM result WHERE evaluation = {} AND state = {}", id, state)),
                   fmt::format("count of state {} in evaluation {}", state, id));
          }
          expect(copy_.number(fmt::format("SELECT count(*) FROM result WHERE evaluation = {}", id)),
                 sqlite3_column_int64(s, 9), "planned items");
        });
  }

  // Means of the repeats of each item of a task; what the model left empty counts 0 in a proportion.
  std::map<std::string, double> units(const std::string& task) const {
    std::map<std::string, std::pair<double, int>> sums;
    for (const auto& [place, known] : planned_) {
      if (std::get<0>(place) != task) continue;
      const auto at = numbers_.find(place);
      const int state = known.second.state;
      const bool silent =
          state == ASSAY_STATE_EMPTY || state == ASSAY_STATE_REFUSED || state == ASSAY_STATE_TRUNCATED;
      if (at == numbers_.end() && !(silent && task == "qa")) continue;
      sums[std::get<1>(place)].first += at == numbers_.end() ? 0 : at->second;
      sums[std::get<1>(place)].second += 1;
    }
    std::map<std::string, double> out;
    for (const auto& [item, sum] : sums) out[item] = sum.first / sum.second;
    return out;
  }

  void compare(const std::string& what, bool undefined, double wanted, sqlite3_stmt* s, std::size_t scored) {
    const bool none = sqlite3_column_type(s, 2) == SQLITE_NULL;
    const double found = sqlite3_column_double(s, 2);
    if (none != undefined || (!none && std::abs(found - wanted) > 1e-12))
      problem(fmt::format("{}: {} instead of {}", what, none ? "none" : std::to_string(found),
                          undefined ? "none" : std::to_string(wanted)));
    expect(sqlite3_column_int64(s, 3), static_cast<std::int64_t>(scored), what + ", n_scored");
  }

  void check_aggregates() {
    int means = 0, aurocs = 0;
    (void)copy_.each(
        "SELECT c.name, a.statistic, a.estimate, a.n_scored, a.n_total, a.n_missing FROM aggregate a "
        "JOIN evaluation e ON e.id = a.evaluation JOIN recipe c ON c.id = e.recipe",
        [&](sqlite3_stmt* s) {
          const std::map<std::string, double> values = units(text(s, 0));
          expect(sqlite3_column_int64(s, 5), 0, "missing items");
          if (text(s, 0) == "qa") {
            ++means;
            double sum = 0;
            for (const auto& [item, value] : values) sum += value;
            compare("exact_match", values.empty(), sum / static_cast<double>(values.size()), s,
                    values.size());
          } else if (text(s, 1) == "auroc") {
            ++aurocs;
            check_auroc(values, s);
          }
        });
    expect(means, 1, "aggregates of exact_match");
    expect(aurocs, 1, "aggregates of the AUROC");
  }

  // The share of pairs in which the member scores higher; ties count half.
  void check_auroc(const std::map<std::string, double>& values, sqlite3_stmt* s) {
    double wins = 0, pairs = 0;
    for (const SimulatedItem& member : plan_.items) {
      if (member.label != 1 || !values.contains(member.id)) continue;
      for (const SimulatedItem& other : plan_.items) {
        if (other.label != 0 || !values.contains(other.id)) continue;
        const double a = values.at(member.id), b = values.at(other.id);
        wins += a > b ? 1 : a == b ? 0.5 : 0;
        pairs += 1;
      }
    }
    compare("auroc", pairs == 0, wins / pairs, s, values.size());
  }

  const SimulationPlan& plan_;
  const Copy& copy_;
  Problems& problems_;
  std::map<Place, std::pair<const SimulatedItem*, faulty::Outcome>> planned_;
  std::map<Place, double> numbers_;  ///< scores as stored
};

}  // namespace

assay_request request_of(const SimulatedItem& item, std::uint32_t repeat) {
  assay_request request{};
  request.struct_size = sizeof request;
  request.kind = item.task == "qa" ? ASSAY_REQUEST_GENERATE : ASSAY_REQUEST_SCORE;
  request.repeat = repeat;
  request.prompt = str(item.prompt);
  request.continuation = str(item.text);
  return request;
}

faulty::Outcome truth_of(const SimulationPlan& plan, const SimulatedItem& item, std::uint32_t repeat) {
  const assay_request request = request_of(item, repeat);
  const faulty::Outcome known = faulty::outcome(plan.truth, request, plan.retry.attempts);
  // A polite model gives up at the time limit; what a rude one says later counts only if it is a failure.
  const bool late = plan.retry.attempt_ns != 0 && faulty::is_late(plan.truth, faulty::request_hash(request));
  if (!late || (plan.rude && known.code != ASSAY_OK)) return known;
  faulty::Outcome timeout;
  timeout.code = ASSAY_TIMEOUT;
  timeout.state = ASSAY_STATE_TIMEOUT;
  timeout.attempts = plan.retry.attempts;
  return timeout;
}

std::pair<std::int64_t, std::int64_t> distinct_requests(const SimulationPlan& plan) {
  std::set<std::string> wanted, failing;
  for (const SimulatedItem& item : plan.items) {
    for (std::uint32_t r = 0; r < plan.repeats; ++r) {
      const bool fails = truth_of(plan, item, r).state >= ASSAY_STATE_ERROR;
      (fails ? failing : wanted).insert(fmt::format("{}|{}|{}|{}", item.task, item.prompt, item.text, r));
    }
  }
  return {static_cast<std::int64_t>(wanted.size()), static_cast<std::int64_t>(failing.size())};
}

void check_equal_runs(const fs::path& database, Problems& problems) {
  const Copy copy(database);
  check_sound(copy, problems);
  const char* const kPairs[][2] = {
      {"aggregates",
       "aggregate a JOIN evaluation e ON e.id = a.evaluation JOIN recipe c ON c.id = e.recipe JOIN value v "
       "ON "
       "v.id = a.value GROUP BY c.name, v.name, a.variant, a.statistic, a.estimate, a.se, a.lo, a.hi, "
       "a.n_total, a.n_scored, a.n_missing"},
      {"results",
       "result r JOIN evaluation e ON e.id = r.evaluation JOIN recipe c ON c.id = e.recipe GROUP BY c.name, "
       "r.item_id, r.variant, r.repeat, r.state, r.label, r.content"},
      {"scores",
       "score s JOIN result r ON r.id = s.result JOIN evaluation e ON e.id = r.evaluation JOIN recipe c ON "
       "c.id = e.recipe GROUP BY c.name, r.item_id, r.variant, r.repeat, s.number, s.state"}};
  for (const auto& [what, from] : kPairs) {
    const std::int64_t odd =
        copy.number(fmt::format("SELECT count(*) FROM (SELECT count(*) AS n FROM {} HAVING n <> 2)", from));
    const std::int64_t pairs =
        copy.number(fmt::format("SELECT count(*) FROM (SELECT count(*) AS n FROM {} HAVING n = 2)", from));
    if (odd != 0 || pairs <= 0)
      problems.push_back(fmt::format("{}: {} are equal in both runs, {} are not", what, pairs, odd));
  }
}

std::vector<StoredRow> stored_rows(const fs::path& database, Problems& problems) {
  std::vector<StoredRow> rows;
  if (!fs::exists(database)) return rows;
  const Copy copy(database);
  check_sound(copy, problems);
  const std::string error = copy.each(
      "SELECT c.name, r.item_id, r.repeat, r.state, r.id, p.answer FROM result r JOIN evaluation e ON e.id = "
      "r.evaluation JOIN recipe c ON c.id = e.recipe LEFT JOIN result_response l ON l.result = r.id LEFT "
      "JOIN "
      "response p ON p.id = l.response ORDER BY r.id",
      [&](sqlite3_stmt* s) {
        rows.push_back({text(s, 0), text(s, 1), sqlite3_column_int64(s, 2), sqlite3_column_int64(s, 3),
                        sqlite3_column_int64(s, 4), text(s, 5)});
      });
  if (!error.empty() && error.find("no such table") == std::string::npos)
    problems.push_back("the results cannot be read: " + error);
  return rows;
}

bool is_finished(const fs::path& database) {
  return fs::exists(database) &&
         Copy(database).number("SELECT count(*) FROM run WHERE status IN ('complete', 'incomplete')") > 0;
}

void check_database(const SimulationPlan& plan, const fs::path& database, Problems& problems) {
  if (!fs::exists(database)) {
    problems.push_back("there is no database");
    return;
  }
  const Copy copy(database);
  Oracle(plan, copy, problems).check();
}

}  // namespace assay::test
