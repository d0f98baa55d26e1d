// From chosen evaluations to boards.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "assay/plugin.h"
#include "db/answer_value.hpp"
#include "harness/base/numbers.hpp"
#include "harness/base/strings.hpp"
#include "harness/stats/random.hpp"
#include "reports/leaderboard/detail.hpp"
#include "reports/table.hpp"

namespace assay::host {

using leaderboard_detail::Candidate;
using leaderboard_detail::Chosen;
using leaderboard_detail::key_of;
using leaderboard_detail::Member;
using leaderboard_detail::MetricKey;
using leaderboard_detail::Roster;
using leaderboard_detail::wanted;

namespace {

const MetricRow* metric_named(const Chosen& chosen, const std::string& name) {
  for (const MetricRow& metric : chosen.metrics) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

BoardRow row_of(const Chosen& chosen) {
  BoardRow row;
  row.model = chosen.model.name;
  row.fingerprint = chosen.model.fingerprint;
  row.run = chosen.run.uuid;
  row.label = chosen.run.label;
  row.started = chosen.run.started;
  row.status = chosen.evaluation.status;
  row.imported = chosen.run.origin == "import";
  return row;
}

void put_numbers(const AggregateLine& line, BoardRow& row) {
  const AggregateRow& from = line.row;
  row.estimate = if_finite(from.estimate);
  row.se = if_finite(from.se);
  row.lo = if_finite(from.lo);
  row.hi = if_finite(from.hi);
  row.method = from.method;
  row.remark = row.estimate                    ? std::string()
               : from.undefined_reason.empty() ? std::string("no score")
                                               : from.undefined_reason;
  row.n = from.n_scored;
  row.missing = from.n_missing;
  for (std::size_t s = 0; s < row.states.size(); ++s) row.states[s] = from.states[s];
}

/// All boards of one recipe.
class RecipeBoards {
 public:
  RecipeBoards(Reader& reader, const LeaderboardOptions& options, std::vector<const Chosen*> chosen,
               Leaderboard& out, std::vector<Member>& members)
      : reader_(reader), options_(options), chosen_(std::move(chosen)), out_(out), members_(members) {
    const Chosen& newest = *chosen_.front();
    seed_ = stats::task_seed(newest.run.seed, "bootstrap", newest.recipe.name);
    permutation_seed_ = stats::task_seed(newest.run.seed, "permutation", newest.recipe.name);
  }

  Result<void> run() {
    // One model alone needs no values by item.
    if (chosen_.size() > 1 || options_.usage) {
      Result<Roster> roster = load_roster(reader_, chosen_, options_.usage);
      if (!roster) return std::move(roster).error();
      roster_ = std::move(*roster);
    } else {
      roster_.sheets.resize(chosen_.size());
    }
    std::vector<MetricKey> keys;
    for (const Chosen* one : chosen_) {
      for (const AggregateLine& line : one->lines) {
        if (line.baseline || !wanted(line, options_)) continue;
        const MetricRow* metric = metric_named(*one, line.metric);
        if (metric == nullptr) continue;
        const MetricKey key = key_of(*metric);
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
      }
    }
    for (const MetricKey& key : keys) {
      if (Result<void> done = metric(key); !done) return done;
    }
    reported();
    return {};
  }

 private:
  // All values and variants of one metric; its tables are read once.
  Result<void> metric(const MetricKey& key) {
    struct Source {
      const Chosen* chosen = nullptr;
      const MetricRow* metric = nullptr;
      std::size_t sheet = 0;
      MetricTable table;
    };
    std::vector<Source> sources;
    for (std::size_t e = 0; e < chosen_.size(); ++e) {
      const MetricRow* metric = metric_named(*chosen_[e], std::get<0>(key));
      if (metric == nullptr || key_of(*metric) != key) continue;
      Source& source = sources.emplace_back();
      source.chosen = chosen_[e];
      source.metric = metric;
      source.sheet = e;
    }
    for (Source& source : sources) {
      if (sources.size() < 2) break;
      Result<MetricTable> table = reader_.metric_table(source.chosen->evaluation.id, source.metric->id);
      if (!table) return std::move(table).error();
      source.table = std::move(*table);
    }
    std::vector<std::pair<std::string, std::string>> columns;  // value, variant
    for (const Source& source : sources) {
      for (const AggregateLine& line : source.chosen->lines) {
        if (line.metric != source.metric->name || !wanted(line, options_)) continue;
        std::pair<std::string, std::string> column{line.value, line.row.variant};
        if (std::find(columns.begin(), columns.end(), column) == columns.end())
          columns.push_back(std::move(column));
      }
    }
    for (const auto& [value, variant] : columns) {
      Board board;
      std::vector<Candidate> candidates;
      bool testable = true;
      const AggregateLine* first = nullptr;
      const Chosen* first_of = nullptr;
      for (const Source& source : sources) {
        const AggregateLine* found = nullptr;
        for (const AggregateLine& line : source.chosen->lines) {
          if (line.metric == source.metric->name && line.value == value && line.row.variant == variant &&
              !companion(line))
            found = &line;
        }
        if (found == nullptr) continue;
        // The same name with another rule or direction is another number.
        if (first != nullptr && (found->rule != first->rule || found->direction != first->direction))
          continue;
        if (first == nullptr) first = found, first_of = source.chosen;
        testable = testable && found->rule != ASSAY_RULE_CUSTOM && !found->no_interval;
        Candidate& candidate = candidates.emplace_back();
        candidate.row = row_of(*source.chosen);
        candidate.sheet = source.sheet;
        put_numbers(*found, candidate.row);
        put_usage(source.sheet, candidate.row);
        if (sources.size() < 2) {
          candidate.comparable = true;
        } else if (found->rule != ASSAY_RULE_CUSTOM) {
          Result<leaderboard_detail::Column> column =
              load_column(source.table, *source.metric, value, variant, roster_, source.sheet);
          if (!column) return std::move(column).error();
          candidate.column = std::move(*column);
          candidate.comparable = std::any_of(candidate.column.numbers.begin(), candidate.column.numbers.end(),
                                             [](double x) { return !std::isnan(x); });
        }
        if (leaderboard_detail::is_per_token(source.table, value) && candidate.row.remark.empty() &&
            other_tokenizer(source.chosen->model, first_of->model))
          candidate.row.remark =
              "another tokenizer than the newest model's, so a value per token is another unit";
        if (const std::int64_t changed = roster_.sheets[source.sheet].changed;
            changed != 0 && candidate.row.remark.empty())
          candidate.row.remark =
              fmt::format("{} items say something else under the same id than in newer runs", changed);
      }
      if (first == nullptr) continue;
      describe(*first_of, *first, board);
      add_model_free(*first_of, *first, candidates);
      const std::size_t models = sources.size();
      rank_board(board, candidates, roster_, seed_, permutation_seed_, testable && models > 1, options_);
      if (models < 2) board.notes.clear();
      keep(board, candidates);
    }
    return {};
  }

  void describe(const Chosen& chosen, const AggregateLine& line, Board& board) const {
    board.suite = chosen.run.suite_name;
    board.task = chosen.recipe.name;
    board.recipe = chosen.recipe.hash;
    board.metric = line.metric;
    board.value = line.value;
    board.variant = line.row.variant;
    board.unit = line.unit;
    board.statistic = line.row.statistic;
    board.rule = line.rule;
    board.direction = line.direction;
  }

  void put_usage(std::size_t sheet, BoardRow& row) const {
    row.tokens_in = roster_.sheets[sheet].tokens_in;
    row.tokens_out = roster_.sheets[sheet].tokens_out;
    row.seconds = roster_.sheets[sheet].seconds;
  }

  // Model-free rules look at the items alone, so those of one evaluation stand for all.
  static void add_model_free(const Chosen& chosen, const AggregateLine& line,
                             std::vector<Candidate>& candidates) {
    for (const AggregateLine& other : chosen.lines) {
      if (!other.baseline) continue;
      // Which rules can be held against a value is decided in one place.
      const Baseline held = best_baseline({other}, line);
      if (held.line == nullptr) continue;
      BoardRow row = row_of(chosen);
      row.model = other.metric;
      row.fingerprint.clear();
      row.model_free = true;
      put_numbers(other, row);
      row.negated = held.negated;
      if (held.negated) {
        row.estimate = held.estimate;
        const std::optional<double> lo = row.lo, hi = row.hi;
        row.lo = hi ? std::optional<double>(1 - *hi) : std::nullopt;
        row.hi = lo ? std::optional<double>(1 - *lo) : std::nullopt;
      }
      candidates.emplace_back().row = std::move(row);
    }
  }

  void keep(Board& board, std::vector<Candidate>& candidates) {
    const bool average = board.rule == ASSAY_RULE_MEAN || board.rule == ASSAY_RULE_PROPORTION;
    Member member;
    member.board = out_.boards.size();
    member.newest = chosen_.front()->run.started;
    if (average && chosen_.size() > 1) {
      if (units_.empty()) units_ = unit_names(roster_.items, chosen_.front()->recipe.hash.substr(0, 8));
      member.units = units_;
    }
    for (Candidate& candidate : candidates) {
      if (average && candidate.row.rank_best != 0)
        member.numbers[candidate.row.fingerprint] = std::move(candidate.column.numbers);
      board.rows.push_back(std::move(candidate.row));
    }
    out_.boards.push_back(std::move(board));
    members_.push_back(std::move(member));
  }

  // Numbers that a log states about a run without items: shown, marked, and never ranked.
  void reported() {
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<Candidate>> boards;
    for (const Chosen* one : chosen_) {
      if (one->evaluation.results() != 0) continue;
      for (const ReportedRow& stated : one->reported) {
        if (stated.statistic.find("stderr") != std::string::npos) continue;
        Candidate candidate;
        BoardRow& row = candidate.row;
        row = row_of(*one);
        row.self_reported = true;
        row.estimate = if_finite(stated.number);
        if (!row.estimate) row.remark = "the log states '" + stated.text.substr(0, 60) + "'";
        row.n = stated.n > 0 ? stated.n : 0;
        for (const ReportedRow& error : one->reported) {
          if (error.metric == stated.metric && error.split == stated.split && error.statistic == "stderr")
            row.se = if_finite(error.number);
        }
        boards[{stated.metric, stated.statistic, stated.split}].push_back(std::move(candidate));
      }
    }
    for (auto& [name, candidates] : boards) {
      if (!options_.metric.empty() && !glob_match(options_.metric, std::get<0>(name))) continue;
      const Chosen& newest = *chosen_.front();
      Board board;
      board.suite = newest.run.suite_name;
      board.task = newest.recipe.name;
      board.recipe = newest.recipe.hash;
      board.metric = std::get<0>(name);
      board.value = board.statistic = std::get<1>(name);
      board.variant = std::get<2>(name);
      board.notes.emplace_back(
          "self-reported: the log states the numbers and holds no items, so nothing is ranked");
      std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        return std::tie(a.row.model, a.row.fingerprint) < std::tie(b.row.model, b.row.fingerprint);
      });
      for (Candidate& candidate : candidates) board.rows.push_back(std::move(candidate.row));
      out_.boards.push_back(std::move(board));
      members_.emplace_back().board = out_.boards.size() - 1;
    }
  }

