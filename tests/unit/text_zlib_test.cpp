// Length of zlib streams and the flavour found at run time.
#include <zlib.h>
#include <catch2/catch_test_macros.hpp>

#include <random>
#include <string>
#include <vector>

#include "assay/text/zlib_length.hpp"

using namespace assay::text;

TEST_CASE("the zlib length is that of a complete stream at the default level", "[text][zlib]") {
  std::mt19937 rng(1);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{1} << 20}) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>('a' + rng() % 3);
    // Independent route: a streaming compressor with a small output buffer.
    z_stream stream{};
    REQUIRE(deflateInit(&stream, Z_DEFAULT_COMPRESSION) == Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(text.data());
    stream.avail_in = static_cast<uInt>(text.size());
    std::vector<Bytef> buffer(4096);
    int code = Z_OK;
    while (code == Z_OK) {
      stream.next_out = buffer.data();
      stream.avail_out = static_cast<uInt>(buffer.size());
      code = deflate(&stream, Z_FINISH);
    }
    REQUIRE(code == Z_STREAM_END);
    const std::size_t expected = stream.total_out;
    REQUIRE(deflateEnd(&stream) == Z_OK);
    const auto length = zlib_length(text);
    REQUIRE(length.ok());
    CHECK(*length == expected);
  }
}

TEST_CASE("an empty text has the length of an empty stream", "[text][zlib]") {
  CHECK(zlib_length("").value() == 8);  // header 2, final empty block 2, Adler-32 4
}

TEST_CASE("the flavour of zlib is the library's own word", "[text][zlib]") {
  const ZlibFlavour flavour = zlib_flavour();
  CHECK(flavour.version == zlibVersion());
  CHECK_FALSE(flavour.flavour.empty());
  // Classic releases with a purely numeric version must pass the probe, or the probe is wrong.
  if (flavour.version == "1.2.13") CHECK(flavour.parity);
  if (flavour.flavour == "zlib") CHECK(flavour.parity);
}
