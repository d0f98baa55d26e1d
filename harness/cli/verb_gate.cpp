// `assay gate BASELINE CANDIDATE --policy FILE`: a comparison judged by a policy, with an exit code for build
// servers. The result is stored, so that a later gate can ask whether a regression was seen before.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/cli/custom_source.hpp"
#include "reports/gate/gate.hpp"
#include "reports/gate/report.hpp"

namespace assay::host::cli {
namespace {

struct Plan {
  std::string baseline, candidate, policy, junit, summary;
  int regression_code = kRegression;
  std::vector<std::pair<std::string, std::string>> models;
};

Error wrong(const std::string& text, const char* key) {
  return {Code::kInvalidArgument, text + " (`assay help gate` explains)", key};
}

Result<Plan> plan_of(const po::variables_map& values) {
  Plan plan;
  plan.baseline = get<std::string>(values, "baseline");
  plan.candidate = get<std::string>(values, "candidate");
  if (plan.baseline.empty() || plan.candidate.empty())
    return wrong("gate needs two runs: BASELINE and CANDIDATE, such as latest~1 latest", "baseline");
  plan.policy = get<std::string>(values, "policy");
  if (plan.policy.empty()) return wrong("gate needs --policy FILE: the rules that decide", "policy");
  plan.junit = get<std::string>(values, "junit");
  plan.summary = get<std::string>(values, "summary");
  const int code = get<int>(values, "regression-exit-code", kRegression);
  if (code < 1 || code > 125)
    return wrong("--regression-exit-code " + std::to_string(code) + ": expected a number from 1 to 125",
                 "regression-exit-code");
  plan.regression_code = code;
  Result<std::vector<std::pair<std::string, std::string>>> models = model_pairs(values);
  if (!models) return std::move(models).error();
  plan.models = *std::move(models);
  return plan;
}

// What cannot be kept or written is never a warning: each failure ends in code 4.
std::vector<std::string> keep(const Plan& plan, const Policy& policy, Store& store,
                              const Comparison& comparison, const GateOutcome& outcome) {
  std::vector<std::string> failures;
  const auto note = [&](const Result<void>& done, const std::string& what) {
    if (!done) failures.push_back(what + ": " + done.error().text);
  };
  note(store.add_gate_results(rows_of(policy, comparison, outcome)), "the gate's result could not be stored");
  if (!plan.junit.empty())
    note(write_file(plan.junit, gate_junit(policy, comparison, outcome)), "--junit " + plan.junit);
  if (!plan.summary.empty())
    note(write_file(plan.summary, gate_markdown(policy, comparison, outcome)), "--summary " + plan.summary);
  return failures;
}

int finish(const Globals& globals, const Plan& plan, const Policy& policy, const Comparison& comparison,
           const GateOutcome& outcome, const std::vector<std::string>& failures, bool explain) {
  std::vector<int> codes = outcome.codes;
  if (!failures.empty()) {
    codes.erase(std::remove(codes.begin(), codes.end(), static_cast<int>(kDone)), codes.end());
    codes.insert(codes.begin(), kInfrastructure);
  }
  std::replace(codes.begin(), codes.end(), static_cast<int>(kRegression), plan.regression_code);
  if (globals.json) {
    Json tree = gate_json(policy, comparison, outcome);
    tree["codes"] = codes;
    tree["exit_code"] = codes.front();
    tree["errors"] = failures;
    print(canonical(tree) + "\n");
  } else if (globals.quiet) {
    print(printable(outcome.sentence, 2000) + "\n");
  } else {
    print(gate_text(policy, comparison, outcome, globals.color_out, explain));
  }
  for (const std::string& failure : failures)
    std::fprintf(stderr, "assay: %s\n", printable(failure, 2000).c_str());
  return codes.front();
}

}  // namespace

po::options_description gate_options() {
  po::options_description options("Options");
  options.add_options()("policy", po::value<std::string>()->value_name("FILE"),
                        "the rules, as TOML (benchmarks/nightly/README.md describes the keys)")(
      "junit", po::value<std::string>()->value_name("FILE"), "also write JUnit XML, one test case a check")(
      "summary", po::value<std::string>()->value_name("FILE"), "also write GitHub markdown")(
      "regression-exit-code", po::value<int>()->value_name("N"),
      "the exit code of a regression (default 10; 1 to 125)")(
      "model", po::value<std::vector<std::string>>()->value_name("A=B"),
      "hold the baseline's model A against the candidate's B (repeatable; default: equal names)")(
      "explain", "show the inputs and the formula of every check");
  return options;
}

int gate_verb(const Globals& globals, const po::variables_map& values) {
  Result<Plan> plan = plan_of(values);
  if (!plan) return report(globals, plan.error());
  Result<Policy> policy = read_policy(plan->policy, utc_now().substr(0, 10));
  if (!policy) return report(globals, policy.error());
  std::error_code ignored;
  if (!std::filesystem::exists(globals.database, ignored)) {
    // Opening it for writing would create it; a gate without runs has nothing to say.
    const Result<std::unique_ptr<Reader>> none = Reader::open(globals.database);
    if (!none) return report(globals, none.error());
  }
  Result<std::unique_ptr<Store>> store = Store::open(globals.database);
  if (!store) return report(globals, store.error());
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  CompareOptions options = gate_compare_options(*policy);
  options.models = plan->models;
  options.custom = custom_source(globals);
  Result<Comparison> comparison = compare_runs(**reader, plan->baseline, plan->candidate, options);
  if (!comparison) return report(globals, comparison.error());
  Result<GateEvidence> evidence = gather_evidence(**reader, *comparison, *policy);
  if (!evidence) return report(globals, evidence.error());
  Result<GateOutcome> outcome = judge_gate(*policy, *comparison, *evidence);
  if (!outcome) return report(globals, outcome.error());
  const std::vector<std::string> failures = keep(*plan, *policy, **store, *comparison, *outcome);
  return finish(globals, *plan, *policy, *comparison, *outcome, failures, values.count("explain") != 0);
}

}  // namespace assay::host::cli
