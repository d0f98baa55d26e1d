#include "assay/text/zlib_length.hpp"

#include <zlib.h>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>

namespace assay::text {
namespace {

// A text made of invented words by a linear congruential generator (constants of Knuth's MMIX). The smaller
// the vocabulary, the more matches the compressor has to choose from, which is where implementations differ.
std::string probe_text(std::uint64_t seed, std::uint64_t vocabulary, int words) {
  static constexpr std::string_view kLetters = "etaoinshrdlucmfw";
  std::uint64_t state = seed;
  std::string out;
  for (int w = 0; w < words; ++w) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    std::uint64_t word = (state >> 33) % vocabulary * 2654435761ULL + 12345;
    for (int k = 0; k < 6; ++k) {
      out.push_back(kLetters[(word >> 8) & 15]);
      word = word / 7 + 977;
    }
    out.push_back(' ');
  }
  return out;
}

struct Probe {
  std::uint64_t seed;
  std::uint64_t vocabulary;
  int words;
  std::size_t length;  // compressed by classic zlib 1.2.13 at its default level
};
constexpr std::array<Probe, 4> kProbes{
    {{1, 40, 60, 192}, {2, 300, 400, 1198}, {3, 2000, 3000, 9173}, {4, 12, 5000, 4209}}};

bool has_classic_lengths() {
  for (const Probe& p : kProbes) {
    const auto length = zlib_length(probe_text(p.seed, p.vocabulary, p.words));
    if (!length.ok() || *length != p.length) return false;
  }
  return true;
}

}  // namespace

Result<std::size_t> zlib_length(std::string_view bytes) {
  static_assert(sizeof(uLong) == sizeof(std::size_t), "text lengths are passed as uLong");
  const auto fail = [&](const std::string& why) {
    return Error{Code::kResourceExhausted,
                 "compressing a text of " + std::to_string(bytes.size()) + " bytes failed (" + why +
                     "); free memory or shorten the text",
                 ""};
  };
  const uLong bound = compressBound(static_cast<uLong>(bytes.size()));
  if (bound < bytes.size()) return fail("the text is too long for zlib");
  const std::unique_ptr<Bytef[]> buffer(new (std::nothrow) Bytef[bound]);
  if (!buffer) return fail("no memory for the output");
  uLongf length = bound;
  const int code = compress2(buffer.get(), &length, reinterpret_cast<const Bytef*>(bytes.data()),
                             static_cast<uLong>(bytes.size()), Z_DEFAULT_COMPRESSION);
  if (code != Z_OK) return fail("zlib error " + std::to_string(code));
  return static_cast<std::size_t>(length);
}

ZlibFlavour zlib_flavour() {
  ZlibFlavour out;
  out.version = zlibVersion();
  out.parity = has_classic_lengths();
  if (out.version.find("zlib-ng") != std::string::npos) {
    out.flavour = "zlib-ng";
  } else {
    const bool plain = out.version.find_first_not_of("0123456789.") == std::string::npos;
    out.flavour = plain && out.parity ? "zlib" : "other";
  }
  return out;
}

}  // namespace assay::text
