// Where the tests find the source tree and what was built. The two paths are compiled into one file only, so
// that a compiler cache serves every other test in another checkout.
#pragma once

#include <filesystem>

namespace assay::test {

/// The root of the checkout (absolute). Safe to call before main().
[[nodiscard]] std::filesystem::path source_dir();
/// The build tree whose programs, plugins and test libraries are tested (absolute). Safe to call before
/// main().
[[nodiscard]] std::filesystem::path build_dir();

}  // namespace assay::test
