// Who is ranked where, on planted rows whose truth is known.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/unit/leaderboard_support.hpp"

using namespace assay::host;
using namespace assay::test;  // NOLINT: a test

namespace {

Planted with(const std::string& model, std::vector<double> numbers) {
  Planted p;
  p.model = model;
  p.numbers = std::move(numbers);
  return p;
}

}  // namespace

TEST_CASE("leaderboard: clearly different models have ranks of their own", "[leaderboard]") {
  const Leaderboard made =
      board_of({with("mid", answers(200, 4)), with("good", answers(200, 1)), with("bad", answers(200, 8))});
  REQUIRE(made.boards.size() == 1);
  const Board& board = made.boards[0];
  REQUIRE(board.rows.size() == 3);
  CHECK(board.pairs == 3);
  CHECK(board.common_items == 200);
  const char* names[] = {"good", "mid", "bad"};
  const char* letters[] = {"a", "b", "c"};
  for (std::size_t i = 0; i < 3; ++i) {
    const BoardRow& row = board.rows[i];
    INFO(row.model);
    CHECK(row.model == names[i]);
    CHECK(row.rank_best == i + 1);
    CHECK(row.rank_worst == i + 1);
    CHECK(row.letter == letters[i]);
  }
  CHECK_FALSE(board.rows[0].delta);
  // 4 of 10 wrong against 1 of 10 wrong, by construction.
  REQUIRE(board.rows[1].delta);
  CHECK(std::abs(*board.rows[1].delta - -0.3) < 1e-12);
  // Every flip is in one direction: 60 of 60, so p = 2 / 2^60.
  REQUIRE(board.rows[1].delta_p);
  CHECK(std::abs(*board.rows[1].delta_p / std::ldexp(1.0, -59) - 1) < 1e-9);
  REQUIRE(board.rows[1].mde);
  CHECK(*board.rows[1].mde > 0);
}

TEST_CASE("leaderboard: lower is better turns the order round", "[leaderboard]") {
  std::vector<Planted> planted = {with("mid", answers(200, 4)), with("good", answers(200, 1))};
  for (Planted& p : planted) p.direction = 2;
  const Board board = board_of(planted).boards[0];
  CHECK(board.rows[0].model == "mid");
  CHECK(board.rows[0].rank_worst == 1);
  CHECK(board.rows[1].rank_best == 2);
}

TEST_CASE("leaderboard: models that the items cannot tell apart share ranks and a letter", "[leaderboard]") {
  // x and y are wrong on different items, equally often; z is far below.
  const Leaderboard made =
      board_of({with("x", answers(100, 2, 0)), with("y", answers(100, 2, 5)), with("z", answers(100, 9, 0))});
  const Board& board = made.boards[0];
  for (const char* name : {"x", "y"}) {
    CHECK(row_of(board, name).rank_best == 1);
    CHECK(row_of(board, name).rank_worst == 2);
    CHECK(row_of(board, name).letter == "a");
  }
  CHECK(row_of(board, "z").rank_best == 3);
  CHECK(row_of(board, "z").letter == "b");
}

TEST_CASE("leaderboard: the tests are paired and corrected for their number", "[leaderboard]") {
  // 100 items, 6 flips in one direction: exact p = 2 / 2^6 = 0.03125. Alone it is below 0.05; as the smallest
  // of three tests Holm makes 0.09375 of it.
  std::vector<double> a(100, 0.0), b;
  for (std::size_t i = 0; i < 50; ++i) a[i] = 1;
  b = a;
  for (std::size_t i = 0; i < 6; ++i) b[i] = 0;
  const Board two = board_of({with("a", a), with("b", b)}).boards[0];
  CHECK(std::abs(*row_of(two, "b").delta_p - 0.03125) < 1e-12);
  CHECK(row_of(two, "b").rank_best == 2);
  const Board three = board_of({with("a", a), with("b", b), with("a2", a)}).boards[0];
  CHECK(row_of(three, "b").rank_best == 1);
  CHECK(row_of(three, "b").rank_worst == 3);
}

