// `assay leaderboard`: ranked tables over stored runs. Needs no plugin.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "reports/html/leaderboard_report.hpp"
#include "reports/html/run_report.hpp"
#include "reports/leaderboard/bundle.hpp"
#include "reports/leaderboard/leaderboard.hpp"

namespace assay::host::cli {
namespace {

// A date as a run records it, or its beginning: digits and the signs between them, in order.
bool date_prefix(const std::string& text) {
  static const std::string kShape = "dddd-dd-ddTdd:dd:dd.dddZ";
  if (text.size() < 4 || text.size() > kShape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (kShape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != kShape[i]) return false;
  }
  return true;
}

int history(const Globals& globals, Reader& reader, const LeaderboardOptions& options) {
  Result<std::vector<History>> histories = leaderboard_history(reader, options);
  if (!histories) return report(globals, histories.error());
  print(globals.json ? canonical(history_json(*histories)) + "\n"
                     : history_text(*histories, globals.color_out));
  return kDone;
}

// A run with one point has no course, and a filter that leaves none is no error here.
Result<std::vector<History>> courses(Reader& reader, const LeaderboardOptions& options) {
  Result<std::vector<History>> histories = leaderboard_history(reader, options);
  if (!histories && histories.error().code == Code::kNotFound) return std::vector<History>();
  return histories;
}

// index.html and the pages of its runs; files of other names in the folder are left alone.
Result<std::size_t> write_site(Reader& reader, const Leaderboard& leaderboard,
                               const std::vector<History>& histories, const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed)
    return Error{Code::kResourceExhausted,
                 "cannot make the folder '" + folder + "' of the site: " + failed.message(), "site"};
  html::LeaderboardReportOptions options;
  options.link_runs = true;
  std::size_t pages = 0;
  for (const std::string& id : html::runs_of(leaderboard, histories)) {
    const std::string file = html::run_file(id);
    if (file.empty()) continue;
    Result<RunSummary> run = reader.find_run(id);
    if (!run) return std::move(run).error();
    Result<std::string> page = html::run_report(reader, *run);
    if (!page) return std::move(page).error();
    if (Result<void> done = write_file(folder + "/" + file, *page); !done) return std::move(done).error();
    ++pages;
  }
  // Last, so that it never points to pages that are not there.
  const std::string index = html::leaderboard_report(leaderboard, histories, options);
  if (Result<void> done = write_file(folder + "/index.html", index); !done) return std::move(done).error();
  return pages;
}

int tell(const Globals& globals, const Bundle& bundle, const std::string& folder, const char* what) {
  if (globals.json) {
    print(canonical(Json{{"schema", "assay-bundle/1"},
                         {"folder", folder},
                         {"run", bundle.run},
                         {"rows", bundle.rows},
                         {"files", bundle.files},
                         {"digest", bundle.digest}}) +
          "\n");
  } else if (!globals.quiet) {
    print(std::string(what) + " '" + printable(folder, 400) + "': run " + printable(bundle.run.substr(0, 8)) +
          ", " + std::to_string(bundle.rows) + " rows, digest " + bundle.digest + "\n");
  }
  return kDone;
}

int bundle_verb(const Globals& globals, const std::string& run_name, const std::string& folder) {
  if (folder.empty()) {
    return report(globals, {Code::kInvalidArgument,
                            "leaderboard bundle needs --out FOLDER, a new folder for the bundle", "out"});
  }
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  Result<RunSummary> run = (*reader)->find_run(run_name.empty() ? "latest" : run_name);
  if (!run) return report(globals, run.error());
  Result<Bundle> bundle = write_bundle(**reader, *run, folder);
  if (!bundle) return report(globals, bundle.error());
  return tell(globals, *bundle, folder, "bundle");
}

int verify_verb(const Globals& globals, const std::string& folder) {
  if (folder.empty()) {
    return report(
        globals,
        {Code::kInvalidArgument,
         "leaderboard verify needs the folder of a bundle: assay leaderboard verify FOLDER", "target"});
  }
  Result<Bundle> bundle = verify_bundle(folder);
  if (!bundle) return report(globals, bundle.error());
  return tell(globals, *bundle, folder, "sound:");
}

}  // namespace

