#include "harness/plugins/registry.hpp"

#include <string.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/base/process.hpp"
#include "harness/base/strings.hpp"
#include "harness/plugins/library.hpp"
#include "harness/plugins/record.hpp"
#include "harness/plugins/search.hpp"

namespace assay::host {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kScannersMax = 4;
constexpr std::size_t kNamesShown = 12;

std::string signal_text(int number) {
  const char* name = ::sigabbrev_np(number);
  return std::to_string(number) + (name == nullptr ? "" : " (SIG" + std::string(name) + ")");
}

// The last line a dying child wrote to standard error, as a clause.
std::string last_words(const std::string& err) {
  const std::vector<std::string> lines = split(trimmed(err), '\n');
  return lines.back().empty() ? "" : "; its last words: " + printable(lines.back(), 300);
}

// Scans one file in a child. Whatever happens to the child, there is a record.
LibraryRecord scan_in_child(const fs::path& worker, const fs::path& file, int limit_ms) {
  LibraryRecord record;
  record.path = file;
  if (const auto stamp = stamp_of(file)) {
    record.size = stamp->size;
    record.mtime_ns = stamp->mtime_ns;
  }
  const auto failed = [&](ScanState state, const std::string& clause) {
    record.state = state;
    record.reason = "'" + printable(file.string(), 1000) + "' " + clause;
    if (record.sha256.empty()) {
      if (Result<std::string> digest = sha256_file(file)) record.sha256 = std::move(*digest);
    }
    return record;
  };
  const Result<ChildResult> child = run_child(worker, {"--scan", file.string()}, limit_ms);
  if (!child) return failed(ScanState::kScanCrashed, "could not be scanned: " + child.error().text);
  if (child->timed_out) {
    return failed(ScanState::kScanTimeout,
                  "was not scanned within " + std::to_string(limit_ms) +
                      " ms: its start-up hangs (it is tried again after ten minutes, or when "
                      "the file changes)" +
                      last_words(child->err));
  }
  if (child->signal != 0) {
    return failed(ScanState::kScanCrashed, "crashed while it was scanned: signal " +
                                               signal_text(child->signal) + last_words(child->err));
  }
  const Result<Json> tree = child->exit_code == 0 ? parse_json(child->out, "the answer of assay-worker")
                                                  : Result<Json>(Error{Code::kData, "no answer", {}});
  if (!tree) {
    return failed(ScanState::kScanCrashed, "ended the scan before it could answer (exit code " +
                                               std::to_string(child->exit_code) + ")" +
                                               last_words(child->err));
  }
  Result<LibraryRecord> scanned = record_from_json(*tree);
  if (!scanned) return failed(ScanState::kScanCrashed, "gave an unreadable scan: " + scanned.error().text);
  return std::move(*scanned);
}

struct ScanJob {
  std::size_t slot = 0;
  fs::path path;
};

// Scans run side by side: most of their time is spent in the loader of the child.
void scan_all(const fs::path& worker, int limit_ms, const std::vector<ScanJob>& jobs,
              std::vector<LibraryRecord>& records) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      records[jobs[i].slot] = scan_in_child(worker, jobs[i].path, limit_ms);
    }
  };
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < std::min({jobs.size(), processors, kScannersMax}); ++i)
    helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
}

// Libraries opened in this process, whichever registry asked.
struct LoadedLibrary {
  const assay_entry* entry = nullptr;
  const assay_host* host = nullptr;
};
struct LoadedLibraries {
  std::mutex mutex;
  std::map<std::string, LoadedLibrary> by_path;
};
LoadedLibraries& loaded_libraries() {
  static auto* const libraries = new LoadedLibraries;  // never destroyed, like the handles
  return *libraries;
}

Error changed(const LibraryRecord& library, const std::string& what) {
  return {Code::kPluginMisbehaving,
          "CHANGED_SINCE_SCAN: '" + library.path.string() + "' " + what + "; start the command again",
          {}};
}

Result<void> same_file(const LibraryRecord& library) {
  const auto stamp = stamp_of(library.path);
  if (!stamp) return changed(library, "has disappeared since it was scanned");
  if (*stamp == FileStamp{library.size, library.mtime_ns}) return {};
  const Result<std::string> digest = sha256_file(library.path);
  if (!digest || *digest != library.sha256) return changed(library, "was replaced after it was scanned");
  return {};
}

Result<void> same_contents(const LibraryRecord& library, const std::vector<PluginSpec>& plugins) {
  if (plugins.size() != library.plugins.size()) {
    return changed(library, "now holds " + std::to_string(plugins.size()) + " plugins instead of " +
                                std::to_string(library.plugins.size()));
  }
  for (std::size_t i = 0; i < plugins.size(); ++i) {
    if (to_json(plugins[i]) != to_json(library.plugins[i])) {
      return changed(library, "describes the plugin '" + plugins[i].id + "' differently than in its scan");
    }
  }
  return {};
}

