// A gate's outcome as files: JUnit XML for build servers, markdown for a summary page.
#include <fmt/format.h>

#include <cstdint>

#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/gate/detail.hpp"
#include "reports/gate/report.hpp"
#include "reports/markdown.hpp"
#include "reports/table.hpp"

namespace assay::host {
namespace {

constexpr std::size_t kTextMax = 4000;  ///< bytes of one sentence in a file

// Text in an attribute or an element. printable() has replaced what is no UTF-8 and control characters; the
// two code points at the end of the basic plane are the rest of what XML 1.0 forbids.
std::string xml(const std::string& raw) {
  const std::string clean = printable(raw, kTextMax);
  std::string out;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const std::string_view three = std::string_view(clean).substr(i, 3);
    if (three == "\xEF\xBF\xBE" || three == "\xEF\xBF\xBF") {
      out += "\xEF\xBF\xBD";
      i += 2;
      continue;
    }
    switch (clean[i]) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += clean[i];
    }
  }
  return out;
}

enum class Case { kPassed, kFailed, kError, kSkipped };

Case case_of(const Check& check) {
  if (!check.incomplete.empty()) return Case::kError;
  if (check.verdict == GateVerdict::kPass) return Case::kPassed;
  if (check.verdict == GateVerdict::kFail && check.waived.empty()) return Case::kFailed;
  return Case::kSkipped;
}

std::string case_name(const Policy& policy, const Check& check) {
  const std::string name = gate_detail::name_of(check);
  std::string text = name.substr(printable(check.task, 100).size() + 1);
  // Names of test cases are keys of histories: two checks of one suite never share one.
  text += std::string(" ") + rule_kind_name(policy.rules[check.rule].kind);
  return text + (check.candidate_model.empty() ? "" : " [" + printable(check.candidate_model, 100) + "]");
}

std::string seconds(double value) {
  return fmt::format("{:.3f}", value);
}

std::string markdown(const std::string& raw) {
  return markdown_text(raw, kTextMax);
}

std::string run_name(const RunSummary& run) {
  return run.run.uuid + (run.run.label.empty() ? std::string() : " (" + run.run.label + ")");
}

}  // namespace

std::string gate_junit(const Policy& policy, const Comparison& comparison, const GateOutcome& outcome) {
  std::size_t failures = 0, errors = 0, skipped = 0;
  double total = 0;
  std::string cases;
  std::vector<std::string> versions;
  for (const Check& check : outcome.checks) {
    total += check.seconds;
    const std::string version = check.task + "=" + check.candidate_version;
    if (!check.candidate_version.empty() &&
        std::find(versions.begin(), versions.end(), version) == versions.end())
      versions.push_back(version);
    cases += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{}\">\n", xml(check.task),
                         xml(case_name(policy, check)), seconds(check.seconds));
    const std::string body =
        fmt::format("rule {} ({}); interval {}, test {}", rule_kind_name(policy.rules[check.rule].kind),
                    policy.rules[check.rule].where, check.method, check.test);
    switch (case_of(check)) {
      case Case::kFailed:
        ++failures;
        cases += fmt::format("      <failure type=\"regression\" message=\"{}\">{}</failure>\n",
                             xml(check.sentence), xml(body));
        break;
      case Case::kError:
        ++errors;
        cases += fmt::format("      <error type=\"infrastructure\" message=\"{}\">{}</error>\n",
                             xml(check.incomplete), xml(check.sentence));
        break;
      case Case::kSkipped:
        ++skipped;
        cases += fmt::format("      <skipped message=\"{}: {}\"/>\n", gate_verdict_name(check.verdict),
                             xml(check.sentence));
        break;
      case Case::kPassed:
        break;
    }
    std::string row = check.sentence;
    for (const std::string& note : check.notes) row += "; note: " + note;
    cases += "      <system-out>" + xml(row) + "</system-out>\n    </testcase>\n";
  }
  const std::string counts =
      fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
                  outcome.checks.size(), failures, errors, skipped, seconds(total));
  std::string properties;
  for (const auto& [name, value] :
       {std::pair<const char*, std::string>("baseline", comparison.baseline.run.uuid),
        std::pair<const char*, std::string>("candidate", comparison.candidate.run.uuid),
        std::pair<const char*, std::string>("policy", policy.name),
        std::pair<const char*, std::string>("policy_sha256", policy.sha256),
        std::pair<const char*, std::string>("recipe", join(versions, " ")),
        std::pair<const char*, std::string>("sentence", outcome.sentence)})
    properties += fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", name, xml(value));
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"assay gate\" " + counts + ">\n" +
         fmt::format("  <testsuite name=\"{}\" {} timestamp=\"{}\">\n    <properties>\n{}    </properties>\n",
                     xml(policy.name), counts, xml(comparison.candidate.run.started), properties) +
         cases + "  </testsuite>\n</testsuites>\n";
}

