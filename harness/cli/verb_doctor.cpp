// `assay doctor`: what works here and what does not, each with a remedy.
#include <sqlite3.h>
#include <sys/resource.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/run/provenance.hpp"

namespace assay::host::cli {
namespace fs = std::filesystem;
namespace {

struct Finding {
  enum class Level { kOk, kNote, kProblem } level;
  std::string topic, text, remedy;
};

void check_plugins(const Globals& globals, std::vector<Finding>& out) {
  Result<std::unique_ptr<Registry>> registry = Registry::discover(globals.registry());
  if (!registry) {
    out.push_back({Finding::Level::kProblem, "plugins", registry.error().text, "build or reinstall assay"});
    return;
  }
  std::size_t good = 0;
  for (const PluginEntry& entry : (*registry)->plugins()) good += entry.state == ScanState::kOk ? 1 : 0;
  out.push_back(
      {good == 0 ? Finding::Level::kProblem : Finding::Level::kOk, "plugins",
       std::to_string(good) + " plugins in " + std::to_string((*registry)->libraries().size()) + " libraries",
       good == 0 ? "set ASSAY_PLUGIN_PATH" : ""});
  for (const LibraryRecord& library : (*registry)->libraries()) {
    if (library.state == ScanState::kOk) continue;
    out.push_back({Finding::Level::kProblem, "plugins",
                   library.path.string() + ": " + scan_state_name(library.state) + " - " + library.reason,
                   "rebuild it, or take it off the search path"});
  }
  for (const std::string& warning : (*registry)->warnings())
    out.push_back({Finding::Level::kNote, "plugins", warning, ""});
  if ((*registry)->find(ASSAY_MODEL, "llama").ok()) {
    out.push_back({Finding::Level::kOk, "llama", "GGUF models can be run", ""});
  } else {
    out.push_back({Finding::Level::kNote, "llama", "GGUF models cannot be run: there is no model 'llama'",
                   optional_plugin_remedy(ASSAY_MODEL, "llama")});
  }
}

void check_database(const Globals& globals, std::vector<Finding>& out) {
  std::error_code failure;
  if (!fs::exists(globals.database, failure)) {
    out.push_back({Finding::Level::kNote, "database", "'" + globals.database + "' does not exist yet",
                   "the first run makes it"});
  } else if (Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database); !reader) {
    out.push_back({Finding::Level::kProblem, "database", reader.error().text, "give another file with --db"});
  } else if (Result<std::vector<std::string>> broken = (*reader)->integrity(); !broken) {
    out.push_back({Finding::Level::kProblem, "database", broken.error().text,
                   "copy the file away and look at it with sqlite3"});
  } else {
    for (const std::string& one : *broken)
      out.push_back({Finding::Level::kProblem, "database", one, "restore a backup"});
    if (broken->empty())
      out.push_back({Finding::Level::kOk, "database", "'" + globals.database + "' is sound", ""});
  }
  const int version = sqlite3_libversion_number();
  if (version < 3051003) {
    out.push_back({Finding::Level::kNote, "sqlite",
                   std::string("SQLite ") + sqlite3_libversion() + " is older than 3.51.3",
                   "its WAL-reset defect is avoided by one writer at a time; do not write to the file with "
                   "other programs meanwhile"});
  }
  const fs::space_info space = fs::space(fs::absolute(globals.database, failure).parent_path(), failure);
  if (!failure) {
    const bool low = space.available < (std::uintmax_t{1} << 30U);
    out.push_back({low ? Finding::Level::kProblem : Finding::Level::kOk, "disk",
                   size_text(space.available) + " free for the database", low ? "make room" : ""});
  }
}

void check_data(const Globals& globals, std::vector<Finding>& out) {
  Result<DataRegistry> registry = DataRegistry::open();
  if (!registry) {
    out.push_back({Finding::Level::kProblem, "data", registry.error().text, "mend the registry file"});
    return;
  }
  DataOptions options = globals.data();
  options.generate = false;
  std::size_t here = 0;
  for (const DataSet& set : registry->sets()) here += registry->resolve_all(set.name, options).ok() ? 1U : 0U;
  out.push_back(
      {Finding::Level::kOk, "data",
       std::to_string(here) + " of " + std::to_string(registry->sets().size()) + " data sets are here",
       here == 0 ? "point --data or ASSAY_DATA at a mirror, or `assay data get NAME`" : ""});
}

}  // namespace

int doctor_verb(const Globals& globals, const po::variables_map&) {
  std::vector<Finding> findings;
  check_plugins(globals, findings);
  check_data(globals, findings);
  check_database(globals, findings);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 256) {
    findings.push_back({Finding::Level::kProblem, "limits",
                        "only " + std::to_string(files.rlim_cur) + " open files are allowed",
                        "ulimit -n 1024"});
  }
  bool problem = false;
  Json list = Json::array();
  std::string text = "assay " + program_version() + "\n";
  for (const Finding& one : findings) {
    const char* word = one.level == Finding::Level::kOk     ? "ok"
                       : one.level == Finding::Level::kNote ? "note"
                                                            : "problem";
    problem = problem || one.level == Finding::Level::kProblem;
    list.push_back({{"level", word}, {"topic", one.topic}, {"text", one.text}, {"remedy", one.remedy}});
    text += std::string(word) + std::string(9 - std::string_view(word).size(), ' ') + one.topic + ": " +
            one.text + (one.remedy.empty() ? "" : "; " + one.remedy) + "\n";
  }
  print(globals.json ? canonical(Json{{"schema", "assay-doctor/1"}, {"findings", list}}) + "\n" : text);
  return problem ? kInfrastructure : kDone;
}

}  // namespace assay::host::cli
