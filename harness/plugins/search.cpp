#include "harness/plugins/search.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"

#ifndef ASSAY_MULTIARCH
#define ASSAY_MULTIARCH ""
#endif

namespace assay::host {
namespace fs = std::filesystem;
namespace {

struct Facts {
  bool exists = false, folder = false, regular = false, open_to_all = false, sticky = false;
};

Facts facts_of(const fs::path& path) {
  struct stat raw {};
  if (::stat(path.c_str(), &raw) != 0) return {};
  return {true, S_ISDIR(raw.st_mode), S_ISREG(raw.st_mode), (raw.st_mode & S_IWOTH) != 0,
          (raw.st_mode & S_ISVTX) != 0};
}

class Search {
 public:
  SearchResult result;

  // One library file. Anyone who can write it, or swap it in its folder, could run code in the host.
  void file(const fs::path& given) {
    std::error_code failure;
    const fs::path path = fs::canonical(given, failure);
    if (failure) {
      result.candidates.push_back({given, "does not exist or cannot be reached: " + failure.message()});
      return;
    }
    if (!seen_.insert(path.string()).second) return;
    const Facts self = facts_of(path), parent = facts_of(path.parent_path());
    Candidate candidate{path, {}};
    if (self.open_to_all) {
      candidate.refusal = "is writable by everybody and therefore not loaded; remedy: chmod o-w";
    } else if (parent.open_to_all && !parent.sticky) {
      candidate.refusal =
          "lies in a folder that is writable by everybody and therefore not loaded; remedy: chmod o-w";
    }
    if (!candidate.refusal.empty()) result.warnings.push_back("'" + path.string() + "' " + candidate.refusal);
    result.candidates.push_back(std::move(candidate));
  }

  // All *.so of a folder, by name. A folder that does not exist is not worth a word unless it was asked for.
  void folder(const fs::path& given, bool asked_for) {
    std::error_code failure;
    const fs::path path = fs::canonical(given, failure);
    const Facts facts = failure ? Facts{} : facts_of(path);
    if (!facts.folder) {
      if (asked_for) result.warnings.push_back("the plugin folder '" + given.string() + "' does not exist");
      return;
    }
    if (!seen_.insert(path.string()).second) return;
    if (facts.open_to_all) {
      result.warnings.push_back("the plugin folder '" + path.string() +
                                "' is writable by everybody and therefore ignored; remedy: chmod o-w");
      return;
    }
    std::vector<fs::path> files;
    for (fs::directory_iterator entry(path, failure), end; !failure && entry != end;
         entry.increment(failure)) {
      if (entry->path().extension() == ".so" && facts_of(entry->path()).regular)
        files.push_back(entry->path());
    }
    if (failure) {
      result.warnings.push_back("the plugin folder '" + path.string() +
                                "' cannot be listed: " + failure.message());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& found : files) file(found);
  }

  // An element of ASSAY_PLUGIN_PATH: a folder or a library, absolute so that the current folder never counts.
  void element(const std::string& text) {
    if (text.empty()) return;
    const fs::path path = text;
    if (!path.is_absolute()) {
      result.warnings.push_back("ASSAY_PLUGIN_PATH names the relative path '" + printable(text) +
                                "', which is ignored; write an absolute path");
    } else if (facts_of(path).regular) {
      file(path);
    } else {
      folder(path, true);
    }
  }

 private:
  std::set<std::string> seen_;
};

}  // namespace

SearchResult search_libraries(const RegistryOptions& options) {
  Search search;
  for (const fs::path& given : options.files) {
    if (facts_of(given).folder) {
      search.folder(given, true);
    } else {
      search.file(given);
    }
  }
  if (options.use_environment) {
    for (const std::string& part : split(environment("ASSAY_PLUGIN_PATH"), ':')) search.element(part);
    search.folder(data_home() / "plugins", false);
  }
  if (!options.use_program_folders) return std::move(search.result);
  const fs::path beside = executable_folder() / ".." / "lib";
  search.folder(beside / "assay" / "plugins", false);
  if (const std::string multiarch = ASSAY_MULTIARCH; !multiarch.empty()) {
    search.folder(beside / multiarch / "assay" / "plugins", false);
  }
  return std::move(search.result);
}

Result<fs::path> find_worker(const RegistryOptions& options) {
  std::vector<fs::path> places;
  if (!options.worker.empty()) {
    places.push_back(options.worker);
  } else {
    places = {executable_folder() / "assay-worker", executable_folder() / ".." / "bin" / "assay-worker"};
  }
  std::vector<std::string> tried;
  for (const fs::path& place : places) {
    std::error_code failure;
    const fs::path path = fs::canonical(place, failure);
    if (!failure && ::access(path.c_str(), X_OK) == 0 && facts_of(path).regular) return path;
    tried.push_back("'" + place.string() + "'");
  }
  return Error{Code::kNotFound,
               "the program assay-worker, which examines plugins, was not found at " + join(tried, " or ") +
                   "; it is installed beside assay: install both from the same package",
               {}};
}

}  // namespace assay::host
