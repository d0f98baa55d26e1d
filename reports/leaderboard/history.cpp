// Scores over time: every complete evaluation of a model in the order of its runs, each tested against the
// one before it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "assay/plugin.h"
#include "db/answer_value.hpp"
#include "harness/base/numbers.hpp"
#include "harness/base/strings.hpp"
#include "harness/stats/multiplicity.hpp"
#include "harness/stats/random.hpp"
#include "reports/leaderboard/detail.hpp"
#include "reports/leaderboard/format.hpp"
#include "reports/table.hpp"
#include "reports/text_table.hpp"

namespace assay::host {
namespace {

using leaderboard_detail::Candidate;
using leaderboard_detail::Chosen;
using leaderboard_detail::json_of;
using leaderboard_detail::Roster;

// A history with the evaluations and aggregates its points come from.
struct Course {
  History history;
  std::vector<const Chosen*> runs;
  std::vector<const AggregateLine*> lines;
};

void add_point(const Chosen& one, const AggregateLine& line, std::vector<Course>& courses) {
  const auto same = [&](const Course& course) {
    const History& h = course.history;
    return h.task == one.recipe.name && h.metric == line.metric && h.value == line.value &&
           h.variant == line.row.variant && h.model == one.model.name;
  };
  auto at = std::find_if(courses.begin(), courses.end(), same);
  if (at == courses.end()) {
    at = courses.insert(courses.end(), Course());
    at->history.task = one.recipe.name;
    at->history.metric = line.metric;
    at->history.value = line.value;
    at->history.variant = line.row.variant;
    at->history.model = one.model.name;
    at->history.direction = line.direction;
  }
  HistoryPoint point;
  point.run = one.run.uuid;
  point.started = one.run.started;
  point.recipe = one.recipe.hash;
  point.label = one.run.label;
  point.fingerprint = one.model.fingerprint;
  point.estimate = if_finite(line.row.estimate);
  point.lo = if_finite(line.row.lo);
  point.hi = if_finite(line.row.hi);
  point.n = line.row.n_scored;
  at->history.points.push_back(std::move(point));
  at->runs.push_back(&one);
  at->lines.push_back(&line);
}

const MetricRow* metric_of(const Chosen& chosen, const std::string& name) {
  for (const MetricRow& metric : chosen.metrics) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

// Whether point `i` of a course can be tested against the one before it.
bool testable(const Course& course, std::size_t i) {
  const std::vector<HistoryPoint>& points = course.history.points;
  if (i == 0 || points[i].recipe != points[i - 1].recipe || course.runs[i] == course.runs[i - 1])
    return false;
  const AggregateLine &x = *course.lines[i - 1], &y = *course.lines[i];
  const MetricRow *a = metric_of(*course.runs[i - 1], x.metric), *b = metric_of(*course.runs[i], y.metric);
  return a != nullptr && b != nullptr && leaderboard_detail::key_of(*a) == leaderboard_detail::key_of(*b) &&
         x.rule == y.rule && x.direction == y.direction && x.rule != ASSAY_RULE_CUSTOM && !x.no_interval &&
         !y.no_interval && course.runs[i - 1]->evaluation.results() != 0 &&
         course.runs[i]->evaluation.results() != 0;
}

// Steps of several courses between the same two evaluations.
using Steps = std::map<std::pair<const Chosen*, const Chosen*>, std::vector<std::pair<Course*, std::size_t>>>;

// Two evaluations at a time are held, whatever the length of the histories.
Result<void> test_pair(Reader& reader, const LeaderboardOptions& options, const Chosen& before,
                       const Chosen& after, const std::vector<std::pair<Course*, std::size_t>>& steps) {
  Result<Roster> roster = leaderboard_detail::load_roster(reader, {&after, &before}, false);
  if (!roster) return std::move(roster).error();
  const std::uint64_t seed = stats::task_seed(after.run.seed, "bootstrap", after.recipe.name);
  const std::uint64_t flips = stats::task_seed(after.run.seed, "permutation", after.recipe.name);
  std::map<std::string, std::pair<MetricTable, MetricTable>> tables;  // by metric
  for (const auto& [course, i] : steps) {
    const AggregateLine& line = *course->lines[i];
    const MetricRow *x = metric_of(before, line.metric), *y = metric_of(after, line.metric);
    const auto [at, fresh] = tables.try_emplace(line.metric);
    if (fresh) {
      Result<MetricTable> first = reader.metric_table(before.evaluation.id, x->id);
      if (!first) return std::move(first).error();
      Result<MetricTable> second = reader.metric_table(after.evaluation.id, y->id);
      if (!second) return std::move(second).error();
      at->second = {std::move(*first), std::move(*second)};
    }
    if (leaderboard_detail::is_per_token(at->second.second, line.value) &&
        other_tokenizer(before.model, after.model))
      continue;
    Candidate baseline, candidate;
    baseline.sheet = 1, candidate.sheet = 0;
    Result<leaderboard_detail::Column> a = leaderboard_detail::load_column(
        at->second.first, *x, line.value, line.row.variant, *roster, baseline.sheet);
    if (!a) return std::move(a).error();
    Result<leaderboard_detail::Column> b = leaderboard_detail::load_column(
        at->second.second, *y, line.value, line.row.variant, *roster, candidate.sheet);
    if (!b) return std::move(b).error();
    if (a->numbers.empty() || b->numbers.empty()) continue;
    baseline.column = std::move(*a), candidate.column = std::move(*b);
    Board board;
    board.rule = line.rule;
    board.direction = line.direction;
    const std::optional<stats::Difference> difference =
        leaderboard_detail::paired_difference(board, *roster, seed, flips, baseline, candidate, options);
    if (!difference) continue;
    course->history.points[i].delta = difference->delta;
    course->history.points[i].p = difference->p;
  }
  return {};
}

// Tests every point against the one before it and marks what changed.
Result<void> test_steps(Reader& reader, const LeaderboardOptions& options, std::vector<Course>& courses) {
  Steps steps;
  for (Course& course : courses) {
    for (std::size_t i = 1; i < course.runs.size(); ++i) {
      if (testable(course, i)) steps[{course.runs[i - 1], course.runs[i]}].emplace_back(&course, i);
    }
  }
  for (const auto& [pair, members] : steps) {
    if (Result<void> done = test_pair(reader, options, *pair.first, *pair.second, members); !done)
      return done;
  }
  for (Course& course : courses) {
    std::vector<double> p;
    for (const HistoryPoint& point : course.history.points) p.push_back(point.p.value_or(NAN));
    const stats::Adjusted holm = stats::holm(p);
    for (std::size_t i = 0; i < p.size(); ++i) {
      HistoryPoint& point = course.history.points[i];
      point.p = if_finite(holm.p[i]);
      const bool changed = point.p && *point.p < options.alpha && point.delta && *point.delta != 0;
      if (!changed || course.history.direction == ASSAY_NO_DIRECTION) continue;
      const bool up = *point.delta > 0;
      point.change = up == (course.history.direction != ASSAY_LOWER_IS_BETTER) ? 1 : -1;
    }
  }
  return {};
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
  std::vector<Course> courses;
  // Newest first, so the points are turned round at the end.
  for (const Chosen& one : selection->chosen) {
    for (const AggregateLine& line : one.lines) {
      if (!line.baseline && leaderboard_detail::wanted(line, options)) add_point(one, line, courses);
    }
  }
  if (courses.empty()) {
    return Error{Code::kNotFound,
                 "no stored value of a metric called '" + printable(options.metric, 80) +
                     "' (`assay show RUN` lists the metrics of a run)",
                 {}};
  }
  for (Course& course : courses) {
    std::reverse(course.history.points.begin(), course.history.points.end());
    std::reverse(course.runs.begin(), course.runs.end());
    std::reverse(course.lines.begin(), course.lines.end());
  }
  std::sort(courses.begin(), courses.end(), [](const Course& x, const Course& y) {
    const History &a = x.history, &b = y.history;
    return std::tie(a.task, a.metric, a.value, a.variant, a.model) <
           std::tie(b.task, b.metric, b.value, b.variant, b.model);
  });
  if (Result<void> done = test_steps(reader, options, courses); !done) return std::move(done).error();
  std::vector<History> out;
  for (Course& course : courses) out.push_back(std::move(course.history));
  return out;
}

std::string change_text(const HistoryPoint& point) {
  return point.change < 0 ? "regressed" : point.change > 0 ? "improved" : "";
}

std::string history_text(const std::vector<History>& histories, bool color) {
  std::string out;
  for (const History& history : histories) {
    const std::string title = history.task + (history.variant.empty() ? "" : " (" + history.variant + ")") +
                              "  " + history.metric + " " + history.value + "  " + history.model +
                              (history.direction == ASSAY_LOWER_IS_BETTER ? "  (lower is better)" : "");
    out += (out.empty() ? "" : "\n") + (color ? "\x1b[1m" + title + "\x1b[0m" : title) + "\n  " +
           sparkline(history) + "\n";
    TextTable table;
    table.column("date");
    table.column("score", TextTable::Align::kRight);
    table.column("95 % interval");
    table.column("change");
    table.column("n", TextTable::Align::kRight, true);
    table.column("fingerprint", TextTable::Align::kLeft, true);
    table.column("recipe", TextTable::Align::kLeft, true);
    table.column("run", TextTable::Align::kLeft, true);
    table.column("label", TextTable::Align::kLeft, true);
    for (const HistoryPoint& point : history.points) {
      table.row({point.started.substr(0, 16), point.estimate ? score_text(*point.estimate) : "n/a",
                 point.lo && point.hi ? score_text(*point.lo) + " to " + score_text(*point.hi) : "",
                 change_text(point), std::to_string(point.n), point.fingerprint.substr(0, 8),
                 point.recipe.substr(0, 8), point.run.substr(0, 8), printable(point.label, 40)});
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
                        {"n", point.n},
                        {"fingerprint", point.fingerprint},
                        {"delta", json_of(point.delta)},
                        {"holm_p", json_of(point.p)},
                        {"change", point.change == 0 ? Json(nullptr) : Json(change_text(point))}});
    }
    list.push_back({{"task", history.task},
                    {"metric", history.metric},
                    {"value", history.value},
                    {"variant", history.variant},
                    {"model", history.model},
                    {"fingerprint", history.points.back().fingerprint},
                    {"points", std::move(points)}});
  }
  return Json{{"schema", "assay-leaderboard-history/1"}, {"histories", std::move(list)}};
}

}  // namespace assay::host
