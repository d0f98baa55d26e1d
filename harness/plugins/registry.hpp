// Finding, scanning and loading plugin libraries.
//
// Every library is scanned in a child process (assay-worker --scan FILE) before the host touches it; the
// result is cached by path, size, mtime and sha256. Listing reads only the cache. A library is loaded at most
// once per process, with Boost.DLL (rtld_now | rtld_local), and never unloaded. Failed libraries stay listed
// with their state and reason.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "assay/sdk/result.hpp"
#include "harness/plugins/spec.hpp"

namespace assay::host {

enum class ScanState {
  kOk,
  kDisabled,
  kShadowed,
  kNotAPlugin,
  kBadElf,
  kWrongMachine,
  kAbiTooNew,
  kAbiTooOld,
  kUnresolvedSymbol,
  kScanTimeout,
  kScanCrashed,
  kInitFailed,
  kDescriptorInvalid,
  kChangedSinceScan,
};
/// "OK", "SHADOWED", "NOT_A_PLUGIN" ...
const char* scan_state_name(ScanState state);

/// One library file, as scanned.
struct LibraryRecord {
  std::filesystem::path path;  ///< canonical, absolute
  std::string sha256;          ///< 64 hex digits
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::string build_id, build_info;
  std::uint32_t abi_major = 0, abi_minor = 0;
  ScanState state = ScanState::kOk;
  std::string reason;  ///< a sentence when the state is not kOk
  std::vector<PluginSpec> plugins;
};

/// One plugin of one library. `state` is kShadowed when an earlier library has the same id.
struct PluginEntry {
  const LibraryRecord* library = nullptr;
  const PluginSpec* spec = nullptr;
  ScanState state = ScanState::kOk;
  std::string reason;
};

struct RegistryOptions {
  std::vector<std::filesystem::path> files;  ///< --plugin FILE, first in the search order
  bool use_environment = true;               ///< ASSAY_PLUGIN_PATH and the user's folder
  bool use_program_folders = true;           ///< ../lib/assay/plugins beside the executable's folder
  bool use_cache = true;                     ///< read and write $XDG_CACHE_HOME/assay/plugins.json
  int scan_limit_ms = 5000;                  ///< a library that is not scanned by then is SCAN_TIMEOUT
  std::filesystem::path worker;  ///< the program assay-worker; empty: beside the executable or in ../bin
};

/// All libraries in search order (plugin-abi.md 3.1). Immutable after discover(); load() is thread-safe.
class Registry {
 public:
  /// Scans what the cache does not know. Fails only if nothing can be searched at all (no worker program).
  static Result<std::unique_ptr<Registry>> discover(const RegistryOptions& options);
  ~Registry();

  [[nodiscard]] const std::vector<LibraryRecord>& libraries() const;
  [[nodiscard]] const std::vector<PluginEntry>& plugins()
      const;  ///< sorted by kind, then id; failed ones left out
  /// Warnings of the search: folders writable by others and so on.
  [[nodiscard]] const std::vector<std::string>& warnings() const;

  /// By full id, or by short name when that is unique. kNotFound with did-you-mean, or the reason why the
  /// library that holds it (or bears its name) failed.
  [[nodiscard]] Result<const PluginEntry*> find(int kind, const std::string& name) const;

  /// The entry of a library, loaded now if need be. `host` is handed to init. CHANGED_SINCE_SCAN and so on
  /// are errors. The pointer is valid for the life of the process.
  Result<const assay_entry*> load(const PluginEntry& plugin, const assay_host* host) const;

 private:
  Registry();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// How to get a plugin of the tree that is built only where its library was found; empty for any other name.
std::string optional_plugin_remedy(int kind, const std::string& name);

/// Scans one file in this process: what `assay-worker --scan` does. Never throws; the record has the state.
LibraryRecord scan_library(const std::filesystem::path& file);

}  // namespace assay::host
