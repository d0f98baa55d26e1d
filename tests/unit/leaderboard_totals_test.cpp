// Averages over tasks, the course of a score, filters and outputs.
#include <nlohmann/json.hpp>

#include "tests/unit/leaderboard_support.hpp"

using namespace assay::host;
using namespace assay::test;  // NOLINT: a test

namespace {

Planted in_task(const std::string& model, const std::string& task, std::vector<double> numbers) {
  Planted p;
  p.model = model;
  p.task = p.recipe = task;
  p.numbers = std::move(numbers);
  return p;
}

const TotalRow& total_of(const BoardTotal& total, const std::string& model) {
  for (const TotalRow& row : total.rows) {
    if (row.model == model) return row;
  }
  FAIL("no total of " << model);
  return total.rows.front();
}

bool near(const std::optional<double>& value, double expected) {
  return value && std::abs(*value - expected) < 1e-12;
}

// Standard error of the mean of 0/1 numbers, divisor n - 1.
double error_of(const std::vector<double>& x) {
  const double m = mean_of(x), n = static_cast<double>(x.size());
  double sum = 0;
  for (const double v : x) sum += (v - m) * (v - m);
  return std::sqrt(sum / (n - 1) / n);
}

// Model a is right on 9 and 6 of ten, b on 5 and 8 of ten; c has the first task only.
std::vector<Planted> two_tasks() {
  return {in_task("a", "t1", answers(100, 1)), in_task("a", "t2", answers(40, 4)),
          in_task("b", "t1", answers(100, 5)), in_task("b", "t2", answers(40, 2)),
          in_task("c", "t1", answers(100, 0))};
}

}  // namespace

TEST_CASE("leaderboard: averages over tasks count every task once", "[leaderboard]") {
  const Leaderboard made = board_of(two_tasks());
  REQUIRE(made.totals.size() == 1);
  const BoardTotal& total = made.totals[0];
  CHECK(total.members == std::vector<std::string>{"t1", "t2"});
  REQUIRE(total.rows.size() == 2);
  REQUIRE(total.left_out.size() == 1);
  CHECK(total.left_out[0] == "c: no score in t2");
  // No item is shared, so the tasks are independent: sqrt(se1^2 + se2^2) / 2.
  CHECK(total.method == "aggregate.normal");
  const TotalRow &a = total_of(total, "a"), &b = total_of(total, "b");
  CHECK(near(a.mean.value, 0.75));
  CHECK(near(b.mean.value, 0.65));
  CHECK(near(a.mean.se, std::hypot(error_of(answers(100, 1)), error_of(answers(40, 4))) / 2));
  CHECK(total.rows[0].model == "a");
  // Half of the difference of the two models, with opposite signs.
  CHECK(near(a.centred.value, 0.05));
  CHECK(near(b.centred.value, -0.05));
  // t1: a wins 40 of 100, the rest are ties: 0.7. t2: b wins 8 of 40, so a has 0.4.
  CHECK(near(a.win_rate.value, 0.55));
  CHECK(near(b.win_rate.value, 0.45));
  // One task won each: half a point on average, with an error over two tasks of 0.5.
  CHECK(near(a.borda.value, 0.5));
  CHECK(near(a.borda.se, 0.5));
  // Two models: the difference of strengths is the logit of the win rate.
  CHECK(total.strength_method == "bradley_terry.sandwich");
  CHECK(total.strength_undefined.empty());
  CHECK(near(a.strength.value, 0.5 * std::log(0.55 / 0.45)));
  CHECK(near(b.strength.value, -0.5 * std::log(0.55 / 0.45)));
  // Its error is that of the win rate through the slope of the logit (delta method).
  REQUIRE(a.strength.se);
  CHECK(near(a.strength.se, *a.win_rate.se * 0.5 / (0.55 * 0.45)));
  CHECK(leaderboard_text(made, false, false).find("Bradley-Terry") != std::string::npos);
  const Json row = leaderboard_json(made)["across_tasks"][0]["rows"][0];
  CHECK(row["bradley_terry"]["value"] == *a.strength.value);
}

TEST_CASE("leaderboard: a model that never wins or ties has no strength, and the reason names it",
          "[leaderboard]") {
  // Real numbers without ties: z is below x and y on every item; x and y share the wins between them.
  std::vector<double> x, y, z;
  for (std::size_t i = 0; i < 30; ++i) {
    x.push_back(i % 3 == 0 ? 0.5 : 0.8);
    y.push_back(i % 3 == 0 ? 0.7 : 0.6);
    z.push_back(0.1);
  }
  std::vector<Planted> planted;
  for (const char* task : {"t1", "t2"}) {
    planted.push_back(in_task("x", task, x));
    planted.push_back(in_task("y", task, y));
    planted.push_back(in_task("z", task, z));
  }
  for (Planted& p : planted) p.rule = 2;
  const Leaderboard made = board_of(planted);
  REQUIRE(made.totals.size() == 1);
  const BoardTotal& total = made.totals[0];
  CHECK(total.strength_undefined.find("never won or tied") != std::string::npos);
  CHECK(total.strength_undefined.find(": z") != std::string::npos);
  for (const TotalRow& row : total.rows) CHECK_FALSE(row.strength.value);
  CHECK(near(total_of(total, "z").win_rate.value, 0.0));
  CHECK(leaderboard_markdown(made).find("no Bradley-Terry strengths") != std::string::npos);
}

