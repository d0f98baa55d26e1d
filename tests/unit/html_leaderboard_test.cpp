// The page of a leaderboard: tables, links to runs, pictures, hostile texts, its size.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "reports/html/leaderboard_report.hpp"
#include "reports/leaderboard/format.hpp"
#include "tests/unit/html_support.hpp"
#include "tests/unit/leaderboard_support.hpp"

using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using html::leaderboard_report;

namespace {

const std::string kFirst = "0123abcd000000000000000000000000", kSecond = "4567abcd000000000000000000000000";

Planted in_task(const std::string& model, const std::string& task, std::vector<double> numbers) {
  Planted p;
  p.model = model;
  p.task = task;
  p.recipe = "recipe of " + task;
  p.prefix = task;
  p.numbers = std::move(numbers);
  return p;
}

/// A leaderboard and its histories from one database.
struct MadeBoard {
  Leaderboard board;
  std::vector<History> histories;
};
MadeBoard made_of(const std::vector<Planted>& planted) {
  const TempFolder folder;
  {
    auto store = Store::open(folder.file("x.db"));
    REQUIRE(text_of(store) == "");
    for (const Planted& one : planted) plant(**store, one);
  }
  auto reader = Reader::open(folder.file("x.db"));
  REQUIRE(text_of(reader) == "");
  auto board = build_leaderboard(**reader, {});
  REQUIRE(text_of(board) == "");
  auto histories = leaderboard_history(**reader, {});
  REQUIRE(text_of(histories) == "");
  return {std::move(*board), std::move(*histories)};
}

/// The text between two marks after a third.
std::string between(const std::string& text, const std::string& after, const std::string& from,
                    const std::string& to) {
  const std::size_t begin = text.find(from, text.find(after)) + from.size();
  return text.substr(begin, text.find(to, begin) - begin);
}

}  // namespace

TEST_CASE("html: a leaderboard has rank, score, ties and run of every model, and a link that arrives") {
  std::vector<Planted> planted = {in_task("good", "qa", answers(200, 1)),
                                  in_task("bad", "qa", answers(200, 6))};
  planted[0].uuid = kFirst;
  planted[1].uuid = kSecond;
  planted[1].model_free = answers(200, 5);
  const MadeBoard made = made_of(planted);
  const std::string page = leaderboard_report(made.board, made.histories);
  check_markup(page);
  CHECK(page == leaderboard_report(made.board, made.histories));
  const std::string table =
      between(page, "recipe " + made.board.boards[0].version() + "</caption>", "<tbody>", "</tbody>");
  CHECK_THAT(table, ContainsSubstring("<strong><bdi>good</bdi></strong>"));
  CHECK_THAT(table, ContainsSubstring("<bdi>bad</bdi>"));
  CHECK(count(table, "<strong>") == 1);
  CHECK_THAT(table, ContainsSubstring("<a href=\"#r1\">0.9000</a>"));
  CHECK_THAT(table, ContainsSubstring("<a href=\"#r2\">4567abcd</a>"));
  CHECK_THAT(table, ContainsSubstring("0.8500 to 0.9500"));
  CHECK_THAT(table, ContainsSubstring("<tr class=\"blind\"><th scope=\"row\"><bdi>blind: test.blind</bdi>"));
  CHECK_THAT(page, ContainsSubstring("<span id=\"r1\">" + kFirst + "</span>"));
  CHECK_THAT(page, ContainsSubstring("<span id=\"r2\">" + kSecond + "</span>"));
  CHECK_THAT(page, ContainsSubstring("Wherever models meet (1 ranking), one leads alone."));
  CHECK(count(page, "run-" + kFirst + ".html") == 0);
  html::LeaderboardReportOptions options;
  options.link_runs = true;
  CHECK_THAT(leaderboard_report(made.board, made.histories, options),
             ContainsSubstring("<a href=\"run-" + kFirst + ".html\">" + kFirst + "</a>"));
}

TEST_CASE("html: names of files are made of plain run ids only") {
  CHECK(html::run_file("0123abcd-00") == "run-0123abcd-00.html");
  for (const char* id : {"", "..", "a/b", "a b", "a\"b", "a.b"}) CHECK(html::run_file(id).empty());
}

TEST_CASE("html: recipes of one task stand in tables of their own, and the page says so") {
  std::vector<Planted> planted = {in_task("a", "qa", answers(50, 1)), in_task("b", "qa", answers(50, 2))};
  planted[1].recipe = "another";
  const MadeBoard made = made_of(planted);
  const std::string page = leaderboard_report(made.board, made.histories);
  CHECK(count(page, "cannot be compared with each other") == 2);
  CHECK_THAT(page, ContainsSubstring("qa, recipe " + sha256_hex("another").substr(0, 8)));
  CHECK_THAT(page, ContainsSubstring("Nowhere do two models meet under one recipe"));
}

