// Whole-file reading, atomic writing and the places where files live (XDG). Thread rule: pure functions.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "assay/sdk/result.hpp"

namespace assay::host {

/// The bytes of a file of at most `bytes_max`. kNotFound, kData (too large, a directory) with the path.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);
/// Writes to a temporary name beside the target and renames, so a reader never sees half a file.
Result<void> write_file(const std::filesystem::path& path, std::string_view bytes);

/// $XDG_CACHE_HOME/assay or ~/.cache/assay. Empty or relative values count as unset.
std::filesystem::path cache_home();
/// $XDG_DATA_HOME/assay or ~/.local/share/assay.
std::filesystem::path data_home();
/// The folder of the running executable.
std::filesystem::path executable_folder();
/// The value of an environment variable, or "" when unset.
std::string environment(const char* name);

}  // namespace assay::host
