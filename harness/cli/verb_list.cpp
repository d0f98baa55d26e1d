// `assay list`: what there is. Plugins are listed from the scan cache; none is loaded.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "reports/text_table.hpp"

namespace assay::host::cli {
namespace fs = std::filesystem;
namespace {

int list_plugins_of(const Globals& globals, int kind) {
  Result<std::unique_ptr<Registry>> registry = Registry::discover(globals.registry());
  if (!registry) return report(globals, registry.error());
  TextTable table;
  for (const char* title : {"id", "version", "what it is"}) table.column(title);
  Json list = Json::array();
  for (const PluginEntry& entry : (*registry)->plugins()) {
    if (entry.spec->kind != kind || entry.state != ScanState::kOk) continue;
    table.row({entry.spec->id, entry.spec->version, entry.spec->title});
    list.push_back({{"id", entry.spec->id}, {"version", entry.spec->version}, {"title", entry.spec->title}});
  }
  print(globals.json ? canonical(Json{{"schema", "assay-list/1"}, {"items", list}}) + "\n"
                     : table.text(0, globals.color_out));
  return kDone;
}

// The folder of the suites: installed beside the program, or the source tree's.
fs::path suite_folder() {
  const fs::path installed = executable_folder() / "../share/assay/suites";
  std::error_code failure;
  return fs::is_directory(installed, failure) ? installed : fs::path(ASSAY_SUITE_FOLDER);
}

int list_suites(const Globals& globals) {
  TextTable table;
  for (const char* title : {"suite", "what it is", "file"}) table.column(title);
  Json list = Json::array();
  std::vector<fs::path> files;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(suite_folder(), failure)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const Result<Suite> suite = read_suite(file, {});
    const std::string title = suite ? suite->title : suite.error().text;
    const std::string shown = fs::relative(file, fs::current_path(), failure).string();
    table.row({suite ? suite->name : file.stem().string(), title, shown});
    list.push_back(
        {{"suite", suite ? suite->name : file.stem().string()}, {"title", title}, {"file", file.string()}});
  }
  print(globals.json ? canonical(Json{{"schema", "assay-list/1"}, {"items", list}}) + "\n"
                     : table.text(0, globals.color_out));
  return kDone;
}

int list_runs(const Globals& globals) {
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  Result<std::vector<RunSummary>> runs = (*reader)->runs();
  if (!runs) return report(globals, runs.error());
  TextTable table;
  for (const char* title : {"run", "suite", "started", "status", "items", "models", "label"}) {
    table.column(title, std::string_view(title) == "items" || std::string_view(title) == "models"
                            ? TextTable::Align::kRight
                            : TextTable::Align::kLeft);
  }
  Json list = Json::array();
  for (const RunSummary& run : *runs) {
    table.row({run.run.uuid.substr(0, 8), run.run.suite_name, run.run.started, run.run.status,
               std::to_string(run.results), std::to_string(run.models), run.run.label});
    list.push_back({{"run", run.run.uuid},
                    {"suite", run.run.suite_name},
                    {"started", run.run.started},
                    {"ended", run.run.ended},
                    {"status", run.run.status},
                    {"items", run.results},
                    {"label", run.run.label}});
  }
  print(globals.json ? canonical(Json{{"schema", "assay-list/1"}, {"items", list}}) + "\n"
                     : table.text(0, globals.color_out));
  return kDone;
}

}  // namespace

int list_verb(const Globals& globals, const po::variables_map& values) {
  const std::vector<std::string> kinds = {"suites", "tasks", "metrics", "models", "plugins", "runs"};
  const std::string what = get<std::string>(values, "what");
  if (what == "tasks") return list_plugins_of(globals, ASSAY_TASK);
  if (what == "metrics") return list_plugins_of(globals, ASSAY_METRIC);
  if (what == "models") return list_plugins_of(globals, ASSAY_MODEL);
  if (what == "suites") return list_suites(globals);
  if (what == "runs") return list_runs(globals);
  if (what == "plugins") {
    po::variables_map redirected;
    redirected.insert({"action", po::variable_value(std::string("list"), false)});
    return plugin_verb(globals, redirected);
  }
  return report(globals,
                {Code::kInvalidArgument,
                 "assay list " + what + ": expected one of " + join(kinds, ", ") + did_you_mean(what, kinds),
                 {}});
}

}  // namespace assay::host::cli