  Reader& reader_;
  const LeaderboardOptions& options_;
  std::vector<const Chosen*> chosen_;  // newest first
  Leaderboard& out_;
  std::vector<Member>& members_;
  Roster roster_;
  std::vector<std::string> units_;
  std::uint64_t seed_ = 0, permutation_seed_ = 0;
};

}  // namespace

leaderboard_detail::MetricKey leaderboard_detail::key_of(const MetricRow& metric) {
  return {metric.name, metric.plugin_id, metric.plugin_version.substr(0, metric.plugin_version.find('.')),
          metric.params_json};
}

Result<Leaderboard> build_leaderboard(Reader& reader, const LeaderboardOptions& options) {
  if (!(options.alpha > 0 && options.alpha < 1))
    return Error{Code::kInvalidArgument,
                 fmt::format("alpha {}: expected a number between 0 and 1", options.alpha), "alpha"};
  Result<leaderboard_detail::Selection> selection = leaderboard_detail::select(reader, options, true);
  if (!selection) return std::move(selection).error();
  Leaderboard out;
  out.options = options;
  out.notes = std::move(selection->notes);
  // Recipes by the name of the task, of one name the newest first.
  std::vector<std::vector<const Chosen*>> recipes;
  std::map<std::string, std::size_t> place;
  for (const Chosen& one : selection->chosen) {
    const auto [at, fresh] = place.try_emplace(one.recipe.hash, recipes.size());
    if (fresh) recipes.emplace_back();
    recipes[at->second].push_back(&one);
  }
  std::stable_sort(recipes.begin(), recipes.end(), [](const auto& a, const auto& b) {
    return std::tie(a.front()->run.suite_name, a.front()->recipe.name) <
           std::tie(b.front()->run.suite_name, b.front()->recipe.name);
  });
  std::vector<Member> members;
  for (std::vector<const Chosen*>& recipe : recipes) {
    RecipeBoards boards(reader, options, std::move(recipe), out, members);
    if (Result<void> done = boards.run(); !done) return std::move(done).error();
  }
  if (out.boards.empty()) {
    return Error{Code::kNotFound,
                 "the chosen runs have no value to show" +
                     (options.metric.empty() ? std::string() : " for --metric " + options.metric) +
                     " (`assay show RUN -v` lists all)",
                 {}};
  }
  leaderboard_detail::add_totals(out, members, selection->chosen.front().run.seed);
  return out;
}

}  // namespace assay::host