TEST_CASE("html: averages over tasks appear with all columns that the leaderboard has, and a heat map") {
  const MadeBoard made = made_of({in_task("a", "t1", answers(60, 1)), in_task("b", "t1", answers(60, 3)),
                                  in_task("a", "t2", answers(60, 2)), in_task("b", "t2", answers(60, 5))});
  REQUIRE(made.board.totals.size() == 1);
  const std::string page = leaderboard_report(made.board, made.histories);
  check_markup(page);
  const std::string head =
      between(page, "<caption>" + total_title(made.board.totals[0]), "<thead>", "</thead>");
  for (const std::string& column : total_columns())
    CHECK_THAT(head, ContainsSubstring(">" + column + "</th>"));
  const std::string body =
      between(page, "<caption>" + total_title(made.board.totals[0]), "<tbody>", "</tbody>");
  CHECK_THAT(body, ContainsSubstring(total_cells(made.board.totals[0].rows[0])[1]));
  CHECK_THAT(page, ContainsSubstring("Models against tasks"));
  CHECK_THAT(page, ContainsSubstring("<title>b, t2: 0.5000</title>"));
}

TEST_CASE("html: a run that lost against the one before it is marked, a change of the recipe cuts the line") {
  std::vector<Planted> planted;
  for (const auto& [day, wrong] : {std::pair(1, 1), {2, 5}, {3, 5}, {4, 1}}) {
    Planted p = in_task("m", "qa", answers(100, static_cast<std::size_t>(wrong)));
    p.started = "2026-11-0" + std::to_string(day) + "T00:00:00.000Z";
    if (day == 4) p.recipe = "another";
    planted.push_back(p);
  }
  const MadeBoard made = made_of(planted);
  const std::string page = leaderboard_report(made.board, made.histories);
  check_markup(page);
  const std::string figure = between(page, ">Over time</bdi></h2>", "<figure>", "</figure>");
  CHECK(count(figure, "class=\"bad\"") == 1);
  CHECK(count(figure, "class=\"good\"") == 0);
  CHECK(count(figure, "class=\"guide\"") == 1);
  CHECK(count(figure, "<td><bdi>regressed</bdi></td>") == 1);
  CHECK(count(figure, "<td><bdi>another recipe</bdi></td>") == 1);
  CHECK_THAT(figure, ContainsSubstring("-0.4000 to the run before"));
}

TEST_CASE("html: models, tasks, suites, labels and remarks of a leaderboard never become markup") {
  std::vector<Planted> planted;
  for (const std::string name : {"a", "b"}) {
    for (const std::string task : {"t1", "t2"}) {
      Planted p = in_task(name + kHostile, task + kHostile, answers(30, name == "a" ? 1 : 2));
      p.suite = kHostile;
      planted.push_back(p);
    }
  }
  planted.push_back(planted.front());
  planted.back().started = "2026-11-09T10:00:00.000Z";
  MadeBoard made = made_of(planted);
  for (Board& board : made.board.boards) {
    board.metric = board.value = board.variant = board.unit = board.recipe = kHostile;
    for (BoardRow& row : board.rows) {
      row.run = row.label = row.started = row.status = row.method = row.remark = row.letter = kHostile;
      row.fingerprint = kHostile;
    }
    board.notes.emplace_back(kHostile);
  }
  made.board.notes.emplace_back(kHostile);
  for (BoardTotal& total : made.board.totals) total.left_out.emplace_back(kHostile), total.method = kHostile;
  for (History& history : made.histories) {
    for (HistoryPoint& point : history.points)
      point.run = point.label = point.recipe = point.started = point.fingerprint = kHostile;
  }
  html::LeaderboardReportOptions options;
  options.link_runs = true;
  const std::string page = leaderboard_report(made.board, made.histories, options);
  check_markup(page);
  CHECK_THAT(page, ContainsSubstring("&lt;script&gt;document.title=&#39;pwned&#39;&lt;/script&gt;"));
}

TEST_CASE("html: a leaderboard of 50 models, 20 tasks and long names stays below 2 MB and keeps every row") {
  Leaderboard board;
  std::vector<History> histories;
  for (int t = 0; t < 20; ++t) {
    Board one;
    one.suite = "suite";
    one.task = "task-with-a-name-" + std::to_string(t);
    one.recipe = sha256_hex(one.task);
    one.metric = "metric.of_some_kind@variant";
    one.value = "accuracy";
    one.rule = 1, one.direction = 1;
    one.ranked = 50;
    for (int m = 0; m < 50; ++m) {
      BoardRow row;
      row.model = "organisation/model-with-a-long-name-" + std::to_string(m) + "-instruct-v0.3";
      row.fingerprint = sha256_hex(row.model);
      row.run = "0193a5c0-4b1e-7c60-8000-0000000000" + std::to_string(10 + m);
      row.started = "2026-11-01T10:00:00.000Z", row.status = "complete";
      row.rank_best = 3, row.rank_worst = 47, row.letter = "abcdef";
      row.estimate = 0.123456789012345 + m * 0.01, row.se = 0.0123456789;
      row.lo = *row.estimate - 0.0123456789, row.hi = *row.estimate + 0.0123456789;
      row.method = "mean.cluster_t";
      row.n = 14042, row.missing = 17, row.states = {14000, 10, 5, 5, 2, 0, 15, 5};
      row.delta = -0.0123456789, row.delta_p = 0.0123456789, row.mde = 0.0123456789;
      row.tokens_in = 123456789, row.tokens_out = 12345678, row.seconds = 12345.6;
      one.rows.push_back(std::move(row));
    }
    board.boards.push_back(std::move(one));
  }
  const std::string page = leaderboard_report(board, histories);
  CHECK(page.size() < 2'000'000);
  CHECK(count(page, "<th scope=\"row\"><bdi>organisation/model-with-a-long-name-49-") == 41);
  CHECK(count(page, "<figure>") == 21);
}
