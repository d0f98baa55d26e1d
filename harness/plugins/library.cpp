#include "harness/plugins/library.hpp"

// Boost.DLL 1.74 uses these three without including them.
#include <fstream>
#include <string>
#include <vector>

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>
#include <cstddef>
#include <map>
#include <mutex>
#include <set>

#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

constexpr std::uint32_t kPluginsPerLibraryMax = 4096;
constexpr std::size_t kEntryPrefix = offsetof(assay_entry, sdk_version);  // struct_size, abi_major, abi_minor
constexpr std::size_t kEntryKnown = offsetof(assay_entry, get_extension) + sizeof(void*);

std::string version_text(std::uint32_t major, std::uint32_t minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

const std::string& host_abi() {
  static const std::string text = version_text(ASSAY_ABI_MAJOR, ASSAY_ABI_MINOR);
  return text;
}

Verdict judge_abi(std::uint32_t major, std::uint32_t minor) {
  if (major == ASSAY_ABI_MAJOR && minor <= ASSAY_ABI_MINOR) return {};
  if (major < ASSAY_ABI_MAJOR) {
    return {ScanState::kAbiTooOld, "was built for plugin ABI " + version_text(major, minor) +
                                       "; this program offers " + host_abi() +
                                       ": rebuild the plugin with the current SDK"};
  }
  return {ScanState::kAbiTooNew, "was built for plugin ABI " + version_text(major, minor) +
                                     "; this program offers " + host_abi() +
                                     ": use a newer assay or rebuild the plugin with the older SDK"};
}

// Boost wraps the loader's message: "...load() failed (dlerror system message: MESSAGE): Bad file
// descriptor".
std::string loader_message(const std::string& wrapped) {
  constexpr std::string_view kBefore = "dlerror system message: ";
  const std::size_t start = wrapped.find(kBefore), end = wrapped.rfind("): ");
  if (start == std::string::npos || end == std::string::npos || end < start) return wrapped;
  return wrapped.substr(start + kBefore.size(), end - start - kBefore.size());
}

// The loader's words decide the state: there is no code for them.
Verdict judge_loader_message(const std::string& message) {
  const auto says = [&](const char* words) { return message.find(words) != std::string::npos; };
  if (says("undefined symbol") || says("version `")) {
    return {ScanState::kUnresolvedSymbol, "cannot be loaded: " + message};
  }
  if (says("cannot open shared object file")) {
    return {ScanState::kUnresolvedSymbol,
            "cannot be loaded because a library it needs is missing: " + message};
  }
  return {ScanState::kBadElf, "cannot be loaded: " + message};
}

}  // namespace

Verdict judge_markers(const ElfFacts& facts, AbiMarker& chosen) {
  if (facts.abi.empty() && !facts.has_entry) {
    return {ScanState::kNotAPlugin,
            "is a shared library but not an assay plugin: it exports neither assay_plugin_entry "
            "nor an ABI marker such as assay_abi_" +
                std::to_string(ASSAY_ABI_MAJOR) + "_" + std::to_string(ASSAY_ABI_MINOR)};
  }
  if (facts.abi.empty()) {
    return {ScanState::kNotAPlugin,
            "exports assay_plugin_entry but no ABI marker: end one source file with "
            "ASSAY_PLUGIN (C++) or ASSAY_MARKERS (C)"};
  }
  // A library may be built for several versions; the best one that fits counts.
  chosen = facts.abi.back();
  for (const AbiMarker& marker : facts.abi) {
    if (judge_abi(marker.major, marker.minor).ok()) chosen = marker;
  }
  if (Verdict verdict = judge_abi(chosen.major, chosen.minor); !verdict.ok()) return verdict;
  if (facts.needs_unstable) {
    return {ScanState::kAbiTooNew,
            "uses draft interfaces (it exports assay_needs_unstable), and this release has none: rebuild the "
            "plugin"};
  }
  if (!facts.has_entry) {
    return {ScanState::kNotAPlugin,
            "has an ABI marker but does not export the data symbol assay_plugin_entry: end one "
            "source file with ASSAY_PLUGIN, and link with the SDK's version script"};
  }
  return {};
}