std::string gate_markdown(const Policy& policy, const Comparison& comparison, const GateOutcome& outcome,
                          std::size_t bytes_max) {
  const std::string cut = "\n*The rest was cut: the page would be too long. `--json` has everything.*\n";
  const char* alert = outcome.exit_code() == kGatePassed
                          ? (outcome.count(GateVerdict::kInconclusive) != 0 ? "NOTE" : "TIP")
                          : "CAUTION";
  std::string out =
      "## Gate " + markdown(policy.name) + "\n\n> [!" + alert + "]\n> " + markdown(outcome.sentence) + "\n\n";
  out += "Baseline " + markdown(run_name(comparison.baseline)) + ", candidate " +
         markdown(run_name(comparison.candidate)) +
         fmt::format("; alpha {:g}, family {} of {}.\n\n", policy.alpha, family_name(policy.family),
                     outcome.family);
  out +=
      "| verdict | task | check | n | baseline | candidate | delta | interval | adj. p | version |\n"
      "|---|---|---|---:|---:|---:|---:|---|---:|---|\n";
  const auto add = [&](const std::string& text) {
    if (out.size() + text.size() + cut.size() > bytes_max) return false;
    out += text;
    return true;
  };
  const auto rest = [&] {
    if (out.size() + cut.size() <= bytes_max) out += cut;
    return out;
  };
  // What did not pass comes first, so that a cut loses the least.
  for (const bool passed : {false, true}) {
    for (const Check& check : outcome.checks) {
      if ((case_of(check) == Case::kPassed) != passed) continue;
      std::string verdict = gate_verdict_name(check.verdict);
      if (check.verdict == GateVerdict::kFail && check.waived.empty()) verdict = "**" + verdict + "**";
      if (!check.incomplete.empty()) verdict += ", incomplete";
      if (!check.waived.empty()) verdict += ", waived";
      const std::string interval =
          check.lo && check.hi ? score_text(*check.lo) + " to " + score_text(*check.hi) : "";
      if (!add(fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", verdict,
                           markdown(check.task), markdown(case_name(policy, check)),
                           check.n == 0 ? std::string() : std::to_string(check.n),
                           check.baseline ? score_text(*check.baseline) : "",
                           check.candidate ? score_text(*check.candidate) : "", delta_text(check.delta),
                           interval, p_text(check.adjusted), check.candidate_version)))
        return rest();
    }
  }
  bool first = true;
  for (const Check& check : outcome.checks) {
    if (case_of(check) == Case::kPassed) continue;
    if (!add((first ? "\n" : "") + std::string("- ") + gate_verdict_name(check.verdict) + ": " +
             markdown(check.sentence) + "\n"))
      return rest();
    first = false;
  }
  first = true;
  for (const std::string& note : outcome.notes) {
    if (!add((first ? "\n" : "") + std::string("- note: ") + markdown(note) + "\n")) return rest();
    first = false;
  }
  return out;
}

}  // namespace assay::host
