// Zip archives written byte by byte, also damaged ones.
#pragma once

#include <zlib.h>
#include <zstd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::test {

inline std::string little(std::uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFFU);
  return bytes;
}

inline std::string deflated(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  std::string in(text);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string zstd_frame(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  REQUIRE(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

/// One member. `data` is what stands in the file, `size` and `crc` what is said of it.
struct ZipPart {
  std::string name, data;
  std::uint16_t method = 0;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::uint16_t flags = 0;  ///< 8: sizes behind the data, 1: encrypted
};

inline ZipPart zip_part(const std::string& name, std::string_view text, std::uint16_t method = 8) {
  ZipPart part{name, std::string(text), method, text.size(), 0, 0};
  part.crc = static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
  if (method == 8) part.data = deflated(text);
  // Two frames, as a writer makes them that flushes in between.
  if (method == 93)
    part.data = zstd_frame(text.substr(0, text.size() / 2)) + zstd_frame(text.substr(text.size() / 2));
  return part;
}

/// The archive; without its directory when `directory` is false.
inline std::string zip_bytes(const std::vector<ZipPart>& parts, bool directory = true) {
  std::string bytes, central;
  for (const ZipPart& part : parts) {
    const std::uint64_t offset = bytes.size();
    const bool behind = (part.flags & 8U) != 0;
    const std::string sizes = little(part.crc, 4) + little(part.data.size(), 4) + little(part.size, 4);
    const std::string head = little(20, 2) + little(part.flags, 2) + little(part.method, 2) + little(0, 4);
    const std::string lengths = little(part.name.size(), 2) + little(0, 2);
    bytes += "PK\3\4" + head + (behind ? std::string(12, '\0') : sizes) + lengths + part.name + part.data;
    if (behind) bytes += "PK\7\10" + sizes;
    central += "PK\1\2" + little(20, 2) + head + sizes + lengths + little(0, 2) + little(0, 2) +
               little(0, 2) + little(0, 4) + little(offset, 4) + part.name;
  }
  if (!directory) return bytes;
  const std::uint64_t at = bytes.size();
  return bytes + central + "PK\5\6" + little(0, 4) + little(parts.size(), 2) + little(parts.size(), 2) +
         little(central.size(), 4) + little(at, 4) + little(0, 2);
}

}  // namespace assay::test