Verdict open_library(const std::filesystem::path& path, const assay_entry*& entry) {
  // Never destroyed: see the header.
  static auto* const mutex = new std::mutex;
  static auto* const handles = new std::map<std::string, boost::dll::shared_library>;
  const std::lock_guard lock(*mutex);
  try {
    auto found = handles->find(path.string());
    if (found == handles->end()) {
      // The overload that throws keeps the loader's message; the one with an error_code loses it.
      boost::dll::shared_library opened(path,
                                        boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
      found = handles->emplace(path.string(), std::move(opened)).first;
    }
    if (!found->second.has("assay_plugin_entry")) {
      return {ScanState::kNotAPlugin, "does not export assay_plugin_entry"};
    }
    entry = &found->second.get<const assay_entry>("assay_plugin_entry");
  } catch (const std::exception& failure) {
    return judge_loader_message(printable(loader_message(failure.what()), 1000));
  }
  if (entry->struct_size < kEntryPrefix) {
    return {ScanState::kDescriptorInvalid, "has an entry with the struct_size " +
                                               std::to_string(entry->struct_size) + "; at least " +
                                               std::to_string(kEntryPrefix) + " was expected"};
  }
  if (Verdict verdict = judge_abi(entry->abi_major, entry->abi_minor); !verdict.ok()) return verdict;
  if (entry->struct_size < kEntryKnown) {
    return {ScanState::kDescriptorInvalid, "has an entry with the struct_size " +
                                               std::to_string(entry->struct_size) + "; ABI " + host_abi() +
                                               " needs " + std::to_string(kEntryKnown)};
  }
  if (entry->init == nullptr || entry->count == nullptr || entry->descriptor == nullptr ||
      entry->create == nullptr || entry->capabilities == nullptr || entry->destroy == nullptr ||
      entry->get_extension == nullptr) {
    return {ScanState::kDescriptorInvalid, "has an entry with a missing function (only deinit may be NULL)"};
  }
  return {};
}

Verdict start_library(const assay_entry& entry, const assay_host* host, std::uint32_t kinds,
                      std::vector<PluginSpec>& plugins) {
  if (const std::int32_t code = entry.init(host); code != ASSAY_OK) {
    return {ScanState::kInitFailed, "refused to start: init returned code " + std::to_string(code)};
  }
  const std::uint32_t count = entry.count();
  if (count == 0 || count > kPluginsPerLibraryMax) {
    return {ScanState::kDescriptorInvalid, "announces " + std::to_string(count) + " plugins; 1 to " +
                                               std::to_string(kPluginsPerLibraryMax) + " were expected"};
  }
  Verdict verdict;
  const auto invalid = [&](std::string reason) {
    if (verdict.ok()) verdict = {ScanState::kDescriptorInvalid, std::move(reason)};
  };
  std::set<std::string> ids;
  for (std::uint32_t i = 0; i < count; ++i) {
    Result<PluginSpec> spec = read_descriptor(entry.descriptor(i));
    if (!spec) {
      invalid("holds an invalid descriptor (number " + std::to_string(i) + "): " + spec.error().text);
      continue;
    }
    if (!ids.insert(spec->id).second) invalid("holds two plugins with the id '" + spec->id + "'");
    if (kinds != 0 && (kinds >> static_cast<unsigned>(spec->kind) & 1U) == 0) {
      invalid("holds the " + std::string(kind_name(spec->kind)) + " '" + spec->id +
              "' but its marker assay_kind_" + kind_name(spec->kind) + " is not 1");
    }
    plugins.push_back(std::move(*spec));
  }
  return verdict;
}

}  // namespace assay::host
