// Axes, and what each plot draws and tables: positions against hand computation, missing numbers, hostile
// labels.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "reports/html/plots.hpp"
#include "reports/html/svg.hpp"
#include "tests/unit/html_support.hpp"

using namespace assay::host::html;  // NOLINT: a test
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

using assay::test::count;

constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> out;
  for (const Tick& tick : axis.ticks()) out.push_back(tick.label);
  return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("html: ticks are the numbers that people would choose") {
  CHECK(labels({0, 1, 0, 1, Scale::kLinear}) == Words{"0", "0.2", "0.4", "0.6", "0.8", "1"});
  CHECK(labels({-0.13, 0.16, 0, 1, Scale::kLinear}) == Words{"-0.1", "0", "0.1"});
  CHECK(labels({0, 12000, 0, 1, Scale::kLinear}) == Words{"0", "5,000", "10,000"});
  CHECK(labels({0.001, 1, 0, 1, Scale::kLog}) == Words{"0.001", "0.01", "0.1", "1"});
  CHECK(labels({0.04, 1, 0, 1, Scale::kLog}) == Words{"0.05", "0.1", "0.2", "0.5", "1"});
}

TEST_CASE("html: an axis maps values to pixels, and never outside") {
  const Axis linear = {0, 10, 100, 200, Scale::kLinear};
  CHECK(linear.at(2.5) == Approx(125));
  CHECK(linear.at(-5) == 100);
  CHECK(linear.at(50) == 200);
  const Axis log = {0.01, 1, 300, 0, Scale::kLog};
  CHECK(log.at(0.1) == Approx(150));
  CHECK(log.at(0) == 300);
}

TEST_CASE("html: an axis has room around values and keeps to their bounds") {
  const Axis free = axis_around({1, 3, std::nan("")}, kAbsent, kAbsent);
  CHECK((free.lo < 1 && free.lo > 0.5 && free.hi > 3 && free.hi < 3.5));
  const Axis bounded = axis_around({0.01, 0.99}, 0, 1);
  CHECK((bounded.lo == 0 && bounded.hi == 1));
  for (const std::vector<double>& odd :
       {std::vector<double>{}, {std::nan("")}, {kInf, -kInf}, {5}, {0}, {-1e308, 1e308}, {1e-300}}) {
    const Axis axis = axis_around(odd, kAbsent, kAbsent);
    CHECK((std::isfinite(axis.lo) && std::isfinite(axis.hi) && axis.lo < axis.hi));
    CHECK(axis.ticks().size() < 60);
  }
}

TEST_CASE("html: short numbers") {
  CHECK(short_number(0) == "0");
  CHECK(short_number(0.25) == "0.25");
  CHECK(short_number(1234567) == "1,234,567");
  CHECK(short_number(-1000) == "-1,000");
  CHECK(short_number(1e-5) == "1e-05");
  CHECK(short_number(std::nan("")) == "n/a");
}

TEST_CASE("html: dot and whisker puts estimate and ends where the axis says") {
  DotPlot plot;
  plot.title = "t";
  plot.min = 0, plot.max = 1;
  plot.reference = 0.5;
  // Both ends of the axis are reached, so the axis is 0 to 1 on pixels 16 to 384.
  const std::string html = dot_and_whisker(plot, {{"a", 0.25, 0.0, 1.0, 0, false, {}}, {"b"}});
  CHECK_THAT(html, ContainsSubstring("<circle cx=\"108\" cy=\"43\" r=\"4.5\""));
  CHECK_THAT(html,
             ContainsSubstring("<line x1=\"16\" y1=\"43\" x2=\"384\" y2=\"43\" class=\"whisker t0\"/>"));
  CHECK_THAT(html, ContainsSubstring("<line x1=\"200\" y1=\"8\" x2=\"200\""));
  // A score that does not exist has no mark, and is n/a in picture and table.
  CHECK(count(html, "<circle") == 1);
  CHECK_THAT(html, ContainsSubstring(">b: n/a</text>"));
  CHECK_THAT(html, ContainsSubstring("<th scope=\"row\"><bdi>b</bdi></th><td class=\"n\">n/a</td>"));
}

TEST_CASE("html: every plot has its numbers in a table and escapes its labels") {
  const std::string bad = "</svg><script>alert(1)</script>";
  DotPlot dots;
  dots.title = dots.axis = bad;
  dots.series = {bad, bad};
  HeatMap map;
  map.title = map.row_title = map.unit = bad;
  map.rows = map.columns = {bad};
  map.values = {1};
  for (const std::string& html : {dot_and_whisker(dots, {{bad, 1, 0, 2, 0, false, bad}}), heat_map(map),
                                  roc(bad, {{bad, 0.5, 0.4, 0.6, 1, 1, {{kInf, 0, 0}, {1, 1, 1}}}}),
                                  reliability(bad, {{0, 1, 3, 0.5, 0.5, 0, 1}}),
                                  history(bad, bad, {{bad, 1, 0, 2, HistoryPoint::Mark::kRegression, bad}}),
                                  risk_coverage(bad, {{bad, {{1, 0.5, 0, 1, 0.5}}}})}) {
    CHECK(count(html, "<script") == 0);
    CHECK(count(html, "</svg>") == count(html, "<svg"));
    CHECK(count(html, "<table") == 1);
    CHECK(count(html, "<figcaption>") == 1);
    CHECK_THAT(html, ContainsSubstring("role=\"img\""));
  }
}

