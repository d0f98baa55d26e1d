// The page of a comparison: what it says first, its numbers, its pictures, hostile texts, its size.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "reports/html/compare_report.hpp"
#include "reports/html/plots.hpp"
#include "tests/unit/compare_support.hpp"
#include "tests/unit/html_support.hpp"

using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using html::compare_report;
using html::compare_summary;

namespace {

/// 0/1 scores of `n` items: wrong from `from` on.
PlantedTask right_below(int n, int from) {
  return numbered(n, [&](int i) { return i < from ? 1.0 : 0.0; });
}

}  // namespace

TEST_CASE("html: a comparison says first whether the candidate is worse") {
  Runs runs;
  CHECK(compare_summary(runs.compare(right_below(100, 90), right_below(100, 60))) ==
        "The candidate is worse on 1 of 1 compared value; better on none.");
  CHECK(compare_summary(runs.compare(right_below(100, 60), right_below(100, 90))) ==
        "The candidate is better on 1 of 1 compared value; worse on none.");
  CHECK(
      compare_summary(runs.compare(right_below(100, 60), right_below(100, 61))) ==
      "No difference could be shown on any of 1 compared value; these items cannot say that there is none.");
  CompareOptions options;
  options.margin = 0.2;
  CHECK(compare_summary(runs.compare(right_below(100, 60), right_below(100, 60), options)) ==
        "The candidate is as good as the baseline within the margin on all 1 compared value.");
  PlantedTask other = right_below(100, 60);
  other.parameters = R"("max_tokens":99,"temperature":1)";
  const std::string apart = compare_summary(runs.compare(right_below(100, 60), other));
  CHECK_THAT(apart, ContainsSubstring("NOT COMPARABLE: task, generation: "));
  options.force = true;
  CHECK_THAT(compare_summary(runs.compare(right_below(100, 60), other, options)),
             ContainsSubstring("FORCED: numbers are shown"));
}

TEST_CASE(
    "html: a comparison has every number of the difference in its table, and the margin in its picture") {
  Runs runs;
  PlantedTask before = right_below(100, 90), after = right_below(100, 60);
  // Five items the other way: 35 flips to wrong, 5 to right, 90 - 30 = 60 right.
  for (int i = 90; i < 95; ++i) after.items[static_cast<std::size_t>(i)].scores = {1};
  for (int i = 55; i < 60; ++i) after.items[static_cast<std::size_t>(i)].scores = {0};
  CompareOptions options;
  options.margin = 0.05;
  const Comparison made = runs.compare(before, after, options);
  const std::string page = compare_report(made);
  check_markup(page);
  CHECK(page == compare_report(made));
  for (const char* text :
       {"<strong class=\"bad\">\xE2\x96\xBC regressed</strong>", ">-0.3000</td>", ">0.9000</td>",
        ">0.6000</td>", ">-33.3 %</td>", ">100</td>", ">35</td>", ">5</td>", "tango, mcnemar.exact",
        ">right to wrong</th>", "95 % interval", "class=\"band\"", "margin 0.05 shaded"}) {
    CAPTURE(text);
    CHECK_THAT(page, ContainsSubstring(text));
  }
  // Two-sided exact McNemar of 5 against 35, by adding up the binomial.
  double p = 0, choose = 1;
  for (int k = 0; k <= 5; ++k) {
    p += choose;
    choose = choose * (40 - k) / (k + 1);
  }
  p = 2 * p / std::pow(2.0, 40);
  char text[32];
  std::snprintf(text, sizeof text, ">%.1e</td>", p);
  CHECK_THAT(page, ContainsSubstring(text));
  // Both answers of the items that changed most, side by side.
  CHECK(count(page, "<div class=\"sides\">") == 3);
  CHECK_THAT(page, ContainsSubstring("40 of 100 items changed, the largest 3"));
  CHECK_THAT(page, ContainsSubstring("<pre dir=\"auto\">\nask i055</pre>"));
}

TEST_CASE("html: the level of a comparison's intervals is that of its tests") {
  Runs runs;
  CompareOptions options;
  options.alpha = 0.01;
  const std::string page = compare_report(runs.compare(right_below(50, 40), right_below(50, 30), options));
  CHECK_THAT(page, ContainsSubstring(">99 % interval</th>"));
  CHECK_THAT(page, ContainsSubstring(">99 % from</th>"));
  CHECK(count(page, "95 %") == 0);
}

