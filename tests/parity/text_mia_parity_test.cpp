// zlib lengths of WikiMIA texts, as they are and in Unicode lower case (mia.md 3.2, 3.3).
#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "assay/text/utf8.hpp"
#include "assay/text/zlib_length.hpp"
#include "tests/support/data.hpp"

using namespace assay::text;
using nlohmann::json;

TEST_CASE("zlib lengths of WikiMIA equal the golden ones", "[parity][text][zlib]") {
  ASSAY_NEEDS_DATA(root);
  const ZlibFlavour flavour = zlib_flavour();
  INFO("zlib flavour " << flavour.flavour << " " << flavour.version);
  CHECK(flavour.parity);
  struct Split {
    const char* length;
    std::size_t texts;
    std::size_t ascii_lower_changes;       // texts that ASCII-only lower-casing gets wrong
    std::size_t ascii_lower_zlib_changes;  // of these, texts whose zlib length differs
  };
  for (const Split& split : {Split{"32", 776, 13, 8}, Split{"64", 542, 16, 5}, Split{"128", 250, 10, 5}}) {
    INFO("WikiMIA length " << split.length);
    std::ifstream texts(root / ("mia/wikimia/WikiMIA_length" + std::string(split.length) + ".jsonl"));
    std::ifstream golden(root / ("mia/wikimia/golden_zlib_length" + std::string(split.length) + ".csv"));
    REQUIRE(texts.good());
    REQUIRE(golden.good());
    std::string line;
    std::getline(golden, line);
    REQUIRE(trim(line) == "row,label,utf8_bytes,zlib_bytes,zlib_bytes_lower,date_score");  // CRLF file
    std::size_t rows = 0;
    std::size_t lower_changes = 0;
    std::size_t zlib_changes = 0;
    while (std::getline(golden, line)) {
      std::vector<std::size_t> want;
      std::istringstream cells(line);
      for (std::string cell; want.size() < 5 && std::getline(cells, cell, ',');)
        want.push_back(std::stoul(cell));
      REQUIRE(want.size() == 5);
      REQUIRE(std::getline(texts, line));
      const std::string text = json::parse(line).at("input");
      INFO("row " << want[0]);
      REQUIRE(want[0] == rows);
      CHECK(text.size() == want[2]);
      CHECK(zlib_length(text).value() == want[3]);
      CHECK(zlib_length(lower(text)).value() == want[4]);
      lower_changes += lower(text) != lower_ascii(text) ? 1U : 0U;
      zlib_changes += zlib_length(lower_ascii(text)).value() != want[4] ? 1U : 0U;
      ++rows;
    }
    CHECK(rows == split.texts);
    CHECK(lower_changes == split.ascii_lower_changes);
    CHECK(zlib_changes == split.ascii_lower_zlib_changes);
  }
}