TEST_CASE("leaderboard: what has no number is never ranked", "[leaderboard]") {
  const std::vector<double> none(50, kNaN);
  std::vector<double> some = answers(50, 3);
  some[4] = some[9] = kNaN;
  some[10] = std::numeric_limits<double>::infinity();
  const Leaderboard made =
      board_of({with("aaa nothing", none), with("good", answers(50, 1)), with("some", some)});
  const Board& board = made.boards[0];
  REQUIRE(board.rows.size() == 3);
  CHECK(board.rows[2].model == "aaa nothing");
  CHECK(board.rows[2].rank_best == 0);
  CHECK(board.rows[2].letter.empty());
  CHECK_FALSE(board.rows[2].estimate);
  CHECK(board.rows[2].remark == "nothing is scored");
  CHECK(board.ranked == 2);
  CHECK(board.pairs == 1);
  CHECK(board.common_items == 47);
  // JSON has null, never NaN, and the rank interval counts two models.
  const Json tree = leaderboard_json(made);
  CHECK(tree["boards"][0]["rows"][2]["estimate"].is_null());
  CHECK(tree["boards"][0]["rows"][2]["rank_best"].is_null());
  CHECK(row_of(board, "some").rank_worst <= 2);
  for (const std::string& text : {canonical(tree), leaderboard_text(made, false, true), leaderboard_csv(made),
                                  leaderboard_markdown(made)})
    CHECK(text.find("nan") == std::string::npos);
}

TEST_CASE("leaderboard: another recipe never shares a table", "[leaderboard]") {
  Planted other = with("other", answers(80, 0));
  other.recipe = "changed by one character";
  const Leaderboard made = board_of({with("one", answers(80, 1)), with("two", answers(80, 5)), other});
  REQUIRE(made.boards.size() == 2);
  for (const Board& board : made.boards) {
    const bool first = board.recipe == sha256_hex("recipe");
    CHECK(board.rows.size() == (first ? 2U : 1U));
    for (const BoardRow& row : board.rows) CHECK((row.model == "other") == !first);
    CHECK(board.version() == board.recipe.substr(0, 8));
  }
}

TEST_CASE("leaderboard: the order of storage changes nothing", "[leaderboard]") {
  std::vector<Planted> planted;
  for (int i = 0; i < 6; ++i) {
    Planted p = with("m" + std::to_string(i),
                     answers(60, static_cast<std::size_t>(1 + i / 2), static_cast<std::size_t>(3 * i)));
    p.uuid = std::string(31, 'a') + std::to_string(i);
    // Numbers whose sum depends on the order of adding.
    p.rule = 2;
    for (std::size_t k = 0; k < p.numbers.size(); ++k) p.numbers[k] += 0.1 / static_cast<double>(k + 3);
    for (const char* task : {"qa", "qb"}) {
      p.task = task;
      p.recipe = task;
      p.uuid.back() = static_cast<char>((task[1] == 'a' ? '0' : 'a') + i % 6);
      planted.push_back(p);
    }
  }
  const std::string before = canonical(leaderboard_json(board_of(planted)));
  std::reverse(planted.begin(), planted.end());
  for (Planted& p : planted) p.reversed = true;
  std::swap(planted[1], planted[5]);
  CHECK(canonical(leaderboard_json(board_of(planted))) == before);
}

TEST_CASE("leaderboard: of several runs of a model the newest complete one counts", "[leaderboard]") {
  Planted old = with("m", answers(40, 1)), fresh = with("m", answers(40, 3)),
          broken = with("m", answers(40, 7));
  old.started = "2026-10-01T00:00:00.000Z";
  fresh.started = "2026-10-02T00:00:00.000Z";
  broken.started = "2026-10-03T00:00:00.000Z";
  old.uuid = std::string(32, 'c');
  broken.status = "incomplete";
  broken.uuid = std::string(32, 'd');
  const Leaderboard made = board_of({fresh, broken, old});
  REQUIRE(made.boards.size() == 1);
  REQUIRE(made.boards[0].rows.size() == 1);
  CHECK(made.boards[0].rows[0].started == fresh.started);
  REQUIRE(made.notes.size() == 1);
  CHECK(made.notes[0].find("1 evaluation") == 0);
  LeaderboardOptions chosen;
  chosen.runs = {"dddd"};
  CHECK(board_of({fresh, broken, old}, chosen).boards[0].rows[0].status == "incomplete");
  chosen.runs = {"cccc"};
  CHECK(board_of({fresh, broken, old}, chosen).boards[0].rows[0].started == old.started);
  LeaderboardOptions since;
  since.since = "2026-10-02";
  CHECK(board_of({fresh, old}, since).boards[0].rows[0].started == fresh.started);
}