// True if a library of this file name probably holds the plugin: "ngram.so", "libassay_ngram.so",
// "my-ngram.so".
bool stem_matches(const fs::path& library, const std::string& name) {
  std::string stem = library.stem().string(), wanted = name;
  for (char& c : stem) c = c == '-' || c == '.' ? '_' : c;
  for (char& c : wanted) c = c == '.' ? '_' : c;
  if (stem.rfind("lib", 0) == 0) stem.erase(0, 3);
  const std::string last = name.substr(name.rfind('.') + 1);
  const auto ends_with = [&](const std::string& tail) {
    return stem == tail ||
           (stem.size() > tail.size() && stem.compare(stem.size() - tail.size(), tail.size(), tail) == 0 &&
            stem[stem.size() - tail.size() - 1] == '_');
  };
  return ends_with(wanted) || ends_with(last);
}

bool bears_name(const PluginSpec& spec, const std::string& name) {
  return spec.id == name || spec.short_name() == name;
}

}  // namespace

struct Registry::Impl {
  std::vector<LibraryRecord> libraries;
  std::vector<PluginEntry> plugins;
  std::vector<std::string> warnings;

  void enter_plugins();
  [[nodiscard]] const LibraryRecord* failed_library(const std::string& name) const;
  [[nodiscard]] Error unknown(int kind, const std::string& name) const;
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;
const std::vector<LibraryRecord>& Registry::libraries() const {
  return impl_->libraries;
}
const std::vector<PluginEntry>& Registry::plugins() const {
  return impl_->plugins;
}
const std::vector<std::string>& Registry::warnings() const {
  return impl_->warnings;
}

Result<std::unique_ptr<Registry>> Registry::discover(const RegistryOptions& options) {
  const Result<fs::path> worker = find_worker(options);
  if (!worker) return worker.error();
  const auto scanner = stamp_of(*worker).value_or(FileStamp{});
  ScanCache cache(cache_home() / "plugins.json",
                  std::to_string(scanner.size) + "-" + std::to_string(scanner.mtime_ns));
  if (options.use_cache) cache.load();

  std::unique_ptr<Registry> registry(new Registry());
  Impl& impl = *registry->impl_;
  SearchResult search = search_libraries(options);
  impl.warnings = std::move(search.warnings);
  impl.libraries.resize(search.candidates.size());
  std::vector<ScanJob> jobs;
  for (std::size_t i = 0; i < search.candidates.size(); ++i) {
    const Candidate& candidate = search.candidates[i];
    LibraryRecord& record = impl.libraries[i];
    record.path = candidate.path;
    const auto stamp = stamp_of(candidate.path);
    if (!stamp || !candidate.refusal.empty()) {
      record.state = stamp ? ScanState::kDisabled : ScanState::kNotAPlugin;
      record.reason = "'" + candidate.path.string() + "' " +
                      (candidate.refusal.empty() ? std::string("has disappeared") : candidate.refusal);
      continue;
    }
    auto known = options.use_cache ? cache.find(candidate.path, *stamp) : std::nullopt;
    if (known) {
      record = std::move(*known);
    } else {
      jobs.push_back({i, candidate.path});
    }
  }
  scan_all(*worker, options.scan_limit_ms, jobs, impl.libraries);
  if (options.use_cache) {
    for (const ScanJob& job : jobs) cache.store(impl.libraries[job.slot]);
    cache.save();
  }
  impl.enter_plugins();
  return registry;
}

void Registry::Impl::enter_plugins() {
  std::map<std::pair<int, std::string>, const LibraryRecord*> first;
  for (LibraryRecord& library : libraries) {
    if (library.state != ScanState::kOk) continue;
    std::size_t hidden = 0;
    for (const PluginSpec& spec : library.plugins) {
      PluginEntry entry{&library, &spec, ScanState::kOk, {}};
      const auto [place, is_first] = first.emplace(std::make_pair(spec.kind, spec.id), &library);
      if (!is_first) {
        entry.state = ScanState::kShadowed;
        entry.reason = "'" + spec.id + "' of '" + library.path.string() + "' is hidden by '" +
                       place->second->path.string() + "', which comes first in the search order";
        ++hidden;
      }
      plugins.push_back(std::move(entry));
    }
    if (hidden == library.plugins.size()) {
      library.state = ScanState::kShadowed;
      library.reason =
          "'" + library.path.string() + "' holds nothing that earlier libraries do not hold already";
    }
  }
  std::stable_sort(plugins.begin(), plugins.end(), [](const PluginEntry& a, const PluginEntry& b) {
    return a.spec->kind != b.spec->kind ? a.spec->kind < b.spec->kind : a.spec->id < b.spec->id;
  });
}

const LibraryRecord* Registry::Impl::failed_library(const std::string& name) const {
  const auto failed = [](const LibraryRecord& library) {
    return library.state != ScanState::kOk && library.state != ScanState::kShadowed;
  };
  for (const LibraryRecord& library : libraries) {
    if (!failed(library)) continue;
    for (const PluginSpec& spec : library.plugins) {
      if (bears_name(spec, name)) return &library;
    }
  }
  for (const LibraryRecord& library : libraries) {
    if (failed(library) && stem_matches(library.path, name)) return &library;
  }
  return nullptr;
}

std::string optional_plugin_remedy(int kind, const std::string& name) {
  if (kind != ASSAY_MODEL || (name != "llama" && name != "assay.llama")) return {};
  return "scripts/setup-llama gets libllama; then configure and build again (cmake --preset release, "
         "cmake --build --preset release)";
}

Error Registry::Impl::unknown(int kind, const std::string& name) const {
  const std::string what = std::string(kind_name(kind)) + " plugin '" + printable(name) + "'";
  if (const LibraryRecord* library = failed_library(name)) {
    return {Code::kNotFound,
            "the " + what + " cannot be used: " + scan_state_name(library->state) + ": " + library->reason,
            {}};
  }
  if (const std::string remedy = optional_plugin_remedy(kind, name); !remedy.empty()) {
    return {
        Code::kNotFound,
        "this build has no " + what + ", because its library was not found when assay was built; " + remedy,
        {}};
  }
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const PluginEntry& entry : plugins) {
    if (entry.state != ScanState::kOk) continue;
    if (entry.spec->kind != kind) {
      if (!bears_name(*entry.spec, name)) continue;
      return {Code::kNotFound,
              "there is no " + what + "; '" + entry.spec->id + "' is a " + kind_name(entry.spec->kind) +
                  " plugin",
              {}};
    }
    known.insert(entry.spec->short_name());
    names.push_back(entry.spec->id);
    names.push_back(entry.spec->short_name());
  }
  std::string text = "there is no " + what + did_you_mean(name, names);
  if (nearest(name, names)) return {Code::kNotFound, text, {}};
  const std::vector<std::string> list(known.begin(), known.end());
  const std::size_t shown = std::min(list.size(), kNamesShown);
  if (list.empty()) {
    text += "; no " + std::string(kind_name(kind)) +
            " plugins were found at all (assay plugin list shows the search)";
  } else {
    text += "; known are " + join(std::span(list).first(shown), ", ") +
            (list.size() > shown ? " and " + std::to_string(list.size() - shown) + " more" : "");
  }
  return {Code::kNotFound, text, {}};
}

