// Read-only zip archives with stored, deflate and zstd members. Member names are data, never paths.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::host::interop {

struct ZipMember {
  static constexpr std::uint16_t kEncrypted = 0xFFFF;  ///< `method` of a member that read() must refuse
  std::string name;
  std::uint64_t offset = 0;  ///< number in the directory; after salvage() the offset of the first data byte
  std::uint64_t packed = 0, size = 0;  ///< compressed bytes, bytes
  std::uint32_t crc = 0;
  std::uint16_t method = 0;  ///< 0 stored, 8 deflate, 93 zstd, or kEncrypted
};

/// Thread rule: one thread at a time; read() moves the file's position.
class ZipFile {
 public:
  /// kData for a file without central directory (truncated download or killed writer), kNotFound without a
  /// file.
  static Result<ZipFile> open(const std::filesystem::path& path);
  /// For archives that lost their directory: scans local headers (--salvage).
  static Result<ZipFile> salvage(const std::filesystem::path& path);
  [[nodiscard]] const std::vector<ZipMember>& members() const;
  /// The member's bytes, checked against its CRC. kData for damage, a size above 2 GiB or a ratio above 200.
  [[nodiscard]] Result<std::string> read(const ZipMember& member) const;

  ~ZipFile();
  ZipFile(ZipFile&&) noexcept;
  ZipFile& operator=(ZipFile&&) noexcept;

 private:
  ZipFile();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::host::interop
