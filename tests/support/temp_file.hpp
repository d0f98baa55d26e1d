// A file for the length of one test.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace assay::test {

/// A file with this content that goes away with the object.
class TempFile {
 public:
  explicit TempFile(std::string_view content, const char* suffix = "") {
    static int counter = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("assay_test_" + std::to_string(::getpid()) + "_" + std::to_string(counter++) + suffix);
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TempFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace assay::test
