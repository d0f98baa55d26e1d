#include "reports/leaderboard/bundle.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/json.hpp"
#include "harness/base/limits.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/export/export.hpp"
#include "reports/table.hpp"

namespace assay::host {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kRun = "run.json";
constexpr const char* kRows = "rows.jsonl";
constexpr const char* kMapping = "mapping.json";

Json parsed(const std::string& text) {
  Json tree = Json::parse(text, nullptr, false);
  return tree.is_discarded() ? Json(text) : tree;
}

Result<Json> run_tree(Reader& reader, const RunSummary& run) {
  Result<std::vector<RecipeRow>> recipes = reader.recipes(run.run.id);
  if (!recipes) return std::move(recipes).error();
  Result<std::vector<ModelRow>> models = reader.models(run.run.id);
  if (!models) return std::move(models).error();
  Result<std::vector<AggregateLine>> lines = reader.aggregates(run.run.id);
  if (!lines) return std::move(lines).error();
  Json tree = {{"schema", "assay-bundle-run/1"},
               {"run", run.run.uuid},
               {"label", run.run.label},
               {"suite", run.run.suite_name},
               {"suite_sha256", run.run.suite_sha256},
               {"started", run.run.started},
               {"status", run.run.status},
               {"origin", run.run.origin},
               {"seed", std::to_string(run.run.seed)},
               {"versions", parsed(run.run.versions_json)}};
  // The parts stay text: their hash is over these bytes.
  for (const RecipeRow& recipe : *recipes) {
    tree["recipes"].push_back({{"task", recipe.name}, {"hash", recipe.hash}, {"parts", recipe.parts_json}});
  }
  for (const ModelRow& model : *models) {
    tree["models"].push_back({{"name", model.name},
                              {"fingerprint", model.fingerprint},
                              {"identity", parsed(model.identity_json)}});
  }
  tree["scores"] = result_json(*lines);
  return tree;
}

// A name that stays inside the folder.
bool plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of("/\\") == std::string::npos &&
         name.find('\0') == std::string::npos;
}

// A file of the bundle against its entry; a sentence when they differ.
std::string file_problem(const fs::path& folder, const std::string& name, const Json& entry) {
  std::error_code failed;
  if (!fs::is_regular_file(fs::symlink_status(folder / name, failed)) || failed)
    return "'" + printable(name, 100) + "' is missing or not a plain file";
  const std::string stated = entry.is_object() ? entry.value("sha256", Json()).dump() : std::string();
  const Result<std::string> hash = sha256_file(folder / name);
  if (!hash) return hash.error().text;
  if (stated != Json(*hash).dump())
    return "'" + printable(name, 100) + "' was changed: its SHA-256 is " + *hash + ", the manifest says " +
           printable(stated, 80);
  return {};
}

void check_recipes(const Json& run, std::vector<std::string>& problems) {
  if (!run.is_object() || !run.contains("recipes") || !run["recipes"].is_array()) {
    problems.emplace_back("'run.json' has no list of recipes");
    return;
  }
  for (const Json& recipe : run["recipes"]) {
    const bool whole = recipe.is_object() && recipe.contains("parts") && recipe["parts"].is_string() &&
                       recipe.contains("hash") && recipe["hash"].is_string();
    if (!whole || sha256_hex(recipe["parts"].get_ref<const std::string&>()) != recipe["hash"]) {
      problems.push_back(
          "the hash of a recipe is not that of its parts: " +
          printable(recipe.is_object() ? recipe.value("task", Json()).dump() : recipe.dump(), 100));
    }
  }
}

}  // namespace

