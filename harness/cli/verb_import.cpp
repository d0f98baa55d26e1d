// `assay import PATH`: another harness's log becomes a run.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/run/import_run.hpp"
#include "reports/reported.hpp"
#include "reports/table.hpp"

namespace assay::host::cli {
namespace {

constexpr std::size_t kReportedShown = 20;
const std::vector<std::string> kFormats = {"lm-eval", "inspect", "helm", "jsonl", "csv", "batch"};

}  // namespace

po::options_description import_options() {
  po::options_description options("Options");
  options.add_options()("as", po::value<std::string>()->value_name("FORMAT"),
                        "lm-eval, inspect, helm, jsonl, csv or batch (default: detected)")(
      "map", po::value<std::string>()->value_name("FILE"),
      "which fields mean what (jsonl, csv): JSON or TOML")("requests",
                                                           po::value<std::string>()->value_name("FILE"),
                                                           "the batch input the answers belong to (batch)")(
      "model", po::value<std::string>()->value_name("NAME"), "the model's name where the log has none")(
      "label", po::value<std::string>()->value_name("TEXT"), "a name for the run")(
      "skip-bad-lines", "keep the good rows and say which were rejected")(
      "number-lines", "rows without an id get the number of their line")(
      "salvage", "read the members of an archive that lost its directory")(
      "again", "import the same source once more")("dry-run", "read and check, write nothing");
  return options;
}

int import_verb(const Globals& globals, const po::variables_map& values) {
  const std::string path = get<std::string>(values, "path");
  if (path.empty()) {
    return report(globals, {Code::kInvalidArgument, "no path given: assay import PATH [--as FORMAT]", {}});
  }
  ImportRunOptions options;
  options.database = globals.database;
  options.read.format = get<std::string>(values, "as");
  if (!options.read.format.empty() &&
      std::find(kFormats.begin(), kFormats.end(), options.read.format) == kFormats.end()) {
    return report(globals, {Code::kInvalidArgument,
                            "--as " + printable(options.read.format) + ": expected " + join(kFormats, ", ") +
                                did_you_mean(options.read.format, kFormats),
                            {}});
  }
  options.read.map = get<std::string>(values, "map");
  options.read.requests = get<std::string>(values, "requests");
  options.read.model = get<std::string>(values, "model");
  options.read.skip_bad_lines = values.count("skip-bad-lines") != 0;
  options.read.number_lines = values.count("number-lines") != 0;
  options.read.salvage = values.count("salvage") != 0;
  options.label = get<std::string>(values, "label");
  options.command_line =
      "assay import " + path + (options.read.format.empty() ? "" : " --as " + options.read.format);
  options.again = values.count("again") != 0;
  options.dry_run = values.count("dry-run") != 0;
  Result<ImportResult> result = import_run(path, options);
  if (!result) {
    // A log that cannot be read is rejected data, whatever the reader found wrong with it.
    return report(globals, result.error());
  }
  const interop::ImportSummary& summary = result->summary;
  if (globals.json) {
    Json tree = {{"schema", "assay-import/1"},
                 {"format", summary.format},
                 {"source", summary.source_name},
                 {"sha256", summary.source_sha256},
                 {"rows", summary.rows},
                 {"rejected", summary.rejected},
                 {"rejections", summary.rejections},
                 {"run", result->uuid.empty() ? Json(nullptr) : Json(result->uuid)},
                 {"known", result->known},
                 {"results", result_json(result->table)},
                 {"reported", reported_json(result->reported, result->table)},
                 {"warnings", Json::array()}};
    for (const WarningRow& warning : result->warnings)
      tree["warnings"].push_back({{"code", warning.code}, {"text", warning.text}});
    print(canonical(tree) + "\n");
    return kDone;
  }
  if (result->known) {
    print(fmt::format("{} was imported before: run {} in {} (--again imports it once more)\n",
                      printable(summary.source_name), result->uuid.substr(0, 8), globals.database));
    return kDone;
  }
  TableOptions table;
  table.color = globals.color_out;
  table.all_values = globals.verbose;
  std::string text = result->table.empty() ? std::string() : result_table(result->table, table) + "\n";
  if (!result->reported.empty())
    text += reported_table(result->reported, result->table, globals.color_out,
                           globals.verbose ? 0 : kReportedShown) +
            "\n";
  for (const std::string& rejection : summary.rejections) text += "rejected: " + printable(rejection) + "\n";
  if (!globals.quiet) {
    for (const WarningRow& warning : result->warnings)
      text += "note: " + printable(warning.text, 1000) + "\n";
  }
  text += fmt::format(
      "{} {} rows from {}{}{}\n", summary.rows, summary.format, printable(summary.source_name),
      summary.rejected != 0 ? fmt::format(", {} rejected", summary.rejected) : "",
      options.dry_run ? " can be imported (nothing was written)"
                      : fmt::format(": {} run {} in {}", result->resumed ? "completed" : "imported as",
                                    result->uuid.substr(0, 8), globals.database));
  print(text);
  return kDone;
}

}  // namespace assay::host::cli