Result<const PluginEntry*> Registry::find(int kind, const std::string& name) const {
  std::vector<const PluginEntry*> matches;
  for (const PluginEntry& entry : impl_->plugins) {
    if (entry.spec->kind != kind || entry.state != ScanState::kOk) continue;
    if (entry.spec->id == name) return &entry;
    if (entry.spec->short_name() == name) matches.push_back(&entry);
  }
  if (matches.size() == 1) return matches.front();
  if (matches.empty()) return impl_->unknown(kind, name);
  std::vector<std::string> ids;
  for (const PluginEntry* match : matches) ids.push_back(match->spec->id);
  return Error{Code::kInvalidArgument,
               "the short name '" + name + "' fits several " + kind_name(kind) +
                   " plugins: " + join(ids, ", ") + "; write the full id",
               {}};
}

Result<const assay_entry*> Registry::load(const PluginEntry& plugin, const assay_host* host) const {
  const LibraryRecord& library = *plugin.library;
  if (plugin.state != ScanState::kOk) {
    return Error{Code::kNotFound, std::string(scan_state_name(plugin.state)) + ": " + plugin.reason, {}};
  }
  LoadedLibraries& all = loaded_libraries();
  const std::lock_guard lock(all.mutex);
  const std::string path = library.path.string();
  if (const auto found = all.by_path.find(path); found != all.by_path.end() && found->second.host == host) {
    return found->second.entry;
  }
  if (Result<void> same = same_file(library); !same) return std::move(same).error();
  const auto refuse = [&](const Verdict& verdict) {
    return Error{Code::kPluginMisbehaving,
                 std::string(scan_state_name(verdict.state)) + ": '" + path + "' " + verdict.reason,
                 {}};
  };
  const assay_entry* entry = nullptr;
  if (const Verdict verdict = open_library(library.path, entry); !verdict.ok()) return refuse(verdict);
  std::vector<PluginSpec> plugins;
  constexpr std::uint32_t kKindsWereChecked = 0;
  if (const Verdict verdict = start_library(*entry, host, kKindsWereChecked, plugins); !verdict.ok()) {
    return refuse(verdict);
  }
  if (Result<void> same = same_contents(library, plugins); !same) return std::move(same).error();
  all.by_path[path] = {entry, host};
  return entry;
}

}  // namespace assay::host
