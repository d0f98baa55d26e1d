// `assay data list | get NAME... | verify [NAME...] | path NAME`.
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "reports/text_table.hpp"

namespace assay::host::cli {
namespace {

using Names = std::vector<std::string>;

int data_list(const Globals& globals, const DataRegistry& registry) {
  TextTable table;
  for (const char* title : {"name", "here", "size", "rows", "licence", "what it is"}) {
    table.column(title, std::string_view(title) == "size" || std::string_view(title) == "rows"
                            ? TextTable::Align::kRight
                            : TextTable::Align::kLeft);
  }
  DataOptions options = globals.data();
  options.generate = false;  // listing makes nothing
  Json list = Json::array();
  for (const DataSet& set : registry.sets()) {
    std::string where;
    if (Result<std::vector<ResolvedFile>> files = registry.resolve_all(set.name, options))
      where = data_origin_name(files->front().origin);
    else
      where = set.kind == DataKind::kGenerated ? "generated on use"
              : set.obtainable()               ? "to be got"
                                               : "mirror only";
    std::uint64_t rows = 0;
    for (const DataFile& file : set.files) rows += file.rows;
    table.row({set.name, where, size_text(set.bytes()), rows == 0 ? "" : std::to_string(rows), set.licence,
               set.title});
    list.push_back({{"name", set.name},
                    {"here", where},
                    {"bytes", set.bytes()},
                    {"rows", rows},
                    {"licence", set.licence},
                    {"title", set.title},
                    {"source", set.source}});
  }
  print(globals.json ? canonical(Json{{"schema", "assay-data/1"}, {"sets", list}}) + "\n"
                     : table.text(0, globals.color_out));
  return kDone;
}

int print_paths(const Globals& globals, const std::vector<std::string>& paths) {
  if (globals.json) print(canonical(Json{{"schema", "assay-data-paths/1"}, {"paths", paths}}) + "\n");
  for (const std::string& path : paths) {
    if (!globals.json) print(path + "\n");
  }
  return kDone;
}

int data_get(const Globals& globals, const DataRegistry& registry, const Names& names) {
  const bool terminal = ::isatty(2) == 1;
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    const DataProgress progress = [&](const DataFile& file, std::uint64_t done, std::uint64_t total) {
      if (terminal && !globals.quiet) {
        std::fprintf(stderr, "\r\x1b[K%s  %s of %s", file.name.c_str(), size_text(done).c_str(),
                     size_text(total).c_str());
        if (done == total) std::fprintf(stderr, "\r\x1b[K");
      }
      return true;
    };
    Result<std::vector<ResolvedFile>> files = registry.get(name, globals.data(), progress);
    if (!files) return report(globals, files.error());
    for (const ResolvedFile& file : *files) paths.push_back(file.path.string());
  }
  return print_paths(globals, paths);
}

int data_verify(const Globals& globals, const DataRegistry& registry, Names names) {
  const bool all = names.empty();
  if (all) {
    for (const DataSet& set : registry.sets()) names.push_back(set.name);
  }
  bool wrong = false;
  Json list = Json::array();
  TextTable table;
  for (const char* title : {"data", "file", "state"}) table.column(title);
  for (const std::string& name : names) {
    Result<std::vector<FileCheck>> checks = registry.verify(name, globals.data());
    if (!checks) return report(globals, checks.error());
    for (const FileCheck& check : *checks) {
      if (all && check.state == FileCheck::State::kMissing) continue;
      const bool ok = check.state == FileCheck::State::kOk;
      wrong = wrong || !ok;
      list.push_back({{"data", name},
                      {"file", check.file->name},
                      {"ok", ok},
                      {"path", check.path.string()},
                      {"sha256", check.found_sha256}});
      table.row({name, check.file->name,
                 ok ? "ok"
                 : check.state == FileCheck::State::kMissing
                     ? "missing"
                     : "WRONG: sha256 is " + check.found_sha256 + ", expected " + check.file->sha256});
    }
  }
  print(globals.json ? canonical(Json{{"schema", "assay-data-checks/1"}, {"files", list}}) + "\n"
                     : table.text(0, globals.color_out));
  return wrong ? kData : kDone;
}

}  // namespace

int data_verb(const Globals& globals, const po::variables_map& values) {
  const std::string action = get<std::string>(values, "action");
  const Names names = get<Names>(values, "targets");
  Result<DataRegistry> registry = DataRegistry::open();
  if (!registry) return report(globals, registry.error());
  if (action == "list") return data_list(globals, *registry);
  if (action == "verify") return data_verify(globals, *registry, names);
  if (action == "get" && !names.empty()) return data_get(globals, *registry, names);
  if (action == "path" && names.size() == 1) {
    Result<std::vector<ResolvedFile>> files = registry->resolve_all(names[0], globals.data());
    if (files) {
      std::vector<std::string> paths;
      for (const ResolvedFile& file : *files) paths.push_back(file.path.string());
      return print_paths(globals, paths);
    }
    Result<ResolvedFile> one = registry->resolve(names[0], globals.data());
    if (!one)
      return report(globals,
                    registry->find(names[0]).ok() ? Error{Code::kData, files.error().text, {}} : one.error());
    return print_paths(globals, {one->path.string()});
  }
  const Names actions = {"list", "get", "verify", "path"};
  return report(globals,
                {Code::kInvalidArgument,
                 "assay data " + action + ": expected list, get NAME..., verify [NAME...] or path NAME" +
                     did_you_mean(action, actions),
                 {}});
}

}  // namespace assay::host::cli