TEST_CASE("leaderboard: items that changed under their id, or are others, are not compared",
          "[leaderboard]") {
  Planted a = with("a", answers(50, 1)), b = with("b", answers(50, 6)), c = with("c", answers(50, 9));
  a.content = b.content = 1000;
  c.content = 5000;
  a.started = "2026-11-02T00:00:00.000Z";
  const Board board = board_of({a, b, c}).boards[0];
  CHECK(row_of(board, "c").rank_best == 0);
  CHECK(row_of(board, "c").remark.find("50 items say something else") == 0);
  CHECK(board.ranked == 2);
  CHECK(row_of(board, "b").rank_best == 2);
  // Ids that do not meet: nothing to pair, so nobody is resolved.
  Planted d = with("d", answers(50, 9));
  d.prefix = "r";
  const Board apart = board_of({with("a", answers(50, 1)), d}).boards[0];
  CHECK(apart.pairs == 0);
  CHECK(row_of(apart, "d").rank_best == 1);
  CHECK(row_of(apart, "d").rank_worst == 2);
  REQUIRE_FALSE(apart.notes.empty());
}

TEST_CASE("leaderboard: model-free rules are rows that are marked and take no rank", "[leaderboard]") {
  Planted a = with("a", answers(60, 2)), b = with("b", answers(60, 8));
  a.model_free = b.model_free = answers(60, 4);
  const Leaderboard made = board_of({a, b});
  REQUIRE(made.boards.size() == 1);
  const Board& board = made.boards[0];
  REQUIRE(board.rows.size() == 3);
  CHECK(board.rows[1].model == "test.blind");
  CHECK(board.rows[1].model_free);
  CHECK(board.rows[1].rank_best == 0);
  CHECK(board.ranked == 2);
  CHECK(board.rows[2].rank_worst == 2);
  CHECK(leaderboard_text(made, false, false).find("blind  test.blind") != std::string::npos);
}

TEST_CASE("leaderboard: numbers that a log states without items are marked and take no rank",
          "[leaderboard]") {
  Planted stated = with("their model", {});
  stated.origin = "import";
  stated.status = "incomplete";
  ReportedRow number;
  number.metric = "acc,none";
  number.statistic = "mean";
  number.number = 0.99;
  number.n = 14042;
  ReportedRow error = number;
  error.statistic = "stderr";
  error.number = 0.004;
  ReportedRow broken = number;
  broken.metric = "ppl";
  broken.number = kNaN;
  broken.text = "NaN";
  stated.reported = {number, error, broken};
  const Leaderboard made = board_of({with("ours", answers(40, 1)), stated});
  // The metric of both, and the two numbers that the log states.
  REQUIRE(made.boards.size() == 3);
  std::size_t marked = 0;
  for (const Board& board : made.boards) {
    for (const BoardRow& row : board.rows) {
      if (!row.self_reported) continue;
      ++marked;
      CHECK(board.rows.size() == 1);
      CHECK(row.rank_best == 0);
      CHECK(row.letter.empty());
      if (board.metric == "ppl") {
        CHECK_FALSE(row.estimate);
        CHECK(row.remark == "the log states 'NaN'");
      } else {
        CHECK(row.estimate == 0.99);
        CHECK(row.se == 0.004);
        CHECK(row.n == 14042);
      }
    }
  }
  CHECK(marked == 2);
  CHECK(leaderboard_text(made, false, false).find("self-reported") != std::string::npos);
  CHECK(row_of(made.boards[0], "ours").rank_best == 1);
}

TEST_CASE("leaderboard: labels stay with their items", "[leaderboard]") {
  // Odd items are positive. One model separates the classes, the other has them the wrong way round, so the
  // areas are 1 and 0. In the order of ids, q10 stands before q2.
  std::vector<double> right(40), wrong(40);
  for (std::size_t i = 0; i < 40; ++i) {
    right[i] = 5.0 + static_cast<double>(i % 2) + 0.01 * static_cast<double>(i % 7);
    wrong[i] = -static_cast<double>(i % 2) - 0.01 * static_cast<double>(i % 5);
  }
  std::vector<Planted> planted = {with("right", right), with("wrong", wrong)};
  for (Planted& p : planted) p.rule = 3;
  const Board board = board_of(planted).boards[0];
  REQUIRE(row_of(board, "wrong").delta);
  CHECK(*row_of(board, "wrong").delta == -1.0);
}

TEST_CASE("leaderboard: metrics without a direction are shown and not ranked", "[leaderboard]") {
  std::vector<Planted> planted = {with("a", answers(60, 2)), with("b", answers(60, 8))};
  for (Planted& p : planted) p.direction = 0;
  const Board board = board_of(planted).boards[0];
  CHECK(board.ranked == 0);
  for (const BoardRow& row : board.rows) CHECK(row.rank_best == 0);
}
