// Where plugin libraries are looked for (plugin-abi.md 3.1). Internal to harness/plugins.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/plugins/registry.hpp"

namespace assay::host {

struct Candidate {
  std::filesystem::path path;  ///< canonical and absolute, or as given when it does not exist
  std::string refusal;         ///< why it must not be touched, or empty
};

struct SearchResult {
  std::vector<Candidate> candidates;  ///< in search order, every file once
  std::vector<std::string> warnings;
};

SearchResult search_libraries(const RegistryOptions& options);
/// The program assay-worker; kNotFound names the places that were tried.
Result<std::filesystem::path> find_worker(const RegistryOptions& options);

}  // namespace assay::host
