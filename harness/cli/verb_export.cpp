// `assay export RUN --as FORMAT`: a stored run as rows, as Every Eval Ever records, as batch input.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/interop/export/export.hpp"

namespace assay::host::cli {
namespace {

using exporting::ExportOptions;
using exporting::ExportSummary;

Result<ExportOptions> options_of(const po::variables_map& values) {
  ExportOptions options;
  options.format = get<std::string>(values, "as");
  options.task = get<std::string>(values, "task");
  options.model = get<std::string>(values, "model");
  options.out = get<std::string>(values, "out");
  options.mapping = get<std::string>(values, "mapping");
  options.organisation = get<std::string>(values, "organisation", options.organisation);
  options.relationship = get<std::string>(values, "relationship", options.relationship);
  options.developer = get<std::string>(values, "developer");
  options.requests = get<std::string>(values, "requests");
  options.endpoint_model = get<std::string>(values, "endpoint-model");
  options.chat = values.count("chat") != 0;
  options.lines_max = get<std::int64_t>(values, "lines-max", options.lines_max);
  options.bytes_max = get<std::int64_t>(values, "bytes-max", options.bytes_max);
  const std::string only = get<std::string>(values, "only");
  if (!only.empty() && only != "missing") {
    const std::vector<std::string> known = {"missing"};
    return Error{Code::kInvalidArgument, "--only " + only + ": expected missing" + did_you_mean(only, known),
                 "only"};
  }
  options.only_missing = !only.empty();
  return options;
}

// Nothing but the export goes to standard output when that is where the export goes.
int tell(const Globals& globals, const RunSummary& run, const ExportOptions& options,
         const ExportSummary& summary) {
  const bool out_taken = std::find(summary.files.begin(), summary.files.end(), "-") != summary.files.end();
  if (globals.json && !out_taken) {
    print(canonical(Json{{"schema", "assay-export/1"},
                         {"run", run.run.uuid},
                         {"format", options.format},
                         {"files", summary.files},
                         {"rows", summary.rows},
                         {"notes", summary.notes}}) +
          "\n");
    return kDone;
  }
  if (globals.quiet) return kDone;
  std::string files = summary.files.front() == "-" ? "standard output" : "'" + summary.files.front() + "'";
  if (summary.files.size() > 1) files += " and " + std::to_string(summary.files.size() - 1) + " more";
  std::string text = std::to_string(summary.rows) + " rows in " + files + "\n";
  for (const std::string& note : summary.notes) text += "note: " + printable(note, 1000) + "\n";
  if (globals.verbose) {
    for (const std::string& file : summary.files) text += "  " + file + "\n";
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
  return kDone;
}

}  // namespace

po::options_description export_options() {
  po::options_description options("Options");
  options.add_options()("as", po::value<std::string>()->value_name("FORMAT"),
                        "jsonl, csv (one row an item; data are exact, also values that begin with =), eee "
                        "(Every Eval Ever 0.3.0), batch (input of a batch endpoint)")(
      "out", po::value<std::string>()->value_name("PATH"),
      "jsonl, csv: a file (default: standard output, also -); eee, batch: a folder (default: FORMAT-RUN)")(
      "task", po::value<std::string>()->value_name("PATTERN"), "only tasks that fit, with * and ?")(
      "model", po::value<std::string>()->value_name("NAME"), "only this model of the run")(
      "mapping", po::value<std::string>()->value_name("FILE"),
      "jsonl, csv: also write the mapping with which `assay import --map FILE` reads the rows again")(
      "only", po::value<std::string>()->value_name("missing"), "batch: only requests without an answer")(
      "requests", po::value<std::string>()->value_name("FILE"),
      "batch --only missing: the input of the imported batch; its lines without an answer")(
      "endpoint-model", po::value<std::string>()->value_name("NAME"),
      "batch: the model's name at the endpoint (default: its name in the run)")(
      "chat", "batch: prompts become one user message")(
      "lines-max", po::value<std::int64_t>()->value_name("N"), "batch: lines of a file (default 50000)")(
      "bytes-max", po::value<std::int64_t>()->value_name("N"), "batch: bytes of a file (default 200000000)")(
      "organisation", po::value<std::string>()->value_name("NAME"),
      "eee: who ran the evaluation (default unknown)")(
      "relationship", po::value<std::string>()->value_name("WORD"),
      "eee: of the evaluator to the model: first_party, third_party, collaborative, other (default)")(
      "developer", po::value<std::string>()->value_name("NAME"),
      "eee: who made the model (default: what stands before the / of its name)");
  return options;
}

int export_verb(const Globals& globals, const po::variables_map& values) {
  Result<ExportOptions> options = options_of(values);
  if (!options) return report(globals, options.error());
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  Result<RunSummary> run = (*reader)->find_run(get<std::string>(values, "run", "latest"));
  if (!run) return report(globals, run.error());
  Result<ExportSummary> summary = exporting::export_run(**reader, *run, *options);
  if (!summary) return report(globals, summary.error());
  return tell(globals, *run, *options, *summary);
}

}  // namespace assay::host::cli
