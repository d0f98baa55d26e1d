// Policies as written: what is read, and that every mistake is named with its line.
#include <catch2/catch_approx.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/unit/gate_support.hpp"

using namespace assay;        // NOLINT: a test
using namespace assay::host;  // NOLINT: a test
using namespace assay::test;  // NOLINT: a test
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

TEST_CASE("gate policy: every key is read") {
  const Policy policy = policy_of(R"([policy]
name = "nightly"
alpha = 0.01
family = "bh"
on_inconclusive = "fail"
max_missing = 0.25
min_n = 30
[[rule]]
task = "halueval-*"
metric = "accuracy"
variant = "forget"
model = "big*"
kind = "no_regression"
margin = 0.02
confirm = "2 of 3"
noise_floor = true
[[rule]]
task = "mage"
kind = "absolute"
min = 0.6
max = 0.9
bound = "lower"
[[rule]]
task = "tofu"
kind = "equivalent"
relative_margin = 0.05
[[rule]]
task = "pope"
kind = "no_regression"
confirm = "e-value"
[[waive]]
task = "tofu"
metric = "rouge"
variant = "retain"
model = "small"
until = 2026-11-20
reason = "known"
)");
  CHECK(policy.name == "nightly");
  CHECK(policy.alpha == 0.01);
  CHECK(policy.family == Family::kBh);
  CHECK(policy.inconclusive_fails);
  CHECK(policy.max_missing == 0.25);
  CHECK(policy.min_n == 30);
  REQUIRE(policy.rules.size() == 4);
  const GateRule& first = policy.rules[0];
  CHECK(first.task == "halueval-*");
  CHECK(first.metric == "accuracy");
  CHECK(first.variant == "forget");
  CHECK(first.model == "big*");
  CHECK(first.kind == RuleKind::kNoRegression);
  CHECK(first.margin == 0.02);
  REQUIRE(first.confirm);
  CHECK(first.confirm->needed == 2);
  CHECK(first.confirm->of == 3);
  CHECK(first.noise_floor);
  CHECK_THAT(first.where, StartsWith("p.toml:8:"));
  const GateRule& second = policy.rules[1];
  CHECK(second.metric == "*");
  CHECK(second.min == 0.6);
  CHECK(second.max == 0.9);
  CHECK(second.bound == Bound::kLower);
  CHECK(policy.rules[2].relative_margin == 0.05);
  CHECK(policy.rules[3].confirm->e_value);
  REQUIRE(policy.waivers.size() == 1);
  CHECK(policy.waivers[0].until == "2026-11-20");  // the last day still counts
  CHECK(policy.waivers[0].reason == "known");
  CHECK(policy.sha256.size() == 64);
}

TEST_CASE("gate policy: defaults") {
  const Policy policy = policy_of(policy_text("task = \"*\"\nkind = \"no_regression\""));
  CHECK(policy.alpha == 0.05);
  CHECK(policy.family == Family::kHolm);
  CHECK_FALSE(policy.inconclusive_fails);
  CHECK(policy.max_missing == 0);
  CHECK(policy.min_n == 0);
}