Result<Bundle> write_bundle(Reader& reader, const RunSummary& run, const fs::path& folder) {
  if (run.run.status != "complete" && run.run.status != "incomplete") {
    return Error{Code::kInvalidArgument,
                 "run " + run.run.uuid.substr(0, 8) + " is " + run.run.status +
                     "; only a run that has ended can be bundled (`assay resume` continues it)",
                 {}};
  }
  std::error_code failed;
  if (fs::exists(folder, failed) && !fs::is_empty(folder, failed)) {
    return Error{Code::kInvalidArgument,
                 "'" + folder.string() + "' exists and is not empty; give --out a new folder", "out"};
  }
  Result<Json> tree = run_tree(reader, run);
  if (!tree) return std::move(tree).error();
  fs::create_directories(folder, failed);
  if (failed) {
    return Error{Code::kResourceExhausted,
                 "the folder '" + folder.string() + "' cannot be made: " + failed.message(), "out"};
  }
  exporting::ExportOptions options;
  options.format = "jsonl";
  options.out = (folder / kRows).string();
  options.mapping = (folder / kMapping).string();
  Result<exporting::ExportSummary> rows = exporting::export_run(reader, run, options);
  if (!rows) return std::move(rows).error();
  if (Result<void> done = write_file(folder / kRun, canonical(*tree) + "\n"); !done)
    return std::move(done).error();
  Bundle bundle;
  bundle.run = run.run.uuid;
  bundle.rows = rows->rows;
  Json files = Json::object();
  for (const char* name : {kRows, kMapping, kRun}) {
    if (!fs::exists(folder / name, failed)) continue;
    Result<std::string> hash = sha256_file(folder / name);
    if (!hash) return std::move(hash).error();
    files[name] = {{"sha256", *hash}, {"bytes", fs::file_size(folder / name, failed)}};
    bundle.files.emplace_back(name);
  }
  std::sort(bundle.files.begin(), bundle.files.end());
  const std::string manifest =
      canonical(
          Json{{"schema", "assay-bundle/1"}, {"run", bundle.run}, {"rows", bundle.rows}, {"files", files}}) +
      "\n";
  if (Result<void> done = write_file(folder / kManifest, manifest); !done) return std::move(done).error();
  bundle.digest = sha256_hex(manifest);
  return bundle;
}

Result<Bundle> verify_bundle(const fs::path& folder) {
  Result<std::string> manifest = read_file(folder / kManifest, limits::kConfigBytesMax);
  if (!manifest) {
    return Error{
        manifest.error().code, "'" + folder.string() + "' is not a bundle: " + manifest.error().text, {}};
  }
  Result<Json> tree = parse_json(*manifest, (folder / kManifest).string());
  if (!tree) return std::move(tree).error();
  const Json none;
  const auto member = [&](const char* key) -> const Json& {
    return tree->is_object() && tree->contains(key) ? (*tree)[key] : none;
  };
  if (member("schema") != "assay-bundle/1" || !member("files").is_object() || !member("run").is_string() ||
      !member("rows").is_number_integer()) {
    return Error{Code::kData,
                 "'" + (folder / kManifest).string() + "' is not a manifest of schema assay-bundle/1",
                 {}};
  }
  Bundle bundle;
  bundle.digest = sha256_hex(*manifest);
  bundle.run = member("run");
  bundle.rows = member("rows");
  std::vector<std::string> problems;
  for (const char* name : {kRows, kRun}) {
    if (!member("files").contains(name))
      problems.push_back("the manifest does not list '" + std::string(name) + "'");
  }
  for (const auto& [name, entry] : member("files").items()) {
    if (!plain_name(name)) {
      problems.push_back("the manifest names '" + printable(name, 100) + "', which is no file of the folder");
      continue;
    }
    bundle.files.push_back(name);
    if (std::string problem = file_problem(folder, name, entry); !problem.empty())
      problems.push_back(std::move(problem));
  }
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (name != kManifest && !member("files").contains(name))
      problems.push_back("'" + printable(name, 100) + "' is not listed in the manifest");
  }
  if (failed) problems.push_back("the folder cannot be listed: " + failed.message());
  if (problems.empty()) {
    Result<std::string> text = read_file(folder / kRun, limits::kTextBytesMax);
    if (!text) return std::move(text).error();
    Result<Json> run = parse_json(*text, (folder / kRun).string());
    if (!run) return std::move(run).error();
    check_recipes(*run, problems);
    if (run->is_object() && run->value("run", Json()) != Json(bundle.run))
      problems.emplace_back("'run.json' is of another run than the manifest says");
  }
  if (!problems.empty()) {
    std::sort(problems.begin(), problems.end());
    return Error{
        Code::kData, "the bundle '" + folder.string() + "' is not sound: " + join(problems, "; "), {}};
  }
  return bundle;
}

}  // namespace assay::host
