// Where the tests find the local mirror of public data. Tests that need it are skipped, loudly, without it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "tests/support/places.hpp"

namespace assay::test {

/// First existing directory of: the environment variable, "<source dir>/../shared/<leaf>".
inline std::optional<std::filesystem::path> mirror(const char* variable, const char* leaf) {
  namespace fs = std::filesystem;
  if (const char* value = std::getenv(variable); value != nullptr && *value != '\0') {
    if (fs::is_directory(value)) return fs::path(value);
  }
  const fs::path beside = source_dir().parent_path() / "shared" / leaf;
  if (fs::is_directory(beside)) return beside;
  return std::nullopt;
}

inline std::optional<std::filesystem::path> data_root() {
  return mirror("ASSAY_DATA", "data");
}
inline std::optional<std::filesystem::path> models_root() {
  return mirror("ASSAY_MODELS", "models");
}

}  // namespace assay::test

/// Ends the test as skipped when the data mirror is absent; defines `root` otherwise.
#define ASSAY_NEEDS_DATA(root)                                                                    \
  const auto root##_found = ::assay::test::data_root();                                           \
  if (!root##_found) SKIP("the data mirror is absent: set ASSAY_DATA to a folder with mia/ ..."); \
  const std::filesystem::path root = *root##_found
