// `assay plugin list | info FILE | help ID`.
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/plugins/help.hpp"
#include "reports/text_table.hpp"

namespace assay::host::cli {
namespace {

Json library_json(const LibraryRecord& library) {
  Json tree = {{"path", library.path.string()},
               {"state", scan_state_name(library.state)},
               {"reason", library.reason},
               {"sha256", library.sha256},
               {"bytes", library.size},
               {"build_id", library.build_id},
               {"build_info", library.build_info},
               {"abi", std::to_string(library.abi_major) + "." + std::to_string(library.abi_minor)},
               {"plugins", Json::array()}};
  for (const PluginSpec& spec : library.plugins) tree["plugins"].push_back(to_json(spec));
  return tree;
}

int plugin_list(const Globals& globals) {
  Result<std::unique_ptr<Registry>> registry = Registry::discover(globals.registry());
  if (!registry) return report(globals, registry.error());
  if (globals.json) {
    Json list = Json::array();
    for (const LibraryRecord& library : (*registry)->libraries()) list.push_back(library_json(library));
    print(canonical(Json{{"schema", "assay-plugins/1"}, {"libraries", list}}) + "\n");
    return kDone;
  }
  TextTable table;
  for (const char* title : {"state", "kind", "id", "version", "library", "reason"}) table.column(title);
  for (const PluginEntry& entry : (*registry)->plugins()) {
    table.row({scan_state_name(entry.state), kind_name(entry.spec->kind), entry.spec->id, entry.spec->version,
               entry.library->path.filename().string(), entry.reason});
  }
  for (const LibraryRecord& library : (*registry)->libraries()) {
    if (library.state != ScanState::kOk)
      table.row(
          {scan_state_name(library.state), "", "", "", library.path.filename().string(), library.reason});
  }
  print(table.text(0, globals.color_out));
  for (const std::string& warning : (*registry)->warnings())
    std::fprintf(stderr, "assay: %s\n", warning.c_str());
  return kDone;
}

int plugin_info(const Globals& globals, const std::string& file, bool markdown) {
  RegistryOptions options;
  options.files.emplace_back(file);
  options.use_environment = false;
  Result<std::unique_ptr<Registry>> registry = Registry::discover(options);
  if (!registry) return report(globals, registry.error());
  if ((*registry)->libraries().empty())
    return report(globals, {Code::kNotFound, "there is no file '" + file + "'", {}});
  const LibraryRecord& library = (*registry)->libraries().front();
  if (globals.json) {
    print(canonical(library_json(library)) + "\n");
    return library.state == ScanState::kOk ? kDone : kUsage;
  }
  if (markdown) {
    for (const PluginSpec& spec : library.plugins) print("\n" + plugin_help_markdown(spec));
    return library.state == ScanState::kOk ? kDone : kUsage;
  }
  std::string text = library.path.string() + "\n  state      " + scan_state_name(library.state) +
                     (library.reason.empty() ? "" : " - " + library.reason) + "\n  sha256     " +
                     library.sha256 + "\n  build id   " + library.build_id + "\n  built by   " +
                     library.build_info + "\n";
  for (const PluginSpec& spec : library.plugins) text += "\n" + plugin_help_text(spec);
  print(text);
  return library.state == ScanState::kOk ? kDone : kUsage;
}

int plugin_help(const Globals& globals, const std::string& id, bool markdown) {
  Result<std::unique_ptr<Registry>> registry = Registry::discover(globals.registry());
  if (!registry) return report(globals, registry.error());
  Error last{Code::kNotFound, "no plugin is called '" + id + "'", {}};
  bool any = false;
  Json list = Json::array();
  for (const int kind : {ASSAY_MODEL, ASSAY_TASK, ASSAY_METRIC}) {
    Result<const PluginEntry*> found = (*registry)->find(kind, id);
    if (!found) continue;
    any = true;
    list.push_back(to_json(*(*found)->spec));
    if (!globals.json)
      print(markdown ? plugin_help_markdown(*(*found)->spec) : plugin_help_text(*(*found)->spec));
  }
  if (any && globals.json) print(canonical(Json{{"schema", "assay-plugin/1"}, {"plugins", list}}) + "\n");
  if (any) return kDone;
  std::vector<std::string> names;
  for (const PluginEntry& entry : (*registry)->plugins()) {
    names.push_back(entry.spec->id);
    names.push_back(entry.spec->short_name());
  }
  last.text += did_you_mean(id, names);
  return report(globals, last);
}

}  // namespace

int plugin_verb(const Globals& globals, const po::variables_map& values) {
  const std::vector<std::string> actions = {"list", "info", "help"};
  const std::string action = get<std::string>(values, "action");
  const std::string target = get<std::string>(values, "target");
  if (action == "list") return plugin_list(globals);
  if ((action == "info" || action == "help") && target.empty()) {
    return report(globals,
                  {Code::kInvalidArgument,
                   "assay plugin " + action + ": give a " + (action == "info" ? "FILE" : "plugin id"),
                   {}});
  }
  if (action == "info") return plugin_info(globals, target, values.count("markdown") != 0);
  if (action == "help") return plugin_help(globals, target, values.count("markdown") != 0);
  return report(globals, {Code::kInvalidArgument,
                          "assay plugin " + action + ": expected list, info FILE or help ID" +
                              did_you_mean(action, actions),
                          {}});
}

}  // namespace assay::host::cli