po::options_description leaderboard_options() {
  po::options_description options("Options");
  const auto pattern = [] { return po::value<std::string>()->value_name("PATTERN"); };
  options.add_options()("suite", pattern(), "only runs of suites with such a name (* and ?)")(
      "task", pattern(), "only tasks with such a name")("metric", pattern(), "only metrics with such a name")(
      "model", pattern(), "only models with such a name, or by the beginning of the fingerprint")(
      "since", po::value<std::string>()->value_name("DATE"),
      "only runs that started at or after: 2026-11-02")(
      "run", po::value<std::vector<std::string>>()->value_name("RUN"),
      "only this run, complete or not (repeatable)")("all-values", "also values that are not headlines")(
      "no-usage", "without tokens and seconds, which are summed over every stored answer")(
      "history", po::value<std::string>()->value_name("METRIC"),
      "the course of a metric over all runs instead")("markdown", "tables in markdown")(
      "csv", po::value<std::string>()->value_name("FILE"),
      "write one line a row to this file; - is standard output")(
      "html", po::value<std::string>()->value_name("FILE"),
      "also write all tables as one HTML file; - is standard output, and nothing else there")(
      "site", po::value<std::string>()->value_name("FOLDER"),
      "also write a static site: index.html, and one page for every run in it")(
      "out", po::value<std::string>()->value_name("FOLDER"), "bundle: the new folder to write");
  return options;
}

int leaderboard_verb(const Globals& globals, const po::variables_map& values) {
  LeaderboardOptions options;
  const auto action = get<std::string>(values, "action"), target = get<std::string>(values, "target");
  const auto out = get<std::string>(values, "out");
  if (action == "bundle") return bundle_verb(globals, target, out);
  if (!out.empty()) {
    return report(globals,
                  {Code::kInvalidArgument,
                   "--out belongs to `assay leaderboard bundle RUN`; --csv FILE writes a table", "out"});
  }
  if (action == "verify") return verify_verb(globals, target);
  if (!action.empty()) {
    const std::vector<std::string> known = {"bundle", "verify"};
    return report(globals, {Code::kInvalidArgument,
                            "leaderboard " + printable(action, 60) + ": expected nothing, bundle or verify" +
                                did_you_mean(action, known) + " (--suite PATTERN chooses a suite)",
                            "action"});
  }
  options.suite = get<std::string>(values, "suite");
  options.task = get<std::string>(values, "task");
  options.metric = get<std::string>(values, "metric");
  options.model = get<std::string>(values, "model");
  options.since = get<std::string>(values, "since");
  options.runs = get<std::vector<std::string>>(values, "run");
  options.all_values = values.count("all-values") != 0;
  options.usage = values.count("no-usage") == 0;
  const auto wrong = [&](const std::string& text, const char* key) {
    return report(globals, {Code::kInvalidArgument, text, key});
  };
  if (!options.since.empty() && !date_prefix(options.since)) {
    return wrong("--since " + options.since + ": expected a date such as 2026-11-02 or 2026-11-02T18:00",
                 "since");
  }
  const std::string csv = get<std::string>(values, "csv");
  const bool markdown = values.count("markdown") != 0;
  if (globals.json && (markdown || csv == "-"))
    return wrong("--json and --markdown or --csv - both want standard output; give one of them", "json");
  if (markdown && csv == "-")
    return wrong("--markdown and --csv - both want standard output; give --csv a file", "csv");
  const auto page = get<std::string>(values, "html"), site = get<std::string>(values, "site");
  if (page == "-" && (globals.json || markdown || csv == "-"))
    return wrong("--html - wants standard output for itself; give --html a file", "html");
  const bool over_time = values.count("history") != 0;
  if (over_time && (markdown || !csv.empty() || !page.empty() || !site.empty()))
    return wrong("--history prints text or --json; it has no --markdown, --csv, --html or --site", "history");
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  if (over_time) {
    if (!options.metric.empty()) return wrong("--history names the metric; leave out --metric", "metric");
    options.metric = get<std::string>(values, "history");
    options.all_values = true;
    return history(globals, **reader, options);
  }
  Result<Leaderboard> leaderboard = build_leaderboard(**reader, options);
  if (!leaderboard) return report(globals, leaderboard.error());
  if (!page.empty() || !site.empty()) {
    Result<std::vector<History>> histories = courses(**reader, options);
    if (!histories) return report(globals, histories.error());
    if (!site.empty()) {
      Result<std::size_t> pages = write_site(**reader, *leaderboard, *histories, site);
      if (!pages) return report(globals, pages.error());
    }
    if (!page.empty()) {
      const std::string bytes = html::leaderboard_report(*leaderboard, *histories);
      if (Result<void> done = put(page, bytes); !done) return report(globals, done.error());
      if (page == "-") return kDone;
    }
  }
  if (csv == "-") {
    print(leaderboard_csv(*leaderboard));
    return kDone;
  }
  if (!csv.empty()) {
    if (Result<void> done = write_file(csv, leaderboard_csv(*leaderboard)); !done)
      return report(globals, done.error());
  }
  if (globals.json) {
    print(canonical(leaderboard_json(*leaderboard)) + "\n");
  } else if (markdown) {
    print(leaderboard_markdown(*leaderboard));
  } else {
    print(leaderboard_text(*leaderboard, globals.color_out, globals.verbose));
  }
  return kDone;
}

}  // namespace assay::host::cli