TEST_CASE("html: what cannot be compared has no number, and forced numbers have no verdict") {
  Runs runs;
  PlantedTask other = right_below(40, 20);
  other.parameters = R"("max_tokens":99,"temperature":1)";
  const std::string apart = compare_report(runs.compare(right_below(40, 30), other));
  CHECK_THAT(apart, ContainsSubstring("<strong class=\"bad\">NOT COMPARABLE</strong>"));
  CHECK_THAT(apart, ContainsSubstring("generation: "));
  CHECK(count(apart, "0.7500") == 0);
  CHECK(count(apart, "<figure>") == 0);
  CompareOptions options;
  options.force = true;
  const std::string forced = compare_report(runs.compare(right_below(40, 30), other, options));
  CHECK_THAT(forced, ContainsSubstring("<h1><bdi>FORCED: planted"));
  CHECK_THAT(forced, ContainsSubstring("0.7500"));
  CHECK_THAT(forced, ContainsSubstring("FORCED: Differences of"));
  for (const char* verdict : {">inconclusive<", "improved</strong>", "regressed</strong>", ">equivalent<"})
    CHECK(count(forced, verdict) == 0);
}

TEST_CASE("html: names, ids, questions and answers of a comparison never become markup") {
  Runs runs;
  PlantedTask before, after;
  before.name = kHostile;
  before.model = kHostile;
  before.metrics[0].name = kHostile;
  for (int i = 0; i < 12; ++i) {
    PlantedItem item;
    item.id = std::to_string(i) + kHostile;
    item.scores = {1};
    item.variant = item.prompt = kHostile;
    item.answer = std::string(kHostile) + " before";
    before.items.push_back(item);
  }
  after = before;
  for (PlantedItem& item : after.items) item.scores = {0}, item.answer = std::string(kHostile) + " after";
  after.items.back().id = std::string("only here ") + kHostile;
  const std::string page = compare_report(runs.compare(before, after));
  check_markup(page);
  CHECK_THAT(page, ContainsSubstring("&lt;script&gt;document.title=&#39;pwned&#39;&lt;/script&gt;"));
  CHECK_THAT(page, ContainsSubstring("1 items only in the candidate"));
}

TEST_CASE("html: forget and retain stand against each other in a picture") {
  Runs runs;
  const auto half = [](const char* name, int from) {
    PlantedTask task = right_below(60, from);
    task.name = name;
    return task;
  };
  const std::string a =
      runs.plant(std::vector<PlantedTask>{half("tofu-forget", 50), half("tofu-retain", 50)});
  const std::string b =
      runs.plant(std::vector<PlantedTask>{half("tofu-forget", 10), half("tofu-retain", 49)});
  const std::string page = compare_report(runs.compare(a, b));
  check_markup(page);
  CHECK_THAT(page, ContainsSubstring("What was to go down, and what must not"));
  CHECK_THAT(page, ContainsSubstring(">change on forget</text>"));
  CHECK_THAT(page, ContainsSubstring(">change on retain</text>"));
  CHECK_THAT(page, ContainsSubstring("<bdi>forget regressed, retain inconclusive</bdi>"));
  CHECK_THAT(page, ContainsSubstring(">Over tasks and variants<"));
}

TEST_CASE("html: a comparison of 57 tasks with long answers stays a file that people can send") {
  Runs runs;
  std::vector<PlantedTask> before, after;
  for (int t = 0; t < 57; ++t) {
    PlantedTask task = right_below(30, 20);
    task.name = "task-" + std::to_string(t);
    for (PlantedItem& item : task.items) item.answer = std::string(20'000, '<');
    before.push_back(task);
    for (std::size_t i = 0; i < 10; ++i) task.items[i].scores = {0};
    after.push_back(std::move(task));
  }
  CompareOptions options;
  options.top_items = 20;
  options.replicates = 200;
  const std::string a = runs.plant(before), b = runs.plant(after);
  const std::string page = compare_report(runs.compare(a, b, options));
  CHECK(page.size() < 2'000'000);
  CHECK(count(page, "regressed</strong></td>") == 57);
}

TEST_CASE("html: a point on two axes stands where both say, and nothing changed is in sight") {
  html::CrossPoint point;
  point.label = "m";
  point.x = -0.5, point.x_lo = -0.6, point.x_hi = -0.4;
  point.y = 0.0, point.y_lo = -0.1, point.y_hi = 0.1;
  const std::string drawn = html::cross_plot("t", "x", "y", {point, {"no number"}});
  // Both axes run over -0.6 .. 0.1 with 8 % of room on both sides.
  char text[64];
  const double lo = -0.656, range = 0.812;
  std::snprintf(text, sizeof text, "<circle cx=\"%.2f\" cy=\"%.1f", 62 + 326 * ((-0.5 - lo) / range),
                304 - 292 * (0 - lo) / range);
  CHECK_THAT(drawn, ContainsSubstring(text));
  CHECK(count(drawn, "class=\"whisker t0\"") == 2);
  CHECK(count(drawn, "class=\"guide\"") == 2);
  CHECK(count(drawn, "<td class=\"n\">n/a</td>") == 6);
}