TEST_CASE("gate policy: mistakes are named with their line and the remedy") {
  struct Case {
    std::string rule, head;  ///< rule begins on line 5 (6 with a head)
    std::string line, says;
  };
  const std::string good = "task = \"*\"\nkind = \"no_regression\"";
  const Case test = GENERATE_COPY(
      Case{"taks = \"*\"\nkind = \"no_regression\"", "", "p.toml:5:", "did you mean 'task'"},
      Case{"kind = \"no_regression\"", "", "p.toml:4:", "'task' is missing"},
      Case{"task = \"*\"", "", "p.toml:4:", "'kind' is missing"},
      Case{"task = \"*\"\nkind = \"no_regresion\"", "", "p.toml:6:", "did you mean 'no_regression'"},
      Case{"task = \"*\"\nkind = \"non_inferior\"", "", "p.toml:4:", "needs 'margin'"},
      Case{"task = \"*\"\nkind = \"equivalent\"", "", "p.toml:4:", "needs 'margin'"},
      Case{"task = \"*\"\nkind = \"absolute\"", "", "p.toml:4:", "needs 'min' or 'max'"},
      Case{"task = \"*\"\nkind = \"absolute\"\nmin = 0.6\nmax = 0.5", "", "p.toml:7:", "above 'max'"},
      Case{good + "\nmin = 0.5", "", "p.toml:7:", "belongs to absolute"},
      Case{good + "\nbound = \"lower\"", "", "p.toml:7:", "belongs to absolute"},
      Case{"task = \"*\"\nkind = \"absolute\"\nmin = 0.6\nmargin = 0.1", "",
           "p.toml:8:", "belongs to the kinds that compare"},
      Case{"task = \"*\"\nkind = \"improved\"\nconfirm = \"2 of 3\"", "", "p.toml:7:", "belongs to"},
      Case{"task = \"*\"\nkind = \"equivalent\"\nmargin = 1\nnoise_floor = true", "",
           "p.toml:8:", "belongs to"},
      Case{good + "\nmargin = 0", "", "p.toml:7:", "above 0"},
      Case{good + "\nmargin = -0.1", "", "p.toml:7:", "above 0"},
      Case{good + "\nmargin = inf", "", "p.toml:7:", "above 0"},
      Case{good + "\nmargin = \"0.1\"", "", "p.toml:7:", "must be a number"},
      Case{good + "\nmargin = 0.1\nrelative_margin = 0.1", "", "p.toml:8:", "not both"},
      Case{good + "\nconfirm = \"3 of 2\"", "", "p.toml:7:", "k of m"},
      Case{good + "\nconfirm = \"0 of 2\"", "", "p.toml:7:", "k of m"},
      Case{good + "\nconfirm = \"twice\"", "", "p.toml:7:", "k of m"},
      Case{good + "\nnoise_floor = 1", "", "p.toml:7:", "true or false"},
      Case{good, "alpha = 0", "p.toml:3:", "'alpha'"}, Case{good, "alpha = 0.6", "p.toml:3:", "'alpha'"},
      Case{good, "alpha = nan", "p.toml:3:", "'alpha'"},
      Case{good, "family = \"holms\"", "p.toml:3:", "did you mean 'holm'"},
      Case{good, "on_inconclusive = \"maybe\"", "p.toml:3:", "pass, fail"},
      Case{good, "max_missing = 1.5", "p.toml:3:", "between 0 and 1"},
      Case{good, "min_n = -1", "p.toml:3:", "at least 0"},
      Case{good, "min_n = 2.5", "p.toml:3:", "whole number"},
      Case{good, "alhpa = 0.05", "p.toml:3:", "did you mean 'alpha'"},
      Case{good + "\n[rules]", "", "p.toml:7:", "unknown key 'rules'"},
      Case{good + "\n[[waive]]\ntask = \"*\"\nreason = \"r\"", "", "p.toml:7:", "'until' is missing"},
      Case{good + "\n[[waive]]\ntask = \"*\"\nuntil = 2026-12-01", "", "p.toml:7:", "'reason' is missing"},
      Case{good + "\n[[waive]]\ntask = \"*\"\nreason = \"r\"\nuntil = \"2026-12-01\"", "",
           "p.toml:10:", "without quotes"},
      Case{good + "\n[[waive]]\ntask = \"*\"\nreason = \"flaky\"\nuntil = 2026-11-19", "",
           "p.toml:10:", "ended on 2026-11-19"},
      Case{good + "\nmargin = ", "", "p.toml:7:", "not valid TOML"});
  const std::string text = policy_text(test.rule, test.head);
  // policy_text leaves one empty line after the head.
  const Result<Policy> policy = parse_policy(text, "p.toml", kToday);
  INFO(text);
  REQUIRE_FALSE(policy.ok());
  CHECK(policy.error().code == Code::kInvalidArgument);
  CHECK_THAT(policy.error().text, ContainsSubstring(test.says));
  if (test.head.empty()) {
    CHECK_THAT(policy.error().text, StartsWith(test.line));
  } else {
    CHECK_THAT(policy.error().text, StartsWith("p.toml:3:"));
  }
}

TEST_CASE("gate policy: no table, no rules, no file") {
  CHECK_THAT(parse_policy("", "p.toml", kToday).error().text, ContainsSubstring("[policy]"));
  CHECK_THAT(parse_policy("[policy]\nname = \"x\"\n", "p.toml", kToday).error().text,
             ContainsSubstring("no [[rule]]"));
  CHECK_THAT(parse_policy("policy = 3\n", "p.toml", kToday).error().text, ContainsSubstring("[policy]"));
  CHECK_THAT(parse_policy("[policy]\nname = \"x\"\n[rule]\n", "p.toml", kToday).error().text,
             ContainsSubstring("[[rule]]"));
  const Result<Policy> none = read_policy("/nonexistent/p.toml", kToday);
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().code == Code::kInvalidArgument);
  CHECK_THAT(none.error().text, ContainsSubstring("--policy"));
}
