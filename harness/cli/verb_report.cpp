// `assay report`: a stored run as one HTML file. Needs no plugin.
#include <nlohmann/json.hpp>

#include "harness/cli/common.hpp"
#include "reports/html/run_report.hpp"

namespace assay::host::cli {

po::options_description report_options() {
  po::options_description options("Options");
  options.add_options()("html", po::value<std::string>()->value_name("FILE"),
                        "the file to write; - is standard output")(
      "samples", po::value<std::int64_t>()->value_name("N"),
      "items shown of each state, task and model (default 3, 0: none)");
  return options;
}

int report_verb(const Globals& globals, const po::variables_map& values) {
  const std::string file = get<std::string>(values, "html");
  if (file.empty()) {
    return report(globals,
                  {Code::kInvalidArgument,
                   "report needs --html FILE, the file to write (`assay help report` explains)", "html"});
  }
  html::RunReportOptions options;
  const auto samples =
      get<std::int64_t>(values, "samples", static_cast<std::int64_t>(options.items_per_state));
  if (samples < 0 || samples > 1000) {
    return report(globals,
                  {Code::kInvalidArgument,
                   "--samples " + std::to_string(samples) + ": expected a number from 0 to 1000", "samples"});
  }
  options.items_per_state = static_cast<std::size_t>(samples);
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  Result<RunSummary> run = (*reader)->find_run(get<std::string>(values, "run", "latest"));
  if (!run) return report(globals, run.error());
  Result<std::string> page = html::run_report(**reader, *run, options);
  if (!page) return report(globals, page.error());
  if (Result<void> done = put(file, *page); !done) return report(globals, done.error());
  if (file == "-") return kDone;
  if (globals.json) {
    print(
        canonical(Json{
            {"schema", "assay-report/1"}, {"run", run->run.uuid}, {"file", file}, {"bytes", page->size()}}) +
        "\n");
  } else if (!globals.quiet) {
    print("report of run " + run->run.uuid.substr(0, 8) + " in '" + file + "'\n");
  }
  return kDone;
}

}  // namespace assay::host::cli
