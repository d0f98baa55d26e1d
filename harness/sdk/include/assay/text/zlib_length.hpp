// Length of a text after compression with zlib, as membership-inference metrics use it (mia.md 3.2).
//
// The length depends on the zlib implementation: classic zlib gives the published values, replacements such
// as zlib-ng do not. A report therefore carries the flavour found at run time. Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "assay/sdk/result.hpp"

namespace assay::text {

/// Bytes of the zlib stream (2-byte header, deflate data, 4-byte Adler-32) of `bytes` at the default level.
/// Error kResourceExhausted if there is no memory for the compressor.
Result<std::size_t> zlib_length(std::string_view bytes);

/// Which zlib this process runs with.
struct ZlibFlavour {
  std::string flavour;  ///< "zlib", "zlib-ng" or "other"
  std::string version;  ///< what the library says of itself, for example "1.2.13"
  bool parity = false;  ///< fixed probe texts compress to the lengths of classic zlib 1.2.13
};
ZlibFlavour zlib_flavour();

}  // namespace assay::text
