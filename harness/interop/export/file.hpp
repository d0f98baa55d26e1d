// A file that grows by pieces under a temporary name and appears whole, or standard output.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "assay/sdk/result.hpp"
#include "harness/base/hash.hpp"

namespace assay::host::exporting {

/// One thread. The first failure (kResourceExhausted, with path and reason) is returned by every later call.
/// A file that is not saved disappears with the object.
class OutputFile {
 public:
  /// "-" is standard output. Folders of the path are made.
  static Result<std::unique_ptr<OutputFile>> open(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  Result<void> write(std::string_view bytes);
  /// Everything reaches the disk and the file its name, replacing what was there.
  Result<void> save();
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  /// SHA-256 of what was written; once, after save().
  std::string digest() { return hex(hash_.finish()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  OutputFile() = default;
  Result<void> drain();
  Error failure(const char* what);

  std::string path_, temporary_, buffer_;
  int file_ = -1;
  std::int64_t bytes_ = 0;
  Sha256 hash_;
  Result<void> state_;
};

}  // namespace assay::host::exporting