TEST_CASE("leaderboard: tasks that share items are resampled by what they share", "[leaderboard]") {
  std::vector<Planted> planted = two_tasks();
  for (Planted& p : planted) p.content = 77;
  const Leaderboard made = board_of(planted);
  REQUIRE(made.totals.size() == 1);
  const BoardTotal& total = made.totals[0];
  CHECK(total.method == "bootstrap.percentile");
  CHECK(total.replicates == 2000);
  CHECK(near(total_of(total, "a").mean.value, 0.75));
  // Two tasks with the same 40 items and the same answers are as good as one: the error does not shrink.
  std::vector<Planted> twice = {in_task("a", "t1", answers(40, 3)), in_task("a", "t2", answers(40, 3)),
                                in_task("b", "t1", answers(40, 5)), in_task("b", "t2", answers(40, 5))};
  const double independent = *total_of(board_of(twice).totals[0], "a").mean.se;
  CHECK(std::abs(independent - error_of(answers(40, 3)) / std::sqrt(2.0)) < 1e-12);
  for (Planted& p : twice) p.content = 77;
  const double shared = *total_of(board_of(twice).totals[0], "a").mean.se;
  // The bootstrap error of a mean is sd/sqrt(n) with divisor n, within 4 Monte Carlo errors.
  const double expected = error_of(answers(40, 3)) * std::sqrt(39.0 / 40.0);
  CHECK(std::abs(shared - expected) < 4 * expected / std::sqrt(2.0 * 2000));
}

TEST_CASE("leaderboard: one task, or one model with all tasks, makes no total", "[leaderboard]") {
  CHECK(board_of({in_task("a", "t1", answers(30, 1)), in_task("b", "t1", answers(30, 2))}).totals.empty());
  CHECK(board_of({in_task("a", "t1", answers(30, 1)), in_task("a", "t2", answers(30, 1)),
                  in_task("b", "t1", answers(30, 2)), in_task("c", "t2", answers(30, 2))})
            .totals.empty());
}

TEST_CASE("leaderboard: filters, and what fits none of them is an error with a hint", "[leaderboard]") {
  const TempFolder folder;
  {
    auto store = Store::open(folder.file("x.db"));
    REQUIRE(text_of(store) == "");
    for (const Planted& p : two_tasks()) plant(**store, p);
  }
  auto reader = Reader::open(folder.file("x.db"));
  REQUIRE(text_of(reader) == "");
  const auto rows = [&](const LeaderboardOptions& options) {
    auto made = build_leaderboard(**reader, options);
    std::size_t count = 0;
    if (made.ok()) {
      for (const Board& board : made->boards) count += board.rows.size();
    }
    return count;
  };
  LeaderboardOptions options;
  CHECK(rows(options) == 5);
  options.task = "t2";
  CHECK(rows(options) == 2);
  options.task = "t?";
  options.model = "a";
  CHECK(rows(options) == 2);
  options.model = sha256_hex("b").substr(0, 8);
  CHECK(rows(options) == 2);
  options = {};
  options.metric = "test.*";
  CHECK(rows(options) == 5);
  options.metric = "other.*";
  CHECK(code_of(build_leaderboard(**reader, options)) == assay::Code::kNotFound);
  options = {};
  options.task = "t3";
  const auto none = build_leaderboard(**reader, options);
  REQUIRE(code_of(none) == assay::Code::kNotFound);
  CHECK(none.error().text.find("no task is called 't3'; did you mean") != std::string::npos);
  options = {};
  options.since = "2027";
  CHECK(code_of(build_leaderboard(**reader, options)) == assay::Code::kNotFound);
  options = {};
  options.alpha = 1;
  CHECK(code_of(build_leaderboard(**reader, options)) == assay::Code::kInvalidArgument);
}

TEST_CASE("leaderboard: the course of a score, oldest first, with a mark where the recipe changed",
          "[leaderboard]") {
  const TempFolder folder;
  {
    auto store = Store::open(folder.file("x.db"));
    REQUIRE(text_of(store) == "");
    for (const int day : {3, 1, 2, 4}) {
      Planted p = in_task("a", "t1", answers(50, static_cast<std::size_t>(day)));
      p.started = "2026-11-0" + std::to_string(day) + "T00:00:00.000Z";
      if (day == 4) p.recipe = "new";
      plant(**store, p);
    }
  }
  auto reader = Reader::open(folder.file("x.db"));
  LeaderboardOptions options;
  options.metric = "test.metric";
  const auto histories = leaderboard_history(**reader, options);
  REQUIRE(text_of(histories) == "");
  REQUIRE(histories->size() == 1);
  const History& history = histories->front();
  REQUIRE(history.points.size() == 4);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(near(history.points[i].estimate, 0.9 - 0.1 * static_cast<double>(i)));
  // 0.9 is the highest of eight steps, 0.6 the lowest; between them two thirds and one third of the way.
  CHECK(history_text(*histories, false).find("\n  █▆▃|▁\n") != std::string::npos);
  options.metric = "none";
  CHECK(code_of(leaderboard_history(**reader, options)) == assay::Code::kNotFound);
}

TEST_CASE("leaderboard: names from data stay text in markdown and CSV", "[leaderboard]") {
  const std::string hostile = "=<b>|x,\"y\"";
  const Leaderboard made =
      board_of({in_task(hostile, "t1", answers(30, 1)), in_task("b", "t1", answers(30, 2))});
  const std::string markdown = leaderboard_markdown(made);
  CHECK(markdown.find("<b>") == std::string::npos);
  CHECK(markdown.find("=&lt;b&gt;\\|x,\"y\"") != std::string::npos);
  const std::string csv = leaderboard_csv(made);
  CHECK(csv.find(",\"'=<b>|x,\"\"y\"\"\",") != std::string::npos);
  // A header and two rows of as many cells.
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 3);
  const Json tree = leaderboard_json(made);
  CHECK(tree["schema"] == "assay-leaderboard/1");
  CHECK(tree["boards"][0]["rows"].size() == 2);
  CHECK(tree["boards"][0]["rows"][0]["cost"].is_null());
}
