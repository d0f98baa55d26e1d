// The outputs of a gate on planted outcomes: limits, hostile text, honest JSON.
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "reports/gate/report.hpp"
#include "tests/unit/gate_support.hpp"

using namespace assay;        // NOLINT: a test
using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

namespace {

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

struct Judged {
  Policy policy;
  Comparison comparison;
  GateOutcome outcome;
};

Judged judged(std::vector<ComparedTask> tasks, const std::string& rules = kNoRegression) {
  Judged out{policy_of(policy_text(rules)), comparison_of(std::move(tasks)), {}};
  out.outcome = judge(out.policy, out.comparison);
  return out;
}

}  // namespace

TEST_CASE("gate reports: markdown stays below its limit and says that it was cut") {
  std::vector<ComparedTask> tasks;
  for (int i = 0; i < 6000; ++i) {
    const bool bad = i == 5999;
    tasks.push_back(task_of("task " + std::to_string(i) + std::string(200, 'x'),
                            {bad ? binary_value(60, 40, 0, 0) : binary_value(10, 0, 0, 0)}));
  }
  const Judged all = judged(std::move(tasks));
  const std::string page = gate_markdown(all.policy, all.comparison, all.outcome);
  CHECK(page.size() <= 1'000'000);
  CHECK(page.find("The rest was cut") != std::string::npos);
  CHECK(page.find("| **fail** | task 5999") != std::string::npos);  // what failed is not what is cut
  const std::string small = gate_markdown(all.policy, all.comparison, all.outcome, 5000);
  CHECK(small.size() <= 5000);
  CHECK_THAT(small, EndsWith("has everything.*\n"));
}

TEST_CASE("gate reports: text of data is no markup, in any output") {
  const std::string hostile = "a|b\nc`<i>&\"'\x01\xFF]\xEF\xBF\xBF";
  ComparedValue value = binary_value(60, 40, 0, 0);
  value.metric = hostile;
  value.variant = hostile;
  const Judged one = judged({task_of(hostile, {value})});
  const std::string page = gate_markdown(one.policy, one.comparison, one.outcome);
  for (const std::string& row : {page}) {
    const std::size_t at = row.find("| **fail**");
    REQUIRE(at != std::string::npos);
    CHECK(occurrences(row.substr(at, row.find('\n', at) - at), "|") == 11);  // ten cells
  }
  CHECK(page.find("<i>") == std::string::npos);
  const std::string xml = gate_junit(one.policy, one.comparison, one.outcome);
  CHECK(xml.find("<i>") == std::string::npos);
  CHECK(xml.find('\x01') == std::string::npos);
  CHECK(xml.find('\xFF') == std::string::npos);
  CHECK(xml.find("\xEF\xBF\xBF") == std::string::npos);
  const std::string text = gate_text(one.policy, one.comparison, one.outcome, false, true);
  CHECK(text.find('\x01') == std::string::npos);
  CHECK(text.find('\xFF') == std::string::npos);
}

TEST_CASE("gate reports: JUnit counts are the elements, for every ending") {
  ComparedTask incomparable = task_of("a", {binary_value(60, 0, 0, 40)});
  incomparable.parts.push_back({"prompt", PartState::kDiffers, "differs"});
  ComparedTask incomplete = task_of("b", {binary_value(60, 0, 0, 40)});
  incomplete.candidate_missing = 5;
  const Judged all =
      judged({incomparable, incomplete, task_of("c", {binary_value(60, 30, 0, 10)}),
              task_of("d", {binary_value(60, 0, 0, 40)}), task_of("e", {binary_value(60, 30, 0, 10)})},
             kNoRegression + "\n[[waive]]\ntask = \"e\"\nuntil = 2026-11-30\nreason = \"known\"");
  const std::string xml = gate_junit(all.policy, all.comparison, all.outcome);
  CHECK(occurrences(xml, "<testcase ") == 5);
  CHECK(occurrences(xml, "<failure ") == 1);
  CHECK(occurrences(xml, "<error ") == 1);
  CHECK(occurrences(xml, "<skipped ") == 2);  // not comparable, waived
  CHECK(occurrences(xml, "tests=\"5\" failures=\"1\" errors=\"1\" skipped=\"2\"") == 2);
  CHECK_THAT(xml, ContainsSubstring("type=\"infrastructure\" message=\"candidate: 5 of 105"));
}

TEST_CASE("gate reports: undefined numbers are null, never NaN") {
  ComparedTask incomparable = task_of("a", {binary_value(60, 0, 0, 40)});
  incomparable.parts.push_back({"prompt", PartState::kDiffers, "differs"});
  const Judged one = judged({incomparable});
  const Json tree = gate_json(one.policy, one.comparison, one.outcome);
  CHECK(tree["schema"] == "assay-gate/1");
  CHECK(tree["checks"][0]["delta"].is_null());
  CHECK(tree["checks"][0]["adjusted_p"].is_null());
  CHECK(tree["counts"]["not comparable"] == 1);
  CHECK(tree["codes"] == Json::array({12}));
  CHECK(canonical(tree).find("nan") == std::string::npos);
}

TEST_CASE("gate reports: the first line is the verdict, and colours come on request only") {
  const Judged one = judged({task_of("c", {binary_value(60, 30, 0, 10)})});
  const std::string text = gate_text(one.policy, one.comparison, one.outcome, false, false);
  CHECK_THAT(text, StartsWith("gate 't' FAILED (1 check: 1 fail); first: c acc"));
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(gate_text(one.policy, one.comparison, one.outcome, true, false).find("\x1b[31mfail\x1b[0m") !=
        std::string::npos);
  CHECK(text == gate_text(one.policy, one.comparison, one.outcome, false, false));
}
