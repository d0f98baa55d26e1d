// How a record says which request it answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "assay/sdk/model.hpp"

namespace assay::replay {

/// "generate", "score", "rows", "classify", "embed"; empty for an unknown kind.
std::string_view kind_name(std::int32_t kind);

/// Parts of a key. A part that is not given matches every request; `repeat` is not such a part: a record
/// without it answers repeat 0 only, so that a repeated measurement is never made up from one answer.
enum KeyPart : std::uint32_t {
  kPartTask = 1,
  kPartKind = 2,
  kPartVariant = 4,
  kPartName = 8,
  kPartItem = 16
};
inline constexpr std::uint32_t kAllParts = 31;
/// Mask of a key that is a digest of the whole request.
inline constexpr std::uint32_t kDigestMask = 32;

struct KeyView {
  std::uint32_t mask = 0;                            ///< KeyPart bits that are given, or kDigestMask
  std::string_view task, kind, variant, name, item;  ///< `item` holds the digest when mask is kDigestMask
  std::uint32_t repeat = 0;
};

/// A 128-bit fingerprint; equal fingerprints are taken as equal keys.
struct Fingerprint {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Fingerprint&) const = default;
};
Fingerprint fingerprint(const KeyView& key);

/// The key of a request, restricted to the parts of `mask`.
KeyView key_of(const assay_request& request, std::uint32_t mask);

/// The key as people write it, for messages.
std::string to_text(const KeyView& key);

}  // namespace assay::replay
