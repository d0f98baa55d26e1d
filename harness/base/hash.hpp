// Identities (SHA-256) and fast keys (XXH3-128). Thread rule: objects are not shared, functions are pure.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "assay/sdk/result.hpp"

namespace assay::host {

using Digest = std::array<std::uint8_t, 32>;

/// SHA-256, fed piece by piece. `field` writes a length in front, so that ("ab","c") and ("a","bc") differ.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  Sha256& bytes(std::string_view data);
  Sha256& field(std::string_view data);
  Sha256& number(std::uint64_t value);
  Sha256& real(double value);  ///< the bits of the value; all NaNs are one
  /// The digest; the object starts anew afterwards.
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Digest sha256(std::string_view data);
std::string hex(const Digest& digest);
std::string sha256_hex(std::string_view data);
/// SHA-256 of a file's bytes as 64 hex digits. kNotFound or kData with the path in the text.
Result<std::string> sha256_file(const std::filesystem::path& path);

/// 128-bit non-cryptographic key for tables inside one process.
struct Key128 {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Key128&) const = default;
};
Key128 fast_key(std::string_view data);
/// For unordered containers.
struct KeyHash {
  std::size_t operator()(const Key128& key) const { return static_cast<std::size_t>(key.low); }
};

}  // namespace assay::host
