// Comma-separated values (RFC 4180): quoted fields with commas, quotes and line breaks; LF or CRLF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::truthfulqa {

struct CsvRow {
  std::vector<std::string> fields;
  std::size_t line = 0;  ///< line on which the row begins, from 1
};

/// All rows, blank lines left out. kData with the line if a quoted field is not closed or is followed by
/// text.
Result<std::vector<CsvRow>> read_csv_rows(std::string_view text);

}  // namespace assay::truthfulqa
