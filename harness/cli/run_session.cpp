#include "harness/cli/run_session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/progress.hpp"
#include "reports/table.hpp"

namespace assay::host::cli {
namespace {

std::atomic<int> g_stop{0};  // signals received
std::atomic<int> g_signal{0};
std::uint32_t g_cancel = 0;  // handed to plugins

// First signal: issue nothing new and keep what is finished. Second: leave at once; the database is sound.
void on_signal(int signal) {
  g_signal.store(signal);
  if (g_stop.fetch_add(1) > 0) ::_exit(128 + signal);
  __atomic_store_n(&g_cancel, 1U, __ATOMIC_RELEASE);
}

int run_exit(const ExecuteResult& result) {
  if (result.outcome.interrupted) return 128 + (g_signal.load() == 0 ? SIGINT : g_signal.load());
  if (!result.outcome.infrastructure.empty()) return kInfrastructure;
  const auto& states = result.outcome.states;
  if (states[ASSAY_STATE_ERROR] + states[ASSAY_STATE_TIMEOUT] + states[ASSAY_STATE_UNSUPPORTED] != 0)
    return kIncomplete;
  for (const ExpectationResult& expectation : result.expectations) {
    if (!expectation.held) return kRegression;
  }
  return kDone;
}

std::string expectation_text(const std::vector<ExpectationResult>& list, bool color) {
  if (list.empty()) return {};
  std::size_t held = 0;
  std::string failures;
  for (const ExpectationResult& one : list) {
    if (one.held) {
      ++held;
      continue;
    }
    const SuiteExpectation& e = one.expectation;
    failures += fmt::format("  {}FAILED{} {} {} {}{}: {} - found {}\n", color ? "\x1b[31m" : "",
                            color ? "\x1b[0m" : "", e.task, e.metric, e.model,
                            e.variant.empty() ? "" : " (" + e.variant + ")", e.why, one.found);
  }
  return fmt::format("planted truth: {} of {} expectations hold\n", held, list.size()) + failures;
}

// "1200 items in 3.1s (200 of them new, 900 answers from the database), run 1a2b3c4d in assay.db"
std::string summary_line(const Globals& globals, const ExecuteResult& result) {
  const RunOutcome& outcome = result.outcome;
  std::vector<std::string> details;
  if (result.resumed) {
    details.push_back(fmt::format("continued: {} of them new, {} in all", outcome.finished - outcome.before,
                                  duration_text(result.all_seconds)));
  }
  if (outcome.served != 0) {
    details.push_back(fmt::format("{} of {} answers were in the database", outcome.served, outcome.requests));
  }
  return fmt::format("{} items in {}{}, run {} in {}\n", outcome.finished, duration_text(result.seconds),
                     details.empty() ? "" : " (" + join(details, "; ") + ")", result.uuid.substr(0, 8),
                     globals.database);
}

void print_result(const Globals& globals, const Session& session, const ExecuteResult& result, int code) {
  const RunOutcome& outcome = result.outcome;
  if (globals.json) {
    Json tree = {{"schema", "assay-result/1"},          {"run", result.uuid},
                 {"suite", session.plan.suite.name},    {"database", globals.database},
                 {"seconds", result.seconds},           {"items_finished", outcome.finished},
                 {"items_before", outcome.before},      {"requests", outcome.requests},
                 {"requests_served", outcome.served},   {"resumed", result.resumed},
                 {"items_planned", outcome.planned},    {"exit_code", code},
                 {"results", result_json(result.table)}};
    for (const WarningRow& warning : outcome.warnings)
      tree["warnings"].push_back({{"code", warning.code}, {"text", warning.text}});
    for (const ExpectationResult& one : result.expectations) {
      tree["expectations"].push_back({{"task", one.expectation.task},
                                      {"metric", one.expectation.metric},
                                      {"model", one.expectation.model},
                                      {"variant", one.expectation.variant},
                                      {"held", one.held},
                                      {"found", one.found},
                                      {"why", one.expectation.why}});
    }
    print(canonical(tree) + "\n");
    return;
  }
  TableOptions options;
  options.color = globals.color_out;
  options.all_values = globals.verbose;
  std::string text = result_table(result.table, options);
  const std::string held = expectation_text(result.expectations, globals.color_out);
  if (!held.empty()) text += "\n" + held;
  if (!globals.quiet) {
    constexpr std::size_t kWarningsShown = 10;
    for (std::size_t i = 0; i < outcome.warnings.size() && (i < kWarningsShown || globals.verbose); ++i) {
      text += (i == 0 ? "\n" : "") + std::string("note: ") + outcome.warnings[i].text + "\n";
    }
    if (!globals.verbose && outcome.warnings.size() > kWarningsShown) {
      text += fmt::format("note: {} more notes (assay show {} -v)\n",
                          outcome.warnings.size() - kWarningsShown, result.uuid.substr(0, 8));
    }
    text += "\n" + summary_line(globals, result);
  }
  print(text);
}

}  // namespace

int run_session(const Globals& globals, Session& session, ExecuteOptions& execution) {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  Progress progress(::isatty(2) == 1 && environment("TERM") != "dumb", globals.quiet);
  execution.database = globals.database;
  execution.control.stop = &g_stop;
  execution.control.cancel = &g_cancel;
  execution.control.progress = [&](const RunProgress& p) { progress.update(p); };
  execution.store.on_wait = [&](const std::string& text) {
    if (!globals.quiet) std::fprintf(stderr, "assay: %s\n", text.c_str());
  };
  std::vector<std::string> differs;
  Result<ExecuteResult> result = execute(session, execution, &differs);
  progress.finish();
  if (!result) {
    const int code = report(globals, result.error());
    return differs.empty() ? code : kNotComparable;
  }
  const int code = run_exit(*result);
  print_result(globals, session, *result, code);
  const std::string how =
      "continue with: assay resume " + result->uuid.substr(0, 8) + " --db '" + globals.database + "'";
  if (!result->outcome.infrastructure.empty()) {
    std::fprintf(stderr, "assay: the run was given up: %s; %ld items are safe in '%s'; %s\n",
                 result->outcome.infrastructure.c_str(), static_cast<long>(result->outcome.finished),
                 globals.database.c_str(), how.c_str());
  }
  if (result->outcome.interrupted) {
    std::fprintf(stderr, "assay: interrupted; %ld finished items are safe in '%s' (run %s); %s\n",
                 static_cast<long>(result->outcome.finished), globals.database.c_str(),
                 result->uuid.substr(0, 8).c_str(), how.c_str());
  }
  return code;
}

}  // namespace assay::host::cli
