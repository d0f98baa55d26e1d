#include "tests/support/places.hpp"

namespace assay::test {

std::filesystem::path source_dir() {
  return ASSAY_SOURCE_DIR;
}

std::filesystem::path build_dir() {
  return ASSAY_BINARY_DIR;
}

}  // namespace assay::test