TEST_CASE("html: plots of nothing and of numbers that do not exist are still plots") {
  const double nan = kAbsent;
  HeatMap map;
  map.rows = map.columns = {"x", "y"};
  map.values = {nan, kInf};  // and two that are not there at all
  for (const std::string& html :
       {dot_and_whisker({}, {}), roc("r", {}), roc("r", {{"x", nan, nan, nan, 0, 0, {}}}),
        reliability("c", {}), reliability("c", {{0, 1, 0, nan, nan, nan, nan}}), history("h", "y", {}),
        history("h", "y", {{"a"}, {"b"}}), heat_map({}), heat_map(map), risk_coverage("k", {}),
        risk_coverage("k", {{"x", {{0.5, nan, nan, nan, nan}}}})}) {
    CHECK(count(html, "<svg") >= 1);
    for (const char* wrong : {"=\"nan", "=\"inf", "nan,", ",nan", "\"-inf"}) CHECK(count(html, wrong) == 0);
  }
  CHECK(count(heat_map(map), "class=\"none\"") == 4);
}

TEST_CASE("html: a history breaks its line and band where a run has no number, and marks what changed") {
  std::vector<HistoryPoint> points;
  for (int i = 0; i < 6; ++i)
    points.push_back({"r" + std::to_string(i), 0.5, 0.4, 0.6, HistoryPoint::Mark::kNone, {}});
  points[2].estimate = points[2].lo = points[2].hi = kAbsent;
  points[4].mark = HistoryPoint::Mark::kRegression;
  points[5].mark = HistoryPoint::Mark::kImprovement;
  const std::string html = history("h", "y", points);
  CHECK(count(html, "class=\"curve t0\"") == 2);
  CHECK(count(html, "class=\"band\"") == 2);
  CHECK(count(html, "class=\"bad\"") == 1);
  CHECK(count(html, "class=\"good\"") == 1);
  CHECK_THAT(html, ContainsSubstring("<bdi>regressed</bdi>"));
}

TEST_CASE("html: ROC curves are drawn on a linear and on a logarithmic axis") {
  RocSeries one;
  one.label = "m";
  one.auroc = 0.875;
  one.positives = 2, one.negatives = 4;
  one.vertices = {{kInf, 0, 0}, {0.9, 0, 0.5}, {0.8, 0.25, 0.5}, {0.7, 0.25, 1}, {0.1, 1, 1}};
  const std::string html = roc("r", {one});
  CHECK(count(html, "<svg") == 3);  // two pictures and the sign of the legend
  // Linear: x = 56 + 292 fpr, y = 304 - 292 tpr; the corners of the staircase.
  CHECK_THAT(html, ContainsSubstring("points=\"56,304 56,158 129,158 129,12 348,12\""));
  // Logarithmic from 0.1 (the lower end is never above it): 0.25 lies at log(2.5)/log(10) of the way.
  const double x = 56 + 292 * std::log10(2.5);
  CHECK(x == Approx(172.2).margin(0.05));
  CHECK_THAT(html, ContainsSubstring("172.2,158 172.2,12 348,12"));
  CHECK_THAT(html, ContainsSubstring(">none flagged</td>"));
  CHECK_THAT(html, ContainsSubstring("AUROC 0.8750 (2+4)"));
}

TEST_CASE("html: a long curve stays small, and its table says how many vertices it shows") {
  RocSeries one;
  one.label = "m";
  one.positives = one.negatives = 50000;
  one.vertices.push_back({kInf, 0, 0});
  for (int i = 1; i <= 100000; ++i) one.vertices.push_back({-i * 1.0, i / 100000.0, std::sqrt(i / 100000.0)});
  const std::string html = roc("r", {one});
  CHECK(html.size() < 80'000);
  CHECK_THAT(html, ContainsSubstring("25 of 100001 vertices, evenly chosen"));
  CHECK(count(html, "<th scope=\"row\">") == 25);
}

TEST_CASE("html: evenly chosen indices keep both ends") {
  CHECK(evenly(0, 5).empty());
  CHECK(evenly(3, 5) == std::vector<std::size_t>{0, 1, 2});
  CHECK(evenly(9, 3) == std::vector<std::size_t>{0, 4, 8});
  CHECK(evenly(100, 1) == std::vector<std::size_t>{0});
}
