// Opening plugin libraries: the only place that uses Boost.DLL. Internal to harness/plugins.
//
// Libraries are opened with rtld_now | rtld_local and stay open until the process ends: a plugin may have
// started threads or handed out pointers into itself, and no destructor order could make unloading safe.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "harness/plugins/elf.hpp"
#include "harness/plugins/registry.hpp"

namespace assay::host {

/// A state, and the sentence that goes with it when it is not kOk.
struct Verdict {
  ScanState state = ScanState::kOk;
  std::string reason;
  [[nodiscard]] bool ok() const { return state == ScanState::kOk; }
};

/// Whether the markers of a file fit this host. Decides ABI_TOO_NEW, ABI_TOO_OLD and NOT_A_PLUGIN without
/// loading; `chosen` receives the ABI the library was built for.
Verdict judge_markers(const ElfFacts& facts, AbiMarker& chosen);

/// Opens the library (once per process) and checks the frozen prefix of its entry. No function of the plugin
/// runs except the static constructors of the library. Thread-safe.
Verdict open_library(const std::filesystem::path& path, const assay_entry*& entry);

/// Runs init (with `host`) and reads every descriptor. `kinds` are the kind markers of the file, or 0 when
/// not to be compared. On DESCRIPTOR_INVALID `plugins` holds those that could be read.
Verdict start_library(const assay_entry& entry, const assay_host* host, std::uint32_t kinds,
                      std::vector<PluginSpec>& plugins);

}  // namespace assay::host
